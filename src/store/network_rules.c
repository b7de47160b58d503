#include "store/network_rules.h"

#include "base/ensure.h"
#include "store/table.h"

/* The order in which `take_row` takes them and, up to mode, texts are bound. */
#define COLUMNS "id, scope_kind, scope_value, network, action, mode"
#define SELECT  "SELECT " COLUMNS ", created_at, deleted_at, changed FROM network_rules"

struct reading {
    network_rules_found found;
    void *context;
};

static bool take_row(void *context, struct store_statement *statement)
{
    const struct reading *reading = context;
    const struct stored_network_rule rule = {
        .id = store_column_text(statement, 0),
        .scope_kind = store_column_text(statement, 1),
        .scope_value = store_column_text(statement, 2),
        .network = store_column_text(statement, 3),
        .action = store_column_text(statement, 4),
        .mode = store_column_text(statement, 5),
        .created_at = table_time(statement, 6),
        .deleted_at = table_time(statement, 7),
        .changed = store_column_integer(statement, 8),
    };
    reading->found(reading->context, &rule);
    return true;
}

enum error network_rules_insert(struct store *store, const struct stored_network_rule *rule)
{
    struct store_statement *statement;
    enum error error = store_prepare(store,
                                     "INSERT INTO network_rules (" COLUMNS ", created_at, changed)"
                                     " VALUES (?, ?, ?, ?, ?, ?, ?, " TABLE_NEXT_CHANGE ")",
                                     &statement);
    if (error)
        return error;
    const struct text texts[] = {rule->id,      rule->scope_kind, rule->scope_value,
                                 rule->network, rule->action,     rule->mode};
    table_bind_texts(statement, texts, ARRAY_LENGTH(texts));
    store_bind_integer(statement, ARRAY_LENGTH(texts) + 1, (int64_t)rule->created_at);
    return table_change(store, statement);
}

enum error network_rules_find(struct store *store, struct text id, network_rules_found found,
                              void *context)
{
    struct reading reading = {found, context};
    return table_find(store, SELECT " WHERE id = ? AND deleted_at = 0", id, take_row, &reading);
}

enum error network_rules_list(struct store *store, network_rules_found found, void *context)
{
    struct reading reading = {found, context};
    return table_query_all(store,
                           SELECT " WHERE deleted_at = 0 ORDER BY scope_kind, scope_value, network",
                           take_row, &reading);
}

enum error network_rules_list_scope(struct store *store, struct text kind, struct text value,
                                    network_rules_found found, void *context)
{
    const struct text scope[] = {kind, value};
    struct reading reading = {found, context};
    return table_query_pair(
        store,
        SELECT " WHERE scope_kind = ? AND scope_value = ? AND deleted_at = 0 ORDER BY network",
        scope, take_row, &reading);
}

enum error network_rules_update(struct store *store, const struct stored_network_rule *rule)
{
    struct store_statement *statement;
    enum error error = store_prepare(
        store,
        "UPDATE network_rules SET action = ?2, mode = ?3, changed = " TABLE_NEXT_CHANGE
        " WHERE id = ?1 AND deleted_at = 0",
        &statement);
    if (error)
        return error;
    const struct text texts[] = {rule->id, rule->action, rule->mode};
    table_bind_texts(statement, texts, ARRAY_LENGTH(texts));
    return table_change(store, statement);
}

enum error network_rules_delete(struct store *store, struct text id, uint64_t time)
{
    return table_set_time(store,
                          "UPDATE network_rules SET deleted_at = ?2, changed = " TABLE_NEXT_CHANGE
                          " WHERE id = ?1 AND deleted_at = 0",
                          id, time);
}
