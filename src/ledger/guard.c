/* There are two counts of everything: the batch's, which the importer's thread alone adds to, and
 * the settled one, which is what it was when the store took the last batch, and which others read.
 * The lock is about the settled count and about which lists are on watch. */
#include "ledger/guard.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/ensure.h"
#include "store/network_rules.h"

/* What a record calls the rule where none of a list has the source; a long name is cut in it. */
#define WHOLE_TEAM "networks of team "
#define WHOLE_KEY  "networks of key "

enum { LISTENER, TEAM, KEY, OWNERS };

struct counts {
    size_t list_count, rule_count;
    struct guard_list lists[GUARD_LISTS_MAX];
    uint64_t codes[GUARD_LISTS_MAX]; /* of the lists' names */
    struct guard_rule rules[GUARD_RULES_MAX];
    uint16_t list_of[GUARD_RULES_MAX];
};

struct guard {
    pthread_mutex_t lock;
    atomic_bool watching; /* some list is: else a call costs no lock */
    uint64_t version;     /* of what is on watch */
    struct counts settled;
};

struct guard_counting {
    struct guard *guard;
    struct store *store;
    struct guard_callers *callers;
    uint64_t version; /* that `batch` was made of */
    bool changed;
    struct counts batch;
};

struct guard *guard_create(void)
{
    struct guard *guard = calloc(1, sizeof *guard);
    if (guard != NULL)
        ensure(pthread_mutex_init(&guard->lock, NULL) == 0);
    return guard;
}

void guard_destroy(struct guard *guard)
{
    if (guard == NULL)
        return;
    pthread_mutex_destroy(&guard->lock);
    free(guard);
}

/* ---- what is on watch ---- */

static size_t find_list(const struct counts *counts, struct text name)
{
    uint64_t code = text_hash(name);
    size_t at = 0;
    while (at < counts->list_count &&
           (counts->codes[at] != code || !text_equal(text_from(counts->lists[at].list), name)))
        at++;
    return at;
}

static bool same_watch(const struct counts *counts, const struct guard_list *lists, size_t count)
{
    bool same = counts->list_count == count;
    for (size_t i = 0; same && i < count; i++)
        same = strcmp(counts->lists[i].list, lists[i].list) == 0 &&
               counts->lists[i].since == lists[i].since && counts->lists[i].from == lists[i].from;
    return same;
}

/* What was counted of lists that stay, in their new places. */
static void carry_over(struct counts *next, const struct counts *before)
{
    for (size_t i = 0; i < next->list_count; i++) {
        struct guard_list *list = &next->lists[i];
        size_t at = find_list(before, text_from(list->list));
        list->calls = 0;
        if (at == before->list_count || before->lists[at].since != list->since)
            continue;
        list->calls = before->lists[at].calls;
        for (size_t j = 0; j < before->rule_count; j++) {
            if (before->list_of[j] != at)
                continue;
            next->rules[next->rule_count] = before->rules[j];
            next->list_of[next->rule_count++] = (uint16_t)i;
        }
    }
}

void guard_watch(struct guard *guard, const struct guard_list *lists, size_t count)
{
    ensure(count <= GUARD_LISTS_MAX);
    pthread_mutex_lock(&guard->lock);
    if (!same_watch(&guard->settled, lists, count)) {
        struct counts *next = ensure_memory(calloc(1, sizeof *next));
        next->list_count = count;
        for (size_t i = 0; i < count; i++) {
            next->lists[i] = lists[i];
            next->codes[i] = text_hash(text_from(lists[i].list));
        }
        carry_over(next, &guard->settled);
        guard->settled = *next;
        guard->version++;
        atomic_store(&guard->watching, count > 0);
        free(next);
    }
    pthread_mutex_unlock(&guard->lock);
}

void guard_read(struct guard *guard, void (*found)(void *context, const struct guard_rule *rule),
                void *context)
{
    pthread_mutex_lock(&guard->lock);
    for (size_t i = 0; i < guard->settled.rule_count; i++) {
        struct guard_rule *rule = &guard->settled.rules[i];
        rule->list = guard->settled.lists[guard->settled.list_of[i]];
        found(context, rule);
    }
    pthread_mutex_unlock(&guard->lock);
}

uint64_t guard_count(struct guard *guard, const char *list)
{
    pthread_mutex_lock(&guard->lock);
    size_t at = find_list(&guard->settled, text_from(list));
    uint64_t calls = at < guard->settled.list_count ? guard->settled.lists[at].calls : 0;
    pthread_mutex_unlock(&guard->lock);
    return calls;
}

/* ---- the importer's side ---- */

enum error guard_counting_create(struct guard *guard, struct store *store,
                                 struct guard_counting **out)
{
    struct guard_counting *counting = calloc(1, sizeof *counting);
    if (counting == NULL)
        return ERROR_MEMORY;
    counting->guard = guard;
    counting->store = store;
    enum error error = guard_callers_create(store, &counting->callers);
    if (error)
        guard_counting_destroy(counting);
    else
        *out = counting;
    return error;
}

void guard_counting_destroy(struct guard_counting *counting)
{
    if (counting == NULL)
        return;
    guard_callers_destroy(counting->callers);
    free(counting);
}

/* Which list refused the call: "team search"; empty: none did. */
struct refuser {
    struct text list;
    char memory[GUARD_LIST_SIZE];
};

static void take_scope(void *context, const struct stored_network_rule *rule)
{
    struct refuser *refuser = context;
    int length = snprintf(refuser->memory, sizeof refuser->memory, "%.*s %.*s",
                          TEXT_ARG(rule->scope_kind), TEXT_ARG(rule->scope_value));
    if (length > 0 && (size_t)length < sizeof refuser->memory)
        refuser->list = text_of(refuser->memory, (size_t)length);
}

static size_t find_rule(const struct counts *counts, struct text rule)
{
    size_t at = 0;
    while (at < counts->rule_count && !text_equal(text_from(counts->rules[at].rule), rule))
        at++;
    return at;
}

static enum error find_refuser(struct guard_counting *counting, const struct record *record,
                               const struct text names[OWNERS], struct refuser *refuser)
{
    const struct counts *counts = &counting->batch;
    refuser->list = text_of(NULL, 0);
    if (record->outcome != RECORD_OUTCOME_REFUSED)
        return ERROR_OK;
    if (text_equal(record->refusal, TEXT("listener_network_not_allowed"))) {
        refuser->list = names[LISTENER];
        return ERROR_OK;
    }
    if (!text_equal(record->refusal, TEXT("network_not_allowed")))
        return ERROR_OK;
    size_t known = find_rule(counts, record->rule);
    if (known < counts->rule_count)
        refuser->list = text_from(counts->lists[counts->list_of[known]].list);
    else if (text_starts_with(record->rule, TEXT(WHOLE_TEAM)))
        refuser->list = names[TEAM];
    else if (text_starts_with(record->rule, TEXT(WHOLE_KEY)))
        refuser->list = names[KEY];
    else {
        enum error error = network_rules_find(counting->store, record->rule, take_scope, refuser);
        return error == ERROR_NOT_FOUND ? ERROR_OK : error; /* it was deleted since */
    }
    return ERROR_OK;
}

static void count_key(struct guard_rule *rule, struct text key_id)
{
    uint64_t code = text_hash(key_id);
    for (size_t i = 0; i < rule->keys; i++)
        if (rule->key_codes[i] == code)
            return;
    if (rule->keys < GUARD_KEYS_MAX)
        rule->key_codes[rule->keys++] = code;
}

static void count_refused(struct counts *counts, size_t list, const struct record *record,
                          struct text network)
{
    size_t at = find_rule(counts, record->rule);
    if (at == counts->rule_count) {
        if (at == GUARD_RULES_MAX)
            return;
        counts->rules[at] = (struct guard_rule){0};
        (void)text_copy_to(record->rule, counts->rules[at].rule, sizeof counts->rules[at].rule);
        counts->list_of[at] = (uint16_t)list;
        counts->rule_count++;
    }
    struct guard_rule *rule = &counts->rules[at];
    rule->refused++;
    count_key(rule, record->key_id);
    (void)text_copy_to(network, rule->network, sizeof rule->network);
    (void)text_copy_to(record->team, rule->team, sizeof rule->team);
    (void)text_copy_to(record->key_id, rule->key_id, sizeof rule->key_id);
    if (rule->example_count < GUARD_EXAMPLES_MAX)
        rule->examples[rule->example_count++] = record->id;
}

/* The lists that decided on the call, in the order in which they do: one that refuses is the last.
 */
static enum error count_call(struct guard_counting *counting, const struct record *record,
                             struct text network, const struct guard_caller_times *times)
{
    struct counts *counts = &counting->batch;
    char memory[OWNERS][GUARD_LIST_SIZE];
    struct text names[OWNERS];
    struct refuser refuser;
    static const char *const kinds[OWNERS] = {"listener", "team", "key"};
    const struct text owners[OWNERS] = {record->listener, record->team, record->key_id};
    for (size_t i = 0; i < OWNERS; i++) {
        int length = snprintf(memory[i], sizeof memory[i], "%s %.*s", kinds[i],
                              TEXT_ARG(text_first(owners[i], BOUNCE_TEAM_SIZE)));
        names[i] = text_of(memory[i], (size_t)length);
    }
    enum error error = find_refuser(counting, record, names, &refuser);
    for (size_t i = 0; !error && i < OWNERS; i++) {
        size_t at = find_list(counts, names[i]);
        bool refused = text_equal(refuser.list, names[i]);
        const struct guard_list *list = &counts->lists[at];
        if (at < counts->list_count && record->started_at >= list->since &&
            times->first_at < list->since && times->good_at >= list->from) {
            counts->lists[at].calls++;
            counting->changed = true;
            if (refused)
                count_refused(counts, at, record, network);
        }
        if (refused)
            break;
    }
    return error;
}

/* Other lists are on watch than when this was last looked at. */
static void take_watch(struct guard_counting *counting)
{
    struct guard *guard = counting->guard;
    pthread_mutex_lock(&guard->lock);
    if (counting->version != guard->version) {
        struct counts *before = ensure_memory(malloc(sizeof *before));
        *before = counting->batch;
        counting->batch = guard->settled;
        counting->batch.rule_count = 0;
        carry_over(&counting->batch, counting->version > 0 ? before : &guard->settled);
        counting->version = guard->version;
        free(before);
    }
    pthread_mutex_unlock(&guard->lock);
}

enum error guard_add(struct guard_counting *counting, const struct record *record,
                     struct text network)
{
    bool counts;
    struct guard_caller_times times;
    enum error error = guard_callers_add(counting->callers, record, network, &counts, &times);
    if (error || !counts || !atomic_load(&counting->guard->watching))
        return error;
    take_watch(counting);
    return count_call(counting, record, network, &times);
}

enum error guard_flush(struct guard_counting *counting)
{
    return guard_callers_flush(counting->callers);
}

void guard_settle(struct guard_counting *counting)
{
    struct guard *guard = counting->guard;
    if (!counting->changed)
        return;
    pthread_mutex_lock(&guard->lock);
    /* What is on watch may have changed since: then these counts wait for the next batch. */
    if (counting->version == guard->version) {
        guard->settled = counting->batch;
        counting->changed = false;
    }
    pthread_mutex_unlock(&guard->lock);
}

void guard_forget(struct guard_counting *counting)
{
    guard_callers_forget(counting->callers);
    counting->version = 0; /* the settled counts are taken again */
    counting->changed = false;
}
