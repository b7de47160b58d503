/* Whom a budget or limit is for. */
#include "admin/operations_parts.h"
#include "identity/key.h"
#include "identity/principal.h"
#include "policy/rules.h"
#include "store/keys.h"

/* ------------------------------------------------------------------ from words */

static bool is_said(const struct object_change *change, enum object_member member)
{
    return member != OBJECT_MEMBER_COUNT && change->values[member].presence == OBJECT_SET;
}

static bool check_tag(struct operations *operations, enum object_member member, struct text tag)
{
    ptrdiff_t equals = text_find_char(tag, '=');
    if (equals > 0 && (size_t)equals + 1 < tag.length)
        return operations_check_words(operations, object_members[member].name.data, tag,
                                      KEYS_TAGS_MAX);
    return operations_refuse_member(operations, ADMIN_PROBLEM_INVALID, member,
                                    "'%.*s' is no tag: write NAME=VALUE",
                                    TEXT_ARG(text_first(tag, OPERATIONS_SHOWN_MAX)));
}

static bool check_value(struct operations *operations, enum policy_scope scope,
                        enum object_member member, struct text value)
{
    if (scope == POLICY_TAG)
        return check_tag(operations, member, value);
    if (text_empty(value))
        return operations_refuse_member(operations, ADMIN_PROBLEM_INVALID, member,
                                        "an empty text is no %s", policy_scope_name(scope));
    return operations_check_words(operations, object_members[member].name.data, value,
                                  KEYS_NAME_MAX);
}

bool operations_check_scope(struct operations *operations, const struct object_change *change,
                            const struct operations_scope_members *members,
                            struct operations_scope *out)
{
    const enum object_member rows[POLICY_SCOPE_COUNT] = {
        [POLICY_ORGANISATION] = members->organisation,
        [POLICY_TEAM] = members->team,
        [POLICY_KEY] = members->key,
        [POLICY_TAG] = members->tag,
        [POLICY_MODEL] = members->model,
    };
    const char *all = members->organisation == OBJECT_MEMBER_COUNT ? "team or key"
                      : members->model == OBJECT_MEMBER_COUNT
                          ? "organisation, team, key or tag"
                          : "organisation, team, key, tag or model";
    size_t said = 0;
    for (unsigned i = 0; i < POLICY_SCOPE_COUNT; i++) {
        if (!is_said(change, rows[i]))
            continue;
        struct text value = change->values[rows[i]].text;
        if (i == POLICY_ORGANISATION && !text_equal(value, TEXT("true")))
            continue;
        if (said++ > 0)
            return operations_refuse_member(operations, ADMIN_PROBLEM_INVALID, rows[i],
                                            "a %s is for one of %s, and here are two",
                                            object_kinds[change->kind].singular.data, all);
        *out = (struct operations_scope){text_from(policy_scope_name((enum policy_scope)i)),
                                         i == POLICY_ORGANISATION ? TEXT("") : value};
        if (i != POLICY_ORGANISATION &&
            !check_value(operations, (enum policy_scope)i, rows[i], value))
            return false;
    }
    if (said == 1)
        return true;
    return operations_refuse(operations, ADMIN_PROBLEM_MISSING, "", "say whom the %s is for: %s",
                             object_kinds[change->kind].singular.data, all);
}

static bool is_kind(const struct operations_scope *scope, enum policy_scope kind)
{
    return text_equal(scope->kind, text_from(policy_scope_name(kind)));
}

bool operations_resolve_scope(struct operations *operations, struct operations_scope *scope)
{
    if (is_kind(scope, POLICY_TEAM))
        return operations_require_team(operations, "team", scope->value);
    /* A caller without a key is known by its id alone, when it has called. */
    if (is_kind(scope, POLICY_KEY) && !principal_id_is_valid(scope->value))
        return operations_resolve_key(operations, "key", scope->value, &scope->value);
    return true;
}

/* ------------------------------------------------------------------ who may see it */

struct team_of_key {
    struct operations *operations;
    const struct text *team; /* NULL: whether the actor sees it */
    bool matches;
};

static void compare_team(void *context, const struct stored_key *key)
{
    struct team_of_key *of_key = context;
    of_key->matches = of_key->team ? text_equal(key->team, *of_key->team)
                                   : operations_sees_team(of_key->operations, key->team);
}

/* A key that is gone belongs to nobody. */
static bool key_matches(struct operations *operations, struct text id, const struct text *team)
{
    struct team_of_key of_key = {operations, team, false};
    return keys_find(operations->store, id, compare_team, &of_key) == ERROR_OK && of_key.matches;
}

bool operations_sees_scope(struct operations *operations, const struct operations_scope *scope)
{
    if (operations->actor.role != ADMIN_TEAM_LEAD)
        return true;
    if (is_kind(scope, POLICY_TEAM))
        return operations_sees_team(operations, scope->value);
    return is_kind(scope, POLICY_KEY) && key_matches(operations, scope->value, NULL);
}

bool operations_scope_passes(struct operations *operations, const struct operations_scope *scope,
                             const struct operations_filter *filter)
{
    if (!text_empty(filter->key))
        return is_kind(scope, POLICY_KEY) && text_equal(scope->value, filter->key) &&
               operations_sees_scope(operations, scope);
    if (text_empty(filter->team))
        return true;
    if (is_kind(scope, POLICY_TEAM))
        return text_equal(scope->value, filter->team);
    return is_kind(scope, POLICY_KEY) && key_matches(operations, scope->value, &filter->team);
}

/* ------------------------------------------------------------------ to words */

static void write_key_name(void *context, const struct stored_key *key)
{
    json_member_text(context, "key_name", key->name);
}

void operations_write_scope(struct operations *operations, struct json_writer *writer,
                            const struct operations_scope *scope)
{
    json_key(writer, scope->kind);
    if (is_kind(scope, POLICY_ORGANISATION))
        json_bool(writer, true);
    else
        json_text(writer, scope->value);
    /* A key that is gone has no name. */
    if (is_kind(scope, POLICY_KEY) &&
        keys_find(operations->store, scope->value, write_key_name, writer) != ERROR_OK)
        json_member_text(writer, "key_name", text_of(NULL, 0));
}

struct text operations_scope_words(struct operations *operations,
                                   const struct operations_scope *scope)
{
    struct text words = arena_format(operations->arena, "the %.*s%s%.*s", TEXT_ARG(scope->kind),
                                     text_empty(scope->value) ? "" : " ",
                                     TEXT_ARG(text_first(scope->value, OPERATIONS_SHOWN_MAX)));
    return words.data ? words : scope->kind;
}
