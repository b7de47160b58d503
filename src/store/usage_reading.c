/* An answer is made in one reading of the store:
 *
 *   series   all of them are read; each gets the number of its group, or none when the filter does
 *            not want it
 *   days     a day (UTC) that lies within one interval is taken whole from usage_days
 *   parts    a day that edges cut is put together of quarters, and at an edge within a quarter of
 *            records; when most of the day belongs to one interval, of the day less the rest
 *
 * What is read is added, with its sign, to the sums of its interval and group. */
#include "store/usage_reading.h"

#include "base/clock.h"
#include "base/identifier.h"
#include "base/note.h"
#include "store/table.h"

/* An id's time is when it was made, a moment from when the exchange started. */
#define ID_SLACK     (60 * NANOSECONDS_PER_SECOND)
#define SQL_SIZE_MAX 8192u
#define OUTSIDE      SIZE_MAX /* of all intervals */

/* ---- Memory ---- */

/* Where something is added to. */
struct place {
    struct usage_sums *sums;   /* NULL: it is not wanted */
    struct usage_times *times; /* NULL: the times are not */
};

static enum error make_place(struct usage_reading *reading, size_t interval)
{
    size_t most = reading->times != NULL ? USAGE_TIMES_MAX : USAGE_ROWS_MAX;
    if (reading->rows + reading->group_count > most)
        return ERROR_LIMIT;
    reading->sums[interval] = calloc(reading->group_count, sizeof **reading->sums);
    if (reading->times != NULL)
        reading->times[interval] = calloc(reading->group_count, sizeof **reading->times);
    if (reading->sums[interval] == NULL ||
        (reading->times != NULL && reading->times[interval] == NULL))
        return ERROR_MEMORY;
    reading->rows += reading->group_count;
    return ERROR_OK;
}

static enum error find_place(struct usage_reading *reading, size_t interval, int64_t series,
                             struct place *out)
{
    *out = (struct place){0};
    size_t group = 0;
    if (!reading->of_all) {
        if (series < 0 || (uint64_t)series >= reading->series_count)
            return ERROR_OK;
        group = reading->series[series].group;
        if (group == USAGE_NO_GROUP)
            return ERROR_OK;
    }
    if (reading->sums[interval] == NULL) {
        enum error error = make_place(reading, interval);
        if (error)
            return error;
    }
    out->sums = &reading->sums[interval][group];
    out->times = reading->times != NULL ? &reading->times[interval][group] : NULL;
    return ERROR_OK;
}

void usage_reading_close(struct usage_reading *reading)
{
    for (size_t i = 0; reading->sums != NULL && i < reading->interval_count; i++)
        free(reading->sums[i]);
    for (size_t i = 0; reading->times != NULL && i < reading->interval_count; i++)
        free(reading->times[i]);
    for (size_t i = 0; reading->series != NULL && i < reading->series_count; i++)
        free(reading->series[i].values);
    free(reading->sums);
    free(reading->times);
    free(reading->series);
    store_finish(reading->days);
    store_finish(reading->quarters);
    exchanges_close(&reading->records);
    store_finish(reading->adjustments);
}

static enum error prepare_buckets(struct store *store, const char *table, bool times,
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
                   "SELECT series, cost_usd, cost_picos, adjusted_usd, adjusted_picos%s%s FROM %s"
                   " WHERE bucket >= ? AND bucket < ?",
                   counters, times ? ", durations, first_tokens" : "", table);
    return store_prepare(store, sql, out);
}

static enum error prepare(struct usage_reading *reading)
{
    struct store *store = reading->store;
    bool times = reading->times != NULL;
    enum error error = prepare_buckets(store, "usage_days", times, &reading->days);
    if (!error)
        error = prepare_buckets(store, reading->of_all ? "usage_totals" : "usage_quarters", times,
                                &reading->quarters);
    if (!error)
        error = exchanges_open(&reading->records, store,
                               "WHERE id >= ? AND id < ? AND started_at >= ? AND started_at < ?"
                               " AND series IS NOT NULL");
    if (!error)
        error =
            store_prepare(store,
                          "SELECT e.series, a.before, a.after FROM adjustments a JOIN exchanges e"
                          " ON e.id = a.exchange WHERE a.exchange >= ? AND a.exchange < ?"
                          " AND e.started_at >= ? AND e.started_at < ? AND e.series IS NOT NULL",
                          &reading->adjustments);
    return error;
}

enum error usage_reading_open(struct usage_reading *reading, struct store *store,
                              const uint64_t *edges, size_t edge_count,
                              enum usage_reading_what what)
{
    bool times = what & USAGE_READING_TIMES;
    *reading = (struct usage_reading){.store = store, .edges = edges};
    reading->of_all = what & USAGE_READING_OF_ALL;
    reading->group_count = reading->of_all ? 1 : 0;
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
    if (times)
        reading->times = calloc(reading->interval_count, sizeof *reading->times);
    if (reading->sums == NULL || (times && reading->times == NULL))
        return ERROR_MEMORY;
    return prepare(reading);
}

enum error usage_reading_make_room(struct usage_reading *reading, int64_t id, size_t *capacity)
{
    if (id < 0 || id > INT32_MAX)
        return ERROR_CORRUPT;
    if ((size_t)id >= *capacity) {
        size_t wider = 2 * (size_t)id + 64;
        struct usage_series *series = realloc(reading->series, wider * sizeof *series);
        if (series == NULL)
            return ERROR_MEMORY;
        reading->series = series;
        *capacity = wider;
    }
    while (reading->series_count <= (size_t)id)
        reading->series[reading->series_count++] = (struct usage_series){.group = USAGE_NO_GROUP};
    return ERROR_OK;
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

void usage_add_counters(struct usage_sums *sums, const struct usage_counters *counters, int sign)
{
#define COUNTER(name, description) \
    sums->counters.name = add_saturating(sums->counters.name, sign * counters->name);
#include "tables/usage_counters.def"
#undef COUNTER
}

/* Of a damaged histogram what comes before the damage counts. */
static void add_times(struct usage_times *times, struct store_statement *select, int column,
                      int sign)
{
    if (!histogram_add(&times->durations, store_column_text(select, column), sign) ||
        !histogram_add(&times->first_tokens, store_column_text(select, column + 1), sign))
        note_error("store", "a histogram of the rollups is damaged; passed over");
}

static enum error add_buckets(struct usage_reading *reading, struct store_statement *select,
                              uint64_t from, uint64_t to, size_t interval, int sign)
{
    enum error error;
    store_bind_integer(select, 1, (int64_t)from);
    store_bind_integer(select, 2, (int64_t)to);
    for (bool row = true; !(error = store_step(select, &row)) && row;) {
        struct place place;
        struct usage_counters counters;
        int column = COLUMN_COUNTERS;
        error = find_place(reading, interval, store_column_integer(select, COLUMN_SERIES), &place);
        if (error)
            break;
        if (place.sums == NULL)
            continue;
#define COUNTER(name, description) counters.name = store_column_integer(select, column++);
#include "tables/usage_counters.def"
#undef COUNTER
        usage_add_counters(place.sums, &counters, sign);
        place.sums->cost += sign * read_money(select, COLUMN_COST);
        place.sums->adjusted += sign * read_money(select, COLUMN_ADJUSTED);
        if (place.times != NULL)
            add_times(place.times, select, column, sign);
    }
    store_reset(select);
    return error;
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

static void add_record(const struct place *place, const struct record *record, int sign)
{
    struct usage_counters counters;
    struct rollup_call call;
    int64_t duration, first_token;
    rollup_describe(record, &call);
    rollup_count(&call, &counters);
    usage_add_counters(place->sums, &counters, sign);
    if (call.cost > 0)
        place->sums->cost += (__int128)sign * call.cost;
    if (place->times == NULL)
        return;
    rollup_times(&call, &duration, &first_token);
    if (duration >= 0)
        histogram_add_time(&place->times->durations, (uint64_t)duration, sign);
    if (first_token >= 0)
        histogram_add_time(&place->times->first_tokens, (uint64_t)first_token, sign);
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

static enum error add_records(struct usage_reading *reading, uint64_t from, uint64_t to,
                              size_t interval, int sign)
{
    struct id_bounds bounds;
    struct exchange_row row;
    enum error error;
    bind_bounds(reading->records.select, &bounds, from, to);
    for (bool found = true; !(error = exchanges_next(&reading->records, &row, &found)) && found;) {
        struct place place;
        error = find_place(reading, interval, row.series, &place);
        if (error)
            break;
        if (place.sums != NULL)
            add_record(&place, &row.record, sign);
    }
    exchanges_reset(&reading->records);
    return error;
}

static enum error add_adjustments(struct usage_reading *reading, uint64_t from, uint64_t to,
                                  size_t interval, int sign)
{
    struct store_statement *select = reading->adjustments;
    struct id_bounds bounds;
    enum error error;
    bind_bounds(select, &bounds, from, to);
    for (bool row = true; !(error = store_step(select, &row)) && row;) {
        struct place place;
        error = find_place(reading, interval, store_column_integer(select, COLUMN_SERIES), &place);
        if (error)
            break;
        if (place.sums != NULL)
            add_adjustment(place.sums, select, sign);
    }
    store_reset(select);
    return error;
}

/* What no quarter of an hour holds alone. */
static enum error add_rows(struct usage_reading *reading, uint64_t from, uint64_t to,
                           size_t interval, int sign)
{
    if (from >= to)
        return ERROR_OK;
    enum error error = add_records(reading, from, to, interval, sign);
    return error ? error : add_adjustments(reading, from, to, interval, sign);
}

/* Any part of a day: its whole quarters, and records at its ends. */
static enum error add_part(struct usage_reading *reading, uint64_t from, uint64_t to,
                           size_t interval, int sign)
{
    uint64_t first = (from + ROLLUP_QUARTER - 1) / ROLLUP_QUARTER;
    uint64_t end = to / ROLLUP_QUARTER;
    if (first > end)
        return add_rows(reading, from, to, interval, sign);
    enum error error = add_rows(reading, from, first * ROLLUP_QUARTER, interval, sign);
    if (!error && first < end)
        error = add_buckets(reading, reading->quarters, first, end, interval, sign);
    if (!error)
        error = add_rows(reading, end * ROLLUP_QUARTER, to, interval, sign);
    return error;
}

/* ---- Walking over the days ---- */

/* A part of a day between edges; `interval` is OUTSIDE before the first and after the last
 * edge. */
struct part {
    uint64_t from, to;
    size_t interval;
};

/* The part that begins at `from`, at most to `end`; `next` is the first edge after `from`. */
static struct part part_at(const struct usage_reading *reading, uint64_t from, uint64_t end,
                           size_t *next)
{
    while (*next <= reading->interval_count && reading->edges[*next] <= from)
        ++*next;
    struct part part = {.from = from, .to = end, .interval = OUTSIDE};
    if (*next <= reading->interval_count && reading->edges[*next] < end)
        part.to = reading->edges[*next];
    if (*next > 0 && *next <= reading->interval_count)
        part.interval = *next - 1;
    return part;
}

/* The longest part of the day that is wanted, and how much of the day is wanted. */
static struct part longest_part(const struct usage_reading *reading, uint64_t from, uint64_t end,
                                size_t next, uint64_t *wanted)
{
    struct part longest = {.interval = OUTSIDE};
    *wanted = 0;
    for (uint64_t at = from; at < end;) {
        struct part part = part_at(reading, at, end, &next);
        if (part.interval != OUTSIDE) {
            *wanted += part.to - part.from;
            if (longest.interval == OUTSIDE || part.to - part.from > longest.to - longest.from)
                longest = part;
        }
        at = part.to;
    }
    return longest;
}

/* Of all together a day has 96 rows at most, of quarters. */
static enum error add_days(struct usage_reading *reading, uint64_t day, uint64_t count,
                           size_t interval)
{
    if (!reading->of_all)
        return add_buckets(reading, reading->days, day, day + count, interval, 1);
    return add_buckets(reading, reading->quarters, day * ROLLUP_QUARTERS_PER_DAY,
                       (day + count) * ROLLUP_QUARTERS_PER_DAY, interval, 1);
}

/* A day that edges cut. When all but its longest part is less than what is wanted of it, that part
 * is the day without the others. */
static enum error add_cut_day(struct usage_reading *reading, uint64_t day, size_t next)
{
    uint64_t from = day * ROLLUP_DAY, end = from + ROLLUP_DAY, wanted;
    struct part longest = longest_part(reading, from, end, next, &wanted);
    if (longest.interval == OUTSIDE)
        return ERROR_OK;
    bool whole = ROLLUP_DAY - (longest.to - longest.from) < wanted;
    enum error error = ERROR_OK;
    if (whole)
        error = add_days(reading, day, 1, longest.interval);
    for (uint64_t at = from; !error && at < end;) {
        struct part part = part_at(reading, at, end, &next);
        at = part.to;
        if (whole && part.from == longest.from)
            continue;
        if (part.interval != OUTSIDE)
            error = add_part(reading, part.from, part.to, part.interval, 1);
        if (!error && whole)
            error = add_part(reading, part.from, part.to, longest.interval, -1);
    }
    return error;
}

enum error usage_read_bounds(struct store *store, int64_t *first, int64_t *last)
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

/* How many days from `day` on lie within the interval before the edge `next`. */
static uint64_t whole_days(const struct usage_reading *reading, uint64_t day, uint64_t end_day,
                           size_t next)
{
    if (next == 0 || next > reading->interval_count)
        return 0;
    uint64_t last = reading->edges[next] / ROLLUP_DAY;
    if (last > end_day)
        last = end_day;
    return last > day ? last - day : 0;
}

enum error usage_reading_add_days(struct usage_reading *reading)
{
    int64_t first, last;
    enum error error = usage_read_bounds(reading->store, &first, &last);
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
            error = add_days(reading, day, whole, next - 1);
            day += whole;
        } else {
            error = add_cut_day(reading, day++, next);
        }
    }
    return error;
}
