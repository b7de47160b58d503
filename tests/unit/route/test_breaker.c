/* The breaker and the budget for repetitions: by a clock turned by hand, and by threads at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <pthread.h>

#include "base/clock.h"
#include "route/breaker.h"
#include "route/budget.h"

#define SECOND NANOSECONDS_PER_SECOND
#define START  (1000 * SECOND)

static const struct route_breaker in_a_row = {
    .failures = 3, .minimum_calls = 20, .window = 10 * SECOND, .open_for = 5 * SECOND};
static const struct route_breaker by_ratio = {
    .ratio = ROUTE_WHOLE / 2, .minimum_calls = 10, .window = 10 * SECOND, .open_for = 5 * SECOND};

static enum route_breaker_state look(struct route_breaker_figures *figures, uint64_t now)
{
    uint64_t ready_at;
    return route_breaker_look(figures, now, &ready_at);
}

static void fail_once(struct route_breaker_figures *figures, const struct route_breaker *rules,
                      uint64_t now)
{
    assert_int_equal(route_breaker_enter(figures, rules, now), ROUTE_PASS_CALL);
    route_breaker_fail(figures, rules, ROUTE_PASS_CALL, now);
}

static void succeed(struct route_breaker_figures *figures, const struct route_breaker *rules,
                    uint64_t now)
{
    assert_int_equal(route_breaker_enter(figures, rules, now), ROUTE_PASS_CALL);
    route_breaker_succeed(figures, rules, ROUTE_PASS_CALL, now);
}

static void test_failures_in_a_row(void **state)
{
    struct route_breaker_figures figures = {0};
    fail_once(&figures, &in_a_row, START);
    fail_once(&figures, &in_a_row, START);
    succeed(&figures, &in_a_row, START); /* the row begins anew */
    fail_once(&figures, &in_a_row, START);
    fail_once(&figures, &in_a_row, START);
    assert_int_equal(look(&figures, START), ROUTE_BREAKER_CLOSED);
    fail_once(&figures, &in_a_row, START);
    assert_int_equal(look(&figures, START), ROUTE_BREAKER_OPEN);
    assert_int_equal(atomic_load(&figures.openings), 1);
    uint64_t ready_at;
    route_breaker_look(&figures, START + SECOND, &ready_at);
    assert_int_equal(ready_at, START + 5 * SECOND);
    assert_int_equal(route_breaker_enter(&figures, &in_a_row, START + 4 * SECOND),
                     ROUTE_PASS_REFUSED);
}

static void open_it(struct route_breaker_figures *figures)
{
    for (int i = 0; i < 3; i++)
        fail_once(figures, &in_a_row, START);
    assert_int_equal(look(figures, START), ROUTE_BREAKER_OPEN);
}

/* One call tries; the others wait for what it finds. */
static void test_a_probe_closes_it(void **state)
{
    struct route_breaker_figures figures = {0};
    uint64_t later = START + 5 * SECOND;
    open_it(&figures);
    assert_int_equal(look(&figures, later), ROUTE_BREAKER_PROBING);
    assert_int_equal(route_breaker_enter(&figures, &in_a_row, later), ROUTE_PASS_PROBE);
    assert_int_equal(route_breaker_enter(&figures, &in_a_row, later), ROUTE_PASS_REFUSED);
    assert_true(route_breaker_succeed(&figures, &in_a_row, ROUTE_PASS_PROBE, later));
    assert_int_equal(look(&figures, later), ROUTE_BREAKER_CLOSED);
    fail_once(&figures, &in_a_row, later); /* what was before is forgotten */
    assert_int_equal(look(&figures, later), ROUTE_BREAKER_CLOSED);
}

static void test_a_probe_that_fails_keeps_it_open(void **state)
{
    struct route_breaker_figures figures = {0};
    uint64_t later = START + 6 * SECOND;
    open_it(&figures);
    assert_int_equal(route_breaker_enter(&figures, &in_a_row, later), ROUTE_PASS_PROBE);
    assert_true(route_breaker_fail(&figures, &in_a_row, ROUTE_PASS_PROBE, later));
    assert_int_equal(look(&figures, later + 4 * SECOND), ROUTE_BREAKER_OPEN);
    assert_int_equal(look(&figures, later + 5 * SECOND), ROUTE_BREAKER_PROBING);
    assert_int_equal(atomic_load(&figures.openings), 2);
}

/* A probe whose caller left says nothing; one that never ends does not hold the door for ever. */
static void test_a_probe_without_result(void **state)
{
    struct route_breaker_figures figures = {0};
    uint64_t later = START + 5 * SECOND;
    open_it(&figures);
    assert_int_equal(route_breaker_enter(&figures, &in_a_row, later), ROUTE_PASS_PROBE);
    route_breaker_forget(&figures, ROUTE_PASS_PROBE);
    assert_int_equal(route_breaker_enter(&figures, &in_a_row, later), ROUTE_PASS_PROBE);
    assert_int_equal(route_breaker_enter(&figures, &in_a_row, later + 31 * SECOND),
                     ROUTE_PASS_PROBE);
}

/* Calls that were under way when it opened neither close it nor keep it open for longer. */
static void test_late_results(void **state)
{
    struct route_breaker_figures figures = {0};
    open_it(&figures);
    route_breaker_succeed(&figures, &in_a_row, ROUTE_PASS_CALL, START + SECOND);
    assert_int_equal(look(&figures, START + SECOND), ROUTE_BREAKER_OPEN);
    for (int i = 0; i < 9; i++)
        route_breaker_fail(&figures, &in_a_row, ROUTE_PASS_CALL, START + 4 * SECOND);
    assert_int_equal(look(&figures, START + 5 * SECOND), ROUTE_BREAKER_PROBING);
}

static void test_ratio(void **state)
{
    struct route_breaker_figures figures = {0};
    for (int i = 0; i < 4; i++)
        succeed(&figures, &by_ratio, START);
    for (int i = 0; i < 5; i++)
        fail_once(&figures, &by_ratio, START);
    assert_int_equal(look(&figures, START), ROUTE_BREAKER_CLOSED); /* nine calls are too few */
    fail_once(&figures, &by_ratio, START);
    assert_int_equal(look(&figures, START), ROUTE_BREAKER_OPEN);
}

/* What is older than the window does not count, and what is half out counts half. */
static void test_ratio_slides(void **state)
{
    struct route_breaker_figures figures = {0};
    for (int i = 0; i < 20; i++)
        succeed(&figures, &by_ratio, START);
    for (int i = 0; i < 9; i++)
        fail_once(&figures, &by_ratio, START + 20 * SECOND);
    assert_int_equal(look(&figures, START + 20 * SECOND), ROUTE_BREAKER_CLOSED);
    fail_once(&figures, &by_ratio, START + 20 * SECOND);
    assert_int_equal(look(&figures, START + 20 * SECOND), ROUTE_BREAKER_OPEN);

    figures = (struct route_breaker_figures){0};
    for (int i = 0; i < 20; i++)
        succeed(&figures, &by_ratio, START);
    /* Halfway through the next half of the window ten of those twenty are left. */
    uint64_t later = START + 5 * SECOND + 2500 * NANOSECONDS_PER_MILLISECOND;
    for (int i = 0; i < 9; i++)
        fail_once(&figures, &by_ratio, later);
    assert_int_equal(look(&figures, later), ROUTE_BREAKER_CLOSED);
    fail_once(&figures, &by_ratio, later);
    assert_int_equal(look(&figures, later), ROUTE_BREAKER_OPEN);
}

static void test_unused(void **state)
{
    static const struct route_breaker none = {.window = SECOND, .open_for = SECOND};
    struct route_breaker_figures figures = {0};
    for (int i = 0; i < 100; i++)
        fail_once(&figures, &none, START);
    assert_int_equal(look(&figures, START), ROUTE_BREAKER_CLOSED);
}

#define THREADS 4
#define ROUNDS  20000

static struct route_breaker_figures shared;
static atomic_uint probes, openings;

static void *hammer(void *argument)
{
    uint64_t seed = (uint64_t)(uintptr_t)argument;
    for (uint64_t i = 0; i < ROUNDS; i++) {
        uint64_t now = START + i * 10 * NANOSECONDS_PER_MILLISECOND;
        enum route_pass pass = route_breaker_enter(&shared, &in_a_row, now);
        if (pass == ROUTE_PASS_REFUSED)
            continue;
        if (pass == ROUTE_PASS_PROBE) { /* only one of us may be here */
            assert_int_equal(atomic_fetch_add(&probes, 1), 0);
            atomic_fetch_sub(&probes, 1);
        }
        bool bad = (i * 2654435761u + seed) % 3 != 0;
        if (bad && route_breaker_fail(&shared, &in_a_row, pass, now))
            atomic_fetch_add(&openings, 1);
        if (!bad)
            route_breaker_succeed(&shared, &in_a_row, pass, now);
    }
    return NULL;
}

static void test_threads(void **state)
{
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, (void *)i), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&shared.openings), atomic_load(&openings));
    assert_true(atomic_load(&openings) > 0);
}

/* ---- the budget ---- */

static void test_budget(void **state)
{
    struct route_budget budget = {0};
    unsigned taken = 0;
    while (route_budget_take(&budget, ROUTE_WHOLE / 5))
        taken++;
    assert_int_equal(taken, ROUTE_BUDGET_RESERVE);
    assert_int_equal(route_budget_left(&budget), 0);
    for (int i = 0; i < 4; i++)
        route_budget_call(&budget, ROUTE_WHOLE / 5);
    assert_false(route_budget_take(&budget, ROUTE_WHOLE / 5));
    route_budget_call(&budget, ROUTE_WHOLE / 5); /* five calls of a fifth each */
    assert_true(route_budget_take(&budget, ROUTE_WHOLE / 5));
    assert_false(route_budget_take(&budget, ROUTE_WHOLE / 5));
    for (int i = 0; i < 100000; i++) /* a good day saves no more than the reserve */
        route_budget_call(&budget, ROUTE_WHOLE / 5);
    assert_int_equal(route_budget_left(&budget), ROUTE_BUDGET_RESERVE);
}

static void test_budget_limits(void **state)
{
    struct route_budget none = {0}, all = {0};
    assert_false(route_budget_take(&none, 0));
    for (int i = 0; i < 1000; i++)
        assert_true(route_budget_take(&all, ROUTE_WHOLE));
}

static struct route_budget shared_budget;
static atomic_uint repeated;

static void *spend(void *argument)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        route_budget_call(&shared_budget, ROUTE_WHOLE / 10);
        if (route_budget_take(&shared_budget, ROUTE_WHOLE / 10))
            atomic_fetch_add(&repeated, 1);
    }
    return argument;
}

/* A share of all calls and the reserve, never more, whoever is quicker. */
static void test_budget_threads(void **state)
{
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, spend, NULL), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_in_range(atomic_load(&repeated), THREADS * ROUNDS / 10,
                    THREADS * ROUNDS / 10 + ROUTE_BUDGET_RESERVE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failures_in_a_row),
        cmocka_unit_test(test_a_probe_closes_it),
        cmocka_unit_test(test_a_probe_that_fails_keeps_it_open),
        cmocka_unit_test(test_a_probe_without_result),
        cmocka_unit_test(test_late_results),
        cmocka_unit_test(test_ratio),
        cmocka_unit_test(test_ratio_slides),
        cmocka_unit_test(test_unused),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_budget_limits),
        cmocka_unit_test(test_budget_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
