#include "store/limits.h"

#include "base/ensure.h"
#include "store/table.h"

/* The order in which `take_row` takes them and, up to amount, `bind_fields` binds them. */
#define COLUMNS "id, name, scope_kind, scope_value, metric, mode, window, amount"
#define SELECT  "SELECT " COLUMNS ", created_at, deleted_at, changed FROM limits"

enum { PARAMETER_WINDOW = 7, PARAMETER_AMOUNT, PARAMETER_CREATED_AT };

struct reading {
    limits_found found;
    void *context;
};

static bool take_row(void *context, struct store_statement *statement)
{
    const struct reading *reading = context;
    const struct stored_limit limit = {
        .id = store_column_text(statement, 0),
        .name = store_column_text(statement, 1),
        .scope_kind = store_column_text(statement, 2),
        .scope_value = store_column_text(statement, 3),
        .metric = store_column_text(statement, 4),
        .mode = store_column_text(statement, 5),
        .window = table_time(statement, 6),
        .amount = store_column_integer(statement, 7),
        .created_at = table_time(statement, 8),
        .deleted_at = table_time(statement, 9),
        .changed = store_column_integer(statement, 10),
    };
    reading->found(reading->context, &limit);
    return true;
}

static void bind_fields(struct store_statement *statement, const struct stored_limit *limit)
{
    const struct text texts[] = {limit->id,          limit->name,   limit->scope_kind,
                                 limit->scope_value, limit->metric, limit->mode};
    _Static_assert(ARRAY_LENGTH(texts) + 1 == PARAMETER_WINDOW, "texts first");
    table_bind_texts(statement, texts, ARRAY_LENGTH(texts));
    store_bind_integer(statement, PARAMETER_WINDOW, (int64_t)limit->window);
    store_bind_integer(statement, PARAMETER_AMOUNT, limit->amount);
}

enum error limits_insert(struct store *store, const struct stored_limit *limit)
{
    struct store_statement *statement;
    enum error error = store_prepare(store,
                                     "INSERT INTO limits (" COLUMNS ", created_at, changed)"
                                     " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, " TABLE_NEXT_CHANGE ")",
                                     &statement);
    if (error)
        return error;
    bind_fields(statement, limit);
    store_bind_integer(statement, PARAMETER_CREATED_AT, (int64_t)limit->created_at);
    return table_change(store, statement);
}

enum error limits_find(struct store *store, struct text id_or_name, limits_found found,
                       void *context)
{
    struct reading reading = {found, context};
    if (text_empty(id_or_name))
        return ERROR_NOT_FOUND;
    /* The second half says what the index of names says, or all rows are read. */
    return table_find(store,
                      SELECT " WHERE (id = ?1 OR (name = ?1 AND name <> '' AND deleted_at = 0))"
                             " AND deleted_at = 0 ORDER BY id <> ?1 LIMIT 1",
                      id_or_name, take_row, &reading);
}

enum error limits_list(struct store *store, limits_found found, void *context)
{
    struct reading reading = {found, context};
    return table_query_all(store,
                           SELECT " WHERE deleted_at = 0 ORDER BY scope_kind, scope_value, id",
                           take_row, &reading);
}

enum error limits_list_scope(struct store *store, struct text kind, struct text value,
                             limits_found found, void *context)
{
    const struct text scope[] = {kind, value};
    struct reading reading = {found, context};
    return table_query_pair(
        store, SELECT " WHERE scope_kind = ? AND scope_value = ? AND deleted_at = 0 ORDER BY id",
        scope, take_row, &reading);
}

enum error limits_update(struct store *store, const struct stored_limit *limit)
{
    struct store_statement *statement;
    enum error error = store_prepare(
        store,
        "UPDATE limits SET name = ?2, scope_kind = ?3, scope_value = ?4, metric = ?5, mode = ?6,"
        " window = ?7, amount = ?8, changed = " TABLE_NEXT_CHANGE
        " WHERE id = ?1 AND deleted_at = 0",
        &statement);
    if (error)
        return error;
    bind_fields(statement, limit);
    return table_change(store, statement);
}

enum error limits_delete(struct store *store, struct text id, uint64_t time)
{
    return table_set_time(store,
                          "UPDATE limits SET deleted_at = ?2, changed = " TABLE_NEXT_CHANGE
                          " WHERE id = ?1 AND deleted_at = 0",
                          id, time);
}

enum error limits_changed(struct store *store, int64_t after, limits_found found, void *context)
{
    struct reading reading = {found, context};
    return table_query_number(store, SELECT " WHERE changed > ? ORDER BY changed", after, take_row,
                              &reading);
}
