#include "admin/operations_parts.h"
#include "store/organisation.h"
#include "store/teams.h"

static bool keep(struct operations *operations, struct stored_organisation *organisation)
{
    struct text *const texts[] = {&organisation->name, &organisation->contact, &organisation->allow,
                                  &organisation->deny};
    return operations_keep(operations, texts, ARRAY_LENGTH(texts));
}

struct finding {
    struct operations *operations;
    struct stored_organisation organisation;
    bool kept;
};

static void take(void *context, const struct stored_organisation *row)
{
    struct finding *finding = context;
    finding->organisation = *row;
    finding->kept = keep(finding->operations, &finding->organisation);
}

static bool find(struct operations *operations, struct stored_organisation *organisation)
{
    struct finding finding = {.operations = operations};
    enum error error = organisation_read(operations->store, take, &finding);
    *organisation = finding.organisation;
    if (error)
        return operations_store_answer(operations, error);
    return finding.kept;
}

static bool write(struct operations *operations, const struct stored_organisation *organisation,
                  struct text *out)
{
    struct operations_writer writer;
    operations_write_begin(&writer);
    operations_write_name(&writer.json, "name", organisation->name);
    operations_write_name(&writer.json, "contact", organisation->contact);
    operations_write_json(&writer.json, "models", organisation->allow, TEXT("null"));
    operations_write_json(&writer.json, "deny_models", organisation->deny, TEXT("[]"));
    return operations_write_end(operations, &writer, out);
}

static bool take_change(struct operations *operations, const struct object_change *change,
                        struct stored_organisation *organisation)
{
    return operations_check_text(operations, change, OBJECT_ORGANISATION_name, TEAMS_NAME_MAX,
                                 &organisation->name) &&
           operations_check_text(operations, change, OBJECT_ORGANISATION_contact, TEAMS_NAME_MAX,
                                 &organisation->contact) &&
           operations_check_models(operations, change, OBJECT_ORGANISATION_models,
                                   &organisation->allow) &&
           operations_check_models(operations, change, OBJECT_ORGANISATION_deny_models,
                                   &organisation->deny);
}

static bool check(struct operations *operations, const struct object_change *change, bool creating)
{
    struct stored_organisation organisation = {0};
    return take_change(operations, change, &organisation);
}

static bool create(struct operations *operations, const struct object_change *wanted,
                   struct operation_result *result)
{
    return operations_refuse(operations, ADMIN_PROBLEM_EXISTS, "",
                             "there is one organisation, and it can only be edited");
}

static bool edit(struct operations *operations, struct text id, const struct object_change *changes,
                 struct operation_result *result)
{
    struct stored_organisation organisation;
    if (!find(operations, &organisation) || !write(operations, &organisation, &result->before) ||
        !take_change(operations, changes, &organisation) ||
        !write(operations, &organisation, &result->after))
        return false;
    result->changed = !text_equal(result->before, result->after);
    return !result->changed ||
           operations_store_answer(operations,
                                   organisation_write(operations->store, &organisation));
}

static bool delete_organisation(struct operations *operations, struct text id,
                                const struct operation_deletion *deletion,
                                struct operation_result *result)
{
    return operations_refuse(operations, ADMIN_PROBLEM_INVALID, "",
                             "the organisation cannot be deleted");
}

static bool show(struct operations *operations, struct text id, struct text *json)
{
    struct stored_organisation organisation;
    return find(operations, &organisation) && write(operations, &organisation, json);
}

static bool list(struct operations *operations, const struct operations_filter *filter,
                 void (*found)(void *context, struct text json), void *context)
{
    struct text json;
    if (!show(operations, text_of(NULL, 0), &json))
        return false;
    found(context, json);
    return true;
}

const struct operations_kind operations_organisation = {
    check, create, edit, delete_organisation, show, list, NULL, NULL,
};
