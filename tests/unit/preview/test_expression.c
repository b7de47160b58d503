/* Conditions of pipelines: read or refused with what to write, and what they say of a tally. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "preview/expression.h"

static const struct tally found = {
    .refused_then = 10,
    .refused_now = 12,
    .newly_refused = 3,
    .newly_allowed = 1,
    .unknown = 0,
    .cost_then = 5 * MONEY_DOLLAR,
    .cost_now = 7 * MONEY_DOLLAR + MONEY_DOLLAR / 2,
};

static bool holds(const char *text)
{
    struct expression expression = {0};
    char problem[EXPRESSION_PROBLEM_SIZE];
    if (!expression_read(text_from(text), &expression, problem))
        fail_msg("%s: %s", text, problem);
    return expression_holds(&expression, &found);
}

static void test_comparisons(void **state)
{
    assert_true(holds("newly_refused > 2"));
    assert_false(holds("newly_refused > 3"));
    assert_true(holds("newly_refused >= 3"));
    assert_true(holds("newly_allowed < 2"));
    assert_false(holds("newly_allowed < 1"));
    assert_true(holds("unknown <= 0"));
    assert_true(holds("refused_then == 10"));
    assert_true(holds("refused_now = 12"));
    assert_true(holds("refused_now!=11"));
    assert_false(holds("  unknown  !=  0  "));
}

static void test_money(void **state)
{
    assert_true(holds("cost_change_usd > 2.49"));
    assert_true(holds("cost_change_usd == 2.5"));
    assert_false(holds("cost_change_usd > 2.500000000001") && holds("cost_change_usd < 2.5"));
    assert_true(holds("cost_change_usd > -1"));
}

static void test_one_of_several(void **state)
{
    assert_true(holds("unknown > 0 or newly_refused > 0"));
    assert_false(holds("unknown > 0 or newly_refused > 3 or cost_change_usd > 3"));
}

static void test_nothing_holds_without_terms(void **state)
{
    const struct expression none = {0};
    assert_false(expression_holds(&none, &found));
}

static void test_what_is_wrong_is_said(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "compares nothing"},
        {"newly_refused", "compares nothing"},
        {"refusals > 0", "\"refusals\" is no figure"},
        {"newly_refused > many", "\"many\" is no number"},
        {"newly_refused > ", "\"\" is no number"},
        {"newly_refused > 1.5", "\"1.5\" is no number"},
        {"cost_change_usd > $5", "\"$5\" is no number"},
        {"unknown > 0 or ", "compares nothing"},
        {"unknown > 99999999999999999999", "is no number"},
        {"unknown > 0 or unknown > 0 or unknown > 0 or unknown > 0 or unknown > 0 or unknown > 0 "
         "or "
         "unknown > 0 or unknown > 0 or unknown > 0 or unknown > 0 or unknown > 0 or unknown > 0 "
         "or "
         "unknown > 0 or unknown > 0 or unknown > 0 or unknown > 0 or unknown > 0",
         "one condition too many"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct expression expression = {0};
        char problem[EXPRESSION_PROBLEM_SIZE] = "";
        assert_false(expression_read(text_from(cases[i].text), &expression, problem));
        if (strstr(problem, cases[i].says) == NULL)
            fail_msg("%s: %s", cases[i].text, problem);
        assert_non_null(strstr(problem, "newly_refused, newly_allowed"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_comparisons),
        cmocka_unit_test(test_money),
        cmocka_unit_test(test_one_of_several),
        cmocka_unit_test(test_nothing_holds_without_terms),
        cmocka_unit_test(test_what_is_wrong_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
