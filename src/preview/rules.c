#include "preview/rules.h"

#include <stdio.h>
#include <yyjson.h>

#include "base/ensure.h"
#include "control/policy_refresher.h"
#include "control/price_list.h"
#include "exchange/routing.h"
#include "store/keys.h"
#include "store/usage.h"

/* ---- what was spent before ---- */

#define TAG_SIZE 1024u /* NAME=VALUE of a key's tags, which have half of that together */

/* While the rules are read nothing is added up: the caller has a transaction. */
static bool tell_past(void *context, const struct policy_past *past, money *spent)
{
    const struct preview_rules *rules = context;
    const struct policy_subject *subject = past->subject;
    char tag[TAG_SIZE];
    struct text value = subject->name;

    *spent = 0;
    if (!rules->past_wanted)
        return false;
    if (past->start >= rules->begins)
        return true;
    if (subject->scope == POLICY_TAG) {
        int length = snprintf(tag, sizeof tag, "%.*s=%.*s", TEXT_ARG(subject->name),
                              TEXT_ARG(subject->value));
        value = text_of(tag, (size_t)length);
    }
    uint64_t end = past->end < rules->begins ? past->end : rules->begins;
    return usage_sum(rules->store, text_from(policy_scope_name(subject->scope)), value, past->start,
                     end, spent) == ERROR_OK;
}

/* ---- keys ---- */

struct key_taking {
    struct preview_rules *rules;
    bool damaged;
};

/* A JSON array of patterns, or nothing. */
static const struct text *read_patterns(struct key_taking *taking, struct text json, size_t *count)
{
    struct arena *arena = &taking->rules->keys.arena;
    yyjson_doc *document = yyjson_read(json.data, json.length, 0);
    yyjson_val *root = yyjson_doc_get_root(document), *item;
    size_t index, length;

    taking->damaged |= !text_empty(json) && !yyjson_is_arr(root);
    *count = yyjson_arr_size(root);
    struct text *patterns = ensure_memory(arena_take(arena, (*count + 1) * sizeof *patterns));
    yyjson_arr_foreach(root, index, length, item)
    {
        taking->damaged |= !yyjson_is_str(item);
        patterns[index] = arena_copy(arena, text_of(yyjson_get_str(item), yyjson_get_len(item)));
        ensure_memory((void *)(uintptr_t)patterns[index].data);
    }
    yyjson_doc_free(document);
    return patterns;
}

static struct text keep(struct names *names, struct text text)
{
    struct text copy = arena_copy(&names->arena, text);
    ensure_memory((void *)(uintptr_t)copy.data);
    return copy;
}

static void take_key(void *context, const struct stored_key *row)
{
    struct key_taking *taking = context;
    struct names *keys = &taking->rules->keys;
    struct name *name = names_take(keys, row->id);
    struct preview_key *key = ensure_memory(arena_take_zeroed(&keys->arena, sizeof *key));

    *key = (struct preview_key){.id = name->text,
                                .name = keep(keys, row->name),
                                .team = keep(keys, row->team),
                                .tags = keep(keys, row->tags),
                                .revoked_at = row->revoked_at,
                                .expires_at = row->expires_at};
    taking->damaged = false;
    key->models.listed = !text_empty(row->models);
    key->models.allowed = read_patterns(taking, row->models, &key->models.allowed_count);
    key->models.denied = read_patterns(taking, row->denied, &key->models.denied_count);
    if (taking->damaged) /* as a server has it: then it may use none */
        key->models = (struct model_rules){.listed = true};
    name->owner = key;
}

/* ---- all of it ---- */

bool preview_rules_open(struct preview_rules *rules, struct config *config, struct store *store,
                        char problem[PREVIEW_PROBLEM_SIZE])
{
    *rules = (struct preview_rules){.config = config_hold(config), .store = store};
    names_open(&rules->keys);
    if (price_list_make(config, &rules->book, problem) != ERROR_OK)
        return false;
    rules->routes = ensure_memory(routing_create(config, NULL));
    rules->policy = ensure_memory(policy_create(tell_past, rules));
    return true;
}

static void note_window(void *context, const struct policy_limit_state *state)
{
    uint64_t *most = context;
    if (state->limit->window > *most)
        *most = state->limit->window;
}

static void note_own_windows(const struct caller_rules *rules, uint64_t *most)
{
    for (size_t i = 0; i < rules->count; i++) {
        for (size_t j = 0; j < rules->rows[i].limit_count; j++) {
            if (rules->rows[i].limits[j].window > *most)
                *most = rules->rows[i].limits[j].window;
        }
    }
}

/* Limits that stand in the configuration, beside what lets their callers in. */
static void note_windows_of_callers(const struct config *config, uint64_t *most)
{
    for (size_t i = 0; i < config->issuer_count; i++)
        note_own_windows(&config->issuers[i].terms.rules, most);
    for (size_t i = 0; i < config->listener_count; i++)
        note_own_windows(&config->listeners[i].certificate_callers, most);
}

/* Windows of limits reach back: the policy is made anew for the moment at which replaying has to
 * begin, so that no account has seen a later one. */
static enum error load_policy(struct preview_rules *rules, uint64_t since,
                              char problem[PREVIEW_PROBLEM_SIZE])
{
    uint64_t window = 0;
    const struct policy_visitor visitor = {.limit = note_window, .context = &window};
    enum error error =
        policy_refresher_load(rules->store, rules->config, rules->policy, since, problem);

    if (error)
        return error;
    policy_walk(rules->policy, since, since, &visitor);
    note_windows_of_callers(rules->config, &window);
    rules->begins = since > window ? since - window : 0;
    if (window == 0)
        return ERROR_OK;
    policy_destroy(rules->policy);
    rules->policy = ensure_memory(policy_create(tell_past, rules));
    return policy_refresher_load(rules->store, rules->config, rules->policy, rules->begins,
                                 problem);
}

bool preview_rules_read(struct preview_rules *rules, uint64_t since,
                        char problem[PREVIEW_PROBLEM_SIZE])
{
    struct key_taking taking = {.rules = rules};
    enum error error = load_policy(rules, since, problem);

    if (!error)
        error = keys_list(rules->store, take_key, &taking);
    if (error && !problem[0])
        (void)snprintf(problem, PREVIEW_PROBLEM_SIZE, "the store cannot be read: %s",
                       store_problem(rules->store));
    return !error;
}

void preview_rules_begin(struct preview_rules *rules)
{
    rules->past_wanted = true;
    policy_tick(rules->policy, rules->begins);
}

void preview_rules_close(struct preview_rules *rules)
{
    policy_destroy(rules->policy);
    route_table_release(rules->routes);
    price_book_release(rules->book);
    config_release(rules->config);
    if (rules->keys.buckets != NULL)
        names_close(&rules->keys);
    *rules = (struct preview_rules){0};
}
