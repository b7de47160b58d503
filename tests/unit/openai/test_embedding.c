/* embedding: requests read, vectors written as numbers and as base64. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "openai/embedding.h"

#define MEMORY_MAX (1u << 20)

static const char *const known[] = {"input_type", "user", NULL};

static enum error read_with(struct embedding *embedding, struct arena *arena, const char *body,
                            struct conversation_problem *problem)
{
    static const struct text drop[] = {TEXT_INIT("truncate")};
    return embedding_read(embedding, text_from(body), known, drop, 1, arena, problem);
}

static int open_arena(void **state)
{
    static struct arena arena;
    arena_open(&arena, NULL, MEMORY_MAX);
    *state = &arena;
    return 0;
}

static int close_arena(void **state)
{
    arena_close(*state);
    return 0;
}

static void test_read(void **state)
{
    struct embedding embedding;
    struct conversation_problem problem;
    assert_int_equal(read_with(&embedding, *state,
                               "{\"model\":\"e\",\"input\":[\"a\",\"b\"],\"dimensions\":256,"
                               "\"encoding_format\":\"base64\",\"user\":\"u\",\"input_type\":\"q\","
                               "\"truncate\":\"END\",\"x\":null}",
                               &problem),
                     ERROR_OK);
    assert_int_equal(embedding.input_count, 2);
    assert_true(text_equal(embedding.inputs[1], TEXT("b")));
    assert_int_equal(embedding.dimensions, 256);
    assert_true(embedding.base64);
    assert_true(text_equal(embedding.model, TEXT("e")));
    embedding_close(&embedding);
    assert_int_equal(read_with(&embedding, *state, "{\"model\":\"e\",\"input\":\"a\"}", &problem),
                     ERROR_OK);
    assert_int_equal(embedding.input_count, 1);
    assert_int_equal(embedding.dimensions, -1);
    assert_false(embedding.base64);
    embedding_close(&embedding);
}

static void test_problems(void **state)
{
    static const struct {
        const char *body, *param;
        enum error error;
    } rows[] = {
        {"{\"input\":[1,2]}", "input", ERROR_UNSUPPORTED},
        {"{\"input\":[[1,2]]}", "input", ERROR_UNSUPPORTED},
        {"{\"input\":[]}", "input", ERROR_SYNTAX},
        {"{\"input\":\"\"}", "input", ERROR_SYNTAX},
        {"{}", "input", ERROR_SYNTAX},
        {"{\"input\":[\"a\",null]}", "input", ERROR_SYNTAX},
        {"{\"input\":\"a\",\"dimensions\":0}", "dimensions", ERROR_SYNTAX},
        {"{\"input\":\"a\",\"dimensions\":\"1\"}", "dimensions", ERROR_SYNTAX},
        {"{\"input\":\"a\",\"encoding_format\":\"int8\"}", "encoding_format", ERROR_UNSUPPORTED},
        {"{\"input\":\"a\",\"encoding_format\":1}", "encoding_format", ERROR_SYNTAX},
        {"{\"input\":\"a\",\"user\":1}", "user", ERROR_SYNTAX},
        {"{\"input\":\"a\",\"model\":1}", "model", ERROR_SYNTAX},
        {"{\"input\":\"a\",\"task_type\":\"X\"}", "task_type", ERROR_UNSUPPORTED},
        {"[]", "", ERROR_SYNTAX},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct embedding embedding;
        struct conversation_problem problem;
        assert_int_equal(read_with(&embedding, *state, rows[i].body, &problem), rows[i].error);
        assert_true(text_equal(problem.param, text_from(rows[i].param)));
        assert_true(problem.reason.length > 0);
    }
}

static void test_too_many_inputs(void **state)
{
    struct embedding embedding;
    struct conversation_problem problem;
    struct buffer body;
    buffer_open(&body, 1u << 16);
    buffer_append(&body, TEXT("{\"input\":[\"a\""));
    for (unsigned i = 0; i < EMBEDDING_INPUTS_MAX; i++)
        buffer_append(&body, TEXT(",\"a\""));
    buffer_append(&body, TEXT("]}"));
    assert_int_equal(
        embedding_read(&embedding, buffer_text(&body), known, NULL, 0, *state, &problem),
        ERROR_SYNTAX);
    buffer_close(&body);
}

static void expect_written(const char *vectors, bool base64, bool ok, const char *expected)
{
    struct buffer out;
    struct embedding_writer writer;
    struct usage usage;
    yyjson_doc *document = yyjson_read(vectors, strlen(vectors), 0);
    size_t index, size;
    yyjson_val *vector;
    bool written = true;
    usage_clear(&usage);
    usage.input = 7;
    buffer_open(&out, 1u << 16);
    embedding_write_begin(&writer, &out, base64);
    yyjson_arr_foreach(yyjson_doc_get_root(document), index, size, vector) written =
        written && embedding_write_vector(&writer, vector);
    assert_int_equal(written, ok);
    assert_true(embedding_write_end(&writer, TEXT("e"), &usage));
    if (ok && !text_equal(buffer_text(&out), text_from(expected)))
        fail_msg("%.*s", TEXT_ARG(buffer_text(&out)));
    buffer_close(&out);
    yyjson_doc_free(document);
}

#define ANSWER(data)                                                       \
    "{\"object\":\"list\",\"data\":[" data "],\"model\":\"e\",\"usage\":{" \
    "\"prompt_tokens\":7,\"total_tokens\":7}}"

static void test_write(void **state)
{
    expect_written("[[0.1,-2,3e-5],[1]]", false, true,
                   ANSWER("{\"object\":\"embedding\",\"index\":0,\"embedding\":[0.1,-2,0.00003]},"
                          "{\"object\":\"embedding\",\"index\":1,\"embedding\":[1]}"));
    expect_written("[[1.0,-2.5]]", true, true,
                   ANSWER("{\"object\":\"embedding\",\"index\":0,\"embedding\":\"AACAPwAAIMA=\"}"));
    expect_written("[[1,\"x\"]]", false, false, "");
    expect_written("[[1,\"x\"]]", true, false, "");
    expect_written("[7]", false, false, "");
}

/* Longer than what is turned into base64 at once: nothing is padded in between. */
static void test_long_vector(void **state)
{
    struct buffer json, expected;
    buffer_open(&json, 1u << 16);
    buffer_open(&expected, 1u << 16);
    buffer_append(&json, TEXT("[["));
    buffer_append(&expected, TEXT("{\"object\":\"list\",\"data\":[{\"object\":\"embedding\","
                                  "\"index\":0,\"embedding\":\""));
    for (unsigned i = 0; i < 300; i++) {
        buffer_append(&json, i == 0 ? TEXT("0") : TEXT(",0"));
        buffer_append(&expected, TEXT("AAAA")); /* three zero bytes each, 400 times */
    }
    for (unsigned i = 300; i < 400; i++)
        buffer_append(&expected, TEXT("AAAA"));
    buffer_append(&json, TEXT("]]"));
    buffer_append(&expected, TEXT("\"}],\"model\":\"e\",\"usage\":{\"prompt_tokens\":7,"
                                  "\"total_tokens\":7}}"));
    buffer_append_char(&json, '\0');
    buffer_append_char(&expected, '\0');
    expect_written(json.data, true, true, expected.data);
    buffer_close(&json);
    buffer_close(&expected);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, open_arena, close_arena)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_read),
        TEST(test_problems),
        TEST(test_too_many_inputs),
        cmocka_unit_test(test_write),
        cmocka_unit_test(test_long_vector),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
