#include "sample/seed.h"

#include <math.h>

#include "base/clock.h"
#include "base/ensure.h"
#include "ledger/rows.h"
#include "sample/call.h"

#define HOUR       (3600 * NANOSECONDS_PER_SECOND)
#define DAY        (24 * HOUR)
#define BERLIN     HOUR   /* ahead of UTC; the sample's days have no summer time */
#define BATCH      4096u  /* calls in a transaction, as the importer's */
#define VISITS_MAX 65536u /* in an hour: a hundred times what the cast makes */
#define FIRST_DAY  4      /* 1970-01-01 was a Thursday: days since Monday, and one */

struct seeding {
    const struct seed_order *order;
    struct seed_result *result;
    struct call_maker maker;
    struct store *store;
    struct row_insert insert;
    bool begun;
    unsigned in_batch;
    struct visit *visits;
    size_t visit_count;
    struct row rows[ROWS_MAX];
    uint8_t (*bytes)[RECORD_SIZE_MAX]; /* ROWS_MAX of them */
    size_t row_count;
    bool inserted[ROWS_MAX];
};

static bool complain(struct seeding *seeding, const char *what)
{
    (void)snprintf(seeding->result->problem, SEED_PROBLEM_SIZE, "%s", what);
    return false;
}

static bool store_answer(struct seeding *seeding, enum error error)
{
    return error == ERROR_OK ||
           complain(seeding,
                    error == ERROR_STORE ? store_problem(seeding->store) : error_meaning(error));
}

/* ------------------------------------------------------------------ rows */

static bool write_rows(struct seeding *seeding)
{
    enum error error =
        rows_insert(&seeding->insert, seeding->rows, seeding->row_count, seeding->inserted);
    seeding->in_batch += (unsigned)seeding->row_count;
    seeding->row_count = 0;
    return store_answer(seeding, error);
}

/* As the importer reads it from a journal: with long texts cut. */
static bool add_record(struct seeding *seeding, const struct record *record)
{
    size_t at = seeding->row_count++, begin = sizeof record->id.bytes;
    uint8_t *bytes = seeding->bytes[at];
    size_t length = record_encode(record, bytes);
    seeding->rows[at].fields = text_of((const char *)bytes + begin, length - begin);
    seeding->result->calls++;
    seeding->result->cost += record->cost > 0 ? record->cost : 0;
    return store_answer(seeding, record_decode(&seeding->rows[at].record, bytes, length)) &&
           (seeding->row_count < ROWS_MAX || write_rows(seeding));
}

static bool begin_batch(struct seeding *seeding)
{
    seeding->begun = seeding->begun || store_answer(seeding, store_begin(seeding->store));
    return seeding->begun;
}

static bool end_batch(struct seeding *seeding)
{
    if (!seeding->begun)
        return true;
    if (!write_rows(seeding) || !store_answer(seeding, rows_flush(&seeding->insert)) ||
        !store_answer(seeding, store_commit(seeding->store)))
        return false;
    seeding->begun = false;
    seeding->in_batch = 0;
    return true;
}

/* ------------------------------------------------------------------ who calls in an hour */

static void add_visits(struct seeding *seeding, enum visitor visitor, size_t key, double mean,
                       uint64_t from, uint64_t until)
{
    struct dice *dice = &seeding->maker.dice;
    for (unsigned left = dice_times(dice, mean); left > 0 && seeding->visit_count < VISITS_MAX;
         left--)
        seeding->visits[seeding->visit_count++] = (struct visit){
            .at = from + dice_below(dice, until - from), .visitor = visitor, .key = (uint16_t)key};
}

static bool is_weekend(uint64_t wall)
{
    uint64_t weekday = ((wall + BERLIN) / DAY + FIRST_DAY - 1) % 7;
    return weekday >= 5;
}

/* Of that day, as a share of a usual one: no two are alike. */
static double mood_of(uint64_t random, uint64_t wall, size_t key)
{
    struct dice dice;
    dice_open(&dice, random ^ (wall / DAY * 1000003u + key));
    return dice_lengths(&dice, 1, 0.16);
}

static double usual_calls(const struct seeding *seeding, size_t key, uint64_t wall)
{
    const struct cast_key *row = &cast_keys[key];
    const struct timeline *timeline = &seeding->result->past.timeline;
    double passed = (double)(wall - timeline->begin) / (double)(timeline->end - timeline->begin);
    double growth = cast_find_team(row->team)->growth;
    unsigned hour = (unsigned)((wall + BERLIN) / HOUR % 24);
    return row->calls * (1 + growth * passed) / (1 + growth) *
           cast_busy(row->shape, hour, is_weekend(wall)) *
           mood_of(seeding->order->random, wall, key);
}

/* Of the calls of a cluster that moves in parts; those that are refused are tried less often. */
#define STAYED 0.55
#define MOVED  0.4

/* A program that uses the key until it may no more, and some time beyond. */
static void visit_holder(struct seeding *seeding, size_t key, uint64_t from, uint64_t until)
{
    const struct past *past = &seeding->result->past;
    const struct past_key *state = &past->keys[key];
    const struct cast_key *row = &cast_keys[key];
    double calls = usual_calls(seeding, key, from) * (double)(until - from) / (double)HOUR;
    bool moved = text_equal(row->team, TEXT(PAST_MOVED_TEAM)) && row->place == CAST_PLACE_BATCH &&
                 from >= timeline_moment(&past->timeline, PAST_CLUSTER_MOVED);
    if (state->made_at == 0 || state->made_at > from || state->revoked_at > 0)
        return;
    if (state->expires_at > 0 && state->expires_at <= from)
        add_visits(seeding, VISITOR_FORGOTTEN, key, calls, from, until);
    else
        add_visits(seeding, VISITOR_HOLDER, key, moved ? calls * STAYED : calls, from, until);
    if (moved)
        add_visits(seeding, VISITOR_MOVED, key, calls * MOVED, from, until);
}

#define THEFTS_AN_HOUR    130.0
#define AFTERWARDS        5.0 /* an hour, for some days after the key was revoked */
#define STRANGERS_AN_HOUR 0.9

static void visit_thief(struct seeding *seeding, uint64_t from, uint64_t until)
{
    const struct timeline *timeline = &seeding->result->past.timeline;
    size_t key = (size_t)(cast_find_key(TEXT(PAST_LEAKED_KEY)) - cast_keys);
    uint64_t leaked = timeline_moment(timeline, PAST_LEAK);
    uint64_t noticed = timeline_moment(timeline, PAST_LEAK_NOTICED);
    uint64_t given_up = timeline_moment(timeline, PAST_LEAK_NOTICED - 3);
    double hours = (double)(until - from) / (double)HOUR;
    if (until > leaked && until <= noticed + HOUR && from < noticed)
        add_visits(seeding, VISITOR_THIEF, key, THEFTS_AN_HOUR * hours, from, until);
    else if (from >= noticed && from < given_up)
        add_visits(seeding, VISITOR_THIEF, key, AFTERWARDS * hours, from, until);
}

static int compare_visits(const void *left, const void *right)
{
    const struct visit *a = left, *b = right;
    return (a->at > b->at) - (a->at < b->at);
}

static bool fill_hour(struct seeding *seeding, uint64_t from, uint64_t until)
{
    struct call call;
    seeding->visit_count = 0;
    for (size_t key = 0; key < CAST_KEYS; key++)
        visit_holder(seeding, key, from, until);
    visit_thief(seeding, from, until);
    add_visits(seeding, VISITOR_STRANGER, 0,
               STRANGERS_AN_HOUR * (double)(until - from) / (double)HOUR, from, until);
    qsort(seeding->visits, seeding->visit_count, sizeof *seeding->visits, compare_visits);
    if (!begin_batch(seeding))
        return false;
    for (size_t i = 0; i < seeding->visit_count; i++) {
        call_make(&seeding->maker, &seeding->visits[i], &call);
        if (!add_record(seeding, &call.record))
            return false;
    }
    return seeding->in_batch < BATCH || end_batch(seeding);
}

/* ------------------------------------------------------------------ the whole time */

/* Operations have transactions of their own. */
static bool let_happen(struct seeding *seeding)
{
    return end_batch(seeding) && (past_step(&seeding->result->past) ||
                                  complain(seeding, seeding->order->operations->problem.message));
}

static bool fill_time(struct seeding *seeding)
{
    struct past *past = &seeding->result->past;
    const struct timeline *timeline = &past->timeline;
    for (uint64_t from = timeline->begin, until; from < timeline->end; from = until) {
        while (past_next(past) <= from)
            if (!let_happen(seeding))
                return false;
        until = (from / HOUR + 1) * HOUR;
        until = past_next(past) < until ? past_next(past) : until;
        until = timeline->end < until ? timeline->end : until;
        if (!fill_hour(seeding, from, until))
            return false;
        if (seeding->order->progress)
            seeding->order->progress(seeding->order->owner, until - timeline->begin,
                                     timeline->end - timeline->begin);
    }
    return end_batch(seeding) && (past_settle_budgets(past) ||
                                  complain(seeding, seeding->order->operations->problem.message));
}

bool seed_run(const struct seed_order *order, struct seed_result *result)
{
    *result = (struct seed_result){0};
    const struct timeline timeline = {order->now - order->days * DAY, order->now};
    struct seeding *seeding = ensure_memory(calloc(1, sizeof *seeding));
    seeding->order = order;
    seeding->result = result;
    seeding->store = order->operations->store;
    seeding->visits = ensure_memory(calloc(VISITS_MAX, sizeof *seeding->visits));
    seeding->bytes = ensure_memory(calloc(ROWS_MAX, sizeof *seeding->bytes));
    past_open(&result->past, order->operations, order->setting->config, &timeline);
    seeding->maker = (struct call_maker){.past = &result->past, .book = order->setting->book};
    dice_open(&seeding->maker.dice, order->random);
    bool good = store_answer(seeding, rows_open_insert(&seeding->insert, seeding->store, NULL)) &&
                fill_time(seeding);
    if (seeding->begun)
        store_roll_back(seeding->store);
    rows_close_insert(&seeding->insert);
    free(seeding->bytes);
    free(seeding->visits);
    free(seeding);
    return good;
}

/* ------------------------------------------------------------------ is it empty? */

bool seed_is_empty(struct store *store, char problem[SEED_PROBLEM_SIZE])
{
    static const char *const tables[] = {"exchanges", "keys",          "teams",      "budgets",
                                         "limits",    "network_rules", "admin_keys", "audit"};
    for (size_t i = 0; i < ARRAY_LENGTH(tables); i++) {
        struct store_statement *count = NULL;
        char sql[64];
        bool row = false;
        (void)snprintf(sql, sizeof sql, "SELECT 1 FROM %s LIMIT 1", tables[i]);
        enum error error = store_prepare(store, sql, &count);
        if (!error)
            error = store_step(count, &row);
        store_finish(count);
        if (error || row) {
            (void)snprintf(problem, SEED_PROBLEM_SIZE, "%s",
                           error ? store_problem(store) : tables[i]);
            return false;
        }
    }
    return true;
}
