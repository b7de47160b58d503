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

bool budget_use_find(struct store *store, const char *zones, const struct stored_budget *budget,
                     uint64_t now, struct budget_use *out)
{
    *out = (struct budget_use){0};
    if (!find_period(zones, budget, now, out) ||
        money_parse(budget->amount, &out->cap) != MONEY_GOOD)
        return false;
    if (budget->raise_until > now) {
        out->raised = true;
        if (money_parse(budget->raise_amount, &out->cap) != MONEY_GOOD)
            return false;
    }
    if (usage_sum(store, budget->scope_kind, budget->scope_value, out->start, UINT64_MAX,
                  &out->spent) != ERROR_OK)
        return false;
    out->left = out->cap - out->spent;
    return true;
}
