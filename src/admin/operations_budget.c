#include "admin/budget_use.h"
#include "admin/moment.h"
#include "admin/operations_parts.h"
#include "admin/zones.h"
#include "base/clock.h"
#include "base/ensure.h"
#include "base/number.h"
#include "meter/money.h"
#include "policy/rules.h"
#include "store/budgets.h"

#define ALERT_MAX      1000u /* per cent: ten times the amount */
#define ALERTS_DEFAULT "[80,100]"
#define PERIOD_DEFAULT PERIOD_MONTH

static const struct operations_scope_members scope_members = {
    OBJECT_BUDGET_organisation, OBJECT_BUDGET_team,  OBJECT_BUDGET_key,
    OBJECT_BUDGET_tag,          OBJECT_MEMBER_COUNT,
};

/* ------------------------------------------------------------------ rows */

static bool keep(struct operations *operations, struct stored_budget *budget)
{
    struct text *const texts[] = {
        &budget->id,     &budget->name,    &budget->scope_kind,   &budget->scope_value,
        &budget->amount, &budget->period,  &budget->timezone,     &budget->mode,
        &budget->alerts, &budget->webhook, &budget->raise_amount,
    };
    return operations_keep(operations, texts, ARRAY_LENGTH(texts));
}

static struct operations_scope scope_of(const struct stored_budget *budget)
{
    return (struct operations_scope){budget->scope_kind, budget->scope_value};
}

struct finding {
    struct operations *operations;
    struct stored_budget budget;
    bool kept;
};

static void take(void *context, const struct stored_budget *row)
{
    struct finding *finding = context;
    finding->budget = *row;
    finding->kept = keep(finding->operations, &finding->budget);
}

static bool find(struct operations *operations, struct text id, struct stored_budget *budget)
{
    struct finding finding = {.operations = operations};
    enum error error = budgets_find(operations->store, id, take, &finding);
    *budget = finding.budget;
    if (error == ERROR_NOT_FOUND)
        return operations_refuse_unknown(operations, OBJECT_BUDGET, "", id);
    if (error)
        return operations_store_answer(operations, error);
    struct operations_scope scope = scope_of(budget);
    return finding.kept && (operations_sees_scope(operations, &scope) ||
                            operations_refuse_unknown(operations, OBJECT_BUDGET, "", id));
}

/* ------------------------------------------------------------------ JSON */

static void write_members(struct operations *operations, struct json_writer *writer,
                          const struct stored_budget *budget)
{
    const struct operations_scope scope = scope_of(budget);
    json_member_text(writer, "id", budget->id);
    operations_write_name(writer, "name", budget->name);
    operations_write_scope(operations, writer, &scope);
    json_member_text(writer, "amount", budget->amount);
    json_member_text(writer, "currency", TEXT("USD"));
    json_member_text(writer, "period", budget->period);
    if (budget->length > 0)
        operations_write_duration(writer, "rolling", budget->length);
    else
        json_member_text(writer, "rolling", text_of(NULL, 0));
    json_member_text(writer, "timezone", budget->timezone);
    json_member_bool(writer, "soft", !budget->hard);
    json_member_text(writer, "mode", budget->mode);
    operations_write_json(writer, "alerts", budget->alerts, TEXT("[]"));
    operations_write_name(writer, "webhook", budget->webhook);
    operations_write_name(writer, "raised_to", budget->raise_amount);
    operations_write_moment(writer, "raised_until", budget->raise_until);
    operations_write_moment(writer, "created_at", budget->created_at);
}

static bool write(struct operations *operations, const struct stored_budget *budget,
                  struct text *out)
{
    struct operations_writer writer;
    operations_write_begin(&writer);
    write_members(operations, &writer.json, budget);
    return operations_write_end(operations, &writer, out);
}

static void write_money(struct json_writer *writer, const char *name, money amount)
{
    char text[MONEY_TEXT_SIZE];
    size_t sign = amount < 0;
    text[0] = '-';
    size_t length = money_format_price(amount < 0 ? -amount : amount, text + sign);
    json_member_text(writer, name, text_of(text, sign + length));
}

/* What was used of the current period; null where it cannot be said. */
static void write_use(struct json_writer *writer, const struct budget_use *use)
{
    operations_write_moment(writer, "period_start", use->start);
    operations_write_moment(writer, "resets_at", use->resets_at);
    if (use->known) {
        write_money(writer, "spent", use->spent);
        write_money(writer, "left", use->left);
        operations_write_moment(writer, "used_up_at", use->used_up_at);
    } else {
        json_member_text(writer, "spent", text_of(NULL, 0));
        json_member_text(writer, "left", text_of(NULL, 0));
        operations_write_moment(writer, "used_up_at", 0);
    }
}

/* ------------------------------------------------------------------ what is said */

/* "5EUR", "$5", "5 €": a number, and something before or behind it. */
static bool names_currency(struct text words)
{
    bool digits = false, others = false;
    for (size_t i = 0; i < words.length; i++) {
        unsigned char c = (unsigned char)words.data[i];
        bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
        digits = digits || (c >= '0' && c <= '9');
        others = others || letter || c == '$' || c >= 0x80;
    }
    /* 1e6 is a number to many: that has words of its own. */
    return digits && others &&
           !(words.length > 1 && text_find_char(text_from_index(words, 1), 'e') >= 0);
}

static bool take_amount(struct operations *operations, enum object_member member, const char *field,
                        struct text words, struct text *out)
{
    char text[MONEY_TEXT_SIZE];
    money amount;
    enum money_problem problem = money_parse(words, &amount);
    if (problem != MONEY_GOOD && names_currency(words))
        return operations_refuse(
            operations, ADMIN_PROBLEM_INVALID, field,
            "'%.*s' is not a number alone: budgets are in US dollars, write them as 500 or 0.25",
            TEXT_ARG(text_first(words, OPERATIONS_SHOWN_MAX)));
    if (problem != MONEY_GOOD)
        return operations_refuse(
            operations, ADMIN_PROBLEM_INVALID, field, "'%.*s' %s; write USD as 500 or 0.25",
            TEXT_ARG(text_first(words, OPERATIONS_SHOWN_MAX)), money_problem_text(problem));
    *out = arena_copy(operations->arena, text_of(text, money_format_price(amount, text)));
    return out->data != NULL || operations_no_memory(operations);
}

static bool check_currency(struct operations *operations, const struct object_change *change)
{
    const struct object_value *value = &change->values[OBJECT_BUDGET_currency];
    if (value->presence != OBJECT_SET || text_equal(value->text, TEXT("USD")))
        return true;
    return operations_refuse_member(operations, ADMIN_PROBLEM_INVALID, OBJECT_BUDGET_currency,
                                    "'%.*s' is not possible: prices are in USD, and so are budgets",
                                    TEXT_ARG(text_first(value->text, OPERATIONS_SHOWN_MAX)));
}

static bool take_period(struct operations *operations, const struct object_change *change,
                        struct stored_budget *budget)
{
    const struct object_value *period = &change->values[OBJECT_BUDGET_period];
    const struct object_value *rolling = &change->values[OBJECT_BUDGET_rolling];
    enum period_kind kind = PERIOD_DEFAULT;
    if (period->presence == OBJECT_SET && !period_kind_from(period->text, &kind))
        return operations_refuse_member(
            operations, ADMIN_PROBLEM_INVALID, OBJECT_BUDGET_period,
            "'%.*s' is no period: write day, week, month, lifetime or rolling",
            TEXT_ARG(text_first(period->text, OPERATIONS_SHOWN_MAX)));
    if (rolling->presence == OBJECT_SET) {
        if (period->presence == OBJECT_SET && kind != PERIOD_ROLLING)
            return operations_refuse_member(
                operations, ADMIN_PROBLEM_INVALID, OBJECT_BUDGET_rolling,
                "a period is a %s or rolling, not both", period_kind_name(kind));
        if (!operations_check_duration(operations, change, OBJECT_BUDGET_rolling, &budget->length))
            return false;
        if (!period_rolling_is_valid(budget->length))
            return operations_refuse_member(
                operations, ADMIN_PROBLEM_INVALID, OBJECT_BUDGET_rolling,
                "'%.*s' cannot be: a rolling period is 1h to 366d, in "
                "quarters of an hour",
                TEXT_ARG(text_first(rolling->text, OPERATIONS_SHOWN_MAX)));
        budget->period = text_from(period_kind_name(PERIOD_ROLLING));
        return true;
    }
    if (period->presence == OBJECT_ABSENT)
        return true;
    if (kind != PERIOD_ROLLING)
        budget->length = 0;
    budget->period = text_from(period_kind_name(kind));
    if (kind == PERIOD_ROLLING && budget->length == 0)
        return operations_refuse_member(operations, ADMIN_PROBLEM_MISSING, OBJECT_BUDGET_rolling,
                                        "a rolling period needs its length, such as 30d");
    return true;
}

static bool take_timezone(struct operations *operations, const struct object_change *change,
                          struct stored_budget *budget)
{
    const struct object_value *value = &change->values[OBJECT_BUDGET_timezone];
    char suggestion[TIMEZONE_NAME_MAX + 1];
    if (value->presence == OBJECT_NULL)
        budget->timezone = TEXT("UTC");
    if (value->presence != OBJECT_SET)
        return true;
    struct time_zone *zone = NULL;
    enum error error = timezone_load_from(operations->zones, value->text, &zone);
    timezone_free(zone);
    budget->timezone = text_empty(value->text) ? TEXT("UTC") : value->text;
    if (!error)
        return true;
    struct text said = text_first(value->text, OPERATIONS_SHOWN_MAX);
    if (error != ERROR_NOT_FOUND && error != ERROR_ARGUMENT)
        return operations_refuse_member(operations, ADMIN_PROBLEM_INVALID, OBJECT_BUDGET_timezone,
                                        "the time zone '%.*s' cannot be read: %s", TEXT_ARG(said),
                                        error_meaning(error));
    if (zones_find_nearest(operations->zones, value->text, suggestion))
        return operations_refuse_member(operations, ADMIN_PROBLEM_INVALID, OBJECT_BUDGET_timezone,
                                        "there is no time zone '%.*s'; did you mean %s?",
                                        TEXT_ARG(said), suggestion);
    return operations_refuse_member(operations, ADMIN_PROBLEM_INVALID, OBJECT_BUDGET_timezone,
                                    "there is no time zone '%.*s'; write UTC or a name such as "
                                    "Europe/Berlin (the system's package tzdata has them)",
                                    TEXT_ARG(said));
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

/* Sorted, each once, as a JSON array. */
static bool write_alerts(struct operations *operations, uint64_t *numbers, size_t count,
                         struct text *out)
{
    struct buffer json;
    size_t written = 0;
    qsort(numbers, count, sizeof *numbers, compare_numbers);
    buffer_open(&json, OPERATIONS_JSON_MAX);
    buffer_append_char(&json, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && numbers[i] == numbers[i - 1])
            continue;
        buffer_append_format(&json, "%s%llu", written++ ? "," : "", (unsigned long long)numbers[i]);
    }
    buffer_append_char(&json, ']');
    *out = json.failed ? text_of(NULL, 0) : arena_copy(operations->arena, buffer_text(&json));
    buffer_close(&json);
    return out->data != NULL || operations_no_memory(operations);
}

static bool take_alerts(struct operations *operations, const struct object_change *change,
                        struct stored_budget *budget)
{
    const struct object_value *value = &change->values[OBJECT_BUDGET_alerts];
    uint64_t numbers[POLICY_THRESHOLDS_MAX];
    if (value->presence == OBJECT_NULL)
        budget->alerts = TEXT(ALERTS_DEFAULT);
    if (value->presence != OBJECT_SET)
        return true;
    if (value->count > POLICY_THRESHOLDS_MAX)
        return operations_refuse_member(operations, ADMIN_PROBLEM_INVALID, OBJECT_BUDGET_alerts,
                                        "at most %u alerts are allowed", POLICY_THRESHOLDS_MAX);
    for (size_t i = 0; i < value->count; i++) {
        struct text words = value->items[i].value;
        if (words.length > 1 && text_ends_with(words, TEXT("%")))
            words.length--;
        if (!number_parse_unsigned(words, &numbers[i]) || numbers[i] == 0 || numbers[i] > ALERT_MAX)
            return operations_refuse_member(
                operations, ADMIN_PROBLEM_INVALID, OBJECT_BUDGET_alerts,
                "'%.*s' is no part of a budget: write whole per cent, 1 to %u",
                TEXT_ARG(text_first(value->items[i].value, OPERATIONS_SHOWN_MAX)), ALERT_MAX);
    }
    return write_alerts(operations, numbers, value->count, &budget->alerts);
}

static bool take_change(struct operations *operations, const struct object_change *change,
                        struct stored_budget *budget)
{
    const struct object_value *amount = &change->values[OBJECT_BUDGET_amount];
    bool soft = !budget->hard;
    if (object_says(change, OBJECT_BUDGET_amount) &&
        !take_amount(operations, OBJECT_BUDGET_amount, "amount", amount->text, &budget->amount))
        return false;
    bool good = operations_check_text(operations, change, OBJECT_BUDGET_name, BUDGETS_NAME_MAX,
                                      &budget->name) &&
                check_currency(operations, change) && take_period(operations, change, budget) &&
                take_timezone(operations, change, budget) &&
                operations_check_flag(operations, change, OBJECT_BUDGET_soft, &soft) &&
                operations_check_mode(operations, change, OBJECT_BUDGET_mode, &budget->mode) &&
                take_alerts(operations, change, budget) &&
                operations_check_text(operations, change, OBJECT_BUDGET_webhook, BUDGETS_NAME_MAX,
                                      &budget->webhook);
    budget->hard = !soft;
    if (!good)
        return false;
    bool calendar = !text_equal(budget->period, text_from(period_kind_name(PERIOD_ROLLING))) &&
                    !text_equal(budget->period, text_from(period_kind_name(PERIOD_LIFETIME)));
    if (calendar || text_equal(budget->timezone, TEXT("UTC")))
        return true;
    return operations_refuse_member(operations, ADMIN_PROBLEM_INVALID, OBJECT_BUDGET_timezone,
                                    "a %.*s budget follows no calendar, so it has no time zone",
                                    TEXT_ARG(budget->period));
}

static struct stored_budget blank(void)
{
    return (struct stored_budget){
        .period = text_from(period_kind_name(PERIOD_DEFAULT)),
        .timezone = TEXT("UTC"),
        .hard = true,
        .mode = text_from(policy_mode_name(POLICY_ENFORCE)),
        .alerts = TEXT(ALERTS_DEFAULT),
    };
}

static bool check(struct operations *operations, const struct object_change *change, bool creating)
{
    struct operations_scope scope;
    struct stored_budget budget = blank();
    return (!creating || operations_check_scope(operations, change, &scope_members, &scope)) &&
           take_change(operations, change, &budget);
}

/* ------------------------------------------------------------------ another like it */

/* Among those of the same scope. */
struct twin {
    const struct stored_budget *budget;
    char id[BUDGETS_ID_LENGTH + 1];
};

static void compare_twin(void *context, const struct stored_budget *other)
{
    struct twin *twin = context;
    const struct stored_budget *budget = twin->budget;
    if (text_empty(other->name) && !text_equal(other->id, budget->id) &&
        text_equal(other->period, budget->period) && other->length == budget->length)
        (void)text_copy_to(other->id, twin->id, sizeof twin->id);
}

/* Two budgets of one scope and period are a slip, unless one says by a name that it is meant. */
static bool check_twin(struct operations *operations, const struct stored_budget *budget)
{
    struct twin twin = {.budget = budget};
    struct operations_scope scope = scope_of(budget);
    if (!text_empty(budget->name))
        return true;
    enum error error = budgets_list_scope(operations->store, budget->scope_kind,
                                          budget->scope_value, compare_twin, &twin);
    if (error)
        return operations_store_answer(operations, error);
    if (twin.id[0] == '\0')
        return true;
    return operations_refuse(
        operations, ADMIN_PROBLEM_EXISTS, "",
        "%s has a budget of this period already, %s; edit that one, or give this one a name",
        operations_scope_words(operations, &scope).data, twin.id);
}

static bool answer(struct operations *operations, const struct stored_budget *budget,
                   enum error error)
{
    if (error == ERROR_EXISTS)
        return operations_refuse(operations, ADMIN_PROBLEM_EXISTS, "name",
                                 "there is a budget '%.*s' already",
                                 TEXT_ARG(text_first(budget->name, OPERATIONS_SHOWN_MAX)));
    return operations_store_answer(operations, error);
}

/* ------------------------------------------------------------------ operations */

static bool create(struct operations *operations, const struct object_change *wanted,
                   struct operation_result *result)
{
    struct operations_scope scope;
    struct stored_budget budget = blank();
    budget.created_at = operations_now(operations);
    if (!operations_check_scope(operations, wanted, &scope_members, &scope) ||
        !take_change(operations, wanted, &budget) ||
        !operations_resolve_scope(operations, &scope) ||
        !operations_make_id(operations, TEXT(BUDGETS_ID_PREFIX), &budget.id))
        return false;
    budget.scope_kind = scope.kind;
    budget.scope_value = scope.value;
    result->id = budget.id;
    result->changed = true;
    return check_twin(operations, &budget) &&
           answer(operations, &budget, budgets_insert(operations->store, &budget)) &&
           write(operations, &budget, &result->after);
}

/* Writes what was made of a budget, if it is something else. */
static bool update(struct operations *operations, const struct stored_budget *budget,
                   struct operation_result *result)
{
    if (!write(operations, budget, &result->after))
        return false;
    result->id = budget->id;
    result->changed = !text_equal(result->before, result->after);
    return !result->changed ||
           (check_twin(operations, budget) &&
            answer(operations, budget, budgets_update(operations->store, budget)));
}

static bool is_above(struct text amount, struct text other)
{
    money left, right;
    return money_parse(amount, &left) == MONEY_GOOD && money_parse(other, &right) == MONEY_GOOD &&
           left > right;
}

static void end_raise(struct stored_budget *budget)
{
    budget->raise_amount = TEXT("");
    budget->raise_until = 0;
}

static bool edit(struct operations *operations, struct text id, const struct object_change *changes,
                 struct operation_result *result)
{
    struct stored_budget budget;
    if (!find(operations, id, &budget) || !write(operations, &budget, &result->before) ||
        !take_change(operations, changes, &budget))
        return false;
    if (!text_empty(budget.raise_amount) && !is_above(budget.raise_amount, budget.amount))
        end_raise(&budget); /* or it would lower what was just said */
    return update(operations, &budget, result);
}

/* Sets the amount that counts until a moment, or takes it back. */
static bool take_raise(struct operations *operations, struct text amount, struct text until,
                       struct stored_budget *budget)
{
    if (amount.data == NULL) {
        end_raise(budget);
        return true;
    }
    if (!take_amount(operations, OBJECT_BUDGET_raised_to, "amount", amount, &budget->raise_amount))
        return false;
    if (!is_above(budget->raise_amount, budget->amount))
        return operations_refuse(operations, ADMIN_PROBLEM_INVALID, "amount",
                                 "%.*s is no more than the budget's %.*s: a raise is above it; to "
                                 "lower a budget, edit its amount",
                                 TEXT_ARG(budget->raise_amount), TEXT_ARG(budget->amount));
    if (!moment_parse(until, operations_now(operations), &budget->raise_until))
        return operations_refuse(operations, ADMIN_PROBLEM_INVALID, "until",
                                 "'%.*s' is no time: write 12h, 3d, 2027-01-31 or "
                                 "2027-01-31T18:00:00Z",
                                 TEXT_ARG(text_first(until, OPERATIONS_SHOWN_MAX)));
    if (budget->raise_until > operations_now(operations))
        return true;
    return operations_refuse(operations, ADMIN_PROBLEM_INVALID, "until",
                             budget->raise_until == 0
                                 ? "a raise has an end; to raise for good, edit the amount"
                                 : "%.*s has passed: the raise would never count",
                             TEXT_ARG(text_first(until, OPERATIONS_SHOWN_MAX)));
}

bool operations_raise_budget(struct operations *operations, struct text id, struct text amount,
                             struct text until, struct operation_result *result)
{
    struct stored_budget budget;
    if (!operations_start(operations, OBJECT_BUDGET, result))
        return false;
    bool good = find(operations, id, &budget) && write(operations, &budget, &result->before) &&
                take_raise(operations, amount, until, &budget) &&
                update(operations, &budget, result);
    return operations_finish(operations, OBJECT_BUDGET, "raise", good, result);
}

static bool delete_budget(struct operations *operations, struct text id,
                          const struct operation_deletion *deletion,
                          struct operation_result *result)
{
    struct stored_budget budget;
    if (!find(operations, id, &budget) || !write(operations, &budget, &result->before))
        return false;
    result->id = budget.id;
    result->changed = true;
    return operations_store_answer(
        operations, budgets_delete(operations->store, budget.id, operations_now(operations)));
}

struct ids {
    struct operations *operations;
    struct text first;
};

static void take_first(void *context, const struct stored_budget *budget)
{
    struct ids *ids = context;
    if (ids->first.data == NULL)
        ids->first = arena_copy(ids->operations->arena, budget->id);
}

static bool first_of_scope(struct operations *operations, const struct operations_scope *scope,
                           struct text *id)
{
    struct ids ids = {operations, text_of(NULL, 0)};
    enum error error =
        budgets_list_scope(operations->store, scope->kind, scope->value, take_first, &ids);
    *id = ids.first;
    return operations_store_answer(operations, error);
}

/* ------------------------------------------------------------------ reading */

static bool find_use(struct operations *operations, const struct stored_budget *budgets,
                     size_t count, struct budget_use *uses)
{
    return operations_store_answer(operations,
                                   budget_use_find(operations->store, operations->zones, budgets,
                                                   count, operations_now(operations), uses));
}

static bool show(struct operations *operations, struct text id, struct text *json)
{
    struct stored_budget budget;
    struct budget_use use;
    struct operations_writer writer;
    if (!find(operations, id, &budget) || !find_use(operations, &budget, 1, &use))
        return false;
    operations_write_begin(&writer);
    write_members(operations, &writer.json, &budget);
    write_use(&writer.json, &use);
    return operations_write_end(operations, &writer, json);
}

/* Budgets that pass the filter. */
struct listing {
    struct operations *operations;
    const struct operations_filter *filter;
    struct stored_budget *budgets;
    size_t count, room;
    bool failed;
};

static void collect(void *context, const struct stored_budget *budget)
{
    struct listing *listing = context;
    struct operations_scope scope = scope_of(budget);
    if (!operations_scope_passes(listing->operations, &scope, listing->filter))
        return;
    if (listing->count == listing->room) {
        listing->room = listing->room ? listing->room * 2 : 64;
        listing->budgets =
            ensure_memory(reallocarray(listing->budgets, listing->room, sizeof *budget));
    }
    listing->budgets[listing->count] = *budget;
    listing->failed |= !keep(listing->operations, &listing->budgets[listing->count++]);
}

static void hand_out(const struct listing *listing, const struct budget_use *uses,
                     void (*found)(void *context, struct text json), void *context)
{
    for (size_t i = 0; i < listing->count; i++) {
        struct operations_writer writer;
        operations_write_begin(&writer);
        write_members(listing->operations, &writer.json, &listing->budgets[i]);
        write_use(&writer.json, &uses[i]);
        operations_write_hand(&writer, found, context);
    }
}

static bool list(struct operations *operations, const struct operations_filter *filter,
                 void (*found)(void *context, struct text json), void *context)
{
    struct listing listing = {.operations = operations, .filter = filter};
    struct budget_use *uses = NULL;
    bool good =
        operations_store_answer(operations, budgets_list(operations->store, collect, &listing)) &&
        !listing.failed;
    if (good) {
        uses = ensure_memory(calloc(listing.count + 1, sizeof *uses));
        good = find_use(operations, listing.budgets, listing.count, uses);
    }
    if (good)
        hand_out(&listing, uses, found, context);
    free(uses);
    free(listing.budgets);
    return good;
}

/* ------------------------------------------------------------------ for apply */

struct matching {
    struct operations *operations;
    const struct stored_budget *wanted;
    struct text id;
};

/* A name names; without one it is the one of that kind without a name. */
static void compare_match(void *context, const struct stored_budget *other)
{
    struct matching *matching = context;
    const struct stored_budget *wanted = matching->wanted;
    if (!text_equal(other->name, wanted->name))
        return;
    if (!text_empty(wanted->name) ||
        (text_equal(other->period, wanted->period) && other->length == wanted->length))
        matching->id = arena_copy(matching->operations->arena, other->id);
}

static bool match(struct operations *operations, const struct object_change *change,
                  struct text *id)
{
    struct operations_scope scope;
    struct stored_budget wanted = blank();
    if (!operations_check_scope(operations, change, &scope_members, &scope) ||
        !take_change(operations, change, &wanted) || !operations_resolve_scope(operations, &scope))
        return false;
    wanted.scope_kind = scope.kind;
    wanted.scope_value = scope.value;
    struct matching matching = {operations, &wanted, TEXT("")};
    enum error error =
        budgets_list_scope(operations->store, scope.kind, scope.value, compare_match, &matching);
    *id = matching.id;
    return operations_store_answer(operations, error);
}

const struct operations_kind operations_budget = {
    check, create, edit, delete_budget, show, list, match, first_of_scope,
};
