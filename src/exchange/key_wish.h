/* key_wish: what a worker asks the control thread for when a caller wants a key in exchange for his
 * token or certificate, and what he gets (docs/decisions/0045). */
#ifndef EXCHANGE_KEY_WISH_H
#define EXCHANGE_KEY_WISH_H

#include <stdint.h>

#include "base/secret.h"
#include "identity/principal.h"

struct key_wish {
    struct principal *principal; /* passed on: freed by who makes the key */
    struct principal_rule rule;
    uint64_t lifetime; /* nanoseconds from when the key is made … */
    uint64_t ends_by;  /* … and wall time that it may not outlive */
    uint64_t most;     /* keys that the principal may have at a time, this one among them */
};

enum key_outcome {
    KEY_MADE,
    KEY_TOO_MANY,  /* the principal has as many as his rule lets him have */
    KEY_ALL_GIVEN, /* all principals together have as many as there may be */
    KEY_BUSY,      /* too many wait, or the store was held by another for too long */
    KEY_NO_STORE   /* it could not be written down, so it is not given */
};

/* Valid while it is told. */
struct key_answer {
    enum key_outcome outcome;
    struct text key, id; /* of KEY_MADE */
    uint64_t expires_at; /* the same; wall */
    uint64_t most;       /* of KEY_TOO_MANY, KEY_ALL_GIVEN: what the limit is … */
    uint64_t first_end;  /* … and when the first of them ends; wall, 0: not known */
};

typedef void (*key_answer_taken)(void *ticket, const struct key_answer *answer);

#endif
