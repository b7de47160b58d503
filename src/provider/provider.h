/* provider: one upstream family behind one interface: how a call is written for it and how its
 * answer is read.
 *
 * No sockets: the exchange gives the texts made here to http/client.h and the answer's bytes back
 * to the answer object, and relays what comes out of that. Families that speak OpenAI's dialect
 * pass bodies and frames through byte-exact with taps beside them; a native family translates both
 * ways behind the same calls (provider/native.h).
 *
 *     provider_prepare(call, &lines, &request)           target, header lines, body edits
 *     provider_answer_open(call, &sink, &answer)         one for each attempt
 *     provider_answer_head(answer, head, &lines, &out)   status, header lines, how it is relayed
 *     provider_answer_bytes(answer, bytes) …             what is to be relayed comes to the sink
 *     provider_answer_end(answer, error)                 the rest, or what tells of a broken answer
 *     provider_answer_facts(answer)                      usage, ids, model
 *     provider_answer_close(answer), provider_request_close(&request)
 *
 * Adding a family: src/provider/NAME.c with its struct provider, a row in tables/providers.def.
 * Memory: texts in the exchange's arena; an answer owns its frame buffer until closed. One thread
 * at a time. */
#ifndef PROVIDER_PROVIDER_H
#define PROVIDER_PROVIDER_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/secret.h"
#include "codec/http1.h"
#include "openai/answer.h"
#include "openai/endpoint.h"
#include "openai/envelope.h"

struct provider;
struct provider_answer;
struct native_ask;
struct quirks;

/* What a call is authorised with. Valid for the calls of one turn of the loop alone: a token may be
 * replaced while its call is under way. */
struct provider_credential {
    const struct secret *secret; /* an API key or a bearer token; NULL: neither */
    bool bearer; /* `secret` is a token: "Authorization: Bearer", whatever the family's keys go in
                  */
    /* AWS: what to sign with (provider/sigv4.h); NULL: nothing, then `secret` counts. */
    const struct secret *access_key_id, *secret_access_key;
    const struct secret *session_token; /* NULL: it is no temporary key */
};

/* How a configured provider is spoken to. Filled from the configuration; texts live as long as its
 * snapshot. */
struct provider_settings {
    const struct provider *provider;
    struct text base_path;                 /* of the base URL, without a slash at its end: "/v1" */
    struct text host;                      /* as the Host header says it */
    struct provider_credential credential; /* of calls that were given no other */
    struct text region;                    /* AWS; empty: none is configured */
    struct text cloud_project;             /* Google; as above */
    struct text cloud_location;            /* Google; as above */
    const struct quirks
        *quirks;              /* how it differs from OpenAI (provider/quirks.h); NULL: it does not
                               */
    struct text api_version;  /* Azure's dated form; empty: the v1 form */
    struct text organization; /* OpenAI-Organization to bill; empty: none */
    struct text project;      /* OpenAI-Project to bill; empty: none */
    struct text extra_lines;  /* headers of the configuration, as lines "name: value CR LF"; they
                                 replace the caller's */
};

/* What went wrong with an attempt, by what somebody else could do about it. */
enum provider_failure {
    PROVIDER_FAILURE_NONE,
    PROVIDER_FAILURE_REQUEST,        /* the request is wrong: no other target would take it */
    PROVIDER_FAILURE_MODEL,          /* the provider has no such model */
    PROVIDER_FAILURE_CONTEXT_LENGTH, /* a model with a larger window may take it */
    PROVIDER_FAILURE_CONTENT_FILTER, /* refused for what it says */
    PROVIDER_FAILURE_CREDENTIAL,     /* the gateway's own credential was refused */
    PROVIDER_FAILURE_QUOTA,          /* nothing is left to spend: waiting does not help */
    PROVIDER_FAILURE_RATE_LIMITED,
    PROVIDER_FAILURE_TIMEOUT,
    PROVIDER_FAILURE_SERVER /* overloaded, broken */
};

struct provider_outcome {
    enum provider_failure failure;
    uint64_t retry_after; /* nanoseconds from the answer's head; 0: not said */
};

/* One attempt: what is to be asked of a provider. */
struct provider_call {
    const struct provider_settings *settings;
    const struct provider_credential *credential; /* for provider_prepare alone */
    const struct endpoint_match *match;
    const struct http1_head *head;   /* the caller's */
    const struct envelope *envelope; /* NULL: the body is no JSON object, or there is none */
    struct text body;                /* what the envelope was read from */
    struct text model;               /* the target's model; empty: as the caller named it */
    const struct text *drop; /* parameters to leave out where the provider has no such thing */
    size_t drop_count;
    struct text request_id;
    bool own_rates; /* the gateway says x-ratelimit-*; what the provider says of them stays here */
    int64_t output_limit; /* tokens of one choice that limits and budgets leave; 0: the caller's */
    int64_t output_largest; /* tokens that the model can write, by the price list; 0: not known */
    int64_t now;            /* seconds since 1970 */
    size_t body_maximum;    /* bytes that a translated body may have */
    struct arena *arena;
};

struct provider_request {
    enum http1_method method;
    struct text target;   /* path and query as they stand in the request line */
    struct splices edits; /* on the body as received */
    bool usage_asked;     /* stream_options.include_usage is ours: its chunk will be removed */
    bool expects_stream;  /* the body asks for a stream */
    /* A native family's: the whole body, which is sent instead of the caller's; and what it keeps
     * for reading the answer. */
    bool translated;
    struct buffer body;
    struct native_ask *ask;
    void (*close)(struct provider_request *request); /* NULL: nothing to free */
    /* With ERROR_UNSUPPORTED or ERROR_SYNTAX: the member of the request concerned and why, for a
     * 400 that names them; empty: the family does not offer the endpoint at all. */
    struct text problem_param, problem_reason;
};

/* How an answer is relayed, known from its head. */
enum provider_relay {
    PROVIDER_RELAY_WHOLE,  /* one JSON object or anything else of known shape: bytes as they come */
    PROVIDER_RELAY_STREAM, /* server-sent events: send on at once, do not gather */
    PROVIDER_RELAY_OPAQUE  /* not looked at: files, audio, images */
};

struct provider_answer_out {
    unsigned status;
    enum provider_relay relay;
    bool length_kept; /* as many bytes come out as go in: the head's content length holds */
    /* The head waits until something is written to the sink or the answer has ended; until then the
     * answer may change `status`, `relay` and `late_lines` here, where it keeps a pointer to. */
    bool held;
    struct text late_lines; /* header lines that are added when the head goes out */
    struct text request_id; /* the provider's own, valid during provider_answer_head; empty: as
                               x-request-id says */
};

/* Where an answer's bytes go. What lies within the bytes given to provider_answer_bytes stays valid
 * as long as those do; everything else only during the write. */
struct provider_sink {
    void (*write)(void *owner, struct text bytes);
    void *owner;
};

/* Writes the header lines ("name: value\r\n", without Host and framing; with the credential:
 * whoever owns `lines` wipes it) and fills `request`, whose texts live in the arena. ERROR_MEMORY;
 * ERROR_UNSUPPORTED when the family does not offer the endpoint, or (with request->problem_reason)
 * what the body asks for; ERROR_SYNTAX with a reason: the body is wrong. provider_request_close
 * afterwards, also after an error, but not before the answer is closed. */
must_handle enum error provider_prepare(const struct provider_call *call, struct buffer *lines,
                                        struct provider_request *request);
void provider_request_close(struct provider_request *request);

/* `call`, what it points to and `sink` outlive the answer. ERROR_MEMORY. */
must_handle enum error provider_answer_open(const struct provider_call *call,
                                            const struct provider_request *request,
                                            const struct provider_sink *sink,
                                            struct provider_answer **answer);
void provider_answer_close(struct provider_answer *answer); /* NULL is fine */

/* The upstream's final head. Writes the caller's header lines (without framing and without the
 * gateway's own x-request-id). ERROR_MEMORY, ERROR_UNSUPPORTED (a content coding on an answer
 * that must be read). */
must_handle enum error provider_answer_head(struct provider_answer *answer,
                                            const struct http1_head *head, struct buffer *lines,
                                            struct provider_answer_out *out);
/* ERROR_LIMIT: a frame is larger than may be held; ERROR_MEMORY; ERROR_SYNTAX: what a translator
 * cannot read. The exchange ends the answer then as one that broke. */
must_handle enum error provider_answer_bytes(struct provider_answer *answer, struct text bytes);
/* The answer's last byte was given (ERROR_OK), or the upstream failed, or the call was given up. A
 * stream without a proper end gets an error event that the SDKs raise, made of `code` and `message`
 * (tables/refusals.def). Returns whether the answer is complete for the caller now: false means
 * that only a cut connection can tell him (a broken body that is no stream). */
bool provider_answer_end(struct provider_answer *answer, enum error error, struct text code,
                         struct text message);
/* What was learned so far; complete after provider_answer_end. Valid while the answer is. */
const struct answer_facts *provider_answer_facts(const struct provider_answer *answer);
/* Why it is no good answer, if it is none: known from the head where the status tells it, else
 * after provider_answer_end. */
const struct provider_outcome *provider_answer_outcome(const struct provider_answer *answer);
/* Something that the model wrote has been relayed. */
bool provider_answer_has_content(const struct provider_answer *answer);

/* By the name that the configuration gives ("openai"); NULL when there is none. */
const struct provider *provider_find(struct text name);
struct text provider_name(const struct provider *provider);
/* Whether it speaks a dialect of its own, so that requests and answers are translated. */
bool provider_translates(const struct provider *provider);
/* Whether a body may be made for it: by translation, or where it differs from OpenAI. */
bool provider_makes_bodies(const struct provider_settings *settings);
/* How a server of the name, or at the address, differs; NULL: not at all, as far as is known. */
const struct quirks *provider_find_quirks(struct text name, struct text host, uint16_t port);
/* All families in the table's order, for "did you mean" and documentation; NULL behind the last. */
const struct provider *provider_at(size_t index);

#endif
