#include "store/table.h"

#include "base/ensure.h"

uint64_t table_time(struct store_statement *statement, int column)
{
    int64_t time = store_column_integer(statement, column);
    return time < 0 ? 0 : (uint64_t)time;
}

void table_hash(struct store_statement *statement, int column, uint8_t *out, size_t size)
{
    struct text bytes = store_column_text(statement, column);
    memset(out, 0, size);
    if (bytes.length == size)
        memcpy(out, bytes.data, size);
}

void table_bind_texts(struct store_statement *statement, const struct text *texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        store_bind_text(statement, (int)i + 1, texts[i]);
}

enum error table_change(struct store *store, struct store_statement *statement)
{
    enum error error = store_run(statement);
    int64_t changes = store_changes(store);
    store_finish(statement);
    if (!error && changes == 0)
        return ERROR_NOT_FOUND;
    return error;
}

enum error table_query(struct store *store, const char *sql, table_bind bind,
                       const void *bind_context, table_row row, void *row_context, size_t *count)
{
    struct store_statement *statement;
    size_t rows = 0;
    enum error error = store_prepare(store, sql, &statement);
    if (error)
        return error;
    if (bind != NULL)
        bind(bind_context, statement);
    for (bool found = true; !(error = store_step(statement, &found)) && found;) {
        rows++;
        if (!row(row_context, statement))
            break;
    }
    store_finish(statement);
    if (count != NULL)
        *count = rows;
    return error;
}

static void bind_text(const void *context, struct store_statement *statement)
{
    store_bind_text(statement, 1, *(const struct text *)context);
}

static void bind_pair(const void *context, struct store_statement *statement)
{
    table_bind_texts(statement, context, 2);
}

static void bind_number(const void *context, struct store_statement *statement)
{
    store_bind_integer(statement, 1, *(const int64_t *)context);
}

enum error table_find(struct store *store, const char *sql, struct text id, table_row row,
                      void *row_context)
{
    size_t count = 0;
    enum error error = table_query(store, sql, bind_text, &id, row, row_context, &count);
    return !error && count == 0 ? ERROR_NOT_FOUND : error;
}

enum error table_query_pair(struct store *store, const char *sql, const struct text pair[2],
                            table_row row, void *row_context)
{
    return table_query(store, sql, bind_pair, pair, row, row_context, NULL);
}

enum error table_query_number(struct store *store, const char *sql, int64_t number, table_row row,
                              void *row_context)
{
    return table_query(store, sql, bind_number, &number, row, row_context, NULL);
}

enum error table_query_all(struct store *store, const char *sql, table_row row, void *row_context)
{
    return table_query(store, sql, NULL, NULL, row, row_context, NULL);
}

enum error table_set_time(struct store *store, const char *sql, struct text id, uint64_t time)
{
    struct store_statement *statement;
    enum error error = store_prepare(store, sql, &statement);
    if (error)
        return error;
    store_bind_text(statement, 1, id);
    store_bind_integer(statement, 2, (int64_t)time);
    return table_change(store, statement);
}

enum error table_read_number(struct store_statement *statement, int64_t *number)
{
    bool row;
    enum error error = store_step(statement, &row);
    if (!error) {
        ensure(row);
        *number = store_column_integer(statement, 0);
    }
    store_reset(statement);
    return error;
}

enum error table_poll_open(struct store *store, struct table_poll *poll)
{
    *poll = (struct table_poll){0};
    return store_prepare(store, "PRAGMA data_version", &poll->version);
}

enum error table_poll_ask(struct table_poll *poll, bool *changed)
{
    int64_t version;
    enum error error = table_read_number(poll->version, &version);
    if (error)
        return error;
    *changed = !poll->polled || version != poll->last;
    poll->polled = true;
    poll->last = version;
    return ERROR_OK;
}

void table_poll_close(struct table_poll *poll)
{
    store_finish(poll->version);
}
