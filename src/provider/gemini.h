/* gemini: the dialect of Google's Gemini API (generateContent), which AI Studio and Vertex AI share
 * but for addresses, credentials and a few members.
 *
 *     gemini.c             models by name, targets, errors, the family of AI Studio
 *     gemini_write.c       a conversation as generateContent wants it
 *     gemini_media.c       images, sounds and files as parts
 *     gemini_options.c     generationConfig, tools and the like
 *     gemini_schema.c      JSON Schema in the API's own subset
 *     gemini_read.c        answers and frames, told to a translation
 *     gemini_grounding.c   where a text stems from; logprobs
 *     gemini_arguments.c   arguments of calls that Vertex streams piece by piece
 *     gemini_embeddings.c  embedContent, batchEmbedContents, predict
 *     vertex.c             Vertex AI: its addresses, and other makers' models behind it
 *
 * Only these files include it. Everything lies in the exchange's arena; one thread at a time.
 * Sources: Google's protos of google.ai.generativelanguage.v1beta and google.cloud.aiplatform.v1,
 * ai.google.dev/api, cloud.google.com/vertex-ai/generative-ai/docs/model-reference. */
#ifndef PROVIDER_GEMINI_H
#define PROVIDER_GEMINI_H

#include "provider/native.h"

/* Sealed reasoning of both families is Google's: a signature made by one is known to the other. */
#define GEMINI_SEAL_ORIGIN "gemini"

/* What a name tells of a model. Unknown names are those of tuned models and of other makers: for
 * them what all models understand is written. */
struct gemini_model {
    unsigned generation; /* 25 for 2.5, 30 for 3; 0: not known */
    bool pro;
    bool paints, speaks; /* made for images, for speech: they do not think */
};

#define GEMINI_2_5    25u
#define GEMINI_3      30u
#define GEMINI_3_1    31u
#define GEMINI_3_7    37u
#define GEMINI_NEWEST 99u /* "gemini-flash-latest" */

struct gemini_model gemini_model_read(struct text name);

/* What differs between the two. */
struct gemini_place {
    bool vertex;
    struct gemini_model model;
};

/* Appends the name as one segment of a path. ERROR_UNSUPPORTED with the problem where it is none.
 */
must_handle enum error gemini_append_segment(struct native_ask *ask, struct text name);
/* Left out as the configuration says (drop), instead of being refused. */
bool gemini_is_dropped(const struct native_ask *ask, enum conversation_parameter parameter);

/* The body. Problems as native_ask has them. */
must_handle enum error gemini_write(struct native_ask *ask, const struct gemini_place *place);
/* generationConfig, tools, toolConfig and what stands beside them, into the object that is being
 * written. `*instruction` becomes what the system has to be told in words; empty: nothing. */
must_handle enum error gemini_write_options(struct native_ask *ask,
                                            const struct gemini_place *place,
                                            struct text *instruction);
/* An IMAGE, AUDIO or FILE part as inlineData or fileData, with its braces. */
must_handle enum error gemini_write_media(struct native_ask *ask, const struct gemini_place *place,
                                          const struct part *part);

/* Schemas within each other, and all of them after `$ref`s were resolved: what a person writes has
 * dozens. */
#define GEMINI_SCHEMA_DEPTH_MAX 64u
#define GEMINI_SCHEMA_NODES_MAX 4096u
/* The schema as a value: `json_schema` for the members that take JSON Schema (responseJsonSchema,
 * parametersJsonSchema), else in the subset of OpenAPI that Schema is. ERROR_UNSUPPORTED with the
 * problem at `path` where it is too deep or too large. */
must_handle enum error gemini_write_schema(struct native_ask *ask, yyjson_val *schema,
                                           bool json_schema, const char *path);
/* An object without members: functions without parameters have none. */
bool gemini_schema_is_empty(yyjson_val *schema);

/* ---- reading ---- */

/* The readers of struct native, for both families. */
enum error gemini_read_chat(struct native_answer *answer, yyjson_val *root);
enum error gemini_read_frame(struct native_answer *answer, const struct native_frame *frame);
void gemini_count_usage(struct native_answer *answer);
void gemini_read_head(struct native_answer *answer, const struct http1_head *head);
void gemini_read_error(struct native_answer *answer, yyjson_val *root, struct native_error *error);

/* A piece of a choice's text, kept where sources are to be told. */
struct gemini_piece {
    struct gemini_piece *next;
    struct text bytes;
    uint64_t part; /* of its content */
};

/* Arrays and objects that are open at a time in streamed arguments. */
#define GEMINI_ARGUMENTS_DEPTH_MAX 32u

/* Arguments that come as values at JSON paths, one after another, and go on as JSON text. */
struct gemini_arguments {
    struct text path[GEMINI_ARGUMENTS_DEPTH_MAX]; /* of the value written last: keys as JSON
                                                     strings, or "[3]" */
    size_t depth;
    bool open;    /* that value is a string that is not closed */
    bool started; /* something was written */
};

/* Appends what the fragment (a partialArgs entry) adds. ERROR_SYNTAX, ERROR_MEMORY. */
must_handle enum error gemini_arguments_add(struct gemini_arguments *arguments, struct arena *arena,
                                            yyjson_val *entry, struct buffer *out);
/* What is missing for the text to be whole JSON. */
void gemini_arguments_end(struct gemini_arguments *arguments, struct buffer *out);

struct gemini_choice {
    unsigned calls;                    /* that were told */
    bool ended;                        /* it has a finish reason */
    int open;                          /* index of the call whose arguments are streamed; -1 */
    struct gemini_arguments arguments; /* of it */
    struct gemini_piece *first, *last;
    bool cited;      /* its sources were told */
    size_t searches; /* that are billed */
};

/* native_answer.state, made with the request. */
struct gemini_state {
    bool cites;    /* a search was asked for: texts are kept */
    bool one_call; /* parallel_tool_calls: false, which the API has no word for */
    bool begun;
    size_t choice_count;
    struct gemini_choice *choices;
};

/* Tells sources and the number of searches. */
must_handle enum error gemini_read_grounding(struct native_answer *answer, unsigned index,
                                             struct gemini_choice *choice, yyjson_val *candidate);
/* Tells logprobsResult. */
must_handle enum error gemini_read_logprobs(struct native_answer *answer, unsigned index,
                                            yyjson_val *result);

/* ---- embeddings ---- */

enum gemini_embedding {
    GEMINI_EMBED_BATCH,   /* AI Studio's batchEmbedContents */
    GEMINI_EMBED_PREDICT, /* Vertex: predict */
    GEMINI_EMBED_CONTENT  /* Vertex, newer models: embedContent, one text */
};

extern const char *const gemini_embedding_members[];
must_handle enum error gemini_write_embeddings(struct native_ask *ask, enum gemini_embedding form);
enum error gemini_read_embeddings(struct native_answer *answer, yyjson_val *root,
                                  struct buffer *out);

/* What both honour in a conversation; Vertex more. */
#define GEMINI_UNDERSTOOD                                                                          \
    (PARAMETER_BIT(PARAMETER_TEMPERATURE) | PARAMETER_BIT(PARAMETER_TOP_P) |                       \
     PARAMETER_BIT(PARAMETER_TOP_K) | PARAMETER_BIT(PARAMETER_N) | PARAMETER_BIT(PARAMETER_STOP) | \
     PARAMETER_BIT(PARAMETER_SEED) | PARAMETER_BIT(PARAMETER_FREQUENCY_PENALTY) |                  \
     PARAMETER_BIT(PARAMETER_PRESENCE_PENALTY) | PARAMETER_BIT(PARAMETER_LOGPROBS) |               \
     PARAMETER_BIT(PARAMETER_TOP_LOGPROBS) | PARAMETER_BIT(PARAMETER_TOOLS) |                      \
     PARAMETER_BIT(PARAMETER_TOOL_CHOICE) | PARAMETER_BIT(PARAMETER_PARALLEL_TOOL_CALLS) |         \
     PARAMETER_BIT(PARAMETER_RESPONSE_FORMAT) | PARAMETER_BIT(PARAMETER_REASONING) |               \
     PARAMETER_BIT(PARAMETER_SERVICE_TIER) | PARAMETER_BIT(PARAMETER_PROMPT_CACHE_KEY) |           \
     PARAMETER_BIT(PARAMETER_INCLUDE))

#endif
