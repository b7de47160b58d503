/* Which series belong to which group; the reading is usage_reading.c's. */
#include "store/usage.h"

#include "base/buffer.h"
#include "base/ensure.h"
#include "store/usage_reading.h"

#define SQL_SIZE_MAX 8192u
#define TAGS_MAX     (2 * USAGE_GROUPS_MAX) /* that a request groups by or filters by */

/* ---- Series ---- */

static bool list_has(const struct usage_list *list, struct text value)
{
    for (size_t i = 0; i < list->count; i++) {
        if (text_equal(list->values[i], value))
            return true;
    }
    return list->count == 0;
}

static bool patterns_match(const struct usage_list *list, struct text model, struct text target)
{
    for (size_t i = 0; i < list->count; i++) {
        if (text_matches_pattern(model, list->values[i]) ||
            text_matches_pattern(target, list->values[i]))
            return true;
    }
    return list->count == 0;
}

/* id, then those of usage_dimension in its order, then the tags asked for. */
enum { SERIES_ID, SERIES_DIMENSIONS };

static struct text dimension_of(struct store_statement *select, enum usage_dimension dimension)
{
    return store_column_text(select, SERIES_DIMENSIONS + (int)dimension);
}

static bool wanted(const struct usage_request *request, struct store_statement *select)
{
    int tags = SERIES_DIMENSIONS + USAGE_BY_TAG;
    if (!list_has(&request->teams, dimension_of(select, USAGE_BY_TEAM)) ||
        !list_has(&request->keys, dimension_of(select, USAGE_BY_KEY)) ||
        !list_has(&request->providers, dimension_of(select, USAGE_BY_PROVIDER)) ||
        !patterns_match(&request->models, dimension_of(select, USAGE_BY_MODEL),
                        dimension_of(select, USAGE_BY_TARGET_MODEL)))
        return false;
    for (size_t i = 0; i < request->tag_count; i++) {
        int column = tags + (int)(request->group_count + i);
        if (store_column_is_null(select, column) ||
            !text_equal(store_column_text(select, column), request->tags[i].value))
            return false;
    }
    return true;
}

/* A tag's column for each group (unused for those that are none), then for each tag of the filter.
 * What is no JSON object has no tags. */
static enum error select_series(struct store *store, const struct usage_request *request,
                                struct store_statement **out)
{
    struct buffer sql;
    size_t columns = request->group_count + request->tag_count;
    if (columns > TAGS_MAX || request->group_count > USAGE_GROUPS_MAX)
        return ERROR_LIMIT;
    buffer_open(&sql, SQL_SIZE_MAX);
    buffer_append(&sql,
                  TEXT("SELECT id, team, key_id, model, target_model, provider, service, tags"));
    for (size_t i = 0; i < columns; i++)
        buffer_append(&sql, TEXT(", (SELECT CAST(value AS TEXT) FROM json_each(iif("
                                 "json_valid(tags), tags, '{}')) WHERE key = ?)"));
    buffer_append(
        &sql, text_of(" FROM usage_series ORDER BY id", sizeof " FROM usage_series ORDER BY id"));
    enum error error = sql.failed ? ERROR_MEMORY : store_prepare(store, sql.data, out);
    buffer_close(&sql);
    if (error)
        return error;
    for (size_t i = 0; i < request->group_count; i++)
        store_bind_text(*out, (int)i + 1, request->groups[i].tag);
    for (size_t i = 0; i < request->tag_count; i++)
        store_bind_text(*out, (int)(request->group_count + i) + 1, request->tags[i].name);
    return ERROR_OK;
}

/* The values and, behind them, their bytes, in one piece. */
static struct text *copy_values(const struct usage_request *request, struct store_statement *select)
{
    struct text values[USAGE_GROUPS_MAX];
    size_t size = 1;
    for (size_t i = 0; i < request->group_count; i++) {
        int column = SERIES_DIMENSIONS + (int)request->groups[i].dimension;
        if (request->groups[i].dimension == USAGE_BY_TAG)
            column += (int)i;
        values[i] = store_column_text(select, column);
        size += values[i].length;
    }
    struct text *copy = malloc(request->group_count * sizeof *copy + size);
    if (copy == NULL)
        return NULL;
    char *bytes = (char *)(copy + request->group_count);
    for (size_t i = 0; i < request->group_count; i++) {
        if (values[i].length > 0)
            memcpy(bytes, values[i].data, values[i].length);
        copy[i] = text_of(bytes, values[i].length);
        bytes += values[i].length;
    }
    return copy;
}

static enum error read_series(struct usage_reading *reading, const struct usage_request *request)
{
    struct store_statement *select;
    size_t capacity = 0;
    enum error error = select_series(reading->store, request, &select);
    if (error)
        return error;
    for (bool row = true; !(error = store_step(select, &row)) && row;) {
        int64_t id = store_column_integer(select, SERIES_ID);
        error = usage_reading_make_room(reading, id, &capacity);
        if (error)
            break;
        if (!wanted(request, select))
            continue;
        reading->series[id].values = copy_values(request, select);
        if (reading->series[id].values == NULL) {
            error = ERROR_MEMORY;
            break;
        }
    }
    store_finish(select);
    return error;
}

/* ---- Groups ---- */

struct member {
    const struct text *values;
    size_t count; /* of values */
    size_t series;
};

static int compare_members(const void *left, const void *right)
{
    const struct member *a = left, *b = right;
    for (size_t i = 0; i < a->count; i++) {
        int order = text_compare(a->values[i], b->values[i]);
        if (order != 0)
            return order;
    }
    return 0;
}

/* Numbers the groups in the order of their values. `first` gets a series of each group. */
static enum error number_groups(struct usage_reading *reading, size_t group_count, size_t **first)
{
    struct member *members = malloc((reading->series_count + 1) * sizeof *members);
    *first = calloc(reading->series_count + 1, sizeof **first);
    if (members == NULL || *first == NULL) {
        free(members);
        return ERROR_MEMORY;
    }
    size_t count = 0;
    for (size_t i = 0; i < reading->series_count; i++) {
        if (reading->series[i].values != NULL)
            members[count++] = (struct member){reading->series[i].values, group_count, i};
    }
    if (count > 0)
        qsort(members, count, sizeof *members, compare_members);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || compare_members(&members[i - 1], &members[i]) != 0)
            (*first)[reading->group_count++] = members[i].series;
        reading->series[members[i].series].group = reading->group_count - 1;
    }
    free(members);
    return ERROR_OK;
}

static bool is_nothing(const struct usage_sums *sums)
{
    return sums->counters.calls == 0 && sums->cost == 0 && sums->adjusted == 0;
}

static void visit_rows(const struct usage_reading *reading, const size_t *first, usage_visit visit,
                       void *context)
{
    for (size_t interval = 0; interval < reading->interval_count; interval++) {
        for (size_t group = 0; reading->sums[interval] && group < reading->group_count; group++) {
            struct usage_row row = {
                .interval = interval,
                .values = first ? reading->series[first[group]].values : NULL,
                .sums = &reading->sums[interval][group],
                .times = reading->times != NULL ? &reading->times[interval][group] : NULL};
            if (!is_nothing(row.sums) && !visit(context, &row))
                return;
        }
    }
}

/* ---- Asking ---- */

/* No groups and no filter. */
static bool is_about_all(const struct usage_request *request)
{
    return request->group_count == 0 && request->tag_count == 0 && request->teams.count == 0 &&
           request->keys.count == 0 && request->providers.count == 0 && request->models.count == 0;
}

enum error usage_query(struct store *store, const struct usage_request *request, usage_visit visit,
                       void *context)
{
    struct usage_reading reading;
    size_t *first = NULL;
    bool all = is_about_all(request);
    enum usage_reading_what what = (request->times ? USAGE_READING_TIMES : USAGE_READING_SUMS) |
                                   (all ? USAGE_READING_OF_ALL : USAGE_READING_SUMS);
    enum error error = store_execute(store, USAGE_BEGIN_READING);
    if (error)
        return error;
    error = usage_reading_open(&reading, store, request->edges, request->edge_count, what);
    if (!error && !all)
        error = read_series(&reading, request);
    if (!error && !all)
        error = number_groups(&reading, request->group_count, &first);
    if (!error)
        error = usage_reading_add_days(&reading);
    if (!error)
        visit_rows(&reading, first, visit, context);
    free(first);
    usage_reading_close(&reading);
    enum error ended = store_execute(store, USAGE_END_READING);
    return error ? error : ended;
}

enum error usage_bounds(struct store *store, uint64_t *first, uint64_t *end)
{
    int64_t from, last;
    enum error error = usage_read_bounds(store, &from, &last);
    *first = error ? 0 : (uint64_t)from * ROLLUP_QUARTER;
    *end = error ? 0 : (uint64_t)(last + 1) * ROLLUP_QUARTER;
    return error;
}
