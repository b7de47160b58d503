/* endpoint: every row is found by its own pattern; hostile paths are refused or made canonical. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "openai/endpoint.h"

static struct arena arena;

static int setup(void **state)
{
    arena_open(&arena, NULL, 1u << 22);
    return 0;
}

static int teardown(void **state)
{
    arena_close(&arena);
    return 0;
}

/* The pattern with "id_1" for each {…}. */
static void fill_pattern(struct text pattern, struct buffer *out)
{
    if (!text_starts_with(pattern, TEXT("/turnpike/")))
        buffer_append(out, TEXT("/v1"));
    while (pattern.length > 0) {
        buffer_append(out, text_split(&pattern, '{'));
        if (pattern.data == NULL)
            break;
        (void)text_split(&pattern, '}');
        buffer_append(out, TEXT("id_1"));
    }
}

static void test_every_row(void **state)
{
    static const enum http1_method methods[] = {HTTP1_GET, HTTP1_POST, HTTP1_DELETE};
    for (unsigned i = 0; i < endpoint_count; i++) {
        struct endpoint_match match;
        struct buffer target;
        buffer_open(&target, 1000);
        fill_pattern(endpoints[i].pattern, &target);
        bool own = text_starts_with(endpoints[i].pattern, TEXT("/turnpike/"));
        struct text path = text_from_index(buffer_text(&target), own ? 0 : 3);
        assert_int_equal(
            endpoint_find(methods[endpoints[i].method], buffer_text(&target), &arena, &match),
            REFUSAL_NONE);
        assert_ptr_equal(match.endpoint, &endpoints[i]);
        assert_true(text_equal(match.path, path));
        if (text_find_char(endpoints[i].pattern, '{') >= 0)
            assert_true(text_equal(match.object, TEXT("id_1")));
        assert_int_equal(endpoint_find(HTTP1_PUT, buffer_text(&target), &arena, &match),
                         REFUSAL_METHOD_NOT_ALLOWED);
        assert_non_null(match.allow);
        buffer_close(&target);
    }
}

static void test_paths(void **state)
{
    static const struct {
        const char *target;
        enum refusal refusal;
        const char *path, *object;
    } rows[] = {
        {"/turnpike/v1/whoami", REFUSAL_NONE, "/turnpike/v1/whoami", ""},
        {"/turnpike/v1/echo?events=3", REFUSAL_METHOD_NOT_ALLOWED, NULL, NULL},
        {"/v1/turnpike/v1/whoami", REFUSAL_PATH_UNKNOWN, NULL, NULL},
        {"/turnpike/v1/models", REFUSAL_PATH_UNKNOWN, NULL, NULL},
        {"/turnpike/../v1/models", REFUSAL_PATH_MALFORMED, NULL, NULL},
        {"/v1/models/openai%2fgpt-4", REFUSAL_NONE, "/models/openai%2Fgpt-4", "openai/gpt-4"},
        {"/v1/models/openai/gpt-4", REFUSAL_NONE, "/models/openai%2Fgpt-4", "openai/gpt-4"},
        {"/v1/models/ft:gpt-4o:org", REFUSAL_NONE, "/models/ft:gpt-4o:org", "ft:gpt-4o:org"},
        {"/v1/files/a%20b", REFUSAL_NONE, "/files/a%20b", "a b"},
        {"/v1/files/a%3Fb%252e", REFUSAL_NONE, "/files/a%3Fb%252e", "a?b%2e"},
        {"/v1/files/%66ile", REFUSAL_NONE, "/files/file", "file"},
        {"/v1/files/x?after=../y&a=b", REFUSAL_NONE, "/files/x", "x"},
        {"/v1/files/a%2fb", REFUSAL_PATH_MALFORMED, NULL, NULL},
        {"/v1/files/..", REFUSAL_PATH_MALFORMED, NULL, NULL},
        {"/v1/files/%2e%2e/content", REFUSAL_PATH_MALFORMED, NULL, NULL},
        {"/v1/files/.%2E", REFUSAL_PATH_MALFORMED, NULL, NULL},
        {"/v1/./files", REFUSAL_PATH_MALFORMED, NULL, NULL},
        {"/v1//files", REFUSAL_PATH_MALFORMED, NULL, NULL},
        {"/v1/files//content", REFUSAL_PATH_MALFORMED, NULL, NULL},
        {"/v1/files/a%00", REFUSAL_PATH_MALFORMED, NULL, NULL},
        {"/v1/files/a%0d%0ax", REFUSAL_PATH_MALFORMED, NULL, NULL},
        {"/v1/files/a%5c..", REFUSAL_PATH_MALFORMED, NULL, NULL},
        {"/v1/files/a%", REFUSAL_PATH_MALFORMED, NULL, NULL},
        {"/v1/files/a%2", REFUSAL_PATH_MALFORMED, NULL, NULL},
        {"/v1/files/a#b", REFUSAL_PATH_MALFORMED, NULL, NULL},
        {"/v1/models/a/../b", REFUSAL_PATH_MALFORMED, NULL, NULL},
        {"/v1/%66iles/x", REFUSAL_PATH_UNKNOWN, NULL, NULL},
        {"/v1/Files/x", REFUSAL_PATH_UNKNOWN, NULL, NULL},
        {"/v1/files/x/", REFUSAL_PATH_UNKNOWN, NULL, NULL},
        {"/v1/models/", REFUSAL_PATH_UNKNOWN, NULL, NULL},
        {"/v1/", REFUSAL_PATH_UNKNOWN, NULL, NULL},
        {"/v1", REFUSAL_PATH_UNKNOWN, NULL, NULL},
        {"/", REFUSAL_PATH_UNKNOWN, NULL, NULL},
        {"*", REFUSAL_PATH_UNKNOWN, NULL, NULL},
        {"/v1/nothing", REFUSAL_PATH_UNKNOWN, NULL, NULL},
        {"/v1/realtime/client_secrets", REFUSAL_PATH_UNKNOWN, NULL, NULL},
        {"/v1/organization/projects", REFUSAL_PATH_ADMINISTRATIVE, NULL, NULL},
        {"/v1/chat/completions/x/y", REFUSAL_PATH_UNKNOWN, NULL, NULL},
        {"/v1/responses/input_tokens", REFUSAL_NONE, "/responses/input_tokens", "input_tokens"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct endpoint_match match;
        enum refusal refusal = endpoint_find(HTTP1_GET, text_from(rows[i].target), &arena, &match);
        if (refusal != rows[i].refusal)
            print_error("%s: %d\n", rows[i].target, (int)refusal);
        assert_int_equal(refusal, rows[i].refusal);
        assert_true((refusal == REFUSAL_NONE) == (match.endpoint != NULL));
        if (refusal == REFUSAL_NONE) {
            assert_true(text_equal(match.path, text_from(rows[i].path)));
            assert_true(text_equal(match.object, text_from(rows[i].object)));
        }
        if (refusal == REFUSAL_PATH_MALFORMED)
            assert_non_null(match.detail);
    }
}

static void test_query_and_allow(void **state)
{
    struct endpoint_match match;
    assert_int_equal(endpoint_find(HTTP1_POST, TEXT("/v1/responses?beta=true"), &arena, &match),
                     REFUSAL_NONE);
    assert_true(text_equal(match.query, TEXT("beta=true")));
    assert_int_equal(match.endpoint->kind, ENDPOINT_RESPONSES);
    assert_int_equal(endpoint_find(HTTP1_DELETE, TEXT("/v1/chat/completions"), &arena, &match),
                     REFUSAL_METHOD_NOT_ALLOWED);
    assert_string_equal(match.allow, "GET, POST");
}

static void test_stored(void **state)
{
    struct endpoint_match match;
    struct envelope envelope = {0};
    assert_int_equal(endpoint_find(HTTP1_POST, TEXT("/v1/chat/completions"), &arena, &match),
                     REFUSAL_NONE);
    assert_false(endpoint_makes_object(match.endpoint, &envelope));
    assert_int_equal(endpoint_find(HTTP1_POST, TEXT("/v1/responses"), &arena, &match),
                     REFUSAL_NONE);
    assert_true(endpoint_makes_object(match.endpoint, &envelope));
    envelope.store_stated = true;
    assert_false(endpoint_makes_object(match.endpoint, &envelope));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_row),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_query_and_allow),
        cmocka_unit_test(test_stored),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
