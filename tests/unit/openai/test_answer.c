/* answer: facts of whole answers, split anywhere, cut off, and not JSON at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "openai/answer.h"

static struct answer_facts read_answer(struct arena *arena, struct text body, size_t step)
{
    struct answer_tap tap;
    struct answer_facts facts;
    answer_facts_clear(&facts);
    answer_tap_open(&tap, arena);
    for (; body.length > 0; body = text_from_index(body, step))
        answer_tap_feed(&tap, text_first(body, step));
    answer_tap_finish(&tap, &facts);
    return facts;
}

static void test_chat(void **state)
{
    struct arena arena;
    struct text body =
        TEXT("{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"model\":\"gpt-4o-2024\","
             "\"choices\":[{\"message\":{\"content\":\"\\\"usage\\\"\"}}],\"usage\":{"
             "\"prompt_tokens\":2,\"completion_tokens\":3},\"service_tier\":\"default\"}");
    arena_open(&arena, NULL, 1u << 20);
    for (size_t step = 1; step <= body.length; step++) {
        struct answer_facts facts = read_answer(&arena, body, step);
        assert_true(facts.json && facts.finished);
        assert_false(facts.is_error);
        assert_true(text_equal(facts.id, TEXT("chatcmpl-1")));
        assert_true(text_equal(facts.model, TEXT("gpt-4o-2024")));
        assert_true(text_equal(facts.service_tier, TEXT("default")));
        assert_int_equal(facts.usage.output, 3);
        assert_true(
            text_equal(facts.usage_raw, TEXT("{\"prompt_tokens\":2,\"completion_tokens\":3}")));
    }
    arena_close(&arena);
}

static void test_error(void **state)
{
    struct arena arena;
    arena_open(&arena, NULL, 1u << 20);
    struct answer_facts facts =
        read_answer(&arena, TEXT("{\"error\":{\"message\":\"no\",\"code\":null}}"), 5);
    assert_true(facts.is_error);
    assert_false(facts.finished);
    assert_true(text_equal(facts.error_raw, TEXT("{\"message\":\"no\",\"code\":null}")));
    facts =
        read_answer(&arena, TEXT("{\"id\":\"resp_1\",\"error\":null,\"status\":\"queued\"}"), 5);
    assert_false(facts.is_error);
    assert_true(text_equal(facts.status, TEXT("queued")));
    arena_close(&arena);
}

static void test_related(void **state)
{
    struct arena arena;
    arena_open(&arena, NULL, 1u << 20);
    struct answer_facts facts = read_answer(
        &arena, TEXT("{\"id\":\"batch_1\",\"output_file_id\":\"file-o\",\"error_file_id\":null}"),
        9);
    assert_int_equal(facts.related_count, 1);
    assert_true(text_equal(facts.related[0], TEXT("file-o")));
    facts =
        read_answer(&arena, TEXT("{\"id\":\"upload_1\",\"file\":{\"x\":{},\"id\":\"file-u\"}}"), 9);
    assert_int_equal(facts.related_count, 1);
    assert_true(text_equal(facts.related[0], TEXT("file-u")));
    arena_close(&arena);
}

static void test_broken(void **state)
{
    static const struct text bodies[] = {
        TEXT_INIT("<html>502</html>"), TEXT_INIT("{\"id\":\"a\",\"usage\":{\"prompt_to"),
        TEXT_INIT("[1,2]"), TEXT_INIT(""), TEXT_INIT("{\"id\":\"a\",\"model\":\"gp")};
    struct arena arena;
    arena_open(&arena, NULL, 1u << 20);
    for (size_t i = 0; i < ARRAY_LENGTH(bodies); i++)
        for (size_t step = 1; step <= bodies[i].length; step++) {
            struct answer_facts facts = read_answer(&arena, bodies[i], step);
            assert_false(facts.json || facts.finished);
            assert_int_equal(facts.usage.source, USAGE_NONE);
            assert_true(text_empty(facts.model));
        }
    arena_close(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chat),
        cmocka_unit_test(test_error),
        cmocka_unit_test(test_related),
        cmocka_unit_test(test_broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
