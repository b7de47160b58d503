#include "store/keys.h"

#include "base/ensure.h"
#include "store/table.h"

/* The order in which `read_row` takes them. */
#define COLUMNS                                                                                   \
    "id, name, team, tags, models, hash, previous_hash, previous_until, created_at, rotated_at, " \
    "expires_at, revoked_at, revoked_reason, changed, denied"

static void read_row(struct store_statement *statement, struct stored_key *key)
{
    *key = (struct stored_key){0};
    key->id = store_column_text(statement, 0);
    key->name = store_column_text(statement, 1);
    key->team = store_column_text(statement, 2);
    key->tags = store_column_text(statement, 3);
    key->models = store_column_text(statement, 4);
    table_hash(statement, 5, key->hash, KEYS_HASH_SIZE);
    table_hash(statement, 6, key->previous_hash, KEYS_HASH_SIZE);
    key->previous_until = table_time(statement, 7);
    key->created_at = table_time(statement, 8);
    key->rotated_at = table_time(statement, 9);
    key->expires_at = table_time(statement, 10);
    key->revoked_at = table_time(statement, 11);
    key->revoked_reason = store_column_text(statement, 12);
    key->changed = store_column_integer(statement, 13);
    key->denied = store_column_text(statement, 14);
}

static enum error read_rows(struct store_statement *statement, keys_found found, void *context,
                            size_t *count)
{
    enum error error;
    bool row;
    *count = 0;
    while (!(error = store_step(statement, &row)) && row) {
        struct stored_key key;
        read_row(statement, &key);
        ++*count;
        found(context, &key);
    }
    return error;
}

/* A query with one parameter at most. */
static enum error query(struct store *store, const char *sql, struct text parameter,
                        keys_found found, void *context, size_t *count)
{
    struct store_statement *statement;
    enum error error = store_prepare(store, sql, &statement);
    if (error)
        return error;
    if (parameter.data != NULL)
        store_bind_text(statement, 1, parameter);
    error = read_rows(statement, found, context, count);
    store_finish(statement);
    return error;
}

static void bind_fields(struct store_statement *statement, const struct stored_key *key)
{
    const struct text texts[] = {key->id,   key->name,   key->team,
                                 key->tags, key->models, key->denied};
    table_bind_texts(statement, texts, ARRAY_LENGTH(texts));
}

enum error keys_insert(struct store *store, const struct stored_key *key)
{
    struct store_statement *statement;
    enum error error = store_prepare(
        store,
        "INSERT INTO keys (id, name, team, tags, models, denied, hash, created_at, "
        "expires_at, changed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, " TABLE_NEXT_CHANGE ")",
        &statement);
    if (error)
        return error;
    bind_fields(statement, key);
    store_bind_blob(statement, 7, key->hash, KEYS_HASH_SIZE);
    store_bind_integer(statement, 8, (int64_t)key->created_at);
    store_bind_integer(statement, 9, (int64_t)key->expires_at);
    error = store_run(statement);
    store_finish(statement);
    return error;
}

enum error keys_find(struct store *store, struct text id, keys_found found, void *context)
{
    size_t count;
    enum error error =
        query(store, "SELECT " COLUMNS " FROM keys WHERE id = ?", id, found, context, &count);
    if (!error && count == 0)
        return ERROR_NOT_FOUND;
    return error;
}

enum error keys_list(struct store *store, keys_found found, void *context)
{
    size_t count;
    return query(store, "SELECT " COLUMNS " FROM keys ORDER BY created_at DESC, id",
                 text_of(NULL, 0), found, context, &count);
}

enum error keys_find_named(struct store *store, struct text name, keys_found found, void *context)
{
    size_t count;
    return query(store,
                 "SELECT " COLUMNS
                 " FROM keys WHERE name = ? AND revoked_at = 0 ORDER BY created_at DESC, id",
                 name, found, context, &count);
}

enum error keys_find_revoked_named(struct store *store, struct text name, keys_found found,
                                   void *context)
{
    size_t count;
    return query(store,
                 "SELECT " COLUMNS
                 " FROM keys WHERE name = ? AND revoked_at <> 0 ORDER BY created_at DESC, id",
                 name, found, context, &count);
}

enum error keys_find_team(struct store *store, struct text team, keys_found found, void *context)
{
    size_t count;
    return query(store,
                 "SELECT " COLUMNS
                 " FROM keys WHERE team = ? AND revoked_at = 0 ORDER BY created_at DESC, id",
                 text_empty(team) ? TEXT("") : team, found, context, &count);
}

enum error keys_update(struct store *store, const struct stored_key *key)
{
    struct store_statement *statement;
    enum error error =
        store_prepare(store,
                      "UPDATE keys SET name = ?2, team = ?3, tags = ?4, models = ?5, denied = ?6,"
                      " expires_at = ?7, changed = " TABLE_NEXT_CHANGE " WHERE id = ?1",
                      &statement);
    if (error)
        return error;
    bind_fields(statement, key);
    store_bind_integer(statement, 7, (int64_t)key->expires_at);
    return table_change(store, statement);
}

enum error keys_revoke(struct store *store, struct text id, uint64_t time, struct text reason)
{
    struct store_statement *statement;
    /* The first revocation is the one that counts; a second changes nothing, and is found. */
    enum error error =
        store_prepare(store,
                      "UPDATE keys SET revoked_reason = iif(revoked_at = 0, ?3, revoked_reason),"
                      " changed = iif(revoked_at = 0, " TABLE_NEXT_CHANGE ", changed),"
                      " revoked_at = iif(revoked_at = 0, ?2, revoked_at) WHERE id = ?1",
                      &statement);
    if (error)
        return error;
    store_bind_text(statement, 1, id);
    store_bind_integer(statement, 2, (int64_t)time);
    store_bind_text(statement, 3, reason);
    return table_change(store, statement);
}

enum error keys_set_expiry(struct store *store, struct text id, uint64_t expires_at)
{
    return table_set_time(
        store, "UPDATE keys SET expires_at = ?2, changed = " TABLE_NEXT_CHANGE " WHERE id = ?1", id,
        expires_at);
}

enum error keys_rotate(struct store *store, struct text id, const uint8_t hash[KEYS_HASH_SIZE],
                       uint64_t previous_until, uint64_t time)
{
    struct store_statement *statement;
    enum error error = store_prepare(
        store,
        "UPDATE keys SET previous_hash = iif(?3 = 0, NULL, hash), previous_until = ?3, hash = ?2,"
        " rotated_at = ?4, changed = " TABLE_NEXT_CHANGE " WHERE id = ?1",
        &statement);
    if (error)
        return error;
    store_bind_text(statement, 1, id);
    store_bind_blob(statement, 2, hash, KEYS_HASH_SIZE);
    store_bind_integer(statement, 3, (int64_t)previous_until);
    store_bind_integer(statement, 4, (int64_t)time);
    return table_change(store, statement);
}

/* ------------------------------------------------------------------ a reader that keeps up */

struct keys_reader {
    struct store_statement *changed;
    struct store_statement *latest;
    struct table_poll poll;
};

enum error keys_reader_create(struct store *store, struct keys_reader **out)
{
    struct keys_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return ERROR_MEMORY;
    enum error error = store_prepare(
        store, "SELECT " COLUMNS " FROM keys WHERE changed > ? ORDER BY changed", &reader->changed);
    if (!error)
        error = store_prepare(store, "SELECT coalesce(max(changed), 0) FROM keys", &reader->latest);
    if (!error)
        error = table_poll_open(store, &reader->poll);
    if (error) {
        keys_reader_destroy(reader);
        return error;
    }
    *out = reader;
    return ERROR_OK;
}

void keys_reader_destroy(struct keys_reader *reader)
{
    if (reader == NULL)
        return;
    store_finish(reader->changed);
    store_finish(reader->latest);
    table_poll_close(&reader->poll);
    free(reader);
}

enum error keys_reader_changed(struct keys_reader *reader, int64_t after, keys_found found,
                               void *context)
{
    size_t count;
    store_bind_integer(reader->changed, 1, after);
    enum error error = read_rows(reader->changed, found, context, &count);
    store_reset(reader->changed);
    return error;
}

enum error keys_reader_poll(struct keys_reader *reader, bool *changed)
{
    return table_poll_ask(&reader->poll, changed);
}

enum error keys_reader_latest(struct keys_reader *reader, int64_t *latest)
{
    return table_read_number(reader->latest, latest);
}
