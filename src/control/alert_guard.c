/* Network rules that came into force lately and refuse callers who used to get through.
 *
 * A list of rules (a listener's, a team's, a key's) is on watch from the moment its enforced rules
 * say something else: for `guard.window`, and longer until it has decided on enough calls to judge
 * by. What it does to those who got through before is counted by the importer (ledger/guard.h).
 *
 *   in force ──▶ on watch ──▶ it stands
 *                   └─refuses more than guard.share──▶ told ──auto_revert──▶ taken back: observed
 *
 * Who got through before: whose last call was served while the list said what it said before, and
 * within alerts.bounces.good_within. So somebody whom an earlier change cut off does not count. A
 * list of which a rule was taken back is not taken back again for a day: whoever enforces it anew
 * has been told, and means it. */
#include "base/clock.h"
#include "base/ensure.h"
#include "base/note.h"
#include "base/number.h"
#include "base/siphash.h"
#include "codec/json.h"
#include "control/alerts_parts.h"
#include "control/taken_back.h"
#include "policy/rules.h"
#include "store/audit.h"
#include "store/changes.h"
#include "store/guard.h"
#include "store/network_rules.h"

#define TURN           NANOSECONDS_PER_SECOND
#define DAY            (24ull * 3600 * NANOSECONDS_PER_SECOND)
#define MILLION        1000000u
#define ARENA_SIZE     ((size_t)64 << 20)
#define WHOLE_LIST     TEXT("networks of ") /* as a record names a list none of whose rules decided */
#define LISTENER_LISTS "listener "
#define TAKEN_BACK     "taken back" /* no digest */
/* Lists that are known, 300 bytes each: a rule for each of so many keys. */
#define GUARDED_MAX 65536u

/* ---- what is in force ---- */

/* One look at all rules, list by list. */
struct gathering {
    struct alerts *alerts;
    uint64_t wall;
    size_t known; /* lists that were there before, by name; those behind are new */
    char list[GUARD_LIST_SIZE];
    struct siphash_code code;
    bool enforced; /* a rule of the list at hand is */
    bool failed;
};

static int compare_guarded(const void *a, const void *b)
{
    const struct alert_guarded *left = a, *right = b;
    return strcmp(left->list, right->list);
}

static struct alert_guarded *find_list(struct alert_guard *guard, const char *name, size_t count)
{
    struct alert_guarded wanted;
    if (count == 0)
        return NULL;
    (void)text_copy_to(text_from(name), wanted.list, sizeof wanted.list);
    return bsearch(&wanted, guard->lists, count, sizeof *guard->lists, compare_guarded);
}

static struct alert_guarded *add_list(struct alert_guard *guard, const char *name)
{
    if (guard->count == GUARDED_MAX) {
        if (!guard->told_full)
            note_warning("guard",
                         "there are more than %u lists of network rules: changes of the "
                         "others are not watched",
                         GUARDED_MAX);
        guard->told_full = true;
        return NULL;
    }
    if (guard->count == guard->capacity) {
        guard->capacity = guard->capacity ? 2 * guard->capacity : 64;
        guard->lists = ensure_memory(realloc(guard->lists, guard->capacity * sizeof *guard->lists));
    }
    struct alert_guarded *list = &guard->lists[guard->count++];
    *list = (struct alert_guarded){0};
    (void)text_copy_to(text_from(name), list->list, sizeof list->list);
    return list;
}

static bool keep_list(struct alerts *alerts, const struct alert_guarded *list)
{
    const struct guard_list_row row = {
        .list = text_from(list->list),
        .says = text_from(list->says),
        .since = list->since,
        .before = list->before,
        .told_at = list->told_at,
        .taken_back_at = list->taken_back_at,
    };
    return guard_put_list(alerts->store, &row) == ERROR_OK;
}

/* The list says this now. Changes that come quickly after one another are one: what was before the
 * first of them is what callers were used to. */
static void say(struct gathering *gathering, struct alert_guarded *list, const char *says)
{
    const struct config_guard *limits = &gathering->alerts->config->guard;
    list->seen = true;
    if (strcmp(list->says, says) == 0)
        return;
    if (list->says[0] == 0)
        list->before = 0;
    else if (gathering->wall >= list->since + limits->window)
        list->before = list->since;
    list->since = gathering->wall;
    (void)text_copy_to(text_from(says), list->says, sizeof list->says);
    gathering->failed = !keep_list(gathering->alerts, list) || gathering->failed;
}

static void begin_list(struct gathering *gathering, const char *name)
{
    (void)text_copy_to(text_from(name), gathering->list, sizeof gathering->list);
    gathering->code = (struct siphash_code){0};
    gathering->enforced = false;
}

static void end_list(struct gathering *gathering)
{
    struct alert_guard *guard = &gathering->alerts->guard;
    char says[sizeof guard->lists->says];
    if (!gathering->enforced)
        return;
    struct alert_guarded *list = find_list(guard, gathering->list, gathering->known);
    if (list == NULL)
        list = add_list(guard, gathering->list);
    (void)snprintf(says, sizeof says, "%016llx%016llx",
                   (unsigned long long)gathering->code.words[0],
                   (unsigned long long)gathering->code.words[1]);
    if (list != NULL)
        say(gathering, list, says);
}

/* A digest, for telling whether something is the same as before; nobody gains by making one. */
static void mix(struct gathering *gathering, struct text words)
{
    const struct siphash_seed seed = {{gathering->code.words[0], gathering->code.words[1]}};
    gathering->code = siphash(&seed, words);
}

/* Of a name, what it stands for counts too. */
static void add_rule(struct gathering *gathering, struct text network, bool denies)
{
    const struct config_network *named = config_find_network(gathering->alerts->config, network);
    gathering->enforced = true;
    mix(gathering, denies ? TEXT("deny") : TEXT("allow"));
    mix(gathering, network);
    if (named != NULL)
        mix(gathering,
            text_of((const char *)named->ranges, named->range_count * sizeof *named->ranges));
}

static void take_stored_rule(void *context, const struct stored_network_rule *rule)
{
    struct gathering *gathering = context;
    char name[GUARD_LIST_SIZE];
    (void)snprintf(name, sizeof name, "%.*s %.*s", TEXT_ARG(rule->scope_kind),
                   TEXT_ARG(rule->scope_value));
    if (strcmp(name, gathering->list) != 0) {
        end_list(gathering);
        begin_list(gathering, name);
    }
    if (text_equal(rule->mode, text_from(policy_mode_name(POLICY_ENFORCE))))
        add_rule(gathering, rule->network, text_equal(rule->action, TEXT("deny")));
}

static void take_listener(struct gathering *gathering, const struct config_listener *listener)
{
    char name[GUARD_LIST_SIZE];
    (void)snprintf(name, sizeof name, LISTENER_LISTS "%.*s", TEXT_ARG(listener->name));
    begin_list(gathering, name);
    for (size_t i = 0; i < listener->written_rule_count; i++)
        if (!listener->written_rules[i].observed)
            add_rule(gathering, listener->written_rules[i].network,
                     listener->written_rules[i].denies);
    end_list(gathering);
}

/* Lists without an enforced rule; those that say nothing and were not taken back lately go. */
static void end_gathering(struct gathering *gathering)
{
    struct alerts *alerts = gathering->alerts;
    struct alert_guard *guard = &alerts->guard;
    size_t kept = 0;
    for (size_t i = 0; i < guard->count; i++) {
        struct alert_guarded *list = &guard->lists[i];
        if (!list->seen)
            say(gathering, list, "");
        if (list->says[0] == 0 && list->taken_back_at + DAY < gathering->wall)
            gathering->failed = guard_drop_list(alerts->store, text_from(list->list)) != ERROR_OK ||
                                gathering->failed;
        else
            guard->lists[kept++] = *list;
    }
    guard->count = kept;
    if (kept > 0)
        qsort(guard->lists, kept, sizeof *guard->lists, compare_guarded);
}

static void take_kept(void *context, const struct guard_list_row *row)
{
    struct alert_guard *guard = context;
    char name[GUARD_LIST_SIZE];
    (void)text_copy_to(row->list, name, sizeof name);
    struct alert_guarded *list = add_list(guard, name);
    if (list == NULL)
        return;
    (void)text_copy_to(row->says, list->says, sizeof list->says);
    list->since = row->since;
    list->before = row->before;
    list->told_at = row->told_at;
    list->taken_back_at = row->taken_back_at;
}

static bool load_lists(struct alerts *alerts)
{
    struct alert_guard *guard = &alerts->guard;
    if (guard->loaded)
        return true;
    guard->count = 0;
    guard->loaded = guard_read_lists(alerts->store, take_kept, guard) == ERROR_OK;
    if (guard->count > 0)
        qsort(guard->lists, guard->count, sizeof *guard->lists, compare_guarded);
    return guard->loaded;
}

static bool read_change(struct alerts *alerts, int64_t *change)
{
    struct changes_reader *reader;
    if (changes_reader_create(alerts->store, &reader) != ERROR_OK)
        return false;
    bool good = changes_reader_latest(reader, change) == ERROR_OK;
    changes_reader_destroy(reader);
    return good;
}

/* When a rule or the configuration has changed. */
static bool look_at_rules(struct alerts *alerts, uint64_t wall)
{
    struct alert_guard *guard = &alerts->guard;
    struct gathering gathering = {.alerts = alerts, .wall = wall};
    int64_t change;
    if (!read_change(alerts, &change) || !load_lists(alerts))
        return false;
    if (guard->generation == alerts->config->generation && guard->change == change)
        return true;
    if (store_begin(alerts->store) != ERROR_OK)
        return false;
    gathering.known = guard->count;
    for (size_t i = 0; i < guard->count; i++)
        guard->lists[i].seen = false;
    for (size_t i = 0; i < alerts->config->listener_count; i++)
        take_listener(&gathering, &alerts->config->listeners[i]);
    begin_list(&gathering, "");
    gathering.failed = network_rules_list(alerts->store, take_stored_rule, &gathering) != ERROR_OK;
    end_list(&gathering);
    if (!gathering.failed)
        end_gathering(&gathering);
    if (gathering.failed || store_commit(alerts->store) != ERROR_OK) {
        store_roll_back(alerts->store);
        guard->loaded = false; /* what is in memory may not be what was kept, */
        guard->generation = 0; /* and is looked at again */
        return false;
    }
    guard->generation = alerts->config->generation;
    guard->change = change;
    return true;
}

/* ---- who is on watch ---- */

static bool is_on_watch(struct alerts *alerts, const struct alert_guarded *list, uint64_t wall)
{
    const struct config *config = alerts->config;
    if (list->says[0] == 0)
        return false;
    if (wall < list->since + config->guard.window)
        return true;
    /* So many that `calls` of them would have been refused at that share. */
    uint64_t enough = config->guard.calls * MILLION / config->guard.share;
    return wall < list->since + config->alerts.bounces.good_within &&
           guard_count(alerts->counts, list->list) < enough;
}

static int compare_since(const void *a, const void *b)
{
    const struct guard_list *left = a, *right = b;
    return left->since < right->since ? 1 : left->since > right->since ? -1 : 0;
}

static void set_watch(struct alerts *alerts, uint64_t wall)
{
    struct alert_guard *guard = &alerts->guard;
    uint64_t good_within = alerts->config->alerts.bounces.good_within;
    struct guard_list *watch =
        ensure_memory(calloc(guard->count > 0 ? guard->count : 1, sizeof *watch));
    size_t count = 0;
    for (size_t i = 0; i < guard->count; i++) {
        const struct alert_guarded *list = &guard->lists[i];
        if (!is_on_watch(alerts, list, wall))
            continue;
        uint64_t lately = list->since > good_within ? list->since - good_within : 0;
        struct guard_list *next = &watch[count++];
        next->since = list->since;
        next->from = list->before > lately ? list->before : lately;
        memcpy(next->list, list->list, sizeof next->list);
    }
    /* The newest, where there are too many. */
    qsort(watch, count, sizeof *watch, compare_since);
    guard_watch(alerts->counts, watch, count < GUARD_LISTS_MAX ? count : GUARD_LISTS_MAX);
    free(watch);
}

/* ---- taking back ---- */

/* The rules to make observed: those of the store by id, those of a listener by what they say. */
struct taking {
    struct alerts *alerts;
    struct arena arena;
    struct text *ids;
    struct config_taken_back *rules;
    size_t count, capacity;
    bool failed;
};

static void take_allowance(void *context, const struct stored_network_rule *rule)
{
    struct taking *taking = context;
    if (!text_equal(rule->action, TEXT("allow")) ||
        !text_equal(rule->mode, text_from(policy_mode_name(POLICY_ENFORCE))))
        return;
    if (taking->count == taking->capacity) {
        taking->capacity = taking->capacity ? 2 * taking->capacity : 16;
        taking->ids = ensure_memory(realloc(taking->ids, taking->capacity * sizeof *taking->ids));
    }
    struct text id = arena_copy(&taking->arena, rule->id);
    taking->failed = taking->failed || id.data == NULL;
    taking->ids[taking->count++] = id;
}

static bool take_back_stored(struct taking *taking, struct text list, struct text rule)
{
    const struct alerts_hands *hands = &taking->alerts->hands;
    if (hands->observe_rules == NULL)
        return false;
    if (!text_starts_with(rule, WHOLE_LIST))
        return hands->observe_rules(hands->owner, &rule, 1);
    struct text kind = text_split(&list, ' ');
    enum error error =
        network_rules_list_scope(taking->alerts->store, kind, list, take_allowance, taking);
    return !error && !taking->failed && taking->count > 0 &&
           hands->observe_rules(hands->owner, taking->ids, taking->count);
}

static bool audit_listener_rule(struct alerts *alerts, const struct config_taken_back *rule,
                                size_t index)
{
    char id[CONFIG_NETWORK_NAME_MAXIMUM + 64], json[2][512];
    static const char *const modes[] = {"enforce", "observe"};
    (void)snprintf(id, sizeof id, "listeners.%.*s.network_rules[%zu]", TEXT_ARG(rule->listener),
                   index);
    /* Names of listeners and networks have nothing to escape. */
    for (size_t i = 0; i < 2; i++)
        (void)snprintf(json[i], sizeof json[i],
                       "{\"id\":\"%s\",\"listener\":\"%.*s\",\"%s\":\"%.*s\",\"mode\":\"%s\"}", id,
                       TEXT_ARG(rule->listener), rule->denies ? "deny" : "allow",
                       TEXT_ARG(rule->network), modes[i]);
    struct audit_entry entry = {
        .time = rule->at,
        .who = TEXT("gateway"),
        .via = TEXT("guard"),
        .action = TEXT("update"),
        .object_kind = TEXT("network_rule"),
        .object_id = text_from(id),
        .before = text_from(json[0]),
        .after = text_from(json[1]),
    };
    return audit_append(alerts->store, &entry) == ERROR_OK;
}

/* "listeners.main.network_rules[2]": 2; of the whole list SIZE_MAX. */
static size_t index_of(struct text rule)
{
    uint64_t index;
    if (text_starts_with(rule, WHOLE_LIST) || !text_ends_with(rule, TEXT("]")))
        return SIZE_MAX;
    while (text_find_char(rule, '[') >= 0)
        rule = text_from_index(rule, (size_t)text_find_char(rule, '[') + 1);
    return number_parse_unsigned(text_first(rule, rule.length - 1), &index) ? (size_t)index
                                                                            : SIZE_MAX;
}

static bool take_back_listed(struct taking *taking, const struct config_listener *listener,
                             struct text rule, uint64_t wall)
{
    struct alerts *alerts = taking->alerts;
    size_t wanted = index_of(rule), count = 0;
    struct config_taken_back *rules =
        arena_take(&taking->arena, (listener->written_rule_count + 1) * sizeof *rules);
    bool good = rules != NULL && alerts->hands.observe_listeners != NULL &&
                store_begin(alerts->store) == ERROR_OK;
    for (size_t i = 0; good && i < listener->written_rule_count; i++) {
        const struct config_network_rule *written = &listener->written_rules[i];
        if (written->observed || (wanted == SIZE_MAX ? written->denies : i != wanted))
            continue;
        rules[count] =
            (struct config_taken_back){listener->name, written->network, written->denies, wall};
        good = audit_listener_rule(alerts, &rules[count++], i);
    }
    good = good && count > 0 && taken_back_add(alerts->data, rules, count) == ERROR_OK &&
           store_commit(alerts->store) == ERROR_OK;
    store_roll_back(alerts->store); /* nothing, where it was committed */
    if (good)
        alerts->hands.observe_listeners(alerts->hands.owner);
    return good;
}

/* Where it fails it is tried at the next turn. */
static bool take_back(struct alerts *alerts, const struct guard_rule *rule, uint64_t wall)
{
    struct taking taking = {.alerts = alerts};
    struct text list = text_from(rule->list.list), id = text_from(rule->rule);
    bool good = false;
    arena_open(&taking.arena, NULL, ARENA_SIZE);
    if (!text_starts_with(list, TEXT(LISTENER_LISTS)))
        good = take_back_stored(&taking, list, id);
    else
        for (size_t i = 0; i < alerts->config->listener_count; i++)
            if (text_equal(alerts->config->listeners[i].name,
                           text_from_index(list, sizeof(LISTENER_LISTS) - 1)))
                good = take_back_listed(&taking, &alerts->config->listeners[i], id, wall);
    free(taking.ids);
    arena_close(&taking.arena);
    return good;
}

/* ---- telling ---- */

static void write_examples(const struct guard_rule *rule, char *out, size_t size)
{
    size_t length = (size_t)snprintf(out, size, "[");
    for (size_t i = 0; i < rule->example_count && length < size; i++) {
        char id[IDENTIFIER_TEXT_LENGTH];
        identifier_format(rule->examples[i], id);
        length += (size_t)snprintf(out + length, size - length, "%s\"%.*s\"", i > 0 ? "," : "",
                                   (int)IDENTIFIER_TEXT_LENGTH, id);
    }
    if (length < size)
        (void)snprintf(out + length, size - length, "]");
}

/* What is done about it, or can be: a sentence part. */
static void write_help(const struct alerts *alerts, const struct guard_rule *rule, bool reverted,
                       const struct alert_guarded *list, char *out, size_t size)
{
    const struct config_guard *limits = &alerts->config->guard;
    bool of_file = text_starts_with(text_from(rule->list.list), TEXT(LISTENER_LISTS));
    bool whole = text_starts_with(text_from(rule->rule), WHOLE_LIST);
    char edit[320];
    if (of_file)
        (void)snprintf(edit, sizeof edit, "mode: %s for it in the configuration",
                       reverted ? "observe, and then enforce again," : "observe");
    else if (whole)
        (void)snprintf(edit, sizeof edit,
                       "turnpike network rule list and turnpike network rule edit ID --%s for the "
                       "allowances of %s",
                       reverted ? "enforce" : "observe", rule->list.list);
    else
        (void)snprintf(edit, sizeof edit, "turnpike network rule edit %s --%s", rule->rule,
                       reverted ? "enforce" : "observe");
    const char *why = !limits->auto_revert        ? "guard.auto_revert is off"
                      : list->taken_back_at > 0   ? "it was taken back within a day before"
                      : rule->keys < limits->keys ? "those are too few keys for guard.auto_revert"
                                                  : "it could not be taken back yet";
    if (reverted)
        (void)snprintf(out, size, "the gateway has made it observed; to enforce it anew: %s", edit);
    else
        (void)snprintf(out, size, "it stays in force (%s); to let them in: %s", why, edit);
}

static void raise_rule(struct alerts *alerts, const struct guard_rule *rule,
                       const struct alert_guarded *list, bool reverted)
{
    char subject[ALERT_SUBJECT_MAX], message[1536], help[640], examples[160], numbers[3][24];
    char since[CLOCK_RFC3339_SIZE], example[IDENTIFIER_TEXT_LENGTH];
    clock_format_rfc3339(rule->list.since, since);
    (void)snprintf(subject, sizeof subject, "%s %s", rule->rule, since);
    (void)snprintf(numbers[0], sizeof numbers[0], "%llu", (unsigned long long)rule->refused);
    (void)snprintf(numbers[1], sizeof numbers[1], "%llu", (unsigned long long)rule->list.calls);
    (void)snprintf(numbers[2], sizeof numbers[2], "%zu", rule->keys);
    write_examples(rule, examples, sizeof examples);
    write_help(alerts, rule, reverted, list, help, sizeof help);
    identifier_format(rule->examples[0], example);
    (void)snprintf(message, sizeof message,
                   "%s (%s), in force since %s, refuses callers who used to get through: %s of %s "
                   "of their calls, of %s key%s, last from network %s (team %s, key %s), such as "
                   "%.*s; %s",
                   rule->rule, rule->list.list, since, numbers[0], numbers[1], numbers[2],
                   rule->keys == 1               ? ""
                   : rule->keys < GUARD_KEYS_MAX ? "s"
                                                 : "s or more",
                   rule->network, rule->team[0] ? rule->team : "none", rule->key_id,
                   (int)IDENTIFIER_TEXT_LENGTH, example, help);
    const struct alert_fact facts[] = {
        {"rule", text_from(rule->rule), false},
        {"list", text_from(rule->list.list), false},
        {"since", text_from(since), false},
        {"refused_calls", text_from(numbers[0]), true},
        {"calls", text_from(numbers[1]), true},
        {"keys", text_from(numbers[2]), true},
        {"network", text_from(rule->network), false},
        {"team", rule->team[0] ? text_from(rule->team) : text_of(NULL, 0), false},
        {"key", text_from(rule->key_id), false},
        {"examples", text_from(examples), true},
        {"reverted", reverted ? TEXT("true") : TEXT("false"), true},
    };
    const struct alert alert = {.kind = reverted ? ALERT_GUARD_REVERTED : ALERT_GUARD_REFUSING,
                                .subject = text_from(subject),
                                .message = text_from(message),
                                .facts = facts,
                                .fact_count = ARRAY_LENGTH(facts)};
    alerts_raise(alerts, &alert);
}

/* ---- judging ---- */

struct suspects {
    const struct config_guard *limits;
    struct guard_rule *rules;
    size_t count;
};

static void take_suspect(void *context, const struct guard_rule *rule)
{
    struct suspects *suspects = context;
    uint64_t share = rule->list.calls > 0 ? rule->refused * MILLION / rule->list.calls : 0;
    if (rule->refused < suspects->limits->calls || share < suspects->limits->share)
        return;
    suspects->rules =
        ensure_memory(realloc(suspects->rules, (suspects->count + 1) * sizeof *suspects->rules));
    suspects->rules[suspects->count++] = *rule;
}

static void judge(struct alerts *alerts, const struct guard_rule *rule, uint64_t wall)
{
    struct alert_guard *guard = &alerts->guard;
    const struct config_guard *limits = &alerts->config->guard;
    struct alert_guarded *list = find_list(guard, rule->list.list, guard->count);
    if (list == NULL || list->since != rule->list.since)
        return;
    bool lately = list->taken_back_at > 0 && wall < list->taken_back_at + DAY;
    bool reverts = limits->auto_revert && !lately && rule->keys >= limits->keys &&
                   take_back(alerts, rule, wall);
    if (!reverts && list->told_at >= list->since)
        return;
    raise_rule(alerts, rule, list, reverts);
    list->told_at = wall;
    if (reverts) {
        list->taken_back_at = wall;
        /* Whatever it says at the next look is new, also if somebody was quicker than that. */
        (void)text_copy_to(TEXT(TAKEN_BACK), list->says, sizeof list->says);
        guard->generation = 0;
    }
    if (!keep_list(alerts, list))
        note_debug("guard", "what was told of %s is not kept: %s", list->list,
                   store_problem(alerts->store));
}

void alert_guard_look(struct alerts *alerts, uint64_t wall)
{
    struct suspects suspects = {.limits = &alerts->config->guard};
    if (!look_at_rules(alerts, wall)) {
        note_debug("guard", "the rules cannot be read: %s", store_problem(alerts->store));
        return;
    }
    guard_read(alerts->counts, take_suspect, &suspects);
    for (size_t i = 0; i < suspects.count; i++)
        judge(alerts, &suspects.rules[i], wall);
    free(suspects.rules);
    set_watch(alerts, wall);
}

void alert_guard_step(struct alerts *alerts)
{
    struct alert_guard *guard = &alerts->guard;
    uint64_t now = clock_monotonic();
    if (!alerts->config || !alerts->counts || now < guard->at || !alert_outbox_open(alerts))
        return;
    guard->at = now + TURN;
    alert_guard_look(alerts, clock_wall());
}

void alert_guard_close(struct alerts *alerts)
{
    free(alerts->guard.lists);
}
