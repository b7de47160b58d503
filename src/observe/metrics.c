/* Each worker has a list of series that only it adds to and only it changes; a page is made by
 * walking all lists.
 *
 * Invariants: a series is complete when `newest` points to it (release, acquire), and afterwards
 * only its values change. A series is never removed. The values of a series have cache lines of
 * their own, so that two workers never write to one line. */
#include "observe/metrics.h"

#include <stdatomic.h>

#include "base/ensure.h"
#include "observe/process.h"

#define CACHE_LINE  64u
#define OTHER_SLOTS 2u    /* the process, the admin API */
#define HASH_SIZE   4096u /* heads: twice the series there may be; a power of two */

#define RECENT 8u /* of a metric: more than the kinds of tokens that a call has */

enum metric_kind { KIND_COUNTER, KIND_GAUGE, KIND_HISTOGRAM };
enum metric_unit { UNIT_ONE, UNIT_NANOSECONDS, UNIT_NANODOLLARS };

#define MILLISECONDS(number) ((uint64_t)((number)*1000000ull))

/* Upper boundaries in nanoseconds. The first two are those of OpenTelemetry's semantic conventions
 * for generative AI (gen_ai.client.operation.duration, gen_ai.server.time_to_first_token). */
static const uint64_t buckets_duration[] = {
    MILLISECONDS(10),    MILLISECONDS(20),   MILLISECONDS(40),    MILLISECONDS(80),
    MILLISECONDS(160),   MILLISECONDS(320),  MILLISECONDS(640),   MILLISECONDS(1280),
    MILLISECONDS(2560),  MILLISECONDS(5120), MILLISECONDS(10240), MILLISECONDS(20480),
    MILLISECONDS(40960), MILLISECONDS(81920)};
static const uint64_t buckets_first_byte[] = {
    MILLISECONDS(1),    MILLISECONDS(5),    MILLISECONDS(10),   MILLISECONDS(20),
    MILLISECONDS(40),   MILLISECONDS(60),   MILLISECONDS(80),   MILLISECONDS(100),
    MILLISECONDS(250),  MILLISECONDS(500),  MILLISECONDS(750),  MILLISECONDS(1000),
    MILLISECONDS(2500), MILLISECONDS(5000), MILLISECONDS(7500), MILLISECONDS(10000)};
/* From what a local socket takes to what a bad network takes. */
static const uint64_t buckets_connect[] = {
    MILLISECONDS(0.05), MILLISECONDS(0.1),  MILLISECONDS(0.25), MILLISECONDS(0.5),
    MILLISECONDS(1),    MILLISECONDS(2.5),  MILLISECONDS(5),    MILLISECONDS(10),
    MILLISECONDS(25),   MILLISECONDS(50),   MILLISECONDS(100),  MILLISECONDS(250),
    MILLISECONDS(500),  MILLISECONDS(1000), MILLISECONDS(5000)};

struct bucket_row {
    const uint64_t *bounds;
    size_t count;
};

#define BUCKET_ROW_NONE \
    {                   \
        NULL, 0         \
    }
#define BUCKET_ROW_DURATION                              \
    {                                                    \
        buckets_duration, ARRAY_LENGTH(buckets_duration) \
    }
#define BUCKET_ROW_FIRST_BYTE                                \
    {                                                        \
        buckets_first_byte, ARRAY_LENGTH(buckets_first_byte) \
    }
#define BUCKET_ROW_CONNECT                             \
    {                                                  \
        buckets_connect, ARRAY_LENGTH(buckets_connect) \
    }

struct metric_row {
    const char *name;
    enum metric_kind kind;
    enum metric_unit unit;
    struct bucket_row buckets;
    struct text labels; /* names with spaces between */
    const char *help;
};

static const struct metric_row metric_rows[METRIC_COUNT] = {
#define METRIC(name, text, kind, unit, buckets, labels, help) \
    {text, KIND_##kind, UNIT_##unit, BUCKET_ROW_##buckets, TEXT_INIT(labels), help},
#include "tables/metrics.def"
#undef METRIC
};

/* A histogram has its sum, then a count for each bucket and one for what is beyond the last. */
struct metric_series {
    enum metric metric;
    struct metric_series *previous;  /* in the worker's list */
    struct metric_series *same_hash; /* the worker's thread only */
    struct text labels[METRICS_LABELS_MAX];
    size_t label_count;
    char *label_memory;
    _Alignas(CACHE_LINE) _Atomic uint64_t values[];
};

struct metrics_worker {
    _Atomic(struct metric_series *) newest;
    unsigned series_count;
    struct metric_series *single[METRIC_COUNT];   /* of metrics without labels */
    struct metric_series *overflow[METRIC_COUNT]; /* of labelled ones: every label "other" */
    struct metric_series *hash[HASH_SIZE];
    /* The last one found, by the length of its last label: most sets come again soon. */
    struct metric_series *recent[METRIC_COUNT][RECENT];
};

struct metrics {
    unsigned workers;
    struct metrics_worker *slots[]; /* of the workers, then those of OTHER_SLOTS */
};

/* ------------------------------------------------------------------ series */

static size_t count_labels(const struct metric_row *row)
{
    struct text rest = row->labels;
    size_t count = 0;
    while (!text_empty(rest)) {
        text_split(&rest, ' ');
        count++;
    }
    return count;
}

static size_t value_count(const struct metric_row *row)
{
    return row->kind == KIND_HISTOGRAM ? row->buckets.count + 2 : 1;
}

/* Not in the middle of a UTF-8 sequence. */
static struct text cut_label(struct text value)
{
    if (value.length <= METRICS_LABEL_SIZE_MAX)
        return value;
    size_t length = METRICS_LABEL_SIZE_MAX;
    while (length > 0 && ((unsigned char)value.data[length] & 0xc0) == 0x80)
        length--;
    return text_first(value, length);
}

static struct metric_series *make_series(enum metric metric, const struct text *values)
{
    const struct metric_row *row = &metric_rows[metric];
    size_t size = sizeof(struct metric_series) + value_count(row) * sizeof(uint64_t);
    size = (size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    struct metric_series *series = aligned_alloc(CACHE_LINE, size);
    if (series == NULL)
        return NULL;
    memset(series, 0, size);
    series->metric = metric;
    series->label_count = count_labels(row);
    series->label_memory = malloc(METRICS_LABELS_MAX * METRICS_LABEL_SIZE_MAX);
    if (series->label_memory == NULL) {
        free(series);
        return NULL;
    }
    char *memory = series->label_memory;
    for (size_t i = 0; i < series->label_count; i++) {
        struct text value = cut_label(values[i]);
        if (value.length > 0)
            memcpy(memory, value.data, value.length);
        series->labels[i] = text_of(memory, value.length);
        memory += value.length;
    }
    return series;
}

static void free_series(struct metric_series *series)
{
    free(series->label_memory);
    free(series);
}

/* From here on a page may show it. */
static void publish(struct metrics_worker *worker, struct metric_series *series)
{
    series->previous = atomic_load_explicit(&worker->newest, memory_order_relaxed);
    atomic_store_explicit(&worker->newest, series, memory_order_release);
}

static size_t hash_labels(enum metric metric, const struct text *values, size_t count)
{
    unsigned long long hash = metric;
    for (size_t i = 0; i < count; i++)
        hash = hash * 31 + text_hash(cut_label(values[i]));
    return (size_t)((hash ^ hash >> 32) % HASH_SIZE);
}

static bool has_labels(const struct metric_series *series, enum metric metric,
                       const struct text *values)
{
    if (series->metric != metric)
        return false;
    for (size_t i = 0; i < series->label_count; i++) {
        if (!text_equal(series->labels[i], cut_label(values[i])))
            return false;
    }
    return true;
}

static struct metric_series *overflowed(struct metrics_worker *worker, enum metric metric)
{
    if (metric != METRIC_SERIES_OVERFLOWS) {
        const struct text name = text_from(metric_rows[metric].name);
        metric_series_add(metrics_series(worker, METRIC_SERIES_OVERFLOWS, &name), 1);
    }
    return worker->overflow[metric];
}

struct metric_series *metrics_series(struct metrics_worker *worker, enum metric metric,
                                     const struct text *values)
{
    if (worker->single[metric] != NULL)
        return worker->single[metric];
    size_t count = worker->overflow[metric]->label_count;
    struct metric_series **recent = &worker->recent[metric][values[count - 1].length % RECENT];
    if (*recent != NULL && has_labels(*recent, metric, values))
        return *recent;
    struct metric_series **head = &worker->hash[hash_labels(metric, values, count)];
    for (struct metric_series *series = *head; series != NULL; series = series->same_hash) {
        if (has_labels(series, metric, values))
            return *recent = series;
    }
    /* The few series that tell of overflows come on top. */
    if (worker->series_count >= METRICS_SERIES_MAX && metric != METRIC_SERIES_OVERFLOWS)
        return overflowed(worker, metric);
    struct metric_series *series = make_series(metric, values);
    if (series == NULL)
        return overflowed(worker, metric);
    worker->series_count++;
    series->same_hash = *head;
    *head = series;
    publish(worker, series);
    return series;
}

/* ------------------------------------------------------------------ values */

/* One thread writes, so no locked addition is needed: others see the old or the new value. */
static void add(_Atomic uint64_t *value, uint64_t amount)
{
    uint64_t old = atomic_load_explicit(value, memory_order_relaxed);
    atomic_store_explicit(value, old + amount, memory_order_relaxed);
}

void metric_series_add(struct metric_series *series, uint64_t amount)
{
    add(&series->values[0], amount);
}

void metric_series_subtract(struct metric_series *series, uint64_t amount)
{
    add(&series->values[0], -amount);
}

void metric_series_set(struct metric_series *series, uint64_t value)
{
    atomic_store_explicit(&series->values[0], value, memory_order_relaxed);
}

void metric_series_observe(struct metric_series *series, uint64_t nanoseconds)
{
    const struct bucket_row *buckets = &metric_rows[series->metric].buckets;
    size_t bucket = 0;
    while (bucket < buckets->count && nanoseconds > buckets->bounds[bucket])
        bucket++;
    add(&series->values[0], nanoseconds);
    add(&series->values[1 + bucket], 1);
}

static struct metric_series *single(struct metrics_worker *worker, enum metric metric)
{
    ensure(worker->single[metric] != NULL);
    return worker->single[metric];
}

void metrics_add(struct metrics_worker *worker, enum metric metric, uint64_t amount)
{
    metric_series_add(single(worker, metric), amount);
}

void metrics_subtract(struct metrics_worker *worker, enum metric metric, uint64_t amount)
{
    metric_series_subtract(single(worker, metric), amount);
}

void metrics_set(struct metrics_worker *worker, enum metric metric, uint64_t value)
{
    metric_series_set(single(worker, metric), value);
}

void metrics_observe(struct metrics_worker *worker, enum metric metric, uint64_t nanoseconds)
{
    metric_series_observe(single(worker, metric), nanoseconds);
}

void metrics_add_labelled(struct metrics_worker *worker, enum metric metric,
                          const struct text *values, uint64_t amount)
{
    metric_series_add(metrics_series(worker, metric, values), amount);
}

void metrics_set_ledger(struct metrics_worker *process, const struct ledger_counters *counters)
{
    const struct {
        enum metric metric;
        uint64_t value;
    } rows[] = {
        {METRIC_RECORDS, counters->records_written},
        {METRIC_RECORDS_IMPORTED, counters->records_imported},
        {METRIC_RECORDS_WAITING, counters->records_waiting},
        {METRIC_RECORDS_REFUSED, counters->calls_refused},
        {METRIC_RECORDS_DUPLICATE, counters->duplicates},
        {METRIC_JOURNAL_BYTES, counters->journal_bytes},
        {METRIC_JOURNAL_LIMIT, counters->journal_limit},
        {METRIC_JOURNAL_DAMAGED, counters->damaged_bytes},
        {METRIC_STORE_FAILURES, counters->store_failures},
        {METRIC_STORE_UP, counters->store_working},
        {METRIC_ACCESS_LOG_LINES, counters->lines_written},
        {METRIC_ACCESS_LOG_SKIPPED, counters->lines_skipped},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        metrics_set(process, rows[i].metric, rows[i].value);
}

/* ------------------------------------------------------------------ life */

static void destroy_slot(struct metrics_worker *slot)
{
    if (slot == NULL)
        return;
    struct metric_series *series = atomic_load_explicit(&slot->newest, memory_order_acquire);
    while (series != NULL) {
        struct metric_series *previous = series->previous;
        free_series(series);
        series = previous;
    }
    free(slot);
}

static struct metrics_worker *create_slot(void)
{
    static const struct text other[METRICS_LABELS_MAX] = {TEXT_INIT("other"), TEXT_INIT("other"),
                                                          TEXT_INIT("other")};
    struct metrics_worker *slot = calloc(1, sizeof *slot);
    if (slot == NULL)
        return NULL;
    for (enum metric metric = 0; metric < METRIC_COUNT; metric++) {
        struct metric_series *series = make_series(metric, other);
        if (series == NULL) {
            destroy_slot(slot);
            return NULL;
        }
        if (series->label_count == 0)
            slot->single[metric] = series;
        else
            slot->overflow[metric] = series;
        publish(slot, series);
    }
    return slot;
}

struct metrics *metrics_create(unsigned workers)
{
    size_t slots = (size_t)workers + OTHER_SLOTS;
    struct metrics *metrics = calloc(1, sizeof *metrics + slots * sizeof(struct metrics_worker *));
    if (metrics == NULL)
        return NULL;
    metrics->workers = workers;
    for (size_t i = 0; i < slots; i++) {
        metrics->slots[i] = create_slot();
        if (metrics->slots[i] == NULL) {
            metrics_destroy(metrics);
            return NULL;
        }
    }
    metrics_set(metrics_process(metrics), METRIC_WORKERS, workers);
    return metrics;
}

void metrics_destroy(struct metrics *metrics)
{
    if (metrics == NULL)
        return;
    for (size_t i = 0; i < metrics->workers + OTHER_SLOTS; i++)
        destroy_slot(metrics->slots[i]);
    free(metrics);
}

struct metrics_worker *metrics_worker(struct metrics *metrics, unsigned worker)
{
    ensure(worker < metrics->workers);
    return metrics->slots[worker];
}

struct metrics_worker *metrics_process(struct metrics *metrics)
{
    return metrics->slots[metrics->workers];
}

struct metrics_worker *metrics_admin(struct metrics *metrics)
{
    return metrics->slots[metrics->workers + 1];
}

/* ------------------------------------------------------------------ the page */

/* A number of the row's unit, exactly: nanoseconds as seconds, without trailing zeros. */
static void write_number(struct buffer *out, const struct metric_row *row, uint64_t value)
{
    if (row->unit == UNIT_ONE) {
        /* A gauge counts down in another slot than it counted up: sums are whole, parts may be
         * negative for a moment. */
        if (row->kind == KIND_GAUGE)
            buffer_append_signed(out, (int64_t)value);
        else
            buffer_append_unsigned(out, value);
        return;
    }
    buffer_append_unsigned(out, value / 1000000000u);
    unsigned fraction = (unsigned)(value % 1000000000u);
    if (fraction == 0)
        return;
    char digits[9];
    size_t length = 0;
    for (unsigned place = 100000000; fraction > 0; place /= 10) {
        digits[length++] = (char)('0' + fraction / place);
        fraction %= place;
    }
    buffer_append_char(out, '.');
    buffer_append(out, text_of(digits, length));
}

static void write_escaped(struct buffer *out, struct text value)
{
    for (size_t i = 0; i < value.length; i++) {
        char c = value.data[i];
        if (c == '\n') {
            buffer_append(out, TEXT("\\n"));
            continue;
        }
        if (c == '\\' || c == '"')
            buffer_append_char(out, '\\');
        buffer_append_char(out, c);
    }
}

/* {name="value",…} and, for a bucket, le; nothing without labels. */
static void write_labels(struct buffer *out, const struct metric_series *series, struct text bound)
{
    struct text names = metric_rows[series->metric].labels;
    const char *before = "{";
    for (size_t i = 0; i < series->label_count; i++) {
        struct text name = text_split(&names, ' ');
        buffer_append_format(out, "%s%.*s=\"", before, TEXT_ARG(name));
        write_escaped(out, series->labels[i]);
        buffer_append_char(out, '"');
        before = ",";
    }
    if (!text_empty(bound)) {
        buffer_append_format(out, "%sle=\"%.*s\"", before, TEXT_ARG(bound));
        before = ",";
    }
    if (*before == ',')
        buffer_append_char(out, '}');
}

static void write_bucket(struct buffer *out, const struct metric_series *series, struct text bound,
                         uint64_t count)
{
    buffer_append_format(out, "%s_bucket", metric_rows[series->metric].name);
    write_labels(out, series, bound);
    buffer_append_char(out, ' ');
    buffer_append_unsigned(out, count);
    buffer_append_char(out, '\n');
}

static void write_histogram(struct buffer *out, const struct metric_series *series,
                            const uint64_t *values)
{
    const struct metric_row *row = &metric_rows[series->metric];
    struct buffer bound;
    uint64_t count = 0;
    buffer_open(&bound, 32);
    for (size_t i = 0; i < row->buckets.count; i++) {
        count += values[1 + i];
        buffer_clear(&bound);
        write_number(&bound, row, row->buckets.bounds[i]);
        write_bucket(out, series, buffer_text(&bound), count);
    }
    buffer_close(&bound);
    count += values[1 + row->buckets.count];
    write_bucket(out, series, TEXT("+Inf"), count);
    buffer_append_format(out, "%s_sum", row->name);
    write_labels(out, series, TEXT(""));
    buffer_append_char(out, ' ');
    write_number(out, row, values[0]);
    buffer_append_format(out, "\n%s_count", row->name);
    write_labels(out, series, TEXT(""));
    buffer_append_char(out, ' ');
    buffer_append_unsigned(out, count);
    buffer_append_char(out, '\n');
}

static void write_series(struct buffer *out, const struct metric_series *series,
                         const uint64_t *values)
{
    const struct metric_row *row = &metric_rows[series->metric];
    if (row->kind == KIND_HISTOGRAM) {
        write_histogram(out, series, values);
        return;
    }
    buffer_append(out, text_from(row->name));
    write_labels(out, series, TEXT(""));
    buffer_append_char(out, ' ');
    write_number(out, row, values[0]);
    buffer_append_char(out, '\n');
}

static int compare_series(const void *left, const void *right)
{
    const struct metric_series *a = *(const struct metric_series *const *)left;
    const struct metric_series *b = *(const struct metric_series *const *)right;
    if (a->metric != b->metric)
        return a->metric < b->metric ? -1 : 1;
    for (size_t i = 0; i < a->label_count; i++) {
        int order = text_compare(a->labels[i], b->labels[i]);
        if (order != 0)
            return order;
    }
    return 0;
}

/* An overflow series that nothing overflowed into says nothing. */
static bool is_shown(const struct metrics_worker *slot, const struct metric_series *series)
{
    if (slot->overflow[series->metric] != series)
        return true;
    for (size_t i = 0; i < value_count(&metric_rows[series->metric]); i++) {
        if (atomic_load_explicit(&series->values[i], memory_order_relaxed) != 0)
            return true;
    }
    return false;
}

#define VALUES_MAX 32u
_Static_assert(ARRAY_LENGTH(buckets_first_byte) + 2 <= VALUES_MAX, "a histogram's values");

/* Equal label sets stand together in `series`: each is written once with the sum of all. */
static void write_sums(struct buffer *out, struct metric_series *const *series, size_t count)
{
    for (size_t i = 0; i < count;) {
        const struct metric_series *first = series[i];
        const struct metric_row *row = &metric_rows[first->metric];
        if (i == 0 || series[i - 1]->metric != first->metric) {
            static const char *const kinds[] = {"counter", "gauge", "histogram"};
            buffer_append_format(out, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help,
                                 row->name, kinds[row->kind]);
        }
        uint64_t sums[VALUES_MAX] = {0};
        for (; i < count && compare_series(&first, &series[i]) == 0; i++) {
            for (size_t value = 0; value < value_count(row); value++)
                sums[value] +=
                    atomic_load_explicit(&series[i]->values[value], memory_order_relaxed);
        }
        write_series(out, first, sums);
    }
}

bool metrics_write(struct metrics *metrics, struct buffer *out)
{
    struct process_figures figures;
    process_read(&figures);
    struct metrics_worker *process = metrics_process(metrics);
    metrics_set(process, METRIC_PROCESS_CPU, figures.cpu);
    metrics_set(process, METRIC_PROCESS_RESIDENT, figures.resident);
    metrics_set(process, METRIC_PROCESS_VIRTUAL, figures.virtual_size);
    metrics_set(process, METRIC_PROCESS_STARTED, figures.started_at);
    metrics_set(process, METRIC_PROCESS_FILES, figures.files);
    metrics_set(process, METRIC_PROCESS_FILES_LIMIT, figures.files_limit);

    size_t room =
        ((size_t)metrics->workers + OTHER_SLOTS) * (METRICS_SERIES_MAX + 2 * METRIC_COUNT);
    struct metric_series **series = calloc(room, sizeof *series);
    if (series == NULL)
        return false;
    size_t count = 0;
    for (size_t i = 0; i < metrics->workers + OTHER_SLOTS; i++) {
        const struct metrics_worker *slot = metrics->slots[i];
        struct metric_series *at = atomic_load_explicit(&slot->newest, memory_order_acquire);
        for (; at != NULL && count < room; at = at->previous) {
            if (is_shown(slot, at))
                series[count++] = at;
        }
    }
    qsort(series, count, sizeof(struct metric_series *), compare_series);
    write_sums(out, series, count);
    free(series);
    return !out->failed;
}
