#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "app/options.h"

struct values {
    bool json, follow;
    const char *data, *limit;
    struct option_list models;
};

static const struct option rows[] = {
    OPTION_FLAG_ROW("json", struct values, json, "help"),
    OPTION_TEXT_ROW("data", struct values, data, "DIR", "help", OPTION_DIRECTORY),
    OPTION_FLAG_LETTER_ROW('f', "follow", struct values, follow, "help"),
    OPTION_TEXT_LETTER_ROW('n', "limit", struct values, limit, "N", "help", OPTION_ANY),
    OPTION_LIST_ROW("model", struct values, models, "PATTERN", "help"),
    OPTION_END,
};

static struct values values;
static char *arguments[16];
static size_t operands;
static char problem[OPTION_PROBLEM_SIZE];

static enum options_result parse(const struct option *options, char **given, int count)
{
    memset(&values, 0, sizeof values);
    memcpy(arguments, given, (size_t)count * sizeof *given);
    return options_parse(options, &values, count, arguments, &operands, problem);
}

#define PARSE(...) \
    parse(rows, (char *[]){__VA_ARGS__}, sizeof((char *[]){__VA_ARGS__}) / sizeof(char *))

static void test_all_kinds(void **state)
{
    assert_int_equal(
        PARSE("one", "--json", "--data", "d1", "--model=a", "two", "--data=d2", "--model", "b"),
        OPTIONS_OK);
    assert_true(values.json);
    assert_string_equal(values.data, "d2");
    assert_int_equal(values.models.count, 2);
    assert_string_equal(values.models.values[0], "a");
    assert_string_equal(values.models.values[1], "b");
    assert_int_equal(operands, 2);
    assert_string_equal(arguments[0], "one");
    assert_string_equal(arguments[1], "two");
}

static void test_values_that_look_odd(void **state)
{
    assert_int_equal(PARSE("--data=", "--model=a=b", "--model", "--json", "-", "--", "--x"),
                     OPTIONS_OK);
    assert_string_equal(values.data, "");
    assert_string_equal(values.models.values[0], "a=b");
    assert_string_equal(values.models.values[1], "--json");
    assert_false(values.json);
    assert_int_equal(operands, 2);
    assert_string_equal(arguments[0], "-");
    assert_string_equal(arguments[1], "--x");
}

static void test_letters(void **state)
{
    assert_int_equal(PARSE("-f", "one", "-n", "20"), OPTIONS_OK);
    assert_true(values.follow);
    assert_string_equal(values.limit, "20");
    assert_int_equal(operands, 1);
    assert_int_equal(PARSE("-n20"), OPTIONS_OK);
    assert_string_equal(values.limit, "20");
    assert_int_equal(PARSE("-fn", "20"), OPTIONS_OK);
    assert_true(values.follow);
    assert_string_equal(values.limit, "20");
    assert_int_equal(PARSE("-fn20"), OPTIONS_OK);
    assert_string_equal(values.limit, "20");
    assert_int_equal(PARSE("-fh"), OPTIONS_HELP);
    assert_int_equal(PARSE("-n"), OPTIONS_WRONG);
    assert_string_equal(problem, "-n needs a value: -n N");
    assert_int_equal(PARSE("-fx"), OPTIONS_WRONG);
    assert_string_equal(problem, "there is no option -fx");
    assert_int_equal(PARSE("-data"), OPTIONS_WRONG);
    assert_string_equal(problem, "there is no option -data; did you mean --data?");
    assert_int_equal(PARSE("--", "-f"), OPTIONS_OK);
    assert_false(values.follow);
}

static void test_help(void **state)
{
    assert_int_equal(PARSE("--json", "--help", "--nonsense"), OPTIONS_HELP);
    assert_int_equal(PARSE("-h"), OPTIONS_HELP);
    assert_int_equal(PARSE("--", "--help"), OPTIONS_OK);
}

static void test_errors(void **state)
{
    assert_int_equal(PARSE("--jsn"), OPTIONS_WRONG);
    assert_string_equal(problem, "there is no option --jsn; did you mean --json?");
    assert_int_equal(PARSE("--completely-different"), OPTIONS_WRONG);
    assert_string_equal(problem, "there is no option --completely-different");
    assert_int_equal(PARSE("--json=yes"), OPTIONS_WRONG);
    assert_string_equal(problem, "--json takes no value");
    assert_int_equal(PARSE("--data"), OPTIONS_WRONG);
    assert_string_equal(problem, "--data needs a value: --data DIR");
    assert_int_equal(PARSE("-j"), OPTIONS_WRONG);
    assert_string_equal(problem, "there is no option -j; did you mean --json?");
    assert_int_equal(parse(NULL, (char *[]){"--json"}, 1), OPTIONS_WRONG);
}

static void test_too_many_values(void **state)
{
    char *many[2 * (OPTION_VALUES_MAX + 1)];
    memset(&values, 0, sizeof values);
    for (size_t i = 0; i < 2 * (OPTION_VALUES_MAX + 1); i++)
        many[i] = i % 2 ? "x" : "--model";
    assert_int_equal(
        options_parse(rows, &values, 2 * (OPTION_VALUES_MAX + 1), many, &operands, problem),
        OPTIONS_WRONG);
    assert_int_equal(values.models.count, OPTION_VALUES_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_kinds), cmocka_unit_test(test_values_that_look_odd),
        cmocka_unit_test(test_letters),   cmocka_unit_test(test_help),
        cmocka_unit_test(test_errors),    cmocka_unit_test(test_too_many_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
