/* native: what the families that speak a dialect of their own have in common.
 *
 * Only files of this room include it. A family is a table (struct native): how to write a
 * conversation or embeddings for its provider, and how to read what comes back. Everything else is
 * here: reading and checking the caller's request, the body's memory, framing of streams, whole
 * answers held up to a limit, errors as OpenAI would say them, usage, broken streams. A family so
 * is one file, its row in tables/providers.def and its golden tests (docs/adding-a-provider.md).
 *
 *     extern const struct provider provider_acme;
 *     static const struct native acme = {…};
 *     const struct provider provider_acme = {
 *         .name = TEXT_INIT("acme"), .prepare = native_prepare, .answer_open = native_answer_open,
 * .native = &acme};
 *
 * One thread at a time; objects in the exchange's arena. */
#ifndef PROVIDER_NATIVE_H
#define PROVIDER_NATIVE_H

#include "codec/json.h"
#include "openai/conversation.h"
#include "openai/embedding.h"
#include "openai/translation.h"
#include "provider/family.h"

/* An answer that is held whole before it is translated: a model's longest answer, or a picture. */
#define NATIVE_ANSWER_MAX (64u << 20)
/* An error is read as far as this; the rest is of a page for people. */
#define NATIVE_ERROR_MAX (256u << 10)
/* Path and query: a model's name is an ARN at most. */
#define NATIVE_TARGET_MAX 4096u

enum native_task {
    NATIVE_CHAT,
    NATIVE_COUNT, /* how many tokens a chat request has: /v1/responses/input_tokens */
    NATIVE_EMBEDDINGS
};

enum native_framing {
    NATIVE_SSE,         /* server-sent events */
    NATIVE_EVENT_STREAM /* AWS event stream */
};

/* What is to be written for the provider. */
struct native_ask {
    const struct provider_call *call;
    const struct native *native; /* whose ask it is */
    enum native_task task;
    struct conversation
        *conversation; /* NATIVE_CHAT, NATIVE_COUNT; checked: what is stated is to be honoured */
    struct embedding *embedding; /* NATIVE_EMBEDDINGS */
    struct text model;           /* what the provider calls it */
    int64_t output_limit;   /* tokens of one choice: the smaller of what the caller and the budget
                               allow; -1:   neither says */
    int64_t output_largest; /* what the model can write at most, by the price list; -1: not known */
    bool stream;            /* the caller wants a stream; a family may ask for one all the same */
    struct arena *arena;
    /* For the family to fill in. */
    struct json_writer *body; /* one JSON value */
    struct buffer *lines;     /* further header lines; the credential among them */
    struct buffer *target;    /* path and query behind the base path; begins with '/' */
    bool *expects_stream;     /* as `stream` until changed */
    void *state; /* of the family, in the arena: given to the readers; NULL until set */
    struct conversation_problem
        *problem; /* with ERROR_UNSUPPORTED or ERROR_SYNTAX: a 400 for the caller */
};

/* One frame of a stream, valid during the call. */
struct native_frame {
    struct text name; /* SSE: the event's name. AWS: :event-type, or :exception-type */
    struct text data;
    yyjson_val *root; /* of `data`; NULL where it is no JSON */
    bool exception;   /* AWS: :message-type is exception or error */
};

/* What an error of the provider's is, in OpenAI's words. Filled with what the status alone says
 * (and the message of the usual shapes) before a family looks. Texts static or in the arena. */
struct native_error {
    unsigned status; /* for the caller */
    struct text type, code, param;
    struct text message;
    enum provider_failure failure;
    uint64_t retry_after; /* nanoseconds; 0: not said */
};

/* What is being read. */
struct native_answer {
    struct provider_answer base;
    const struct native *native;
    const struct native_ask *ask;
    struct translation *translation; /* NATIVE_CHAT; NULL for embeddings */
    struct usage usage;     /* subsets as OpenAI counts them; set by the family's count_usage */
    yyjson_mut_val *counts; /* what native_take_usage gathered; NULL: nothing */
    yyjson_mut_doc *counts_document;
    struct text service_tier; /* in the provider's words, for the price; in the arena */
    bool complete;            /* the provider's own sign of a good end was seen */
    void *state;              /* the family's, from native_ask or made by it; NULL at first */
    struct arena *arena;
};

struct native {
    struct text usage_dialect; /* by meter/quantities.h: how its usage object is counted */
    struct text seal_origin;   /* of sealed reasoning; empty: it has none */
    struct text request_id;    /* the header field with the provider's id; empty: x-request-id */
    enum native_framing framing;
    uint64_t understood; /* PARAMETER_BITs that write_chat honours */
    const char *const *
        embedding_members; /* of vendors that write_embeddings honours, ended by NULL; NULL: none */

    /* ERROR_UNSUPPORTED, ERROR_SYNTAX with ask->problem; ERROR_MEMORY. NULL: the family has no such
     * thing. */
    enum error (*write_chat)(struct native_ask *ask);
    enum error (*write_count)(struct native_ask *ask); /* see native_write_members */
    enum error (*write_embeddings)(struct native_ask *ask);
    /* Signs the request, when all else is written: headers that depend on the body. NULL: nothing
     * to sign. */
    enum error (*sign)(struct native_ask *ask, struct text target, struct text body);

    /* Where the answer to write_count has its number: "input_tokens". */
    const char *count_member;
    /* A whole answer with a 2xx status: told to answer->translation. ERROR_SYNTAX: it is not what
     * was expected. */
    enum error (*read_chat)(struct native_answer *answer, yyjson_val *root);
    /* One frame of a stream. ERROR_SYNTAX: as above. ERROR_REFUSED: the frame is an error, which
     * native_fail was told. */
    enum error (*read_frame)(struct native_answer *answer, const struct native_frame *frame);
    /* Writes the embeddings answer. `head` may bear counts. */
    enum error (*read_embeddings)(struct native_answer *answer, yyjson_val *root,
                                  struct buffer *out);
    /* Fills answer->usage from what native_take_usage gathered (native_usage). */
    void (*count_usage)(struct native_answer *answer);
    /* Looks at the head of any answer: counts, tier. May be NULL. */
    void (*read_head)(struct native_answer *answer, const struct http1_head *head);
    /* Corrects `error`; `root` is NULL where the body is no JSON. May be NULL. */
    void (*read_error)(struct native_answer *answer, yyjson_val *root, struct native_error *error);
    /* Writes x-ratelimit-* lines from the provider's own. May be NULL. */
    void (*write_rates)(const struct http1_head *head, int64_t now, struct buffer *lines);
};

/* For struct provider. */
enum error native_prepare(const struct provider_call *call, struct buffer *lines,
                          struct provider_request *request);
/* The same for a family that is not always translated: `native` is what it is for this call. */
enum error native_prepare_as(const struct native *native, const struct provider_call *call,
                             struct buffer *lines, struct provider_request *request);
enum error native_answer_open(const struct provider_call *call,
                              const struct provider_request *request,
                              const struct provider_sink *sink, struct provider_answer **answer);

/* ---- for families ---- */

/* ERROR_UNSUPPORTED with the problem filled in: "return native_refuse(ask, part->path, "…")".
 * Reason static. */
must_handle enum error native_refuse(struct native_ask *ask, struct text param, const char *reason);
/* Takes a usage object of the provider's, whole or a further part of it: each of its members that
 * is not null overwrites the one of before. Then count_usage is called. What was gathered goes as
 * it is to whoever prices the call. Anything but an object is ignored. */
void native_take_usage(struct native_answer *answer, yyjson_val *usage);
/* A count of it, by a path such as "output_tokens_details.thinking_tokens": -1 when absent; also,
 * with usage.suspicious set, when it is no whole number. */
int64_t native_usage(struct native_answer *answer, const char *path);
/* An error in the place of an answer or in a stream: `error` after native_error_for or
 * native_error_set, and what the family knows better. Texts are copied. The reader then returns
 * ERROR_REFUSED. */
void native_fail(struct native_answer *answer, const struct native_error *error);
/* What a status and a body of one of the usual shapes say. `root` may be NULL. */
void native_error_for(struct native_error *error, unsigned status, yyjson_val *root);
/* Status, type and code of a failure, as OpenAI says it; the message stays. */
void native_error_set(struct native_error *error, enum provider_failure failure);
/* Parses JSON text, such as the arguments of a tool call, into the arena. NULL when it is none, or
 * memory is short. */
yyjson_val *native_parse(struct arena *arena, struct text json);
/* Of the JSON object that `write` makes of the conversation the members that are named (NULL ends
 * them; NULL instead: all), into the object at hand: what a provider wants of a request whose
 * tokens it is to count. Errors as `write`. */
must_handle enum error native_write_members(struct native_ask *ask,
                                            enum error (*write)(struct native_ask *ask),
                                            const char *const *names);
/* Writes a yyjson value as compact JSON. */
void native_write_value(struct json_writer *writer, yyjson_val *value);
/* The same into a text in the arena. data NULL when memory is short. */
struct text native_value_text(struct arena *arena, yyjson_val *value);

#endif
