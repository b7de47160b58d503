/* Calendar and lifetime budgets: a list of periods, newest first; the one after the current is made
 * ahead, so that a worker finds the right one by wall time at the very instant.
 *
 *      next ──time──▶ current ──time──▶ kept (ACCOUNT_PERIODS_KEPT) ──▶ taken out ──last hold──▶
 * freed
 *
 * A call counts where it was admitted: its hold points to that period, and settles there however
 * late. A clock set back finds a kept period again. After a jump beyond all periods, calls count in
 * the nearest one until the control thread has made the right one (POLICY_TICK).
 *
 * Rolling budgets: the periods are buckets of about a hundredth of the length, and `window` has the
 * sum of those that count. The oldest bucket counts whole; it leaves when its end is a length ago.
 * A clock set back takes nothing out and brings nothing back.
 *
 * Invariants:
 *  - What binds is checked by the exchange that adds: on the period's `used`, or, rolling, on
 *    `window`. So no order of threads puts more than the cap there.
 *  - `window` is the sum over buckets not closed (but for changes under way). What is held goes
 * into `window` first and then into its bucket; a bucket is closed by one exchange, which tells how
 *    much leaves `window`; changes of a closed bucket leave `window` alone.
 *  - The list is changed by the control thread alone; what was taken out stays readable until every
 *    reader has let go, and is not freed while a hold points to it. */
#include "policy/account.h"

#include <stdlib.h>

#include "base/ensure.h"

#define CLOSED 1 /* the low bit of `used` */

static struct account_period *next_of(const struct account_period *period)
{
    return atomic_load_explicit(&period->older, memory_order_acquire);
}

static struct account_period *newest_of(const struct account *account)
{
    return atomic_load_explicit(&account->newest, memory_order_acquire);
}

/* In the list: the newest that had begun, or the oldest. */
static struct account_period *find_listed(const struct account *account, uint64_t wall)
{
    struct account_period *period = newest_of(account), *found;
    ensure(period != NULL);
    do {
        found = period;
        period = next_of(found);
    } while (wall < found->start && period != NULL);
    return found;
}

static money amount_of(__int128 used)
{
    return used >> 1; /* arithmetic: also of a negative amount */
}

static bool is_closed(__int128 used)
{
    return (used & CLOSED) != 0;
}

/* ------------------------------------------------------------------ making periods */

/* What was held or spent becomes more or less. */
static void change_used(struct account *account, struct account_period *period, money difference)
{
    __int128 used = wide_read(&period->used);
    while (!wide_exchange(&period->used, &used, used + difference * 2))
        ;
    if (account->kind == PERIOD_ROLLING && !is_closed(used))
        wide_add(&account->window, difference);
}

/* Calls that had begun when the period was made may hold in it all the same, and their rows come
 * later: what they have spent is counted once. */
static money take_early(struct account_period *period, money found)
{
    money early = wide_read(&period->early);
    money taken = early < found ? early : found;
    if (taken > 0)
        wide_add(&period->early, -taken); /* others only add to it */
    return taken > 0 ? taken : 0;
}

/* Asks what was spent before the period was made. */
static void ask_base(struct account *account, struct account_period *period,
                     const struct account_source *source)
{
    uint64_t end = period->end < period->made_at ? period->end : period->made_at;
    money spent = 0;
    if (source->ask != NULL && !source->ask(source->context, period->start, end, &spent))
        return;
    money difference = spent - period->base;
    period->base = spent;
    period->base_known = true;
    difference -= take_early(period, difference);
    if (difference != 0) {
        wide_add(&period->spent, difference);
        change_used(account, period, difference);
    }
}

static struct account_period *make_period(struct account *account, uint64_t start, uint64_t end,
                                          uint64_t wall, const struct account_source *source)
{
    size_t size = (sizeof(struct account_period) + 63) / 64 * 64;
    struct account_period *period = aligned_alloc(64, size); /* no line shared with another */
    if (period == NULL)
        return NULL;
    memset(period, 0, size);
    period->start = start;
    period->end = end;
    period->made_at = wall;
    period->account = account;
    period->base_known = true;
    account->period_count++;
    if (start < wall) {
        period->base_known = false;
        ask_base(account, period, source);
    }
    return period;
}

/* Puts it at its place in the list. */
static void link_period(struct account *account, struct account_period *period)
{
    struct account_period *_Atomic *place = &account->newest;
    struct account_period *older;
    while ((older = atomic_load_explicit(place, memory_order_relaxed)) != NULL &&
           older->start > period->start)
        place = &older->older;
    atomic_store_explicit(&period->older, older, memory_order_relaxed);
    atomic_store_explicit(place, period, memory_order_release);
}

static bool has_period(const struct account *account, uint64_t start)
{
    for (struct account_period *period = newest_of(account); period; period = next_of(period)) {
        if (period->start == start)
            return true;
    }
    return false;
}

static bool ensure_period(struct account *account, struct period_bounds bounds, uint64_t wall,
                          const struct account_source *source)
{
    if (has_period(account, bounds.start))
        return true;
    struct account_period *period = make_period(account, bounds.start, bounds.end, wall, source);
    if (period == NULL)
        return false;
    link_period(account, period);
    return true;
}

static struct period_bounds bounds_at(const struct account *account, uint64_t wall)
{
    return period_at(account->kind, account->zone, account->rolling, wall);
}

/* The buckets of the window behind `wall`, as far as something was spent in them. */
static bool make_past_buckets(struct account *account, uint64_t wall,
                              const struct account_source *source)
{
    uint64_t length = period_bucket_length(account->rolling);
    uint64_t current = wall - wall % length;
    uint64_t behind = account->rolling < current ? current - account->rolling : 0;
    for (uint64_t start = behind - behind % length; source->ask != NULL && start < current;
         start += length) {
        struct account_period *period = make_period(account, start, start + length, wall, source);
        if (period == NULL)
            return false;
        if (period->base_known && period->base == 0) {
            account_period_free(period);
            account->period_count--;
        } else {
            link_period(account, period);
        }
    }
    return true;
}

/* ------------------------------------------------------------------ taking periods out */

static void take_out(struct account_period *_Atomic *place, struct account_leavers *leavers)
{
    struct account_period *period = atomic_load_explicit(place, memory_order_relaxed);
    if (atomic_load_explicit(&period->account->current, memory_order_relaxed) == period)
        atomic_store_explicit(&period->account->current, NULL, memory_order_release);
    /* Readers on it still find the way on. */
    atomic_store_explicit(place, next_of(period), memory_order_release);
    period->next = leavers->first;
    leavers->first = period;
}

static void close_bucket(struct account *account, struct account_period *period)
{
    __int128 used = wide_read(&period->used);
    while (!wide_exchange(&period->used, &used, used | CLOSED))
        ;
    wide_add(&account->window, -amount_of(used));
}

static bool bucket_has_left(const struct account *account, const struct account_period *period,
                            uint64_t wall)
{
    return period->end <= wall && wall - period->end >= account->rolling;
}

/* Those that left the window; returns the earliest wall time at which another one will. */
static uint64_t take_out_buckets(struct account *account, uint64_t wall,
                                 struct account_leavers *leavers)
{
    uint64_t next = UINT64_MAX;
    struct account_period *_Atomic *place = &account->newest;
    struct account_period *period;
    while ((period = atomic_load_explicit(place, memory_order_relaxed)) != NULL) {
        if (bucket_has_left(account, period, wall)) {
            close_bucket(account, period);
            take_out(place, leavers);
            continue;
        }
        uint64_t leaves = period->end + account->rolling;
        next = leaves < next ? leaves : next;
        place = &period->older;
    }
    return next;
}

/* The oldest, when there are more than are kept; never one that is current or to come. */
static void take_out_old(struct account *account, uint64_t wall, struct account_leavers *leavers)
{
    unsigned kept = 0;
    struct account_period *_Atomic *place = &account->newest;
    struct account_period *period;
    while ((period = atomic_load_explicit(place, memory_order_relaxed)) != NULL) {
        if (period->end <= wall && kept++ >= ACCOUNT_PERIODS_KEPT)
            take_out(place, leavers);
        else
            place = &period->older;
    }
}

/* ------------------------------------------------------------------ the control thread's side */

bool account_roll(struct account *account, uint64_t wall, const struct account_source *source,
                  struct account_leavers *leavers)
{
    struct period_bounds current = bounds_at(account, wall);
    account->calm_from = account->calm_until = 0;
    if (!ensure_period(account, current, wall, source))
        return false;
    uint64_t until = current.end;
    if (current.end != UINT64_MAX &&
        !ensure_period(account, bounds_at(account, current.end), wall, source))
        return false;
    if (account->kind == PERIOD_ROLLING) {
        uint64_t leaves = take_out_buckets(account, wall, leavers);
        until = leaves < until ? leaves : until;
    } else {
        take_out_old(account, wall, leavers);
    }
    atomic_store_explicit(&account->current, find_listed(account, wall), memory_order_release);
    account->calm_from = current.start;
    account->calm_until = until;
    return true;
}

struct account *account_create(enum period_kind kind, uint64_t rolling,
                               const struct time_zone *zone, uint64_t wall,
                               const struct account_source *source)
{
    struct account *account = aligned_alloc(64, (sizeof *account + 63) / 64 * 64);
    if (account == NULL)
        return NULL;
    memset(account, 0, sizeof *account);
    account->kind = kind;
    account->rolling = rolling;
    account->zone = zone;
    struct account_leavers leavers = {0};
    bool made = account_roll(account, wall, source, &leavers) &&
                (kind != PERIOD_ROLLING || make_past_buckets(account, wall, source));
    /* A bucket of the past may have its time to leave before the current one ends. */
    made = made && account_roll(account, wall, source, &leavers);
    if (!made)
        account_empty(account, &leavers);
    for (struct account_period *period; (period = leavers.first) != NULL;) {
        leavers.first = period->next;
        account_period_free(period);
        account->period_count--;
    }
    if (!made) {
        account_free(account);
        return NULL;
    }
    return account;
}

bool account_is_complete(const struct account *account)
{
    for (struct account_period *period = newest_of(account); period; period = next_of(period)) {
        if (!atomic_load_explicit(&period->base_known, memory_order_relaxed))
            return false;
    }
    return true;
}

bool account_refresh(struct account *account, const struct account_source *source, uint64_t since)
{
    for (struct account_period *period = newest_of(account); period; period = next_of(period)) {
        if (period->start < period->made_at && period->made_at > since)
            ask_base(account, period, source);
    }
    return account_is_complete(account);
}

void account_empty(struct account *account, struct account_leavers *leavers)
{
    while (newest_of(account) != NULL)
        take_out(&account->newest, leavers);
}

void account_free(struct account *account)
{
    ensure(account->period_count == 0);
    free(account);
}

void account_period_free(struct account_period *period)
{
    free(period);
}

/* ------------------------------------------------------------------ any thread */

struct account_period *account_find(const struct account *account, uint64_t wall)
{
    struct account_period *current = atomic_load_explicit(&account->current, memory_order_acquire);
    if (current != NULL && wall >= current->start && wall < current->end)
        return current;
    return find_listed(account, wall);
}

money account_used(const struct account *account, const struct account_period *period)
{
    return account->kind == PERIOD_ROLLING ? wide_read(&account->window)
                                           : amount_of(wide_read(&period->used));
}

money account_spent(const struct account *account, const struct account_period *period)
{
    if (account->kind != PERIOD_ROLLING)
        return wide_read(&period->spent);
    money spent = 0;
    for (struct account_period *bucket = newest_of(account); bucket; bucket = next_of(bucket))
        spent += wide_read(&bucket->spent);
    return spent;
}

/* Adds to a bucket that is not closed. */
static bool bucket_add(struct account_period *bucket, money amount)
{
    __int128 used = wide_read(&bucket->used);
    do {
        if (is_closed(used))
            return false;
    } while (!wide_exchange(&bucket->used, &used, used + amount * 2));
    return true;
}

static void move_hold(struct account_period **period, struct account_period *to)
{
    atomic_fetch_add_explicit(&to->holds, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&(*period)->holds, 1, memory_order_release);
    *period = to;
}

bool account_hold(struct account *account, struct account_period **period, money amount, money cap,
                  bool bind)
{
    ensure(amount >= 0 && amount <= ACCOUNT_HOLD_MAX);
    bool bounded = bind && amount > 0;
    if (account->kind != PERIOD_ROLLING) {
        if (bounded)
            return wide_add_within(&(*period)->used, amount * 2, cap * 2);
        wide_add(&(*period)->used, amount * 2);
        return true;
    }
    if (!bounded)
        wide_add(&account->window, amount);
    else if (!wide_add_within(&account->window, amount, cap))
        return false;
    while (!bucket_add(*period, amount))
        move_hold(period, newest_of(account));
    return true;
}

void account_settle(struct account *account, struct account_period *period, uint64_t wall,
                    money held, money actual)
{
    if (actual != 0)
        wide_add(&period->spent, actual);
    if (actual > 0 && wall < period->made_at && wall >= period->start)
        wide_add(&period->early, actual);
    if (actual != held)
        change_used(account, period, actual - held);
}

void account_give_back(struct account *account, struct account_period *period, money held)
{
    if (held != 0)
        change_used(account, period, -held);
}

uint64_t account_resets_at(const struct account *account, const struct account_period *period,
                           money needed, money cap)
{
    if (needed > cap)
        return UINT64_MAX;
    if (account->kind != PERIOD_ROLLING)
        return period->end;
    /* From the newest back, as many buckets as leave room; the next older one must leave. */
    money staying = 0;
    for (struct account_period *bucket = newest_of(account); bucket; bucket = next_of(bucket)) {
        staying += amount_of(wide_read(&bucket->used));
        if (staying + needed > cap)
            return bucket->end + account->rolling;
    }
    return period->start; /* it fits by now */
}
