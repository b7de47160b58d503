#include "admin/operations_parts.h"
#include "base/ensure.h"
#include "store/teams.h"

/* ------------------------------------------------------------------ rows */

static bool keep(struct operations *operations, struct stored_team *team)
{
    struct text *const texts[] = {&team->name,  &team->title, &team->contact,
                                  &team->allow, &team->deny,  &team->tags};
    return operations_keep(operations, texts, ARRAY_LENGTH(texts));
}

struct finding {
    struct operations *operations;
    struct stored_team team;
    bool kept;
};

static void take(void *context, const struct stored_team *row)
{
    struct finding *finding = context;
    finding->team = *row;
    finding->kept = keep(finding->operations, &finding->team);
}

struct nearest {
    struct operations *operations;
    struct text wanted, best;
    size_t limit, distance;
};

static void consider(void *context, const struct stored_team *team)
{
    struct nearest *nearest = context;
    size_t distance = text_edit_distance(team->name, nearest->wanted, nearest->limit);
    if (distance >= nearest->distance || !operations_sees_team(nearest->operations, team->name))
        return;
    nearest->distance = distance;
    nearest->best = arena_copy(nearest->operations->arena, team->name);
}

struct text operations_nearest_team(struct operations *operations, struct text name)
{
    size_t limit = name.length / 3 + 1;
    struct nearest nearest = {operations, name, text_of(NULL, 0), limit, limit + 1};
    if (teams_list(operations->store, consider, &nearest) != ERROR_OK)
        return text_of(NULL, 0);
    return nearest.best;
}

static bool refuse_unknown(struct operations *operations, const char *field, struct text name)
{
    struct text nearest = operations_nearest_team(operations, name);
    if (text_empty(nearest))
        return operations_refuse_unknown(operations, OBJECT_TEAM, field, name);
    return operations_refuse(operations, ADMIN_PROBLEM_NOT_FOUND, field,
                             "there is no team '%.*s'; did you mean '%.*s'?",
                             TEXT_ARG(text_first(name, OPERATIONS_SHOWN_MAX)), TEXT_ARG(nearest));
}

static bool find(struct operations *operations, const char *field, struct text name,
                 struct stored_team *team)
{
    struct finding finding = {.operations = operations};
    enum error error = operations_sees_team(operations, name)
                           ? teams_find(operations->store, name, take, &finding)
                           : ERROR_NOT_FOUND;
    *team = finding.team;
    if (error == ERROR_NOT_FOUND)
        return refuse_unknown(operations, field, name);
    if (error)
        return operations_store_answer(operations, error);
    return finding.kept;
}

bool operations_require_team(struct operations *operations, const char *field, struct text name)
{
    struct stored_team team;
    return find(operations, field, name, &team);
}

/* ------------------------------------------------------------------ JSON */

static void write_members(struct json_writer *writer, const struct stored_team *team)
{
    json_member_text(writer, "name", team->name);
    operations_write_name(writer, "title", team->title);
    operations_write_name(writer, "contact", team->contact);
    operations_write_json(writer, "models", team->allow, TEXT("null"));
    operations_write_json(writer, "deny_models", team->deny, TEXT("[]"));
}

static bool write(struct operations *operations, const struct stored_team *team, struct text *out)
{
    struct operations_writer writer;
    uint64_t keys;
    if (!operations_count_keys(operations, team->name, &keys))
        return false;
    operations_write_begin(&writer);
    write_members(&writer.json, team);
    json_member_unsigned(&writer.json, "keys", keys);
    operations_write_moment(&writer.json, "created_at", team->created_at);
    return operations_write_end(operations, &writer, out);
}

/* ------------------------------------------------------------------ operations */

static bool take_change(struct operations *operations, const struct object_change *change,
                        struct stored_team *team)
{
    return operations_check_text(operations, change, OBJECT_TEAM_name, TEAMS_NAME_MAX,
                                 &team->name) &&
           operations_check_text(operations, change, OBJECT_TEAM_title, TEAMS_NAME_MAX,
                                 &team->title) &&
           operations_check_text(operations, change, OBJECT_TEAM_contact, TEAMS_NAME_MAX,
                                 &team->contact) &&
           operations_check_models(operations, change, OBJECT_TEAM_models, &team->allow) &&
           operations_check_models(operations, change, OBJECT_TEAM_deny_models, &team->deny);
}

static bool check(struct operations *operations, const struct object_change *change, bool creating)
{
    struct stored_team team = {0};
    return take_change(operations, change, &team);
}

static bool create(struct operations *operations, const struct object_change *wanted,
                   struct operation_result *result)
{
    struct stored_team team = {.created_at = operations_now(operations)};
    if (!take_change(operations, wanted, &team))
        return false;
    enum error error = teams_insert(operations->store, &team);
    if (error == ERROR_EXISTS)
        return operations_refuse(operations, ADMIN_PROBLEM_EXISTS, "name",
                                 "there is a team '%.*s' already; `turnpike team edit` changes it",
                                 TEXT_ARG(text_first(team.name, OPERATIONS_SHOWN_MAX)));
    result->id = team.name;
    result->changed = true;
    return operations_store_answer(operations, error) && keep(operations, &team) &&
           write(operations, &team, &result->after);
}

static bool edit(struct operations *operations, struct text id, const struct object_change *changes,
                 struct operation_result *result)
{
    struct stored_team team;
    if (!find(operations, "name", id, &team) || !write(operations, &team, &result->before) ||
        !take_change(operations, changes, &team) || !write(operations, &team, &result->after))
        return false;
    result->id = team.name;
    result->changed = !text_equal(result->before, result->after);
    return !result->changed ||
           operations_store_answer(operations, teams_update(operations->store, &team));
}

/* The keys end before the team, so that no key is ever without its limits. */
static bool end_keys(struct operations *operations, const struct stored_team *team,
                     const struct operation_deletion *deletion)
{
    uint64_t live;
    if (!operations_count_keys(operations, team->name, &live))
        return false;
    if (live > 0 && !deletion->revoke_keys)
        return operations_refuse(operations, ADMIN_PROBLEM_IN_USE, "",
                                 "the team '%.*s' has %llu live key%s; revoke %s first, or say "
                                 "--revoke-keys to end %s with the team",
                                 TEXT_ARG(text_first(team->name, OPERATIONS_SHOWN_MAX)),
                                 (unsigned long long)live, live == 1 ? "" : "s",
                                 live == 1 ? "it" : "them", live == 1 ? "it" : "them");
    return live == 0 || operations_revoke_team_keys(operations, team->name, deletion->reason);
}

static bool delete_team(struct operations *operations, struct text id,
                        const struct operation_deletion *deletion, struct operation_result *result)
{
    struct stored_team team;
    if (!find(operations, "name", id, &team) || !write(operations, &team, &result->before))
        return false;
    const struct operations_scope scope = {TEXT("team"), team.name};
    result->id = team.name;
    result->changed = true;
    return end_keys(operations, &team, deletion) &&
           operations_delete_of_scope(operations, &scope) &&
           operations_store_answer(
               operations, teams_delete(operations->store, team.name, operations_now(operations)));
}

static bool show(struct operations *operations, struct text id, struct text *json)
{
    struct stored_team team;
    return find(operations, "name", id, &team) && write(operations, &team, json);
}

struct listing {
    struct operations *operations;
    const struct operations_filter *filter;
    void (*found)(void *context, struct text json);
    void *context;
    bool good;
};

static void list_one(void *context, const struct stored_team *team)
{
    struct listing *listing = context;
    struct operations_writer writer;
    uint64_t keys;
    if (!text_empty(listing->filter->team) && !text_equal(team->name, listing->filter->team))
        return;
    if (!listing->good || !operations_count_keys(listing->operations, team->name, &keys)) {
        listing->good = false;
        return;
    }
    operations_write_begin(&writer);
    write_members(&writer.json, team);
    json_member_unsigned(&writer.json, "keys", keys);
    operations_write_moment(&writer.json, "created_at", team->created_at);
    operations_write_hand(&writer, listing->found, listing->context);
}

static bool list(struct operations *operations, const struct operations_filter *filter,
                 void (*found)(void *context, struct text json), void *context)
{
    struct listing listing = {operations, filter, found, context, true};
    return operations_store_answer(operations, teams_list(operations->store, list_one, &listing)) &&
           listing.good;
}

static bool match(struct operations *operations, const struct object_change *change,
                  struct text *id)
{
    struct text name = change->values[OBJECT_TEAM_name].text;
    struct finding finding = {.operations = operations};
    enum error error = teams_find(operations->store, name, take, &finding);
    if (error == ERROR_NOT_FOUND)
        return true;
    *id = finding.team.name;
    return operations_store_answer(operations, error) && finding.kept;
}

const struct operations_kind operations_team = {
    check, create, edit, delete_team, show, list, match, NULL,
};
