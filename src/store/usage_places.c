/* The days that have some are known at first; the quarters of one are looked up when it is its
 * turn: each by itself where few series are wanted, else all rows of the day. */
#include "store/usage_places.h"

#include "base/ensure.h"
#include "store/rollup.h"

#define FEW 32u /* series; 96 look-ups for each of them cost less than the rows of a day */

struct usage_places {
    struct store *store;
    bool *wanted; /* by series */
    size_t series_count;
    int64_t few[FEW];
    size_t wanted_count;
    int64_t first, last;        /* quarters asked about */
    bool days[ROLLUP_DAYS_MAX]; /* from that of `first` */
    int64_t day;                /* at hand, since 1970; its quarters: */
    bool quarters[ROLLUP_QUARTERS_PER_DAY];
    int64_t quarter; /* of the day: those from it on were told */
    struct store_statement *one, *all;
};

bool usage_whose_is_empty(const struct usage_whose *whose)
{
    return text_empty(whose->team) && text_empty(whose->key) && text_empty(whose->model) &&
           text_empty(whose->provider) && text_empty(whose->tag);
}

enum {
    SERIES_ID,
    SERIES_TEAM,
    SERIES_KEY,
    SERIES_MODEL,
    SERIES_TARGET,
    SERIES_PROVIDER,
    SERIES_TAGS
};

/* Of the calls without a key the rollups have no model; nor of those that came when a key had as
 * many series as it may. What was sent as key and is none counts as no key. */
static bool is_wanted(const struct usage_whose *whose, struct store_statement *row)
{
    struct text model = store_column_text(row, SERIES_MODEL);
    bool any_model = text_empty(model) || text_equal(model, TEXT(ROLLUP_OTHER));

    return (text_empty(whose->team) ||
            text_equal(store_column_text(row, SERIES_TEAM), whose->team)) &&
           (text_empty(whose->provider) ||
            text_equal(store_column_text(row, SERIES_PROVIDER), whose->provider)) &&
           (text_empty(whose->tag) ||
            text_find(store_column_text(row, SERIES_TAGS), whose->tag) >= 0) &&
           (text_empty(whose->model) || any_model || text_matches_pattern(model, whose->model) ||
            text_matches_pattern(store_column_text(row, SERIES_TARGET), whose->model));
}

static enum error add_series(struct usage_places *places, int64_t id, size_t *room)
{
    if (id < 0 || id > INT32_MAX)
        return ERROR_CORRUPT;
    if ((size_t)id >= *room) {
        size_t wider = 2 * (size_t)id + 64;
        bool *wanted = realloc(places->wanted, wider * sizeof *wanted);
        if (wanted == NULL)
            return ERROR_MEMORY;
        memset(wanted + *room, 0, (wider - *room) * sizeof *wanted);
        places->wanted = wanted;
        *room = wider;
    }
    places->wanted[id] = true;
    if (places->series_count <= (size_t)id)
        places->series_count = (size_t)id + 1;
    if (places->wanted_count < FEW)
        places->few[places->wanted_count] = id;
    places->wanted_count++;
    return ERROR_OK;
}

static enum error read_series(struct usage_places *places, const struct usage_whose *whose)
{
    struct store_statement *select;
    size_t room = 0;
    enum error error = store_prepare(
        places->store,
        text_empty(whose->key)
            ? "SELECT id, team, key_id, model, target_model, provider, tags FROM usage_series"
            : "SELECT id, team, key_id, model, target_model, provider, tags FROM usage_series"
              " WHERE key_id IN ('', ?1) OR key_id IN (SELECT id FROM keys WHERE name = ?1)",
        &select);
    if (error)
        return error;
    if (!text_empty(whose->key))
        store_bind_text(select, 1, whose->key);
    for (bool row = true; !(error = store_step(select, &row)) && row;) {
        if (is_wanted(whose, select))
            error = add_series(places, store_column_integer(select, SERIES_ID), &room);
        if (error)
            break;
    }
    store_finish(select);
    return error;
}

static bool has(const struct usage_places *places, int64_t series)
{
    return series >= 0 && (uint64_t)series < places->series_count && places->wanted[series];
}

/* Sets `marks`, which begin at the bucket `first`, for the buckets that have a wanted series. */
static enum error mark(const struct usage_places *places, struct store_statement *select,
                       int64_t first, int64_t last, bool *marks)
{
    enum error error;
    store_bind_integer(select, 1, first);
    store_bind_integer(select, 2, last);
    for (bool row = true; !(error = store_step(select, &row)) && row;) {
        if (has(places, store_column_integer(select, 1)))
            marks[store_column_integer(select, 0) - first] = true;
    }
    store_reset(select);
    return error;
}

static enum error read_days(struct usage_places *places)
{
    struct store_statement *select;
    enum error error = store_prepare(
        places->store, "SELECT bucket, series FROM usage_days WHERE bucket >= ? AND bucket <= ?",
        &select);
    if (error)
        return error;
    error = mark(places, select, places->first / ROLLUP_QUARTERS_PER_DAY,
                 places->last / ROLLUP_QUARTERS_PER_DAY, places->days);
    store_finish(select);
    return error;
}

/* Never before the first day that is counted, nor so long ago that nobody has calls of then. */
static enum error find_bounds(struct usage_places *places, uint64_t since, uint64_t until)
{
    struct store_statement *select;
    bool row;
    enum error error = store_prepare(places->store,
                                     "SELECT (SELECT min(bucket) FROM usage_days),"
                                     " (SELECT max(bucket) FROM usage_days)",
                                     &select);
    if (error)
        return error;
    error = store_step(select, &row);
    int64_t first = error ? 0 : store_column_integer(select, 0) * ROLLUP_QUARTERS_PER_DAY;
    int64_t last = error ? 0 : (store_column_integer(select, 1) + 1) * ROLLUP_QUARTERS_PER_DAY - 1;
    store_finish(select);
    int64_t from = (int64_t)(since / ROLLUP_QUARTER), to = (int64_t)(until / ROLLUP_QUARTER);
    places->first = from > first ? from : first;
    places->last = to < last ? to : last;
    return error;
}

static enum error fill(struct usage_places *places, const struct usage_whose *whose, uint64_t since,
                       uint64_t until)
{
    enum error error = find_bounds(places, since, until);
    if (error || places->last < places->first)
        return error;
    if (places->last / ROLLUP_QUARTERS_PER_DAY - places->first / ROLLUP_QUARTERS_PER_DAY >=
        (int64_t)ROLLUP_DAYS_MAX)
        return ERROR_LIMIT;
    error = read_series(places, whose);
    if (!error && places->wanted_count > 0)
        error = read_days(places);
    if (!error)
        error = store_prepare(places->store,
                              "SELECT 1 FROM usage_quarters WHERE bucket = ? AND series = ?",
                              &places->one);
    if (!error)
        error = store_prepare(
            places->store,
            "SELECT bucket, series FROM usage_quarters WHERE bucket >= ? AND bucket <= ?",
            &places->all);
    places->day = places->last / ROLLUP_QUARTERS_PER_DAY + 1;
    return error;
}

enum error usage_places_open(struct store *store, const struct usage_whose *whose, uint64_t since,
                             uint64_t until, struct usage_places **out)
{
    uint64_t counted, total;
    *out = NULL;
    enum error error = rollup_progress(store, &counted, &total);
    if (error || counted < total)
        return error;
    struct usage_places *places = calloc(1, sizeof *places);
    if (places == NULL)
        return ERROR_MEMORY;
    places->store = store;
    error = fill(places, whose, since, until);
    if (error) {
        usage_places_close(places);
        return error == ERROR_LIMIT ? ERROR_OK : error;
    }
    *out = places;
    return ERROR_OK;
}

void usage_places_close(struct usage_places *places)
{
    if (places == NULL)
        return;
    store_finish(places->one);
    store_finish(places->all);
    free(places->wanted);
    free(places);
}

static enum error mark_few(struct usage_places *places, int64_t first)
{
    enum error error = ERROR_OK;
    for (int64_t i = 0; !error && i < ROLLUP_QUARTERS_PER_DAY; i++) {
        for (size_t j = 0; !error && !places->quarters[i] && j < places->wanted_count; j++) {
            bool row;
            store_bind_integer(places->one, 1, first + i);
            store_bind_integer(places->one, 2, places->few[j]);
            error = store_step(places->one, &row);
            places->quarters[i] = !error && row;
            store_reset(places->one);
        }
    }
    return error;
}

/* A day's quarters may be gone (old ones): then all of them are told. */
static enum error open_day(struct usage_places *places)
{
    int64_t first = places->day * ROLLUP_QUARTERS_PER_DAY;
    bool any = false;
    memset(places->quarters, 0, sizeof places->quarters);
    enum error error = places->wanted_count <= FEW
                           ? mark_few(places, first)
                           : mark(places, places->all, first, first + ROLLUP_QUARTERS_PER_DAY - 1,
                                  places->quarters);
    for (size_t i = 0; i < ROLLUP_QUARTERS_PER_DAY; i++)
        any = any || places->quarters[i];
    for (size_t i = 0; !any && i < ROLLUP_QUARTERS_PER_DAY; i++)
        places->quarters[i] = true;
    places->quarter = ROLLUP_QUARTERS_PER_DAY;
    return error;
}

/* The next earlier day that has some; false: there is none. */
static bool find_day(struct usage_places *places)
{
    int64_t first = places->first / ROLLUP_QUARTERS_PER_DAY;
    while (--places->day >= first) {
        if (places->days[places->day - first])
            return true;
    }
    return false;
}

enum error usage_places_next(struct usage_places *places, int64_t *quarter, bool *found)
{
    for (;;) {
        while (places->quarter > 0) {
            *quarter = places->day * ROLLUP_QUARTERS_PER_DAY + --places->quarter;
            *found = places->quarters[places->quarter] && *quarter >= places->first &&
                     *quarter <= places->last;
            if (*found)
                return ERROR_OK;
        }
        *found = false;
        if (places->last < places->first || !find_day(places))
            return ERROR_OK;
        enum error error = open_day(places);
        if (error)
            return error;
    }
}
