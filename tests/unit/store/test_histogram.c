/* Histograms of times: against the times themselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/histogram.h"
#include "store/store.h"

#define TIMES 5000u

static uint64_t random_state = 7;

static uint64_t next_random(uint64_t below)
{
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return (random_state >> 33) % below;
}

static uint64_t distance(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

static void test_every_time_is_near_the_middle_of_its_bucket(void **state)
{
    unsigned last = 0;
    for (uint64_t time = 0; time < UINT64_C(1) << 36; time += 1 + time / 1000) {
        unsigned bucket = histogram_bucket(time);
        assert_true(bucket >= last && bucket < HISTOGRAM_BUCKETS);
        assert_true((double)distance(time, histogram_middle(bucket)) <=
                    (double)time * HISTOGRAM_ERROR);
        assert_int_equal(histogram_bucket(histogram_middle(bucket)), bucket);
        last = bucket;
    }
    assert_int_equal(last, HISTOGRAM_BUCKETS - 1);
    assert_int_equal(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
}

static int compare(const void *left, const void *right)
{
    const uint64_t *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

static void test_percentiles_are_those_of_the_times(void **state)
{
    static uint64_t times[TIMES];
    struct histogram histogram = {0};
    static const unsigned asked[] = {0, 1, 250, 500, 950, 990, 999, 1000};
    assert_int_equal(histogram_percentile(&histogram, 500), 0);
    for (size_t i = 0; i < TIMES; i++) {
        times[i] = next_random(1 + (UINT64_C(1) << next_random(31)));
        histogram_add_time(&histogram, times[i], 1);
    }
    qsort(times, TIMES, sizeof *times, compare);
    assert_int_equal(histogram_count(&histogram), TIMES);
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        size_t rank = (TIMES * asked[i] + 999) / 1000;
        uint64_t exact = times[rank > 0 ? rank - 1 : 0];
        assert_true((double)distance(histogram_percentile(&histogram, asked[i]), exact) <=
                    (double)exact * HISTOGRAM_ERROR);
    }
}

/* Some times, as parts and as a sum; the encoding of the parts. */
static struct text make_encoded(struct histogram *sum, uint8_t bytes[HISTOGRAM_SIZE_MAX])
{
    struct histogram_parts parts = {0};
    for (size_t i = 0; i < 40; i++) {
        uint64_t time = next_random(UINT64_C(1) << next_random(34));
        assert_int_equal(histogram_parts_add(&parts, histogram_bucket(time), 1), ERROR_OK);
        histogram_add_time(sum, time, 1);
    }
    struct text encoded = text_of((char *)bytes, histogram_parts_encode(&parts, bytes));
    histogram_parts_free(&parts);
    return encoded;
}

static void test_what_is_encoded_is_read_back_and_taken_away(void **state)
{
    uint8_t bytes[HISTOGRAM_SIZE_MAX], again[HISTOGRAM_SIZE_MAX];
    for (unsigned round = 0; round < 50; round++) {
        struct histogram sum = {0}, read = {0}, nothing = {0};
        struct text encoded = make_encoded(&sum, bytes);
        assert_true(histogram_add(&read, encoded, 1));
        assert_memory_equal(&read, &sum, sizeof sum);
        assert_int_equal(histogram_encode(&read, again), encoded.length);
        assert_memory_equal(again, encoded.data, encoded.length);
        assert_true(histogram_add(&read, encoded, -1));
        assert_memory_equal(&read, &nothing, sizeof nothing);
        assert_int_equal(histogram_encode(&nothing, again), 0);
    }
}

static void test_damage_is_seen(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
    } rows[] = {
        {"\x05", 1},                                          /* no count */
        {"\x05\x81", 2},                                      /* a count without its end */
        {"\x90\x04\x01", 3},                                  /* bucket 528 */
        {"\x8f\x04\x01\x00\x01", 5},                          /* one behind the last */
        {"\x00\x81\x80\x80\x80\x80\x80\x80\x80\x80\x01", 11}, /* more than there can be */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct histogram histogram = {0};
        assert_false(histogram_add(&histogram, text_of(rows[i].bytes, rows[i].length), 1));
    }
    struct histogram last = {0};
    assert_true(histogram_add(&last, text_of("\x8f\x04\x03", 3), 1));
    assert_true(histogram_add(&last, text_of(NULL, 0), 1));
    assert_int_equal(last.counts[HISTOGRAM_BUCKETS - 1], 3);
}

static void test_sums_in_sql(void **state)
{
    char path[] = "/tmp/turnpike-histogram-XXXXXX", problem[STORE_PROBLEM_SIZE];
    uint8_t first[HISTOGRAM_SIZE_MAX], second[HISTOGRAM_SIZE_MAX];
    struct store *store;
    struct store_statement *select;
    bool row;
    struct histogram sum = {0}, read = {0};
    int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    assert_int_equal(store_open(path, STORE_WRITE, 100, &store, problem), ERROR_OK);
    assert_int_equal(store_prepare(store,
                                   "SELECT histogram_sum(?1, ?2), histogram_sum(NULL, NULL),"
                                   " histogram_sum(?1, NULL)",
                                   &select),
                     ERROR_OK);
    struct text a = make_encoded(&sum, first);
    struct text b = make_encoded(&sum, second);
    store_bind_blob(select, 1, a.data, a.length);
    store_bind_blob(select, 2, b.data, b.length);
    assert_int_equal(store_step(select, &row), ERROR_OK);
    assert_true(row && store_column_is_null(select, 1));
    assert_true(histogram_add(&read, store_column_text(select, 0), 1));
    assert_memory_equal(&read, &sum, sizeof sum);
    assert_true(text_equal(store_column_text(select, 2), a));
    store_close(store);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_time_is_near_the_middle_of_its_bucket),
        cmocka_unit_test(test_percentiles_are_those_of_the_times),
        cmocka_unit_test(test_what_is_encoded_is_read_back_and_taken_away),
        cmocka_unit_test(test_damage_is_seen),
        cmocka_unit_test(test_sums_in_sql),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
