/* An answer is made in one reading of the store:
 *
 *   series   all of them are read; each gets the number of its group, or none when the filter does
 *            not want it
 *   days     a day (UTC) that lies within one interval is taken whole from usage_days
 *   parts    a day that edges cut is put together of quarters, and at an edge within a quarter of
 *            records; when most of the day belongs to one interval, of the day less the rest
 *
 * What is read is added, with its sign, to the sums of its interval and group. */
#include "store/usage.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/ensure.h"
#include "base/identifier.h"
#include "store/table.h"

/* An id's time is when it was made, a moment from when the exchange started. */
#define ID_SLACK     (60 * NANOSECONDS_PER_SECOND)
#define NONE         SIZE_MAX
#define SQL_SIZE_MAX 8192u
#define TAGS_MAX     (2 * USAGE_GROUPS_MAX) /* that a request groups by or filters by */

struct series {
    size_t group; /* NONE: not wanted */
    struct text *values;
};

struct reading {
    struct store *store;
    const uint64_t *edges;
    size_t interval_count;
    struct series *series; /* by id */
    size_t series_count;   /* the highest id and 1 */
    size_t group_count;
    struct usage_sums **sums; /* for each interval those of the groups; NULL: nothing yet */
    size_t rows;              /* allocated in them */
    struct store_statement *days, *quarters, *records, *adjustments;
};

/* ---- Memory ---- */

static enum error find_sums(struct reading *reading, size_t interval, int64_t series,
                            struct usage_sums **out)
{
    *out = NULL;
    if (series < 0 || (uint64_t)series >= reading->series_count)
        return ERROR_OK;
    size_t group = reading->series[series].group;
    if (group == NONE)
        return ERROR_OK;
    if (reading->sums[interval] == NULL) {
        if (reading->rows + reading->group_count > USAGE_ROWS_MAX)
            return ERROR_LIMIT;
        reading->sums[interval] = calloc(reading->group_count, sizeof **reading->sums);
        if (reading->sums[interval] == NULL)
            return ERROR_MEMORY;
        reading->rows += reading->group_count;
    }
    *out = &reading->sums[interval][group];
    return ERROR_OK;
}

static void close_reading(struct reading *reading)
{
    for (size_t i = 0; reading->sums != NULL && i < reading->interval_count; i++)
        free(reading->sums[i]);
    for (size_t i = 0; reading->series != NULL && i < reading->series_count; i++)
        free(reading->series[i].values);
    free(reading->sums);
    free(reading->series);
    store_finish(reading->days);
    store_finish(reading->quarters);
    store_finish(reading->records);
    store_finish(reading->adjustments);
}

static enum error prepare_buckets(struct store *store, const char *table,
                                  struct store_statement **out)
{
#define COUNTER(name, description) ", " #name
    static const char counters[] =
#include "tables/usage_counters.def"
        ;
#undef COUNTER
    char sql[SQL_SIZE_MAX];
    _Static_assert(sizeof counters + 256 <= sizeof sql, "the statement fits");
    (void)snprintf(sql, sizeof sql,
                   "SELECT series, cost_usd, cost_picos, adjusted_usd, adjusted_picos%s FROM %s"
                   " WHERE bucket >= ? AND bucket < ?",
                   counters, table);
    return store_prepare(store, sql, out);
}

static enum error prepare(struct reading *reading)
{
    struct store *store = reading->store;
    enum error error = prepare_buckets(store, "usage_days", &reading->days);
    if (!error)
        error = prepare_buckets(store, "usage_quarters", &reading->quarters);
    if (!error)
        error = store_prepare(
            store,
            "SELECT series, outcome, cost_state, calls, cost, duration"
#define COUNTER(name, description)
#define COUNTER_FIELD(name, description) ", " #name
#include "tables/usage_counters.def"
#undef COUNTER
            " FROM exchanges WHERE id >= ? AND id < ? AND started_at >= ? AND started_at < ?"
            " AND series IS NOT NULL",
            &reading->records);
    if (!error)
        error =
            store_prepare(store,
                          "SELECT e.series, a.before, a.after FROM adjustments a JOIN exchanges e"
                          " ON e.id = a.exchange WHERE a.exchange >= ? AND a.exchange < ?"
                          " AND e.started_at >= ? AND e.started_at < ? AND e.series IS NOT NULL",
                          &reading->adjustments);
    return error;
}

/* `edges` must stay valid. */
static enum error open_reading(struct reading *reading, struct store *store, const uint64_t *edges,
                               size_t edge_count)
{
    *reading = (struct reading){.store = store, .edges = edges};
    if (edge_count < 2)
        return ERROR_ARGUMENT;
    for (size_t i = 1; i < edge_count; i++) {
        if (edges[i] < edges[i - 1])
            return ERROR_ARGUMENT;
    }
    reading->interval_count = edge_count - 1;
    if (reading->interval_count > USAGE_ROWS_MAX)
        return ERROR_LIMIT;
    reading->sums = calloc(reading->interval_count, sizeof *reading->sums);
    if (reading->sums == NULL)
        return ERROR_MEMORY;
    return prepare(reading);
}

/* ---- Adding up ---- */

enum { COLUMN_SERIES, COLUMN_COST, COLUMN_ADJUSTED = 3, COLUMN_COUNTERS = 5 };

static __int128 read_money(struct store_statement *statement, int column)
{
    return (__int128)store_column_integer(statement, column) * ROLLUP_PICOS +
           store_column_integer(statement, column + 1);
}

static int64_t add_saturating(int64_t a, int64_t b)
{
    int64_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return b > 0 ? INT64_MAX : INT64_MIN;
    return sum;
}

static void add_counters(struct usage_sums *sums, const struct usage_counters *counters, int sign)
{
#define COUNTER(name, description) \
    sums->counters.name = add_saturating(sums->counters.name, sign * counters->name);
#include "tables/usage_counters.def"
#undef COUNTER
}

static enum error add_buckets(struct reading *reading, struct store_statement *select,
                              uint64_t from, uint64_t to, size_t interval, int sign)
{
    enum error error;
    store_bind_integer(select, 1, (int64_t)from);
    store_bind_integer(select, 2, (int64_t)to);
    for (bool row = true; !(error = store_step(select, &row)) && row;) {
        struct usage_sums *sums;
        struct usage_counters counters;
        int column = COLUMN_COUNTERS;
        error = find_sums(reading, interval, store_column_integer(select, COLUMN_SERIES), &sums);
        if (error)
            break;
        if (sums == NULL)
            continue;
#define COUNTER(name, description) counters.name = store_column_integer(select, column++);
#include "tables/usage_counters.def"
#undef COUNTER
        add_counters(sums, &counters, sign);
        sums->cost += sign * read_money(select, COLUMN_COST);
        sums->adjusted += sign * read_money(select, COLUMN_ADJUSTED);
    }
    store_reset(select);
    return error;
}

static int64_t read_count(struct store_statement *statement, int column)
{
    return store_column_is_null(statement, column) ? -1 : store_column_integer(statement, column);
}

/* Of ids: from those of a minute before to those of a minute after. */
struct id_bounds {
    struct identifier from, to;
};

static void bind_bounds(struct store_statement *select, struct id_bounds *bounds, uint64_t from,
                        uint64_t to)
{
    bounds->from = identifier_lowest(from > ID_SLACK ? from - ID_SLACK : 0);
    bounds->to = identifier_lowest(to + ID_SLACK);
    store_bind_blob(select, 1, bounds->from.bytes, sizeof bounds->from.bytes);
    store_bind_blob(select, 2, bounds->to.bytes, sizeof bounds->to.bytes);
    store_bind_integer(select, 3, (int64_t)from);
    store_bind_integer(select, 4, (int64_t)to);
}

static void add_record(struct usage_sums *sums, struct store_statement *select, int sign)
{
    struct usage_counters counters;
    struct rollup_call call = {.outcome = store_column_text(select, 1),
                               .cost_state = store_column_text(select, 2),
                               .call_count = read_count(select, 3),
                               .cost = read_count(select, 4),
                               .duration = read_count(select, 5)};
    int column = 6;
#define COUNTER(name, description)
#define COUNTER_FIELD(name, description) call.name = read_count(select, column++);
#include "tables/usage_counters.def"
#undef COUNTER
    rollup_count(&call, &counters);
    add_counters(sums, &counters, sign);
    if (call.cost > 0)
        sums->cost += (__int128)sign * call.cost;
}

static void add_adjustment(struct usage_sums *sums, struct store_statement *select, int sign)
{
    int64_t before = store_column_integer(select, 1);
    __int128 difference = store_column_integer(select, 2);
    if (before > 0)
        difference -= before;
    sums->adjusted += sign * difference;
    if (before < 0)
        sums->counters.unpriced -= sign;
}

static enum error add_rows(struct reading *reading, struct store_statement *select, uint64_t from,
                           uint64_t to, size_t interval, int sign,
                           void (*add)(struct usage_sums *, struct store_statement *, int))
{
    struct id_bounds bounds;
    enum error error;
    bind_bounds(select, &bounds, from, to);
    for (bool row = true; !(error = store_step(select, &row)) && row;) {
        struct usage_sums *sums;
        error = find_sums(reading, interval, store_column_integer(select, COLUMN_SERIES), &sums);
        if (error)
            break;
        if (sums != NULL)
            add(sums, select, sign);
    }
    store_reset(select);
    return error;
}

static enum error add_records(struct reading *reading, uint64_t from, uint64_t to, size_t interval,
                              int sign)
{
    if (from >= to)
        return ERROR_OK;
    enum error error = add_rows(reading, reading->records, from, to, interval, sign, add_record);
    if (!error)
        error = add_rows(reading, reading->adjustments, from, to, interval, sign, add_adjustment);
    return error;
}

/* Any part of a day: its whole quarters, and records at its ends. */
static enum error add_part(struct reading *reading, uint64_t from, uint64_t to, size_t interval,
                           int sign)
{
    uint64_t first = (from + ROLLUP_QUARTER - 1) / ROLLUP_QUARTER;
    uint64_t end = to / ROLLUP_QUARTER;
    if (first > end)
        return add_records(reading, from, to, interval, sign);
    enum error error = add_records(reading, from, first * ROLLUP_QUARTER, interval, sign);
    if (!error && first < end)
        error = add_buckets(reading, reading->quarters, first, end, interval, sign);
    if (!error)
        error = add_records(reading, end * ROLLUP_QUARTER, to, interval, sign);
    return error;
}

/* ---- Walking over the days ---- */

/* A part of a day between edges; `interval` is NONE before the first and after the last edge. */
struct part {
    uint64_t from, to;
    size_t interval;
};

/* The part that begins at `from`, at most to `end`; `next` is the first edge after `from`. */
static struct part part_at(const struct reading *reading, uint64_t from, uint64_t end, size_t *next)
{
    while (*next <= reading->interval_count && reading->edges[*next] <= from)
        ++*next;
    struct part part = {.from = from, .to = end, .interval = NONE};
    if (*next <= reading->interval_count && reading->edges[*next] < end)
        part.to = reading->edges[*next];
    if (*next > 0 && *next <= reading->interval_count)
        part.interval = *next - 1;
    return part;
}

/* The longest part of the day that is wanted, and how much of the day is wanted. */
static struct part longest_part(const struct reading *reading, uint64_t from, uint64_t end,
                                size_t next, uint64_t *wanted)
{
    struct part longest = {.interval = NONE};
    *wanted = 0;
    for (uint64_t at = from; at < end;) {
        struct part part = part_at(reading, at, end, &next);
        if (part.interval != NONE) {
            *wanted += part.to - part.from;
            if (longest.interval == NONE || part.to - part.from > longest.to - longest.from)
                longest = part;
        }
        at = part.to;
    }
    return longest;
}

/* A day that edges cut. When all but its longest part is less than what is wanted of it, that part
 * is the day without the others. */
static enum error add_cut_day(struct reading *reading, uint64_t day, size_t next)
{
    uint64_t from = day * ROLLUP_DAY, end = from + ROLLUP_DAY, wanted;
    struct part longest = longest_part(reading, from, end, next, &wanted);
    if (longest.interval == NONE)
        return ERROR_OK;
    bool whole = ROLLUP_DAY - (longest.to - longest.from) < wanted;
    enum error error = ERROR_OK;
    if (whole)
        error = add_buckets(reading, reading->days, day, day + 1, longest.interval, 1);
    for (uint64_t at = from; !error && at < end;) {
        struct part part = part_at(reading, at, end, &next);
        at = part.to;
        if (whole && part.from == longest.from)
            continue;
        if (part.interval != NONE)
            error = add_part(reading, part.from, part.to, part.interval, 1);
        if (!error && whole)
            error = add_part(reading, part.from, part.to, longest.interval, -1);
    }
    return error;
}

/* The first and the last quarter; those of the first and the last day where quarters of old days
 * have been deleted. */
static enum error read_bounds(struct store *store, int64_t *first, int64_t *last)
{
    struct store_statement *select;
    bool row;
    *first = 0;
    *last = -1;
    enum error error = store_prepare(store,
                                     "SELECT (SELECT min(bucket) FROM usage_days),"
                                     " (SELECT max(bucket) FROM usage_days),"
                                     " (SELECT min(bucket) FROM usage_quarters),"
                                     " (SELECT max(bucket) FROM usage_quarters)",
                                     &select);
    if (error)
        return error;
    error = store_step(select, &row);
    if (!error && row && !store_column_is_null(select, 0)) {
        int64_t first_day = store_column_integer(select, 0);
        int64_t last_day = store_column_integer(select, 1);
        *first = store_column_integer(select, 2);
        *last = store_column_integer(select, 3);
        if (*first / ROLLUP_QUARTERS_PER_DAY != first_day)
            *first = first_day * ROLLUP_QUARTERS_PER_DAY;
        if (*last / ROLLUP_QUARTERS_PER_DAY != last_day)
            *last = (last_day + 1) * ROLLUP_QUARTERS_PER_DAY - 1;
    }
    store_finish(select);
    return error;
}

enum error usage_bounds(struct store *store, uint64_t *first, uint64_t *end)
{
    int64_t from, last;
    enum error error = read_bounds(store, &from, &last);
    *first = error ? 0 : (uint64_t)from * ROLLUP_QUARTER;
    *end = error ? 0 : (uint64_t)(last + 1) * ROLLUP_QUARTER;
    return error;
}

/* How many days from `day` on lie within the interval before the edge `next`. */
static uint64_t whole_days(const struct reading *reading, uint64_t day, uint64_t end_day,
                           size_t next)
{
    if (next == 0 || next > reading->interval_count)
        return 0;
    uint64_t last = reading->edges[next] / ROLLUP_DAY;
    if (last > end_day)
        last = end_day;
    return last > day ? last - day : 0;
}

static enum error add_days(struct reading *reading)
{
    int64_t first, last;
    enum error error = read_bounds(reading->store, &first, &last);
    if (error || last < first)
        return error;
    uint64_t day = (uint64_t)first / ROLLUP_QUARTERS_PER_DAY;
    uint64_t end = (uint64_t)last / ROLLUP_QUARTERS_PER_DAY + 1;
    if (reading->edges[0] / ROLLUP_DAY > day)
        day = reading->edges[0] / ROLLUP_DAY;
    uint64_t last_edge = reading->edges[reading->interval_count];
    size_t next = 0;
    while (!error && day < end && day * ROLLUP_DAY < last_edge) {
        while (next <= reading->interval_count && reading->edges[next] <= day * ROLLUP_DAY)
            next++;
        uint64_t whole = whole_days(reading, day, end, next);
        if (whole > 0) {
            error = add_buckets(reading, reading->days, day, day + whole, next - 1, 1);
            day += whole;
        } else {
            error = add_cut_day(reading, day++, next);
        }
    }
    return error;
}

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

static enum error make_room_for_series(struct reading *reading, int64_t id, size_t *capacity)
{
    if (id < 0 || id > INT32_MAX)
        return ERROR_CORRUPT;
    if ((size_t)id >= *capacity) {
        size_t wider = 2 * (size_t)id + 64;
        struct series *series = realloc(reading->series, wider * sizeof *series);
        if (series == NULL)
            return ERROR_MEMORY;
        reading->series = series;
        *capacity = wider;
    }
    while (reading->series_count <= (size_t)id)
        reading->series[reading->series_count++] = (struct series){.group = NONE};
    return ERROR_OK;
}

static enum error read_series(struct reading *reading, const struct usage_request *request)
{
    struct store_statement *select;
    size_t capacity = 0;
    enum error error = select_series(reading->store, request, &select);
    if (error)
        return error;
    for (bool row = true; !(error = store_step(select, &row)) && row;) {
        int64_t id = store_column_integer(select, SERIES_ID);
        error = make_room_for_series(reading, id, &capacity);
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
static enum error number_groups(struct reading *reading, size_t group_count, size_t **first)
{
    struct member *members = malloc((reading->series_count + 1) * sizeof *members);
    *first = malloc((reading->series_count + 1) * sizeof **first);
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

static void visit_rows(const struct reading *reading, const size_t *first, usage_visit visit,
                       void *context)
{
    for (size_t interval = 0; interval < reading->interval_count; interval++) {
        for (size_t group = 0; reading->sums[interval] && group < reading->group_count; group++) {
            struct usage_row row = {.interval = interval,
                                    .values = reading->series[first[group]].values,
                                    .sums = &reading->sums[interval][group]};
            if (!is_nothing(row.sums) && !visit(context, &row))
                return;
        }
    }
}

/* ---- Asking ---- */

/* All statements of an answer see the same state of the store; within a transaction of the caller
 * too. */
#define BEGIN_READING "SAVEPOINT usage"
#define END_READING   "RELEASE usage"

enum error usage_query(struct store *store, const struct usage_request *request, usage_visit visit,
                       void *context)
{
    struct reading reading;
    size_t *first = NULL;
    enum error error = store_execute(store, BEGIN_READING);
    if (error)
        return error;
    error = open_reading(&reading, store, request->edges, request->edge_count);
    if (!error)
        error = read_series(&reading, request);
    if (!error)
        error = number_groups(&reading, request->group_count, &first);
    if (!error)
        error = add_days(&reading);
    if (!error)
        visit_rows(&reading, first, visit, context);
    free(first);
    close_reading(&reading);
    enum error ended = store_execute(store, END_READING);
    return error ? error : ended;
}

/* ---- Scopes of budgets ---- */

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

static void bind_value(const void *context, struct store_statement *statement)
{
    struct text rest = *(const struct text *)context;
    store_bind_text(statement, 1, rest);
    ptrdiff_t equals = text_find_char(rest, '=');
    if (equals >= 0) {
        store_bind_text(statement, 2, text_first(rest, (size_t)equals));
        store_bind_text(statement, 3, text_from_index(rest, (size_t)equals + 1));
    }
}

struct adding {
    const struct reading *reading;
    struct usage_sums *to;
};

static bool add_series(void *context, struct store_statement *statement)
{
    const struct adding *adding = context;
    int64_t series = store_column_integer(statement, 0);
    if (series < 0 || (uint64_t)series >= adding->reading->series_count)
        return true;
    const struct usage_sums *sums = &adding->reading->sums[0][series];
    add_counters(adding->to, &sums->counters, 1);
    adding->to->cost += sums->cost;
    adding->to->adjusted += sums->adjusted;
    return true;
}

/* Adds the sums of the scope's series, which `reading` has, each under its own number. */
static enum error sum_series(const struct reading *reading, struct usage_scope *scope)
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
    return table_query(reading->store, sql[kind], bind_value, &scope->value, add_series, &adding,
                       NULL);
}

/* Every series as a group of its own. */
static enum error separate_series(struct reading *reading)
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
        error = make_room_for_series(reading, store_column_integer(select, 0), &capacity);
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
    struct reading reading;
    enum error error = open_reading(&reading, store, edges, ARRAY_LENGTH(edges));
    if (!error)
        error = separate_series(&reading);
    if (!error)
        error = add_days(&reading);
    for (size_t i = at; !error && i < count; i++) {
        if (same_period(&scopes[at], &scopes[i]))
            error = sum_series(&reading, &scopes[i]);
    }
    close_reading(&reading);
    return error;
}

enum error usage_sum_scopes(struct store *store, struct usage_scope *scopes, size_t count)
{
    enum error error = store_execute(store, BEGIN_READING);
    if (error)
        return error;
    for (size_t i = 0; !error && i < count; i++) {
        bool done = false;
        for (size_t before = 0; !done && before < i; before++)
            done = same_period(&scopes[before], &scopes[i]);
        if (!done)
            error = sum_period(store, scopes, count, i);
    }
    enum error ended = store_execute(store, END_READING);
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
