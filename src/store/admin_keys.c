#include "store/admin_keys.h"

#include "base/ensure.h"
#include "store/table.h"

#define SELECT                                                                        \
    "SELECT id, name, hash, role, team, created_at, expires_at, revoked_at, used_at," \
    " changed FROM admin_keys"

struct reading {
    admin_keys_found found;
    void *context;
};

static bool take_row(void *context, struct store_statement *statement)
{
    const struct reading *reading = context;
    struct stored_admin_key key = {
        .id = store_column_text(statement, 0),
        .name = store_column_text(statement, 1),
        .role = store_column_text(statement, 3),
        .team = store_column_text(statement, 4),
        .created_at = table_time(statement, 5),
        .expires_at = table_time(statement, 6),
        .revoked_at = table_time(statement, 7),
        .used_at = table_time(statement, 8),
        .changed = store_column_integer(statement, 9),
    };
    table_hash(statement, 2, key.hash, sizeof key.hash);
    reading->found(reading->context, &key);
    return true;
}

enum error admin_keys_insert(struct store *store, const struct stored_admin_key *key)
{
    struct store_statement *statement;
    enum error error = store_prepare(store,
                                     "INSERT INTO admin_keys (id, name, role, team, hash,"
                                     " created_at, expires_at, changed)"
                                     " VALUES (?, ?, ?, ?, ?, ?, ?, " TABLE_NEXT_CHANGE ")",
                                     &statement);
    if (error)
        return error;
    const struct text texts[] = {key->id, key->name, key->role, key->team};
    table_bind_texts(statement, texts, ARRAY_LENGTH(texts));
    store_bind_blob(statement, 5, key->hash, sizeof key->hash);
    store_bind_integer(statement, 6, (int64_t)key->created_at);
    store_bind_integer(statement, 7, (int64_t)key->expires_at);
    return table_change(store, statement);
}

enum error admin_keys_find(struct store *store, struct text id, admin_keys_found found,
                           void *context)
{
    struct reading reading = {found, context};
    return table_find(store, SELECT " WHERE id = ?", id, take_row, &reading);
}

enum error admin_keys_list(struct store *store, admin_keys_found found, void *context)
{
    struct reading reading = {found, context};
    return table_query_all(store, SELECT " ORDER BY created_at DESC, id", take_row, &reading);
}

enum error admin_keys_revoke(struct store *store, struct text id, uint64_t time)
{
    return table_set_time(store,
                          "UPDATE admin_keys SET"
                          " changed = iif(revoked_at = 0, " TABLE_NEXT_CHANGE ", changed),"
                          " revoked_at = iif(revoked_at = 0, ?2, revoked_at) WHERE id = ?1",
                          id, time);
}

enum error admin_keys_note_use(struct store *store, struct text id, uint64_t time)
{
    return table_set_time(store, "UPDATE admin_keys SET used_at = ?2 WHERE id = ?1", id, time);
}

enum error admin_keys_changed(struct store *store, int64_t after, admin_keys_found found,
                              void *context)
{
    struct reading reading = {found, context};
    return table_query_number(store, SELECT " WHERE changed > ? ORDER BY changed", after, take_row,
                              &reading);
}
