#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/attributes.h"
#include "meter/money.h"

static void parse_takes_plain_decimals(void **state)
{
    static const struct {
        const char *text;
        int64_t dollars, rest; /* rest in picodollars */
    } rows[] = {
        {"0", 0, 0},
        {"1", 1, 0},
        {"007.50", 7, 500000000000},
        {"0.25", 0, 250000000000},
        {"0.000000000001", 0, 1},
        {"999999999999.999999999999", 999999999999, 999999999999},
        {"1000000000000", 1000000000000, 0},
        {"1000000000000.000000000000", 1000000000000, 0},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        money amount;
        assert_int_equal(money_parse(text_from(rows[i].text), &amount), MONEY_GOOD);
        assert_true(amount == rows[i].dollars * MONEY_DOLLAR + rows[i].rest);
    }
}

static void parse_says_what_is_wrong(void **state)
{
    static const struct {
        const char *text;
        enum money_problem problem;
    } rows[] = {
        {"", MONEY_BLANK},
        {" ", MONEY_BLANK},
        {" 1", MONEY_BLANK},
        {"1 ", MONEY_BLANK},
        {"1\n", MONEY_BLANK},
        {"-1", MONEY_SIGN},
        {"+1", MONEY_SIGN},
        {"1-1", MONEY_NOT_NUMBER},
        {"1e3", MONEY_EXPONENT},
        {"1.5E-7", MONEY_EXPONENT},
        {"e3", MONEY_NOT_NUMBER},
        {"1,000", MONEY_NOT_NUMBER},
        {"$3", MONEY_NOT_NUMBER},
        {".5", MONEY_NOT_NUMBER},
        {"5.", MONEY_NOT_NUMBER},
        {".", MONEY_NOT_NUMBER},
        {"1.2.3", MONEY_NOT_NUMBER},
        {"0x10", MONEY_NOT_NUMBER},
        {"nan", MONEY_NOT_NUMBER},
        {"inf", MONEY_NOT_NUMBER},
        {"1.0000000000000", MONEY_TOO_FINE},
        {"0.00011550000000000002", MONEY_TOO_FINE},
        {"1000000000000.000000000001", MONEY_TOO_LARGE},
        {"1000000000001", MONEY_TOO_LARGE},
        {"99999999999999999999999999999999999999999999999999999999999", MONEY_TOO_LARGE},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        money amount = 42;
        assert_int_equal(money_parse(text_from(rows[i].text), &amount), rows[i].problem);
        assert_true(amount == 42);
        assert_true(*money_problem_text(rows[i].problem) != '\0');
    }
}

static void formats(void **state)
{
    static const struct {
        money amount;
        const char *exact, *price, *people;
    } rows[] = {
        {0, "0.000000000000", "0.00", "$0.00"},
        {1, "0.000000000001", "0.000000000001", "$0.000000000001"},
        {-1, "-0.000000000001", "-0.000000000001", "-$0.000000000001"},
        {759600000, "0.000759600000", "0.0007596", "$0.00076"},
        {62500000000, "0.062500000000", "0.0625", "$0.062"},
        {500000000000, "0.500000000000", "0.50", "$0.50"},
        {999999999999, "0.999999999999", "0.999999999999", "$1.00"},
        {MONEY_DOLLAR, "1.000000000000", "1.00", "$1.00"},
        {1234 * MONEY_DOLLAR + 555000000000, "1234.555000000000", "1234.555", "$1,234.56"},
        {1234 * MONEY_DOLLAR + 565000000000, "1234.565000000000", "1234.565", "$1,234.56"},
        {-1000000 * MONEY_DOLLAR, "-1000000.000000000000", "-1000000.00", "-$1,000,000.00"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char out[MONEY_TEXT_SIZE];
        assert_int_equal(money_format_exact(rows[i].amount, out), strlen(rows[i].exact));
        assert_string_equal(out, rows[i].exact);
        assert_int_equal(money_format_price(rows[i].amount, out), strlen(rows[i].price));
        assert_string_equal(out, rows[i].price);
        assert_int_equal(money_format_people(rows[i].amount, out), strlen(rows[i].people));
        assert_string_equal(out, rows[i].people);
    }
}

/* The widest that 128 bits hold fits each form. */
static void formats_the_edges(void **state)
{
    unsigned __int128 top = ~(unsigned __int128)0 >> 1;
    money largest = (money)top, smallest = -largest - 1;
    char out[MONEY_TEXT_SIZE];
    (void)money_format_exact(largest, out);
    assert_string_equal(out, "170141183460469231731687303.715884105727");
    (void)money_format_exact(smallest, out);
    assert_string_equal(out, "-170141183460469231731687303.715884105728");
    (void)money_format_people(smallest, out);
    assert_string_equal(out, "-$170,141,183,460,469,231,731,687,303.72");
}

static void divide_rounds_half_to_even(void **state)
{
    static const struct {
        int64_t numerator, denominator, quotient;
    } rows[] = {
        {0, 3, 0},  {1, 2, 0},   {3, 2, 2},   {5, 2, 2},   {7, 2, 4},  {1, 3, 0},  {2, 3, 1},
        {-1, 2, 0}, {-3, 2, -2}, {-5, 2, -2}, {-2, 3, -1}, {-1, 3, 0}, {10, 5, 2}, {-10, 5, -2},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        assert_true(money_divide(rows[i].numerator, rows[i].denominator) == rows[i].quotient);
    unsigned __int128 top = ~(unsigned __int128)0 >> 1;
    assert_true(money_divide((money)top, 1) == (money)top);
    assert_true(money_divide(-(money)top - 1, 1) == -(money)top - 1);
    assert_true(money_divide((money)top, (money)top) == 1);
    assert_true(money_divide((money)top - 1, 2) == (money)top / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse_takes_plain_decimals),
        cmocka_unit_test(parse_says_what_is_wrong),
        cmocka_unit_test(formats),
        cmocka_unit_test(formats_the_edges),
        cmocka_unit_test(divide_rounds_half_to_even),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
