/* account: what was spent and is held of one budget, by period, shared by all threads without a
 * lock.
 *
 * Workers find the period of a wall time and hold money in it; the control thread makes periods
 * ready and takes old ones out. What it took out may be freed when every reader has let go of what
 * it found (identity/reader.h) and no hold points to it. The cap is not here: it comes with each
 * call from the rules in force, so that an edit leaves the account alone. For policy/ only. */
#ifndef POLICY_ACCOUNT_H
#define POLICY_ACCOUNT_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/attributes.h"
#include "meter/money.h"
#include "policy/period.h"
#include "policy/wide.h"

/* Calendar periods kept beside the current and the next: for a clock that is set back. */
#define ACCOUNT_PERIODS_KEPT 4u
/* More than that is not held at once: what is used, doubled, stays far below 2^127. */
#define ACCOUNT_HOLD_MAX (MONEY_PARSE_MAX * 1000000)

struct account;

/* Which alerts were told. */
struct account_told {
    unsigned percent; /* the highest; 0: none */
    money cap;        /* that was in force */
};

/* What a call touches comes first: one line of memory. */
struct account_period {
    struct wide used; /* spent and held, doubled; the low bit: closed, it counts no more */
    struct wide spent;
    uint64_t start, end;
    uint64_t made_at;            /* wall time */
    atomic_uint_least32_t holds; /* calls that point here */
    atomic_bool base_known;      /* what was spent before it was made is in it */

    struct wide early; /* of what is spent: by calls admitted before `made_at`, whose rows the
                          source has not told of yet */
    struct account_period *_Atomic older;

    /* The control thread's: */
    struct account_told told;
    money base; /* that amount */
    struct account *account;
    struct account_period *next; /* among those taken out */
};

/* What the account learns of the time before it was made. */
typedef bool (*account_history)(void *context, uint64_t start, uint64_t end, money *spent);

struct account_source {
    account_history ask; /* NULL: nothing was spent */
    void *context;
};

struct account {
    struct wide window; /* used in all buckets of a rolling period that are not closed */
    struct account_period *_Atomic newest;  /* the one after the current */
    struct account_period *_Atomic current; /* where most calls count; NULL: look for it */
    enum period_kind kind;
    uint64_t rolling;
    const struct time_zone *zone;

    /* The control thread's: */
    uint64_t calm_from, calm_until; /* wall times between which account_roll has nothing to do */
    struct account_told told;       /* of a rolling budget */
    uint32_t period_count;          /* not freed */
    bool removed;
    struct account *next;
};

/* Periods that were taken out of their accounts. */
struct account_leavers {
    struct account_period *first;
};

/* ---- the control thread's side ---- */

/* With the periods around `wall`. The zone must outlive it. NULL when memory is short. */
must_check struct account *account_create(enum period_kind kind, uint64_t rolling,
                                          const struct time_zone *zone, uint64_t wall,
                                          const struct account_source *source);
/* Makes the periods around `wall` and takes out what is old. False when memory was short: call it
 * again. */
must_check bool account_roll(struct account *account, uint64_t wall,
                             const struct account_source *source, struct account_leavers *leavers);
/* Asks the source again for every period made after its start and after `since`. True: all is
 * known. */
bool account_refresh(struct account *account, const struct account_source *source, uint64_t since);
/* Whether every period knows what was spent before it was made. Any thread that may read it. */
bool account_is_complete(const struct account *account);
/* Takes every period out. */
void account_empty(struct account *account, struct account_leavers *leavers);
/* Nothing may point to it; its periods are freed already (period_count is 0). */
void account_free(struct account *account);
/* Nothing may point to it. */
void account_period_free(struct account_period *period);

/* ---- any thread that may read the account ---- */

/* Asks the processor for the current period. */
static inline void account_prefetch(const struct account *account)
{
    __builtin_prefetch(atomic_load_explicit(&account->current, memory_order_relaxed), 1);
}

/* Where a call that began at `wall` counts. Never NULL. */
struct account_period *account_find(const struct account *account, uint64_t wall);
money account_used(const struct account *account, const struct account_period *period);
/* In the period; for rolling: in the window. */
money account_spent(const struct account *account, const struct account_period *period);
/* Holds `amount` (0 to ACCOUNT_HOLD_MAX) in `*period`, unless `bind` and more than `cap` would then
 * be used; an amount of 0 fits always. `*period` may become another one, if that was closed just
 * now. The caller has one of the period's `holds`. */
must_check bool account_hold(struct account *account, struct account_period **period, money amount,
                             money cap, bool bind);
/* What was held by a call that was admitted at `wall` becomes `actual`, and that is spent. */
void account_settle(struct account *account, struct account_period *period, uint64_t wall,
                    money held, money actual);
/* What was held goes back, as if it had never been. */
void account_give_back(struct account *account, struct account_period *period, money held);

/* The wall time at which `needed` fits into `cap` if nothing else comes; UINT64_MAX: never. */
uint64_t account_resets_at(const struct account *account, const struct account_period *period,
                           money needed, money cap);

#endif
