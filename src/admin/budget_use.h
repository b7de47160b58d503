/* budget_use: how much of a budget is used now, from what is recorded. Blocks; one thread. */
#ifndef ADMIN_BUDGET_USE_H
#define ADMIN_BUDGET_USE_H

#include "meter/money.h"
#include "store/budgets.h"

struct budget_use {
    bool known;          /* false: the zone is gone, or what was spent cannot be said */
    uint64_t start;      /* wall nanoseconds; 0: since ever */
    uint64_t resets_at;  /* 0: never, or bit by bit */
    money cap;           /* the amount, or what it is raised to */
    money spent;         /* by calls that are recorded; held money is not in it */
    uint64_t used_up_at; /* when it will be, if spending goes on as in the period so far, or is; 0:
                            not within the period, or nobody can say */
    money left;          /* below 0 when the amount was lowered under what was spent */
};

/* Fills `uses`, one for each of the `count` budgets; those of one period are read together. `zones`
 * as in timezone_load_from. Errors as in store/store.h. */
must_handle enum error budget_use_find(struct store *store, const char *zones,
                                       const struct stored_budget *budgets, size_t count,
                                       uint64_t now, struct budget_use *uses);

#endif
