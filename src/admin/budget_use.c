#include "admin/budget_use.h"

#include "policy/period.h"
#include "store/usage.h"

/* The period in which `now` lies; a rolling one reaches back its length. */
static bool find_period(const char *zones, const struct stored_budget *budget, uint64_t now,
                        struct budget_use *out)
{
    enum period_kind kind;
    struct time_zone *zone = NULL;
    if (!period_kind_from(budget->period, &kind) ||
        timezone_load_from(zones, budget->timezone, &zone) != ERROR_OK)
        return false;
    const struct period_bounds bounds = period_at(kind, zone, budget->length, now);
    timezone_free(zone);
    out->start = bounds.start;
    out->resets_at = bounds.end == UINT64_MAX ? 0 : bounds.end;
    if (kind == PERIOD_ROLLING) {
        /* The oldest bucket that has not ended at least the length ago; buckets count from 1970. */
        uint64_t bucket = period_bucket_length(budget->length);
        out->start = now > budget->length ? (now - budget->length) / bucket * bucket : 0;
        out->resets_at = 0;
    }
    return true;
}

static bool find_cap(const struct stored_budget *budget, uint64_t now, money *cap)
{
    struct text amount = budget->raise_until > now ? budget->raise_amount : budget->amount;
    return money_parse(amount, cap) == MONEY_GOOD;
}

/* A pace is known after an hour. Of a rolling budget there is no period to last to the end of. */
#define PACE_AFTER (4 * PERIOD_QUARTER)

static uint64_t find_end(const struct stored_budget *budget, const struct budget_use *use,
                         uint64_t now)
{
    uint64_t start = use->start > budget->created_at ? use->start : budget->created_at;

    if (use->left <= 0)
        return now;
    if (budget->length > 0 || use->spent <= 0 || now < start + PACE_AFTER)
        return 0;
    /* Before the budget was made something may have been spent in the period, too. */
    if (use->start > 0)
        start = use->start;
    __int128 lasts = use->left * (__int128)(now - start) / use->spent;
    __int128 end = (__int128)now + lasts;
    return end < (use->resets_at ? use->resets_at : (__int128)INT64_MAX) ? (uint64_t)end : 0;
}

enum error budget_use_find(struct store *store, const char *zones,
                           const struct stored_budget *budgets, size_t count, uint64_t now,
                           struct budget_use *uses)
{
    size_t asked = 0, at = 0;
    struct usage_scope *scopes = calloc(count ? count : 1, sizeof *scopes);
    if (scopes == NULL)
        return ERROR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        uses[i] = (struct budget_use){0};
        uses[i].known = find_period(zones, &budgets[i], now, &uses[i]) &&
                        find_cap(&budgets[i], now, &uses[i].cap);
        if (uses[i].known)
            scopes[asked++] = (struct usage_scope){.kind = budgets[i].scope_kind,
                                                   .value = budgets[i].scope_value,
                                                   .from = uses[i].start,
                                                   .to = UINT64_MAX};
    }
    enum error error = usage_sum_scopes(store, scopes, asked);
    for (size_t i = 0; !error && i < count; i++) {
        if (!uses[i].known)
            continue;
        uses[i].spent = scopes[at].sums.cost + scopes[at].sums.adjusted;
        uses[i].left = uses[i].cap - uses[i].spent;
        uses[i].used_up_at = find_end(&budgets[i], &uses[i], now);
        at++;
    }
    free(scopes);
    return error;
}
