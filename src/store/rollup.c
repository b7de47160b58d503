/* In memory there are two tables: `known`, which series a run of texts is (a part of usage_series),
 * and `sums`, what was added to a quarter and series since the last flush. A flush writes the sums
 * to usage_quarters, added up over all series to usage_totals, and merged by day to usage_days,
 * each in the order of the table's key, so that neighbours share a page.
 *
 * Invariant: what is in `known` is in usage_series or was put there in the open transaction; who
 * rolls that back calls rollup_forget. */
#include "store/rollup.h"

#include "base/buffer.h"
#include "base/ensure.h"
#include "store/exchanges.h"
#include "store/table.h"

#define TEXTS               7u
#define TEXT_LENGTH_MAX     512u /* no field of a record that comes here is longer */
#define PACKED_MAX          (TEXTS * (TEXT_LENGTH_MAX + sizeof(uint32_t)))
#define KNOWN_MAX           65536u /* series kept in memory, some 20 MiB; then it starts anew */
#define COUNT_MAX           (INT64_C(1) << 40) /* of one call: what is more is a fault of its sender */
#define SUM_MAX             (INT64_C(1) << 62)
#define SQL_SIZE_MAX        16384u
#define STATUS_UNAUTHORIZED 401

struct known {
    uint64_t hash;
    int64_t series;
    char *packed; /* NULL: a free place */
    size_t length;
};

struct sum {
    int64_t bucket;
    int64_t series;
    struct usage_counters counters;
    __int128 cost;
    struct histogram_parts durations, first_tokens;
};

enum statement {
    FIND_SERIES,
    INSERT_SERIES,
    COUNT_SERIES,
    PUT_QUARTER,
    PUT_TOTAL,
    PUT_DAY,
    READ_BACKFILL,
    SET_SERIES,
    PUT_BACKFILL,
    STATEMENT_COUNT
};

#define SERIES_COLUMNS "key_id, team, model, target_model, provider, service, tags"

static const char *const statement_sql[STATEMENT_COUNT] = {
    [FIND_SERIES] = "SELECT id FROM usage_series WHERE key_id = ? AND team = ? AND model = ?"
                    " AND target_model = ? AND provider = ? AND service = ? AND tags = ?",
    [INSERT_SERIES] = "INSERT INTO usage_series (" SERIES_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?)"
                      " RETURNING id",
    [COUNT_SERIES] = "SELECT count(*) FROM usage_series WHERE key_id = ?",
    [READ_BACKFILL] = "SELECT next, last FROM usage_backfill",
    [SET_SERIES] = "UPDATE exchanges SET series = ? WHERE number = ?",
    [PUT_BACKFILL] = "UPDATE usage_backfill SET next = ?",
};

struct rollup {
    struct store *store;
    struct store_statement *statements[STATEMENT_COUNT];
    struct exchanges_reader old; /* records that are not counted */
    struct known *known;
    size_t known_capacity; /* a power of two, or 0 */
    size_t known_count;
    struct sum *sums;
    size_t sum_count;
    size_t sum_capacity;
    uint32_t *places;   /* of sums by bucket and series: index + 1, 0: free */
    size_t place_count; /* a power of two, or 0; twice the sums at least */
    bool backfilled;
    char packed[PACKED_MAX];
};

/* ---- Statements ---- */

/* Puts a row or adds to it. A sum that has come to SUM_MAX stays, so that none becomes a floating
 * number, as SQLite makes of an integer that overflows. */
static enum error prepare_put(struct store *store, const char *table, struct store_statement **out)
{
    struct buffer sql;
    buffer_open(&sql, SQL_SIZE_MAX);
    buffer_append_format(&sql, "INSERT INTO %s (bucket, series", table);
#define COUNTER(name, description) buffer_append(&sql, TEXT(", " #name));
#include "tables/usage_counters.def"
#undef COUNTER
    buffer_append(&sql, TEXT(", cost_usd, cost_picos, durations, first_tokens, adjusted_usd,"
                             " adjusted_picos) VALUES (?, ?"));
#define COUNTER(name, description) buffer_append(&sql, TEXT(", ?"));
#include "tables/usage_counters.def"
#undef COUNTER
    buffer_append(&sql, TEXT(", ?, ?, ?, ?, 0, 0) ON CONFLICT DO UPDATE SET "));
#define COUNTER(name, description)                                                               \
    buffer_append_format(&sql,                                                                   \
                         #name " = " #name " + iif(" #name " >= %lld, 0, excluded." #name "), ", \
                         (long long)SUM_MAX);
#include "tables/usage_counters.def"
#undef COUNTER
    buffer_append_format(&sql,
                         "cost_usd = cost_usd + iif(cost_usd >= %lld, 0, excluded.cost_usd)"
                         " + (cost_picos + excluded.cost_picos) / %lld,"
                         " cost_picos = (cost_picos + excluded.cost_picos) %% %lld,"
                         " durations = histogram_sum(durations, excluded.durations),"
                         " first_tokens = histogram_sum(first_tokens, excluded.first_tokens)",
                         (long long)SUM_MAX, ROLLUP_PICOS, ROLLUP_PICOS);
    buffer_append_char(&sql, '\0');
    enum error error = sql.failed ? ERROR_MEMORY : store_prepare(store, sql.data, out);
    buffer_close(&sql);
    return error;
}

enum error rollup_create(struct store *store, struct rollup **out)
{
    enum error error = ERROR_OK;
    struct rollup *rollup = calloc(1, sizeof *rollup);
    if (rollup == NULL)
        return ERROR_MEMORY;
    rollup->store = store;
    for (size_t i = 0; !error && i < STATEMENT_COUNT; i++) {
        if (statement_sql[i] != NULL)
            error = store_prepare(store, statement_sql[i], &rollup->statements[i]);
    }
    if (!error)
        error = prepare_put(store, "usage_quarters", &rollup->statements[PUT_QUARTER]);
    if (!error)
        error = prepare_put(store, "usage_totals", &rollup->statements[PUT_TOTAL]);
    if (!error)
        error = prepare_put(store, "usage_days", &rollup->statements[PUT_DAY]);
    if (!error)
        error = exchanges_open(&rollup->old, store,
                               "WHERE number >= ? AND number <= ? AND series IS NULL"
                               " ORDER BY number LIMIT ?");
    if (error) {
        rollup_destroy(rollup);
        return error;
    }
    *out = rollup;
    return ERROR_OK;
}

static void forget_known(struct rollup *rollup)
{
    for (size_t i = 0; i < rollup->known_capacity; i++)
        free(rollup->known[i].packed);
    free(rollup->known);
    rollup->known = NULL;
    rollup->known_capacity = 0;
    rollup->known_count = 0;
}

static void free_histograms(struct sum *sum)
{
    histogram_parts_free(&sum->durations);
    histogram_parts_free(&sum->first_tokens);
}

static void forget_sums(struct rollup *rollup)
{
    if (rollup->sum_count > 0)
        memset(rollup->places, 0, rollup->place_count * sizeof *rollup->places);
    for (size_t i = 0; i < rollup->sum_count; i++)
        free_histograms(&rollup->sums[i]);
    rollup->sum_count = 0;
}

void rollup_destroy(struct rollup *rollup)
{
    if (rollup == NULL)
        return;
    for (size_t i = 0; i < STATEMENT_COUNT; i++)
        store_finish(rollup->statements[i]);
    exchanges_close(&rollup->old);
    forget_known(rollup);
    forget_sums(rollup);
    free(rollup->sums);
    free(rollup->places);
    free(rollup);
}

void rollup_forget(struct rollup *rollup)
{
    forget_known(rollup);
    forget_sums(rollup);
}

/* ---- Series ---- */

static size_t pack(const struct text texts[TEXTS], char packed[PACKED_MAX])
{
    size_t length = 0;
    for (size_t i = 0; i < TEXTS; i++) {
        uint32_t size = (uint32_t)texts[i].length;
        memcpy(packed + length, &size, sizeof size);
        length += sizeof size;
        if (size > 0)
            memcpy(packed + length, texts[i].data, size);
        length += size;
    }
    return length;
}

/* Where the texts are, or the free place where they would be. */
static struct known *find_known(const struct rollup *rollup, uint64_t hash, struct text packed)
{
    size_t mask = rollup->known_capacity - 1;
    size_t at = (size_t)hash & mask;
    while (rollup->known[at].packed != NULL &&
           (rollup->known[at].hash != hash ||
            !text_equal(text_of(rollup->known[at].packed, rollup->known[at].length), packed)))
        at = (at + 1) & mask;
    return &rollup->known[at];
}

static enum error make_room_for_known(struct rollup *rollup)
{
    if (rollup->known_count >= KNOWN_MAX)
        forget_known(rollup);
    if (rollup->known_capacity > 2 * rollup->known_count)
        return ERROR_OK;
    size_t capacity = rollup->known_capacity ? 2 * rollup->known_capacity : 256;
    struct known *old = rollup->known;
    size_t old_capacity = rollup->known_capacity;
    struct known *entries = calloc(capacity, sizeof *entries);
    if (entries == NULL)
        return ERROR_MEMORY;
    rollup->known = entries;
    rollup->known_capacity = capacity;
    for (size_t i = 0; i < old_capacity; i++) {
        if (old[i].packed != NULL)
            *find_known(rollup, old[i].hash, text_of(old[i].packed, old[i].length)) = old[i];
    }
    free(old);
    return ERROR_OK;
}

static enum error remember(struct rollup *rollup, uint64_t hash, struct text packed, int64_t series)
{
    enum error error = make_room_for_known(rollup);
    if (error)
        return error;
    char *copy = malloc(packed.length);
    if (copy == NULL)
        return ERROR_MEMORY;
    memcpy(copy, packed.data, packed.length);
    *find_known(rollup, hash, packed) =
        (struct known){.hash = hash, .series = series, .packed = copy, .length = packed.length};
    rollup->known_count++;
    return ERROR_OK;
}

/* Runs a statement that gives one number or nothing; 0 when nothing. */
static enum error read_number(struct store_statement *statement, int64_t *number)
{
    bool row;
    *number = 0;
    enum error error = store_step(statement, &row);
    if (!error && row) {
        *number = store_column_integer(statement, 0);
        error = store_run(statement); /* to its end: an INSERT is done then */
    }
    store_reset(statement);
    return error;
}

static enum error find_stored(struct rollup *rollup, const struct text texts[TEXTS],
                              int64_t *series)
{
    table_bind_texts(rollup->statements[FIND_SERIES], texts, TEXTS);
    return read_number(rollup->statements[FIND_SERIES], series);
}

enum { TEXT_KEY, TEXT_TEAM, TEXT_MODEL, TEXT_TARGET_MODEL };

/* A key that has used up its series is counted without its models. */
static enum error make_series(struct rollup *rollup, struct text texts[TEXTS], int64_t *series)
{
    int64_t count;
    store_bind_text(rollup->statements[COUNT_SERIES], 1, texts[TEXT_KEY]);
    enum error error = read_number(rollup->statements[COUNT_SERIES], &count);
    if (error)
        return error;
    if (count >= ROLLUP_SERIES_PER_KEY) {
        texts[TEXT_MODEL] = TEXT(ROLLUP_OTHER);
        texts[TEXT_TARGET_MODEL] = TEXT(ROLLUP_OTHER);
        error = find_stored(rollup, texts, series);
        if (error || *series != 0)
            return error;
    }
    table_bind_texts(rollup->statements[INSERT_SERIES], texts, TEXTS);
    return read_number(rollup->statements[INSERT_SERIES], series);
}

enum error rollup_series(struct rollup *rollup, const struct rollup_call *call, int64_t *series)
{
    struct text texts[TEXTS] = {call->key_id,   call->team,    call->model, call->target_model,
                                call->provider, call->service, call->tags};
    if (text_empty(call->key_id)) {
        texts[TEXT_MODEL] = TEXT("");
        texts[TEXT_TARGET_MODEL] = TEXT("");
    }
    for (size_t i = 0; i < TEXTS; i++)
        texts[i] = text_first(texts[i], TEXT_LENGTH_MAX);
    struct text packed = text_of(rollup->packed, pack(texts, rollup->packed));
    uint64_t hash = text_hash(packed);
    if (rollup->known_capacity > 0) {
        const struct known *known = find_known(rollup, hash, packed);
        if (known->packed != NULL) {
            *series = known->series;
            return ERROR_OK;
        }
    }
    enum error error = find_stored(rollup, texts, series);
    if (!error && *series == 0)
        error = make_series(rollup, texts, series);
    return error ? error : remember(rollup, hash, packed, *series);
}

/* ---- Sums ---- */

/* What was sent as key and was not found to be one is a stranger's word: each of them would make a
 * series. */
static bool is_claimed(const struct record *record)
{
    return record->outcome == RECORD_OUTCOME_REFUSED && record->status == STATUS_UNAUTHORIZED &&
           text_empty(record->key_name);
}

void rollup_describe(const struct record *record, struct rollup_call *call)
{
    *call = (struct rollup_call){
        .key_id = is_claimed(record) ? TEXT("") : record->key_id,
        .team = record->team,
        .model = record->model,
        .target_model = record->target_model,
        .provider = record->provider,
        .service = record->price_service,
        .tags = record->tags,
        .started_at = record->started_at,
        .outcome = record->outcome,
        .cost_state = record->cost_state,
        .call_count = record->calls,
        .cost = record->cost,
        .duration = record->duration,
        .first_token = record->first_token,
#define COUNTER(name, description)
#define COUNTER_FIELD(name, description) .name = record->name,
#include "tables/usage_counters.def"
#undef COUNTER
    };
}

static int64_t cut(int64_t number)
{
    if (number < 0)
        return 0;
    return number > COUNT_MAX ? COUNT_MAX : number;
}

void rollup_count(const struct rollup_call *call, struct usage_counters *out)
{
    /* A line of its own within a call (an attempt that was left, a copy) is no call. */
    int64_t calls = call->call_count < 0 ? 1 : cut(call->call_count);
    int64_t lines = calls > 0 ? calls : 1;
    *out = (struct usage_counters){.calls = calls};
#define COUNTER(name, description)
#define COUNTER_FIELD(name, description) out->name = cut(call->name);
#include "tables/usage_counters.def"
#undef COUNTER
    int64_t *const by_outcome[RECORD_OUTCOME_COUNT] = {
        [RECORD_OUTCOME_SERVED] = &out->served,
        [RECORD_OUTCOME_REFUSED] = &out->refused,
        [RECORD_OUTCOME_FAILED] = &out->failed,
        [RECORD_OUTCOME_CANCELLED] = &out->cancelled,
        [RECORD_OUTCOME_INTERRUPTED] = &out->interrupted,
    };
    if (by_outcome[call->outcome] != NULL)
        *by_outcome[call->outcome] = calls;
    if (text_equal(call->cost_state, TEXT("estimated")))
        out->estimated = calls;
    if (text_equal(call->cost_state, TEXT("unpriced")))
        out->unpriced = lines;
    /* Of a Turnpike that knew no prices yet: it used something, and nobody said what that costs. */
    if (text_empty(call->cost_state) && (call->input_tokens > 0 || call->output_tokens > 0))
        out->unpriced = lines;
    out->duration_us = call->duration < 0 ? 0 : cut(call->duration / 1000);
}

/* Of what the caller got whole: how soon a refusal came says nothing about the models. */
void rollup_times(const struct rollup_call *call, int64_t *duration, int64_t *first_token)
{
    bool counts = call->outcome == RECORD_OUTCOME_SERVED && call->call_count != 0;
    *duration = counts && call->duration >= 0 ? call->duration / 1000 : -1;
    *first_token = counts && call->first_token >= 0 ? call->first_token / 1000 : -1;
}

void rollup_split_money(__int128 picodollars, int64_t *dollars, int64_t *picos)
{
    __int128 whole = picodollars / ROLLUP_PICOS;
    __int128 rest = picodollars % ROLLUP_PICOS;
    if (rest < 0) {
        rest += ROLLUP_PICOS;
        whole--;
    }
    if (whole > SUM_MAX)
        whole = SUM_MAX;
    if (whole < -SUM_MAX)
        whole = -SUM_MAX;
    *dollars = (int64_t)whole;
    *picos = (int64_t)rest;
}

static uint64_t place_hash(int64_t bucket, int64_t series)
{
    return ((uint64_t)series * 0x9e3779b97f4a7c15ull) ^ ((uint64_t)bucket * 0xc2b2ae3d27d4eb4full);
}

static uint32_t *find_place(const struct rollup *rollup, int64_t bucket, int64_t series)
{
    size_t mask = rollup->place_count - 1;
    size_t at = (size_t)(place_hash(bucket, series) >> 32) & mask;
    while (rollup->places[at] != 0) {
        const struct sum *sum = &rollup->sums[rollup->places[at] - 1];
        if (sum->bucket == bucket && sum->series == series)
            break;
        at = (at + 1) & mask;
    }
    return &rollup->places[at];
}

static enum error make_room_for_sum(struct rollup *rollup)
{
    if (rollup->sum_count < rollup->sum_capacity)
        return ERROR_OK;
    size_t capacity = rollup->sum_capacity ? 2 * rollup->sum_capacity : 256;
    struct sum *sums = realloc(rollup->sums, capacity * sizeof *sums);
    if (sums == NULL)
        return ERROR_MEMORY;
    rollup->sums = sums;
    uint32_t *places = calloc(4 * capacity, sizeof *places);
    if (places == NULL)
        return ERROR_MEMORY;
    free(rollup->places);
    rollup->places = places;
    rollup->place_count = 4 * capacity;
    rollup->sum_capacity = capacity;
    for (size_t i = 0; i < rollup->sum_count; i++)
        *find_place(rollup, sums[i].bucket, sums[i].series) = (uint32_t)i + 1;
    return ERROR_OK;
}

static void add_up(struct usage_counters *to, const struct usage_counters *from)
{
#define COUNTER(name, description) \
    to->name = to->name > SUM_MAX - from->name ? SUM_MAX : to->name + from->name;
#include "tables/usage_counters.def"
#undef COUNTER
}

static enum error add_times(struct sum *sum, const struct rollup_call *call)
{
    int64_t duration, first_token;
    enum error error = ERROR_OK;
    rollup_times(call, &duration, &first_token);
    if (duration >= 0)
        error = histogram_parts_add(&sum->durations, histogram_bucket((uint64_t)duration), 1);
    if (!error && first_token >= 0)
        error = histogram_parts_add(&sum->first_tokens, histogram_bucket((uint64_t)first_token), 1);
    return error;
}

enum error rollup_add(struct rollup *rollup, int64_t series, const struct rollup_call *call)
{
    struct usage_counters counters;
    int64_t bucket = (int64_t)(call->started_at / ROLLUP_QUARTER);
    enum error error = make_room_for_sum(rollup);
    if (error)
        return error;
    uint32_t *place = find_place(rollup, bucket, series);
    if (*place == 0) {
        rollup->sums[rollup->sum_count++] = (struct sum){.bucket = bucket, .series = series};
        *place = (uint32_t)rollup->sum_count;
    }
    struct sum *sum = &rollup->sums[*place - 1];
    rollup_count(call, &counters);
    add_up(&sum->counters, &counters);
    if (call->cost > 0)
        sum->cost += call->cost;
    return add_times(sum, call);
}

/* ---- Writing ---- */

static int compare_sums(const void *left, const void *right)
{
    const struct sum *a = left, *b = right;
    if (a->bucket != b->bucket)
        return a->bucket < b->bucket ? -1 : 1;
    return (a->series > b->series) - (a->series < b->series);
}

/* An empty one stays NULL. */
static void bind_histogram(struct store_statement *put, int parameter,
                           const struct histogram_parts *parts, uint8_t bytes[HISTOGRAM_SIZE_MAX])
{
    size_t length = histogram_parts_encode(parts, bytes);
    if (length > 0)
        store_bind_blob(put, parameter, bytes, length);
}

static enum error put_sum(struct store_statement *put, const struct sum *sum)
{
    int64_t dollars, picos;
    int parameter = 3;
    uint8_t durations[HISTOGRAM_SIZE_MAX], first_tokens[HISTOGRAM_SIZE_MAX];
    rollup_split_money(sum->cost, &dollars, &picos);
    store_bind_integer(put, 1, sum->bucket);
    store_bind_integer(put, 2, sum->series);
#define COUNTER(name, description) store_bind_integer(put, parameter++, sum->counters.name);
#include "tables/usage_counters.def"
#undef COUNTER
    store_bind_integer(put, parameter++, dollars);
    store_bind_integer(put, parameter++, picos);
    bind_histogram(put, parameter++, &sum->durations, durations);
    bind_histogram(put, parameter, &sum->first_tokens, first_tokens);
    return store_run(put);
}

static enum error put_sums(struct rollup *rollup, enum statement put)
{
    enum error error = ERROR_OK;
    qsort(rollup->sums, rollup->sum_count, sizeof *rollup->sums, compare_sums);
    for (size_t i = 0; !error && i < rollup->sum_count; i++)
        error = put_sum(rollup->statements[put], &rollup->sums[i]);
    return error;
}

static enum error merge_sums(struct sum *to, const struct sum *from)
{
    add_up(&to->counters, &from->counters);
    to->cost += from->cost;
    enum error error = histogram_parts_add_all(&to->durations, &from->durations);
    return error ? error : histogram_parts_add_all(&to->first_tokens, &from->first_tokens);
}

/* The quarters' sums, of all series together: they stand in the order of their buckets. */
static enum error put_totals(struct rollup *rollup)
{
    enum error error = ERROR_OK;
    for (size_t i = 0; !error && i < rollup->sum_count;) {
        struct sum total = {.bucket = rollup->sums[i].bucket, .series = ROLLUP_ALL_SERIES};
        for (; !error && i < rollup->sum_count && rollup->sums[i].bucket == total.bucket; i++)
            error = merge_sums(&total, &rollup->sums[i]);
        if (!error)
            error = put_sum(rollup->statements[PUT_TOTAL], &total);
        free_histograms(&total);
    }
    return error;
}

/* Makes one sum of those of a day and series. The places are wrong after this. */
static enum error merge_days(struct rollup *rollup)
{
    size_t kept = 0;
    enum error error = ERROR_OK;
    for (size_t i = 0; i < rollup->sum_count; i++)
        rollup->sums[i].bucket /= ROLLUP_QUARTERS_PER_DAY;
    qsort(rollup->sums, rollup->sum_count, sizeof *rollup->sums, compare_sums);
    for (size_t i = 1; i < rollup->sum_count; i++) {
        struct sum *last = &rollup->sums[kept], *sum = &rollup->sums[i];
        if (compare_sums(last, sum) == 0) {
            enum error failed = merge_sums(last, sum);
            free_histograms(sum);
            error = error ? error : failed;
        } else {
            rollup->sums[++kept] = *sum;
        }
    }
    rollup->sum_count = kept + 1;
    return error;
}

enum error rollup_flush(struct rollup *rollup)
{
    if (rollup->sum_count == 0)
        return ERROR_OK;
    enum error error = put_sums(rollup, PUT_QUARTER);
    if (!error)
        error = put_totals(rollup);
    if (!error)
        error = merge_days(rollup);
    if (!error)
        error = put_sums(rollup, PUT_DAY);
    forget_sums(rollup);
    return error;
}

/* ---- Records of an older Turnpike ---- */

static enum error count_old(struct rollup *rollup, const struct exchange_row *row)
{
    int64_t series;
    struct rollup_call call;
    rollup_describe(&row->record, &call);
    enum error error = rollup_series(rollup, &call, &series);
    if (!error)
        error = rollup_add(rollup, series, &call);
    if (error)
        return error;
    store_bind_integer(rollup->statements[SET_SERIES], 1, series);
    store_bind_integer(rollup->statements[SET_SERIES], 2, row->number);
    return store_run(rollup->statements[SET_SERIES]);
}

static enum error count_old_rows(struct rollup *rollup, int64_t next, int64_t last, unsigned rows)
{
    unsigned taken = 0;
    struct exchange_row row = {.number = last};
    enum error error;
    store_bind_integer(rollup->old.select, 1, next);
    store_bind_integer(rollup->old.select, 2, last);
    store_bind_integer(rollup->old.select, 3, rows);
    for (bool found = true; !(error = exchanges_next(&rollup->old, &row, &found)) && found;
         taken++) {
        error = count_old(rollup, &row);
        if (error)
            break;
    }
    exchanges_reset(&rollup->old);
    if (error)
        return error;
    store_bind_integer(rollup->statements[PUT_BACKFILL], 1, (taken < rows ? last : row.number) + 1);
    error = store_run(rollup->statements[PUT_BACKFILL]);
    return error ? error : rollup_flush(rollup);
}

static enum error read_backfill(struct store_statement *read, int64_t *next, int64_t *last)
{
    bool row;
    enum error error = store_step(read, &row);
    if (!error) {
        ensure(row);
        *next = store_column_integer(read, 0);
        *last = store_column_integer(read, 1);
    }
    store_reset(read);
    return error;
}

enum error rollup_backfill(struct rollup *rollup, unsigned rows, bool *more)
{
    int64_t next, last;
    *more = false;
    if (rollup->backfilled)
        return ERROR_OK;
    enum error error = read_backfill(rollup->statements[READ_BACKFILL], &next, &last);
    if (error)
        return error;
    rollup->backfilled = next > last;
    if (rollup->backfilled)
        return ERROR_OK;
    *more = true; /* the next look says whether this was the last */
    return count_old_rows(rollup, next, last, rows);
}

enum error rollup_progress(struct store *store, uint64_t *counted, uint64_t *total)
{
    struct store_statement *read;
    int64_t next = 0, last = 0;
    enum error error = store_prepare(store, statement_sql[READ_BACKFILL], &read);
    if (error)
        return error;
    error = read_backfill(read, &next, &last);
    store_finish(read);
    if (error)
        return error;
    *total = last > 0 ? (uint64_t)last : 0;
    *counted = next > last ? *total : (uint64_t)next - 1;
    return ERROR_OK;
}
