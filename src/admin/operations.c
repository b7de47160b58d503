/* Each operation: role, transaction, the kind's own function, audit row, commit. `depth` counts the
 * transactions begun; the outermost is the store's, the others are savepoints, so that a failed
 * operation within a larger change leaves nothing behind. */
#include "admin/operations.h"

#include <stdarg.h>

#include "admin/key_revocations.h"
#include "admin/operations_parts.h"
#include "base/clock.h"
#include "base/ensure.h"
#include "identity/key.h"
#include "store/audit.h"

/* ------------------------------------------------------------------ names */

static const char *const role_names[ADMIN_ROLE_COUNT] = {
    [ADMIN_OWNER] = "owner",
    [ADMIN_OPERATOR] = "operator",
    [ADMIN_FINANCE] = "finance",
    [ADMIN_TEAM_LEAD] = "team_lead",
};

const char *admin_role_name(enum admin_role role)
{
    return role_names[role];
}

bool admin_role_from(struct text name, enum admin_role *role)
{
    for (unsigned i = 0; i < ADMIN_ROLE_COUNT; i++) {
        if (text_equal(name, text_from(role_names[i]))) {
            *role = (enum admin_role)i;
            return true;
        }
    }
    return false;
}

struct problem_row {
    const char *name;
    int status;
};

static const struct problem_row problem_rows[ADMIN_PROBLEM_COUNT] = {
#define PROBLEM(name, code, status, meaning) [ADMIN_PROBLEM_##name] = {code, status},
#include "admin/problems.def"
#undef PROBLEM
};

const char *admin_problem_name(enum admin_problem_code code)
{
    return problem_rows[code].name;
}

int admin_problem_status(enum admin_problem_code code)
{
    return problem_rows[code].status;
}

/* ------------------------------------------------------------------ the struct */

void operations_open(struct operations *operations, struct store *store, const char *directory,
                     struct arena *arena, const struct admin_actor *actor)
{
    *operations = (struct operations){
        .store = store, .arena = arena, .actor = *actor, .directory = directory};
}

void operations_close(struct operations *operations)
{
    while (operations->depth > 0)
        operations_roll_back(operations);
    key_revocations_close(operations);
}

void operations_use(struct operations *operations, struct arena *arena,
                    const struct admin_actor *actor)
{
    ensure(operations->depth == 0);
    operations->arena = arena;
    operations->actor = *actor;
}

uint64_t operations_now(const struct operations *operations)
{
    return operations->clock ? operations->clock : clock_wall();
}

/* ------------------------------------------------------------------ refusing */

bool operations_refuse(struct operations *operations, enum admin_problem_code code,
                       const char *field, const char *format, ...)
{
    struct admin_problem *problem = &operations->problem;
    va_list arguments;
    problem->code = code;
    text_copy_to(text_from(field), problem->field, sizeof problem->field);
    va_start(arguments, format);
    (void)vsnprintf(problem->message, sizeof problem->message, format, arguments);
    va_end(arguments);
    for (char *c = problem->message; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    }
    return false;
}

bool operations_refuse_member(struct operations *operations, enum admin_problem_code code,
                              enum object_member member, const char *format, ...)
{
    char message[ADMIN_PROBLEM_MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return operations_refuse(operations, code, object_members[member].name.data, "%s", message);
}

bool operations_no_memory(struct operations *operations)
{
    return operations_refuse(operations, ADMIN_PROBLEM_STORE, "", "%s",
                             error_meaning(ERROR_MEMORY));
}

bool operations_refuse_unknown(struct operations *operations, enum object_kind kind,
                               const char *field, struct text said)
{
    const char *name = object_kinds[kind].singular.data;
    return operations_refuse(operations, ADMIN_PROBLEM_NOT_FOUND, field,
                             "there is no %s '%.*s'; `turnpike %s list` shows them", name,
                             TEXT_ARG(text_first(said, OPERATIONS_SHOWN_MAX)), name);
}

bool operations_store_answer(struct operations *operations, enum error error)
{
    if (!error)
        return true;
    if (error == ERROR_BUSY)
        return operations_refuse(operations, ADMIN_PROBLEM_BUSY, "",
                                 "another process holds the store's lock for too long; try again");
    if (error == ERROR_MEMORY)
        return operations_no_memory(operations);
    return operations_refuse(operations, ADMIN_PROBLEM_STORE, "", "the store: %s",
                             operations->store ? store_problem(operations->store)
                                               : error_meaning(error));
}

/* ------------------------------------------------------------------ transactions */

bool operations_begin(struct operations *operations)
{
    enum error error = operations->depth == 0 ? store_begin(operations->store)
                                              : store_execute(operations->store, "SAVEPOINT part");
    if (error)
        return operations_store_answer(operations, error);
    operations->depth++;
    return true;
}

bool operations_commit(struct operations *operations)
{
    ensure(operations->depth > 0);
    enum error error = operations->depth == 1 ? store_commit(operations->store)
                                              : store_execute(operations->store, "RELEASE part");
    if (error) {
        (void)operations_store_answer(operations, error);
        operations_roll_back(operations);
        return false;
    }
    operations->depth--;
    return true;
}

void operations_roll_back(struct operations *operations)
{
    ensure(operations->depth > 0);
    if (--operations->depth == 0)
        store_roll_back(operations->store);
    else if (store_execute(operations->store, "ROLLBACK TO part; RELEASE part") != ERROR_OK)
        /* The whole was rolled back by the store; the outer commit will say so. */
        return;
}

/* ------------------------------------------------------------------ rows of the store */

bool operations_keep(struct operations *operations, struct text *const *texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        *texts[i] = text_empty(*texts[i]) ? TEXT("") : arena_copy(operations->arena, *texts[i]);
        if (texts[i]->data == NULL)
            return operations_no_memory(operations);
    }
    return true;
}

bool operations_make_id(struct operations *operations, struct text prefix, struct text *out)
{
    char id[KEY_ID_LENGTH];
    key_make_id(id);
    *out = arena_format(operations->arena, "%.*s%.*s", TEXT_ARG(prefix), (int)sizeof id, id);
    return out->data != NULL || operations_no_memory(operations);
}

/* ------------------------------------------------------------------ roles */

enum access { ACCESS_NONE, ACCESS_TEAM, ACCESS_ALL };

/* What a role may change. */
static enum access may_change(const struct admin_actor *actor, enum object_kind kind)
{
    switch (actor->role) {
    case ADMIN_OWNER: return ACCESS_ALL;
    case ADMIN_OPERATOR: return kind == OBJECT_ADMIN_KEY ? ACCESS_NONE : ACCESS_ALL;
    case ADMIN_TEAM_LEAD: return kind == OBJECT_KEY ? ACCESS_TEAM : ACCESS_NONE;
    default: return ACCESS_NONE;
    }
}

static bool may_read(const struct admin_actor *actor, enum object_kind kind)
{
    if (kind == OBJECT_ADMIN_KEY)
        return actor->role == ADMIN_OWNER;
    return kind != OBJECT_ORGANISATION || actor->role != ADMIN_TEAM_LEAD;
}

bool operations_sees_team(const struct operations *operations, struct text team)
{
    const struct admin_actor *actor = &operations->actor;
    return actor->role != ADMIN_TEAM_LEAD || (!text_empty(team) && text_equal(actor->team, team));
}

static bool check_role(struct operations *operations, enum object_kind kind, bool change)
{
    const struct admin_actor *actor = &operations->actor;
    if (change ? may_change(actor, kind) != ACCESS_NONE : may_read(actor, kind))
        return true;
    return operations_refuse(operations, ADMIN_PROBLEM_FORBIDDEN, "", "the role %s may not %s %s",
                             admin_role_name(actor->role), change ? "change" : "see",
                             kind == OBJECT_ORGANISATION   ? "the organisation"
                             : kind == OBJECT_ADMIN_KEY    ? "admin keys"
                             : kind == OBJECT_NETWORK_RULE ? "network rules"
                                                           : object_kinds[kind].plural.data);
}

bool operations_may_change(struct operations *operations, enum object_kind kind)
{
    return check_role(operations, kind, true);
}

/* ------------------------------------------------------------------ one operation */

static const struct operations_kind *const kinds[OBJECT_KIND_COUNT] = {
    [OBJECT_ORGANISATION] = &operations_organisation,
    [OBJECT_TEAM] = &operations_team,
    [OBJECT_KEY] = &operations_key,
    [OBJECT_BUDGET] = &operations_budget,
    [OBJECT_LIMIT] = &operations_limit,
    [OBJECT_NETWORK_RULE] = &operations_network_rule,
    [OBJECT_ADMIN_KEY] = &operations_admin_key,
};

bool operations_start(struct operations *operations, enum object_kind kind,
                      struct operation_result *result)
{
    *result = (struct operation_result){0};
    operations->problem = (struct admin_problem){.code = ADMIN_PROBLEM_NONE};
    return check_role(operations, kind, true) && operations_begin(operations);
}

/* One word. */
struct text operations_audit_name(enum object_kind kind)
{
    switch (kind) {
    case OBJECT_ADMIN_KEY: return TEXT("admin_key");
    case OBJECT_NETWORK_RULE: return TEXT("network_rule");
    default: return object_kinds[kind].singular;
    }
}

bool operations_audit(struct operations *operations, enum object_kind kind, const char *action,
                      const struct operation_result *result)
{
    struct audit_entry entry = {
        .time = operations_now(operations),
        .who = operations->actor.who,
        .via = operations->actor.via,
        .action = text_from(action),
        .object_kind = operations_audit_name(kind),
        .object_id = result->id,
        .before = result->before,
        .after = result->after,
    };
    return operations_store_answer(operations, audit_append(operations->store, &entry));
}

bool operations_finish(struct operations *operations, enum object_kind kind, const char *action,
                       bool good, struct operation_result *result)
{
    if (good && result->changed)
        good = operations_audit(operations, kind, action, result);
    if (good)
        good = operations_commit(operations);
    else
        operations_roll_back(operations);
    if (!good) {
        secret_free(result->secret);
        *result = (struct operation_result){0};
    }
    return good;
}

bool operations_check(struct operations *operations, const struct object_change *change,
                      bool creating)
{
    return (creating ? operations_check_required(operations, change)
                     : operations_check_editable(operations, change)) &&
           kinds[change->kind]->check(operations, change, creating);
}

bool operations_create(struct operations *operations, const struct object_change *wanted,
                       struct operation_result *result)
{
    if (!operations_start(operations, wanted->kind, result))
        return false;
    bool good = operations_check(operations, wanted, true) &&
                kinds[wanted->kind]->create(operations, wanted, result);
    return operations_finish(operations, wanted->kind, "create", good, result);
}

bool operations_edit(struct operations *operations, struct text id,
                     const struct object_change *changes, struct operation_result *result)
{
    if (!operations_start(operations, changes->kind, result))
        return false;
    bool good = operations_check(operations, changes, false) &&
                kinds[changes->kind]->edit(operations, id, changes, result);
    return operations_finish(operations, changes->kind, "update", good, result);
}

bool operations_delete(struct operations *operations, enum object_kind kind, struct text id,
                       const struct operation_deletion *deletion, struct operation_result *result)
{
    bool revoked = kind == OBJECT_KEY || kind == OBJECT_ADMIN_KEY;
    if (kind == OBJECT_KEY)
        return operations_revoke_key(operations, id, deletion->reason, result);
    if (!operations_start(operations, kind, result))
        return false;
    bool good = kinds[kind]->remove(operations, id, deletion, result);
    return operations_finish(operations, kind, revoked ? "revoke" : "delete", good, result);
}

static bool delete_kind_of_scope(struct operations *operations, enum object_kind kind,
                                 const struct operations_scope *scope)
{
    const struct operation_deletion deletion = {0};
    struct operation_result result;
    struct text id;
    while (kinds[kind]->first_of_scope(operations, scope, &id)) {
        if (id.data == NULL)
            return true;
        if (!operations_delete(operations, kind, id, &deletion, &result))
            return false;
    }
    return false;
}

bool operations_delete_of_scope(struct operations *operations, const struct operations_scope *scope)
{
    return delete_kind_of_scope(operations, OBJECT_BUDGET, scope) &&
           delete_kind_of_scope(operations, OBJECT_LIMIT, scope) &&
           delete_kind_of_scope(operations, OBJECT_NETWORK_RULE, scope);
}

bool operations_match(struct operations *operations, const struct object_change *change,
                      struct text *id)
{
    *id = TEXT("");
    return kinds[change->kind]->match(operations, change, id);
}

/* ------------------------------------------------------------------ reading */

bool operations_show(struct operations *operations, enum object_kind kind, struct text id,
                     struct text *json)
{
    operations->problem = (struct admin_problem){.code = ADMIN_PROBLEM_NONE};
    return check_role(operations, kind, false) && key_revocations_refresh(operations) &&
           kinds[kind]->show(operations, id, json);
}

bool operations_list(struct operations *operations, enum object_kind kind,
                     const struct operations_filter *filter,
                     void (*found)(void *context, struct text json), void *context)
{
    struct operations_filter narrowed = *filter;
    operations->problem = (struct admin_problem){.code = ADMIN_PROBLEM_NONE};
    if (operations->actor.role == ADMIN_TEAM_LEAD)
        narrowed.team = operations->actor.team;
    return check_role(operations, kind, false) && key_revocations_refresh(operations) &&
           kinds[kind]->list(operations, &narrowed, found, context);
}
