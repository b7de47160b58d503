/* budget: how many calls of a model may be repeated, as a share of all of them, so that a bad hour
 * does not multiply the load on providers that are in trouble already.
 *
 * A bucket of tokens: each call adds its share, each repetition takes a whole one. It begins with a
 * few and holds no more, so that a model that is called now and then may still repeat a call; over
 * any time there are at most `share * calls + ROUTE_BUDGET_RESERVE` repetitions. One for each
 * model, shared by all workers; an atomic. */
#ifndef ROUTE_BUDGET_H
#define ROUTE_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>

#include "route/rules.h"

#define ROUTE_BUDGET_RESERVE 10u

struct route_budget {
    _Atomic uint64_t spent; /* of the reserve, in parts of a million of a call; 0: all is there */
};

static inline void route_budget_call(struct route_budget *budget, uint32_t share)
{
    uint64_t spent = atomic_load_explicit(&budget->spent, memory_order_relaxed);
    while (spent > 0 && share < ROUTE_WHOLE) {
        uint64_t next = spent > share ? spent - share : 0;
        if (atomic_compare_exchange_weak_explicit(&budget->spent, &spent, next,
                                                  memory_order_relaxed, memory_order_relaxed))
            return;
    }
}

/* Takes a repetition; false when none is left. */
static inline bool route_budget_take(struct route_budget *budget, uint32_t share)
{
    const uint64_t most = (uint64_t)ROUTE_BUDGET_RESERVE * ROUTE_WHOLE;
    uint64_t spent = atomic_load_explicit(&budget->spent, memory_order_relaxed);
    if (share >= ROUTE_WHOLE)
        return true;
    do {
        if (share == 0 || spent + ROUTE_WHOLE > most)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&budget->spent, &spent, spent + ROUTE_WHOLE,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

/* Whole repetitions that may be made now, for people. */
static inline unsigned route_budget_left(struct route_budget *budget)
{
    uint64_t spent = atomic_load_explicit(&budget->spent, memory_order_relaxed);
    return ROUTE_BUDGET_RESERVE - (unsigned)((spent + ROUTE_WHOLE - 1) / ROUTE_WHOLE);
}

#endif
