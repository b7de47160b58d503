/* Which row a model's name finds, as each host spells it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "provider/anthropic_parts.h"

static void test_names(void **state)
{
    static const struct {
        const char *name;
        unsigned version;
        const char *family; /* of the row; "": for any */
    } rows[] = {
        {"claude-opus-4-8", 48, "opus"},
        {"claude-opus-5", 48, "opus"},
        {"claude-opus-5-5", 48, "opus"},
        {"claude-sonnet-5", 50, "sonnet"},
        {"claude-sonnet-5-5", 50, "sonnet"},
        {"claude-haiku-5-5", 47, ""},
        {"claude-opus-4-7", 47, ""},
        {"claude-opus-4-6", 46, ""},
        {"claude-sonnet-4-6@default", 46, ""},
        {"us.anthropic.claude-opus-4-6-v1", 46, ""},
        {"claude-opus-4-5-20251101", 45, "opus"},
        {"claude-sonnet-4-5@20250929", 45, ""},
        {"global.anthropic.claude-haiku-4-5-20251001-v1:0", 45, ""},
        {"claude-opus-4-1@20250805", 41, ""},
        {"claude-opus-4-20250514", 40, "opus"},
        {"claude-opus-4-0", 40, "opus"},
        {"claude-sonnet-4-20250514", 37, ""},
        {"claude-3-7-sonnet-latest", 37, ""},
        {"claude-3-5-haiku-20241022", 35, ""},
        {"anthropic.claude-3-haiku-20240307-v1:0", 10, ""},
        {"claude-fable-5-1", 0, "fable"},
        {"claude-mythos-preview", 0, "mythos"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const struct anthropic_model *model = anthropic_model_find(text_from(rows[i].name));
        if (model->version != rows[i].version ||
            !text_equal(model->family, text_from(rows[i].family)))
            fail_msg("%s: found %.*s %u", rows[i].name, TEXT_ARG(model->family), model->version);
    }
}

/* Of what is not known nothing is forbidden. */
static void test_unknown(void **state)
{
    static const char *const names[] = {"", "my-deployment", "claude-", "claude-instant-1.2",
                                        "gpt-4o"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        const struct anthropic_model *model = anthropic_model_find(text_from(names[i]));
        assert_false(model->fixed_sampling || model->one_sampling || model->thinks_always);
        assert_true(model->takes_schema && model->takes_prefill);
        assert_true(model->output_largest > 0);
    }
}

static void test_efforts(void **state)
{
    static const struct {
        const char *word;
        enum anthropic_effort effort;
    } rows[] = {
        {"none", ANTHROPIC_EFFORT_NONE}, {"minimal", ANTHROPIC_EFFORT_LOW},
        {"low", ANTHROPIC_EFFORT_LOW},   {"medium", ANTHROPIC_EFFORT_MEDIUM},
        {"high", ANTHROPIC_EFFORT_HIGH}, {"xhigh", ANTHROPIC_EFFORT_XHIGH},
        {"max", ANTHROPIC_EFFORT_MAX},
    };
    enum anthropic_effort effort;
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        assert_true(anthropic_effort_find(text_from(rows[i].word), &effort));
        assert_int_equal(effort, rows[i].effort);
    }
    assert_false(anthropic_effort_find(TEXT("High"), &effort));
    assert_true(text_equal(anthropic_effort_name(ANTHROPIC_EFFORT_XHIGH), TEXT("xhigh")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_efforts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
