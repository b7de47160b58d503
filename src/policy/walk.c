/* Reading budgets and limits without changing them: metrics, the admin API, alerts. */
#include "policy/parts.h"

/* Where the crossed thresholds end: they rise. */
static uint32_t crossed_by(const struct policy_budget *budget, money spent, money cap)
{
    uint32_t crossed = 0;
    for (size_t i = 0; i < budget->threshold_count; i++) {
        if (spent > 0 && spent * 100 >= cap * budget->thresholds[i])
            crossed |= (uint32_t)1 << i;
    }
    return crossed;
}

/* The oldest bucket in which something was used, or the current. */
static void rolling_bounds(const struct account *account, const struct account_period *current,
                           struct policy_budget_state *state)
{
    state->start = current->start;
    state->end = current->end + account->rolling;
    const struct account_period *bucket =
        atomic_load_explicit(&account->newest, memory_order_acquire);
    for (; bucket != NULL; bucket = atomic_load_explicit(&bucket->older, memory_order_acquire)) {
        if (wide_read(&bucket->used) >> 1 == 0 || bucket->start >= state->start)
            continue;
        state->start = bucket->start;
        state->end = bucket->end + account->rolling;
    }
}

static void read_budget(const struct budget_rule *rule, uint64_t wall,
                        const struct account_period *period, struct policy_budget_state *state)
{
    const struct account *account = rule->account;
    money cap = policy_cap(&rule->budget, wall);
    money spent = account_spent(account, period), used = account_used(account, period);
    *state = (struct policy_budget_state){.budget = &rule->budget,
                                          .cap = cap,
                                          .used = used,
                                          .spent = spent,
                                          .held = used > spent ? used - spent : 0,
                                          .start = period->start,
                                          .end = period->end,
                                          .crossed = crossed_by(&rule->budget, spent, cap),
                                          .complete = account_is_complete(account)};
    if (account->kind == PERIOD_ROLLING)
        rolling_bounds(account, period, state);
}

static void read_limit(const struct limit_rule *rule, uint64_t now,
                       struct policy_limit_state *state)
{
    int64_t used = limit_used(rule->counter, now), amount = rule->limit.amount;
    *state = (struct policy_limit_state){.limit = &rule->limit,
                                         .used = used,
                                         .remaining = used >= amount ? 0 : amount - used,
                                         .reset = limit_reset(rule->counter, now)};
}

void policy_walk(struct policy *policy, uint64_t wall, uint64_t now,
                 const struct policy_visitor *visitor)
{
    const struct snapshot *snapshot = policy_snapshot(policy);
    for (size_t i = 0; visitor->budget != NULL && i < snapshot->budget_count; i++) {
        struct policy_budget_state state;
        const struct budget_rule *rule = &snapshot->budgets[i];
        read_budget(rule, wall, account_find(rule->account, wall), &state);
        visitor->budget(visitor->context, &state);
    }
    for (size_t i = 0; visitor->limit != NULL && i < snapshot->limit_count; i++) {
        struct policy_limit_state state;
        read_limit(&snapshot->limits[i], now, &state);
        visitor->limit(visitor->context, &state);
    }
}

bool policy_walk_caller(struct policy *policy, const struct policy_call *call, struct arena *arena,
                        const struct policy_visitor *visitor)
{
    const struct subject_rules *subjects[SUBJECTS_MAX];
    struct policy_hold hold = {.policy = policy, .arena = arena, .call = *call};
    size_t count;
    if (!policy_find_subjects(policy_snapshot(policy), &hold, false, subjects, &count))
        return false;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; visitor->budget != NULL && k < subjects[i]->budget_count; k++) {
            struct policy_budget_state state;
            const struct budget_line *line = &subjects[i]->budgets[k];
            read_budget(line->rule, call->wall, account_find(line->account, call->wall), &state);
            visitor->budget(visitor->context, &state);
        }
        for (size_t k = 0; visitor->limit != NULL && k < subjects[i]->limit_count; k++) {
            struct policy_limit_state state;
            read_limit(subjects[i]->limits[k].rule, call->now, &state);
            visitor->limit(visitor->context, &state);
        }
    }
    return true;
}

bool policy_find_budget(struct policy *policy, struct text id, uint64_t wall,
                        struct policy_budget_state *state)
{
    const struct budget_rule *rule = snapshot_find_budget(policy_snapshot(policy), id);
    if (rule == NULL)
        return false;
    read_budget(rule, wall, account_find(rule->account, wall), state);
    return true;
}

/* ------------------------------------------------------------------ alerts */

/* The highest percentage that is crossed; 0: none. */
static unsigned highest_crossed(const struct policy_budget *budget, uint32_t crossed)
{
    unsigned highest = 0;
    for (size_t i = 0; i < budget->threshold_count; i++) {
        if ((crossed >> i & 1) != 0)
            highest = budget->thresholds[i];
    }
    return highest;
}

struct telling {
    void (*crossed)(void *context, const struct policy_budget_state *state, uint16_t percent);
    void *context;
};

/* Another cap, and money that left a rolling window, arm again what is no longer reached. */
static unsigned told_before(const struct account_told *told,
                            const struct policy_budget_state *state)
{
    unsigned highest = highest_crossed(state->budget, state->crossed);
    bool arms = state->budget->period == PERIOD_ROLLING || told->cap != state->cap;
    return arms && highest < told->percent ? highest : told->percent;
}

static void tell(struct account_told *told, const struct policy_budget_state *state,
                 const struct telling *telling)
{
    const struct policy_budget *budget = state->budget;
    *told = (struct account_told){told_before(told, state), state->cap};
    for (size_t i = 0; i < budget->threshold_count; i++) {
        if ((state->crossed >> i & 1) == 0 || budget->thresholds[i] <= told->percent)
            continue;
        telling->crossed(telling->context, state, budget->thresholds[i]);
        told->percent = budget->thresholds[i];
    }
}

/* Calls settle late: periods gone by are looked at as well. */
static void tell_budget(const struct budget_rule *rule, uint64_t wall,
                        const struct telling *telling)
{
    struct account *account = rule->account;
    struct policy_budget_state state;
    if (rule->budget.threshold_count == 0)
        return;
    if (account->kind == PERIOD_ROLLING) {
        read_budget(rule, wall, account_find(account, wall), &state);
        tell(&account->told, &state, telling);
        return;
    }
    struct account_period *period = atomic_load_explicit(&account->newest, memory_order_acquire);
    for (; period != NULL; period = atomic_load_explicit(&period->older, memory_order_acquire)) {
        if (period->start > wall)
            continue;
        read_budget(rule, wall, period, &state);
        tell(&period->told, &state, telling);
    }
}

void policy_take_crossings(struct policy *policy, uint64_t wall,
                           void (*crossed)(void *context, const struct policy_budget_state *state,
                                           uint16_t percent),
                           void *context)
{
    const struct snapshot *snapshot = policy_snapshot(policy);
    const struct telling telling = {crossed, context};
    for (size_t i = 0; i < snapshot->budget_count; i++)
        tell_budget(&snapshot->budgets[i], wall, &telling);
}
