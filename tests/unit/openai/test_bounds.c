/* bounds: how much a call may use at most, and the splices that make it less. tags: what callers
 * say their calls are for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "openai/bounds.h"
#include "openai/tags.h"

struct fixture {
    struct arena arena;
    struct envelope envelope;
    struct bounds bounds;
};

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

static void read_body(struct fixture *fixture, enum endpoint_kind kind, struct text body)
{
    envelope_open(&fixture->envelope, &fixture->arena);
    assert_int_equal(envelope_feed(&fixture->envelope, body), ERROR_OK);
    assert_int_equal(envelope_finish(&fixture->envelope), ERROR_OK);
    struct references references = {.searched = 0};
    for (size_t arrived = 0; arrived < body.length; arrived++)
        references_search(&references, text_first(body, arrived));
    bounds_read(&fixture->envelope, kind, body, &references, &fixture->bounds);
}

struct row {
    enum endpoint_kind kind;
    const char *body;
    int64_t input; /* 0: the body's length */
    int64_t output, choices;
    const char *clamped; /* to 7; NULL: the endpoint has no limit */
};

static const struct row rows[] = {
    {ENDPOINT_CHAT, "{\"model\":\"m\"}", 0, BOUNDS_UNKNOWN, 1,
     "{\"max_completion_tokens\":7,\"model\":\"m\"}"},
    {ENDPOINT_CHAT, "{\"model\":\"m\",\"max_tokens\":100}", 0, 100, 1,
     "{\"model\":\"m\",\"max_tokens\":7}"},
    {ENDPOINT_CHAT, "{\"max_tokens\":5,\"max_completion_tokens\":9,\"n\":3}", 0, 9, 3,
     "{\"max_tokens\":5,\"max_completion_tokens\":7,\"n\":3}"},
    {ENDPOINT_CHAT, "{\"max_completion_tokens\":null}", 0, BOUNDS_UNKNOWN, 1,
     "{\"max_completion_tokens\":7}"},
    {ENDPOINT_CHAT, "{\"max_tokens\":\"3\"}", 0, BOUNDS_UNKNOWN, 1, "{\"max_tokens\":7}"},
    {ENDPOINT_CHAT, "{\"max_tokens\":1.5,\"max_completion_tokens\":2}", 0, BOUNDS_UNKNOWN, 1,
     "{\"max_tokens\":7,\"max_completion_tokens\":2}"},
    /* a limit of another endpoint limits nothing here */
    {ENDPOINT_CHAT, "{\"max_output_tokens\":3}", 0, BOUNDS_UNKNOWN, 1,
     "{\"max_completion_tokens\":7,\"max_output_tokens\":3}"},
    {ENDPOINT_CHAT, "{}", 0, BOUNDS_UNKNOWN, 1, "{\"max_completion_tokens\":7}"},
    {ENDPOINT_COMPLETIONS, "{\"max_tokens\":3}", 0, 3, 1, "{\"max_tokens\":3}"},
    {ENDPOINT_COMPLETIONS, "{\"max_tokens\":8,\"best_of\":4,\"n\":2}", 0, 8, 4,
     "{\"max_tokens\":7,\"best_of\":4,\"n\":2}"},
    {ENDPOINT_RESPONSES, "{\"max_output_tokens\":80}", 0, 80, 1, "{\"max_output_tokens\":7}"},
    {ENDPOINT_RESPONSES, "{\"previous_response_id\":\"resp_1\"}", BOUNDS_UNKNOWN, BOUNDS_UNKNOWN, 1,
     "{\"max_output_tokens\":7,\"previous_response_id\":\"resp_1\"}"},
    {ENDPOINT_RESPONSES, "{\"tools\":[{\"type\":\"web_search\"}]}", BOUNDS_UNKNOWN, BOUNDS_UNKNOWN,
     1, "{\"max_output_tokens\":7,\"tools\":[{\"type\":\"web_search\"}]}"},
    {ENDPOINT_CHAT, "{\"messages\":[{\"content\":[{\"type\":\"image_url\"}]}],\"max_tokens\":1}",
     BOUNDS_UNKNOWN, 1, 1,
     "{\"messages\":[{\"content\":[{\"type\":\"image_url\"}]}],\"max_tokens\":1}"},
    {ENDPOINT_CHAT, "{\"messages\":[{\"file\":{\"file_data\":\"\"}}],\"max_tokens\":1}",
     BOUNDS_UNKNOWN, 1, 1, "{\"messages\":[{\"file\":{\"file_data\":\"\"}}],\"max_tokens\":1}"},
    {ENDPOINT_CHAT, "{\"type\":\"image\\u005furl\",\"max_tokens\":1}", BOUNDS_UNKNOWN, 1, 1,
     "{\"type\":\"image\\u005furl\",\"max_tokens\":1}"},
    {ENDPOINT_CHAT, "{\"user\":\"\\u003cb\\n\",\"max_tokens\":1}", 0, 1, 1,
     "{\"user\":\"\\u003cb\\n\",\"max_tokens\":1}"},
    /* many prompts in one call */
    {ENDPOINT_COMPLETIONS, "{\"prompt\":[\"a,[\\\"\",\"b\"],\"max_tokens\":3,\"n\":2}", 0, 3, 4,
     "{\"prompt\":[\"a,[\\\"\",\"b\"],\"max_tokens\":3,\"n\":2}"},
    {ENDPOINT_COMPLETIONS, "{\"prompt\":[[1,2],[3],[4,5]],\"max_tokens\":3}", 0, 3, 3,
     "{\"prompt\":[[1,2],[3],[4,5]],\"max_tokens\":3}"},
    {ENDPOINT_COMPLETIONS, "{\"prompt\":[1,2,3],\"max_tokens\":3}", 0, 3, 1,
     "{\"prompt\":[1,2,3],\"max_tokens\":3}"},
    {ENDPOINT_COMPLETIONS, "{\"prompt\":\"a,b\",\"max_tokens\":3,\"best\\u005fof\":5}",
     BOUNDS_UNKNOWN, 3, 5, "{\"prompt\":\"a,b\",\"max_tokens\":3,\"best\\u005fof\":5}"},
    {ENDPOINT_EMBEDDINGS, "{\"input\":\"a\",\"max_tokens\":3}", 0, 0, 1, NULL},
};

static void test_bounds(void **state)
{
    struct fixture *fixture = *state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct text body = text_from(rows[i].body);
        read_body(fixture, rows[i].kind, body);
        assert_int_equal(fixture->bounds.input,
                         rows[i].input ? rows[i].input : (int64_t)body.length);
        assert_int_equal(fixture->bounds.output, rows[i].output);
        assert_int_equal(fixture->bounds.choices, rows[i].choices);
    }
}

static void test_clamp(void **state)
{
    struct fixture *fixture = *state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct text body = text_from(rows[i].body), parts[SPLICES_PARTS_MAX];
        struct splices splices = {0};
        struct buffer out;
        read_body(fixture, rows[i].kind, body);
        enum error error =
            bounds_clamp(&fixture->envelope, rows[i].kind, 7, &fixture->arena, &splices);
        assert_int_equal(error, rows[i].clamped ? ERROR_OK : ERROR_UNSUPPORTED);
        if (!rows[i].clamped)
            continue;
        buffer_open(&out, 4096);
        size_t count = splices_apply(&splices, body, parts);
        for (size_t part = 0; part < count; part++)
            buffer_append(&out, parts[part]);
        buffer_append_char(&out, '\0');
        assert_string_equal(out.data, rows[i].clamped);
        buffer_close(&out);
    }
}

static void test_characters(void **state)
{
    assert_int_equal(bounds_count_characters(TEXT("{\"input\":\"h\xc3\xa9llo\"}"), TEXT("input")),
                     5);
    assert_int_equal(bounds_count_characters(
                         TEXT("{\"a\":1,\"input\":\"\\n\\u00e9\\ud83d\\ude00x\"}"), TEXT("input")),
                     4);
    assert_int_equal(bounds_count_characters(TEXT("{\"input\":\"\"}"), TEXT("input")), 0);
    assert_int_equal(bounds_count_characters(TEXT("{\"input\":3}"), TEXT("input")), BOUNDS_UNKNOWN);
    assert_int_equal(bounds_count_characters(TEXT("{}"), TEXT("input")), BOUNDS_UNKNOWN);
}

static void check_tags(struct fixture *fixture, struct text header, struct text metadata,
                       struct text wanted, size_t expected_out)
{
    size_t left_out;
    struct text made = tags_make(header, metadata, &fixture->arena, &left_out);
    assert_int_equal(left_out, expected_out);
    assert_null(tags_header_problem(header));
    assert_true(text_equal(made, wanted));
}

static void test_tags(void **state)
{
    struct fixture *fixture = *state;
    const struct text none = text_of(NULL, 0);

    check_tags(fixture, none, none, none, 0);
    check_tags(fixture, TEXT(" a=1, b = x y ,,a=2"), none, TEXT("{\"a\":\"1\",\"b\":\"x y\"}"), 0);
    check_tags(fixture, TEXT("a=\"q\\"), none, TEXT("{\"a\":\"\\\"q\\\\\"}"), 0);
    check_tags(fixture, TEXT("a=1"), TEXT("{\"a\":\"2\",\"c\":\"\\u00e9\",\"d\":7,\"e e\":\"x\"}"),
               TEXT("{\"a\":\"1\",\"c\":\"\\u00e9\"}"), 2);
    check_tags(fixture, TEXT("a="), none, TEXT("{\"a\":\"\"}"), 0);
}

static void test_tags_refused(void **state)
{
    char long_header[500];
    memset(long_header, 'a', sizeof(long_header));
    assert_non_null(tags_header_problem(text_of(long_header, sizeof(long_header))));
    assert_non_null(tags_header_problem(TEXT("a")));
    assert_non_null(tags_header_problem(TEXT("=1")));
    assert_non_null(tags_header_problem(TEXT("a b=1")));
    assert_non_null(tags_header_problem(TEXT("a=\x01")));
    assert_non_null(tags_header_problem(TEXT("a=\xff")));
}

/* Whatever is given, the object is valid and fits a record. */
static void test_tags_fit(void **state)
{
    struct fixture *fixture = *state;
    struct buffer metadata;
    buffer_open(&metadata, 8192);
    buffer_append_char(&metadata, '{');
    for (unsigned i = 0; i < 30; i++)
        buffer_append_format(&metadata, "%s\"name%u\":\"%0100u\"", i ? "," : "", i, i);
    buffer_append_char(&metadata, '}');
    size_t left_out;
    struct text made =
        tags_make(text_of(NULL, 0), buffer_text(&metadata), &fixture->arena, &left_out);
    assert_int_equal(left_out, 26); /* four of them fit */
    assert_true(made.length > 300 && made.length <= TAGS_LENGTH_MAX);
    assert_int_equal(made.data[made.length - 1], '}');
    buffer_close(&metadata);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_bounds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_clamp, setup, teardown),
        cmocka_unit_test(test_characters),
        cmocka_unit_test_setup_teardown(test_tags, setup, teardown),
        cmocka_unit_test(test_tags_refused),
        cmocka_unit_test_setup_teardown(test_tags_fit, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
