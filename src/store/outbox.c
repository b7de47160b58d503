#include "store/outbox.h"

#include "base/ensure.h"
#include "store/table.h"

#define SELECT \
    "SELECT id, kind, body, url, problem, attempts, created_at, next_at, delivered_at FROM outbox"

struct reading {
    outbox_found found;
    void *context;
};

static bool take_row(void *context, struct store_statement *statement)
{
    const struct reading *reading = context;
    const struct outbox_message message = {
        .id = store_column_text(statement, 0),
        .kind = store_column_text(statement, 1),
        .body = store_column_text(statement, 2),
        .url = store_column_text(statement, 3),
        .problem = store_column_text(statement, 4),
        .attempts = store_column_integer(statement, 5),
        .created_at = table_time(statement, 6),
        .next_at = table_time(statement, 7),
        .delivered_at = table_time(statement, 8),
    };
    reading->found(reading->context, &message);
    return true;
}

enum error outbox_add(struct store *store, const struct outbox_message *message, bool *added)
{
    struct store_statement *statement;
    enum error error =
        store_prepare(store,
                      "INSERT OR IGNORE INTO outbox (id, kind, body, url, created_at, next_at)"
                      " VALUES (?, ?, ?, ?, ?, ?)",
                      &statement);
    if (error)
        return error;
    const struct text texts[] = {message->id, message->kind, message->body, message->url};
    table_bind_texts(statement, texts, ARRAY_LENGTH(texts));
    store_bind_integer(statement, 5, (int64_t)message->created_at);
    store_bind_integer(statement, 6, (int64_t)message->next_at);
    error = table_change(store, statement);
    *added = !error;
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

enum error outbox_due(struct store *store, uint64_t now, outbox_found found, void *context)
{
    struct reading reading = {found, context};
    /* SQLite gives with min() the other columns of the row that has the least. */
    return table_query_number(
        store,
        "SELECT id, kind, body, url, problem, attempts, created_at, min(next_at),"
        " delivered_at FROM outbox WHERE next_at <> 0 AND delivered_at = 0"
        " AND next_at <= ?1 GROUP BY url",
        (int64_t)now, take_row, &reading);
}

enum error outbox_list(struct store *store, uint64_t limit, outbox_found found, void *context)
{
    struct reading reading = {found, context};
    return table_query_number(store, SELECT " ORDER BY created_at DESC, id LIMIT ?1",
                              (int64_t)limit, take_row, &reading);
}

static bool take_count(void *context, struct store_statement *statement)
{
    *(uint64_t *)context = (uint64_t)store_column_integer(statement, 0);
    return false;
}

enum error outbox_count_waiting(struct store *store, uint64_t *count)
{
    *count = 0;
    return table_query_all(store,
                           "SELECT count(*) FROM outbox WHERE next_at <> 0 AND delivered_at = 0",
                           take_count, count);
}

enum error outbox_delivered(struct store *store, struct text id, uint64_t time)
{
    return table_set_time(
        store,
        "UPDATE outbox SET delivered_at = ?2, attempts = attempts + 1, problem = '' WHERE id = ?1",
        id, time);
}

enum error outbox_failed(struct store *store, struct text id, struct text problem, uint64_t next_at)
{
    struct store_statement *statement;
    enum error error = store_prepare(
        store,
        "UPDATE outbox SET problem = ?2, next_at = ?3, attempts = attempts + 1 WHERE id = ?1",
        &statement);
    if (error)
        return error;
    store_bind_text(statement, 1, id);
    store_bind_text(statement, 2, problem);
    store_bind_integer(statement, 3, (int64_t)next_at);
    return table_change(store, statement);
}

enum error outbox_forget(struct store *store, uint64_t time, struct text spared)
{
    struct store_statement *statement;
    enum error error =
        store_prepare(store,
                      "DELETE FROM outbox WHERE created_at < ?1 AND id NOT GLOB ?2 || '*'"
                      " AND (delivered_at <> 0 OR next_at = 0)",
                      &statement);
    if (error)
        return error;
    store_bind_integer(statement, 1, (int64_t)time);
    store_bind_text(statement, 2, spared);
    error = store_run(statement);
    store_finish(statement);
    return error;
}
