#include "support.h"

#include "policy/limit.h"

static uint64_t slot;

static bool take(struct limit *limit, int64_t ask, int64_t amount, uint64_t now)
{
    return limit_take(limit, ask, amount, true, now, &slot);
}

static void test_a_window_slides(void **state)
{
    struct limit *limit = limit_create(MINUTE);
    for (int i = 0; i < 10; i++)
        assert_true(take(limit, 1, 10, NOW + (unsigned)i * SECOND));
    assert_false(take(limit, 1, 10, NOW + 10 * SECOND));
    assert_int_equal(limit_used(limit, NOW + 10 * SECOND), 10);
    /* The first leaves a minute and at most a slot later; until then nothing fits. */
    uint64_t wait = limit_wait(limit, 1, 10, NOW + 10 * SECOND);
    assert_in_range(wait, 50 * SECOND, 51 * SECOND);
    assert_false(take(limit, 1, 10, NOW + 10 * SECOND + wait - 1));
    assert_true(take(limit, 1, 10, NOW + 10 * SECOND + wait));
    assert_false(take(limit, 1, 10, NOW + 10 * SECOND + wait));
    assert_int_equal(limit_wait(limit, 11, 10, NOW + 20 * SECOND), LIMIT_NEVER);
    limit_free(limit);
}

static void test_no_window_sees_more_than_the_limit(void **state)
{
    enum { AMOUNT = 7, CALLS = 3000 };
    static uint64_t admitted[CALLS];
    struct limit *limit = limit_create(SECOND + 1);
    size_t count = 0;
    uint64_t now = NOW, random = 1;
    for (int i = 0; i < CALLS; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        now += random >> 37; /* up to 134 ms */
        if (take(limit, 1, AMOUNT, now))
            admitted[count++] = now;
        if (count > AMOUNT)
            assert_true(admitted[count - 1] - admitted[count - 1 - AMOUNT] > SECOND);
    }
    assert_true(count > CALLS / 8);
    limit_free(limit);
}

static void test_correction(void **state)
{
    struct limit *limit = limit_create(MINUTE);
    uint64_t first, second;
    assert_true(limit_take(limit, 600, 1000, true, NOW, &first));
    assert_false(take(limit, 500, 1000, NOW));
    limit_correct(limit, first, -300);
    assert_true(limit_take(limit, 500, 1000, true, NOW + SECOND, &second));
    assert_int_equal(limit_used(limit, NOW + SECOND), 800);
    limit_correct(limit, second, 900); /* more than was estimated: it counts, above the limit too */
    assert_int_equal(limit_used(limit, NOW + SECOND), 1700);
    assert_false(take(limit, 0, 1000, NOW + 2 * SECOND));
    assert_true(limit_take(limit, 0, 1000, false, NOW + 2 * SECOND, &slot));
    assert_int_equal(limit_used(limit, NOW + 3 * MINUTE), 0);
    limit_correct(limit, first, -300);
    limit_correct(limit, second, 5);
    assert_int_equal(limit_used(limit, NOW + 3 * MINUTE), 0);
    limit_free(limit);
}

/* A call that took nothing, corrected when it has left the window long since. */
static void test_late_correction_of_an_empty_slot(void **state)
{
    struct limit *limit = limit_create(MINUTE);
    uint64_t first;
    assert_true(limit_take(limit, 0, 1000, true, NOW, &first));
    assert_int_equal(limit_used(limit, NOW + 2 * MINUTE), 0);
    limit_correct(limit, first, 900);
    assert_int_equal(limit_used(limit, NOW + 2 * MINUTE), 0);
    limit_free(limit);
}

static void test_an_old_now(void **state)
{
    struct limit *limit = limit_create(SECOND);
    assert_true(take(limit, 3, 5, NOW));
    assert_true(take(limit, 1, 5, NOW - HOUR)); /* a thread that was held up: it counts now */
    assert_true(take(limit, 1, 5, NOW));
    assert_false(take(limit, 1, 5, NOW));
    assert_int_equal(limit_used(limit, NOW + 2 * SECOND), 0);
    limit_free(limit);
}

static void test_reset(void **state)
{
    struct limit *limit = limit_create(MINUTE);
    assert_int_equal(limit_reset(limit, NOW), 0);
    assert_true(take(limit, 1, 10, NOW));
    assert_true(take(limit, 1, 10, NOW + 30 * SECOND));
    uint64_t reset = limit_reset(limit, NOW + 30 * SECOND);
    assert_in_range(reset, MINUTE, MINUTE + SECOND);
    assert_true(limit_used(limit, NOW + 30 * SECOND + reset - 1) > 0);
    assert_int_equal(limit_used(limit, NOW + 30 * SECOND + reset), 0);
    limit_free(limit);
}

static void test_under_way(void **state)
{
    struct limit *limit = limit_create(0);
    assert_true(take(limit, 1, 2, NOW));
    assert_true(take(limit, 1, 2, NOW));
    assert_false(take(limit, 1, 2, NOW + DAY));
    assert_int_equal(limit_wait(limit, 1, 2, NOW), 0);
    limit_correct(limit, slot, -1);
    assert_true(take(limit, 1, 2, NOW));
    limit_correct(limit, slot, -1);
    limit_correct(limit, slot, -1);
    assert_int_equal(limit_used(limit, NOW), 0);
    limit_free(limit);
}

static void test_zero_and_huge(void **state)
{
    struct limit *limit = limit_create(24 * HOUR);
    assert_false(take(limit, 1, 0, 5));
    assert_true(take(limit, LIMIT_ASK_MAX, INT64_MAX, 5));
    assert_true(limit_take(limit, LIMIT_ASK_MAX, 0, false, 6, &slot));
    assert_int_equal(limit_used(limit, 7), 2 * LIMIT_ASK_MAX);
    limit_free(limit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_window_slides),
        cmocka_unit_test(test_no_window_sees_more_than_the_limit),
        cmocka_unit_test(test_correction),
        cmocka_unit_test(test_late_correction_of_an_empty_slot),
        cmocka_unit_test(test_an_old_now),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_under_way),
        cmocka_unit_test(test_zero_and_huge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
