/* The control thread's side: rules replaced, periods rolled, what nobody needs let go.
 *
 *   definition ──snapshot_make──▶ made ──counters kept or created──▶ published ──replaced──▶ freed
 *
 * What leaves sight (a snapshot, a counter of a rule that is gone, a period gone by) is freed in
 * two steps: reader_wait_for_all, after which no worker can find it any more; then, for counters
 * and periods, when their last hold is settled. Workers never free.
 *
 * Invariants: a counter belongs to exactly one rule of the snapshot in force, or is in a leaving
 * list. Everything that workers may find is reachable from the snapshot. policy_replace changes
 * nothing that can be seen unless it succeeds. */
#include "policy/parts.h"

#include <stdlib.h>

#include "base/ensure.h"
#include "identity/reader.h"

/* How often idle counters of callers are looked for: a walk over all of them. */
#define LET_GO_TIME (10 * NANOSECONDS_PER_SECOND)

struct replacing {
    struct policy *policy;
    struct snapshot *old, *new;
    uint64_t wall;
};

/* ------------------------------------------------------------------ history */

struct asking {
    struct policy *policy;
    const struct policy_budget *budget;
};

static bool ask_history(void *context, uint64_t start, uint64_t end, money *spent)
{
    const struct asking *asking = context;
    struct policy_past past = {asking->budget->id, &asking->budget->subject, start, end};
    return asking->policy->history(asking->policy->context, &past, spent);
}

static struct account_source source_of(struct asking *asking)
{
    return (struct account_source){asking->policy->history == NULL ? NULL : ask_history, asking};
}

/* ------------------------------------------------------------------ letting go */

static void sweep_periods(struct policy *policy)
{
    struct account_period **place = &policy->leaving_periods, *period;
    while ((period = *place) != NULL) {
        if (atomic_load_explicit(&period->holds, memory_order_acquire) != 0) {
            place = &period->next;
            continue;
        }
        *place = period->next;
        period->account->period_count--;
        account_period_free(period);
    }
    struct account **account_place = &policy->leaving_accounts, *account;
    while ((account = *account_place) != NULL) {
        if (account->period_count != 0) {
            account_place = &account->next;
            continue;
        }
        *account_place = account->next;
        account_free(account);
    }
}

static void sweep_limits(struct policy *policy)
{
    struct limit **place = &policy->leaving_limits, *limit;
    while ((limit = *place) != NULL) {
        if (atomic_load_explicit(&limit->holds, memory_order_acquire) != 0) {
            place = &limit->next;
            continue;
        }
        *place = limit->next;
        limit_free(limit);
    }
}

static void add_leavers(struct policy *policy, struct account_leavers *leavers)
{
    struct account_period *period;
    while ((period = leavers->first) != NULL) {
        leavers->first = period->next;
        period->next = policy->leaving_periods;
        policy->leaving_periods = period;
    }
}

/* ------------------------------------------------------------------ zones */

static enum error find_zone(struct policy *policy, struct text name, const struct time_zone **out)
{
    *out = NULL;
    if (text_empty(name))
        return ERROR_OK;
    for (struct loaded_zone *loaded = policy->zones; loaded != NULL; loaded = loaded->next) {
        if (text_equal(loaded->name, name)) {
            *out = loaded->zone;
            return ERROR_OK;
        }
    }
    struct loaded_zone *loaded = calloc(1, sizeof *loaded + name.length);
    if (loaded == NULL)
        return ERROR_MEMORY;
    enum error error = timezone_load(name, &loaded->zone);
    if (error != ERROR_OK) {
        free(loaded);
        return error;
    }
    memcpy((char *)(loaded + 1), name.data, name.length);
    loaded->name = text_of((char *)(loaded + 1), name.length);
    loaded->next = policy->zones;
    policy->zones = loaded;
    *out = loaded->zone;
    return ERROR_OK;
}

/* ------------------------------------------------------------------ replacing */

static bool same_account(const struct policy_budget *a, const struct policy_budget *b)
{
    return a->period == b->period && a->rolling == b->rolling && text_equal(a->zone, b->zone) &&
           a->subject.scope == b->subject.scope && text_equal(a->subject.name, b->subject.name) &&
           text_equal(a->subject.value, b->subject.value);
}

static bool same_counter(const struct policy_limit *a, const struct policy_limit *b)
{
    return a->kind == b->kind && a->window == b->window && a->subject.scope == b->subject.scope &&
           text_equal(a->subject.name, b->subject.name) &&
           text_equal(a->subject.value, b->subject.value);
}

static enum error give_account(struct replacing *replacing, struct budget_rule *rule)
{
    struct budget_rule *before = snapshot_find_budget(replacing->old, rule->budget.id);
    if (before != NULL && same_account(&before->budget, &rule->budget)) {
        rule->account = before->account;
        rule->kept = true;
        return ERROR_OK;
    }
    const struct time_zone *zone;
    enum error error = find_zone(replacing->policy, rule->budget.zone, &zone);
    if (error != ERROR_OK)
        return error;
    struct asking asking = {replacing->policy, &rule->budget};
    struct account_source source = source_of(&asking);
    rule->account =
        account_create(rule->budget.period, rule->budget.rolling, zone, replacing->wall, &source);
    return rule->account == NULL ? ERROR_MEMORY : ERROR_OK;
}

static enum error give_counter(struct replacing *replacing, struct limit_rule *rule)
{
    struct limit_rule *before = snapshot_find_limit(replacing->old, rule->limit.id);
    if (before != NULL && same_counter(&before->limit, &rule->limit)) {
        rule->counter = before->counter;
        rule->kept = true;
        return ERROR_OK;
    }
    rule->counter = limit_create(rule->limit.window);
    return rule->counter == NULL ? ERROR_MEMORY : ERROR_OK;
}

static enum error give_counters(struct replacing *replacing, char *problem)
{
    struct snapshot *new = replacing->new;
    enum error error = ERROR_OK;
    for (size_t i = 0; error == ERROR_OK && i < new->budget_count; i++) {
        error = give_account(replacing, &new->budgets[i]);
        if (error != ERROR_OK)
            snprintf(problem, POLICY_PROBLEM_SIZE, "budget %.*s: time zone '%.*s': %s",
                     TEXT_ARG(new->budgets[i].budget.id), TEXT_ARG(new->budgets[i].budget.zone),
                     error_meaning(error));
    }
    for (size_t i = 0; error == ERROR_OK && i < new->limit_count; i++)
        error = give_counter(replacing, &new->limits[i]);
    return error == ERROR_OK ? snapshot_finish(new) : error;
}

/* Nobody has seen the new one: what was created for it goes at once. */
static void drop_new(struct replacing *replacing)
{
    struct snapshot *new = replacing->new;
    struct account_leavers leavers = {0};
    for (size_t i = 0; i < new->budget_count; i++) {
        struct budget_rule *rule = &new->budgets[i];
        if (rule->account == NULL || rule->kept)
            continue;
        account_empty(rule->account, &leavers);
        rule->account->next = replacing->policy->leaving_accounts;
        replacing->policy->leaving_accounts = rule->account;
    }
    add_leavers(replacing->policy, &leavers);
    sweep_periods(replacing->policy);
    for (size_t i = 0; i < new->limit_count; i++) {
        if (!new->limits[i].kept)
            limit_free(new->limits[i].counter);
    }
    snapshot_free(new);
}

/* After every reader has let go of the old one. */
static void retire_old(struct replacing *replacing)
{
    struct policy *policy = replacing->policy;
    struct snapshot *old = replacing->old;
    struct account_leavers leavers = {0};
    for (size_t i = 0; i < old->budget_count; i++) {
        struct budget_rule *rule = &old->budgets[i];
        struct budget_rule *after = snapshot_find_budget(replacing->new, rule->budget.id);
        if (after != NULL && after->account == rule->account)
            continue;
        account_empty(rule->account, &leavers);
        rule->account->next = policy->leaving_accounts;
        policy->leaving_accounts = rule->account;
    }
    add_leavers(policy, &leavers);
    for (size_t i = 0; i < old->limit_count; i++) {
        struct limit_rule *rule = &old->limits[i];
        struct limit_rule *after = snapshot_find_limit(replacing->new, rule->limit.id);
        if (after != NULL && after->counter == rule->counter)
            continue;
        rule->counter->next = policy->leaving_limits;
        policy->leaving_limits = rule->counter;
    }
    snapshot_free(old);
}

enum error policy_replace(struct policy *policy, const struct policy_definition *definition,
                          uint64_t wall, char problem[POLICY_PROBLEM_SIZE])
{
    char unwanted[POLICY_PROBLEM_SIZE];
    if (problem == NULL)
        problem = unwanted;
    problem[0] = '\0';
    struct replacing replacing = {.policy = policy, .wall = wall};
    replacing.old = atomic_load_explicit(&policy->snapshot, memory_order_relaxed);
    enum error error = snapshot_make(definition, problem, POLICY_PROBLEM_SIZE, &replacing.new);
    if (error != ERROR_OK)
        return error;
    error = give_counters(&replacing, problem);
    if (error != ERROR_OK) {
        drop_new(&replacing);
        return error;
    }
    atomic_store_explicit(&policy->snapshot, replacing.new, memory_order_release);
    reader_wait_for_all();
    retire_old(&replacing);
    policy->calm_from = policy->calm_until = 0;
    policy->bases_known = false;
    policy->made_at = wall > policy->made_at ? wall : policy->made_at;
    policy_tick(policy, wall);
    return ERROR_OK;
}

/* ------------------------------------------------------------------ ticking */

static bool roll_all(struct policy *policy, struct snapshot *snapshot, uint64_t wall,
                     struct account_leavers *leavers)
{
    bool done = true;
    policy->calm_from = 0;
    policy->calm_until = UINT64_MAX;
    policy->made_at = wall > policy->made_at ? wall : policy->made_at;
    for (size_t i = 0; i < snapshot->budget_count; i++) {
        struct account *account = snapshot->budgets[i].account;
        struct asking asking = {policy, &snapshot->budgets[i].budget};
        struct account_source source = source_of(&asking);
        if (wall < account->calm_from || wall >= account->calm_until)
            done = account_roll(account, wall, &source, leavers) && done;
        if (account->calm_from > policy->calm_from)
            policy->calm_from = account->calm_from;
        if (account->calm_until < policy->calm_until)
            policy->calm_until = account->calm_until;
    }
    policy->bases_known = false;
    return done;
}

/* Asks again where what was spent before is not known yet; of what was made after `since` anyway.
 */
static void learn_bases(struct policy *policy, struct snapshot *snapshot, uint64_t since)
{
    bool known = true;
    for (size_t i = 0; i < snapshot->budget_count; i++) {
        struct asking asking = {policy, &snapshot->budgets[i].budget};
        struct account_source source = source_of(&asking);
        struct account *account = snapshot->budgets[i].account;
        if (!account_is_complete(account))
            known = account_refresh(account, &source, 0) && known;
        else
            known = account_refresh(account, &source, since) && known;
    }
    policy->bases_known = known;
}

void policy_tick(struct policy *policy, uint64_t wall)
{
    struct snapshot *snapshot = atomic_load_explicit(&policy->snapshot, memory_order_relaxed);
    struct account_leavers leavers = {0};
    if (wall < policy->calm_from || wall >= policy->calm_until) {
        if (!roll_all(policy, snapshot, wall, &leavers))
            policy->calm_until = 0; /* memory was short: at the next tick */
        if (leavers.first != NULL) {
            reader_wait_for_all();
            add_leavers(policy, &leavers);
        }
    }
    if (!policy->bases_known)
        learn_bases(policy, snapshot, UINT64_MAX);
    if (wall < policy->let_go_at || wall - policy->let_go_at > LET_GO_TIME) {
        policy->let_go_at = wall;
        own_limits_let_go(policy->own_limits, &policy->leaving_limits);
    }
    sweep_periods(policy);
    sweep_limits(policy);
}

void policy_refresh(struct policy *policy, uint64_t since)
{
    if (since < policy->made_at)
        learn_bases(policy, atomic_load_explicit(&policy->snapshot, memory_order_relaxed), since);
}

/* ------------------------------------------------------------------ beginning and end */

struct policy *policy_create(policy_history history, void *context)
{
    static const struct policy_definition nothing;
    struct policy *policy = calloc(1, sizeof *policy);
    struct snapshot *snapshot;
    char problem[POLICY_PROBLEM_SIZE];
    if (policy == NULL)
        return NULL;
    policy->own_limits = own_limits_create();
    if (policy->own_limits == NULL ||
        snapshot_make(&nothing, problem, sizeof problem, &snapshot) != ERROR_OK) {
        own_limits_destroy(policy->own_limits);
        free(policy);
        return NULL;
    }
    policy->history = history;
    policy->context = context;
    policy->calm_until = UINT64_MAX;
    policy->bases_known = true;
    atomic_init(&policy->snapshot, snapshot);
    return policy;
}

void policy_destroy(struct policy *policy)
{
    static const struct policy_definition nothing;
    if (policy == NULL)
        return;
    struct replacing replacing = {.policy = policy};
    char problem[POLICY_PROBLEM_SIZE];
    replacing.old = atomic_load_explicit(&policy->snapshot, memory_order_relaxed);
    ensure(snapshot_make(&nothing, problem, sizeof problem, &replacing.new) == ERROR_OK);
    retire_old(&replacing);
    sweep_periods(policy);
    sweep_limits(policy);
    ensure(policy->leaving_accounts == NULL && policy->leaving_limits == NULL);
    snapshot_free(replacing.new);
    while (policy->zones != NULL) {
        struct loaded_zone *loaded = policy->zones;
        policy->zones = loaded->next;
        timezone_free(loaded->zone);
        free(loaded);
    }
    own_limits_destroy(policy->own_limits);
    free(policy);
}
