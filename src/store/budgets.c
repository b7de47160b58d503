#include "store/budgets.h"

#include "base/ensure.h"
#include "store/table.h"

/* The order in which `take_row` takes them and, up to raise_until, `bind_fields` binds them. */
#define COLUMNS                                                                           \
    "id, name, scope_kind, scope_value, amount, period, timezone, mode, alerts, webhook," \
    " raise_amount, length, hard, raise_until"
#define SELECT "SELECT " COLUMNS ", created_at, deleted_at, changed FROM budgets"

enum { PARAMETER_LENGTH = 12, PARAMETER_HARD, PARAMETER_RAISE_UNTIL, PARAMETER_CREATED_AT };

struct reading {
    budgets_found found;
    void *context;
};

static bool take_row(void *context, struct store_statement *statement)
{
    const struct reading *reading = context;
    const struct stored_budget budget = {
        .id = store_column_text(statement, 0),
        .name = store_column_text(statement, 1),
        .scope_kind = store_column_text(statement, 2),
        .scope_value = store_column_text(statement, 3),
        .amount = store_column_text(statement, 4),
        .period = store_column_text(statement, 5),
        .timezone = store_column_text(statement, 6),
        .mode = store_column_text(statement, 7),
        .alerts = store_column_text(statement, 8),
        .webhook = store_column_text(statement, 9),
        .raise_amount = store_column_text(statement, 10),
        .length = table_time(statement, 11),
        .hard = store_column_integer(statement, 12) != 0,
        .raise_until = table_time(statement, 13),
        .created_at = table_time(statement, 14),
        .deleted_at = table_time(statement, 15),
        .changed = store_column_integer(statement, 16),
    };
    reading->found(reading->context, &budget);
    return true;
}

static void bind_fields(struct store_statement *statement, const struct stored_budget *budget)
{
    const struct text texts[] = {
        budget->id,     budget->name,    budget->scope_kind,   budget->scope_value,
        budget->amount, budget->period,  budget->timezone,     budget->mode,
        budget->alerts, budget->webhook, budget->raise_amount,
    };
    _Static_assert(ARRAY_LENGTH(texts) + 1 == PARAMETER_LENGTH, "texts first");
    table_bind_texts(statement, texts, ARRAY_LENGTH(texts));
    store_bind_integer(statement, PARAMETER_LENGTH, (int64_t)budget->length);
    store_bind_integer(statement, PARAMETER_HARD, budget->hard);
    store_bind_integer(statement, PARAMETER_RAISE_UNTIL, (int64_t)budget->raise_until);
}

enum error budgets_insert(struct store *store, const struct stored_budget *budget)
{
    struct store_statement *statement;
    enum error error = store_prepare(store,
                                     "INSERT INTO budgets (" COLUMNS ", created_at, changed)"
                                     " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
                                     " " TABLE_NEXT_CHANGE ")",
                                     &statement);
    if (error)
        return error;
    bind_fields(statement, budget);
    store_bind_integer(statement, PARAMETER_CREATED_AT, (int64_t)budget->created_at);
    return table_change(store, statement);
}

enum error budgets_find(struct store *store, struct text id_or_name, budgets_found found,
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

enum error budgets_list(struct store *store, budgets_found found, void *context)
{
    struct reading reading = {found, context};
    return table_query_all(store,
                           SELECT " WHERE deleted_at = 0 ORDER BY scope_kind, scope_value, id",
                           take_row, &reading);
}

enum error budgets_list_scope(struct store *store, struct text kind, struct text value,
                              budgets_found found, void *context)
{
    const struct text scope[] = {kind, value};
    struct reading reading = {found, context};
    return table_query_pair(
        store, SELECT " WHERE scope_kind = ? AND scope_value = ? AND deleted_at = 0 ORDER BY id",
        scope, take_row, &reading);
}

enum error budgets_update(struct store *store, const struct stored_budget *budget)
{
    struct store_statement *statement;
    enum error error = store_prepare(
        store,
        "UPDATE budgets SET name = ?2, scope_kind = ?3, scope_value = ?4, amount = ?5,"
        " period = ?6, timezone = ?7, mode = ?8, alerts = ?9, webhook = ?10, raise_amount = ?11,"
        " length = ?12, hard = ?13, raise_until = ?14, changed = " TABLE_NEXT_CHANGE
        " WHERE id = ?1 AND deleted_at = 0",
        &statement);
    if (error)
        return error;
    bind_fields(statement, budget);
    return table_change(store, statement);
}

enum error budgets_delete(struct store *store, struct text id, uint64_t time)
{
    return table_set_time(store,
                          "UPDATE budgets SET deleted_at = ?2, changed = " TABLE_NEXT_CHANGE
                          " WHERE id = ?1 AND deleted_at = 0",
                          id, time);
}

enum error budgets_changed(struct store *store, int64_t after, budgets_found found, void *context)
{
    struct reading reading = {found, context};
    return table_query_number(store, SELECT " WHERE changed > ? ORDER BY changed", after, take_row,
                              &reading);
}
