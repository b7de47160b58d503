/* stream: frames of each dialect, and what a caller gets when the upstream dies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <yyjson.h>

#include "openai/stream.h"

static struct arena arena;

static int setup(void **state)
{
    arena_open(&arena, NULL, 1u << 20);
    return 0;
}

static int teardown(void **state)
{
    arena_close(&arena);
    return 0;
}

#define CHUNK                                                                                      \
    "\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":" \
    "\"gpt-4o\","

static struct stream_marks chat(struct stream_tap *tap, const char *data)
{
    return stream_tap_frame(tap, TEXT(""), text_from(data));
}

static void test_chat(void **state)
{
    struct stream_tap tap;
    stream_tap_open(&tap, STREAM_CHAT, &arena);
    /* Azure's first chunk: no choices and no usage. */
    struct stream_marks marks = chat(
        &tap,
        "{\"choices\":[],\"id\":\"\",\"model\":\"\",\"created\":0,\"prompt_filter_results\":[]}");
    assert_false(marks.usage || marks.usage_only || marks.content);
    assert_true(text_empty(tap.facts.id));
    marks =
        chat(&tap, "{" CHUNK
                   "\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},"
                   "\"finish_reason\":null}],\"usage\":null}");
    assert_false(marks.usage || marks.content || marks.finish);
    assert_true(text_equal(tap.facts.id, TEXT("chatcmpl-1")));
    assert_int_equal(tap.created, 1700000000);
    marks = chat(
        &tap, "{" CHUNK
              "\"choices\": [{\"delta\": {\"content\": \"Hi \\\"usage\\\":{\"}}],\"usage\":null}");
    assert_true(marks.content);
    assert_false(marks.usage || marks.usage_only);
    assert_int_equal(tap.facts.content_bytes, 14);
    marks = chat(&tap, "{" CHUNK
                       "\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":null}");
    assert_true(marks.finish);
    assert_false(tap.terminal_seen);
    marks = chat(&tap, "{" CHUNK
                       "\"choices\": [ ],\"usage\":{\"prompt_tokens\":4,\"completion_tokens\":5},"
                       "\"service_tier\":\"flex\"}");
    assert_true(marks.usage && marks.usage_only);
    assert_int_equal(tap.facts.usage.output, 5);
    assert_true(text_equal(tap.facts.service_tier, TEXT("flex")));
    marks = chat(&tap, "[DONE]");
    assert_true(marks.terminal && tap.facts.finished);
    stream_tap_estimate(&tap, 100);
    assert_int_equal(tap.facts.usage.source, USAGE_REPORTED);
}

static void test_usage_beside_content_stays(void **state)
{
    struct stream_tap tap;
    stream_tap_open(&tap, STREAM_CHAT, &arena);
    struct stream_marks marks = chat(
        &tap,
        "{" CHUNK "\"choices\":[{\"delta\":{\"content\":\"x\"}}],\"usage\":{\"prompt_tokens\":1}}");
    assert_true(marks.usage && marks.content);
    assert_false(marks.usage_only);
    marks = chat(&tap, "{" CHUNK "\"usage\":{\"prompt_tokens\":1}}");
    assert_false(marks.usage_only);
}

static void test_usage_in_every_chunk_costs_no_memory(void **state)
{
    struct stream_tap tap;
    stream_tap_open(&tap, STREAM_CHAT, &arena);
    for (int i = 0; i < 3; i++)
        chat(&tap,
             "{" CHUNK "\"choices\":[{}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}");
    size_t used = arena.used;
    for (int i = 0; i < 10000; i++)
        chat(&tap, "{" CHUNK
                   "\"choices\":[{}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":12}}");
    assert_int_equal(arena.used, used);
    assert_int_equal(tap.facts.usage.output, 12);
}

static void test_chat_error_and_estimate(void **state)
{
    struct stream_tap tap;
    stream_tap_open(&tap, STREAM_CHAT, &arena);
    chat(&tap,
         "{" CHUNK
         "\"choices\":[{\"delta\":{\"tool_calls\":[{\"function\":{\"arguments\":\"12345\"}}]}}]}");
    struct stream_marks marks = chat(&tap, "{\"error\":{\"message\":\"overloaded\"}}");
    assert_true(marks.error && marks.terminal && tap.facts.is_error);
    assert_false(tap.facts.finished);
    assert_true(text_equal(tap.facts.error_raw, TEXT("{\"message\":\"overloaded\"}")));
    stream_tap_estimate(&tap, 41);
    assert_int_equal(tap.facts.usage.source, USAGE_ESTIMATED);
    assert_int_equal(tap.facts.usage.input, 11);
    assert_int_equal(tap.facts.usage.output, 2);
}

static void test_completions(void **state)
{
    struct stream_tap tap;
    stream_tap_open(&tap, STREAM_COMPLETIONS, &arena);
    assert_true(
        chat(&tap, "{\"id\":\"cmpl-1\",\"choices\":[{\"text\":\"abcd\",\"finish_reason\":null}]}")
            .content);
    assert_int_equal(tap.facts.content_bytes, 4);
}

static void test_responses(void **state)
{
    struct stream_tap tap;
    stream_tap_open(&tap, STREAM_RESPONSES, &arena);
    stream_tap_frame(
        &tap, TEXT("response.created"),
        TEXT("{\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"resp_1\","
             "\"created_at\":1700000001,\"model\":\"gpt-5\",\"usage\":null,\"error\":null}}"));
    assert_true(text_equal(tap.facts.id, TEXT("resp_1")));
    assert_int_equal(tap.created, 1700000001);
    /* Without a name the type in the data counts, wherever it stands. */
    struct stream_marks marks = stream_tap_frame(
        &tap, TEXT(""),
        TEXT(
            "{\"sequence_number\":7,\"delta\":\"abcde\",\"type\":\"response.output_text.delta\"}"));
    assert_true(marks.content);
    assert_int_equal(tap.facts.content_bytes, 5);
    assert_int_equal(tap.sequence, 7);
    marks = stream_tap_frame(&tap, TEXT("response.completed"),
                             TEXT("{\"type\":\"response.completed\",\"sequence_number\":8,"
                                  "\"response\":{\"id\":\"resp_1\",\"status\":"
                                  "\"completed\",\"output\":[{\"usage\":{\"input_tokens\":99}}],"
                                  "\"usage\":{\"input_tokens\":6,"
                                  "\"output_tokens\":2},\"error\":null}}"));
    assert_true(marks.terminal && marks.finish && marks.usage);
    assert_false(marks.error);
    assert_int_equal(tap.facts.usage.input, 6);
    assert_true(text_equal(tap.facts.status, TEXT("completed")));
}

static void test_responses_failure(void **state)
{
    struct stream_tap tap;
    stream_tap_open(&tap, STREAM_RESPONSES, &arena);
    struct stream_marks marks =
        stream_tap_frame(&tap, TEXT("error"),
                         TEXT("{\"type\":\"error\",\"sequence_number\":3,\"code\":\"server_error\","
                              "\"message\":\"x\",\"param\":null}"));
    assert_true(marks.error && marks.terminal && tap.facts.is_error);
    marks = stream_tap_frame(&tap, TEXT("response.failed"),
                             TEXT("{\"type\":\"response.failed\",\"sequence_number\":4,"
                                  "\"response\":{\"id\":\"r\",\"error\":{\"code\":\"y\"},"
                                  "\"usage\":{\"input_tokens\":6,\"output_tokens\":0}}}"));
    assert_true(marks.usage);
    assert_int_equal(tap.facts.usage.input, 6);
}

static void test_media(void **state)
{
    struct stream_tap tap;
    stream_tap_open(&tap, STREAM_MEDIA, &arena);
    assert_false(stream_tap_frame(
                     &tap, TEXT("image_generation.partial_image"),
                     TEXT("{\"type\":\"image_generation.partial_image\",\"b64_json\":\"AAAA\"}"))
                     .terminal);
    struct stream_marks marks =
        stream_tap_frame(&tap, TEXT("image_generation.completed"),
                         TEXT("{\"type\":\"image_generation.completed\",\"b64_json\":\"AAAA\","
                              "\"usage\":{\"input_tokens\":1,"
                              "\"output_tokens\":2,\"total_tokens\":3}}"));
    assert_true(marks.terminal && marks.usage);
    assert_int_equal(tap.facts.usage.total, 3);
    assert_true(stream_tap_frame(&tap, TEXT(""), TEXT("{\"error\":{\"message\":\"x\"}}")).error);
}

static void test_broken_texts(void **state)
{
    struct stream_tap tap;
    struct buffer out;
    buffer_open(&out, 8192);
    stream_tap_open(&tap, STREAM_CHAT, &arena);
    assert_true(stream_write_broken(&tap, TEXT("upstream_broke_off"), TEXT("gone \"x\""), &out));
    buffer_append_char(&out, '\0');
    assert_string_equal(
        out.data, "data: {\"error\":{\"message\":\"gone \\\"x\\\"\",\"type\":\"server_error\","
                  "\"param\":null,\"code\":\"upstream_broke_off\"}}\n\n");
    buffer_clear(&out);
    stream_tap_open(&tap, STREAM_RESPONSES, &arena);
    stream_tap_frame(&tap, TEXT("response.created"),
                     TEXT("{\"sequence_number\":0,\"response\":{\"id\":\"resp_1\",\"model\":\"m\","
                          "\"created_at\":5}}"));
    assert_true(stream_write_broken(&tap, TEXT("upstream_broke_off"), TEXT("gone"), &out));
    buffer_append_char(&out, '\0');
    const char *error = "event: error\ndata: {\"type\":\"error\",\"sequence_number\":1,";
    assert_memory_equal(out.data, error, strlen(error));
    char *failed = strstr(out.data, "event: response.failed\ndata: ");
    assert_non_null(failed);
    failed += strlen("event: response.failed\ndata: ");
    yyjson_doc *document = yyjson_read(failed, strlen(failed) - 2, 0);
    assert_non_null(document);
    yyjson_val *root = yyjson_doc_get_root(document);
    assert_int_equal(yyjson_get_int(yyjson_obj_get(root, "sequence_number")), 2);
    yyjson_val *response = yyjson_obj_get(root, "response");
    assert_string_equal(yyjson_get_str(yyjson_obj_get(response, "id")), "resp_1");
    assert_string_equal(yyjson_get_str(yyjson_obj_get(response, "status")), "failed");
    yyjson_doc_free(document);
    buffer_close(&out);
}

static void test_hostile_frames(void **state)
{
    static const char *const frames[] = {"",
                                         "{",
                                         "\"usage\":{",
                                         "\"usage\"",
                                         "\"content\":\"\\",
                                         "\"error\":{",
                                         "\"delta\":\"",
                                         "\"sequence_number\":99999999999999999999",
                                         "{\"type\":5}",
                                         "\"finish_reason\":"};
    for (enum stream_dialect dialect = STREAM_CHAT; dialect <= STREAM_MEDIA; dialect++) {
        struct stream_tap tap;
        stream_tap_open(&tap, dialect, &arena);
        for (size_t i = 0; i < ARRAY_LENGTH(frames); i++) {
            struct stream_marks marks = chat(&tap, frames[i]);
            assert_false(marks.usage || marks.usage_only);
            stream_tap_frame(&tap, TEXT("response.failed"), text_from(frames[i]));
        }
    }
}

/* ---- frames that are like the one before ---- */

static uint64_t random_state = 7;

static unsigned next_random(unsigned below)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(random_state >> 33) % below;
}

static void assert_same_marks(struct stream_marks a, struct stream_marks b)
{
    assert_true(a.usage == b.usage && a.usage_only == b.usage_only && a.content == b.content &&
                a.finish == b.finish && a.error == b.error && a.terminal == b.terminal);
}

/* Frames as they come, most like their neighbours, some with a byte changed: a tap that never knows
 * a pattern says the same of each. */
static void test_a_pattern_changes_nothing(void **state)
{
    static const char *const contents[] = {
        "",         "word", " a longer piece of text, some forty bytes", "\\\"quoted\\\"", "\\\\",
        "\xc3\xa9", "{}",   "\\\"usage\\\":{\\\"total_tokens\\\":1}",
    };
    static const char *const shapes[] = {
        "{" CHUNK "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%s\"},\"finish_reason\":"
        "null}],\"usage\":null,\"obfuscation\":\"%s\"}",
        "{" CHUNK
        "\"choices\":[{\"index\":0,\"delta\":{\"reasoning_content\":\"%s\",\"content\":\"%s"
        "\"}}]}",
        "{" CHUNK
        "\"choices\": [{\"delta\": {\"content\": \"%s\"}},{\"delta\":{\"refusal\":\"%s\"}}]}",
        "{" CHUNK "\"choices\":[{\"delta\":{\"arguments\":\"%s\"} , \"content\":\"%s\" : 1}]}",
    };
    static const char odd[] = "\"\\:,{}[] nstu";
    struct stream_tap with, without;
    size_t matched = 0;
    stream_tap_open(&with, STREAM_CHAT, &arena);
    stream_tap_open(&without, STREAM_CHAT, &arena);
    for (unsigned i = 0; i < 30000; i++) {
        char frame[1024];
        static const char *shape;
        if (shape == NULL || next_random(20) == 0)
            shape = shapes[next_random(ARRAY_LENGTH(shapes))];
        (void)snprintf(frame, sizeof frame, shape, contents[next_random(ARRAY_LENGTH(contents))],
                       contents[next_random(ARRAY_LENGTH(contents))]);
        if (next_random(4) == 0)
            frame[next_random((unsigned)strlen(frame))] = odd[next_random(sizeof odd - 1)];
        size_t content_bytes;
        matched += frame_pattern_match(&with.pattern, text_from(frame), &content_bytes);
        without.pattern.count = 0;
        assert_same_marks(chat(&with, frame), chat(&without, frame));
        assert_true(with.facts.content_bytes == without.facts.content_bytes);
        assert_true(with.identity_known == without.identity_known);
        assert_true(text_equal(with.facts.id, without.facts.id));
    }
    assert_in_range(matched, 5000, 29000);
}

/* Of the rows of a pattern: too many strings, frames that are too large, and one cut off. */
static void test_frames_without_a_pattern(void **state)
{
    static char frame[8192];
    struct stream_tap tap;
    stream_tap_open(&tap, STREAM_CHAT, &arena);
    chat(&tap, "{" CHUNK "\"choices\":[]}");
    (void)snprintf(frame, sizeof frame, "{" CHUNK "\"content\":\"x\",\"padding\":\"%04000d\"}", 0);
    assert_true(chat(&tap, frame).content);
    assert_int_equal(tap.pattern.count, 0);
    assert_true(chat(&tap, "{\"content\":\"1\",\"content\":\"2\",\"content\":\"3\",\"content\":"
                           "\"4\",\"content\":\"5\"}")
                    .content);
    assert_int_equal(tap.pattern.count, 0);
    chat(&tap, "{\"content\":\"1\"}");
    assert_int_equal(tap.pattern.count, 1);
    chat(&tap, "{\"content\":\"1\"");
    assert_int_equal(tap.pattern.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chat),
        cmocka_unit_test(test_usage_beside_content_stays),
        cmocka_unit_test(test_usage_in_every_chunk_costs_no_memory),
        cmocka_unit_test(test_chat_error_and_estimate),
        cmocka_unit_test(test_completions),
        cmocka_unit_test(test_responses),
        cmocka_unit_test(test_responses_failure),
        cmocka_unit_test(test_media),
        cmocka_unit_test(test_broken_texts),
        cmocka_unit_test(test_hostile_frames),
        cmocka_unit_test(test_a_pattern_changes_nothing),
        cmocka_unit_test(test_frames_without_a_pattern),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
