/* envelope: what is read, what is refused and how it is said, and edits that leave the rest alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "openai/envelope.h"

struct fixture {
    struct arena arena;
    struct envelope envelope;
};

static enum error read_body(struct fixture *fixture, struct text body, size_t step)
{
    enum error error = ERROR_OK;
    envelope_open(&fixture->envelope, &fixture->arena);
    while (body.length > 0 && error == ERROR_OK) {
        error = envelope_feed(&fixture->envelope, text_first(body, step));
        body = text_from_index(body, step);
    }
    return error == ERROR_OK ? envelope_finish(&fixture->envelope) : error;
}

static int setup(void **state)
{
    static struct fixture fixture;
    arena_open(&fixture.arena, NULL, 1u << 20);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    arena_close(&fixture->arena);
    return 0;
}

static void test_reads_fields(void **state)
{
    struct fixture *fixture = *state;
    struct envelope *envelope = &fixture->envelope;
    struct text body =
        TEXT("{\"messages\":[{\"role\":\"user\",\"content\":\"model\"}],\"model\":\"gpt-\\u0034o\","
             "\"stream\":true,\"stream_options\":{\"include_usage\":true},\"max_tokens\":10,"
             "\"max_completion_tokens\":2e1,\"n\":3,\"user\":\"u\",\"metadata\":{\"a\":\"b\"},"
             "\"store\":false,\"service_tier\":\"flex\",\"previous_response_id\":null,"
             "\"conversation\":{\"id\":\"conv_1\"}}");
    for (size_t step = 1; step <= body.length; step++) {
        assert_int_equal(read_body(fixture, body, step), ERROR_OK);
        assert_true(text_equal(envelope->model, TEXT("gpt-4o")));
        assert_true(envelope->stream && envelope->include_usage && envelope->store_stated);
        assert_false(envelope->store || envelope->background);
        assert_int_equal(envelope->max_output, 20);
        assert_int_equal(envelope->n, 3);
        assert_true(text_equal(envelope->user, TEXT("u")));
        assert_true(text_equal(envelope->metadata, TEXT("{\"a\":\"b\"}")));
        assert_true(text_equal(envelope->service_tier, TEXT("flex")));
        assert_true(text_equal(envelope->reference, TEXT("conv_1")));
        assert_int_equal(envelope->body_length, body.length);
    }
}

static void test_references(void **state)
{
    static const struct text bodies[] = {
        TEXT_INIT("{\"input_file_id\":\"file-1\"}"),
        TEXT_INIT("{\"file_ids\":[ \"file-1\",\"file-2\"]}"),
        TEXT_INIT("{\"conversation\":\"file-1\"}"),
        TEXT_INIT("{\"training_file\":\"file-1\",\"model\":null}"),
    };
    for (size_t i = 0; i < ARRAY_LENGTH(bodies); i++) {
        struct fixture *fixture = *state;
        assert_int_equal(read_body(fixture, bodies[i], 1000), ERROR_OK);
        assert_true(text_equal(fixture->envelope.reference, TEXT("file-1")));
        assert_null(fixture->envelope.model.data);
    }
}

static void test_says_what_is_wrong(void **state)
{
    static const struct {
        struct text body;
        enum error error;
        const char *reason, *param;
    } rows[] = {
        {TEXT_INIT("{\"model\":17}"), ERROR_SYNTAX,
         "\"model\" must be a string (it starts at byte 9)", "model"},
        {TEXT_INIT("{\"model\":\"a\",\"stream\":\"yes\"}"), ERROR_SYNTAX,
         "\"stream\" must be true or false (it starts at byte 22)", "stream"},
        {TEXT_INIT("{\"model\":\"a\",\n\"model\":\"b\"}"), ERROR_UNSUPPORTED,
         "a member is there twice, at line 2, column 8", "model"},
        {TEXT_INIT("{\"model\":\"a\","), ERROR_SYNTAX,
         "it ends before the object is closed, at line 1, column 14", ""},
        {TEXT_INIT(""), ERROR_SYNTAX, "it is empty, at line 1, column 1", ""},
        {TEXT_INIT("[]"), ERROR_SYNTAX, "it is not a JSON object, at line 1, column 1", ""},
        {TEXT_INIT("{\"stream_options\":{\"include_usage\":1}}"), ERROR_SYNTAX,
         "\"stream_options\" has an include_usage that is not true or false (it starts at byte 18)",
         "stream_options"},
        {TEXT_INIT("{\"model\":\"\\ud800\"}"), ERROR_SYNTAX,
         "\"model\" is not valid UTF-8 or has half a surrogate pair (it starts at byte 9)",
         "model"},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        assert_int_equal(read_body(fixture, rows[i].body, 1000), rows[i].error);
        assert_string_equal(fixture->envelope.reason.data, rows[i].reason);
        assert_true(text_equal(fixture->envelope.param, text_from(rows[i].param)));
    }
}

static void expect_edited(struct fixture *fixture, struct text body, bool model, bool usage,
                          const char *expected)
{
    struct splices splices = {0};
    struct text parts[SPLICES_PARTS_MAX];
    struct buffer out;
    assert_int_equal(read_body(fixture, body, 7), ERROR_OK);
    if (usage)
        envelope_ask_usage(&fixture->envelope, &splices);
    if (model)
        assert_int_equal(envelope_set_model(&fixture->envelope, TEXT("a\"b\xc3\xa9"), &splices),
                         ERROR_OK);
    buffer_open(&out, 4096);
    size_t count = splices_apply(&splices, body, parts);
    for (size_t i = 0; i < count; i++)
        buffer_append(&out, parts[i]);
    buffer_append_char(&out, '\0');
    assert_string_equal(out.data, expected);
    buffer_close(&out);
}

static void test_edits(void **state)
{
    struct fixture *fixture = *state;
    expect_edited(fixture, TEXT("{ \"x\":1.50, \"model\" : \"m\" }"), true, false,
                  "{ \"x\":1.50, \"model\" : \"a\\\"b\xc3\xa9\" }");
    expect_edited(fixture, TEXT(" {\"model\":\"m\"}"), true, true,
                  " {\"stream_options\":{\"include_usage\":true},\"model\":\"a\\\"b\xc3\xa9\"}");
    expect_edited(fixture, TEXT("{}"), false, true,
                  "{\"stream_options\":{\"include_usage\":true}}");
    expect_edited(fixture, TEXT("{\"stream_options\": null}"), false, true,
                  "{\"stream_options\": {\"include_usage\":true}}");
    expect_edited(fixture, TEXT("{\"stream_options\": { }}"), false, true,
                  "{\"stream_options\": {\"include_usage\":true }}");
    expect_edited(fixture, TEXT("{\"stream_options\":{\"a\":1}}"), false, true,
                  "{\"stream_options\":{\"include_usage\":true,\"a\":1}}");
    expect_edited(fixture, TEXT("{\"stream_options\":{\"a\":1,\"include_usage\" : false}}"), false,
                  true, "{\"stream_options\":{\"a\":1,\"include_usage\" : true}}");
    expect_edited(fixture, TEXT("{\"stream_options\":{\"include_usage\":null}}"), false, true,
                  "{\"stream_options\":{\"include_usage\":true}}");
    expect_edited(fixture, TEXT("{\"stream_options\":{\"include_usage\":true}}"), false, true,
                  "{\"stream_options\":{\"include_usage\":true}}");
}

static void test_no_model_to_set(void **state)
{
    struct fixture *fixture = *state;
    struct splices splices = {0};
    assert_int_equal(read_body(fixture, TEXT("{}"), 7), ERROR_OK);
    assert_int_equal(envelope_set_model(&fixture->envelope, TEXT("m"), &splices), ERROR_ARGUMENT);
    assert_int_equal(splices.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_reads_fields, setup, teardown),
        cmocka_unit_test_setup_teardown(test_references, setup, teardown),
        cmocka_unit_test_setup_teardown(test_says_what_is_wrong, setup, teardown),
        cmocka_unit_test_setup_teardown(test_edits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_model_to_set, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
