#include "store/exchanged_keys.h"

#include "base/ensure.h"
#include "store/table.h"

#define SELECT                                                                              \
    "SELECT id, name, team, tags, principal, proof, issuer, subject, proof_id, rule, hash," \
    " created_at, expires_at, revoked_at, revoked_reason FROM exchanged_keys"

struct reading {
    keys_found found;
    void *context;
};

static bool take_row(void *context, struct store_statement *statement)
{
    const struct reading *reading = context;
    struct stored_key key = {
        .id = store_column_text(statement, 0),
        .name = store_column_text(statement, 1),
        .team = store_column_text(statement, 2),
        .tags = store_column_text(statement, 3),
        .principal = store_column_text(statement, 4),
        .proof = store_column_text(statement, 5),
        .issuer = store_column_text(statement, 6),
        .subject = store_column_text(statement, 7),
        .proof_id = store_column_text(statement, 8),
        .created_at = table_time(statement, 11),
        .expires_at = table_time(statement, 12),
        .revoked_at = table_time(statement, 13),
        .revoked_reason = store_column_text(statement, 14),
    };
    table_hash(statement, 9, key.rule, sizeof key.rule);
    table_hash(statement, 10, key.hash, sizeof key.hash);
    reading->found(reading->context, &key);
    return true;
}

enum error exchanged_keys_insert(struct store *store, const struct stored_key *key)
{
    struct store_statement *statement;
    enum error error = store_prepare(
        store,
        "INSERT INTO exchanged_keys (id, name, team, tags, principal, proof, issuer, subject,"
        " proof_id, rule, hash, created_at, expires_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        &statement);
    if (error)
        return error;
    const struct text texts[] = {key->id,     key->name,      key->team,
                                 key->tags,   key->principal, key->proof,
                                 key->issuer, key->subject,   key->proof_id};
    table_bind_texts(statement, texts, ARRAY_LENGTH(texts));
    store_bind_blob(statement, 10, key->rule, sizeof key->rule);
    store_bind_blob(statement, 11, key->hash, sizeof key->hash);
    store_bind_integer(statement, 12, (int64_t)key->created_at);
    store_bind_integer(statement, 13, (int64_t)key->expires_at);
    return table_change(store, statement);
}

enum error exchanged_keys_find(struct store *store, struct text id, keys_found found, void *context)
{
    struct reading reading = {found, context};
    return table_find(store, SELECT " WHERE id = ?", id, take_row, &reading);
}

enum error exchanged_keys_list(struct store *store, keys_found found, void *context)
{
    struct reading reading = {found, context};
    return table_query_all(store, SELECT " ORDER BY created_at DESC, id", take_row, &reading);
}

enum error exchanged_keys_revoked(struct store *store, keys_found found, void *context)
{
    struct reading reading = {found, context};
    return table_query_all(store, SELECT " WHERE revoked_at <> 0", take_row, &reading);
}

struct question {
    struct text principal;
    uint64_t wall;
};

static void bind_question(const void *context, struct store_statement *statement)
{
    const struct question *question = context;
    store_bind_integer(statement, 1, (int64_t)question->wall);
    if (!text_empty(question->principal))
        store_bind_text(statement, 2, question->principal);
}

struct counted {
    uint64_t *count, *first_end;
};

static bool take_count(void *context, struct store_statement *statement)
{
    const struct counted *counted = context;
    *counted->count = (uint64_t)store_column_integer(statement, 0);
    *counted->first_end = table_time(statement, 1);
    return false;
}

enum error exchanged_keys_count(struct store *store, struct text principal, uint64_t wall,
                                uint64_t *count, uint64_t *first_end)
{
    const struct question question = {principal, wall};
    struct counted counted = {count, first_end};
    return table_query(store,
                       text_empty(principal)
                           ? "SELECT count(*), min(expires_at) FROM exchanged_keys"
                             " WHERE expires_at > ?1 AND revoked_at = 0"
                           : "SELECT count(*), min(expires_at) FROM exchanged_keys"
                             " WHERE principal = ?2 AND expires_at > ?1 AND revoked_at = 0",
                       bind_question, &question, take_count, &counted, NULL);
}

enum error exchanged_keys_revoke(struct store *store, struct text id, uint64_t time,
                                 struct text reason)
{
    struct store_statement *statement;
    enum error error = store_prepare(
        store,
        "UPDATE exchanged_keys SET revoked_reason = iif(revoked_at = 0, ?3, revoked_reason),"
        " revoked_at = iif(revoked_at = 0, ?2, revoked_at) WHERE id = ?1",
        &statement);
    if (error)
        return error;
    store_bind_text(statement, 1, id);
    store_bind_integer(statement, 2, (int64_t)time);
    store_bind_text(statement, 3, reason);
    return table_change(store, statement);
}

enum error exchanged_keys_prune(struct store *store, uint64_t wall)
{
    struct store_statement *statement;
    enum error error =
        store_prepare(store, "DELETE FROM exchanged_keys WHERE expires_at < ?", &statement);
    if (error)
        return error;
    store_bind_integer(statement, 1, (int64_t)wall);
    error = store_run(statement);
    store_finish(statement);
    return error;
}
