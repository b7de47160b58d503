/* budget_use: how much of a budget is used now, from what is recorded. Blocks; one thread. */
#ifndef ADMIN_BUDGET_USE_H
#define ADMIN_BUDGET_USE_H

#include "meter/money.h"
#include "store/budgets.h"

struct budget_use {
    uint64_t start;     /* wall nanoseconds; 0: since ever */
    uint64_t resets_at; /* 0: never, or bit by bit */
    money cap;          /* the amount, or what it is raised to */
    money spent;        /* by calls that are recorded; held money is not in it */
    money left;         /* below 0 when the amount was lowered under what was spent */
    bool raised;
};

/* `zones` as in timezone_load_from. False when it cannot be said: the zone is gone, or the store
 * did not answer. */
must_check bool budget_use_find(struct store *store, const char *zones,
                                const struct stored_budget *budget, uint64_t now,
                                struct budget_use *out);

#endif
