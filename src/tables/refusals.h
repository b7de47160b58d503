/* refusals: every error that the gateway gives of its own accord, from tables/refusals.def.
 * Constant, any thread. */
#ifndef TABLES_REFUSALS_H
#define TABLES_REFUSALS_H

#include "base/text.h"

enum refusal {
    REFUSAL_NONE,
#define REFUSAL(name, status, type, code, retry, text, advice) REFUSAL_##name,
#include "tables/refusals.def"
#undef REFUSAL
    REFUSAL_COUNT
};

/* What the header x-should-retry says; it wins over the SDK's own idea (408, 409, 429, 5xx). */
enum refusal_retry {
    RETRY_UNSAID, /* no header: the SDK's own idea is right */
    RETRY_YES,
    RETRY_NO
};

struct refusal_row {
    struct text name; /* "KEY_MISSING" */
    unsigned status;
    struct text type;
    struct text code;
    enum refusal_retry retry;
    struct text text;   /* with {seen}, {limit}, {detail}; see openai/refusal.h */
    struct text advice; /* what to do */
};

/* Not for REFUSAL_NONE. */
const struct refusal_row *refusal_row(enum refusal refusal);

#endif
