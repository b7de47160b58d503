/* How it goes: sums, times and a series of both for a period, and the period before it to compare
 * with. One reading of the rollups answers all: its first interval is the period before, the others
 * are the steps of the series. */
#include "admin/call.h"
#include "admin/handlers.h"
#include "admin/usage_answer.h"
#include "admin/usage_filter.h"
#include "admin/when.h"
#include "base/clock.h"
#include "policy/period.h"

#define HOUR          (4 * ROLLUP_QUARTER)
#define SINCE_DEFAULT (24 * HOUR)
/* A shorter period is compared with one that is exactly as long, for which the calls of a quarter
 * of an hour may have to be read one by one; a longer one with one that is, to the quarter. */
#define EXACT_MAX   (12 * HOUR)
#define POINTS_MAX  1000u /* of the series: what a chart has room for, 18 MiB of histograms */
#define SHOWN_MAX   60u
#define PERCENTILES 3u

struct step_row {
    struct text name;
    enum usage_step step;
    uint64_t up_to; /* chosen for periods that are no longer */
};

static const struct step_row steps[] = {
    {TEXT_INIT("15m"), USAGE_STEP_QUARTER, 8 * HOUR},
    {TEXT_INIT("hour"), USAGE_STEP_HOUR, 8 * ROLLUP_DAY},
    {TEXT_INIT("day"), USAGE_STEP_DAY, 200 * ROLLUP_DAY},
    {TEXT_INIT("week"), USAGE_STEP_WEEK, 3 * 366 * ROLLUP_DAY},
    {TEXT_INIT("month"), USAGE_STEP_MONTH, UINT64_MAX},
};

struct point {
    struct usage_sums sums;
    struct usage_times times;
};

struct overview {
    struct admin_call *call;
    struct text timezone;
    struct time_zone *zone; /* NULL: UTC */
    const struct step_row *step;
    uint64_t now, since, until;
    uint64_t edges[POINTS_MAX + 2]; /* from the start of the period before */
    size_t edge_count;
    struct point *points; /* of each interval */
    struct point total;   /* of the series */
};

/* ---- what is asked for ---- */

static bool read_moment(const struct overview *overview, const char *name, uint64_t *out)
{
    struct admin_call *call = overview->call;
    struct text value = call_query(call, name), copy = arena_copy(&call->arena, value);

    if (!value.data)
        return true;
    return (copy.data && when_parse(copy.data, overview->zone, overview->now, out)) ||
           call_refuse(call, ADMIN_PROBLEM_INVALID, name, "\"%.*s\" is no time: " WHEN_FORMS,
                       TEXT_ARG(text_first(value, SHOWN_MAX)));
}

/* The rollups know quarters of an hour: the start goes back to one. */
static bool read_times(struct overview *overview)
{
    struct admin_call *call = overview->call;

    overview->timezone = arena_copy(&call->arena, call_query(call, "timezone"));
    if (timezone_load(overview->timezone, &overview->zone) != ERROR_OK)
        return call_refuse(call, ADMIN_PROBLEM_INVALID, "timezone",
                           "there is no time zone \"%.*s\" here: names are like UTC, "
                           "Europe/Berlin, America/New_York",
                           TEXT_ARG(text_first(overview->timezone, SHOWN_MAX)));
    overview->now = overview->until = clock_wall();
    overview->since = overview->now - SINCE_DEFAULT;
    if (!read_moment(overview, "since", &overview->since) ||
        !read_moment(overview, "until", &overview->until))
        return false;
    overview->since -= overview->since % ROLLUP_QUARTER;
    if (overview->until > overview->now)
        overview->until = overview->now;
    return overview->since < overview->until ||
           call_refuse(call, ADMIN_PROBLEM_INVALID, "until", "it is not after since");
}

static bool read_step(struct overview *overview)
{
    struct admin_call *call = overview->call;
    struct text name = call_query(call, "step");

    for (size_t i = 0; i < ARRAY_LENGTH(steps); i++) {
        overview->step = &steps[i];
        if (name.data ? text_equal(steps[i].name, name)
                      : overview->until - overview->since <= steps[i].up_to)
            return true;
    }
    return call_refuse(call, ADMIN_PROBLEM_INVALID, "step",
                       "\"%.*s\": there are 15m, hour, day, week and month",
                       TEXT_ARG(text_first(name, SHOWN_MAX)));
}

/* What ends now is read to the end of this quarter: nothing is behind it. */
static bool make_edges(struct overview *overview)
{
    uint64_t length = overview->until - overview->since;
    uint64_t end = overview->until;

    if (length > EXACT_MAX)
        length = (length + ROLLUP_QUARTER / 2) / ROLLUP_QUARTER * ROLLUP_QUARTER;
    if (end == overview->now)
        end += ROLLUP_QUARTER - end % ROLLUP_QUARTER;
    overview->edges[0] = overview->since > length ? overview->since - length : 0;
    overview->edge_count = 1;
    for (uint64_t at = overview->since; at < end;) {
        if (overview->edge_count > POINTS_MAX)
            return call_refuse(overview->call, ADMIN_PROBLEM_INVALID, "step",
                               "the series would have more than %u points: ask for less time or a "
                               "longer step",
                               POINTS_MAX);
        overview->edges[overview->edge_count++] = at;
        uint64_t next = usage_step_next(overview->step->step, overview->zone, at);
        at = next < end ? next : end;
    }
    overview->edges[overview->edge_count++] = end;
    return true;
}

/* ---- the reading ---- */

static void add_histogram(struct histogram *to, const struct histogram *from)
{
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        to->counts[i] += from->counts[i];
}

static bool take_row(void *context, const struct usage_row *row)
{
    struct overview *overview = context;

    overview->points[row->interval] = (struct point){*row->sums, *row->times};
    if (row->interval == 0)
        return true;
    usage_add_sums(&overview->total.sums, row->sums);
    add_histogram(&overview->total.times.durations, &row->times->durations);
    add_histogram(&overview->total.times.first_tokens, &row->times->first_tokens);
    return true;
}

static bool ask(struct overview *overview, struct usage_request *request)
{
    struct admin_call *call = overview->call;

    overview->points = calloc(overview->edge_count - 1, sizeof(*overview->points));
    if (!overview->points)
        return call_refuse(call, ADMIN_PROBLEM_STORE, "", "%s", error_meaning(ERROR_MEMORY));
    request->edges = overview->edges;
    request->edge_count = overview->edge_count;
    request->times = true;
    return call_store_answer(call, usage_query(call->office->store, request, take_row, overview));
}

/* ---- the answer ---- */

static void write_decimal(struct json_writer *json, const char *name, uint64_t thousandths)
{
    char text[32];
    int length = snprintf(text, sizeof(text), "%llu.%03u", (unsigned long long)thousandths / 1000,
                          (unsigned)(thousandths % 1000));

    json_key(json, text_from(name));
    json_raw(json, text_of(text, (size_t)length));
}

static void write_null(struct json_writer *json, const char *name)
{
    json_key(json, text_from(name));
    json_null(json);
}

static void write_percentiles(struct json_writer *json, const char *name,
                              const struct histogram *histogram)
{
    static const struct {
        const char *name;
        unsigned of_1000;
    } rows[PERCENTILES] = {{"p50_ms", 500}, {"p95_ms", 950}, {"p99_ms", 990}};
    int64_t count = histogram_count(histogram);

    json_key(json, text_from(name));
    json_begin_object(json);
    json_member_signed(json, "calls", count);
    for (size_t i = 0; i < PERCENTILES; i++) {
        if (count > 0)
            write_decimal(json, rows[i].name, histogram_percentile(histogram, rows[i].of_1000));
        else
            write_null(json, rows[i].name);
    }
    json_end_object(json);
}

/* Of the tokens read, how many the providers' caches had. */
static void write_cache_share(struct json_writer *json, const struct usage_counters *counters)
{
    if (counters->input_tokens <= 0)
        write_null(json, "cache_share");
    else
        write_decimal(
            json, "cache_share",
            (uint64_t)((__int128)counters->cached_input_tokens * 1000 / counters->input_tokens));
}

static void write_point(struct admin_call *call, uint64_t since, uint64_t until,
                        const struct point *point)
{
    struct json_writer *json = &call->json;

    json_begin_object(json);
    call_write_moment(call, "since", since);
    call_write_moment(call, "until", until);
    json_key(json, TEXT("sums"));
    json_begin_object(json);
    usage_write_sums(json, &point->sums);
    json_end_object(json);
    write_cache_share(json, &point->sums.counters);
    write_percentiles(json, "duration", &point->times.durations);
    write_percentiles(json, "first_token", &point->times.first_tokens);
    json_end_object(json);
}

static bool write_answer(const struct overview *overview)
{
    struct admin_call *call = overview->call;
    struct json_writer *json = &call->json;
    const uint64_t *edges = overview->edges;
    size_t points = overview->edge_count - 1;

    json_begin_object(json);
    json_member_text(json, "timezone",
                     text_empty(overview->timezone) ? TEXT("UTC") : overview->timezone);
    json_member_text(json, "step", overview->step->name);
    write_decimal(json, "percentile_error", (uint64_t)(HISTOGRAM_ERROR * 1000));
    json_key(json, TEXT("period"));
    write_point(call, overview->since, overview->until, &overview->total);
    json_key(json, TEXT("before"));
    write_point(call, edges[0], edges[1], &overview->points[0]);
    json_key(json, TEXT("series"));
    json_begin_array(json);
    for (size_t i = 1; i < points; i++) {
        uint64_t end = edges[i + 1] < overview->until ? edges[i + 1] : overview->until;
        write_point(call, edges[i], end, &overview->points[i]);
    }
    json_end_array(json);
    json_end_object(json);
    return true;
}

bool handle_overview(struct admin_call *call)
{
    struct overview *overview = calloc(1, sizeof(*overview));
    struct usage_filter filter;
    struct usage_request request;

    if (!overview)
        return call_refuse(call, ADMIN_PROBLEM_STORE, "", "%s", error_meaning(ERROR_MEMORY));
    overview->call = call;
    bool good = read_times(overview) && read_step(overview) && make_edges(overview) &&
                usage_filter_read(call, &filter, &request) && ask(overview, &request) &&
                write_answer(overview);
    timezone_free(overview->zone);
    free(overview->points);
    free(overview);
    return good;
}
