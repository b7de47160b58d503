/* usage: the objects of each endpoint, and numbers that cannot be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "openai/usage.h"

static void test_chat(void **state)
{
    struct usage usage;
    usage_read(
        &usage,
        TEXT("{\"prompt_tokens\":11,\"completion_tokens\":7,\"total_tokens\":18,"
             "\"prompt_tokens_details\":{\"cached_tokens\":3,\"audio_tokens\":1,"
             "\"cache_write_tokens\":2},\"completion_tokens_details\":{"
             "\"reasoning_tokens\":5,\"audio_tokens\":0,\"accepted_prediction_tokens\":0}}"));
    assert_int_equal(usage.source, USAGE_REPORTED);
    assert_false(usage.suspicious);
    assert_int_equal(usage.input, 11);
    assert_int_equal(usage.output, 7);
    assert_int_equal(usage.total, 18);
    assert_int_equal(usage.cached_input, 3);
    assert_int_equal(usage.cache_write, 2);
    assert_int_equal(usage.audio_input, 1);
    assert_int_equal(usage.reasoning, 5);
    assert_int_equal(usage.audio_output, 0);
    assert_int_equal(usage.image_input, -1);
    assert_int_equal(usage.milliseconds, -1);
}

static void test_other_endpoints(void **state)
{
    struct usage usage;
    usage_read(&usage,
               TEXT("{\"input_tokens\":1,\"input_tokens_details\":{\"cached_tokens\":0},"
                    "\"output_tokens\":2,\"output_tokens_details\":{\"reasoning_tokens\":1},"
                    "\"total_tokens\":3}"));
    assert_int_equal(usage.input, 1);
    assert_int_equal(usage.cached_input, 0);
    assert_int_equal(usage.reasoning, 1);
    usage_read(&usage, TEXT("{\"prompt_tokens\":5,\"total_tokens\":5}"));
    assert_int_equal(usage.input, 5);
    assert_int_equal(usage.output, -1);
    usage_read(&usage, TEXT("{\"input_tokens\":9,\"input_tokens_details\":{\"text_tokens\":4,"
                            "\"image_tokens\":5},\"output_tokens\":6,\"output_tokens_details\":{"
                            "\"image_tokens\":6}}"));
    assert_int_equal(usage.image_input, 5);
    assert_int_equal(usage.image_output, 6);
    usage_read(&usage, TEXT("{\"type\":\"tokens\",\"input_tokens\":8,\"input_token_details\":{"
                            "\"audio_tokens\":8}}"));
    assert_int_equal(usage.audio_input, 8);
    usage_read(&usage, TEXT("{\"type\":\"duration\",\"seconds\":12.5}"));
    assert_int_equal(usage.source, USAGE_REPORTED);
    assert_int_equal(usage.milliseconds, 12500);
    assert_int_equal(usage.input, -1);
}

static void test_bad_numbers(void **state)
{
    static const struct text rows[] = {
        TEXT_INIT("{\"prompt_tokens\":-1}"),
        TEXT_INIT("{\"prompt_tokens\":1.5}"),
        TEXT_INIT("{\"prompt_tokens\":\"12\"}"),
        TEXT_INIT("{\"prompt_tokens\":1e300}"),
        TEXT_INIT("{\"prompt_tokens\":9007199254740993}"),
        TEXT_INIT("{\"prompt_tokens\":[1]}"),
        TEXT_INIT("{\"prompt_tokens_details\":7}"),
        TEXT_INIT("{\"seconds\":-3}"),
    };
    struct usage usage;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        usage_read(&usage, rows[i]);
        assert_true(usage.suspicious);
        assert_int_equal(usage.input, -1);
        assert_int_equal(usage.source, USAGE_NONE);
    }
    usage_read(&usage, TEXT("{\"prompt_tokens\":null}"));
    assert_false(usage.suspicious);
    usage_read(&usage, TEXT("nonsense"));
    assert_int_equal(usage.source, USAGE_NONE);
}

static void test_estimate(void **state)
{
    struct usage usage;
    usage_estimate(&usage, 9, 8);
    assert_int_equal(usage.source, USAGE_ESTIMATED);
    assert_int_equal(usage.input, 3);
    assert_int_equal(usage.output, 2);
    assert_int_equal(usage.total, 5);
    usage_estimate(&usage, -1, 1);
    assert_int_equal(usage.input, -1);
    assert_int_equal(usage.output, 1);
    assert_int_equal(usage.total, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chat),
        cmocka_unit_test(test_other_endpoints),
        cmocka_unit_test(test_bad_numbers),
        cmocka_unit_test(test_estimate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
