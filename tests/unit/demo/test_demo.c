/* demo: what it answers on each endpoint, whole and as a stream. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <yyjson.h>

#include "base/buffer.h"
#include "codec/sse.h"
#include "demo/demo.h"

#define WALL 1790000000000000000ull

/* The whole answer as text; NUL behind it. */
static unsigned ask(const char *path, const char *body, struct buffer *out)
{
    struct demo_answer *answer;
    struct text piece;
    uint64_t pause;
    assert_int_equal(demo_answer_open(HTTP1_POST, text_from(path), text_from(body), WALL, &answer),
                     ERROR_OK);
    unsigned status = demo_answer_status(answer);
    buffer_open(out, 1u << 26);
    while (demo_answer_next(answer, &piece, &pause)) {
        assert_true(!demo_answer_is_stream(answer) || text_ends_with(piece, TEXT("\n\n")));
        assert_true(buffer_append(out, piece));
    }
    assert_int_equal(demo_answer_length(answer), out->length);
    assert_true(text_ends_with(demo_answer_header_lines(answer), TEXT("\r\n")));
    buffer_append_char(out, '\0');
    demo_answer_close(answer);
    return status;
}

static yyjson_doc *ask_json(const char *path, const char *body, unsigned status)
{
    struct buffer out;
    assert_int_equal(ask(path, body, &out), status);
    yyjson_doc *document = yyjson_read(out.data, out.length - 1, 0);
    if (document == NULL)
        print_error("%s\n", out.data);
    assert_non_null(document);
    buffer_close(&out);
    return document;
}

static yyjson_val *at(yyjson_doc *document, const char *pointer)
{
    yyjson_val *value = yyjson_doc_ptr_get(document, pointer);
    if (value == NULL)
        print_error("nothing at %s\n", pointer);
    assert_non_null(value);
    return value;
}

static void test_chat(void **state)
{
    yyjson_doc *document = ask_json("/v1/chat/completions",
                                    "{\"model\":\"demo\",\"messages\":[{\"role\":\"user\","
                                    "\"content\":\"Hello \\\"you\\\"\"}],\"n\":2}",
                                    200);
    const char *content = yyjson_get_str(at(document, "/choices/1/message/content"));
    assert_non_null(strstr(content, "demo"));
    assert_non_null(strstr(content, "Hello \"you\""));
    assert_string_equal(yyjson_get_str(at(document, "/choices/0/finish_reason")), "stop");
    assert_int_equal(yyjson_get_uint(at(document, "/usage/prompt_tokens")) +
                         yyjson_get_uint(at(document, "/usage/completion_tokens")),
                     yyjson_get_uint(at(document, "/usage/total_tokens")));
    yyjson_doc_free(document);
}

#define TOOL                                                                                       \
    "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"get_weather\",\"parameters\":{"    \
    "\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\"},\"days\":{\"type\":"       \
    "\"integer\",\"minimum\":2},\"unit\":{\"enum\":[\"C\",\"F\"]},\"note\":{\"type\":\"string\"}}" \
    ","                                                                                            \
    "\"required\":[\"city\",\"days\",\"unit\"]}}}]"

static void test_calls_a_tool_when_asked(void **state)
{
    yyjson_doc *document = ask_json(
        "/chat/completions",
        "{\"model\":\"demo\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\","
        "\"text\":\"How is the weather in Rome?\"}]}]," TOOL "}",
        200);
    assert_string_equal(yyjson_get_str(at(document, "/choices/0/finish_reason")), "tool_calls");
    assert_string_equal(
        yyjson_get_str(at(document, "/choices/0/message/tool_calls/0/function/arguments")),
        "{\"city\":\"Rome\",\"days\":2,\"unit\":\"C\"}");
    yyjson_doc_free(document);
    document = ask_json("/chat/completions",
                        "{\"model\":\"demo\",\"messages\":[{\"role\":\"user\",\"content\":"
                        "\"weather\"},{\"role\":\"tool\","
                        "\"content\":\"sunny\"}],\"tool_choice\":\"required\"," TOOL "}",
                        200);
    assert_non_null(
        strstr(yyjson_get_str(at(document, "/choices/0/message/content")), "\"sunny\""));
    yyjson_doc_free(document);
    document = ask_json("/chat/completions",
                        "{\"model\":\"demo\",\"messages\":[{\"role\":\"user\",\"content\":\"Tell "
                        "me a joke\"}]," TOOL "}",
                        200);
    assert_string_equal(yyjson_get_str(at(document, "/choices/0/finish_reason")), "stop");
    yyjson_doc_free(document);
}

static void test_follows_a_schema(void **state)
{
    yyjson_doc *document = ask_json(
        "/chat/completions",
        "{\"model\":\"demo\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"response_"
        "format\":{"
        "\"type\":\"json_schema\",\"json_schema\":{\"name\":\"s\",\"schema\":{\"type\":\"object\","
        "\"$defs\":{\"P\":{\"type\":\"object\",\"properties\":{\"self\":{\"$ref\":\"#/$defs/P\"}},"
        "\"required\":[\"self\"]},\"N\":{\"type\":\"number\",\"maximum\":-5}},\"properties\":{"
        "\"a\":{\"type\":[\"null\",\"boolean\"]},\"b\":{\"anyOf\":[{\"type\":\"null\"},{\"$ref\":"
        "\"#/$defs/N\"}]},\"c\":{\"type\":\"array\",\"minItems\":2,\"items\":{\"type\":\"string\","
        "\"format\":\"date\"}},\"d\":{\"$ref\":\"#/$defs/P\"},\"e\":{\"const\":null}},"
        "\"required\":[\"a\",\"b\",\"c\",\"d\",\"e\"]}}}}",
        200);
    const char *content = yyjson_get_str(at(document, "/choices/0/message/content"));
    yyjson_doc *value = yyjson_read(content, strlen(content), 0);
    assert_non_null(value);
    assert_true(yyjson_is_true(at(value, "/a")));
    assert_true(yyjson_get_num(at(value, "/b")) <= -5);
    assert_string_equal(yyjson_get_str(at(value, "/c/1")), "2026-01-31");
    assert_true(yyjson_is_obj(at(value, "/d/self")));
    assert_true(yyjson_is_null(at(value, "/e")));
    yyjson_doc_free(value);
    yyjson_doc_free(document);
}

/* All frames of a stream: their names and data through the splitter. */
static size_t frames(const char *path, const char *body, struct buffer *names)
{
    struct buffer out, joined;
    struct sse_splitter splitter;
    struct sse_frame frame;
    size_t count = 0;
    assert_int_equal(ask(path, body, &out), 200);
    struct text rest = text_of(out.data, out.length - 1);
    buffer_open(names, 1u << 20);
    buffer_open(&joined, 1u << 20);
    sse_splitter_open(&splitter, 1u << 20);
    while (sse_next(&splitter, &rest, &frame)) {
        struct sse_event event;
        assert_true(frame.whole && sse_read(&frame, &joined, &event));
        if (!text_equal(event.data, TEXT("[DONE]"))) {
            yyjson_doc *document = yyjson_read(event.data.data, event.data.length, 0);
            assert_non_null(document);
            if (event.name.length > 0)
                assert_true(
                    text_equal(event.name, text_from(yyjson_get_str(at(document, "/type")))));
            yyjson_doc_free(document);
        }
        buffer_append(names, event.name);
        buffer_append_char(names, ' ');
        count++;
    }
    sse_splitter_close(&splitter);
    buffer_close(&joined);
    buffer_close(&out);
    buffer_append_char(names, '\0');
    return count;
}

static void test_chat_stream(void **state)
{
    struct buffer names;
    size_t without = frames("/chat/completions",
                            "{\"model\":\"demo\",\"stream\":true,\"messages\":[{\"role\":\"user\","
                            "\"content\":\"Hi\"}]}",
                            &names);
    buffer_close(&names);
    size_t with =
        frames("/chat/completions",
               "{\"model\":\"demo\",\"stream\":true,\"stream_options\":{\"include_usage\":true},"
               "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}",
               &names);
    buffer_close(&names);
    assert_true(without > 10);
    assert_int_equal(with, without + 1);
}

static void test_responses_stream(void **state)
{
    struct buffer names;
    frames("/responses",
           "{\"model\":\"demo\",\"stream\":true,\"input\":\"weather\",\"tools\":[{\"type\":"
           "\"function\","
           "\"name\":\"get_weather\",\"parameters\":{}}]}",
           &names);
    assert_string_equal(names.data,
                        "response.created response.in_progress response.output_item.added "
                        "response.function_call_arguments.delta "
                        "response.function_call_arguments.done response.output_item.done "
                        "response.completed ");
    buffer_close(&names);
    frames("/responses",
           "{\"model\":\"demo\",\"stream\":true,\"input\":\"Hi\",\"max_output_tokens\":1}", &names);
    assert_string_equal(names.data,
                        "response.created response.in_progress response.output_item.added "
                        "response.content_part.added response.output_text.delta "
                        "response.output_text.done response.content_part.done "
                        "response.output_item.done response.incomplete ");
    buffer_close(&names);
}

static void test_responses(void **state)
{
    yyjson_doc *document = ask_json("/responses",
                                    "{\"model\":\"demo\",\"input\":[{\"role\":\"user\",\"content\":"
                                    "[{\"type\":\"input_text\",\"text\":"
                                    "\"weather?\"}]},{\"type\":\"function_call_output\",\"call_"
                                    "id\":\"c\",\"output\":\"rain\"}]}",
                                    200);
    assert_non_null(strstr(yyjson_get_str(at(document, "/output/0/content/0/text")), "\"rain\""));
    assert_string_equal(yyjson_get_str(at(document, "/status")), "completed");
    yyjson_doc_free(document);
}

static void test_embeddings(void **state)
{
    yyjson_doc *document = ask_json(
        "/embeddings",
        "{\"model\":\"demo\",\"input\":[\"a b\",\"a c\",\"x y\"],\"dimensions\":256}", 200);
    double square = 0, near = 0, far = 0;
    for (size_t i = 0; i < 256; i++) {
        double a = yyjson_get_num(yyjson_arr_get(at(document, "/data/0/embedding"), i));
        double b = yyjson_get_num(yyjson_arr_get(at(document, "/data/1/embedding"), i));
        double c = yyjson_get_num(yyjson_arr_get(at(document, "/data/2/embedding"), i));
        square += a * a;
        near += a * b;
        far += a * c;
    }
    assert_true(fabs(square - 1) < 1e-5);
    assert_true(near > far);
    yyjson_doc_free(document);
    document = ask_json(
        "/embeddings",
        "{\"model\":\"demo\",\"input\":[1,2],\"dimensions\":3,\"encoding_format\":\"base64\"}",
        200);
    assert_int_equal(yyjson_get_len(at(document, "/data/0/embedding")), 16);
    assert_int_equal(yyjson_arr_size(at(document, "/data")), 1);
    yyjson_doc_free(document);
}

static void test_others(void **state)
{
    yyjson_doc *document =
        ask_json("/completions", "{\"model\":\"demo\",\"prompt\":\"Once\"}", 200);
    assert_string_equal(yyjson_get_str(at(document, "/object")), "text_completion");
    yyjson_doc_free(document);
    document = ask_json("/moderations", "{\"input\":[\"a\",\"b\"]}", 200);
    assert_int_equal(yyjson_arr_size(at(document, "/results")), 2);
    assert_true(yyjson_is_false(at(document, "/results/1/flagged")));
    yyjson_doc_free(document);
    struct buffer names;
    assert_true(frames("/completions", "{\"model\":\"demo\",\"prompt\":\"x\",\"stream\":true}",
                       &names) > 5);
    buffer_close(&names);
}

static void test_errors(void **state)
{
    static const struct {
        const char *path, *body;
        unsigned status;
    } rows[] = {
        {"/chat/completions", "nonsense", 400},
        {"/chat/completions", "[]", 400},
        {"/chat/completions", "{}", 400},
        {"/chat/completions", "{\"model\":\"demo\"}", 400},
        {"/chat/completions", "{\"model\":\"demo\",\"messages\":[]}", 400},
        {"/chat/completions", "{\"model\":\"demo\",\"messages\":[{}],\"n\":0}", 400},
        {"/chat/completions", "{\"model\":\"demo\",\"messages\":[{}],\"stream\":1}", 400},
        {"/responses", "{\"model\":\"demo\"}", 400},
        {"/embeddings", "{\"model\":\"demo\"}", 400},
        {"/embeddings", "{\"model\":\"demo\",\"input\":[]}", 400},
        {"/embeddings", "{\"model\":\"demo\",\"input\":\"x\",\"dimensions\":99999}", 400},
        {"/files", "{}", 404},
        {"/", "", 404},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        yyjson_doc *document = ask_json(rows[i].path, rows[i].body, rows[i].status);
        assert_int_equal(yyjson_obj_size(at(document, "/error")), 4);
        yyjson_doc_free(document);
    }
}

static void test_is_deterministic(void **state)
{
    const char *body = "{\"model\":\"demo\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}";
    struct buffer one, two;
    ask("/chat/completions", body, &one);
    ask("/chat/completions", body, &two);
    assert_true(text_equal(buffer_text(&one), buffer_text(&two)));
    buffer_close(&one);
    buffer_close(&two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chat),
        cmocka_unit_test(test_calls_a_tool_when_asked),
        cmocka_unit_test(test_follows_a_schema),
        cmocka_unit_test(test_chat_stream),
        cmocka_unit_test(test_responses_stream),
        cmocka_unit_test(test_responses),
        cmocka_unit_test(test_embeddings),
        cmocka_unit_test(test_others),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_is_deterministic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
