#include "store/sessions.h"

#include "base/ensure.h"
#include "store/table.h"

#define COLUMNS                                                                              \
    "id, who, name, role, team, method, bound_to, source, agent, hash, created_at, used_at," \
    " expires_at"

struct reading {
    sessions_found found;
    void *context;
};

static bool take_row(void *context, struct store_statement *statement)
{
    const struct reading *reading = context;
    struct stored_session session = {
        .id = store_column_text(statement, 0),
        .who = store_column_text(statement, 1),
        .name = store_column_text(statement, 2),
        .role = store_column_text(statement, 3),
        .team = store_column_text(statement, 4),
        .method = store_column_text(statement, 5),
        .bound_to = store_column_text(statement, 6),
        .source = store_column_text(statement, 7),
        .agent = store_column_text(statement, 8),
        .created_at = table_time(statement, 10),
        .used_at = table_time(statement, 11),
        .expires_at = table_time(statement, 12),
    };
    table_hash(statement, 9, session.hash, sizeof session.hash);
    reading->found(reading->context, &session);
    return true;
}

static void bind_hash(const void *context, struct store_statement *statement)
{
    store_bind_blob(statement, 1, context, SESSIONS_HASH_SIZE);
}

enum error sessions_insert(struct store *store, const struct stored_session *session)
{
    struct store_statement *statement;
    enum error error = store_prepare(store,
                                     "INSERT INTO admin_sessions (" COLUMNS
                                     ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                                     &statement);
    if (error)
        return error;
    const struct text texts[] = {session->id,       session->who,    session->name,
                                 session->role,     session->team,   session->method,
                                 session->bound_to, session->source, session->agent};
    table_bind_texts(statement, texts, ARRAY_LENGTH(texts));
    store_bind_blob(statement, 10, session->hash, sizeof session->hash);
    store_bind_integer(statement, 11, (int64_t)session->created_at);
    store_bind_integer(statement, 12, (int64_t)session->used_at);
    store_bind_integer(statement, 13, (int64_t)session->expires_at);
    return table_change(store, statement);
}

enum error sessions_find(struct store *store, const uint8_t hash[SESSIONS_HASH_SIZE],
                         sessions_found found, void *context)
{
    struct reading reading = {found, context};
    size_t count = 0;
    enum error error = table_query(store, "SELECT " COLUMNS " FROM admin_sessions WHERE hash = ?1",
                                   bind_hash, hash, take_row, &reading, &count);
    return !error && count == 0 ? ERROR_NOT_FOUND : error;
}

enum error sessions_list(struct store *store, sessions_found found, void *context)
{
    struct reading reading = {found, context};
    return table_query_all(store,
                           "SELECT " COLUMNS " FROM admin_sessions ORDER BY created_at DESC, id",
                           take_row, &reading);
}

enum error sessions_note_use(struct store *store, struct text id, uint64_t time)
{
    return table_set_time(store, "UPDATE admin_sessions SET used_at = ?2 WHERE id = ?1", id, time);
}

enum error sessions_end(struct store *store, struct text id)
{
    struct store_statement *statement;
    enum error error = store_prepare(store, "DELETE FROM admin_sessions WHERE id = ?1", &statement);
    if (error)
        return error;
    store_bind_text(statement, 1, id);
    return table_change(store, statement);
}

static void bind_sweep(const void *context, struct store_statement *statement)
{
    const uint64_t *times = context;
    store_bind_integer(statement, 1, (int64_t)times[0]);
    store_bind_integer(statement, 2, (int64_t)times[1]);
}

struct crowd {
    struct text who;
    size_t most;
};

static void bind_crowd(const void *context, struct store_statement *statement)
{
    const struct crowd *crowd = context;
    store_bind_text(statement, 1, crowd->who);
    store_bind_integer(statement, 2, (int64_t)crowd->most - 1);
}

enum error sessions_sweep(struct store *store, struct text who, uint64_t now, uint64_t used_since,
                          size_t most)
{
    const uint64_t times[] = {now, used_since};
    const struct crowd crowd = {who, most};
    enum error error =
        table_query(store, "DELETE FROM admin_sessions WHERE expires_at <= ?1 OR used_at < ?2",
                    bind_sweep, times, NULL, NULL, NULL);
    if (error)
        return error;
    return table_query(store,
                       "DELETE FROM admin_sessions WHERE id IN (SELECT id FROM admin_sessions"
                       " WHERE who = ?1 ORDER BY used_at DESC, id LIMIT -1 OFFSET ?2)",
                       bind_crowd, &crowd, NULL, NULL, NULL);
}

/* ---- codes ---- */

struct code_reading {
    sign_in_code_found found;
    void *context;
};

static bool take_code(void *context, struct store_statement *statement)
{
    const struct code_reading *reading = context;
    struct stored_sign_in_code code = {
        .who = store_column_text(statement, 0),
        .role = store_column_text(statement, 1),
        .team = store_column_text(statement, 2),
        .expires_at = table_time(statement, 3),
    };
    table_hash(statement, 4, code.hash, sizeof code.hash);
    reading->found(reading->context, &code);
    return true;
}

enum error sign_in_codes_insert(struct store *store, const struct stored_sign_in_code *code,
                                uint64_t now)
{
    struct store_statement *statement;
    enum error error = table_query_number(store, "DELETE FROM sign_in_codes WHERE expires_at <= ?1",
                                          (int64_t)now, NULL, NULL);
    if (!error)
        error = store_prepare(store,
                              "INSERT INTO sign_in_codes (who, role, team, hash, expires_at)"
                              " VALUES (?, ?, ?, ?, ?)",
                              &statement);
    if (error)
        return error;
    const struct text texts[] = {code->who, code->role, code->team};
    table_bind_texts(statement, texts, ARRAY_LENGTH(texts));
    store_bind_blob(statement, 4, code->hash, sizeof code->hash);
    store_bind_integer(statement, 5, (int64_t)code->expires_at);
    return table_change(store, statement);
}

enum error sign_in_codes_take(struct store *store, const uint8_t hash[SESSIONS_HASH_SIZE],
                              sign_in_code_found found, void *context)
{
    struct code_reading reading = {found, context};
    size_t count = 0;
    enum error error = table_query(store,
                                   "DELETE FROM sign_in_codes WHERE hash = ?1"
                                   " RETURNING who, role, team, expires_at, hash",
                                   bind_hash, hash, take_code, &reading, &count);
    return !error && count == 0 ? ERROR_NOT_FOUND : error;
}
