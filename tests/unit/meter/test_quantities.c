#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/attributes.h"
#include "meter/quantities.h"

/* What was read in passing and the raw object give the same. */
static void both_ways_agree(void **state)
{
    static const char *const rows[] = {
        "{\"prompt_tokens\":1200,\"completion_tokens\":345,\"total_tokens\":1545,"
        "\"prompt_tokens_details\":{\"cached_tokens\":1024},"
        "\"completion_tokens_details\":{\"reasoning_tokens\":128}}",
        "{\"input_tokens\":20000,\"input_tokens_details\":{\"cached_tokens\":12000,"
        "\"cache_write_tokens\":6000},\"output_tokens\":1500,"
        "\"output_tokens_details\":{\"reasoning_tokens\":900},\"total_tokens\":21500}",
        "{\"prompt_tokens\":8,\"total_tokens\":8}",
        "{\"total_tokens\":8}",
        "{\"type\":\"duration\",\"seconds\":37.25}",
        "{\"prompt_tokens\":50,\"prompt_tokens_details\":{\"audio_tokens\":30,\"cached_tokens\":5},"
        "\"completion_tokens\":9,\"completion_tokens_details\":{\"audio_tokens\":4}}",
        "{\"input_tokens\":100,\"input_token_details\":{\"text_tokens\":20,\"audio_tokens\":80,"
        "\"cached_tokens\":60,\"cached_tokens_details\":{\"text_tokens\":10,\"audio_tokens\":50}},"
        "\"output_tokens\":3}",
        "{\"prompt_tokens\":100,\"num_cached_tokens\":60,\"completion_tokens\":1}",
        "{\"prompt_tokens\":10,\"prompt_tokens_details\":{\"cached_tokens\":11}}",
        "{\"prompt_tokens\":100,\"prompt_audio_seconds\":12,\"completion_tokens\":1}",
        "{\"prompt_tokens\":-1,\"completion_tokens\":3}",
        "{\"prompt_tokens\":0,\"completion_tokens\":0}",
        "{\"prompt_tokens\":null}",
        "{}",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct usage usage;
        struct quantities taken, raw;
        usage_read(&usage, text_from(rows[i]));
        quantities_take(&taken, DIALECT_OPENAI, &usage, text_from(rows[i]), NULL);
        quantities_read_text(&raw, DIALECT_OPENAI, text_from(rows[i]), NULL);
        assert_int_equal(taken.state, raw.state);
        if (taken.state == QUANTITIES_REFUSED)
            continue;
        assert_true(taken.set == raw.set);
        assert_memory_equal(taken.counts, raw.counts, sizeof raw.counts);
        assert_int_equal(taken.prompt_tokens, raw.prompt_tokens);
    }
}

static void images_are_images(void **state)
{
    struct facts facts = {.values[FACT_ENDPOINT] = TEXT_INIT("images")};
    struct text raw = TEXT("{\"input_tokens\":50,\"output_tokens\":4160,\"total_tokens\":4210,"
                           "\"input_tokens_details\":{\"text_tokens\":10,\"image_tokens\":40}}");
    struct usage usage;
    struct quantities quantities;
    usage_read(&usage, raw);
    quantities_take(&quantities, DIALECT_OPENAI, &usage, raw, &facts);
    assert_int_equal(quantities.counts[UNIT_IMAGE_OUTPUT], 4160);
    assert_int_equal(quantities.counts[UNIT_OUTPUT], 0);
    assert_int_equal(quantities.counts[UNIT_IMAGE_INPUT], 40);
    assert_int_equal(quantities.counts[UNIT_INPUT], 10);
}

static void modalities_of_a_cached_prompt(void **state)
{
    struct quantities quantities;
    quantities_read_text(&quantities, DIALECT_OPENAI,
                         TEXT("{\"input_tokens\":100,\"input_token_details\":{\"text_tokens\":20,"
                              "\"audio_tokens\":80,\"cached_tokens\":60,\"cached_tokens_details\":"
                              "{\"text_tokens\":10,\"audio_tokens\":50}},\"output_tokens\":3}"),
                         NULL);
    assert_int_equal(quantities.counts[UNIT_INPUT], 10);
    assert_int_equal(quantities.counts[UNIT_CACHED_INPUT], 10);
    assert_int_equal(quantities.counts[UNIT_AUDIO_INPUT], 30);
    assert_int_equal(quantities.counts[UNIT_CACHED_AUDIO_INPUT], 50);
    assert_int_equal(quantities.prompt_tokens, 100);
}

/* A translated answer has OpenAI's object, whoever gave it. */
static void a_translated_object_is_read_as_it_is(void **state)
{
    static const enum usage_dialect dialects[] = {DIALECT_ANTHROPIC, DIALECT_GEMINI,
                                                  DIALECT_BEDROCK, DIALECT_COHERE};
    struct text raw = TEXT("{\"prompt_tokens\":100,\"prompt_tokens_details\":{\"cached_tokens\":"
                           "60},\"completion_tokens\":7,\"total_tokens\":107}");
    for (size_t i = 0; i < ARRAY_LENGTH(dialects); i++) {
        struct quantities quantities;
        quantities_read_text(&quantities, dialects[i], raw, NULL);
        assert_int_equal(quantities.state, QUANTITIES_REPORTED);
        assert_int_equal(quantities.counts[UNIT_INPUT], 40);
        assert_int_equal(quantities.counts[UNIT_CACHED_INPUT], 60);
        assert_int_equal(quantities.counts[UNIT_OUTPUT], 7);
    }
}

/* OpenAI's models answer Converse like all others; only InvokeModel gives their own object. */
static void openai_on_bedrock(void **state)
{
    struct quantities quantities;
    quantities_read_text(&quantities, DIALECT_OPENAI,
                         TEXT("{\"inputTokens\":9,\"outputTokens\":4,\"totalTokens\":13}"), NULL);
    assert_int_equal(quantities.counts[UNIT_INPUT], 9);
    assert_int_equal(quantities.counts[UNIT_OUTPUT], 4);
}

/* A name that is no UTF-8 is not ours to judge: the counts beside it are what is paid for. */
static void bytes_that_are_no_text(void **state)
{
    struct quantities quantities;
    quantities_read_text(
        &quantities, DIALECT_OPENAI,
        TEXT("{\"prompt_tokens\":9,\"of\xff\":1,\"completion_tokens\":4,\"total_tokens\":13}"),
        NULL);
    assert_int_equal(quantities.counts[UNIT_INPUT], 9);
    assert_int_equal(quantities.counts[UNIT_OUTPUT], 4);
}

static void interactions_of_gemini(void **state)
{
    struct quantities quantities;
    quantities_read_text(&quantities, DIALECT_GEMINI,
                         TEXT("{\"total_input_tokens\":100,\"total_cached_tokens\":40,"
                              "\"total_tool_use_tokens\":5,\"total_output_tokens\":7,"
                              "\"total_thought_tokens\":9,\"total_tokens\":121}"),
                         NULL);
    assert_int_equal(quantities.counts[UNIT_INPUT], 65);
    assert_int_equal(quantities.counts[UNIT_CACHED_INPUT], 40);
    assert_int_equal(quantities.counts[UNIT_OUTPUT], 7);
    assert_int_equal(quantities.counts[UNIT_REASONING_OUTPUT], 9);
}

static void xai_additive_cache(void **state)
{
    struct quantities quantities;
    quantities_read_text(&quantities, DIALECT_XAI,
                         TEXT("{\"prompt_tokens\":10,\"prompt_tokens_details\":{\"cached_tokens\":"
                              "60},\"completion_tokens\":7}"),
                         NULL);
    assert_int_equal(quantities.counts[UNIT_INPUT], 10);
    assert_int_equal(quantities.counts[UNIT_CACHED_INPUT], 60);
}

static void contradictions_are_refused(void **state)
{
    static const struct {
        enum usage_dialect dialect;
        const char *usage;
    } rows[] = {
        {DIALECT_ANTHROPIC, "{\"input_tokens\":1,\"cache_creation_input_tokens\":5,"
                            "\"cache_creation\":{\"ephemeral_5m_input_tokens\":3,"
                            "\"ephemeral_1h_input_tokens\":3}}"},
        {DIALECT_ANTHROPIC, "{\"input_tokens\":1,\"output_tokens\":5,"
                            "\"output_tokens_details\":{\"thinking_tokens\":6}}"},
        {DIALECT_ANTHROPIC, "{\"input_tokens\":1,\"iterations\":[{\"type\":\"advisor_message\"}]}"},
        {DIALECT_GEMINI, "{\"promptTokenCount\":5,\"cachedContentTokenCount\":6}"},
        {DIALECT_GEMINI, "{\"promptTokenCount\":5,\"promptTokensDetails\":[{\"modality\":\"AUDIO\","
                         "\"tokenCount\":6}]}"},
        {DIALECT_BEDROCK, "{\"inputTokens\":5,\"cacheWriteInputTokens\":6,\"cacheDetails\":[{"
                          "\"ttl\":\"1h\",\"inputTokens\":7}]}"},
        {DIALECT_DEEPSEEK, "{\"prompt_tokens\":9,\"prompt_cache_hit_tokens\":5,"
                           "\"prompt_cache_miss_tokens\":5}"},
        {DIALECT_XAI, "{\"prompt_tokens\":9,\"cost_in_usd_ticks\":-5}"},
        {DIALECT_XAI, "{\"input_tokens\":9,\"output_tokens\":5,\"output_tokens_details\":{"
                      "\"reasoning_tokens\":6}}"},
        {DIALECT_OPENAI, "[1]"},
        {DIALECT_OPENAI, "{\"prompt_tokens\":"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct quantities quantities;
        quantities_read_text(&quantities, rows[i].dialect, text_from(rows[i].usage), NULL);
        assert_int_equal(quantities.state, QUANTITIES_REFUSED);
        assert_non_null(quantities.problem);
    }
}

static void tiers_of_service(void **state)
{
    static const struct {
        const char *word;
        enum price_service service;
    } rows[] = {
        {"default", SERVICE_STANDARD},
        {"standard", SERVICE_STANDARD},
        {"ON_DEMAND", SERVICE_STANDARD},
        {"on_demand", SERVICE_STANDARD},
        {"priority", SERVICE_PRIORITY},
        {"ON_DEMAND_PRIORITY", SERVICE_PRIORITY},
        {"flex", SERVICE_FLEX},
        {"batch", SERVICE_BATCH},
        {"ultrafast", SERVICE_ULTRAFAST},
        {"auto", SERVICE_UNKNOWN},
        {"", SERVICE_UNKNOWN},
        {"PROVISIONED_THROUGHPUT", SERVICE_UNKNOWN},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        assert_int_equal(price_service_reported(text_from(rows[i].word)), rows[i].service);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ways_agree),
        cmocka_unit_test(images_are_images),
        cmocka_unit_test(modalities_of_a_cached_prompt),
        cmocka_unit_test(a_translated_object_is_read_as_it_is),
        cmocka_unit_test(openai_on_bedrock),
        cmocka_unit_test(interactions_of_gemini),
        cmocka_unit_test(bytes_that_are_no_text),
        cmocka_unit_test(xai_additive_cache),
        cmocka_unit_test(contradictions_are_refused),
        cmocka_unit_test(tiers_of_service),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
