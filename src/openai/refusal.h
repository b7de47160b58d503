/* refusal: the gateway's own errors in OpenAI's error shape.
 *
 * A message says what was seen, what to do and the request's id. Its text comes from
 * tables/refusals.def, where "{seen:BEFORE%AFTER}" stands for BEFORE, the quoted value and AFTER,
 * or for nothing when the context has no such value. Pure, any thread. */
#ifndef OPENAI_REFUSAL_H
#define OPENAI_REFUSAL_H

#include <stdint.h>

#include "base/buffer.h"
#include "tables/refusals.h"

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
};

#define REFUSAL_SEEN_MAX 200u

/* {"error":{"message","type","param","code"}}, all four keys as the SDKs want them. False (and
 * `out` failed) when it does not fit: 4 KiB always suffice. */
bool refusal_write(struct buffer *out, enum refusal refusal, const struct refusal_context *context);
/* The message alone, not escaped, for streams and logs. */
bool refusal_write_message(struct buffer *out, enum refusal refusal,
                           const struct refusal_context *context);

#endif
