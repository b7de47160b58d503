#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "base/clock.h"
#include "observe/metrics.h"

static struct metrics *metrics;
static struct buffer page;

static int set_up(void **state)
{
    metrics = metrics_create(2);
    buffer_open(&page, METRICS_PAGE_MAX);
    return metrics == NULL;
}

static int tear_down(void **state)
{
    metrics_destroy(metrics);
    buffer_close(&page);
    return 0;
}

static void write_page(void)
{
    buffer_clear(&page);
    assert_true(metrics_write(metrics, &page));
}

static bool has(const char *line)
{
    return text_find(buffer_text(&page), text_from(line)) >= 0;
}

static void assert_has(const char *line)
{
    if (!has(line))
        fail_msg("no line %s in:\n%.*s", line, TEXT_ARG(buffer_text(&page)));
}

static void test_counters_are_summed(void **state)
{
    metrics_add(metrics_worker(metrics, 0), METRIC_BYTES_SENT, 5);
    metrics_add(metrics_worker(metrics, 1), METRIC_BYTES_SENT, 7);
    write_page();
    assert_has("\n# TYPE turnpike_sent_bytes_total counter\nturnpike_sent_bytes_total 12\n");
    assert_has("\n# HELP turnpike_sent_bytes_total Bytes of answer bodies sent to callers.\n");
    assert_has("\nturnpike_workers 2\n");
}

static void test_gauges(void **state)
{
    metrics_add(metrics_worker(metrics, 0), METRIC_CONNECTIONS, 5);
    metrics_subtract(metrics_worker(metrics, 1), METRIC_CONNECTIONS, 2);
    metrics_set(metrics_process(metrics), METRIC_CONFIG_LOADED_AT, 1800000000123000000ull);
    write_page();
    assert_has("\nturnpike_open_connections 3\n");
    assert_has("\nturnpike_config_last_success_timestamp_seconds 1800000000.123\n");
    metrics_subtract(metrics_worker(metrics, 1), METRIC_CONNECTIONS, 4);
    write_page();
    assert_has("\nturnpike_open_connections -1\n");
}

static void test_labels(void **state)
{
    const struct text a[] = {TEXT("/chat/completions"), TEXT("200")};
    const struct text b[] = {TEXT("/chat/completions"), TEXT("401")};
    for (unsigned i = 0; i < 3; i++)
        metrics_add_labelled(metrics_worker(metrics, 0), METRIC_REQUESTS, a, 1);
    metrics_add_labelled(metrics_worker(metrics, 1), METRIC_REQUESTS, a, 1);
    metrics_add_labelled(metrics_worker(metrics, 1), METRIC_REQUESTS, b, 1);
    assert_ptr_equal(metrics_series(metrics_worker(metrics, 0), METRIC_REQUESTS, a),
                     metrics_series(metrics_worker(metrics, 0), METRIC_REQUESTS, a));
    write_page();
    assert_has("\n# TYPE turnpike_requests_total counter\n"
               "turnpike_requests_total{endpoint=\"/chat/completions\",status=\"200\"} 4\n"
               "turnpike_requests_total{endpoint=\"/chat/completions\",status=\"401\"} 1\n#");
    assert_false(has("other"));
    assert_false(has("turnpike_tokens_total")); /* nothing happened */
}

static void test_label_values_are_escaped_and_cut(void **state)
{
    char longest[METRICS_LABEL_SIZE_MAX + 2];
    memset(longest, 'x', sizeof longest);
    memcpy(longest + METRICS_LABEL_SIZE_MAX - 1, "\xc3\xbc", 2);
    const struct text odd = TEXT("a\"b\\c\nd"), empty = TEXT(""),
                      cut = text_of(longest, sizeof longest);
    metrics_add_labelled(metrics_worker(metrics, 0), METRIC_REFUSALS, &odd, 1);
    metrics_add_labelled(metrics_worker(metrics, 0), METRIC_REFUSALS, &empty, 2);
    metrics_add_labelled(metrics_worker(metrics, 0), METRIC_REFUSALS, &cut, 3);
    write_page();
    assert_has("turnpike_refusals_total{code=\"a\\\"b\\\\c\\nd\"} 1\n");
    assert_has("turnpike_refusals_total{code=\"\"} 2\n");
    assert_has("xxxxx\"} 3\n");
}

static void test_histogram(void **state)
{
    struct metrics_worker *worker = metrics_worker(metrics, 0);
    const struct text endpoint = TEXT("/embeddings");
    struct metric_series *series = metrics_series(worker, METRIC_REQUEST_DURATION, &endpoint);
    metric_series_observe(series, 10000000);       /* on the boundary: belongs to it */
    metric_series_observe(series, 10000001);       /* to the next */
    metric_series_observe(series, 90000000000ull); /* beyond the last */
    metrics_observe(worker, METRIC_OVERHEAD, 20000);
    write_page();
    assert_has(
        "\n# TYPE turnpike_request_duration_seconds histogram\n"
        "turnpike_request_duration_seconds_bucket{endpoint=\"/embeddings\",le=\"0.01\"} 1\n"
        "turnpike_request_duration_seconds_bucket{endpoint=\"/embeddings\",le=\"0.02\"} 2\n");
    assert_has("{endpoint=\"/embeddings\",le=\"81.92\"} 2\n"
               "turnpike_request_duration_seconds_bucket{endpoint=\"/embeddings\",le=\"+Inf\"} 3\n"
               "turnpike_request_duration_seconds_sum{endpoint=\"/embeddings\"} 90.020000001\n"
               "turnpike_request_duration_seconds_count{endpoint=\"/embeddings\"} 3\n");
    assert_has("turnpike_overhead_seconds_bucket{le=\"0.00005\"} 1\n");
    assert_has("turnpike_overhead_seconds_sum 0.00002\n");
}

/* A slot that is full counts on, under "other", and says so. */
static void test_overflow(void **state)
{
    struct metrics_worker *worker = metrics_worker(metrics, 0);
    for (unsigned i = 0; i < METRICS_SERIES_MAX + 10; i++) {
        char name[16];
        int length = snprintf(name, sizeof name, "m%u", i);
        const struct text values[] = {TEXT("p"), text_of(name, (size_t)length), TEXT("input")};
        metrics_add_labelled(worker, METRIC_TOKENS, values, 1);
    }
    write_page();
    assert_has("turnpike_tokens_total{provider=\"p\",model=\"m0\",class=\"input\"} 1\n");
    assert_has("turnpike_tokens_total{provider=\"other\",model=\"other\",class=\"other\"} 10\n");
    assert_has("turnpike_metrics_overflows_total{metric=\"turnpike_tokens_total\"} 10\n");
}

static void test_process_figures(void **state)
{
    write_page();
    static const char *const names[] = {"\nprocess_cpu_seconds_total ",
                                        "\nprocess_resident_memory_bytes ",
                                        "\nprocess_start_time_seconds ",
                                        "\nprocess_open_fds ",
                                        "\nprocess_max_fds ",
                                        "\nprocess_virtual_memory_bytes "};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        ptrdiff_t at = text_find(buffer_text(&page), text_from(names[i]));
        assert_true(at >= 0);
        struct text rest = text_from_index(buffer_text(&page), (size_t)at + strlen(names[i]));
        assert_true(rest.length > 0 && rest.data[0] >= '1' ? true : rest.data[1] == '.');
    }
}

static void test_ledger(void **state)
{
    const struct ledger_counters counters = {.records_written = 9,
                                             .records_waiting = 4,
                                             .journal_bytes = 1 << 20,
                                             .store_working = true};
    metrics_set_ledger(metrics_process(metrics), &counters);
    write_page();
    assert_has("\nturnpike_ledger_records_total 9\n");
    assert_has("\nturnpike_ledger_waiting_records 4\n");
    assert_has("\nturnpike_journal_bytes 1048576\n");
    assert_has("\nturnpike_store_up 1\n");
}

static void test_page_has_a_limit(void **state)
{
    struct buffer small;
    buffer_open(&small, 1000);
    assert_false(metrics_write(metrics, &small));
    buffer_close(&small);
}

/* Some nanoseconds are promised; the bound is for sanitizers on a busy machine. */
static void test_adding_is_fast(void **state)
{
    enum { ROUNDS = 200000 };
    struct metrics_worker *worker = metrics_worker(metrics, 0);
    const struct text values[] = {TEXT("openai"), TEXT("gpt-5-mini"), TEXT("input")};
    struct metric_series *series = metrics_series(worker, METRIC_TOKENS, values);
    uint64_t start = clock_monotonic();
    for (unsigned i = 0; i < ROUNDS; i++)
        metric_series_add(series, 1);
    uint64_t kept = clock_monotonic();
    for (unsigned i = 0; i < ROUNDS; i++)
        metrics_add_labelled(worker, METRIC_TOKENS, values, 1);
    uint64_t found = clock_monotonic();
    print_message("kept series: %.1f ns, found series: %.1f ns\n", (double)(kept - start) / ROUNDS,
                  (double)(found - kept) / ROUNDS);
    assert_true((kept - start) / ROUNDS < 500);
    assert_true((found - kept) / ROUNDS < 20000);
}

/* ------------------------------------------------------------------ a page beside two workers */

static atomic_bool stop;

static void *work(void *context)
{
    struct metrics_worker *worker = context;
    for (unsigned i = 0; !atomic_load(&stop); i++) {
        char name[16];
        int length = snprintf(name, sizeof name, "m%u", i % 500);
        const struct text values[] = {TEXT("p"), text_of(name, (size_t)length), TEXT("output")};
        metrics_add_labelled(worker, METRIC_TOKENS, values, 1);
        metrics_observe(worker, METRIC_OVERHEAD, i);
    }
    return NULL;
}

static void test_pages_beside_workers(void **state)
{
    pthread_t threads[2];
    atomic_store(&stop, false);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, metrics_worker(metrics, i)), 0);
    for (unsigned i = 0; i < 30; i++) {
        write_page();
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    atomic_store(&stop, true);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    write_page();
    assert_has("turnpike_tokens_total{provider=\"p\",model=\"m0\",class=\"output\"} ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_counters_are_summed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_gauges, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_labels, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_label_values_are_escaped_and_cut, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_histogram, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_overflow, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_process_figures, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ledger, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_page_has_a_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_adding_is_fast, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pages_beside_workers, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
