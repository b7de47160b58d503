#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/attributes.h"
#include "provider/alias.h"

static const struct alias_rule rule = {.marks = "_-", .maximum = 24};

static void test_fits(void **state)
{
    static const struct {
        struct text name;
        bool fits;
    } rows[] = {
        {TEXT_INIT("get_weather-2"), true},
        {TEXT_INIT("abcdefghijklmnopqrstuvwx"), true},   /* 24 */
        {TEXT_INIT("abcdefghijklmnopqrstuvwxy"), false}, /* 25 */
        {TEXT_INIT(""), false},
        {TEXT_INIT("mcp.get"), false},
        {TEXT_INIT("z\xc3\xa4hle"), false},
        {TEXT_INIT("a\0b"), false},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        assert_int_equal(alias_fits(rows[i].name, &rule), rows[i].fits);
}

/* Always the same, and another one for each name. */
static void test_make(void **state)
{
    struct arena arena;
    arena_open(&arena, NULL, 65536);
    struct text fit = TEXT("get");
    assert_ptr_equal(alias_make(&arena, fit, &rule).data, fit.data);
    struct text dotted = alias_make(&arena, TEXT("mcp.get"), &rule);
    assert_true(text_equal(dotted, TEXT("mcp_get_c05297efbb957da1")));
    assert_false(text_equal(dotted, alias_make(&arena, TEXT("mcp/get"), &rule)));
    struct text long_one = alias_make(&arena, TEXT("abcdefghijklmnopqrstuvwxyz"), &rule);
    assert_int_equal(long_one.length, 24);
    assert_true(alias_fits(long_one, &rule));
    assert_true(alias_fits(alias_make(&arena, TEXT(""), &rule), &rule));
    arena_close(&arena);
}

static void test_restore(void **state)
{
    struct arena arena;
    arena_open(&arena, NULL, 65536);
    const struct tool tools[] = {{.name = TEXT_INIT("get")}, {.name = TEXT_INIT("mcp.get")}};
    const struct conversation conversation = {.tools = tools, .tool_count = 2};
    struct text alias = alias_make(&arena, tools[1].name, &rule);
    assert_true(text_equal(alias_restore(&arena, &conversation, alias, &rule), TEXT("mcp.get")));
    assert_true(text_equal(alias_restore(&arena, &conversation, TEXT("get"), &rule), TEXT("get")));
    assert_true(
        text_equal(alias_restore(&arena, &conversation, TEXT("other"), &rule), TEXT("other")));
    arena_close(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fits),
        cmocka_unit_test(test_make),
        cmocka_unit_test(test_restore),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
