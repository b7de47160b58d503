#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <pthread.h>

#include "base/clock.h"
#include "route/latency.h"

#define MILLISECOND NANOSECONDS_PER_MILLISECOND
#define SECOND      NANOSECONDS_PER_SECOND
#define START       (1000 * SECOND)

static void test_peaks(void **state)
{
    struct route_latency latency = {0};
    assert_int_equal(route_latency_average(&latency, START), 0);
    route_latency_observe(&latency, 100 * MILLISECOND, START);
    assert_int_equal(route_latency_average(&latency, START), 100 * MILLISECOND);
    route_latency_observe(&latency, 2 * SECOND, START); /* at once */
    assert_int_equal(route_latency_average(&latency, START), 2 * SECOND);
    route_latency_observe(&latency, 100 * MILLISECOND, START); /* slowly */
    assert_in_range(route_latency_average(&latency, START), 1500 * MILLISECOND, 2 * SECOND);
    for (int i = 0; i < 200; i++)
        route_latency_observe(&latency, 100 * MILLISECOND, START);
    assert_in_range(route_latency_average(&latency, START), 100 * MILLISECOND, 105 * MILLISECOND);
}

/* A target that nobody asks is forgotten, so that it is asked again. */
static void test_decay(void **state)
{
    struct route_latency latency = {0};
    route_latency_observe(&latency, 4 * SECOND, START);
    assert_int_equal(route_latency_average(&latency, START + 10 * SECOND), 2 * SECOND);
    assert_in_range(route_latency_average(&latency, START + 990 * SECOND), 30 * MILLISECOND,
                    50 * MILLISECOND);
    assert_int_equal(route_latency_average(&latency, START - SECOND), 4 * SECOND);
}

static void test_quick_failures(void **state)
{
    struct route_latency latency = {0};
    route_latency_observe_failure(&latency, MILLISECOND, START);
    assert_int_equal(route_latency_average(&latency, START), SECOND);
    route_latency_observe_failure(&latency, MILLISECOND, START);
    assert_int_equal(route_latency_average(&latency, START), 2 * SECOND);
    assert_int_equal(route_latency_p95(&latency), 0); /* no answer was measured */
    for (int i = 0; i < 100; i++)
        route_latency_observe_failure(&latency, MILLISECOND, START);
    assert_int_equal(route_latency_average(&latency, START), 3600 * SECOND);
}

/* Every percentile is at most a fifth too long, and never too short. */
static void test_percentile(void **state)
{
    struct route_latency latency = {0};
    for (uint64_t i = 1; i <= 19; i++)
        route_latency_observe(&latency, i * MILLISECOND, START);
    assert_int_equal(route_latency_p95(&latency), 0); /* too few */
    for (uint64_t i = 20; i <= 100; i++)
        route_latency_observe(&latency, i * 10 * MILLISECOND, START);
    assert_in_range(route_latency_p95(&latency), 950 * MILLISECOND, 1180 * MILLISECOND);
}

static void test_percentile_bounds(void **state)
{
    static const uint64_t times[] = {
        0,      1,           MILLISECOND, 1100 * 1000, 2 * MILLISECOND, 777 * MILLISECOND,
        SECOND, 59 * SECOND, 600 * SECOND};
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        struct route_latency latency = {0};
        for (int j = 0; j < 30; j++)
            route_latency_observe(&latency, times[i], START);
        uint64_t p95 = route_latency_p95(&latency);
        assert_true(p95 >= times[i]);
        if (times[i] > 2 * MILLISECOND)
            assert_true(p95 <= times[i] + times[i] / 4);
    }
}

/* It learns anew: a thousand old figures do not outweigh what is now. */
static void test_forgetting(void **state)
{
    struct route_latency latency = {0};
    for (int i = 0; i < 5000; i++)
        route_latency_observe(&latency, 5 * SECOND, START);
    for (int i = 0; i < 12000; i++)
        route_latency_observe(&latency, 50 * MILLISECOND, START);
    assert_in_range(route_latency_p95(&latency), 50 * MILLISECOND, 63 * MILLISECOND);
}

static struct route_latency shared;

static void *measure(void *argument)
{
    uint64_t own = (uint64_t)(uintptr_t)argument;
    for (uint64_t i = 0; i < 20000; i++) {
        route_latency_observe(&shared, (10 + own) * MILLISECOND, START + i);
        (void)route_latency_average(&shared, START + i);
        if (i % 64 == 0)
            (void)route_latency_p95(&shared);
    }
    return NULL;
}

static void test_threads(void **state)
{
    pthread_t threads[4];
    for (uintptr_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, measure, (void *)i), 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_in_range(route_latency_average(&shared, START + 20000), 9 * MILLISECOND,
                    14 * MILLISECOND);
    assert_in_range(route_latency_p95(&shared), 10 * MILLISECOND, 17 * MILLISECOND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_peaks),
        cmocka_unit_test(test_decay),
        cmocka_unit_test(test_quick_failures),
        cmocka_unit_test(test_percentile),
        cmocka_unit_test(test_percentile_bounds),
        cmocka_unit_test(test_forgetting),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
