/* bedrock_parts: what the files of the family `bedrock` share. Same rules as native.h. */
#ifndef PROVIDER_BEDROCK_PARTS_H
#define PROVIDER_BEDROCK_PARTS_H

#include "provider/alias.h"
#include "provider/anthropic_parts.h"
#include "provider/native.h"

/* ---- bedrock_models.c: what Converse leaves to the models ---- */

enum bedrock_top_k {
    TOP_K_NONE,
    TOP_K_PLAIN,  /* {"top_k":n} */
    TOP_K_SHORT,  /* {"k":n} */
    TOP_K_NESTED, /* {"inferenceConfig":{"topK":n}} */
};

enum bedrock_thinking {
    THINKING_NONE,
    THINKING_CLAUDE,  /* thinking, output_config: as struct anthropic_model says */
    THINKING_MAXIMUM, /* reasoningConfig.maxReasoningEffort */
    THINKING_EFFORT   /* reasoning_effort */
};

enum bedrock_trait {
    BEDROCK_CLAUDE = 1 << 0,
    BEDROCK_NO_SYSTEM = 1 << 1,     /* system texts go before the first turn of the user */
    BEDROCK_CACHES = 1 << 2,        /* takes cachePoint in system and messages */
    BEDROCK_CACHES_TOOLS = 1 << 3,  /* and among tools */
    BEDROCK_SCHEMA = 1 << 4,        /* takes outputConfig.textFormat; of Claude its model says */
    BEDROCK_FORCED_TOOL = 1 << 5,   /* takes toolChoice any and tool */
    BEDROCK_RESULT_STATUS = 1 << 6, /* takes toolResult.status */
    BEDROCK_THINKS_ALWAYS = 1 << 7  /* and cannot be told not to */
};

struct bedrock_model {
    struct text part; /* of the model's id */
    unsigned traits;
    enum bedrock_thinking thinking;
    enum bedrock_top_k top_k;
};

/* By an id, inference profile or ARN that has the model's name in it; for one that has not (an
 * application inference profile) what all models take. */
const struct bedrock_model *bedrock_model_find(struct text id);

static inline bool bedrock_is(const struct bedrock_model *model, enum bedrock_trait trait)
{
    return (model->traits & (unsigned)trait) != 0;
}

/* What write_chat honours of some model or other. */
#define BEDROCK_UNDERSTOOD                                                                     \
    (PARAMETER_BIT(PARAMETER_TEMPERATURE) | PARAMETER_BIT(PARAMETER_TOP_P) |                   \
     PARAMETER_BIT(PARAMETER_TOP_K) | PARAMETER_BIT(PARAMETER_STOP) |                          \
     PARAMETER_BIT(PARAMETER_TOOLS) | PARAMETER_BIT(PARAMETER_TOOL_CHOICE) |                   \
     PARAMETER_BIT(PARAMETER_PARALLEL_TOOL_CALLS) | PARAMETER_BIT(PARAMETER_RESPONSE_FORMAT) | \
     PARAMETER_BIT(PARAMETER_REASONING) | PARAMETER_BIT(PARAMETER_SERVICE_TIER) |              \
     PARAMETER_BIT(PARAMETER_METADATA) | PARAMETER_BIT(PARAMETER_USER) |                       \
     PARAMETER_BIT(PARAMETER_SAFETY_IDENTIFIER) | PARAMETER_BIT(PARAMETER_PROMPT_CACHE_KEY) |  \
     PARAMETER_BIT(PARAMETER_INCLUDE))

/* ---- state of a call ---- */

enum bedrock_block_kind {
    BLOCK_PLAIN,  /* text, reasoning */
    BLOCK_TOOL,   /* a call of the caller's tool */
    BLOCK_FORMAT, /* the answer itself, as the input of `format_tool` */
    BLOCK_OWN     /* of the provider's own tools: nothing that OpenAI's answers have a place for */
};

/* A block of the answer that is being streamed, by contentBlockIndex. */
struct bedrock_block {
    struct bedrock_block *next;
    int64_t index;
    enum bedrock_block_kind kind;
    int tool;         /* TOOL: of the translation */
    bool said;        /* TOOL, FORMAT: arguments came */
    struct text seal; /* of its reasoning, so far */
};

struct bedrock_state {
    const struct bedrock_model *model;
    const struct anthropic_model *claude; /* NULL: it is none */
    bool thinks;
    bool tools_seen;         /* messages have toolUse or toolResult: toolConfig is a must */
    struct text format_tool; /* its arguments are the answer; empty: none */
    struct text exception;   /* x-amzn-errortype of the answer's head */
    int64_t input_tokens;    /* of the answer's head; -1: not said */
    struct bedrock_block *blocks;
    const struct bedrock_embedder *embedder; /* of bedrock_embeddings.c */
};

/* In ask->state. NULL when memory is short. */
struct bedrock_state *bedrock_state_make(struct native_ask *ask);

/* Names of tools and ids of their calls (API reference: ToolUseBlock). */
extern const struct alias_rule bedrock_tool_name, bedrock_tool_id;

/* "/model/ID/OPERATION" with the id percent-encoded. */
void bedrock_write_target(struct native_ask *ask, const char *operation);

/* What is signed, or sent with an API key of Bedrock's. */
struct bedrock_signing {
    const struct provider_credential *credential;
    struct text method, host, target, body, region;
    int64_t now; /* seconds since 1970 */
};
/* Appends the credential to the header lines in `out`, of which those that must be are signed. */
must_handle enum error bedrock_sign(const struct bedrock_signing *signing, struct buffer *out);

/* bedrock_listing.c */
extern const struct lister bedrock_lister;

/* bedrock_write.c */
enum error bedrock_write_chat(struct native_ask *ask);
enum error bedrock_write_count(struct native_ask *ask);
/* What requestMetadata may have: `least` to 256 of some characters. */
bool bedrock_is_metadata(struct text text, size_t least);

/* bedrock_messages.c */
/* "system" and "messages", in the object at hand. */
enum error bedrock_write_messages(struct native_ask *ask);
void bedrock_write_cache_point(struct json_writer *json, struct text ttl);
/* Nothing, or only spaces and line ends, which Converse takes for nothing. */
bool bedrock_is_blank(struct text text);
/* A tool loop that began without the reasoning blocks that Claude wants to see again. */
bool bedrock_lacks_reasoning(const struct conversation *conversation,
                             const struct bedrock_model *model);

/* bedrock_read.c */
enum error bedrock_read_chat(struct native_answer *answer, yyjson_val *root);
enum error bedrock_read_frame(struct native_answer *answer, const struct native_frame *frame);
void bedrock_count_usage(struct native_answer *answer);

/* bedrock_error.c */
void bedrock_read_error(struct native_answer *answer, yyjson_val *root, struct native_error *error);
/* An exception in a stream: ERROR_REFUSED. */
enum error bedrock_refuse_frame(struct native_answer *answer, const struct native_frame *frame);

/* bedrock_embeddings.c */
enum error bedrock_write_embeddings(struct native_ask *ask);
enum error bedrock_read_embeddings(struct native_answer *answer, yyjson_val *root,
                                   struct buffer *out);
extern const char *const bedrock_embedding_members[];

#endif
