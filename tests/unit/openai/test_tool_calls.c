/* tool_calls: distinct calls of the provider's own tools, in answers split anywhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "openai/tool_calls.h"

static const char answer[] =
    "{\"id\":\"resp_1\",\"output\":[{\"id\":\"ws_a1\",\"type\":\"web_search_call\"},"
    "{ \"id\": \"ws_b2\", \"type\": \"web_search_call\"},{\"id\":\"fs_1\"},{\"id\":\"ws_a1\"},"
    "{\"type\":\"code_interpreter_call\",\"container_id\":\"cntr_9\",\"id\":\"ci_1\"},"
    "{\"container_id\": \"cntr_9\",\"id\":\"ci_2\"},"
    "{\"id\":\"msg_1\",\"content\":[{\"text\":\"say \\\"id\\\":\\\"ws_c3\\\" \\\\\"}]}]}";

static void test_counts(void **state)
{
    struct text whole = text_from(answer);
    for (size_t step = 1; step <= whole.length; step++) {
        struct tool_calls calls;
        struct text rest = whole;
        tool_calls_open(&calls);
        while (rest.length > 0) {
            tool_calls_feed(&calls, text_first(rest, step));
            rest = text_from_index(rest, step);
        }
        assert_int_equal(calls.counts[TOOL_CALL_WEB_SEARCH], 2);
        assert_int_equal(calls.counts[TOOL_CALL_FILE_SEARCH], 1);
        assert_int_equal(calls.counts[TOOL_CALL_CONTAINER], 1);
        assert_false(calls.full);
    }
}

/* Near misses restart with the very character that missed. */
static void test_near_misses(void **state)
{
    static const char text[] =
        "\"\"id\":\"\"id\":\"ws_1\",\"i\"id\":\"w\"id\":\"fs_2\",\"idx\":\"ws_3\"";
    struct tool_calls calls;
    tool_calls_open(&calls);
    tool_calls_feed(&calls, text_from(text));
    assert_int_equal(calls.counts[TOOL_CALL_WEB_SEARCH], 1);
    assert_int_equal(calls.counts[TOOL_CALL_FILE_SEARCH], 1);
}

static void test_full(void **state)
{
    struct tool_calls calls;
    tool_calls_open(&calls);
    for (unsigned i = 0; i <= TOOL_CALLS_IDS_MAX; i++) {
        char text[64];
        int length = snprintf(text, sizeof(text), "{\"id\":\"ws_%u\"}", i);
        tool_calls_feed(&calls, text_of(text, (size_t)length));
    }
    assert_true(calls.full);
    assert_int_equal(calls.counts[TOOL_CALL_WEB_SEARCH], TOOL_CALLS_IDS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_near_misses),
        cmocka_unit_test(test_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
