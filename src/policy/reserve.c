/* The call's side, second part: money is held before a call is sent.
 *
 *   find the budgets ──▶ fit the ask into the smallest remainder ──▶ hold in each ──▶ granted
 *                               ▲           │ does not fit               │ one is fuller than it
 * was │           ▼                            ▼ │        refused                     give back
 *                               └────────────────────────────────────────┘
 *
 * Invariant: money is in every budget of the call, or in none; what binds is checked by the
 * exchange that adds it (policy/account.h), so that what was read before only decides on what is
 * asked. */
#include "base/ensure.h"
#include "policy/parts.h"

/* Each time round, some other call got through; so many in a row is a machine at its end. */
#define RESERVE_ATTEMPTS 1000u

struct reserving {
    struct policy_hold *hold;
    struct policy_ask ask;
    const struct budget_line **lines; /* of each entry of the hold */
};

/* ------------------------------------------------------------------ amounts */

static money clamp_money(money amount, money most)
{
    if (amount < 0)
        return 0;
    return amount > most ? most : amount;
}

/* No member so large that a product could overflow. */
static struct policy_ask clamp_ask(const struct policy_ask *ask)
{
    int64_t tokens = ask->output_tokens < 0 ? 0 : ask->output_tokens;
    if (tokens > LIMIT_ASK_MAX)
        tokens = LIMIT_ASK_MAX;
    int64_t useful = ask->useful_minimum < 0 ? 0 : ask->useful_minimum;
    return (struct policy_ask){clamp_money(ask->input, ACCOUNT_HOLD_MAX),
                               clamp_money(ask->output_price, MONEY_PARSE_MAX), tokens,
                               useful < tokens ? useful : tokens};
}

static money cost_of(const struct policy_ask *ask, int64_t output_tokens)
{
    return clamp_money(ask->input + ask->output_price * output_tokens, ACCOUNT_HOLD_MAX);
}

/* What the least useful answer may cost. */
static money needed_for(const struct policy_ask *ask)
{
    return cost_of(ask, ask->useful_minimum);
}

static bool fits(money cap, money left, money needed)
{
    return cap > 0 && (needed == 0 || needed <= left);
}

/* The most that `left` buys: there is enough for the useful minimum. */
static struct policy_grant grant_within(const struct policy_ask *ask, money left)
{
    int64_t tokens = ask->output_tokens;
    if (cost_of(ask, tokens) > left && ask->output_price > 0) {
        money affordable = (left - ask->input) / ask->output_price;
        if (affordable < tokens)
            tokens = affordable < 0 ? 0 : (int64_t)affordable;
    }
    return (struct policy_grant){cost_of(ask, tokens), tokens};
}

/* ------------------------------------------------------------------ the budgets of a call */

static bool open_budgets(struct reserving *reserving)
{
    struct policy_hold *hold = reserving->hold;
    const struct snapshot *snapshot = policy_snapshot(hold->policy);
    const struct subject_rules *subjects[SUBJECTS_MAX];
    size_t count;
    uint32_t total = 0, at = 0;
    if (snapshot->budget_count == 0)
        return true;
    if (!policy_find_subjects(snapshot, hold, false, subjects, &count))
        return false;
    for (size_t i = 0; i < count; i++)
        total += subjects[i]->budget_count;
    if (total == 0)
        return true;
    hold->budgets = arena_take(hold->arena, total * sizeof *hold->budgets);
    reserving->lines = arena_take(hold->arena, total * sizeof *reserving->lines);
    if (hold->budgets == NULL || reserving->lines == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < subjects[i]->budget_count; j++) {
            const struct budget_line *line = &subjects[i]->budgets[j];
            struct account_period *period = account_find(line->account, hold->call.wall);
            atomic_fetch_add_explicit(&period->holds, 1, memory_order_relaxed);
            hold->budgets[at] = (struct policy_budget_hold){line->account, period, 0};
            reserving->lines[at++] = line;
        }
    }
    hold->budget_count = total;
    return true;
}

static void close_budgets(struct policy_hold *hold)
{
    for (uint32_t i = 0; i < hold->budget_count; i++)
        atomic_fetch_sub_explicit(&hold->budgets[i].period->holds, 1, memory_order_release);
    hold->budget_count = 0;
}

static money cap_of(const struct reserving *reserving, uint32_t i)
{
    const struct budget_line *line = reserving->lines[i];
    return reserving->hold->call.wall < line->raised_until ? line->raised_cap : line->cap;
}

static money left_in(const struct reserving *reserving, uint32_t i)
{
    const struct policy_budget_hold *entry = &reserving->hold->budgets[i];
    return cap_of(reserving, i) - account_used(entry->account, entry->period);
}

/* ------------------------------------------------------------------ refusing */

static void explain(struct reserving *reserving, uint32_t i, struct policy_why *why)
{
    struct policy_hold *hold = reserving->hold;
    const struct policy_budget *budget = &reserving->lines[i]->rule->budget;
    const struct policy_budget_hold *entry = &hold->budgets[i];
    money needed = needed_for(&reserving->ask), cap = cap_of(reserving, i);
    *why = (struct policy_why){
        .reason = POLICY_REASON_BUDGET,
        .subject = policy_copy_subject(hold, &budget->subject),
        .id = policy_copy(hold, budget->id),
        .name = policy_copy(hold, budget->name),
        .period = budget->period,
        .cap = cap,
        .left = clamp_money(left_in(reserving, i), cap),
        .needed = needed,
        .resets_at = cap == 0 ? POLICY_FOREVER
                              : account_resets_at(entry->account, entry->period, needed, cap)};
}

/* Of two that refuse: the later reset, then the smaller rest. */
static bool is_worse(const struct policy_why *a, const struct policy_why *b)
{
    if (a->resets_at != b->resets_at)
        return a->resets_at > b->resets_at;
    return a->left < b->left;
}

/* Whether some budget that binds has no room for anything useful; sets `left` to the smallest
 * remainder of those that bind (as it is when none does). */
static bool refuse(struct reserving *reserving, money *left, struct policy_why *why)
{
    bool refused = false;
    for (uint32_t i = 0; i < reserving->hold->budget_count; i++) {
        if (!reserving->lines[i]->binds)
            continue;
        money here = left_in(reserving, i);
        if (here < *left)
            *left = here;
        if (fits(cap_of(reserving, i), here, needed_for(&reserving->ask)))
            continue;
        struct policy_why found;
        explain(reserving, i, &found);
        if (!refused || is_worse(&found, why))
            *why = found;
        refused = true;
    }
    return refused;
}

static void note_observed(struct reserving *reserving)
{
    struct policy_hold *hold = reserving->hold;
    for (uint32_t i = 0; i < hold->budget_count; i++) {
        if (!reserving->lines[i]->observes)
            continue;
        if (!fits(cap_of(reserving, i), left_in(reserving, i), needed_for(&reserving->ask)))
            policy_note(hold, POLICY_REASON_BUDGET, reserving->lines[i]->rule->budget.id, 0);
    }
}

/* ------------------------------------------------------------------ holding */

/* In all, or in none. */
static bool hold_in_all(struct reserving *reserving, money amount)
{
    struct policy_hold *hold = reserving->hold;
    for (uint32_t i = 0; i < hold->budget_count; i++) {
        struct policy_budget_hold *entry = &hold->budgets[i];
        if (account_hold(entry->account, &entry->period, amount, cap_of(reserving, i),
                         reserving->lines[i]->binds)) {
            entry->held = amount;
            continue;
        }
        while (i-- > 0) {
            struct policy_budget_hold *taken = &hold->budgets[i];
            account_give_back(taken->account, taken->period, taken->held);
            taken->held = 0;
        }
        return false;
    }
    return true;
}

/* With at least one budget. */
static enum policy_verdict reserve_in_all(struct reserving *reserving, struct policy_grant *grant,
                                          struct policy_why *why)
{
    for (unsigned attempt = 0; attempt < RESERVE_ATTEMPTS; attempt++) {
        money left = ACCOUNT_HOLD_MAX;
        if (refuse(reserving, &left, why))
            return POLICY_REFUSED;
        *grant = grant_within(&reserving->ask, left);
        if (attempt == 0)
            note_observed(reserving);
        if (hold_in_all(reserving, grant->amount))
            return POLICY_ALLOWED;
    }
    for (uint32_t i = 0; i < reserving->hold->budget_count; i++) {
        if (reserving->lines[i]->binds)
            explain(reserving, i, why);
    }
    return POLICY_REFUSED;
}

enum policy_verdict policy_reserve(struct policy_hold *hold, const struct policy_ask *ask,
                                   struct policy_grant *grant, struct policy_why *why)
{
    ensure(hold->open && !hold->reserved);
    struct reserving reserving = {hold, clamp_ask(ask), NULL};
    *grant = grant_within(&reserving.ask, ACCOUNT_HOLD_MAX);
    if (!open_budgets(&reserving)) {
        close_budgets(hold);
        return POLICY_NO_MEMORY;
    }
    enum policy_verdict verdict =
        reserving.lines == NULL ? POLICY_ALLOWED : reserve_in_all(&reserving, grant, why);
    hold->reserved = verdict == POLICY_ALLOWED;
    if (hold->reserved)
        policy_trim_tokens(hold, grant->output_tokens);
    else
        close_budgets(hold);
    return verdict;
}

void policy_open_extra(const struct policy_hold *hold, struct arena *arena,
                       struct policy_hold *extra)
{
    *extra = (struct policy_hold){.policy = hold->policy,
                                  .arena = arena,
                                  .call = hold->call,
                                  .open = hold->open,
                                  .extra = true};
}

bool policy_is_capped(struct policy_hold *hold)
{
    const struct snapshot *snapshot = policy_snapshot(hold->policy);
    const struct subject_rules *subjects[SUBJECTS_MAX];
    size_t count;
    if (snapshot->budget_count == 0)
        return false;
    /* Without memory for the tags, the careful answer. */
    if (!policy_find_subjects(snapshot, hold, false, subjects, &count))
        return true;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < subjects[i]->budget_count; j++) {
            if (subjects[i]->budgets[j].binds)
                return true;
        }
    }
    return false;
}
