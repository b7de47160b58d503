/* translation: what a model said, as chat answers and chunks that the official SDKs take. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "openai/translation.h"

#define MEMORY_MAX (1u << 20)
#define OUT_MAX    (1u << 20)

struct fixture {
    struct arena arena;
    struct conversation conversation;
    struct translation *translation;
    struct buffer out;
    unsigned writes;
};

static void collect(void *owner, struct text bytes)
{
    struct fixture *fixture = owner;
    fixture->writes++;
    buffer_append(&fixture->out, bytes);
}

static int open_fixture(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){0};
    arena_open(&fixture.arena, NULL, MEMORY_MAX);
    buffer_open(&fixture.out, OUT_MAX);
    *state = &fixture;
    return 0;
}

static int close_fixture(void **state)
{
    struct fixture *fixture = *state;
    translation_close(fixture->translation);
    conversation_close(&fixture->conversation);
    arena_close(&fixture->arena);
    buffer_close(&fixture->out);
    return 0;
}

/* `members` are further ones of the request. */
static struct translation *ask(void **state, const char *members)
{
    struct fixture *fixture = *state;
    struct conversation_problem problem;
    struct text body = arena_format(
        &fixture->arena,
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]%s}", members);
    assert_int_equal(conversation_read(&fixture->conversation, CONVERSATION_CHAT, body,
                                       &fixture->arena, &problem),
                     ERROR_OK);
    struct translation_settings settings = {
        .conversation = &fixture->conversation,
        .model = TEXT("m"),
        .request_id = TEXT("req_0af1"),
        .seal_origin = TEXT("anthropic"),
        .created = 1700000000,
        .arena = &fixture->arena,
        .write = collect,
        .owner = fixture,
    };
    fixture->translation = translation_open(&settings);
    assert_non_null(fixture->translation);
    return fixture->translation;
}

static void assert_out(void **state, const char *expected)
{
    struct fixture *fixture = *state;
    if (!text_equal(buffer_text(&fixture->out), text_from(expected)))
        fail_msg("wrote\n%.*s\nnot\n%s", TEXT_ARG(buffer_text(&fixture->out)), expected);
}

#define HEAD                                                                           \
    "{\"id\":\"chatcmpl-0af1\",\"object\":\"chat.completion\",\"created\":1700000000," \
    "\"model\":\"m\",\"system_fingerprint\":null,\"choices\":["
#define CHUNK(choice, delta, finish, tail)                                              \
    "data: {\"id\":\"chatcmpl-0af1\",\"object\":\"chat.completion.chunk\","             \
    "\"created\":1700000000,\"model\":\"m\",\"system_fingerprint\":null,\"choices\":[{" \
    "\"index\":" choice ",\"delta\":" delta ",\"finish_reason\":" finish "}]" tail "}\n\n"
#define SAYS(delta)  CHUNK("0", delta, "null", "")
#define ROLE         SAYS("{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null}")
#define CALL_ROLE    SAYS("{\"role\":\"assistant\",\"content\":null,\"refusal\":null}")
#define ENDS(reason) CHUNK("0", "{}", reason, "") "data: [DONE]\n\n"
#define STREAM       ",\"stream\":true"

static const struct usage counts = {
    .source = USAGE_REPORTED,
    .input = 10,
    .cached_input = 4,
    .cache_write = 2,
    .output = 5,
    .reasoning = 1,
    .audio_input = -1,
    .audio_output = -1,
    .image_input = -1,
    .image_output = -1,
    .total = -1,
    .milliseconds = -1,
};
#define USAGE                                                                          \
    "{\"prompt_tokens\":10,\"completion_tokens\":5,\"total_tokens\":15,"               \
    "\"prompt_tokens_details\":{\"cached_tokens\":4,\"audio_tokens\":0,"               \
    "\"cache_write_tokens\":2},\"completion_tokens_details\":{\"reasoning_tokens\":1," \
    "\"audio_tokens\":0}}"

/* ---- streams ---- */

static void test_stream_of_text(void **state)
{
    struct fixture *fixture = *state;
    struct translation *translation = ask(state, STREAM);
    translation_begin(translation, TEXT(""), TEXT(""));
    translation_usage(translation, &counts);
    assert_int_equal(fixture->writes, 0); /* nothing was said yet */
    assert_false(translation_has_content(translation));
    translation_text(translation, 0, TEXT("Hel\"lo"));
    assert_int_equal(fixture->writes, 1);
    assert_true(translation_has_content(translation));
    translation_text(translation, 0, TEXT(""));
    translation_text(translation, 0, TEXT(" w\n"));
    assert_false(translation_is_finished(translation));
    translation_finish(translation, 0, FINISH_LENGTH);
    assert_true(translation_is_finished(translation));
    assert_true(translation_end(translation));
    assert_int_equal(fixture->writes, 3);
    assert_out(state, ROLE SAYS("{\"content\":\"Hel\\\"lo\"}") SAYS("{\"content\":\" w\\n\"}")
                          ENDS("\"length\""));
    assert_int_equal(translation_content_bytes(translation), 9);
}

static void test_stream_with_usage(void **state)
{
    struct translation *translation =
        ask(state, STREAM ",\"stream_options\":{\"include_usage\":true}");
    translation_text(translation, 0, TEXT("a"));
    translation_usage(translation, &counts);
    translation_finish(translation, 0, FINISH_STOP);
    assert_true(translation_end(translation));
#define NULL_USAGE ",\"usage\":null"
    assert_out(
        state,
        CHUNK("0", "{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null}", "null", NULL_USAGE)
            CHUNK("0", "{\"content\":\"a\"}", "null", NULL_USAGE) CHUNK(
                "0", "{}", "\"stop\"",
                NULL_USAGE) "data: {\"id\":\"chatcmpl-0af1\",\"object\":\"chat.completion.chunk\","
                            "\"created\":1700000000,\"model\":\"m\",\"system_fingerprint\":null,"
                            "\"choices\":[],"
                            "\"usage\":" USAGE "}\n\ndata: [DONE]\n\n");
}

/* Two calls at a time, the second without arguments; the finish becomes tool_calls. */
static void test_stream_of_calls(void **state)
{
    struct translation *translation = ask(state, STREAM);
    int first = translation_tool_begin(translation, 0, TEXT("call_a"), TEXT("f"));
    int second = translation_tool_begin(translation, 0, TEXT(""), TEXT("g"));
    assert_int_equal(first, 0);
    assert_int_equal(second, 1);
    translation_tool_arguments(translation, 0, first, TEXT("{\"x\":"));
    translation_tool_end(translation, 0, second);
    translation_tool_arguments(translation, 0, first, TEXT("1}"));
    translation_finish(translation, 0, FINISH_STOP);
    assert_true(translation_end(translation));
    assert_out(
        state,
        CALL_ROLE SAYS("{\"tool_calls\":[{\"index\":0,\"id\":\"call_a\",\"type\":\"function\","
                       "\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]}")
            SAYS("{\"tool_calls\":[{\"index\":1,\"id\":\"call_0af1_0_1\",\"type\":\"function\","
                 "\"function\":{\"name\":\"g\",\"arguments\":\"\"}}]}")
                SAYS(
                    "{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"x\\\":\"}}]}")
                    SAYS("{\"tool_calls\":[{\"index\":1,\"function\":{\"arguments\":\"{}\"}}]}")
                        SAYS("{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"1}\"}}]}")
                            ENDS("\"tool_calls\""));
}

#define CUSTOM ",\"tools\":[{\"type\":\"custom\",\"custom\":{\"name\":\"sh\"}}]"

static void test_stream_of_a_custom_call(void **state)
{
    struct translation *translation = ask(state, STREAM CUSTOM);
    int index = translation_tool_begin(translation, 0, TEXT("c"), TEXT("sh"));
    translation_tool_arguments(translation, 0, index, TEXT("{\"inp"));
    translation_tool_arguments(translation, 0, index, TEXT("ut\":\"ls \\ud83d\\ude00\"}"));
    translation_tool_end(translation, 0, index);
    assert_true(translation_end(translation));
    assert_out(state,
               CALL_ROLE SAYS("{\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"type\":\"custom\","
                              "\"custom\":{\"name\":\"sh\",\"input\":\"\"}}]}")
                   SAYS("{\"tool_calls\":[{\"index\":0,\"custom\":{\"input\":"
                        "\"ls \xf0\x9f\x98\x80\"}}]}") ENDS("\"tool_calls\""));
}

#define FUNCTIONS ",\"functions\":[{\"name\":\"f\"}]"

static void test_stream_of_a_legacy_call(void **state)
{
    struct translation *translation = ask(state, STREAM FUNCTIONS);
    int index = translation_tool_begin(translation, 0, TEXT("c"), TEXT("f"));
    translation_tool_arguments(translation, 0, index, TEXT("{}"));
    translation_tool_begin(translation, 0, TEXT("d"), TEXT("f"));
    assert_true(translation_end(translation));
    assert_out(state,
               CALL_ROLE SAYS("{\"function_call\":{\"name\":\"f\",\"arguments\":\"\"}}")
                   SAYS("{\"function_call\":{\"arguments\":\"{}\"}}") ENDS("\"function_call\""));
}

static void test_stream_of_reasoning(void **state)
{
    struct translation *translation = ask(state, STREAM);
    translation_reasoning(translation, 0, TEXT("h"));
    translation_reasoning(translation, 0, TEXT("m"));
    translation_reasoning_seal(translation, 0, TEXT("sig"), false);
    translation_reasoning_seal(translation, 0, TEXT("blob"), true);
    translation_text(translation, 0, TEXT("a"));
    assert_true(translation_end(translation));
    assert_out(state,
               ROLE SAYS("{\"reasoning_content\":\"h\"}") SAYS("{\"reasoning_content\":\"m\"}")
                   SAYS("{\"reasoning_details\":[{\"index\":0,\"type\":\"reasoning.text\","
                        "\"format\":\"anthropic\",\"text\":\"hm\",\"signature\":\"sig\"}]}")
                       SAYS("{\"reasoning_details\":[{\"index\":1,\"type\":\"reasoning.encrypted\","
                            "\"format\":\"anthropic\",\"data\":\"blob\"}]}")
                           SAYS("{\"content\":\"a\"}") ENDS("\"stop\""));
}

/* A later choice first: those before it begin too, in their order. */
static void test_stream_of_choices(void **state)
{
    struct translation *translation = ask(state, STREAM ",\"n\":2");
    translation_text(translation, 1, TEXT("b"));
    translation_text(translation, 0, TEXT("a"));
    translation_finish(translation, 1, FINISH_STOP);
    assert_false(translation_is_finished(translation));
    translation_finish(translation, 0, FINISH_CONTENT_FILTER);
    assert_true(translation_is_finished(translation));
    assert_true(translation_end(translation));
    assert_out(state, ROLE CHUNK("1", "{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null}",
                                 "null", "") CHUNK("1", "{\"content\":\"b\"}", "null", "")
                          SAYS("{\"content\":\"a\"}") CHUNK("0", "{}", "\"content_filter\"", "")
                              CHUNK("1", "{}", "\"stop\"", "") "data: [DONE]\n\n");
}

/* U+1F600 and U+20AC cut in two, U+1F600 also by its surrogates. */
static void test_stream_of_cut_characters(void **state)
{
    struct translation *translation = ask(state, STREAM);
    translation_text(translation, 0, TEXT("\xf0\x9f"));
    translation_text(translation, 0, TEXT("\x98\x80\xed\xa0\xbd"));
    translation_text(translation, 0, TEXT("\xed\xb8\x80\xe2\x82"));
    assert_true(translation_end(translation));
    assert_out(state, ROLE SAYS("{\"content\":\"\xf0\x9f\x98\x80\"}")
                          SAYS("{\"content\":\"\xf0\x9f\x98\x80\"}")
                              SAYS("{\"content\":\"\xef\xbf\xbd\xef\xbf\xbd\"}") ENDS("\"stop\""));
}

static void test_stream_of_nothing(void **state)
{
    struct translation *translation = ask(state, STREAM);
    assert_true(translation_end(translation));
    assert_out(state, ROLE ENDS("\"stop\""));
}

static void test_stream_beside_the_text(void **state)
{
    struct translation *translation = ask(state, STREAM ",\"logprobs\":true");
    translation_text(translation, 0, TEXT("\xe2\x82\xac 1. "));
    translation_citation(translation, 0, TEXT("https://a.test"), TEXT("A"), -1, -1);
    translation_text(translation, 0, TEXT("Two"));
    translation_citation(translation, 0, TEXT("https://b.test"), TEXT(""), -1, -1);
    translation_logprobs(translation, 0, TEXT("{\"token\":\"Two\"}"));
    translation_refusal(translation, 0, TEXT("no"));
    assert_true(translation_end(translation));
    assert_out(
        state,
        ROLE SAYS("{\"content\":\"\xe2\x82\xac 1. \"}")
            SAYS("{\"annotations\":[{\"index\":0,\"type\":\"url_citation\",\"url_citation\":{"
                 "\"start_index\":0,\"end_index\":5,\"url\":\"https://a.test\",\"title\":\"A\"}}]}")
                SAYS("{\"content\":\"Two\"}")
                    SAYS("{\"annotations\":[{\"index\":1,\"type\":\"url_citation\","
                         "\"url_citation\":{\"start_index\":5,\"end_index\":8,"
                         "\"url\":\"https://b.test\",\"title\":\"\"}}]}")
                        SAYS("{},\"logprobs\":{\"content\":[{\"token\":\"Two\"}],\"refusal\":null}")
                            SAYS("{\"refusal\":\"no\"}") ENDS("\"stop\""));
}

/* A stream has begun with whatever is written first: a failure later is told in it. */
static void test_what_stands_beside_a_text_begins_the_stream(void **state)
{
    struct fixture *fixture = *state;
    struct translation *translation = ask(state, STREAM);
    translation_citation(translation, 0, TEXT("https://a.test"), TEXT("A"), 0, 0);
    assert_true(fixture->writes > 0 && translation_has_content(translation));
}

static void test_service_tier_may_come_late(void **state)
{
    struct fixture *fixture = *state;
    struct translation *translation = ask(state, STREAM);
    translation_text(translation, 0, TEXT("a"));
    assert_true(text_find(buffer_text(&fixture->out), TEXT("service_tier")) < 0);
    buffer_clear(&fixture->out);
    translation_service_tier(translation, TEXT("priority"));
    translation_text(translation, 0, TEXT("b"));
    assert_true(text_find(buffer_text(&fixture->out), TEXT("\"service_tier\":\"priority\"")) > 0);
}

static void test_broken_stream(void **state)
{
    struct fixture *fixture = *state;
    struct translation *translation = ask(state, STREAM);
    translation_break(translation, TEXT("server_error"), TEXT("x"), TEXT("gone"));
    assert_int_equal(fixture->writes, 0); /* it may still become a status */
    translation_text(translation, 0, TEXT("a"));
    buffer_clear(&fixture->out);
    translation_break(translation, TEXT("server_error"), TEXT("x"), TEXT("gone"));
    assert_out(state, "data: {\"error\":{\"message\":\"gone\",\"type\":\"server_error\","
                      "\"param\":null,\"code\":\"x\"}}\n\n");
}

/* ---- whole ---- */

static void test_whole(void **state)
{
    struct fixture *fixture = *state;
    struct translation *translation = ask(state, CUSTOM);
    translation_begin(translation, TEXT("msg_1"), TEXT("claude"));
    translation_reasoning(translation, 0, TEXT("hm"));
    translation_reasoning_seal(translation, 0, TEXT("sig"), false);
    translation_text(translation, 0, TEXT("Hel"));
    translation_text(translation, 0, TEXT("lo"));
    translation_citation(translation, 0, TEXT("https://a.test"), TEXT("A"), -1, -1);
    int call = translation_tool_begin(translation, 0, TEXT("call_a"), TEXT("f"));
    translation_tool_end(translation, 0, call);
    call = translation_tool_begin(translation, 0, TEXT("call_b"), TEXT("sh"));
    translation_tool_arguments(translation, 0, call, TEXT("{\"input\":\"ls\"}"));
    translation_usage(translation, &counts);
    translation_service_tier(translation, TEXT("default"));
    translation_finish(translation, 0, FINISH_TOOL_CALLS);
    assert_int_equal(fixture->writes, 0);
    assert_true(translation_end(translation));
    assert_int_equal(fixture->writes, 1);
    assert_out(
        state,
        "{\"id\":\"msg_1\",\"object\":\"chat.completion\",\"created\":1700000000,"
        "\"model\":\"claude\",\"service_tier\":\"default\",\"system_fingerprint\":null,"
        "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Hello\","
        "\"refusal\":null,\"annotations\":[{\"type\":\"url_citation\",\"url_citation\":{"
        "\"start_index\":0,\"end_index\":5,\"url\":\"https://a.test\",\"title\":\"A\"}}],"
        "\"reasoning_content\":\"hm\",\"reasoning_details\":[{\"index\":0,"
        "\"type\":\"reasoning.text\",\"format\":\"anthropic\",\"text\":\"hm\","
        "\"signature\":\"sig\"}],\"tool_calls\":[{\"id\":\"call_a\",\"type\":\"function\","
        "\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}},{\"id\":\"call_b\","
        "\"type\":\"custom\",\"custom\":{\"name\":\"sh\",\"input\":\"ls\"}}]},"
        "\"logprobs\":null,\"finish_reason\":\"tool_calls\"}],\"usage\":" USAGE "}");
}

static void test_whole_without_text(void **state)
{
    struct translation *translation = ask(state, "");
    translation_refusal(translation, 0, TEXT("no"));
    translation_finish(translation, 0, FINISH_TOOL_CALLS); /* of which there is none */
    assert_true(translation_end(translation));
    assert_out(state, HEAD "{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":null,"
                           "\"refusal\":\"no\",\"annotations\":[]},\"logprobs\":null,"
                           "\"finish_reason\":\"stop\"}]}");
}

static void test_whole_of_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct translation *translation = ask(state, "");
    translation_break(translation, TEXT("server_error"), TEXT("x"), TEXT("gone"));
    assert_int_equal(fixture->writes, 0);
    assert_true(translation_end(translation));
    assert_out(state, HEAD "{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"\","
                           "\"refusal\":null,\"annotations\":[]},\"logprobs\":null,"
                           "\"finish_reason\":\"stop\"}]}");
}

static void test_whole_legacy(void **state)
{
    struct translation *translation = ask(state, FUNCTIONS);
    translation_tool_begin(translation, 0, TEXT("c"), TEXT("f"));
    assert_true(translation_end(translation));
    assert_out(state, HEAD "{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":null,"
                           "\"refusal\":null,\"annotations\":[],\"function_call\":{\"name\":\"f\","
                           "\"arguments\":\"{}\"}},\"logprobs\":null,"
                           "\"finish_reason\":\"function_call\"}]}");
}

/* ---- limits ---- */

static void test_limits(void **state)
{
    struct fixture *fixture = *state;
    struct translation *translation = ask(state, STREAM);
    for (unsigned i = 0; i < TRANSLATION_TOOLS_MAX; i++)
        assert_int_equal(translation_tool_begin(translation, 0, TEXT("c"), TEXT("f")), (int)i);
    assert_int_equal(translation_tool_begin(translation, 0, TEXT("c"), TEXT("f")), -1);
    unsigned writes = fixture->writes;
    assert_false(translation_end(translation));
    assert_int_equal(fixture->writes, writes);
    translation_break(translation, TEXT("server_error"), TEXT("x"), TEXT("too much"));
    assert_int_equal(fixture->writes, writes + 1);
}

static void test_choices_have_a_limit(void **state)
{
    struct translation *translation = ask(state, "");
    translation_text(translation, TRANSLATION_CHOICES_MAX, TEXT("a"));
    assert_false(translation_end(translation));
}

/* A whole answer that is too long is none at all. */
static void test_too_long(void **state)
{
    struct fixture *fixture = *state;
    struct translation *translation = ask(state, "");
    static char block[1u << 20];
    memset(block, 'a', sizeof(block));
    for (unsigned i = 0; i <= TRANSLATION_ANSWER_MAX / sizeof(block); i++)
        translation_text(translation, 0, text_of(block, sizeof(block)));
    assert_false(translation_end(translation));
    assert_int_equal(fixture->writes, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, open_fixture, close_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_stream_of_text),
        TEST(test_what_stands_beside_a_text_begins_the_stream),
        TEST(test_stream_with_usage),
        TEST(test_stream_of_calls),
        TEST(test_stream_of_a_custom_call),
        TEST(test_stream_of_a_legacy_call),
        TEST(test_stream_of_reasoning),
        TEST(test_stream_of_choices),
        TEST(test_stream_of_cut_characters),
        TEST(test_stream_of_nothing),
        TEST(test_stream_beside_the_text),
        TEST(test_service_tier_may_come_late),
        TEST(test_broken_stream),
        TEST(test_whole),
        TEST(test_whole_without_text),
        TEST(test_whole_of_nothing),
        TEST(test_whole_legacy),
        TEST(test_limits),
        TEST(test_choices_have_a_limit),
        TEST(test_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
