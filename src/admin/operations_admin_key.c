/* Credentials of the admin API. They have a form and a table of
 * their own: none of them opens a model, and no key for models opens the interface. */
#include "admin/operations_parts.h"
#include "identity/key.h"
#include "store/admin_keys.h"

#define ATTEMPTS 3

static bool keep(struct operations *operations, struct stored_admin_key *key)
{
    struct text *const texts[] = {&key->id, &key->name, &key->role, &key->team};
    return operations_keep(operations, texts, ARRAY_LENGTH(texts));
}

struct finding {
    struct operations *operations;
    struct stored_admin_key key;
    bool kept;
};

static void take(void *context, const struct stored_admin_key *row)
{
    struct finding *finding = context;
    finding->key = *row;
    finding->kept = keep(finding->operations, &finding->key);
}

static bool find(struct operations *operations, struct text id, struct stored_admin_key *key)
{
    struct finding finding = {.operations = operations};
    if (text_starts_with(id, TEXT(KEY_ADMIN_PREFIX)))
        id = text_from_index(key_visible_part(id), KEY_PREFIX_LENGTH);
    enum error error = admin_keys_find(operations->store, id, take, &finding);
    *key = finding.key;
    if (error == ERROR_NOT_FOUND)
        return operations_refuse_unknown(operations, OBJECT_ADMIN_KEY, "", id);
    return operations_store_answer(operations, error) && finding.kept;
}

static void write_members(struct json_writer *writer, const struct stored_admin_key *key)
{
    json_member_text(writer, "id", key->id);
    json_member_text(writer, "name", key->name);
    json_member_text(writer, "role", key->role);
    operations_write_name(writer, "team", key->team);
    operations_write_moment(writer, "created_at", key->created_at);
    operations_write_moment(writer, "expires_at", key->expires_at);
    operations_write_moment(writer, "used_at", key->used_at);
    operations_write_moment(writer, "revoked_at", key->revoked_at);
}

static bool write(struct operations *operations, const struct stored_admin_key *key,
                  struct text *out)
{
    struct operations_writer writer;
    operations_write_begin(&writer);
    write_members(&writer.json, key);
    return operations_write_end(operations, &writer, out);
}

/* A team_lead has a team, the others have none. */
static bool check_role_and_team(struct operations *operations, const struct stored_admin_key *key)
{
    enum admin_role role;
    if (!admin_role_from(key->role, &role))
        return operations_refuse_member(
            operations, ADMIN_PROBLEM_INVALID, OBJECT_ADMIN_KEY_role,
            "'%.*s' is no role: write owner, operator, finance or team_lead",
            TEXT_ARG(text_first(key->role, OPERATIONS_SHOWN_MAX)));
    if ((role == ADMIN_TEAM_LEAD) == !text_empty(key->team))
        return true;
    return operations_refuse_member(
        operations, role == ADMIN_TEAM_LEAD ? ADMIN_PROBLEM_MISSING : ADMIN_PROBLEM_INVALID,
        OBJECT_ADMIN_KEY_team,
        role == ADMIN_TEAM_LEAD ? "say which team the team_lead leads"
                                : "only a team_lead has a team");
}

static bool take_change(struct operations *operations, const struct object_change *change,
                        struct stored_admin_key *key)
{
    if (!operations_check_text(operations, change, OBJECT_ADMIN_KEY_name, ADMIN_KEYS_NAME_MAX,
                               &key->name) ||
        !operations_check_text(operations, change, OBJECT_ADMIN_KEY_role, ADMIN_KEYS_NAME_MAX,
                               &key->role) ||
        !operations_check_text(operations, change, OBJECT_ADMIN_KEY_team, ADMIN_KEYS_NAME_MAX,
                               &key->team) ||
        !operations_check_moment(operations, change, OBJECT_ADMIN_KEY_expires_at,
                                 &key->expires_at) ||
        !check_role_and_team(operations, key))
        return false;
    if (key->expires_at == 0 || key->expires_at > operations_now(operations))
        return true;
    return operations_refuse_member(operations, ADMIN_PROBLEM_INVALID, OBJECT_ADMIN_KEY_expires_at,
                                    "this has passed: the key would never work");
}

static bool check(struct operations *operations, const struct object_change *change, bool creating)
{
    struct stored_admin_key key = {0};
    return take_change(operations, change, &key);
}

static bool insert(struct operations *operations, struct stored_admin_key *key,
                   struct secret **secret)
{
    char *id = arena_take(operations->arena, KEY_ID_LENGTH);
    enum error error = ERROR_EXISTS;
    if (id == NULL)
        return operations_no_memory(operations);
    key->id = text_of(id, KEY_ID_LENGTH);
    for (int attempt = 0; attempt < ATTEMPTS && error == ERROR_EXISTS; attempt++) {
        struct key_hash hash;
        key_make_id(id);
        secret_free(*secret);
        *secret = NULL;
        error = key_make_admin(key->id, secret);
        if (error)
            break;
        key_compute_hash(secret_expose(*secret), &hash);
        memcpy(key->hash, hash.bytes, sizeof key->hash);
        error = admin_keys_insert(operations->store, key);
    }
    return operations_store_answer(operations, error);
}

static bool create(struct operations *operations, const struct object_change *wanted,
                   struct operation_result *result)
{
    struct stored_admin_key key = {.created_at = operations_now(operations)};
    if (!take_change(operations, wanted, &key) ||
        (!text_empty(key.team) && !operations_require_team(operations, "team", key.team)) ||
        !insert(operations, &key, &result->secret))
        return false;
    result->id = key.id;
    result->changed = true;
    return write(operations, &key, &result->after);
}

static bool edit(struct operations *operations, struct text id, const struct object_change *changes,
                 struct operation_result *result)
{
    return operations_refuse(operations, ADMIN_PROBLEM_FIXED, "",
                             "an admin key stays as it was made; make a new one and revoke this");
}

static bool revoke(struct operations *operations, struct text id,
                   const struct operation_deletion *deletion, struct operation_result *result)
{
    struct stored_admin_key key;
    if (!find(operations, id, &key) || !write(operations, &key, &result->before) ||
        !operations_store_answer(
            operations, admin_keys_revoke(operations->store, key.id, operations_now(operations))) ||
        !find(operations, key.id, &key) || !write(operations, &key, &result->after))
        return false;
    result->id = key.id;
    result->changed = !text_equal(result->before, result->after);
    return true;
}

static bool show(struct operations *operations, struct text id, struct text *json)
{
    struct stored_admin_key key;
    return find(operations, id, &key) && write(operations, &key, json);
}

struct listing {
    void (*found)(void *context, struct text json);
    void *context;
};

static void list_one(void *context, const struct stored_admin_key *key)
{
    const struct listing *listing = context;
    struct operations_writer writer;
    operations_write_begin(&writer);
    write_members(&writer.json, key);
    operations_write_hand(&writer, listing->found, listing->context);
}

static bool list(struct operations *operations, const struct operations_filter *filter,
                 void (*found)(void *context, struct text json), void *context)
{
    struct listing listing = {found, context};
    return operations_store_answer(operations,
                                   admin_keys_list(operations->store, list_one, &listing));
}

const struct operations_kind operations_admin_key = {
    check, create, edit, revoke, show, list, NULL, NULL,
};
