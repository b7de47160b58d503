/* Chance that a seed decides, and whether it has the shape that it is said to have. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sample/dice.h"

#define ROLLS 20000u

static void test_the_same_seed_rolls_the_same(void **state)
{
    struct dice one, same, other;
    unsigned equal = 0;
    dice_open(&one, 7);
    dice_open(&same, 7);
    dice_open(&other, 8);
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t rolled = dice_roll(&one);
        assert_int_equal(rolled, dice_roll(&same));
        equal += rolled == dice_roll(&other);
    }
    assert_int_equal(equal, 0);
}

static void test_below_is_below_and_reaches_all(void **state)
{
    struct dice dice;
    unsigned seen[7] = {0};
    dice_open(&dice, 1);
    for (unsigned i = 0; i < ROLLS; i++)
        seen[dice_below(&dice, 7)]++;
    for (unsigned i = 0; i < 7; i++)
        assert_in_range(seen[i], ROLLS / 7 - 400, ROLLS / 7 + 400);
}

static void test_chance(void **state)
{
    struct dice dice;
    unsigned hit = 0;
    dice_open(&dice, 2);
    for (unsigned i = 0; i < ROLLS; i++) {
        hit += dice_chance(&dice, 0.25);
        assert_false(dice_chance(&dice, 0));
        assert_true(dice_chance(&dice, 1));
    }
    assert_in_range(hit, ROLLS / 4 - 400, ROLLS / 4 + 400);
}

static void test_half_are_below_the_median(void **state)
{
    struct dice dice;
    unsigned below = 0, far = 0;
    dice_open(&dice, 3);
    for (unsigned i = 0; i < ROLLS; i++) {
        double length = dice_lengths(&dice, 100, 0.5);
        assert_true(length > 0);
        below += length < 100;
        far += length > 100 * exp(0.5); /* one deviation: 15.9 in 100 */
    }
    assert_in_range(below, ROLLS / 2 - 400, ROLLS / 2 + 400);
    assert_in_range(far, (unsigned)(ROLLS * 0.159) - 300, (unsigned)(ROLLS * 0.159) + 300);
}

/* Mean and variance of Poisson's distribution are the same, for few and for many. */
static void test_times_are_poissons(void **state)
{
    static const double means[] = {0.3, 4, 39, 90};
    for (size_t m = 0; m < sizeof means / sizeof means[0]; m++) {
        struct dice dice;
        double sum = 0, squares = 0;
        dice_open(&dice, 4 + m);
        for (unsigned i = 0; i < ROLLS; i++) {
            double times = dice_times(&dice, means[m]);
            sum += times;
            squares += times * times;
        }
        double mean = sum / ROLLS, variance = squares / ROLLS - mean * mean;
        assert_true(fabs(mean / means[m] - 1) < 0.05);
        assert_true(fabs(variance / means[m] - 1) < 0.08);
    }
}

static void test_nothing_happens_no_time(void **state)
{
    struct dice dice;
    dice_open(&dice, 5);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(dice_times(&dice, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_same_seed_rolls_the_same),
        cmocka_unit_test(test_below_is_below_and_reaches_all),
        cmocka_unit_test(test_chance),
        cmocka_unit_test(test_half_are_below_the_median),
        cmocka_unit_test(test_times_are_poissons),
        cmocka_unit_test(test_nothing_happens_no_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
