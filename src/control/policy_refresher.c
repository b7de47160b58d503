/* One step asks the store whether anything administrative has changed, reads all rules if so, and
 * puts them in force at once. Then the accounts are ticked.
 *
 * Invariants: the rules in force are always those of one moment of the store. A row that cannot be
 * used (of a newer version, or damaged) leaves all rules as they were: a part of them would let
 * calls through that the whole would not. */
#include "control/policy_refresher.h"

#include <pthread.h>
#include <sys/stat.h>
#include <yyjson.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/ensure.h"
#include "base/note.h"
#include "base/number.h"
#include "store/budgets.h"
#include "store/changes.h"
#include "store/limits.h"
#include "store/network_rules.h"
#include "store/organisation.h"
#include "store/teams.h"
#include "store/usage.h"

#define PATH_SIZE     4096u
#define PATIENCE      100u /* milliseconds that a step waits for another process's lock */
#define RULES_SIZE    (1024ull << 20) /* bytes of a definition: a million rules of some 500 each */
#define LATE_PAUSE    20u             /* times as long as it took is nothing asked for again */
#define STEPS_SKIPPED 4u              /* after a failure the store is tried once a second */

struct policy_refresher {
    struct policy *policy;
    char store_path[PATH_SIZE];
    struct store *store; /* NULL: not open */
    struct changes_reader *reader;
    struct stat opened; /* which file `store` is */
    bool stale;         /* the rules in force are not those of the store */
    int64_t seen;
    unsigned steps_to_skip;
    uint64_t late;         /* calls that began then and later were recorded; UINT64_MAX: none */
    uint64_t late_again;   /* monotonic: no earlier is the past asked for again */
    struct config *config; /* whose networks the rules name; NULL: none is named */
    pthread_mutex_t lock;
    struct config *next_config;          /* under the lock: what comes after `config`, or NULL */
    struct policy_refresher_state state; /* under the lock */
};

/* Rules as they are gathered, in an arena of their own. */
struct gathering {
    struct arena arena;
    struct policy_models *models;
    struct policy_budget *budgets;
    struct policy_limit *limits;
    struct policy_networks *networks; /* while they are gathered without `rules` */
    struct policy_contact *contacts;
    struct network_rule *rules; /* of all networks, one after the other */
    const struct config *config;
    size_t network_count, network_room;
    size_t contact_count, contact_room;
    size_t rule_count, rule_room;
    size_t model_count, model_room;
    size_t budget_count, budget_room;
    struct text *teams;
    size_t limit_count, limit_room;
    size_t team_count, team_room;
    bool failed;
    char problem[POLICY_PROBLEM_SIZE];
};

static void complain(struct gathering *gathering, const char *what, struct text id, const char *why)
{
    if (!gathering->failed)
        (void)snprintf(gathering->problem, sizeof(gathering->problem), "%s %.*s: %s", what,
                       TEXT_ARG(id), why);
    gathering->failed = true;
}

/* One more place in an array of the arena; the old one is left to it. NULL without memory. */
static void *add_place(struct gathering *gathering, void *array, size_t *count, size_t *room,
                       size_t size)
{
    if (*count == *room) {
        size_t wanted = *room ? *room * 2 : 16;
        char *larger = arena_take_zeroed(&gathering->arena, wanted * size);
        if (!larger) {
            gathering->failed = true;
            return NULL;
        }
        if (*count > 0)
            memcpy(larger, array, *count * size);
        *room = wanted;
        array = larger;
    }
    (*count)++;
    return array;
}

static struct text keep(struct gathering *gathering, struct text text)
{
    return arena_copy(&gathering->arena, text);
}

/* ---- models ---- */

/* A JSON array of names; false when it is none. */
static bool read_names(struct gathering *gathering, struct text json, const struct text **names,
                       size_t *count)
{
    yyjson_doc *document = yyjson_read(json.data, json.length, 0);
    yyjson_val *root = yyjson_doc_get_root(document), *item;
    size_t index, length;
    bool good = yyjson_is_arr(root) && yyjson_arr_size(root) <= POLICY_MODELS_MAX;
    struct text *list =
        good ? arena_take_zeroed(&gathering->arena, (yyjson_arr_size(root) + 1) * sizeof(*list))
             : NULL;

    yyjson_arr_foreach(list ? root : NULL, index, length, item)
    {
        good = good && yyjson_is_str(item);
        list[index] = keep(gathering, text_of(yyjson_get_str(item), yyjson_get_len(item)));
    }
    *names = list;
    *count = list ? yyjson_arr_size(root) : 0;
    yyjson_doc_free(document);
    return good && list;
}

/* Lists that are damaged leave nothing allowed, rather than all. */
static void add_models(struct gathering *gathering, struct policy_subject subject,
                       struct text allow, struct text deny)
{
    if (text_empty(allow) && text_empty(deny))
        return;
    struct policy_models *models = add_place(gathering, gathering->models, &gathering->model_count,
                                             &gathering->model_room, sizeof(*models));
    if (!models)
        return;
    gathering->models = models;
    models = &models[gathering->model_count - 1];
    *models = (struct policy_models){.subject = subject, .rules.listed = !text_empty(allow)};
    bool good = (text_empty(allow) || read_names(gathering, allow, &models->rules.allowed,
                                                 &models->rules.allowed_count)) &&
                (text_empty(deny) ||
                 read_names(gathering, deny, &models->rules.denied, &models->rules.denied_count));
    if (good)
        return;
    note_warning("policy", "%s %.*s: its list of models is damaged: it may use none",
                 policy_scope_name(subject.scope), TEXT_ARG(subject.name));
    *models = (struct policy_models){.subject = subject, .rules.listed = true};
}

static void take_organisation(void *context, const struct stored_organisation *organisation)
{
    add_models(context, (struct policy_subject){.scope = POLICY_ORGANISATION}, organisation->allow,
               organisation->deny);
}

static void take_team(void *context, const struct stored_team *team)
{
    struct gathering *gathering = context;
    struct text name = keep(gathering, team->name);
    struct text *teams = add_place(gathering, gathering->teams, &gathering->team_count,
                                   &gathering->team_room, sizeof(*teams));

    if (!teams)
        return;
    gathering->teams = teams;
    teams[gathering->team_count - 1] = name;
    add_models(gathering, (struct policy_subject){.scope = POLICY_TEAM, .name = name}, team->allow,
               team->deny);
    if (text_empty(team->contact))
        return;
    struct policy_contact *contacts =
        add_place(gathering, gathering->contacts, &gathering->contact_count,
                  &gathering->contact_room, sizeof(*contacts));
    if (!contacts)
        return;
    gathering->contacts = contacts;
    contacts[gathering->contact_count - 1] =
        (struct policy_contact){.team = name, .contact = keep(gathering, team->contact)};
}

/* ---- budgets and limits ---- */

static bool read_subject(struct gathering *gathering, struct text kind, struct text value,
                         struct policy_subject *subject)
{
    *subject = (struct policy_subject){0};
    if (!policy_scope_from(kind, &subject->scope))
        return false;
    struct text name = keep(gathering, value);
    if (subject->scope == POLICY_TAG) {
        subject->value = name;
        subject->name = text_split(&subject->value, '=');
    } else if (subject->scope != POLICY_ORGANISATION) {
        subject->name = name;
    }
    return true;
}

/* "[50,80,100]" */
static bool read_thresholds(struct gathering *gathering, struct text json,
                            struct policy_budget *budget)
{
    if (text_empty(json))
        return true;
    yyjson_doc *document = yyjson_read(json.data, json.length, 0);
    yyjson_val *root = yyjson_doc_get_root(document), *item;
    size_t index, length;
    uint16_t *list = arena_take_zeroed(&gathering->arena, POLICY_THRESHOLDS_MAX * sizeof(*list));
    bool good = list && yyjson_is_arr(root) && yyjson_arr_size(root) <= POLICY_THRESHOLDS_MAX;

    yyjson_arr_foreach(good ? root : NULL, index, length, item)
    {
        good = good && yyjson_is_uint(item) && yyjson_get_uint(item) <= UINT16_MAX;
        list[index] = (uint16_t)yyjson_get_uint(item);
    }
    budget->thresholds = list;
    budget->threshold_count = good ? yyjson_arr_size(root) : 0;
    yyjson_doc_free(document);
    return good;
}

static const char *read_budget(struct gathering *gathering, const struct stored_budget *row,
                               struct policy_budget *budget)
{
    *budget = (struct policy_budget){
        .id = keep(gathering, row->id),
        .name = keep(gathering, row->name),
        .soft = !row->hard,
        .raised_until = text_empty(row->raise_amount) ? 0 : row->raise_until,
        .rolling = row->length,
        .zone = keep(gathering, row->timezone),
    };
    if (!read_subject(gathering, row->scope_kind, row->scope_value, &budget->subject))
        return "its scope is not known to this version";
    if (!policy_mode_from(row->mode, &budget->mode))
        return "its mode is not known to this version";
    if (!period_kind_from(row->period, &budget->period))
        return "its period is not known to this version";
    if (money_parse(row->amount, &budget->cap) != MONEY_GOOD)
        return "its amount is no amount";
    if (budget->raised_until > 0 &&
        money_parse(row->raise_amount, &budget->raised_cap) != MONEY_GOOD)
        return "its raised amount is no amount";
    return read_thresholds(gathering, row->alerts, budget) ? NULL : "its alerts cannot be read";
}

static void take_budget(void *context, const struct stored_budget *row)
{
    struct gathering *gathering = context;
    struct policy_budget *budgets =
        add_place(gathering, gathering->budgets, &gathering->budget_count, &gathering->budget_room,
                  sizeof(*budgets));

    if (!budgets)
        return;
    gathering->budgets = budgets;
    const char *why = read_budget(gathering, row, &budgets[gathering->budget_count - 1]);
    if (why)
        complain(gathering, "budget", row->id, why);
}

static const char *read_limit(struct gathering *gathering, const struct stored_limit *row,
                              struct policy_limit *limit)
{
    *limit = (struct policy_limit){
        .id = keep(gathering, row->id),
        .name = keep(gathering, row->name),
        .amount = row->amount,
        .window = row->window,
    };
    if (!read_subject(gathering, row->scope_kind, row->scope_value, &limit->subject))
        return "its scope is not known to this version";
    if (!policy_mode_from(row->mode, &limit->mode))
        return "its mode is not known to this version";
    if (!policy_limit_kind_from(row->metric, &limit->kind))
        return "its metric is not known to this version";
    return NULL;
}

static void take_limit(void *context, const struct stored_limit *row)
{
    struct gathering *gathering = context;
    struct policy_limit *limits = add_place(gathering, gathering->limits, &gathering->limit_count,
                                            &gathering->limit_room, sizeof(*limits));

    if (!limits)
        return;
    gathering->limits = limits;
    const char *why = read_limit(gathering, row, &limits[gathering->limit_count - 1]);
    if (why)
        complain(gathering, "limit", row->id, why);
}

/* ---- networks ---- */

static bool same_subject(const struct policy_subject *a, const struct policy_subject *b)
{
    return a->scope == b->scope && text_equal(a->name, b->name);
}

/* The list of the row's subject: rows of one subject come one after the other. NULL without memory,
 * or after complaining. */
static struct policy_networks *list_of(struct gathering *gathering,
                                       const struct stored_network_rule *row)
{
    struct policy_subject subject;
    struct policy_networks *lists = gathering->networks;

    if (!read_subject(gathering, row->scope_kind, row->scope_value, &subject)) {
        complain(gathering, "network rule", row->id, "its scope is not known to this version");
        return NULL;
    }
    if (gathering->network_count > 0 &&
        same_subject(&lists[gathering->network_count - 1].subject, &subject))
        return &lists[gathering->network_count - 1];
    lists = add_place(gathering, lists, &gathering->network_count, &gathering->network_room,
                      sizeof(*lists));
    if (!lists)
        return NULL;
    gathering->networks = lists;
    lists[gathering->network_count - 1] = (struct policy_networks){.subject = subject};
    return &lists[gathering->network_count - 1];
}

/* A name that the configuration does not have (any more) stands for nobody. */
static void read_ranges(struct gathering *gathering, const struct stored_network_rule *row,
                        struct network_rule *rule)
{
    rule->local = text_equal(row->network, TEXT(CONFIG_NETWORK_UNIX));
    if (rule->local)
        return;
    struct network *single = arena_take_zeroed(&gathering->arena, sizeof(*single));
    if (!single) {
        gathering->failed = true;
        return;
    }
    if (network_parse(row->network, single) == ERROR_OK) {
        rule->ranges = single;
        rule->range_count = 1;
        return;
    }
    const struct config_network *named =
        gathering->config ? config_find_network(gathering->config, row->network) : NULL;
    if (named) {
        rule->ranges = named->ranges;
        rule->range_count = named->range_count;
    }
}

static void take_network_rule(void *context, const struct stored_network_rule *row)
{
    struct gathering *gathering = context;
    enum policy_mode mode;
    struct policy_networks *list = list_of(gathering, row);
    bool denies = text_equal(row->action, TEXT("deny"));
    struct network_rule *rules =
        list ? add_place(gathering, gathering->rules, &gathering->rule_count, &gathering->rule_room,
                         sizeof(*rules))
             : NULL;

    if (!rules)
        return;
    gathering->rules = rules;
    if (!policy_mode_from(row->mode, &mode) ||
        (!denies && !text_equal(row->action, TEXT("allow")))) {
        complain(gathering, "network rule", row->id,
                 "its action or its mode is not known to this version");
        return;
    }
    struct network_rule *rule = &rules[gathering->rule_count - 1];
    *rule = (struct network_rule){.id = keep(gathering, row->id),
                                  .network = keep(gathering, row->network),
                                  .denies = denies,
                                  .observed = mode == POLICY_OBSERVE};
    read_ranges(gathering, row, rule);
    list->rule_count++;
}

static bool is_missing(const struct network_rule *rule)
{
    return rule->range_count == 0 && !rule->local;
}

/* Rules about networks that the configuration does not have (any more), and what they do then. */
static void tell_missing(const struct policy_networks *list)
{
    bool others = false;

    for (size_t i = 0; i < list->rule_count; i++) {
        const struct network_rule *rule = &list->rules[i];
        others |= !rule->denies && !rule->observed && !is_missing(rule);
    }
    for (size_t i = 0; i < list->rule_count; i++) {
        const struct network_rule *rule = &list->rules[i];
        if (is_missing(rule))
            note_warning("policy",
                         "network rule %.*s of %s %.*s %s: the configuration has no network "
                         "\"%.*s\"",
                         TEXT_ARG(rule->id), policy_scope_name(list->subject.scope),
                         TEXT_ARG(list->subject.name),
                         policy_missing_network(rule->denies, rule->observed, !others),
                         TEXT_ARG(rule->network));
    }
}

/* When all rules stand where they stay. */
static void divide_rules(struct gathering *gathering)
{
    const struct network_rule *next = gathering->rules;

    for (size_t i = 0; i < gathering->network_count; i++) {
        gathering->networks[i].rules = next;
        next += gathering->networks[i].rule_count;
        tell_missing(&gathering->networks[i]);
    }
}

static enum error read_rules(struct store *store, struct gathering *gathering)
{
    enum error error = organisation_read(store, take_organisation, gathering);

    if (!error)
        error = teams_list(store, take_team, gathering);
    if (!error)
        error = budgets_list(store, take_budget, gathering);
    if (!error)
        error = limits_list(store, take_limit, gathering);
    if (!error)
        error = network_rules_list(store, take_network_rule, gathering);
    divide_rules(gathering);
    if (!error && gathering->failed)
        error = gathering->problem[0] ? ERROR_CORRUPT : ERROR_MEMORY;
    return error;
}

/* All of one moment: within one transaction. */
static enum error gather(struct policy_refresher *refresher, struct gathering *gathering)
{
    enum error error = store_execute(refresher->store, "BEGIN");

    if (!error)
        error = read_rules(refresher->store, gathering);
    store_roll_back(refresher->store); /* it has read only */
    return error;
}

/* `problem` gets words where there are some. */
static enum error put_in_force(struct policy *policy, struct gathering *gathering, uint64_t wall,
                               enum error gathered, char problem[STORE_PROBLEM_SIZE])
{
    const struct policy_definition definition = {
        .models = gathering->models,
        .model_count = gathering->model_count,
        .budgets = gathering->budgets,
        .budget_count = gathering->budget_count,
        .limits = gathering->limits,
        .limit_count = gathering->limit_count,
        .networks = gathering->networks,
        .network_count = gathering->network_count,
        .contacts = gathering->contacts,
        .contact_count = gathering->contact_count,
        .teams = gathering->teams,
        .team_count = gathering->team_count,
    };
    enum error error =
        gathered ? gathered : policy_replace(policy, &definition, wall, gathering->problem);

    if (error && gathering->problem[0])
        (void)snprintf(problem, STORE_PROBLEM_SIZE, "%s", gathering->problem);
    return error;
}

enum error policy_refresher_load(struct store *store, const struct config *config,
                                 struct policy *policy, uint64_t wall,
                                 char problem[STORE_PROBLEM_SIZE])
{
    struct gathering gathering = {.config = config};

    problem[0] = '\0';
    arena_open(&gathering.arena, NULL, RULES_SIZE);
    enum error error =
        put_in_force(policy, &gathering, wall, read_rules(store, &gathering), problem);
    arena_close(&gathering.arena);
    return error;
}

/* ---- what was spent before ---- */

static bool tell_past(void *context, const struct policy_past *past, money *spent)
{
    struct policy_refresher *refresher = context;
    const struct policy_subject *subject = past->subject;
    char tag[1024];
    struct text value = subject->name;

    if (!refresher->store)
        return false;
    if (subject->scope == POLICY_TAG) {
        int length = snprintf(tag, sizeof(tag), "%.*s=%.*s", TEXT_ARG(subject->name),
                              TEXT_ARG(subject->value));
        value = text_of(tag, (size_t)length);
    }
    return usage_sum(refresher->store, text_from(policy_scope_name(subject->scope)), value,
                     past->start, past->end, spent) == ERROR_OK;
}

/* ---- steps ---- */

static void close_store(struct policy_refresher *refresher)
{
    changes_reader_destroy(refresher->reader);
    store_close(refresher->store);
    refresher->reader = NULL;
    refresher->store = NULL;
}

static enum error open_store(struct policy_refresher *refresher, char *problem)
{
    struct stat now;
    bool exists = stat(refresher->store_path, &now) == 0;

    if (refresher->store && exists && now.st_dev == refresher->opened.st_dev &&
        now.st_ino == refresher->opened.st_ino)
        return ERROR_OK;
    close_store(refresher);
    if (!exists && refresher->state.loaded)
        return ERROR_NOT_FOUND;
    enum error error =
        store_open(refresher->store_path, STORE_WRITE, PATIENCE, &refresher->store, problem);
    if (!error)
        error = changes_reader_create(refresher->store, &refresher->reader);
    if (!error && stat(refresher->store_path, &refresher->opened) != 0)
        error = ERROR_STORE;
    refresher->stale = true;
    return error;
}

static enum error load(struct policy_refresher *refresher, char *problem)
{
    struct gathering gathering = {.config = refresher->config};
    int64_t latest;
    uint64_t wall = clock_wall();
    enum error error = changes_reader_latest(refresher->reader, &latest);

    if (error || (latest == refresher->seen && !refresher->stale))
        return error;
    arena_open(&gathering.arena, NULL, RULES_SIZE);
    error =
        put_in_force(refresher->policy, &gathering, wall, gather(refresher, &gathering), problem);
    refresher->stale = error != ERROR_OK;
    if (!error) {
        refresher->seen = latest;
        refresher->state.budgets = gathering.budget_count;
        refresher->state.limits = gathering.limit_count;
        refresher->state.network_rules = gathering.rule_count;
        refresher->state.updated_at = wall;
        refresher->state.loaded = true;
    }
    arena_close(&gathering.arena);
    return error;
}

/* A call may be recorded after a budget was made that it counts in, and have begun before: calls
 * under way, and those that waited in a journal. With many budgets that takes a while; what is
 * asked for again takes a small part of this thread. */
static void tell_late(struct policy_refresher *refresher)
{
    uint64_t began = clock_monotonic();

    if (refresher->late == UINT64_MAX || began < refresher->late_again)
        return;
    policy_refresh(refresher->policy, refresher->late);
    refresher->late = UINT64_MAX;
    uint64_t now = clock_monotonic();
    refresher->late_again = now + (now - began) * LATE_PAUSE;
}

/* Before the rules are loaded: of calls recorded from now on, later steps will hear. */
static enum error note_recorded(struct policy_refresher *refresher)
{
    uint64_t earliest;
    enum error error = changes_reader_recorded(refresher->reader, &earliest);

    if (!error && earliest < refresher->late)
        refresher->late = earliest;
    return error;
}

/* Other networks may stand behind the names now. */
static void take_config(struct policy_refresher *refresher)
{
    pthread_mutex_lock(&refresher->lock);
    struct config *next = refresher->next_config;
    refresher->next_config = NULL;
    pthread_mutex_unlock(&refresher->lock);
    if (!next)
        return;
    config_release(refresher->config);
    refresher->config = next;
    refresher->stale = true;
}

void policy_refresher_configure(struct policy_refresher *refresher, struct config *config)
{
    pthread_mutex_lock(&refresher->lock);
    struct config *before = refresher->next_config;
    refresher->next_config = config_hold(config);
    pthread_mutex_unlock(&refresher->lock);
    config_release(before);
}

static enum error refresh(struct policy_refresher *refresher, char *problem)
{
    bool changed = false;

    take_config(refresher);
    enum error error = open_store(refresher, problem);

    if (!error)
        error = changes_reader_poll(refresher->reader, &changed);
    if (!error && changed)
        error = note_recorded(refresher);
    if (!error && (changed || refresher->stale))
        error = load(refresher, problem);
    if (error && !problem[0])
        (void)snprintf(problem, STORE_PROBLEM_SIZE, "%s",
                       refresher->store && error != ERROR_MEMORY ? store_problem(refresher->store)
                                                                 : error_meaning(error));
    return error;
}

static void note_outcome(struct policy_refresher *refresher, enum error error, const char *problem)
{
    struct policy_refresher_state *state = &refresher->state;
    bool worked = state->working;

    pthread_mutex_lock(&refresher->lock);
    state->working = error == ERROR_OK;
    (void)snprintf(state->problem, sizeof(state->problem), "%s", error ? problem : "");
    pthread_mutex_unlock(&refresher->lock);
    if (error && worked)
        note_error("policy", "budgets, limits and network rules stay as they are: %s", problem);
    else if (!error && !worked && state->updated_at > 0)
        note_info("policy", "budgets, limits and network rules are as the store says again");
}

void policy_refresher_step(struct policy_refresher *refresher)
{
    char problem[STORE_PROBLEM_SIZE] = "";

    if (refresher->steps_to_skip > 0) {
        refresher->steps_to_skip--;
    } else {
        enum error error = refresh(refresher, problem);
        /* A lock is let go soon; what else fails is tried again a little later. */
        if (error && error != ERROR_BUSY)
            refresher->steps_to_skip = STEPS_SKIPPED;
        note_outcome(refresher, error, problem);
        if (!error)
            tell_late(refresher);
    }
    policy_tick(refresher->policy, clock_wall());
}

enum error policy_refresher_create(const char *data, struct config *config,
                                   struct policy_refresher **out)
{
    struct policy_refresher *refresher = calloc(1, sizeof(*refresher));

    if (!refresher)
        return ERROR_MEMORY;
    int length =
        snprintf(refresher->store_path, sizeof(refresher->store_path), "%s/" STORE_FILE, data);
    if (length < 0 || (size_t)length >= sizeof(refresher->store_path)) {
        free(refresher);
        return ERROR_ARGUMENT;
    }
    refresher->policy = policy_create(tell_past, refresher);
    if (!refresher->policy) {
        free(refresher);
        return ERROR_MEMORY;
    }
    pthread_mutex_init(&refresher->lock, NULL);
    refresher->state.working = true;
    refresher->late = UINT64_MAX;
    refresher->config = config ? config_hold(config) : NULL;
    policy_refresher_step(refresher);
    *out = refresher;
    return ERROR_OK;
}

void policy_refresher_destroy(struct policy_refresher *refresher)
{
    if (!refresher)
        return;
    policy_destroy(refresher->policy);
    close_store(refresher);
    config_release(refresher->config);
    config_release(refresher->next_config);
    pthread_mutex_destroy(&refresher->lock);
    free(refresher);
}

struct policy *policy_refresher_policy(struct policy_refresher *refresher)
{
    return refresher->policy;
}

void policy_refresher_read_state(struct policy_refresher *refresher,
                                 struct policy_refresher_state *out)
{
    pthread_mutex_lock(&refresher->lock);
    *out = refresher->state;
    pthread_mutex_unlock(&refresher->lock);
}
