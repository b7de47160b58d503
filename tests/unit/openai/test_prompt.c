#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "openai/prompt.h"

#define BIT(need) (1u << (need))

static void test_needs(void **state)
{
    static const struct {
        const char *body;
        unsigned needs;
    } rows[] = {
        {"{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}", 0},
        {"{\"messages\":[{\"content\":[{\"type\":\"image_url\",\"image_url\":{}}]}]}",
         BIT(PROMPT_VISION)},
        {"{\"input\":[{\"content\":[{\"text\":1, \"type\" : \"input_image\"}]}]}",
         BIT(PROMPT_VISION)},
        /* Only talked about. */
        {"{\"messages\":[{\"content\":\"\\\"type\\\":\\\"image_url\\\"\"}]}", 0},
        {"{\"messages\":[{\"content\":\"image_url\"}]}", 0},
        {"{\"input\":\"image_url\"}", 0},
        {"{\"messages\":[{\"content\":[{\"type\":\"input_audio\"},{\"type\":\"file\"}]}]}",
         BIT(PROMPT_AUDIO) | BIT(PROMPT_FILES)},
        {"{\"modalities\":[\"text\",\"audio\"]}", BIT(PROMPT_AUDIO)},
        {"{\"modalities\":[\"text\"]}", 0},
        {"{\"tools\":[]}", 0},
        {"{\"tools\":[{\"type\":\"function\"}]}", BIT(PROMPT_TOOLS)},
        {"{\"functions\":[{}]}", BIT(PROMPT_TOOLS)},
        {"{\"response_format\":{\"type\":\"json_object\"}}", 0},
        {"{\"response_format\":{\"type\":\"json_schema\"}}", BIT(PROMPT_STRUCTURE)},
        {"{\"text\":{\"format\":{\"type\":\"json_schema\"}}}", BIT(PROMPT_STRUCTURE)},
        {"{\"reasoning_effort\":\"low\"}", BIT(PROMPT_REASONING)},
        {"{\"reasoning_effort\":null}", 0},
        {"{\"logprobs\":false}", 0},
        {"{\"logprobs\":true,\"n\":2}", BIT(PROMPT_LOGPROBS) | BIT(PROMPT_CHOICES)},
        {"{\"n\":1}", 0},
        {"[]", 0},
        {"", 0},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (prompt_needs(text_from(rows[i].body)) != rows[i].needs)
            fail_msg("%s: %x", rows[i].body, prompt_needs(text_from(rows[i].body)));
}

static uint64_t beginning(const char *body)
{
    return prompt_beginning(text_from(body));
}

static void test_a_conversation_keeps_its_beginning(void **state)
{
    uint64_t first =
        beginning("{\"model\":\"a\",\"messages\":[{\"role\":\"system\",\"content\":\"s\"},"
                  "{\"role\":\"user\",\"content\":\"q\"}],\"tools\":[{\"x\":1}]}");
    /* A turn later, in another order, at another temperature. */
    assert_true(
        first ==
        beginning("{\"tools\":[{\"x\":1}],\"temperature\":1,\"messages\":[{\"role\":\"system\","
                  "\"content\":\"s\"},{\"role\":\"user\",\"content\":\"q\"},{\"role\":"
                  "\"assistant\",\"content\":\"a\"},{\"role\":\"user\",\"content\":\"r\"}]}"));
    assert_true(
        first !=
        beginning("{\"messages\":[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\","
                  "\"content\":\"q\"}],\"tools\":[{\"x\":2}]}"));
    assert_true(
        first !=
        beginning("{\"messages\":[{\"role\":\"system\",\"content\":\"t\"},{\"role\":\"user\","
                  "\"content\":\"q\"}],\"tools\":[{\"x\":1}]}"));
}

static void test_the_callers_own_key(void **state)
{
    uint64_t first = beginning("{\"prompt_cache_key\":\"k\",\"messages\":[{\"role\":\"user\"}]}");
    assert_true(first == beginning("{\"input\":\"x\",\"prompt_cache_key\":\"k\"}"));
    assert_true(first != beginning("{\"input\":\"x\",\"prompt_cache_key\":\"l\"}"));
    assert_true(beginning("{\"input\":\"x\"}") != beginning("{\"input\":\"y\"}"));
    assert_true(beginning("{\"input\":\"x\"}") !=
                beginning("{\"input\":\"x\",\"instructions\":\"y\"}"));
}

/* Of a text cut anywhere nothing is read that is not there (the sanitizers look). */
static void test_cut_anywhere(void **state)
{
    static const char body[] =
        "{\"messages\":[{\"role\":\"system\",\"content\":[{\"type\":\"image_url\"}]},"
        "{\"role\":\"user\"}],\"tools\":[{\"a\":\"\\\"\"}],\"n\":2}";
    for (size_t length = 0; length < sizeof(body); length++) {
        char *copy = malloc(length > 0 ? length : 1);
        memcpy(copy, body, length);
        (void)prompt_needs(text_of(copy, length));
        (void)prompt_beginning(text_of(copy, length));
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_needs),
        cmocka_unit_test(test_a_conversation_keeps_its_beginning),
        cmocka_unit_test(test_the_callers_own_key),
        cmocka_unit_test(test_cut_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
