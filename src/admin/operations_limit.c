#include "admin/operations_parts.h"
#include "base/clock.h"
#include "base/number.h"
#include "policy/rules.h"
#include "store/limits.h"

#define AMOUNT_MAX  1000000000000000ull /* 10^15: no model answers that much in a day */
#define PER_DEFAULT (60 * NANOSECONDS_PER_SECOND)

static const struct operations_scope_members scope_members = {
    OBJECT_LIMIT_organisation, OBJECT_LIMIT_team,  OBJECT_LIMIT_key,
    OBJECT_LIMIT_tag,          OBJECT_LIMIT_model,
};

static const enum object_member measures[POLICY_LIMIT_KIND_COUNT] = {
    [POLICY_REQUESTS] = OBJECT_LIMIT_requests,
    [POLICY_TOKENS] = OBJECT_LIMIT_tokens,
    [POLICY_INPUT_TOKENS] = OBJECT_LIMIT_input_tokens,
    [POLICY_OUTPUT_TOKENS] = OBJECT_LIMIT_output_tokens,
    [POLICY_CONCURRENT] = OBJECT_LIMIT_concurrent,
};

/* ------------------------------------------------------------------ rows */

static bool keep(struct operations *operations, struct stored_limit *limit)
{
    struct text *const texts[] = {&limit->id,          &limit->name,   &limit->scope_kind,
                                  &limit->scope_value, &limit->metric, &limit->mode};
    return operations_keep(operations, texts, ARRAY_LENGTH(texts));
}

static struct operations_scope scope_of(const struct stored_limit *limit)
{
    return (struct operations_scope){limit->scope_kind, limit->scope_value};
}

struct finding {
    struct operations *operations;
    struct stored_limit limit;
    bool kept;
};

static void take(void *context, const struct stored_limit *row)
{
    struct finding *finding = context;
    finding->limit = *row;
    finding->kept = keep(finding->operations, &finding->limit);
}

static bool find(struct operations *operations, struct text id, struct stored_limit *limit)
{
    struct finding finding = {.operations = operations};
    enum error error = limits_find(operations->store, id, take, &finding);
    *limit = finding.limit;
    if (error == ERROR_NOT_FOUND)
        return operations_refuse_unknown(operations, OBJECT_LIMIT, "", id);
    if (error)
        return operations_store_answer(operations, error);
    struct operations_scope scope = scope_of(limit);
    return finding.kept && (operations_sees_scope(operations, &scope) ||
                            operations_refuse_unknown(operations, OBJECT_LIMIT, "", id));
}

/* ------------------------------------------------------------------ JSON */

static void write_members(struct operations *operations, struct json_writer *writer,
                          const struct stored_limit *limit)
{
    const struct operations_scope scope = scope_of(limit);
    json_member_text(writer, "id", limit->id);
    operations_write_name(writer, "name", limit->name);
    operations_write_scope(operations, writer, &scope);
    json_key(writer, limit->metric);
    json_signed(writer, limit->amount);
    if (limit->window > 0)
        operations_write_duration(writer, "per", limit->window);
    json_member_text(writer, "mode", limit->mode);
    operations_write_moment(writer, "created_at", limit->created_at);
}

static bool write(struct operations *operations, const struct stored_limit *limit, struct text *out)
{
    struct operations_writer writer;
    operations_write_begin(&writer);
    write_members(operations, &writer.json, limit);
    return operations_write_end(operations, &writer, out);
}

/* ------------------------------------------------------------------ what is said */

static bool take_amount(struct operations *operations, const struct object_change *change,
                        enum policy_limit_kind kind, struct stored_limit *limit)
{
    struct text words = change->values[measures[kind]].text;
    struct text metric = text_from(policy_limit_kind_name(kind));
    uint64_t amount;
    if (!text_empty(limit->metric) && !text_equal(limit->metric, metric))
        return operations_refuse_member(
            operations, ADMIN_PROBLEM_FIXED, measures[kind],
            "this limit counts %.*s, and that cannot be changed; make a new one",
            TEXT_ARG(limit->metric));
    if (!number_parse_unsigned(words, &amount) || amount > AMOUNT_MAX)
        return operations_refuse_member(operations, ADMIN_PROBLEM_INVALID, measures[kind],
                                        "'%.*s' is no count: write a whole number, 0 to 10^15",
                                        TEXT_ARG(text_first(words, OPERATIONS_SHOWN_MAX)));
    limit->metric = metric;
    limit->amount = (int64_t)amount;
    return true;
}

static bool take_measure(struct operations *operations, const struct object_change *change,
                         bool creating, struct stored_limit *limit)
{
    size_t said = 0;
    for (unsigned i = 0; i < POLICY_LIMIT_KIND_COUNT; i++) {
        if (change->values[measures[i]].presence != OBJECT_SET)
            continue;
        if (said++ > 0)
            return operations_refuse_member(operations, ADMIN_PROBLEM_INVALID, measures[i],
                                            "a limit counts one thing; make one for each");
        if (!take_amount(operations, change, (enum policy_limit_kind)i, limit))
            return false;
    }
    if (said > 0 || !creating)
        return true;
    return operations_refuse(operations, ADMIN_PROBLEM_MISSING, "",
                             "say what is limited: requests, tokens, input_tokens, output_tokens "
                             "or concurrent");
}

static bool take_window(struct operations *operations, const struct object_change *change,
                        struct stored_limit *limit)
{
    const struct object_value *per = &change->values[OBJECT_LIMIT_per];
    if (text_equal(limit->metric, text_from(policy_limit_kind_name(POLICY_CONCURRENT)))) {
        limit->window = 0;
        return per->presence != OBJECT_SET ||
               operations_refuse_member(operations, ADMIN_PROBLEM_INVALID, OBJECT_LIMIT_per,
                                        "calls at the same time are counted without a window");
    }
    if (per->presence == OBJECT_NULL || limit->window == 0)
        limit->window = PER_DEFAULT;
    if (!operations_check_duration(operations, change, OBJECT_LIMIT_per, &limit->window))
        return false;
    /* What has no metric yet is an edit of which only the words are looked at. */
    if (limit->window >= POLICY_WINDOW_MIN && limit->window <= POLICY_WINDOW_MAX)
        return true;
    return operations_refuse_member(operations, ADMIN_PROBLEM_INVALID, OBJECT_LIMIT_per,
                                    "'%.*s' cannot be: a window is 1s to 24h",
                                    TEXT_ARG(text_first(per->text, OPERATIONS_SHOWN_MAX)));
}

static bool take_change(struct operations *operations, const struct object_change *change,
                        bool creating, struct stored_limit *limit)
{
    return operations_check_text(operations, change, OBJECT_LIMIT_name, LIMITS_NAME_MAX,
                                 &limit->name) &&
           take_measure(operations, change, creating, limit) &&
           take_window(operations, change, limit) &&
           operations_check_mode(operations, change, OBJECT_LIMIT_mode, &limit->mode);
}

static bool check(struct operations *operations, const struct object_change *change, bool creating)
{
    struct operations_scope scope;
    struct stored_limit limit = {0};
    return (!creating || operations_check_scope(operations, change, &scope_members, &scope)) &&
           take_change(operations, change, creating, &limit);
}

/* ------------------------------------------------------------------ another like it */

/* Among those of the same scope. */
struct twin {
    const struct stored_limit *limit;
    char id[LIMITS_ID_LENGTH + 1];
};

static void compare_twin(void *context, const struct stored_limit *other)
{
    struct twin *twin = context;
    const struct stored_limit *limit = twin->limit;
    if (text_empty(other->name) && !text_equal(other->id, limit->id) &&
        text_equal(other->metric, limit->metric) && other->window == limit->window)
        (void)text_copy_to(other->id, twin->id, sizeof twin->id);
}

/* Two limits of one scope, measure and window: only the lower would ever count. */
static bool check_twin(struct operations *operations, const struct stored_limit *limit)
{
    struct twin twin = {.limit = limit};
    struct operations_scope scope = scope_of(limit);
    if (!text_empty(limit->name))
        return true;
    enum error error = limits_list_scope(operations->store, limit->scope_kind, limit->scope_value,
                                         compare_twin, &twin);
    if (error)
        return operations_store_answer(operations, error);
    if (twin.id[0] == '\0')
        return true;
    return operations_refuse(
        operations, ADMIN_PROBLEM_EXISTS, "",
        "%s has a limit of %.*s with this window already, %s; edit that one, or give this one a "
        "name",
        operations_scope_words(operations, &scope).data, TEXT_ARG(limit->metric), twin.id);
}

static bool answer(struct operations *operations, const struct stored_limit *limit,
                   enum error error)
{
    if (error == ERROR_EXISTS)
        return operations_refuse(operations, ADMIN_PROBLEM_EXISTS, "name",
                                 "there is a limit '%.*s' already",
                                 TEXT_ARG(text_first(limit->name, OPERATIONS_SHOWN_MAX)));
    return operations_store_answer(operations, error);
}

/* ------------------------------------------------------------------ operations */

static bool create(struct operations *operations, const struct object_change *wanted,
                   struct operation_result *result)
{
    struct operations_scope scope;
    struct stored_limit limit = {.mode = text_from(policy_mode_name(POLICY_ENFORCE)),
                                 .created_at = operations_now(operations)};
    if (!operations_check_scope(operations, wanted, &scope_members, &scope) ||
        !take_change(operations, wanted, true, &limit) ||
        !operations_resolve_scope(operations, &scope) ||
        !operations_make_id(operations, TEXT(LIMITS_ID_PREFIX), &limit.id))
        return false;
    limit.scope_kind = scope.kind;
    limit.scope_value = scope.value;
    result->id = limit.id;
    result->changed = true;
    return check_twin(operations, &limit) &&
           answer(operations, &limit, limits_insert(operations->store, &limit)) &&
           write(operations, &limit, &result->after);
}

static bool edit(struct operations *operations, struct text id, const struct object_change *changes,
                 struct operation_result *result)
{
    struct stored_limit limit;
    if (!find(operations, id, &limit) || !write(operations, &limit, &result->before) ||
        !take_change(operations, changes, false, &limit) ||
        !write(operations, &limit, &result->after))
        return false;
    result->id = limit.id;
    result->changed = !text_equal(result->before, result->after);
    return !result->changed ||
           (check_twin(operations, &limit) &&
            answer(operations, &limit, limits_update(operations->store, &limit)));
}

static bool delete_limit(struct operations *operations, struct text id,
                         const struct operation_deletion *deletion, struct operation_result *result)
{
    struct stored_limit limit;
    if (!find(operations, id, &limit) || !write(operations, &limit, &result->before))
        return false;
    result->id = limit.id;
    result->changed = true;
    return operations_store_answer(
        operations, limits_delete(operations->store, limit.id, operations_now(operations)));
}

struct ids {
    struct operations *operations;
    struct text first;
};

static void take_first(void *context, const struct stored_limit *limit)
{
    struct ids *ids = context;
    if (ids->first.data == NULL)
        ids->first = arena_copy(ids->operations->arena, limit->id);
}

static bool first_of_scope(struct operations *operations, const struct operations_scope *scope,
                           struct text *id)
{
    struct ids ids = {operations, text_of(NULL, 0)};
    enum error error =
        limits_list_scope(operations->store, scope->kind, scope->value, take_first, &ids);
    *id = ids.first;
    return operations_store_answer(operations, error);
}

/* ------------------------------------------------------------------ reading */

static bool show(struct operations *operations, struct text id, struct text *json)
{
    struct stored_limit limit;
    return find(operations, id, &limit) && write(operations, &limit, json);
}

struct listing {
    struct operations *operations;
    const struct operations_filter *filter;
    void (*found)(void *context, struct text json);
    void *context;
};

static void list_one(void *context, const struct stored_limit *limit)
{
    struct listing *listing = context;
    struct operations_writer writer;
    struct operations_scope scope = scope_of(limit);
    if (!operations_scope_passes(listing->operations, &scope, listing->filter))
        return;
    operations_write_begin(&writer);
    write_members(listing->operations, &writer.json, limit);
    operations_write_hand(&writer, listing->found, listing->context);
}

static bool list(struct operations *operations, const struct operations_filter *filter,
                 void (*found)(void *context, struct text json), void *context)
{
    struct listing listing = {operations, filter, found, context};
    return operations_store_answer(operations, limits_list(operations->store, list_one, &listing));
}

/* ------------------------------------------------------------------ for apply */

struct matching {
    struct operations *operations;
    const struct stored_limit *wanted;
    struct text id;
};

/* A name names; without one it is the one of that kind without a name. */
static void compare_match(void *context, const struct stored_limit *other)
{
    struct matching *matching = context;
    const struct stored_limit *wanted = matching->wanted;
    if (!text_equal(other->name, wanted->name))
        return;
    if (!text_empty(wanted->name) ||
        (text_equal(other->metric, wanted->metric) && other->window == wanted->window))
        matching->id = arena_copy(matching->operations->arena, other->id);
}

static bool match(struct operations *operations, const struct object_change *change,
                  struct text *id)
{
    struct operations_scope scope;
    struct stored_limit wanted = {0};
    if (!operations_check_scope(operations, change, &scope_members, &scope) ||
        !take_change(operations, change, true, &wanted) ||
        !operations_resolve_scope(operations, &scope))
        return false;
    wanted.scope_kind = scope.kind;
    wanted.scope_value = scope.value;
    struct matching matching = {operations, &wanted, TEXT("")};
    enum error error =
        limits_list_scope(operations->store, scope.kind, scope.value, compare_match, &matching);
    *id = matching.id;
    return operations_store_answer(operations, error);
}

const struct operations_kind operations_limit = {
    check, create, edit, delete_limit, show, list, match, first_of_scope,
};
