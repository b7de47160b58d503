/* conversation: what a chat or responses request asks for, in one form for the families that do not
 * speak OpenAI's dialect.
 *
 * Both endpoints are read into the same turns, tools and parameters, so that a translator is
 * written once. Nothing is lost on the way: what has no place here is a parameter that the
 * translator was not told of, and conversation_check then refuses it by name (or drops it where the
 * configuration says so). Texts are slices of the parsed document, valid until conversation_close;
 * rows lie in the arena. One thread at a time. Sources: OpenAI API reference, chat/completions and
 * responses. */
#ifndef OPENAI_CONVERSATION_H
#define OPENAI_CONVERSATION_H

#include <stdint.h>
#include <yyjson.h>

#include "base/arena.h"
#include "base/text.h"
#include "tables/error.h"

/* Choices of one request: as many as OpenAI takes. */
#define CONVERSATION_CHOICES_MAX 128

/* `encrypted_content` of a reasoning item that this gateway's translators made begins with it:
 * "tp1.ORIGIN.text.SEAL" or "tp1.ORIGIN.whole.SEAL" (struct part: seal_origin, sealed_text, seal).
 */
#define CONVERSATION_SEAL_TAG "tp1."

enum conversation_api { CONVERSATION_CHAT, CONVERSATION_RESPONSES };

enum part_kind {
    PART_TEXT,
    PART_REFUSAL, /* of the assistant, in an earlier turn */
    PART_IMAGE,
    PART_FILE,
    PART_AUDIO,
    PART_REASONING,  /* of the assistant, in an earlier turn */
    PART_TOOL_CALL,  /* of the assistant */
    PART_TOOL_RESULT /* in a turn of the user */
};

/* Where the bytes of an image, file or audio are: exactly one of data, url and file_id. */
struct part_media {
    struct text data; /* base64, without "data:…;base64," */
    struct text mime; /* "image/png"; of a data URL or told by format or file name; may be empty */
    struct text url;  /* http, https, or a scheme of the provider's ("gs://", "s3://") */
    struct text file_id;
    struct text file_name;
    struct text detail; /* low, high, auto, original; empty: not said */
};

struct part {
    enum part_kind kind;
    struct text text; /* TEXT, REFUSAL, REASONING; the input of a custom TOOL_CALL */
    struct part_media media;
    /* TOOL_CALL and TOOL_RESULT */
    struct text id;   /* call_id */
    struct text name; /* of the tool; of a result where the call in this conversation tells it */
    struct text arguments;      /* JSON text as the model wrote it; "" for none */
    bool custom;                /* the tool takes text: `text` instead of `arguments` */
    const struct part *results; /* TOOL_RESULT: TEXT, IMAGE and FILE parts */
    size_t result_count;
    bool is_error;
    /* REASONING: what the provider sealed, see translation.h. Empty: none, or not made by this
     * gateway's translator for `seal_origin`'s family. */
    struct text seal_origin; /* "anthropic" */
    struct text seal;        /* signature */
    bool sealed_text;        /* `seal` is the whole block, redacted; there is no text */
    /* The caller wants the prompt cached up to here (cache_control, prompt_cache_breakpoint). */
    bool cache_mark;
    struct text cache_ttl; /* "5m", "1h"; empty: not said */
    const char *path;      /* "messages[3].content[0]", for people */
};

enum turn_role { TURN_SYSTEM, TURN_USER, TURN_ASSISTANT };

/* Texts that are empty are left out: a turn may have no parts at all.
 * Neighbouring messages stay apart: one turn for each message or, of responses, for each run of
 * items of one role; tool results are turns of the user. A translator merges as its API wants. */
struct turn {
    enum turn_role role;
    bool developer; /* SYSTEM: it said "developer" */
    const struct part *parts;
    size_t part_count;
    struct text name; /* of the speaker; empty: none */
};

enum tool_kind {
    TOOL_FUNCTION,
    TOOL_CUSTOM,     /* takes text */
    TOOL_WEB_SEARCH, /* web_search_options of chat, web_search of responses */
    TOOL_OTHER       /* of the provider: `type` and `raw` */
};

struct tool {
    enum tool_kind kind;
    struct text type; /* as written: "function", "web_search_20260318", "file_search" */
    struct text name;
    struct text description;
    yyjson_val *parameters; /* JSON Schema; NULL: none */
    bool strict_stated, strict;
    bool cache_mark;
    struct text cache_ttl;
    yyjson_val *raw; /* the whole object */
    const char *path;
};

enum tool_choice {
    TOOL_CHOICE_UNSTATED,
    TOOL_CHOICE_AUTO,
    TOOL_CHOICE_NONE,
    TOOL_CHOICE_REQUIRED,
    TOOL_CHOICE_NAMED
};

enum answer_format { ANSWER_TEXT, ANSWER_JSON, ANSWER_SCHEMA };

/* A number as its caller wrote it. */
struct stated_number {
    bool stated;
    double value;
};

/* Parameters that are not understood by everybody. A bit each in conversation.stated, set when the
 * member is there, is not null, and asks for something (n: 1 and logprobs: false do not). */
#define CONVERSATION_PARAMETERS(P)                      \
    P(TEMPERATURE, "temperature")                       \
    P(TOP_P, "top_p")                                   \
    P(TOP_K, "top_k")                                   \
    P(N, "n")                                           \
    P(STOP, "stop")                                     \
    P(SEED, "seed")                                     \
    P(FREQUENCY_PENALTY, "frequency_penalty")           \
    P(PRESENCE_PENALTY, "presence_penalty")             \
    P(LOGIT_BIAS, "logit_bias")                         \
    P(LOGPROBS, "logprobs")                             \
    P(TOP_LOGPROBS, "top_logprobs")                     \
    P(TOOLS, "tools")                                   \
    P(TOOL_CHOICE, "tool_choice")                       \
    P(PARALLEL_TOOL_CALLS, "parallel_tool_calls")       \
    P(RESPONSE_FORMAT, "response_format")               \
    P(REASONING, "reasoning_effort")                    \
    P(VERBOSITY, "verbosity")                           \
    P(MODALITIES, "modalities")                         \
    P(AUDIO, "audio")                                   \
    P(PREDICTION, "prediction")                         \
    P(SERVICE_TIER, "service_tier")                     \
    P(STORE, "store")                                   \
    P(METADATA, "metadata")                             \
    P(USER, "user")                                     \
    P(SAFETY_IDENTIFIER, "safety_identifier")           \
    P(PROMPT_CACHE_KEY, "prompt_cache_key")             \
    P(PROMPT_CACHE_RETENTION, "prompt_cache_retention") \
    P(MODERATION, "moderation")                         \
    P(PREVIOUS_RESPONSE_ID, "previous_response_id")     \
    P(CONVERSATION, "conversation")                     \
    P(PROMPT, "prompt")                                 \
    P(BACKGROUND, "background")                         \
    P(TRUNCATION, "truncation")                         \
    P(INCLUDE, "include")                               \
    P(MAX_TOOL_CALLS, "max_tool_calls")                 \
    P(CONTEXT_MANAGEMENT, "context_management")         \
    P(UNKNOWN, "")

enum conversation_parameter {
#define P(name, member) PARAMETER_##name,
    CONVERSATION_PARAMETERS(P)
#undef P
        PARAMETER_COUNT
};
#define PARAMETER_BIT(parameter) (UINT64_C(1) << (parameter))

struct conversation {
    enum conversation_api api;
    struct text model;
    bool stream, include_usage;
    const struct turn *turns;
    size_t turn_count;
    const struct tool *tools;
    size_t tool_count;
    enum tool_choice tool_choice;
    struct text tool_choice_name;
    bool parallel_stated, parallel; /* parallel_tool_calls */
    bool legacy_functions; /* `functions` and `function_call`: the answer says function_call too */
    int64_t max_output;    /* tokens of one choice; -1: not said */
    struct stated_number temperature, top_p, frequency_penalty, presence_penalty;
    int64_t top_k, seed, n, top_logprobs; /* -1: not said; n at least 1 */
    bool seed_stated;
    bool logprobs;
    const struct text *stop;
    size_t stop_count;
    enum answer_format format;
    struct text schema_name, schema_description;
    yyjson_val *schema;
    bool schema_strict;
    struct text effort;  /* none … max; empty: not said */
    struct text summary; /* of reasoning: auto, concise, detailed; empty: none wanted */
    struct text verbosity, service_tier, user, safety_identifier, prompt_cache_key,
        prompt_cache_retention;
    yyjson_val *metadata;
    uint64_t stated;     /* PARAMETER_BIT */
    struct text unknown; /* name of the first member that no row knows; PARAMETER_UNKNOWN is set */
    yyjson_val *root;    /* the request itself: what responses echo, members of vendors */
    yyjson_doc *document;
    struct arena *arena;
};

/* What is wrong with a request, for a 400: texts static, or in the arena. */
struct conversation_problem {
    struct text param;  /* "messages[2].content[0].image_url" */
    struct text reason; /* a sentence part without a full stop */
};

/* Reads the body, which envelope_finish has accepted. ERROR_SYNTAX, ERROR_UNSUPPORTED: `problem`
 * says what; ERROR_MEMORY. conversation_close is needed after success alone. */
must_handle enum error conversation_read(struct conversation *conversation,
                                         enum conversation_api api, struct text body,
                                         struct arena *arena, struct conversation_problem *problem);
void conversation_close(struct conversation *conversation);

/* Every stated parameter must be among `understood` (PARAMETER_BITs) or named in `drop`, whose bits
 * are then cleared in `stated`: a translator goes by the bits. ERROR_UNSUPPORTED with the first
 * that is neither: "param" is its name, "reason" says that `model` does not take it. MODALITIES of
 * text alone and the like are not stated. `drop` has names of members, of unknown ones
 * too; "unknown" stands for all unknown ones. */
must_handle enum error conversation_check(struct conversation *conversation, uint64_t understood,
                                          const struct text *drop, size_t drop_count,
                                          struct text model, struct conversation_problem *problem);

static inline bool conversation_has(const struct conversation *conversation,
                                    enum conversation_parameter parameter)
{
    return (conversation->stated & PARAMETER_BIT(parameter)) != 0;
}

/* "reasoning_effort". */
struct text conversation_parameter_name(enum conversation_parameter parameter);

#endif
