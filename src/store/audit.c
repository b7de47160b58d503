#include "store/audit.h"

#include "base/ensure.h"
#include "store/table.h"

enum error audit_append(struct store *store, struct audit_entry *entry)
{
    struct store_statement *statement;
    bool row;
    enum error error = store_prepare(
        store,
        "INSERT INTO audit (who, via, action, object_kind, object_id, before, after, time)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING number",
        &statement);
    if (error)
        return error;
    const struct text texts[] = {entry->who,       entry->via,    entry->action, entry->object_kind,
                                 entry->object_id, entry->before, entry->after};
    table_bind_texts(statement, texts, ARRAY_LENGTH(texts));
    store_bind_integer(statement, 8, (int64_t)entry->time);
    error = store_step(statement, &row);
    if (!error) {
        ensure(row);
        entry->number = store_column_integer(statement, 0);
        error = store_run(statement);
    }
    store_finish(statement);
    return error;
}

struct reading {
    audit_found found;
    void *context;
};

static bool take_row(void *context, struct store_statement *statement)
{
    const struct reading *reading = context;
    const struct audit_entry entry = {
        .number = store_column_integer(statement, 0),
        .time = table_time(statement, 1),
        .who = store_column_text(statement, 2),
        .via = store_column_text(statement, 3),
        .action = store_column_text(statement, 4),
        .object_kind = store_column_text(statement, 5),
        .object_id = store_column_text(statement, 6),
        .before = store_column_text(statement, 7),
        .after = store_column_text(statement, 8),
    };
    return reading->found(reading->context, &entry);
}

static void bind_filter(const void *context, struct store_statement *statement)
{
    const struct audit_filter *filter = context;
    const struct text texts[] = {filter->object_kind, filter->object_id, filter->who};
    table_bind_texts(statement, texts, ARRAY_LENGTH(texts));
    store_bind_integer(statement, 4, (int64_t)filter->since);
    store_bind_integer(statement, 5, filter->until ? (int64_t)filter->until : INT64_MAX);
    store_bind_integer(statement, 6, filter->before_number ? filter->before_number : INT64_MAX);
    store_bind_integer(statement, 7, filter->limit ? (int64_t)filter->limit : -1);
}

enum error audit_list(struct store *store, const struct audit_filter *filter, audit_found found,
                      void *context)
{
    struct reading reading = {found, context};
    return table_query(
        store,
        "SELECT number, time, who, via, action, object_kind, object_id, before, after FROM audit"
        " WHERE (?1 = '' OR object_kind = ?1)"
        " AND (?1 <> '' OR ?2 <> '' OR ?3 <> '' OR object_kind <> 'exchanged_key') AND (?2 = '' OR "
        "object_id = ?2)"
        " AND (?3 = '' OR who = ?3) AND time >= ?4 AND time < ?5 AND number < ?6"
        " ORDER BY number DESC LIMIT ?7",
        bind_filter, filter, take_row, &reading, NULL);
}
