#include "store/organisation.h"

#include "base/ensure.h"
#include "store/table.h"

struct reading {
    organisation_found found;
    void *context;
};

static bool take_row(void *context, struct store_statement *statement)
{
    const struct reading *reading = context;
    const struct stored_organisation organisation = {
        .name = store_column_text(statement, 0),
        .contact = store_column_text(statement, 1),
        .allow = store_column_text(statement, 2),
        .deny = store_column_text(statement, 3),
        .changed = store_column_integer(statement, 4),
    };
    reading->found(reading->context, &organisation);
    return true;
}

enum error organisation_read(struct store *store, organisation_found found, void *context)
{
    struct reading reading = {found, context};
    return table_query_all(store, "SELECT name, contact, allow, deny, changed FROM organisation",
                           take_row, &reading);
}

enum error organisation_write(struct store *store, const struct stored_organisation *organisation)
{
    struct store_statement *statement;
    enum error error = store_prepare(store,
                                     "UPDATE organisation SET name = ?, contact = ?, allow = ?,"
                                     " deny = ?, changed = " TABLE_NEXT_CHANGE,
                                     &statement);
    if (error)
        return error;
    const struct text texts[] = {organisation->name, organisation->contact, organisation->allow,
                                 organisation->deny};
    table_bind_texts(statement, texts, ARRAY_LENGTH(texts));
    return table_change(store, statement);
}
