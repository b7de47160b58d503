/* guard: what has to be remembered to tell whom a rule cuts off: who got through before it, and
 * since when each list of rules says what it says.
 *
 * Who keeps it is ledger/guard_callers.h (callers, in the transaction that makes rows of the
 * records) and control/alert_guard.c (lists). Errors and threads as in store/store.h. */
#ifndef STORE_GUARD_H
#define STORE_GUARD_H

#include <stdint.h>

#include "base/siphash.h"
#include "base/text.h"
#include "store/store.h"
#include "tables/error.h"

/* Somebody who got through: a key or principal, on a listener, from a network. */
struct guard_caller {
    struct siphash_code caller;
    uint64_t first_at, good_at; /* the first and the last call that was served, wall */
};

must_handle enum error guard_prepare_caller(struct store *store, struct store_statement **put);
must_handle enum error guard_put_caller(struct store_statement *put, int64_t slot,
                                        const struct guard_caller *caller);
/* Each row; valid until it returns. False ends the reading. */
typedef bool (*guard_caller_found)(void *context, int64_t slot, const struct guard_caller *caller);
must_handle enum error guard_read_callers(struct store *store, guard_caller_found found,
                                          void *context);

/* One list of enforced rules. Times are wall-clock nanoseconds, 0: never. */
struct guard_list_row {
    struct text list;       /* "team search", "key 4f0c…", "listener main" */
    struct text says;       /* a digest of its enforced rules; empty: there is none */
    uint64_t since;         /* when it began to say that */
    uint64_t before;        /* when it began to say what it said before */
    uint64_t told_at;       /* when people were told last that it cuts somebody off */
    uint64_t taken_back_at; /* when a rule of it was last made observed by the gateway */
};

must_handle enum error guard_put_list(struct store *store, const struct guard_list_row *row);
must_handle enum error guard_drop_list(struct store *store, struct text list);
/* Each row, by list; texts are valid until it returns. */
typedef void (*guard_list_found)(void *context, const struct guard_list_row *row);
must_handle enum error guard_read_lists(struct store *store, guard_list_found found, void *context);

#endif
