#include "support.h"

#include <stdlib.h>

#include "policy/account.h"

/* What the account is told of the past: one amount per quarter of an hour that was asked for. */
static money past_per_quarter;
static unsigned asked;
static bool past_is_known = true;

static bool tell_past(void *context, uint64_t start, uint64_t end, money *spent)
{
    asked++;
    assert_true(start < end);
    *spent = past_per_quarter * ((end - start) / PERIOD_QUARTER);
    return past_is_known;
}

static const struct account_source no_past;
static const struct account_source past = {tell_past, NULL};
static struct account_leavers leavers;

static int set_up(void **state)
{
    past_per_quarter = 0;
    past_is_known = true;
    asked = 0;
    leavers.first = NULL;
    return 0;
}

static void free_leavers(void)
{
    struct account_period *period;
    while ((period = leavers.first) != NULL) {
        leavers.first = period->next;
        period->account->period_count--;
        account_period_free(period);
    }
}

static void drop(struct account *account)
{
    account_empty(account, &leavers);
    free_leavers();
    account_free(account);
}

static struct account_period *hold(struct account *account, uint64_t wall, money amount, money cap)
{
    struct account_period *period = account_find(account, wall);
    period->holds++;
    if (account_hold(account, &period, amount, cap, true))
        return period;
    period->holds--;
    return NULL;
}

static void settle(struct account_period *period, money held, money actual)
{
    account_settle(period->account, period, period->made_at, held, actual);
    period->holds--;
}

static void test_a_call_counts_where_it_was_admitted(void **state)
{
    struct account *account = account_create(PERIOD_DAY, 0, NULL, NOW, &no_past);
    uint64_t midnight = NOW - NOW % DAY + DAY;
    struct account_period *today = hold(account, midnight - 1, 60, 100);
    assert_non_null(today);
    assert_null(hold(account, midnight - 1, 41, 100));
    /* At the very instant, without a tick. */
    struct account_period *tomorrow = hold(account, midnight, 100, 100);
    assert_non_null(tomorrow);
    assert_ptr_not_equal(today, tomorrow);
    settle(today, 60, 59);
    assert_money_equal(account_used(account, today), 59);
    assert_money_equal(account_spent(account, today), 59);
    settle(tomorrow, 100, 0);
    assert_money_equal(account_used(account, tomorrow), 0);
    drop(account);
}

static void test_clock_jumps(void **state)
{
    struct account *account = account_create(PERIOD_DAY, 0, NULL, NOW, &no_past);
    settle(hold(account, NOW, 10, 100), 10, 10);
    for (unsigned day = 1; day <= 3; day++) {
        assert_true(account_roll(account, NOW + day * DAY, &no_past, &leavers));
        settle(hold(account, NOW + day * DAY, 20, 100), 20, 20);
    }
    /* Back by three days: what was spent is still there. */
    assert_true(account_roll(account, NOW, &no_past, &leavers));
    assert_money_equal(account_used(account, account_find(account, NOW)), 10);
    /* Far ahead, with what is held staying readable, and back to days that were passed over. */
    struct account_period *held = hold(account, NOW, 5, 100);
    assert_true(account_roll(account, NOW + 100 * DAY, &no_past, &leavers));
    assert_money_equal(account_used(account, account_find(account, NOW + 100 * DAY)), 0);
    assert_true(account_roll(account, NOW + 50 * DAY, &no_past, &leavers));
    settle(hold(account, NOW + 50 * DAY, 7, 100), 7, 7);
    assert_money_equal(account_used(account, account_find(account, NOW + 50 * DAY)), 7);
    assert_money_equal(account_used(account, account_find(account, NOW + 100 * DAY)), 0);
    settle(held, 5, 5);
    assert_money_equal(account_used(account, held), 15);
    drop(account);
}

static void test_old_periods_are_let_go(void **state)
{
    struct account *account = account_create(PERIOD_DAY, 0, NULL, NOW, &no_past);
    for (unsigned day = 1; day <= 20; day++)
        assert_true(account_roll(account, NOW + day * DAY, &no_past, &leavers));
    assert_int_equal(account->period_count, 22);
    free_leavers();
    assert_int_equal(account->period_count, ACCOUNT_PERIODS_KEPT + 2);
    drop(account);
}

static void test_the_past_is_asked_for(void **state)
{
    past_per_quarter = 3;
    struct account *account = account_create(PERIOD_DAY, 0, NULL, NOW, &past);
    assert_int_equal(asked, 1); /* for today until now, not for tomorrow */
    money before = 3 * (money)(NOW % DAY / PERIOD_QUARTER);
    assert_money_equal(account_used(account, account_find(account, NOW)), before);
    assert_money_equal(account_spent(account, account_find(account, NOW)), before);
    settle(hold(account, NOW, 50, 1000), 50, 40);
    past_per_quarter = 4; /* late rows came */
    assert_true(account_refresh(account, &past, 0));
    assert_money_equal(account_spent(account, account_find(account, NOW)), before / 3 * 4 + 40);
    assert_true(account_roll(account, NOW + DAY, &past, &leavers));
    assert_money_equal(account_used(account, account_find(account, NOW + DAY)), 0);
    drop(account);
}

/* A call admitted before the account was made may hold in it; its row comes with the past. */
static void test_what_began_earlier_counts_once(void **state)
{
    past_per_quarter = 0;
    struct account *account = account_create(PERIOD_DAY, 0, NULL, NOW, &past);
    struct account_period *held = hold(account, NOW, 50, 1000);
    account_settle(account, held, NOW - SECOND, 50, 40);
    held->holds--;
    assert_money_equal(account_spent(account, held), 40);
    money quarters = (money)(NOW % DAY / PERIOD_QUARTER);
    past_per_quarter = 1; /* its row, and others */
    assert_true(account_refresh(account, &past, NOW - 1));
    assert_money_equal(account_spent(account, held), quarters > 40 ? quarters : 40);
    past_per_quarter = 2;
    assert_true(account_refresh(account, &past, NOW));
    assert_money_equal(account_spent(account, held),
                       quarters > 40 ? quarters : 40); /* nothing is as late as that */
    assert_true(account_refresh(account, &past, NOW - 1));
    assert_money_equal(account_spent(account, held), 2 * quarters);
    assert_money_equal(account_used(account, held), 2 * quarters);
    drop(account);
}

static void test_an_unknown_past_is_asked_for_again(void **state)
{
    past_is_known = false;
    past_per_quarter = 3;
    struct account *account = account_create(PERIOD_LIFETIME, 0, NULL, NOW, &past);
    assert_false(account_is_complete(account));
    assert_money_equal(account_used(account, account_find(account, NOW)), 0);
    assert_false(account_refresh(account, &past, 0));
    past_is_known = true;
    assert_true(account_refresh(account, &past, 0));
    assert_true(account_used(account, account_find(account, NOW)) > 0);
    drop(account);
}

static void test_rolling(void **state)
{
    struct account *account = account_create(PERIOD_ROLLING, HOUR, NULL, NOW, &no_past);
    settle(hold(account, NOW + MINUTE, 60, 100), 60, 60);
    assert_true(account_roll(account, NOW + 20 * MINUTE, &no_past, &leavers));
    struct account_period *second = hold(account, NOW + 20 * MINUTE, 40, 100);
    assert_non_null(second);
    assert_null(hold(account, NOW + 20 * MINUTE, 1, 100));
    /* The first bucket is of 15 minutes and leaves an hour after its end. */
    uint64_t leaves = NOW + 75 * MINUTE;
    assert_true(account_resets_at(account, second, 1, 100) == leaves);
    assert_true(account_resets_at(account, second, 60, 100) == leaves);
    assert_true(account_resets_at(account, second, 61, 100) == leaves + 15 * MINUTE);
    assert_true(account_resets_at(account, second, 101, 100) == UINT64_MAX);
    for (uint64_t wall = NOW + 20 * MINUTE; wall < leaves; wall += 5 * MINUTE) {
        assert_true(account_roll(account, wall, &no_past, &leavers));
        assert_null(hold(account, wall, 1, 100));
    }
    assert_true(account_roll(account, leaves, &no_past, &leavers));
    assert_money_equal(account_used(account, second), 40);
    assert_non_null(hold(account, leaves, 60, 100));
    /* The second is settled when its bucket has left: the window knows nothing of it any more. */
    assert_true(account_roll(account, leaves + 15 * MINUTE, &no_past, &leavers));
    assert_money_equal(account_used(account, second), 60);
    settle(second, 40, 10);
    assert_money_equal(account_used(account, second), 60);
    drop(account);
}

static void test_rolling_past(void **state)
{
    past_per_quarter = 1;
    struct account *account = account_create(PERIOD_ROLLING, DAY, NULL, NOW + MINUTE, &past);
    struct account_period *period = account_find(account, NOW + MINUTE);
    assert_money_equal(account_used(account, period), 96);
    assert_money_equal(account_spent(account, period), 96);
    assert_true(account_roll(account, NOW + 12 * HOUR, &past, &leavers));
    assert_true(account_used(account, period) <= 50);
    assert_true(account_roll(account, NOW + 2 * DAY, &past, &leavers));
    assert_money_equal(account_used(account, period), 0);
    drop(account);
}

/* The clock jumps so far that the very bucket in hand is closed. */
static void test_a_closed_bucket_is_left(void **state)
{
    struct account *account = account_create(PERIOD_ROLLING, HOUR, NULL, NOW, &no_past);
    struct account_period *period = account_find(account, NOW), *before = period;
    period->holds++;
    assert_true(account_roll(account, NOW + DAY, &no_past, &leavers));
    assert_true(account_hold(account, &period, 5, 100, true));
    assert_ptr_not_equal(period, before);
    assert_int_equal(before->holds, 0);
    assert_int_equal(period->holds, 1);
    assert_money_equal(account_used(account, period), 5);
    settle(period, 5, 5);
    drop(account);
}

static void test_large_amounts(void **state)
{
    struct account *account = account_create(PERIOD_MONTH, 0, NULL, NOW, &no_past);
    struct account_period *period = account_find(account, NOW);
    for (int i = 0; i < 1000; i++)
        assert_true(account_hold(account, &period, ACCOUNT_HOLD_MAX, 0, false));
    assert_money_equal(account_used(account, period), ACCOUNT_HOLD_MAX * 1000);
    for (int i = 0; i < 1000; i++)
        account_give_back(account, period, ACCOUNT_HOLD_MAX);
    assert_money_equal(account_used(account, period), 0);
    assert_true(account_hold(account, &period, MONEY_PARSE_MAX, MONEY_PARSE_MAX, true));
    assert_false(account_hold(account, &period, 1, MONEY_PARSE_MAX, true));
    drop(account);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_call_counts_where_it_was_admitted, set_up),
        cmocka_unit_test_setup(test_clock_jumps, set_up),
        cmocka_unit_test_setup(test_old_periods_are_let_go, set_up),
        cmocka_unit_test_setup(test_the_past_is_asked_for, set_up),
        cmocka_unit_test_setup(test_what_began_earlier_counts_once, set_up),
        cmocka_unit_test_setup(test_an_unknown_past_is_asked_for_again, set_up),
        cmocka_unit_test_setup(test_rolling, set_up),
        cmocka_unit_test_setup(test_rolling_past, set_up),
        cmocka_unit_test_setup(test_a_closed_bucket_is_left, set_up),
        cmocka_unit_test_setup(test_large_amounts, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
