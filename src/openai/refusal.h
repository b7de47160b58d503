/* refusal: the gateway's own errors in OpenAI's error shape.
 *
 * A message says what was seen, what to do and the request's id. Its text comes from
 * tables/refusals.def, where "{seen:BEFORE%AFTER}" stands for BEFORE, the quoted value and AFTER,
 * or for nothing when the context has no such value. What programs want to know beside it stands in
 * `error.turnpike`, which the SDKs pass on with the body. Pure, any thread. */
#ifndef OPENAI_REFUSAL_H
#define OPENAI_REFUSAL_H

#include <stdint.h>

#include "base/buffer.h"
#include "tables/refusals.h"

/* The rule behind a refusal. */
struct refusal_rule {
    struct text kind; /* "network", "limit", "budget", "models" */
    struct text id;   /* empty: a list that has none */
    struct text of;   /* whose it is: "team search" */
    struct text mode; /* "enforce" */
};

/* What was seen of the call, and whom to ask. What is left empty is left out. */
struct refusal_scene {
    struct text documentation; /* where the code is explained */
    struct text contact;
    struct text listener, source, network, forwarder;
    struct text key; /* its public part */
    struct text team;
    struct refusal_rule rule;
};

/* Everything may be left empty. Texts may hold any bytes: they are escaped, cut at
 * REFUSAL_SEEN_MAX and never trusted. No secrets. */
struct refusal_context {
    struct text request_id;
    struct text seen;       /* what the caller sent: a path, a model, a key's public part */
    struct text detail;     /* what was wrong with it, a sentence part without full stop */
    struct text suggestion; /* the nearest right word: adds a "Did you mean" */
    struct text param;      /* the member of the body concerned */
    uint64_t limit;         /* 0: none */
    uint64_t retry_after;   /* nanoseconds, for a header; 0: nothing is known */
    const struct refusal_scene *scene; /* NULL: nothing is known of the call */
};

#define REFUSAL_SEEN_MAX 200u
/* Of the longest answer: a dozen texts, each twice and with every byte escaped. */
#define REFUSAL_BODY_MAX 16384u

/* {"error":{"message","type","param","code","turnpike"}}, the first four as the SDKs want them, the
 * last one where there is a scene. False (and `out` failed) when it does not fit: REFUSAL_BODY_MAX
 * always suffices. */
bool refusal_write(struct buffer *out, enum refusal refusal, const struct refusal_context *context);
/* The message alone, not escaped, for streams and logs. */
bool refusal_write_message(struct buffer *out, enum refusal refusal,
                           const struct refusal_context *context);

/* What a code means, as plain text for people; false when there is no such code. */
must_check bool refusal_explain(struct buffer *out, struct text code);
/* All codes, one a line. */
void refusal_list(struct buffer *out);

#endif
