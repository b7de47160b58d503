#include "store/teams.h"

#include "base/ensure.h"
#include "store/table.h"

/* The order in which `take_row` takes them. */
#define SELECT \
    "SELECT name, title, contact, allow, deny, tags, created_at, deleted_at, changed FROM teams"

struct reading {
    teams_found found;
    void *context;
};

static bool take_row(void *context, struct store_statement *statement)
{
    const struct reading *reading = context;
    const struct stored_team team = {
        .name = store_column_text(statement, 0),
        .title = store_column_text(statement, 1),
        .contact = store_column_text(statement, 2),
        .allow = store_column_text(statement, 3),
        .deny = store_column_text(statement, 4),
        .tags = store_column_text(statement, 5),
        .created_at = table_time(statement, 6),
        .deleted_at = table_time(statement, 7),
        .changed = store_column_integer(statement, 8),
    };
    reading->found(reading->context, &team);
    return true;
}

static void bind_fields(struct store_statement *statement, const struct stored_team *team)
{
    const struct text texts[] = {team->name,  team->title, team->contact,
                                 team->allow, team->deny,  team->tags};
    table_bind_texts(statement, texts, ARRAY_LENGTH(texts));
}

enum error teams_insert(struct store *store, const struct stored_team *team)
{
    struct store_statement *statement;
    enum error error = store_prepare(
        store,
        "INSERT INTO teams (name, title, contact, allow, deny, tags, created_at, changed)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, " TABLE_NEXT_CHANGE ")"
        " ON CONFLICT (name) DO UPDATE SET title = ?2, contact = ?3, allow = ?4, deny = ?5,"
        " tags = ?6, created_at = ?7, deleted_at = 0, changed = " TABLE_NEXT_CHANGE
        " WHERE deleted_at <> 0",
        &statement);
    if (error)
        return error;
    bind_fields(statement, team);
    store_bind_integer(statement, 7, (int64_t)team->created_at);
    error = table_change(store, statement);
    return error == ERROR_NOT_FOUND ? ERROR_EXISTS : error;
}

enum error teams_find(struct store *store, struct text name, teams_found found, void *context)
{
    struct reading reading = {found, context};
    return table_find(store, SELECT " WHERE name = ? AND deleted_at = 0", name, take_row, &reading);
}

enum error teams_list(struct store *store, teams_found found, void *context)
{
    struct reading reading = {found, context};
    return table_query_all(store, SELECT " WHERE deleted_at = 0 ORDER BY name", take_row, &reading);
}

enum error teams_update(struct store *store, const struct stored_team *team)
{
    struct store_statement *statement;
    enum error error = store_prepare(store,
                                     "UPDATE teams SET title = ?2, contact = ?3, allow = ?4,"
                                     " deny = ?5, tags = ?6, changed = " TABLE_NEXT_CHANGE
                                     " WHERE name = ?1 AND deleted_at = 0",
                                     &statement);
    if (error)
        return error;
    bind_fields(statement, team);
    return table_change(store, statement);
}

enum error teams_delete(struct store *store, struct text name, uint64_t time)
{
    return table_set_time(store,
                          "UPDATE teams SET deleted_at = ?2, changed = " TABLE_NEXT_CHANGE
                          " WHERE name = ?1 AND deleted_at = 0",
                          name, time);
}

enum error teams_changed(struct store *store, int64_t after, teams_found found, void *context)
{
    struct reading reading = {found, context};
    return table_query_number(store, SELECT " WHERE changed > ? ORDER BY changed", after, take_row,
                              &reading);
}
