#include "sample/past.h"

#include "admin/apply.h"
#include "admin/budget_use.h"
#include "base/clock.h"
#include "meter/money.h"
#include "store/budgets.h"
#include "store/limits.h"

#define DAYS_TOLD    90.0
#define RAISED_UNTIL 38 /* days before the end of 90 */
#define DAY          (86400 * NANOSECONDS_PER_SECOND)
#define NEAR_ITS_END 94u /* per cent spent */
#define OVERSPENT    112u
#define GRACE        DAY /* of a rotation: both secrets are good for a day */

/* ------------------------------------------------------------------ the story */

enum deed { FOUND, APPLY, ROTATE, REVOKE, EXPIRE, ADMIN_KEY, RAISE };

struct event {
    double days; /* before the end of 90 */
    const char *who;
    enum deed deed;
    const char *what; /* YAML, or the name of a key, team or administrator */
    const char *more; /* a reason, a role or an amount */
};

static const char first_budgets[] =
    "budgets:\n"
    "- {name: everything, organisation: true, amount: 6000, soft: true, alerts: [80, 100]}\n"
    "- {name: search, team: search, amount: 260, alerts: [50, 80, 100]}\n"
    "- {name: support, team: support, amount: 420, alerts: [50, 80, 100]}\n"
    "- {name: coding, team: coding, amount: 2400, alerts: [80, 100]}\n"
    "- {name: documents, team: documents, amount: 120, alerts: [80, 100]}\n"
    "- {name: research, team: research, amount: 1500, soft: true, alerts: [80, 100]}\n"
    "- {name: growth, team: growth, amount: 400, alerts: [50, 80, 100]}\n"
    "- {name: tests, tag: env=test, amount: 900, soft: true, mode: observe}\n"
    "limits:\n"
    "- {name: everybody, organisation: true, concurrent: 400}\n"
    "- {name: per-model, model: \"claude-opus-*\", requests: 300, per: 1m}\n";

static const char cluster_watched[] =
    "network_rules:\n- {team: documents, allow: batch-cluster, mode: observe}\n"
    "- {team: documents, allow: prod-cluster, mode: observe}\n"
    "- {team: documents, allow: berlin-office, mode: observe}\n";
static const char cluster_enforced[] =
    "network_rules:\n- {team: documents, allow: batch-cluster, mode: enforce}\n"
    "- {team: documents, allow: prod-cluster, mode: enforce}\n"
    "- {team: documents, allow: berlin-office, mode: enforce}\n";
static const char coding_watched[] =
    "network_rules:\n- {team: coding, allow: berlin-office, mode: observe}\n"
    "- {team: coding, allow: vpn, mode: observe}\n";

static const struct event events[] = {
    {90, "cli:mara", FOUND, NULL, NULL},
    {89.9, "cli:mara", APPLY, first_budgets, NULL},
    {89.8, "cli:mara", ADMIN_KEY, "demo", "owner"},
    {89.7, "cli:mara", ADMIN_KEY, "grafana", "finance"},
    {70.23, "cli:jonas", APPLY,
     "limits:\n- {name: nightly, key: invoice-reader, requests: 25, per: 1m}\n"
     "- {name: search-peak, team: search, requests: 90, per: 1m, mode: observe}\n",
     NULL},
    {64.13, "cli:mara", ROTATE, "help-widget", NULL},
    {58.22, "cli:lena", APPLY,
     "teams:\n- {name: growth, title: Marketing and growth, contact: "
     "growth-ops@harbor-pine.example,"
     " deny_models: [\"claude-opus-*\"]}\n",
     NULL},
    {55.31, "cli:jonas", REVOKE, "macro-experiments", "the experiment has ended"},
    {52.17, "cli:lena", APPLY,
     "budgets:\n- {name: documents, team: documents, amount: 180, alerts: [80, 100]}\n", NULL},
    {45.09, "cli:lena", RAISE, "support", "600"},
    {40.3, "cli:mara", APPLY,
     "budgets:\n- {name: sandbox, key: intern-sandbox, amount: 3, period: day}\n", NULL},
    {31.26, "cli:mara", ROTATE, "answers-api", NULL},
    {27.12, "cli:mara", APPLY,
     "organisation: {name: Harbor & Pine, contact: platform@harbor-pine.example,"
     " deny_models: [\"*-deep-research\"]}\n",
     NULL},
    {PAST_CODING_WATCHED, "cli:jonas", APPLY, coding_watched, NULL},
    {PAST_LEAK_NOTICED, "cli:mara", REVOKE, PAST_LEAKED_KEY,
     "found in a public repository of the agency"},
    {14.2, "cli:jonas", APPLY, cluster_watched, NULL},
    {PAST_CAMPAIGN_ENDS, "cli:lena", EXPIRE, PAST_EXPIRED_KEY, NULL},
    {12.07, "cli:mara", ROTATE, "editor-agents", NULL},
    {PAST_CLUSTER_RULE, "cli:jonas", APPLY, cluster_enforced, NULL},
    {5.14, "cli:mara", ROTATE, "invoice-reader", NULL},
    {0.4, "cli:mara", ROTATE, "review-bot", NULL},
};

uint64_t timeline_moment(const struct timeline *timeline, double days)
{
    double length = (double)(timeline->end - timeline->begin);
    double before = length * days / DAYS_TOLD;
    return before >= length ? timeline->begin : timeline->end - (uint64_t)before;
}

/* ------------------------------------------------------------------ doing it */

static void act_as(struct past *past, const char *who, const char *via, uint64_t clock)
{
    const struct admin_actor actor = {
        .who = text_from(who), .via = text_from(via), .role = ADMIN_OWNER};
    operations_use(past->operations, past->operations->arena, &actor);
    past->operations->clock = clock;
    past->operations->config = past->config;
}

static size_t index_of(const char *key)
{
    return (size_t)(cast_find_key(text_from(key)) - cast_keys);
}

static bool found_organisation(struct past *past)
{
    struct object_change wanted;
    struct operation_result result;
    object_open(&wanted, OBJECT_ORGANISATION);
    object_set_text(&wanted, OBJECT_ORGANISATION_name, TEXT("Harbor & Pine"));
    object_set_text(&wanted, OBJECT_ORGANISATION_contact, TEXT("platform@harbor-pine.example"));
    bool good = operations_edit(past->operations, TEXT(""), &wanted, &result);
    for (size_t i = 0; good && i < CAST_TEAMS; i++) {
        const struct cast_team *team = &cast_teams[i];
        object_open(&wanted, OBJECT_TEAM);
        object_set_text(&wanted, OBJECT_TEAM_name, team->name);
        object_set_text(&wanted, OBJECT_TEAM_title, team->title);
        object_set_text(&wanted, OBJECT_TEAM_contact, team->contact);
        good = operations_create(past->operations, &wanted, &result);
    }
    return good;
}

static bool make_key(struct past *past, size_t index)
{
    const struct cast_key *row = &cast_keys[index];
    struct past_key *key = &past->keys[index];
    struct object_change wanted;
    struct operation_result result = {0};
    const struct object_item tags[] = {{TEXT("env"), row->environment},
                                       {TEXT("feature"), row->feature}};
    object_open(&wanted, OBJECT_KEY);
    object_set_text(&wanted, OBJECT_KEY_name, row->name);
    object_set_text(&wanted, OBJECT_KEY_team, row->team);
    object_set_items(&wanted, OBJECT_KEY_tags, tags, ARRAY_LENGTH(tags));
    bool good = operations_create(past->operations, &wanted, &result);
    if (good) {
        (void)text_copy_to(result.id, key->id, sizeof key->id);
        key->made_at = past->operations->clock;
    }
    key->secret = result.secret;
    return good;
}

static bool make_admin_key(struct past *past, const struct event *event)
{
    struct object_change wanted;
    struct operation_result result = {0};
    object_open(&wanted, OBJECT_ADMIN_KEY);
    object_set_text(&wanted, OBJECT_ADMIN_KEY_name, text_from(event->what));
    object_set_text(&wanted, OBJECT_ADMIN_KEY_role, text_from(event->more));
    bool good = operations_create(past->operations, &wanted, &result);
    if (past->admin_key == NULL)
        past->admin_key = result.secret;
    else
        secret_free(result.secret);
    return good;
}

/* The first problem of a file of ours would be a mistake in it, for whoever changes it. */
static void tell_file_problem(struct past *past, const struct apply_file *file)
{
    struct buffer lines;
    buffer_open(&lines, ADMIN_PROBLEM_MESSAGE_SIZE);
    config_problems_write(&file->problems, false, &lines);
    if (lines.length > 0)
        (void)text_copy_to(buffer_text(&lines), past->operations->problem.message,
                           ADMIN_PROBLEM_MESSAGE_SIZE);
    buffer_close(&lines);
}

static bool apply(struct past *past, const char *yaml)
{
    struct apply_plan plan = {0};
    struct apply_file file = {.yaml = text_from(yaml)};
    const struct apply_request request = {.files = &file, .file_count = 1, .commit = true};
    config_problems_open(&file.problems);
    bool good = apply_run(past->operations, &request, &plan);
    if (!good)
        tell_file_problem(past, &file);
    apply_plan_close(&plan);
    config_problems_close(&file.problems);
    return good;
}

static bool rotate(struct past *past, const char *name)
{
    struct past_key *key = &past->keys[index_of(name)];
    struct operation_result result = {0};
    bool good = operations_rotate_key(past->operations, text_from(key->id), GRACE, &result);
    if (good) {
        secret_free(key->secret);
        key->secret = result.secret;
    }
    return good;
}

static bool revoke(struct past *past, const struct event *event)
{
    struct past_key *key = &past->keys[index_of(event->what)];
    struct operation_result result = {0};
    key->revoked_at = past->operations->clock;
    return operations_revoke_key(past->operations, text_from(key->id), text_from(event->more),
                                 &result);
}

static bool expire(struct past *past, const char *name)
{
    struct past_key *key = &past->keys[index_of(name)];
    struct object_change change;
    struct operation_result result = {0};
    char moment[CLOCK_RFC3339_SIZE];
    key->expires_at = past->operations->clock;
    object_open(&change, OBJECT_KEY);
    object_set_text(&change, OBJECT_KEY_expires_at,
                    text_of(moment, clock_format_rfc3339(key->expires_at, moment)));
    return operations_edit(past->operations, text_from(key->id), &change, &result);
}

static bool raise_budget(struct past *past, const struct event *event)
{
    struct operation_result result = {0};
    char moment[CLOCK_RFC3339_SIZE];
    size_t length = clock_format_rfc3339(timeline_moment(&past->timeline, RAISED_UNTIL), moment);
    return operations_raise_budget(past->operations, text_from(event->what), text_from(event->more),
                                   text_of(moment, length), &result);
}

/* ------------------------------------------------------------------ what has an id now */

/* From what the store said; ERROR_OK gives true. */
static bool store_answer(struct past *past, enum error error)
{
    if (error)
        (void)text_copy_to(text_from(store_problem(past->operations->store)),
                           past->operations->problem.message, ADMIN_PROBLEM_MESSAGE_SIZE);
    return error == ERROR_OK;
}

static void take_budget(void *context, const struct stored_budget *row)
{
    (void)text_copy_to(row->id, context, PAST_ID_SIZE);
}

static void take_limit(void *context, const struct stored_limit *row)
{
    (void)text_copy_to(row->id, context, PAST_ID_SIZE);
}

/* What is not made yet stays empty. */
static bool find_rules(struct past *past)
{
    struct store *store = past->operations->store;
    struct past_rules *rules = &past->rules;
    const enum error errors[] = {
        limits_find(store, TEXT("nightly"), take_limit, rules->nightly_limit),
        limits_find(store, TEXT("search-peak"), take_limit, rules->search_limit),
        budgets_find(store, TEXT("sandbox"), take_budget, rules->sandbox_budget),
    };
    for (size_t i = 0; i < ARRAY_LENGTH(errors); i++)
        if (errors[i] != ERROR_OK && errors[i] != ERROR_NOT_FOUND)
            return store_answer(past, errors[i]);
    return true;
}

static bool do_event(struct past *past, const struct event *event)
{
    bool by_file = event->deed == APPLY;
    act_as(past, event->who, by_file ? "apply" : "cli",
           timeline_moment(&past->timeline, event->days));
    switch (event->deed) {
    case FOUND: return found_organisation(past);
    case APPLY: return apply(past, event->what) && find_rules(past);
    case ADMIN_KEY: return make_admin_key(past, event);
    case ROTATE: return rotate(past, event->what);
    case REVOKE: return revoke(past, event);
    case EXPIRE: return expire(past, event->what);
    case RAISE: return raise_budget(past, event);
    }
    return false;
}

/* ------------------------------------------------------------------ in order */

#define STEPS (ARRAY_LENGTH(events) + CAST_KEYS)

/* Events and the making of keys, the oldest first. */
static double days_of(uint16_t step)
{
    /* Keys are made in the course of a day, one after the other. */
    return step < CAST_KEYS ? cast_keys[step].born + step * 0.0083 : events[step - CAST_KEYS].days;
}

static void order_steps(struct past *past)
{
    for (size_t i = 0; i < STEPS; i++) {
        uint16_t step = (uint16_t)i; /* STEPS is at most PAST_STEPS_MAX */
        size_t at = i;
        for (; at > 0 && days_of(past->steps[at - 1]) < days_of(step); at--)
            past->steps[at] = past->steps[at - 1];
        past->steps[at] = step;
    }
}

void past_open(struct past *past, struct operations *operations, const struct config *config,
               const struct timeline *timeline)
{
    _Static_assert(STEPS <= PAST_STEPS_MAX, "there is room for all steps");
    *past = (struct past){.operations = operations, .config = config, .timeline = *timeline};
    order_steps(past);
}

void past_close(struct past *past)
{
    for (size_t i = 0; i < CAST_KEYS; i++)
        secret_free(past->keys[i].secret);
    secret_free(past->admin_key);
    if (past->operations) /* it was opened */
        past->operations->clock = 0;
}

uint64_t past_next(const struct past *past)
{
    return past->next < STEPS ? timeline_moment(&past->timeline, days_of(past->steps[past->next]))
                              : UINT64_MAX;
}

bool past_step(struct past *past)
{
    uint16_t step = past->steps[past->next++];
    if (step >= CAST_KEYS)
        return do_event(past, &events[step - CAST_KEYS]);
    act_as(past, "cli:mara", "cli", timeline_moment(&past->timeline, days_of(step)));
    return make_key(past, step);
}

/* ------------------------------------------------------------------ budgets by what was spent */

struct spending {
    struct past *past;
    char id[PAST_ID_SIZE];
    money spent;
    enum error error;
};

static void take_spending(void *context, const struct stored_budget *budget)
{
    struct spending *spending = context;
    struct budget_use use;
    (void)text_copy_to(budget->id, spending->id, sizeof spending->id);
    spending->error = budget_use_find(spending->past->operations->store, NULL, budget, 1,
                                      spending->past->timeline.end, &use);
    spending->spent = spending->error ? 0 : use.spent;
}

/* The amount of which `percent` is spent, to three digits, as people choose amounts. */
static money choose_amount(money spent, unsigned percent)
{
    money amount = spent * 100 / percent, step = MONEY_DOLLAR / 100;
    while (amount / step >= 1000)
        step *= 10;
    return (amount + step / 2) / step * step;
}

static bool settle_budget(struct past *past, const char *name, unsigned percent)
{
    struct spending spending = {.past = past};
    struct object_change change;
    struct operation_result result;
    char amount[MONEY_TEXT_SIZE];
    enum error error =
        budgets_find(past->operations->store, text_from(name), take_spending, &spending);
    if (!error)
        error = spending.error;
    if (error)
        return store_answer(past, error);
    money chosen = choose_amount(spending.spent, percent);
    if (chosen == 0) /* nobody of the team has called yet */
        return true;
    object_open(&change, OBJECT_BUDGET);
    object_set_text(&change, OBJECT_BUDGET_amount,
                    text_of(amount, money_format_exact(chosen, amount)));
    return operations_edit(past->operations, text_from(spending.id), &change, &result);
}

bool past_settle_budgets(struct past *past)
{
    act_as(past, "cli:lena", "cli", past->timeline.end);
    return settle_budget(past, "growth", NEAR_ITS_END) &&
           settle_budget(past, "research", OVERSPENT);
}
