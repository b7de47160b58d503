/* The rollups against a slow count of the same calls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "base/ensure.h"
#include "ledger/rows.h"
#include "store/adjustments.h"
#include "store/usage.h"
#include "store/usage_places.h"

#define MINUTE    60000000000ull
#define HOUR      (60 * MINUTE)
#define START     (20000 * ROLLUP_DAY) /* 2024-10-04 */
#define CALLS     4000u
#define EDGES_MAX 40u

static char path[64];
static struct store *store;
static struct row_insert insert;
static struct record calls[CALLS];
static size_t call_count;
static uint64_t random_state;

static uint64_t next_random(uint64_t below)
{
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return (random_state >> 33) % below;
}

static struct text one_of(const char *const *words, size_t count)
{
    return text_from(words[next_random(count)]);
}
#define ONE_OF(...) \
    one_of((const char *const[]){__VA_ARGS__}, ARRAY_LENGTH(((const char *const[]){__VA_ARGS__})))

static void open_store(void)
{
    char problem[STORE_PROBLEM_SIZE];
    if (store_open(path, STORE_WRITE, 1000, &store, problem) != ERROR_OK)
        fail_msg("%s", problem);
    assert_int_equal(rows_open_insert(&insert, store, NULL), ERROR_OK);
}

static int set_up(void **state)
{
    (void)snprintf(path, sizeof path, "/tmp/turnpike-rollup-XXXXXX");
    int file = mkstemp(path);
    if (file < 0)
        return 1;
    close(file);
    random_state = 42;
    call_count = 0;
    open_store();
    return 0;
}

static int tear_down(void **state)
{
    rows_close_insert(&insert);
    store_close(store);
    unlink(path);
    return 0;
}

static struct record make_call(uint64_t time)
{
    struct record record;
    record_clear(&record, identifier_make(time + next_random(1000000)));
    record.started_at = time;
    /* Few enough of each that no key comes to ROLLUP_SERIES_PER_KEY. */
    static const struct text teams[] = {TEXT_INIT("blue"), TEXT_INIT("green"), TEXT_INIT("")};
    static const struct text keys[] = {TEXT_INIT("key1"), TEXT_INIT("key2"), TEXT_INIT("key3"),
                                       TEXT_INIT("key4")};
    size_t key = (size_t)next_random(ARRAY_LENGTH(keys));
    record.key_id = keys[key];
    record.team = teams[key % ARRAY_LENGTH(teams)];
    record.model = ONE_OF("gpt-a", "gpt-b", "claude", "emb");
    record.target_model = ONE_OF("gpt-a-2026", "claude-4", "");
    record.provider = ONE_OF("openai", "azure", "");
    record.price_service = ONE_OF("standard", "batch");
    record.tags = key % 2 == 0 ? ONE_OF("", "{\"env\":\"prod\",\"app\":\"shop\"}")
                               : ONE_OF("{\"env\":\"test\"}", "{\"a\\\"b\":\"\\u00e9\"}");
    record.outcome = 1 + (enum record_outcome)next_random(RECORD_OUTCOME_COUNT - 1);
    record.cost_state = ONE_OF("priced", "estimated", "unpriced", "none");
    record.calls = next_random(50) == 0 ? 1 + (int64_t)next_random(100) : 1;
    record.cost = -1;
    if (text_equal(record.cost_state, TEXT("priced")) ||
        text_equal(record.cost_state, TEXT("estimated")))
        record.cost = (int64_t)next_random(3000000000u) * (int64_t)next_random(3000);
    record.duration = (int64_t)next_random(5000000000u);
    record.first_token = (int64_t)next_random(2) * (record.duration / 3 + 1) - 1;
    record.input_tokens = (int64_t)next_random(20000) - 1;
    record.output_tokens = (int64_t)next_random(3000) - 1;
    record.cached_input_tokens = (int64_t)next_random(300) - 1;
    record.bytes_sent = (int64_t)next_random(100000);
    return record;
}

static void put(size_t from, size_t count, size_t *news)
{
    static uint8_t bytes[ROWS_MAX][RECORD_SIZE_MAX];
    static struct row rows[ROWS_MAX];
    bool inserted[ROWS_MAX];
    *news = 0;
    for (size_t i = 0; i < count; i++) {
        size_t length = record_encode(&calls[from + i], bytes[i]);
        size_t begin = sizeof(struct identifier);
        rows[i] = (struct row){calls[from + i], text_of((char *)bytes[i] + begin, length - begin)};
    }
    assert_int_equal(rows_insert(&insert, rows, count, inserted), ERROR_OK);
    for (size_t i = 0; i < count; i++)
        *news += inserted[i];
}

/* Calls of five days, in transactions of all sizes, some of which roll back and come again, some of
 * which bring what is there already. */
static void fill_store(void)
{
    size_t done = 0, news, again;
    for (size_t i = 0; i < CALLS; i++) {
        uint64_t time = START + next_random(5 * 24 * 60) * MINUTE + next_random(MINUTE);
        if (next_random(10) == 0)
            time -= time % ROLLUP_QUARTER; /* exactly on an edge */
        calls[i] = make_call(time);
    }
    while (done < CALLS) {
        size_t count = 1 + (size_t)next_random(ROWS_MAX);
        if (count > CALLS - done)
            count = CALLS - done;
        assert_int_equal(store_begin(store), ERROR_OK);
        put(done, count, &news);
        assert_int_equal(news, count);
        if (next_random(4) == 0) {
            if (next_random(2) == 0)
                assert_int_equal(rows_flush(&insert), ERROR_OK);
            store_roll_back(store);
            rows_forget(&insert);
            continue;
        }
        if (next_random(3) == 0) {
            put(done, count, &again);
            assert_int_equal(again, 0);
        }
        assert_int_equal(rows_flush(&insert), ERROR_OK);
        assert_int_equal(store_commit(store), ERROR_OK);
        done += count;
    }
    call_count = CALLS;
}

/* ---- The slow count ---- */

static void add_call(struct usage_sums *sums, const struct record *record)
{
    struct usage_counters *counters = &sums->counters;
    counters->calls += record->calls;
    *(int64_t *[RECORD_OUTCOME_COUNT]){NULL,
                                       &counters->served,
                                       &counters->refused,
                                       &counters->failed,
                                       &counters->cancelled,
                                       &counters->interrupted}[record->outcome] += record->calls;
    if (text_equal(record->cost_state, TEXT("unpriced")))
        counters->unpriced += record->calls;
    if (text_equal(record->cost_state, TEXT("estimated")))
        counters->estimated += record->calls;
    if (record->cost > 0)
        sums->cost += record->cost;
    counters->duration_us += record->duration / 1000;
#define ADD(name) counters->name += record->name > 0 ? record->name : 0
    ADD(input_tokens);
    ADD(output_tokens);
    ADD(cached_input_tokens);
    ADD(bytes_sent);
#undef ADD
}

/* Of served calls, a part of a call not among them. */
static void add_call_times(struct usage_times *times, const struct record *record)
{
    if (record->outcome != RECORD_OUTCOME_SERVED)
        return;
    histogram_add_time(&times->durations, (uint64_t)record->duration / 1000, 1);
    if (record->first_token >= 0)
        histogram_add_time(&times->first_tokens, (uint64_t)record->first_token / 1000, 1);
}

static struct text dimension(const struct record *record, const struct usage_group *group)
{
    switch (group->dimension) {
    case USAGE_BY_TEAM: return record->team;
    case USAGE_BY_KEY: return record->key_id;
    case USAGE_BY_MODEL: return record->model;
    case USAGE_BY_TARGET_MODEL: return record->target_model;
    case USAGE_BY_PROVIDER: return record->provider;
    case USAGE_BY_SERVICE: return record->price_service;
    case USAGE_BY_TAGS: return record->tags;
    case USAGE_BY_TAG: break;
    }
    if (!text_equal(group->tag, TEXT("env")))
        return text_starts_with(record->tags, TEXT("{\"a")) ? TEXT("\xc3\xa9") : TEXT("");
    if (text_find(record->tags, TEXT("prod")) >= 0)
        return TEXT("prod");
    return text_find(record->tags, TEXT("test")) >= 0 ? TEXT("test") : TEXT("");
}

static bool in_list(const struct usage_list *list, struct text value)
{
    bool found = list->count == 0;
    for (size_t i = 0; i < list->count; i++)
        found = found || text_equal(list->values[i], value);
    return found;
}

static bool is_wanted(const struct usage_request *request, const struct record *record)
{
    static const struct usage_group env = {USAGE_BY_TAG, TEXT_INIT("env")};
    bool models = request->models.count == 0;
    for (size_t i = 0; i < request->models.count; i++)
        models = models || text_matches_pattern(record->model, request->models.values[i]) ||
                 text_matches_pattern(record->target_model, request->models.values[i]);
    for (size_t i = 0; i < request->tag_count; i++)
        models = models && text_equal(dimension(record, &env), request->tags[i].value);
    return models && in_list(&request->teams, record->team) &&
           in_list(&request->keys, record->key_id) &&
           in_list(&request->providers, record->provider);
}

struct checking {
    const struct usage_request *request;
    bool *counted; /* which calls a row has had */
    size_t rows;
};

static bool belongs(const struct checking *checking, const struct usage_row *row,
                    const struct record *record)
{
    const struct usage_request *request = checking->request;
    if (record->started_at < request->edges[row->interval] ||
        record->started_at >= request->edges[row->interval + 1] || !is_wanted(request, record))
        return false;
    for (size_t i = 0; i < request->group_count; i++) {
        if (!text_equal(dimension(record, &request->groups[i]), row->values[i]))
            return false;
    }
    return true;
}

static bool check_row(void *context, const struct usage_row *row)
{
    struct checking *checking = context;
    struct usage_sums expected = {0};
    struct usage_times times = {0};
    checking->rows++;
    for (size_t i = 0; i < call_count; i++) {
        if (!belongs(checking, row, &calls[i]))
            continue;
        add_call(&expected, &calls[i]);
        add_call_times(&times, &calls[i]);
        assert_false(checking->counted[i]);
        checking->counted[i] = true;
    }
    assert_true(expected.counters.calls > 0);
    assert_memory_equal(&expected.counters, &row->sums->counters, sizeof expected.counters);
    assert_true(expected.cost == row->sums->cost);
    assert_true(row->sums->adjusted == 0);
    assert_int_equal(row->times != NULL, checking->request->times);
    if (row->times != NULL)
        assert_memory_equal(row->times, &times, sizeof times);
    return true;
}

static void check(const struct usage_request *request)
{
    bool counted[CALLS] = {false};
    struct checking checking = {request, counted, 0};
    assert_int_equal(usage_query(store, request, check_row, &checking), ERROR_OK);
    for (size_t i = 0; i < call_count; i++) {
        bool within = calls[i].started_at >= request->edges[0] &&
                      calls[i].started_at < request->edges[request->edge_count - 1];
        assert_int_equal(counted[i], within && is_wanted(request, &calls[i]));
    }
}

static int compare_edges(const void *left, const void *right)
{
    const uint64_t *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

/* Edges as zones of whole, half and quarter hours make them, and edges anywhere. */
static size_t random_edges(uint64_t edges[EDGES_MAX])
{
    static const uint64_t steps[] = {ROLLUP_DAY, HOUR, 30 * MINUTE, ROLLUP_QUARTER, 1};
    size_t count = 2 + (size_t)next_random(next_random(2) ? 2 : EDGES_MAX - 2);
    uint64_t step = steps[next_random(ARRAY_LENGTH(steps))];
    for (size_t i = 0; i < count; i++) {
        uint64_t time = START - ROLLUP_DAY + next_random(7 * 24 * 3600) * 1000000000ull;
        edges[i] = time - time % step;
    }
    qsort(edges, count, sizeof *edges, compare_edges);
    if (next_random(4) == 0)
        edges[0] = 0;
    if (next_random(4) == 0)
        edges[count - 1] = UINT64_MAX;
    return count;
}

static void random_request(struct usage_request *request, struct usage_group *groups,
                           struct text *words, struct usage_tag *tag)
{
    request->group_count = (size_t)next_random(4);
    for (size_t i = 0; i < request->group_count; i++)
        groups[i] = (struct usage_group){(enum usage_dimension)next_random(USAGE_BY_TAG + 1),
                                         ONE_OF("env", "a\"b")};
    request->groups = groups;
    struct usage_list *lists[] = {&request->teams, &request->keys, &request->models,
                                  &request->providers};
    words[0] = ONE_OF("blue", "none");
    words[1] = ONE_OF("key1", "key2");
    words[2] = ONE_OF("gpt-*", "claude-4", "*");
    words[3] = ONE_OF("openai", "");
    for (size_t i = 0; i < ARRAY_LENGTH(lists); i++) {
        if (next_random(6) == 0)
            *lists[i] = (struct usage_list){&words[i], 1};
    }
    *tag = (struct usage_tag){TEXT("env"), ONE_OF("prod", "test")};
    request->tags = tag;
    request->tag_count = next_random(6) == 0;
}

static void test_equals_a_recount(void **state)
{
    uint64_t edges[EDGES_MAX];
    struct usage_group groups[4];
    struct text words[4];
    struct usage_tag tag;
    fill_store();
    for (unsigned round = 0; round < 150; round++) {
        struct usage_request request = {.edges = edges, .times = round % 2 == 0};
        request.edge_count = random_edges(edges);
        random_request(&request, groups, words, &tag);
        check(&request);
    }
}

static void test_bounds_and_wrong_edges(void **state)
{
    uint64_t first = 1, end = 1;
    const uint64_t edges[] = {10, 5};
    struct usage_request request = {.edges = edges, .edge_count = 2};
    assert_int_equal(usage_bounds(store, &first, &end), ERROR_OK);
    assert_int_equal(first, 0);
    assert_int_equal(end, 0);
    assert_int_equal(usage_query(store, &request, check_row, NULL), ERROR_ARGUMENT);
    request.edge_count = 1;
    assert_int_equal(usage_query(store, &request, check_row, NULL), ERROR_ARGUMENT);
    fill_store();
    assert_int_equal(usage_bounds(store, &first, &end), ERROR_OK);
    assert_true(first >= START && first < START + HOUR && first % ROLLUP_QUARTER == 0);
    assert_true(end <= START + 5 * ROLLUP_DAY && end > START + 5 * ROLLUP_DAY - HOUR);
}

/* As docs/operations.md says: without the quarters of old days, whole days are right. */
static void test_without_old_quarters(void **state)
{
    const uint64_t edges[] = {0, START + ROLLUP_DAY, START + 3 * ROLLUP_DAY,
                              START + 4 * ROLLUP_DAY + HOUR, UINT64_MAX};
    const struct usage_group group = {.dimension = USAGE_BY_MODEL};
    const struct usage_request request = {
        .edges = edges, .edge_count = ARRAY_LENGTH(edges), .groups = &group, .group_count = 1};
    uint64_t first, end;
    fill_store();
    assert_int_equal(store_execute(store, "DELETE FROM usage_quarters WHERE bucket / 96 < 20003"),
                     ERROR_OK);
    check(&request);
    assert_int_equal(usage_bounds(store, &first, &end), ERROR_OK);
    assert_true(first == START);
}

/* ---- Scopes ---- */

static __int128 slow_sum(const struct usage_scope *scope)
{
    static const struct usage_group env = {USAGE_BY_TAG, TEXT_INIT("env")};
    __int128 sum = 0;
    for (size_t i = 0; i < call_count; i++) {
        const struct record *record = &calls[i];
        struct text kind = scope->kind, is = scope->value;
        if (text_equal(kind, TEXT("tag"))) {
            is = text_from_index(is, (size_t)text_find_char(is, '=') + 1);
            if (!text_equal(dimension(record, &env), is))
                continue;
        } else if ((text_equal(kind, TEXT("team")) && !text_equal(record->team, is)) ||
                   (text_equal(kind, TEXT("key")) && !text_equal(record->key_id, is))) {
            continue;
        }
        if (record->cost > 0 && record->started_at >= scope->from && record->started_at < scope->to)
            sum += record->cost;
    }
    return sum;
}

static void test_scopes(void **state)
{
    fill_store();
    for (unsigned round = 0; round < 20; round++) {
        struct usage_scope scopes[6];
        uint64_t edges[EDGES_MAX];
        for (size_t i = 0; i < ARRAY_LENGTH(scopes); i++) {
            const struct usage_scope kinds[] = {
                {.kind = TEXT("organisation"), .value = TEXT("")},
                {.kind = TEXT("team"), .value = TEXT("blue")},
                {.kind = TEXT("team"), .value = TEXT("a=b")}, /* no tag, for all its look */
                {.kind = TEXT("key"), .value = TEXT("key3")},
                {.kind = TEXT("tag"), .value = TEXT("env=prod")},
            };
            if (i % 3 == 0)
                random_edges(edges);
            scopes[i] = kinds[next_random(ARRAY_LENGTH(kinds))];
            scopes[i].from = edges[0];
            scopes[i].to = edges[1];
        }
        assert_int_equal(usage_sum_scopes(store, scopes, ARRAY_LENGTH(scopes)), ERROR_OK);
        for (size_t i = 0; i < ARRAY_LENGTH(scopes); i++) {
            __int128 one;
            assert_true(scopes[i].sums.cost == slow_sum(&scopes[i]));
            assert_int_equal(usage_sum(store, scopes[i].kind, scopes[i].value, scopes[i].from,
                                       scopes[i].to, &one),
                             ERROR_OK);
            assert_true(one == scopes[i].sums.cost);
        }
    }
    __int128 sum;
    assert_int_equal(usage_sum(store, TEXT("planet"), TEXT("mars"), 0, 1, &sum), ERROR_ARGUMENT);
}

/* ---- Old stores ---- */

static void test_an_old_store_is_counted_once(void **state)
{
    const uint64_t edges[] = {0, START + 2 * ROLLUP_DAY + 7 * MINUTE, UINT64_MAX};
    const struct usage_group group = {.dimension = USAGE_BY_TEAM};
    const struct usage_request request = {
        .edges = edges, .edge_count = 3, .groups = &group, .group_count = 1};
    uint64_t counted, total;
    bool more = true;
    fill_store();
    assert_int_equal(store_execute(store,
                                   "DELETE FROM usage_series; DELETE FROM usage_quarters;"
                                   "DELETE FROM usage_days; UPDATE exchanges SET series = NULL;"
                                   "UPDATE usage_backfill SET next = 1,"
                                   " last = (SELECT max(number) FROM exchanges)"),
                     ERROR_OK);
    rows_close_insert(&insert);
    assert_int_equal(rows_open_insert(&insert, store, NULL), ERROR_OK);
    assert_int_equal(rollup_progress(store, &counted, &total), ERROR_OK);
    assert_int_equal(counted, 0);
    assert_true(total >= CALLS);
    while (more) {
        bool undo = next_random(3) == 0;
        assert_int_equal(store_begin(store), ERROR_OK);
        assert_int_equal(rollup_backfill(insert.rollup, 1 + (unsigned)next_random(500), &more),
                         ERROR_OK);
        if (undo && more) {
            store_roll_back(store);
            rollup_forget(insert.rollup);
        } else {
            assert_int_equal(store_commit(store), ERROR_OK);
        }
    }
    assert_int_equal(rollup_progress(store, &counted, &total), ERROR_OK);
    assert_int_equal(counted, total);
    check(&request);
}

/* ---- Hostile values ---- */

static void put_one(const struct record *record)
{
    bool inserted;
    assert_int_equal(store_begin(store), ERROR_OK);
    assert_int_equal(rows_insert_record(&insert, record, &inserted), ERROR_OK);
    assert_int_equal(rows_flush(&insert), ERROR_OK);
    assert_int_equal(store_commit(store), ERROR_OK);
}

static int64_t query_number(const char *sql)
{
    struct store_statement *statement;
    bool row;
    assert_int_equal(store_prepare(store, sql, &statement), ERROR_OK);
    assert_int_equal(store_step(statement, &row), ERROR_OK);
    int64_t number = store_column_integer(statement, 0);
    store_finish(statement);
    return number;
}

static bool take_sums(void *context, const struct usage_row *row)
{
    *(struct usage_sums *)context = *row->sums;
    return true;
}

static struct usage_sums sum_of_all(void)
{
    const uint64_t edges[] = {0, UINT64_MAX};
    const struct usage_request request = {.edges = edges, .edge_count = 2};
    struct usage_sums sums = {0};
    assert_int_equal(usage_query(store, &request, take_sums, &sums), ERROR_OK);
    return sums;
}

static void test_callers_cannot_fill_the_table(void **state)
{
    char model[32];
    for (unsigned i = 0; i < 3 * ROLLUP_SERIES_PER_KEY; i++) {
        struct record record;
        record_clear(&record, identifier_make(START));
        record.started_at = START;
        record.key_id = i % 3 == 0 ? TEXT("") : TEXT("key");
        (void)snprintf(model, sizeof model, "model-%u", i);
        record.model = text_from(model);
        record.outcome = RECORD_OUTCOME_REFUSED;
        put_one(&record);
    }
    assert_int_equal(query_number("SELECT count(*) FROM usage_series WHERE key_id = ''"), 1);
    assert_int_equal(query_number("SELECT count(*) FROM usage_series WHERE key_id = 'key'"),
                     ROLLUP_SERIES_PER_KEY + 1);
    assert_int_equal(sum_of_all().counters.calls, 3 * ROLLUP_SERIES_PER_KEY);
    assert_int_equal(
        query_number("SELECT calls FROM usage_quarters JOIN usage_series ON id = series"
                     " WHERE model = '" ROLLUP_OTHER "'"),
        ROLLUP_SERIES_PER_KEY);
}

static void test_sums_do_not_overflow(void **state)
{
    struct record record;
    for (unsigned i = 0; i < 5; i++) {
        record_clear(&record, identifier_make(START));
        record.started_at = START;
        record.input_tokens = INT64_MAX;
        record.duration = INT64_MAX;
        record.cost = INT64_MAX;
        record.calls = INT64_MAX;
        put_one(&record);
    }
    struct usage_sums sums = sum_of_all();
    assert_true(sums.cost == (__int128)5 * INT64_MAX);
    assert_int_equal(sums.counters.calls, INT64_C(5) << 40);
    assert_int_equal(store_execute(store, "UPDATE usage_days SET input_tokens = 1 << 62,"
                                          " cost_usd = 4611686018427387903"),
                     ERROR_OK);
    record_clear(&record, identifier_make(START));
    record.started_at = START;
    record.input_tokens = 7;
    record.cost = 2000000000000;
    put_one(&record);
    put_one(&record); /* the same again: not counted */
    assert_int_equal(query_number("SELECT sum(typeof(input_tokens) <> 'integer' OR"
                                  " typeof(cost_usd) <> 'integer') FROM usage_days"),
                     0);
    assert_int_equal(query_number("SELECT input_tokens FROM usage_days"), INT64_C(1) << 62);
    assert_int_equal(query_number("SELECT input_tokens FROM usage_quarters"),
                     (INT64_C(5) << 40) + 7);
}

static void test_money_is_split(void **state)
{
    static const struct {
        int64_t amount, dollars, picos;
    } rows[] = {{0, 0, 0},
                {1, 0, 1},
                {-1, -1, 999999999999},
                {1000000000000, 1, 0},
                {-1000000000000, -1, 0},
                {-1500000000000, -2, 500000000000}};
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        int64_t dollars, picos;
        rollup_split_money(rows[i].amount, &dollars, &picos);
        assert_int_equal(dollars, rows[i].dollars);
        assert_int_equal(picos, rows[i].picos);
    }
}

/* ---- Adjustments ---- */

static void adjust(const struct record *record, int64_t before, int64_t after, enum error expected)
{
    struct adjustment adjustment = {.exchange = record->id,
                                    .time = START,
                                    .who = TEXT("me"),
                                    .catalog = TEXT("v2"),
                                    .before = before,
                                    .after = after};
    assert_int_equal(store_begin(store), ERROR_OK);
    assert_int_equal(adjustments_add(store, &adjustment), expected);
    if (expected)
        store_roll_back(store);
    else
        assert_int_equal(store_commit(store), ERROR_OK);
}

static void count_adjustment(void *context, const struct adjustment *adjustment)
{
    ++*(int *)context;
    assert_int_equal(adjustment->time, START);
    assert_true(text_equal(adjustment->catalog, TEXT("v2")));
}

static void test_adjustments(void **state)
{
    struct record record;
    int64_t cost;
    int count = 0;
    record_clear(&record, identifier_make(START));
    record.started_at = START;
    record.cost = 5000;
    record.cost_state = TEXT("priced");
    put_one(&record);
    adjust(&record, 4000, 3000, ERROR_ARGUMENT); /* not what it costs */
    adjust(&record, 5000, -3, ERROR_ARGUMENT);
    adjust(&record, 5000, 3000, ERROR_OK);
    adjust(&record, 5000, 2000, ERROR_ARGUMENT); /* somebody was faster */
    adjust(&record, 3000, 2500, ERROR_OK);
    struct usage_sums sums = sum_of_all();
    assert_true(sums.cost == 5000 && sums.adjusted == -2500);
    assert_int_equal(adjustments_of(store, record.id, count_adjustment, &count), ERROR_OK);
    assert_int_equal(count, 2);
    record_clear(&record, identifier_make(START));
    record.started_at = START + 1;
    record.cost_state = TEXT("unpriced");
    put_one(&record);
    assert_int_equal(adjustments_cost(store, record.id, &cost), ERROR_OK);
    assert_int_equal(cost, ADJUSTMENTS_UNPRICED);
    assert_int_equal(sum_of_all().counters.unpriced, 1);
    adjust(&record, ADJUSTMENTS_UNPRICED, 3 * ROLLUP_PICOS + 7, ERROR_OK);
    sums = sum_of_all();
    assert_true(sums.cost == 5000 && sums.adjusted == 3 * ROLLUP_PICOS + 7 - 2500);
    assert_int_equal(sums.counters.unpriced, 0);
    /* An edge within the quarter: the same from the rows. */
    const uint64_t edges[] = {START + 1, START + 2};
    const struct usage_request request = {.edges = edges, .edge_count = 2};
    assert_int_equal(usage_query(store, &request, take_sums, &sums), ERROR_OK);
    assert_true(sums.cost == 0 && sums.adjusted == 3 * ROLLUP_PICOS + 7);
    assert_int_equal(sums.counters.unpriced, 0);
    __int128 spent;
    assert_int_equal(usage_sum(store, TEXT("organisation"), TEXT(""), 0, UINT64_MAX, &spent),
                     ERROR_OK);
    assert_true(spent == 3 * ROLLUP_PICOS + 7 + 2500);
    record.id = identifier_make(START);
    adjust(&record, 0, 1, ERROR_NOT_FOUND);
}

/* Who makes up keys makes no series. */
static void test_strangers_make_no_series(void **state)
{
    size_t news;
    struct store_statement *select;
    bool row;
    static char ids[ROWS_MAX][32];
    assert_int_equal(store_begin(store), ERROR_OK);
    for (size_t i = 0; i < ROWS_MAX; i++) {
        (void)snprintf(ids[i], sizeof ids[i], "tpk_%012zu", i);
        record_clear(&calls[i], identifier_make(START + i));
        calls[i].started_at = START;
        calls[i].outcome = RECORD_OUTCOME_REFUSED;
        calls[i].status = 401;
        calls[i].key_id = text_from(ids[i]);
    }
    calls[0].key_name = TEXT("revoked"); /* that one was found */
    put(0, ROWS_MAX, &news);
    assert_int_equal(rows_flush(&insert), ERROR_OK);
    assert_int_equal(store_commit(store), ERROR_OK);
    assert_int_equal(store_prepare(store,
                                   "SELECT count(*), sum(refused), max(key_id) FROM usage_series"
                                   " JOIN usage_quarters ON series = id",
                                   &select),
                     ERROR_OK);
    assert_int_equal(store_step(select, &row), ERROR_OK);
    assert_int_equal(store_column_integer(select, 0), 2);
    assert_int_equal(store_column_integer(select, 1), ROWS_MAX);
    assert_true(text_equal(store_column_text(select, 2), text_from(ids[0])));
    store_finish(select);
}

/* ---- Where somebody's calls are ---- */

static bool is_whose(const struct usage_whose *whose, const struct record *record)
{
    return (text_empty(whose->team) || text_equal(whose->team, record->team)) &&
           (text_empty(whose->key) || text_equal(whose->key, record->key_id)) &&
           (text_empty(whose->provider) || text_equal(whose->provider, record->provider)) &&
           (text_empty(whose->tag) || text_find(record->tags, whose->tag) >= 0) &&
           (text_empty(whose->model) || text_matches_pattern(record->model, whose->model) ||
            text_matches_pattern(record->target_model, whose->model));
}

/* From the latest, each once; every call that is meant lies in one, and without a filter that is
 * all that is told. */
static size_t check_places(const struct usage_whose *whose, uint64_t since, uint64_t until)
{
    struct usage_places *places;
    int64_t quarter, last = INT64_MAX;
    static bool told[6 * ROLLUP_QUARTERS_PER_DAY];
    size_t count = 0;
    memset(told, 0, sizeof told);
    assert_int_equal(usage_places_open(store, whose, since, until, &places), ERROR_OK);
    assert_non_null(places);
    for (bool found; usage_places_next(places, &quarter, &found) == ERROR_OK && found; count++) {
        assert_true(quarter < last);
        last = quarter;
        told[quarter - (int64_t)(START / ROLLUP_QUARTER)] = true;
    }
    usage_places_close(places);
    for (size_t i = 0; i < call_count; i++) {
        if (calls[i].started_at >= since && calls[i].started_at < until &&
            is_whose(whose, &calls[i]))
            assert_true(told[(calls[i].started_at - START) / ROLLUP_QUARTER]);
    }
    return count;
}

static void test_places(void **state)
{
    const struct usage_whose nobody = {.key = TEXT("nobody")};
    fill_store();
    for (unsigned round = 0; round < 200; round++) {
        struct usage_whose whose = {0};
        uint64_t since = START + next_random(5 * 24) * HOUR;
        if (next_random(2) == 0)
            whose.team = ONE_OF("blue", "green");
        if (next_random(2) == 0)
            whose.key = ONE_OF("key1", "key2", "key3");
        if (next_random(3) == 0)
            whose.model = ONE_OF("gpt-*", "claude-4", "emb");
        if (next_random(3) == 0)
            whose.provider = ONE_OF("openai", "azure");
        if (next_random(3) == 0)
            whose.tag = ONE_OF("\"env\":\"prod\"", "\"env\":\"test\"");
        (void)check_places(&whose, since, since + next_random(100) * HOUR);
        (void)check_places(&whose, 0, INT64_MAX);
    }
    assert_int_equal(check_places(&nobody, 0, INT64_MAX), 0);
    const struct usage_whose few = {
        .key = TEXT("key1"), .model = TEXT("emb"), .provider = TEXT("azure")};
    assert_in_range(check_places(&few, 0, INT64_MAX), 1, 5 * ROLLUP_QUARTERS_PER_DAY - 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_places),
        TEST(test_equals_a_recount),
        TEST(test_bounds_and_wrong_edges),
        TEST(test_without_old_quarters),
        TEST(test_scopes),
        TEST(test_an_old_store_is_counted_once),
        TEST(test_callers_cannot_fill_the_table),
        TEST(test_sums_do_not_overflow),
        TEST(test_money_is_split),
        TEST(test_adjustments),
        cmocka_unit_test_setup_teardown(test_strangers_make_no_series, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
