/* What the scopes of budgets have spent: every series is summed by itself, once for each period,
 * and a scope is the sum of its series. */
#include "base/ensure.h"
#include "store/table.h"
#include "store/usage_reading.h"

enum { SCOPE_ORGANISATION, SCOPE_TEAM, SCOPE_KEY, SCOPE_TAG, SCOPE_COUNT };

static size_t scope_kind(struct text kind)
{
    static const struct text kinds[SCOPE_COUNT] = {
        [SCOPE_ORGANISATION] = TEXT_INIT("organisation"),
        [SCOPE_TEAM] = TEXT_INIT("team"),
        [SCOPE_KEY] = TEXT_INIT("key"),
        [SCOPE_TAG] = TEXT_INIT("tag"),
    };
    size_t i = 0;
    while (i < SCOPE_COUNT && !text_equal(kinds[i], kind))
        i++;
    return i;
}

/* Of a tag also its name and value, which are apart at the first '='; the name of a team may have
 * one, too. */
static void bind_value(const void *context, struct store_statement *statement)
{
    const struct usage_scope *scope = context;
    ptrdiff_t equals = text_find_char(scope->value, '=');
    store_bind_text(statement, 1, scope->value);
    if (scope_kind(scope->kind) == SCOPE_TAG && equals >= 0) {
        store_bind_text(statement, 2, text_first(scope->value, (size_t)equals));
        store_bind_text(statement, 3, text_from_index(scope->value, (size_t)equals + 1));
    }
}

struct adding {
    const struct usage_reading *reading;
    struct usage_sums *to;
};

static bool add_series(void *context, struct store_statement *statement)
{
    const struct adding *adding = context;
    int64_t series = store_column_integer(statement, 0);
    if (series < 0 || (uint64_t)series >= adding->reading->series_count)
        return true;
    const struct usage_sums *sums = &adding->reading->sums[0][series];
    usage_add_counters(adding->to, &sums->counters, 1);
    adding->to->cost += sums->cost;
    adding->to->adjusted += sums->adjusted;
    return true;
}

/* Adds the sums of the scope's series, which `reading` has, each under its own number. */
static enum error sum_series(const struct usage_reading *reading, struct usage_scope *scope)
{
    static const char *const sql[SCOPE_COUNT] = {
        [SCOPE_ORGANISATION] = "SELECT id FROM usage_series WHERE ?1 IS NOT NULL",
        [SCOPE_TEAM] = "SELECT id FROM usage_series WHERE team = ?1",
        [SCOPE_KEY] = "SELECT id FROM usage_series WHERE key_id = ?1",
        [SCOPE_TAG] = "SELECT id FROM usage_series WHERE ?1 <> '' AND json_valid(tags) AND EXISTS"
                      " (SELECT 1 FROM json_each(tags) WHERE key = ?2 AND"
                      " CAST(value AS TEXT) = ?3)",
    };
    size_t kind = scope_kind(scope->kind);
    if (kind == SCOPE_COUNT)
        return ERROR_ARGUMENT;
    scope->sums = (struct usage_sums){0};
    if (reading->sums[0] == NULL)
        return ERROR_OK;
    struct adding adding = {reading, &scope->sums};
    return table_query(reading->store, sql[kind], bind_value, scope, add_series, &adding, NULL);
}

/* Every series as a group of its own. */
static enum error separate_series(struct usage_reading *reading)
{
    struct store_statement *select;
    size_t capacity = 0;
    bool row;
    enum error error =
        store_prepare(reading->store, "SELECT coalesce(max(id), 0) FROM usage_series", &select);
    if (error)
        return error;
    error = store_step(select, &row);
    if (!error)
        error = usage_reading_make_room(reading, store_column_integer(select, 0), &capacity);
    store_finish(select);
    if (error)
        return error;
    for (size_t i = 0; i < reading->series_count; i++)
        reading->series[i].group = i;
    reading->group_count = reading->series_count;
    return ERROR_OK;
}

static bool same_period(const struct usage_scope *a, const struct usage_scope *b)
{
    return a->from == b->from && a->to == b->to;
}

/* Those of the period of scopes[at], which is the first of them. */
static enum error sum_period(struct store *store, struct usage_scope *scopes, size_t count,
                             size_t at)
{
    const uint64_t edges[] = {scopes[at].from, scopes[at].to};
    struct usage_reading reading;
    enum error error =
        usage_reading_open(&reading, store, edges, ARRAY_LENGTH(edges), USAGE_READING_SUMS);
    if (!error)
        error = separate_series(&reading);
    if (!error)
        error = usage_reading_add_days(&reading);
    for (size_t i = at; !error && i < count; i++) {
        if (same_period(&scopes[at], &scopes[i]))
            error = sum_series(&reading, &scopes[i]);
    }
    usage_reading_close(&reading);
    return error;
}

enum error usage_sum_scopes(struct store *store, struct usage_scope *scopes, size_t count)
{
    enum error error = store_execute(store, USAGE_BEGIN_READING);
    if (error)
        return error;
    for (size_t i = 0; !error && i < count; i++) {
        bool done = false;
        for (size_t before = 0; !done && before < i; before++)
            done = same_period(&scopes[before], &scopes[i]);
        if (!done)
            error = sum_period(store, scopes, count, i);
    }
    enum error ended = store_execute(store, USAGE_END_READING);
    return error ? error : ended;
}

enum error usage_sum(struct store *store, struct text kind, struct text value, uint64_t from,
                     uint64_t to, __int128 *spent)
{
    struct usage_scope scope = {.kind = kind, .value = value, .from = from, .to = to};
    *spent = 0;
    enum error error = usage_sum_scopes(store, &scope, 1);
    if (!error)
        *spent = scope.sums.cost + scope.sums.adjusted;
    return error;
}
