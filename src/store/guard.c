#include "store/guard.h"

#include "store/table.h"

/* ---- callers ---- */

enum error guard_prepare_caller(struct store *store, struct store_statement **put)
{
    return store_prepare(store,
                         "INSERT INTO guard_callers (slot, caller, first_at, good_at)"
                         " VALUES (?1, ?2, ?3, ?4) ON CONFLICT (slot) DO UPDATE SET"
                         " caller = ?2, first_at = ?3, good_at = ?4",
                         put);
}

enum error guard_put_caller(struct store_statement *put, int64_t slot,
                            const struct guard_caller *caller)
{
    store_bind_integer(put, 1, slot);
    store_bind_blob(put, 2, &caller->caller, sizeof caller->caller);
    store_bind_integer(put, 3, (int64_t)caller->first_at);
    store_bind_integer(put, 4, (int64_t)caller->good_at);
    return store_run(put);
}

struct caller_reading {
    guard_caller_found found;
    void *context;
};

static bool take_caller(void *context, struct store_statement *statement)
{
    const struct caller_reading *reading = context;
    struct guard_caller caller = {.first_at = table_time(statement, 2),
                                  .good_at = table_time(statement, 3)};
    uint8_t code[sizeof caller.caller];
    table_hash(statement, 1, code, sizeof code);
    memcpy(&caller.caller, code, sizeof code);
    return reading->found(reading->context, store_column_integer(statement, 0), &caller);
}

enum error guard_read_callers(struct store *store, guard_caller_found found, void *context)
{
    struct caller_reading reading = {found, context};
    return table_query_all(store, "SELECT slot, caller, first_at, good_at FROM guard_callers",
                           take_caller, &reading);
}

/* ---- lists ---- */

enum error guard_put_list(struct store *store, const struct guard_list_row *row)
{
    struct store_statement *put;
    enum error error =
        store_prepare(store,
                      "INSERT INTO guard_lists (list, says, since, before, told_at, taken_back_at)"
                      " VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (list) DO UPDATE SET says = ?2,"
                      " since = ?3, before = ?4, told_at = ?5, taken_back_at = ?6",
                      &put);
    if (error)
        return error;
    store_bind_text(put, 1, row->list);
    store_bind_text(put, 2, row->says);
    store_bind_integer(put, 3, (int64_t)row->since);
    store_bind_integer(put, 4, (int64_t)row->before);
    store_bind_integer(put, 5, (int64_t)row->told_at);
    store_bind_integer(put, 6, (int64_t)row->taken_back_at);
    error = store_run(put);
    store_finish(put);
    return error;
}

enum error guard_drop_list(struct store *store, struct text list)
{
    struct store_statement *drop;
    enum error error = store_prepare(store, "DELETE FROM guard_lists WHERE list = ?", &drop);
    if (error)
        return error;
    store_bind_text(drop, 1, list);
    error = store_run(drop);
    store_finish(drop);
    return error;
}

struct list_reading {
    guard_list_found found;
    void *context;
};

static bool take_list(void *context, struct store_statement *statement)
{
    const struct list_reading *reading = context;
    const struct guard_list_row row = {
        .list = store_column_text(statement, 0),
        .says = store_column_text(statement, 1),
        .since = table_time(statement, 2),
        .before = table_time(statement, 3),
        .told_at = table_time(statement, 4),
        .taken_back_at = table_time(statement, 5),
    };
    reading->found(reading->context, &row);
    return true;
}

enum error guard_read_lists(struct store *store, guard_list_found found, void *context)
{
    struct list_reading reading = {found, context};
    return table_query_all(store,
                           "SELECT list, says, since, before, told_at, taken_back_at"
                           " FROM guard_lists ORDER BY list",
                           take_list, &reading);
}
