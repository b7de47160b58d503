/* translation: what a model said, as a response and as its events. The official SDKs check the same
 * in tests/e2e. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/sse.h"
#include "openai/translation.h"

#define MEMORY_MAX (1u << 20)
#define OUT_MAX    (1u << 20)

struct fixture {
    struct arena arena;
    struct conversation conversation;
    struct translation *translation;
    struct buffer out;
};

static void collect(void *owner, struct text bytes)
{
    struct fixture *fixture = owner;
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

static struct translation *ask(void **state, const char *members)
{
    struct fixture *fixture = *state;
    struct conversation_problem problem;
    struct text body =
        arena_format(&fixture->arena, "{\"model\":\"m\",\"input\":\"hi\"%s}", members);
    assert_int_equal(conversation_read(&fixture->conversation, CONVERSATION_RESPONSES, body,
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

static void assert_same(struct text actual, const char *expected)
{
    if (!text_equal(actual, text_from(expected)))
        fail_msg("wrote\n%.*s\nnot\n%s", TEXT_ARG(actual), expected);
}

#define STREAM ",\"stream\":true"
#define ECHO                                                                                    \
    "\"instructions\":null,\"max_output_tokens\":null,\"max_tool_calls\":null,\"metadata\":{}," \
    "\"parallel_tool_calls\":true,\"reasoning\":{\"effort\":null,\"summary\":null},"            \
    "\"temperature\":null,\"text\":{\"format\":{\"type\":\"text\"}},\"tool_choice\":\"auto\","  \
    "\"tools\":[],\"top_logprobs\":0,\"top_p\":null,\"truncation\":\"disabled\",\"user\":null}"
#define RESPONSE(status, error, incomplete, output, usage)                                       \
    "{\"id\":\"resp_0af1\",\"object\":\"response\",\"created_at\":1700000000,\"status\":" status \
    ",\"background\":false,\"error\":" error ",\"incomplete_details\":" incomplete               \
    ",\"model\":\"m\",\"output\":[" output "],\"previous_response_id\":null,\"store\":false,"    \
    "\"usage\":" usage "," ECHO
#define COMPLETED(output, usage) RESPONSE("\"completed\"", "null", "null", output, usage)
#define USAGE                                                                   \
    "{\"input_tokens\":10,\"input_tokens_details\":{\"cached_tokens\":4,"       \
    "\"cache_write_tokens\":0},\"output_tokens\":5,\"output_tokens_details\":{" \
    "\"reasoning_tokens\":0},\"total_tokens\":15}"
#define TEXT_ITEM(id, status, text)                                                     \
    "{\"id\":\"" id "\",\"type\":\"message\",\"status\":\"" status                      \
    "\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"" text \
    "\",\"annotations\":[],\"logprobs\":[]}]}"

static void tell_usage(struct translation *translation)
{
    struct usage usage;
    usage_clear(&usage);
    usage.source = USAGE_REPORTED;
    usage.input = 10;
    usage.cached_input = 4;
    usage.output = 5;
    translation_usage(translation, &usage);
}

/* The n-th frame's data, whose event name and number are checked. */
static void assert_events(void **state, const char *const *expected, size_t count)
{
    struct fixture *fixture = *state;
    struct sse_splitter splitter;
    struct sse_frame frame;
    struct sse_event event;
    struct buffer joined;
    struct text rest = buffer_text(&fixture->out);
    size_t number = 0;
    sse_splitter_open(&splitter, SSE_FRAME_LIMIT);
    buffer_open(&joined, OUT_MAX);
    while (sse_next(&splitter, &rest, &frame)) {
        char head[256];
        assert_true(sse_read(&frame, &joined, &event));
        assert_true(number < count);
        snprintf(head, sizeof(head), "{\"type\":\"%.*s\",\"sequence_number\":%zu,",
                 TEXT_ARG(event.name), number);
        if (!text_starts_with(event.data, text_from(head)))
            fail_msg("%.*s", TEXT_ARG(event.data));
        struct text name = text_from(expected[number]);
        name = text_split(&name, ' ');
        assert_true(text_equal(event.name, name));
        assert_same(text_from_index(event.data, strlen(head)), expected[number] + name.length + 1);
        number++;
    }
    assert_int_equal(number, count);
    buffer_close(&joined);
    sse_splitter_close(&splitter);
}

#define EVENTS(state, ...)                                  \
    do {                                                    \
        static const char *const events[] = {__VA_ARGS__};  \
        assert_events(state, events, ARRAY_LENGTH(events)); \
    } while (0)
#define BEGUN                                                                                     \
    "response.created \"response\":" RESPONSE("\"in_progress\"", "null", "null", "", "null") "}", \
        "response.in_progress \"response\":" RESPONSE("\"in_progress\"", "null", "null", "",      \
                                                      "null") "}"
#define MSG0 "\"item_id\":\"msg_0af1_0\",\"output_index\":0,\"content_index\":0,"

static void test_stream_of_text(void **state)
{
    struct translation *translation = ask(state, STREAM);
    translation_begin(translation, TEXT("msg_x"), TEXT(""));
    translation_text(translation, 0, TEXT("He"));
    translation_text(translation, 0, TEXT("y"));
    tell_usage(translation);
    translation_finish(translation, 0, FINISH_STOP);
    assert_true(translation_end(translation));
    EVENTS(state, BEGUN,
           "response.output_item.added \"output_index\":0,\"item\":{\"id\":\"msg_0af1_0\","
           "\"type\":\"message\",\"status\":\"in_progress\",\"role\":\"assistant\","
           "\"content\":[]}}",
           "response.content_part.added " MSG0
           "\"part\":{\"type\":\"output_text\",\"text\":\"\",\"annotations\":[],\"logprobs\":[]}}",
           "response.output_text.delta " MSG0 "\"delta\":\"He\",\"logprobs\":[]}",
           "response.output_text.delta " MSG0 "\"delta\":\"y\",\"logprobs\":[]}",
           "response.output_text.done " MSG0 "\"text\":\"Hey\",\"logprobs\":[]}",
           "response.content_part.done " MSG0 "\"part\":{\"type\":\"output_text\","
           "\"text\":\"Hey\",\"annotations\":[],\"logprobs\":[]}}",
           "response.output_item.done \"output_index\":0,\"item\":" TEXT_ITEM(
               "msg_0af1_0", "completed", "Hey") "}",
           "response.completed \"response\":" COMPLETED(TEXT_ITEM("msg_0af1_0", "completed", "Hey"),
                                                        USAGE) "}");
}

#define RS0 "\"item_id\":\"rs_0af1_0\",\"output_index\":0,\"summary_index\":0,"
#define REASONING                                                                           \
    "{\"id\":\"rs_0af1_0\",\"type\":\"reasoning\",\"summary\":[{\"type\":\"summary_text\"," \
    "\"text\":\"hm\"}],\"encrypted_content\":\"tp1.anthropic.text.sig\"}"
#define REDACTED                                                                         \
    "{\"id\":\"rs_0af1_1\",\"type\":\"reasoning\",\"summary\":[],\"encrypted_content\":" \
    "\"tp1.anthropic.whole.blob\"}"

static void test_stream_of_reasoning(void **state)
{
    struct translation *translation = ask(state, STREAM);
    translation_reasoning(translation, 0, TEXT("hm"));
    translation_reasoning_seal(translation, 0, TEXT("sig"), false);
    translation_reasoning_seal(translation, 0, TEXT("blob"), true);
    assert_true(translation_end(translation));
    EVENTS(state, BEGUN,
           "response.output_item.added \"output_index\":0,\"item\":{\"id\":\"rs_0af1_0\","
           "\"type\":\"reasoning\",\"summary\":[]}}",
           "response.reasoning_summary_part.added " RS0
           "\"part\":{\"type\":\"summary_text\",\"text\":\"\"}}",
           "response.reasoning_summary_text.delta " RS0 "\"delta\":\"hm\"}",
           "response.reasoning_summary_text.done " RS0 "\"text\":\"hm\"}",
           "response.reasoning_summary_part.done " RS0
           "\"part\":{\"type\":\"summary_text\",\"text\":\"hm\"}}",
           "response.output_item.done \"output_index\":0,\"item\":" REASONING "}",
           "response.output_item.added \"output_index\":1,\"item\":{\"id\":\"rs_0af1_1\","
           "\"type\":\"reasoning\",\"summary\":[]}}",
           "response.output_item.done \"output_index\":1,\"item\":" REDACTED "}",
           "response.completed \"response\":" COMPLETED(REASONING "," REDACTED, "null") "}");
}

#define CALL(number, call, name, arguments)                                               \
    "{\"id\":\"fc_0af1_" number "\",\"type\":\"function_call\",\"status\":\"completed\"," \
    "\"call_id\":\"" call "\",\"name\":\"" name "\",\"arguments\":\"" arguments "\"}"
#define CALL_BEGUN(number, call, name)                                                          \
    "response.output_item.added \"output_index\":" number ",\"item\":{\"id\":\"fc_0af1_" number \
    "\",\"type\":\"function_call\",\"status\":\"in_progress\",\"call_id\":\"" call              \
    "\",\"name\":\"" name "\",\"arguments\":\"\"}}"
#define OF_CALL(number) "\"item_id\":\"fc_0af1_" number "\",\"output_index\":" number ","

/* Two at a time. */
static void test_stream_of_calls(void **state)
{
    struct translation *translation = ask(state, STREAM);
    int first = translation_tool_begin(translation, 0, TEXT("a"), TEXT("f"));
    int second = translation_tool_begin(translation, 0, TEXT("b"), TEXT("g"));
    translation_tool_arguments(translation, 0, first, TEXT("[1]"));
    translation_tool_end(translation, 0, second);
    translation_tool_end(translation, 0, first);
    assert_true(translation_end(translation));
    EVENTS(state, BEGUN, CALL_BEGUN("0", "a", "f"), CALL_BEGUN("1", "b", "g"),
           "response.function_call_arguments.delta " OF_CALL("0") "\"delta\":\"[1]\"}",
           "response.function_call_arguments.delta " OF_CALL("1") "\"delta\":\"{}\"}",
           "response.function_call_arguments.done " OF_CALL(
               "1") "\"name\":\"g\",\"arguments\":\"{}\"}",
           "response.output_item.done \"output_index\":1,\"item\":" CALL("1", "b", "g", "{}") "}",
           "response.function_call_arguments.done " OF_CALL(
               "0") "\"name\":\"f\",\"arguments\":\"[1]\"}",
           "response.output_item.done \"output_index\":0,\"item\":" CALL("0", "a", "f", "[1]") "}",
           "response.completed \"response\":" COMPLETED(
               CALL("0", "a", "f", "[1]") "," CALL("1", "b", "g", "{}"), "null") "}");
}

#define REFUSAL                                                                       \
    "{\"id\":\"msg_0af1_0\",\"type\":\"message\",\"status\":\"incomplete\",\"role\":" \
    "\"assistant\",\"content\":[{\"type\":\"refusal\",\"refusal\":\"no\"}]}"

static void test_stream_that_is_incomplete(void **state)
{
    struct translation *translation = ask(state, STREAM);
    translation_refusal(translation, 0, TEXT("no"));
    translation_finish(translation, 0, FINISH_CONTENT_FILTER);
    assert_true(translation_end(translation));
    EVENTS(state, BEGUN,
           "response.output_item.added \"output_index\":0,\"item\":{\"id\":\"msg_0af1_0\","
           "\"type\":\"message\",\"status\":\"in_progress\",\"role\":\"assistant\","
           "\"content\":[]}}",
           "response.content_part.added " MSG0 "\"part\":{\"type\":\"refusal\",\"refusal\":\"\"}}",
           "response.refusal.delta " MSG0 "\"delta\":\"no\"}",
           "response.refusal.done " MSG0 "\"refusal\":\"no\"}",
           "response.content_part.done " MSG0 "\"part\":{\"type\":\"refusal\",\"refusal\":\"no\"}}",
           "response.output_item.done \"output_index\":0,\"item\":" REFUSAL "}",
           "response.incomplete \"response\":" RESPONSE(
               "\"incomplete\"", "null", "{\"reason\":\"content_filter\"}", REFUSAL, "null") "}");
}

static void test_broken_stream(void **state)
{
    struct fixture *fixture = *state;
    struct translation *translation = ask(state, STREAM);
    translation_text(translation, 0, TEXT("He"));
    translation_break(translation, TEXT("server_error"), TEXT("x"), TEXT("gone"));
    struct text out = buffer_text(&fixture->out);
    out = text_from_index(out, (size_t)text_find(out, TEXT("event: error")));
    assert_same(out,
                "event: error\ndata: {\"type\":\"error\",\"sequence_number\":5,\"code\":\"x\","
                "\"message\":\"gone\",\"param\":null,\"error\":{\"message\":\"gone\","
                "\"type\":\"server_error\",\"param\":null,\"code\":\"x\"}}\n\n"
                "event: response.failed\ndata: {\"type\":\"response.failed\",\"sequence_number\":6,"
                "\"response\":" RESPONSE(
                    "\"failed\"", "{\"code\":\"server_error\",\"message\":\"gone\"}", "null",
                    TEXT_ITEM("msg_0af1_0", "incomplete", "He"), "null") "}\n\n");
}

static void test_whole(void **state)
{
    struct fixture *fixture = *state;
    struct translation *translation =
        ask(state, ",\"tools\":[{\"type\":\"custom\",\"name\":\"sh\"}],\"temperature\":0.5,"
                   "\"text\":{\"verbosity\":\"low\"}");
    translation_text(translation, 0, TEXT("a "));
    translation_text(translation, 0, TEXT("b"));
    translation_citation(translation, 0, TEXT("https://a.test"), TEXT("A"), -1, -1);
    translation_logprobs(translation, 0, TEXT("{\"token\":\"b\"}"));
    int call = translation_tool_begin(translation, 0, TEXT("c"), TEXT("sh"));
    translation_tool_arguments(translation, 0, call, TEXT("{\"input\":\"ls\"}"));
    tell_usage(translation);
    translation_finish(translation, 0, FINISH_TOOL_CALLS);
    assert_int_equal(fixture->out.length, 0);
    assert_true(translation_end(translation));
    assert_same(
        buffer_text(&fixture->out),
        "{\"id\":\"resp_0af1\",\"object\":\"response\",\"created_at\":1700000000,"
        "\"status\":\"completed\",\"background\":false,\"error\":null,"
        "\"incomplete_details\":null,\"model\":\"m\",\"output\":[{\"id\":\"msg_0af1_0\","
        "\"type\":\"message\",\"status\":\"completed\",\"role\":\"assistant\",\"content\":["
        "{\"type\":\"output_text\",\"text\":\"a b\",\"annotations\":[{\"type\":\"url_citation\","
        "\"start_index\":0,\"end_index\":3,\"url\":\"https://a.test\",\"title\":\"A\"}],"
        "\"logprobs\":[{\"token\":\"b\"}]}]},{\"id\":\"ctc_0af1_1\",\"type\":\"custom_tool_call\","
        "\"status\":\"completed\",\"call_id\":\"c\",\"name\":\"sh\",\"input\":\"ls\"}],"
        "\"previous_response_id\":null,\"store\":false,\"usage\":" USAGE ","
        "\"instructions\":null,\"max_output_tokens\":null,\"max_tool_calls\":null,"
        "\"metadata\":{},\"parallel_tool_calls\":true,\"reasoning\":{\"effort\":null,"
        "\"summary\":null},\"temperature\":0.5,\"text\":{\"format\":{\"type\":\"text\"},"
        "\"verbosity\":\"low\"},\"tool_choice\":\"auto\",\"tools\":[{\"type\":\"custom\","
        "\"name\":\"sh\"}],\"top_logprobs\":0,\"top_p\":null,\"truncation\":\"disabled\","
        "\"user\":null}");
}

/* Text, a call, text again: positions of sources count within their own part. */
static void test_citation_positions(void **state)
{
    struct fixture *fixture = *state;
    struct translation *translation = ask(state, "");
    translation_text(translation, 0, TEXT("\xe2\x82\xac one"));
    translation_tool_begin(translation, 0, TEXT("c"), TEXT("f"));
    translation_text(translation, 0, TEXT("two"));
    translation_citation(translation, 0, TEXT("https://a.test"), TEXT(""), -1, -1);
    assert_true(translation_end(translation));
    assert_true(text_find(buffer_text(&fixture->out), TEXT("\"start_index\":0,\"end_index\":3")) >
                0);
}

static void test_one_answer_only(void **state)
{
    struct translation *translation = ask(state, "");
    translation_text(translation, 1, TEXT("x"));
    assert_false(translation_end(translation));
}

static void test_nothing_said(void **state)
{
    struct fixture *fixture = *state;
    struct translation *translation = ask(state, "");
    translation_finish(translation, 0, FINISH_LENGTH);
    assert_true(translation_end(translation));
    assert_same(
        buffer_text(&fixture->out),
        RESPONSE("\"incomplete\"", "null", "{\"reason\":\"max_output_tokens\"}", "", "null"));
}

static void test_items_have_a_limit(void **state)
{
    struct translation *translation = ask(state, STREAM);
    for (unsigned i = 0; i < 600; i++) {
        translation_text(translation, 0, TEXT("x"));
        translation_reasoning(translation, 0, TEXT("y"));
    }
    assert_false(translation_end(translation));
}

/* However little memory there is, it is told and nothing leaks. */
static void test_short_memory(void **state)
{
    struct fixture *fixture = *state;
    bool succeeded = false;
    ask(state, STREAM);
    for (size_t limit = 0; limit < 64u << 10 && !succeeded; limit += 256) {
        struct arena arena;
        arena_open(&arena, NULL, limit);
        struct translation_settings settings = {.conversation = &fixture->conversation,
                                                .model = TEXT("m"),
                                                .request_id = TEXT("req_1"),
                                                .arena = &arena,
                                                .write = collect,
                                                .owner = fixture};
        struct translation *translation = translation_open(&settings);
        if (translation != NULL) {
            translation_reasoning(translation, 0, TEXT("a"));
            translation_reasoning_seal(translation, 0, TEXT("a"), false);
            translation_text(translation, 0, TEXT("a"));
            translation_tool_begin(translation, 0, TEXT("a"), TEXT("b"));
            succeeded = translation_end(translation);
            translation_break(translation, TEXT("a"), TEXT("b"), TEXT("c"));
            translation_close(translation);
        }
        arena_close(&arena);
    }
    assert_true(succeeded);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, open_fixture, close_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_stream_of_text),     TEST(test_stream_of_reasoning),
        TEST(test_stream_of_calls),    TEST(test_stream_that_is_incomplete),
        TEST(test_broken_stream),      TEST(test_whole),
        TEST(test_citation_positions), TEST(test_one_answer_only),
        TEST(test_nothing_said),       TEST(test_items_have_a_limit),
        TEST(test_short_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
