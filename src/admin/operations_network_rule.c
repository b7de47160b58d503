/* From where the keys of a team, or a key, may call. A scope has one rule about a network. */
#include "admin/operations_parts.h"
#include "config/snapshot.h"
#include "identity/network.h"
#include "policy/networks.h"
#include "policy/rules.h"
#include "store/network_rules.h"
#include "tables/config.h"

#define UNIX  TEXT(CONFIG_NETWORK_UNIX)
#define ALLOW TEXT("allow")
#define DENY  TEXT("deny")

static const struct operations_scope_members scope_members = {
    OBJECT_MEMBER_COUNT, OBJECT_NETWORK_RULE_team, OBJECT_NETWORK_RULE_key,
    OBJECT_MEMBER_COUNT, OBJECT_MEMBER_COUNT,
};

/* ------------------------------------------------------------------ rows */

static bool keep(struct operations *operations, struct stored_network_rule *rule)
{
    struct text *const texts[] = {&rule->id,      &rule->scope_kind, &rule->scope_value,
                                  &rule->network, &rule->action,     &rule->mode};
    return operations_keep(operations, texts, ARRAY_LENGTH(texts));
}

static struct operations_scope scope_of(const struct stored_network_rule *rule)
{
    return (struct operations_scope){rule->scope_kind, rule->scope_value};
}

struct finding {
    struct operations *operations;
    struct stored_network_rule rule;
    bool kept;
};

static void take(void *context, const struct stored_network_rule *row)
{
    struct finding *finding = context;
    finding->rule = *row;
    finding->kept = keep(finding->operations, &finding->rule);
}

static bool find(struct operations *operations, struct text id, struct stored_network_rule *rule)
{
    struct finding finding = {.operations = operations};
    enum error error = network_rules_find(operations->store, id, take, &finding);
    *rule = finding.rule;
    if (error == ERROR_NOT_FOUND)
        return operations_refuse_unknown(operations, OBJECT_NETWORK_RULE, "", id);
    if (error)
        return operations_store_answer(operations, error);
    struct operations_scope scope = scope_of(rule);
    return finding.kept && (operations_sees_scope(operations, &scope) ||
                            operations_refuse_unknown(operations, OBJECT_NETWORK_RULE, "", id));
}

/* ------------------------------------------------------------------ names */

static bool is_name_of_network(struct text network)
{
    struct network range;
    return !text_equal(network, UNIX) && network_parse(network, &range) == ERROR_SYNTAX;
}

enum known { KNOWN, MISSING, NOBODY_CAN_SAY };

/* Once: the file may be large, and a list has many rules. */
static bool learn_networks(struct operations *operations)
{
    if (!operations->networks_asked && operations->learn_networks != NULL)
        operations->networks_known =
            operations->learn_networks(operations->directory, operations->arena,
                                       &operations->networks, &operations->network_count);
    operations->networks_asked = true;
    return operations->networks_known;
}

/* Whether the gateway's configuration has a network of that name, and else which one is the most
 * like it (empty: none is). */
static enum known look_up(struct operations *operations, struct text name, struct text *nearest)
{
    size_t limit = config_near_limit(name);
    *nearest = text_of(NULL, 0);
    if (operations->config != NULL) {
        *nearest = config_nearest_network(operations->config, name);
        return config_find_network(operations->config, name) != NULL ? KNOWN : MISSING;
    }
    if (!learn_networks(operations))
        return NOBODY_CAN_SAY;
    for (size_t i = 0; i < operations->network_count; i++) {
        const struct text *names = operations->networks;
        size_t distance = text_edit_distance(name, names[i], limit);
        if (distance == 0)
            return KNOWN;
        if (distance <= limit && (text_empty(*nearest) || distance < limit)) {
            *nearest = names[i];
            limit = distance;
        }
    }
    return MISSING;
}

static enum known knowledge_of(struct operations *operations, struct text network)
{
    struct text nearest;
    return is_name_of_network(network) ? look_up(operations, network, &nearest) : KNOWN;
}

/* A rule that is made, or put in force, is about a network that is there: an allowance of one that
 * is not would shut everybody out. */
static bool check_known(struct operations *operations, enum object_member member, struct text name)
{
    struct text nearest;
    if (!is_name_of_network(name) || look_up(operations, name, &nearest) != MISSING)
        return true;
    if (text_empty(nearest))
        return operations_refuse_member(operations, ADMIN_PROBLEM_INVALID, member,
                                        "the gateway's configuration has no network '%.*s'; load "
                                        "one that has it first (networks)",
                                        TEXT_ARG(text_first(name, OPERATIONS_SHOWN_MAX)));
    return operations_refuse_member(
        operations, ADMIN_PROBLEM_INVALID, member,
        "the gateway's configuration has no network '%.*s'; did you mean '%.*s'?",
        TEXT_ARG(text_first(name, OPERATIONS_SHOWN_MAX)), TEXT_ARG(nearest));
}

static bool is_enforced(const struct stored_network_rule *rule)
{
    return text_equal(rule->mode, text_from(policy_mode_name(POLICY_ENFORCE)));
}

static enum object_member member_of(const struct stored_network_rule *rule)
{
    return text_equal(rule->action, ALLOW) ? OBJECT_NETWORK_RULE_allow : OBJECT_NETWORK_RULE_deny;
}

struct others {
    struct operations *operations;
    bool let_in;
};

static void look_at_other(void *context, const struct stored_network_rule *rule)
{
    struct others *others = context;
    others->let_in = others->let_in || (text_equal(rule->action, ALLOW) && is_enforced(rule) &&
                                        knowledge_of(others->operations, rule->network) != MISSING);
}

/* What is wrong with a rule whose network is gone; empty: nothing. */
static struct text problem_of(struct operations *operations, const struct stored_network_rule *rule)
{
    struct others others = {operations, false};
    if (knowledge_of(operations, rule->network) != MISSING)
        return text_of(NULL, 0);
    enum error error = network_rules_list_scope(operations->store, rule->scope_kind,
                                                rule->scope_value, look_at_other, &others);
    const char *does = policy_missing_network(text_equal(rule->action, DENY), !is_enforced(rule),
                                              error == ERROR_OK && !others.let_in);
    return arena_format(operations->arena, "it %s: the configuration has no network '%.*s'", does,
                        TEXT_ARG(rule->network));
}

/* ------------------------------------------------------------------ JSON */

static void write_members(struct operations *operations, struct json_writer *writer,
                          const struct stored_network_rule *rule)
{
    const struct operations_scope scope = scope_of(rule);
    const struct text problem = problem_of(operations, rule);
    json_member_text(writer, "id", rule->id);
    operations_write_scope(operations, writer, &scope);
    json_key(writer, rule->action);
    json_text(writer, rule->network);
    json_member_text(writer, "mode", rule->mode);
    json_key(writer, TEXT("problem"));
    if (text_empty(problem))
        json_null(writer);
    else
        json_text(writer, problem);
    operations_write_moment(writer, "created_at", rule->created_at);
}

static bool write(struct operations *operations, const struct stored_network_rule *rule,
                  struct text *out)
{
    struct operations_writer writer;
    operations_write_begin(&writer);
    write_members(operations, &writer.json, rule);
    return operations_write_end(operations, &writer, out);
}

/* ------------------------------------------------------------------ what is said */

/* A network's name; one without a letter is an address with a slip in it, and a rule about it would
 * do nothing. */
static bool is_name(struct text name)
{
    bool letters = false;
    for (size_t i = 0; i < name.length; i++) {
        char c = name.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool plain = letter || (c >= '0' && c <= '9');
        if (!plain && (i == 0 || (c != '-' && c != '_' && c != '.')))
            return false;
        letters = letters || letter;
    }
    return letters && name.length <= CONFIG_NETWORK_NAME_MAXIMUM;
}

/* In the form that the store has: a range in its shortest, so that the same one is found again. */
static bool take_network(struct operations *operations, enum object_member member,
                         struct text words, struct text *out)
{
    struct network network;
    char range[NETWORK_TEXT_SIZE];
    enum error error = network_parse(words, &network);
    if (error == ERROR_SYNTAX) {
        *out = words;
        if (text_equal(words, UNIX))
            return true;
        if (is_name(words))
            return true;
        return operations_refuse_member(
            operations, ADMIN_PROBLEM_INVALID, member,
            "'%.*s' is no network: write 10.0.0.0/8, 2001:db8::/32, one address, unix, or a name "
            "from the configuration",
            TEXT_ARG(text_first(words, OPERATIONS_SHOWN_MAX)));
    }
    (void)network_format(&network, range);
    if (error != ERROR_OK)
        return operations_refuse_member(operations, ADMIN_PROBLEM_INVALID, member,
                                        "'%.*s' has bits set behind its length; did you mean '%s'?",
                                        TEXT_ARG(text_first(words, OPERATIONS_SHOWN_MAX)), range);
    *out = arena_copy(operations->arena, text_from(range));
    return out->data != NULL || operations_no_memory(operations);
}

/* One of `allow` and `deny`; an edit may say neither. */
static bool take_action(struct operations *operations, const struct object_change *change,
                        bool creating, struct stored_network_rule *rule)
{
    bool allow = change->values[OBJECT_NETWORK_RULE_allow].presence == OBJECT_SET;
    bool deny = change->values[OBJECT_NETWORK_RULE_deny].presence == OBJECT_SET;
    enum object_member member = allow ? OBJECT_NETWORK_RULE_allow : OBJECT_NETWORK_RULE_deny;
    struct text network = {NULL, 0};
    if (allow && deny)
        return operations_refuse_member(operations, ADMIN_PROBLEM_INVALID, OBJECT_NETWORK_RULE_deny,
                                        "a rule allows or denies, not both; make one for each");
    if (!allow && !deny)
        return !creating || operations_refuse(operations, ADMIN_PROBLEM_MISSING, "",
                                              "say which network the rule is about: allow or deny");
    if (!take_network(operations, member, change->values[member].text, &network))
        return false;
    if (!text_empty(rule->network) && !text_equal(rule->network, network))
        return operations_refuse_member(
            operations, ADMIN_PROBLEM_FIXED, member,
            "this rule is about %.*s, and that cannot be changed; make a new one",
            TEXT_ARG(rule->network));
    rule->network = network;
    rule->action = allow ? ALLOW : DENY;
    return true;
}

/* A new rule is watched until somebody has it enforced. */
static bool take_mode(struct operations *operations, const struct object_change *change,
                      struct text *mode)
{
    if (change->values[OBJECT_NETWORK_RULE_mode].presence == OBJECT_NULL) {
        *mode = text_from(policy_mode_name(POLICY_OBSERVE));
        return true;
    }
    return operations_check_mode(operations, change, OBJECT_NETWORK_RULE_mode, mode);
}

static bool take_change(struct operations *operations, const struct object_change *change,
                        bool creating, struct stored_network_rule *rule)
{
    return take_action(operations, change, creating, rule) &&
           take_mode(operations, change, &rule->mode);
}

static bool check(struct operations *operations, const struct object_change *change, bool creating)
{
    struct operations_scope scope;
    struct stored_network_rule rule = {0};
    return (!creating || operations_check_scope(operations, change, &scope_members, &scope)) &&
           take_change(operations, change, creating, &rule) &&
           (!creating || check_known(operations, member_of(&rule), rule.network));
}

/* ------------------------------------------------------------------ another like it */

struct twin {
    const struct stored_network_rule *wanted;
    struct arena *arena;
    struct text id;
};

static void compare_twin(void *context, const struct stored_network_rule *other)
{
    struct twin *twin = context;
    if (text_equal(other->network, twin->wanted->network))
        twin->id = arena_copy(twin->arena, other->id);
}

/* The rule of the same scope about the same network; empty: there is none. */
static bool find_twin(struct operations *operations, const struct stored_network_rule *rule,
                      struct text *id)
{
    struct twin twin = {.wanted = rule, .arena = operations->arena};
    enum error error = network_rules_list_scope(operations->store, rule->scope_kind,
                                                rule->scope_value, compare_twin, &twin);
    *id = twin.id;
    return operations_store_answer(operations, error);
}

static bool check_twin(struct operations *operations, const struct stored_network_rule *rule)
{
    struct operations_scope scope = scope_of(rule);
    struct text id;
    if (!find_twin(operations, rule, &id))
        return false;
    return text_empty(id) ||
           operations_refuse(operations, ADMIN_PROBLEM_EXISTS, "",
                             "%s has a rule about %.*s already, %.*s; edit that one",
                             operations_scope_words(operations, &scope).data,
                             TEXT_ARG(rule->network), TEXT_ARG(id));
}

/* ------------------------------------------------------------------ operations */

/* What is easily overlooked. */
static struct text remark_on(struct operations *operations, const struct stored_network_rule *rule)
{
    bool watched = !is_enforced(rule), denies = text_equal(rule->action, DENY);
    bool unsure = knowledge_of(operations, rule->network) == NOBODY_CAN_SAY;
    return arena_format(operations->arena, "%s%s%s%s%s",
                        watched ? "it is observed: calls that it would refuse pass and are "
                                  "recorded; --enforce puts it in force"
                                : "",
                        watched && unsure ? "; " : "",
                        unsure ? "no configuration is at hand to look the name up in: where the "
                                 "gateway's has no such network, the rule "
                               : "",
                        unsure && watched ? "would " : "",
                        !unsure   ? ""
                        : denies  ? (watched ? "deny nobody" : "denies nobody")
                        : watched ? "let nobody in"
                                  : "lets nobody in, and alone refuses every call");
}

static bool create(struct operations *operations, const struct object_change *wanted,
                   struct operation_result *result)
{
    struct operations_scope scope;
    struct stored_network_rule rule = {.mode = text_from(policy_mode_name(POLICY_OBSERVE)),
                                       .created_at = operations_now(operations)};
    if (!operations_check_scope(operations, wanted, &scope_members, &scope) ||
        !take_change(operations, wanted, true, &rule) ||
        !check_known(operations, member_of(&rule), rule.network) ||
        !operations_resolve_scope(operations, &scope) ||
        !operations_make_id(operations, TEXT(NETWORK_RULES_ID_PREFIX), &rule.id))
        return false;
    rule.scope_kind = scope.kind;
    rule.scope_value = scope.value;
    result->id = rule.id;
    result->changed = true;
    result->remark = remark_on(operations, &rule);
    return check_twin(operations, &rule) &&
           operations_store_answer(operations, network_rules_insert(operations->store, &rule)) &&
           write(operations, &rule, &result->after);
}

static bool edit(struct operations *operations, struct text id, const struct object_change *changes,
                 struct operation_result *result)
{
    struct stored_network_rule rule = {0};
    if (!find(operations, id, &rule) || !write(operations, &rule, &result->before) ||
        !take_change(operations, changes, false, &rule) ||
        !write(operations, &rule, &result->after))
        return false;
    result->id = rule.id;
    result->changed = !text_equal(result->before, result->after);
    if (!result->changed)
        return true;
    if (is_enforced(&rule) && !check_known(operations, member_of(&rule), rule.network))
        return false;
    return operations_store_answer(operations, network_rules_update(operations->store, &rule));
}

static bool delete_rule(struct operations *operations, struct text id,
                        const struct operation_deletion *deletion, struct operation_result *result)
{
    struct stored_network_rule rule = {0};
    if (!find(operations, id, &rule) || !write(operations, &rule, &result->before))
        return false;
    result->id = rule.id;
    result->changed = true;
    return operations_store_answer(
        operations, network_rules_delete(operations->store, rule.id, operations_now(operations)));
}

struct ids {
    struct operations *operations;
    struct text first;
};

static void take_first(void *context, const struct stored_network_rule *rule)
{
    struct ids *ids = context;
    if (ids->first.data == NULL)
        ids->first = arena_copy(ids->operations->arena, rule->id);
}

static bool first_of_scope(struct operations *operations, const struct operations_scope *scope,
                           struct text *id)
{
    struct ids ids = {operations, text_of(NULL, 0)};
    enum error error =
        network_rules_list_scope(operations->store, scope->kind, scope->value, take_first, &ids);
    *id = ids.first;
    return operations_store_answer(operations, error);
}

/* ------------------------------------------------------------------ reading */

static bool show(struct operations *operations, struct text id, struct text *json)
{
    struct stored_network_rule rule = {0};
    return find(operations, id, &rule) && write(operations, &rule, json);
}

struct listing {
    struct operations *operations;
    const struct operations_filter *filter;
    void (*found)(void *context, struct text json);
    void *context;
};

static void list_one(void *context, const struct stored_network_rule *rule)
{
    struct listing *listing = context;
    struct operations_writer writer;
    struct operations_scope scope = scope_of(rule);
    if (!operations_scope_passes(listing->operations, &scope, listing->filter))
        return;
    operations_write_begin(&writer);
    write_members(listing->operations, &writer.json, rule);
    operations_write_hand(&writer, listing->found, listing->context);
}

static bool list(struct operations *operations, const struct operations_filter *filter,
                 void (*found)(void *context, struct text json), void *context)
{
    struct listing listing = {operations, filter, found, context};
    return operations_store_answer(operations,
                                   network_rules_list(operations->store, list_one, &listing));
}

/* ------------------------------------------------------------------ for apply */

static bool match(struct operations *operations, const struct object_change *change,
                  struct text *id)
{
    struct operations_scope scope;
    struct stored_network_rule wanted = {0};
    if (!operations_check_scope(operations, change, &scope_members, &scope) ||
        !take_change(operations, change, true, &wanted) ||
        !operations_resolve_scope(operations, &scope))
        return false;
    wanted.scope_kind = scope.kind;
    wanted.scope_value = scope.value;
    return find_twin(operations, &wanted, id);
}

const struct operations_kind operations_network_rule = {
    check, create, edit, delete_rule, show, list, match, first_of_scope,
};
