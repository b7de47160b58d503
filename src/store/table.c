#include "store/table.h"

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
