/* refusal: every row makes a valid error object, with and without its values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <yyjson.h>

#include "openai/refusal.h"

static void check(enum refusal refusal, const struct refusal_context *context, const char *message)
{
    struct buffer out;
    buffer_open(&out, 4096);
    assert_true(refusal_write(&out, refusal, context));
    yyjson_doc *document = yyjson_read(out.data, out.length, 0);
    yyjson_val *error = yyjson_obj_get(yyjson_doc_get_root(document), "error");
    assert_int_equal(yyjson_obj_size(error), 4);
    const char *text = yyjson_get_str(yyjson_obj_get(error, "message"));
    assert_non_null(text);
    assert_null(strpbrk(text, "{}\n"));
    assert_null(strstr(text, "  "));
    if (message != NULL)
        assert_string_equal(text, message);
    assert_string_equal(yyjson_get_str(yyjson_obj_get(error, "code")),
                        refusal_row(refusal)->code.data);
    assert_true(yyjson_is_null(yyjson_obj_get(error, "param")) == text_empty(context->param));
    yyjson_doc_free(document);
    buffer_close(&out);
}

static void test_all(void **state)
{
    char long_text[1000];
    memset(long_text, 'x', sizeof long_text);
    memcpy(long_text + REFUSAL_SEEN_MAX - 1, "\xc3\xa9", 2);
    const struct refusal_context nothing = {0};
    const struct refusal_context everything = {
        .request_id = TEXT("req_0"),
        .seen = text_of(long_text, sizeof long_text),
        .detail = TEXT("a \"quoted\"\nthing"),
        .suggestion = TEXT("gpt"),
        .param = TEXT("model"),
        .limit = 17,
    };
    for (enum refusal refusal = REFUSAL_NONE + 1; refusal < REFUSAL_COUNT; refusal++) {
        check(refusal, &nothing, NULL);
        check(refusal, &everything, NULL);
        unsigned status = refusal_row(refusal)->status;
        assert_true(status >= 400 && status < 600);
    }
}

/* Every text as long and as much in need of escapes as can be. */
static void test_with_all_that_was_seen(void **state)
{
    char quotes[1000], link[900];
    memset(quotes, '"', sizeof quotes);
    memset(link, 'x', sizeof link);
    struct text longest = text_of(quotes, sizeof quotes);
    const struct refusal_scene scene = {
        .documentation = text_of(link, sizeof link),
        .contact = longest,
        .listener = longest,
        .source = longest,
        .network = longest,
        .forwarder = longest,
        .key = longest,
        .team = longest,
        .rule = {longest, longest, longest, longest},
    };
    const struct refusal_context everything = {.request_id = longest,
                                               .seen = longest,
                                               .detail = longest,
                                               .suggestion = longest,
                                               .param = longest,
                                               .limit = UINT64_MAX,
                                               .scene = &scene};
    for (enum refusal refusal = REFUSAL_NONE + 1; refusal < REFUSAL_COUNT; refusal++) {
        struct buffer out;
        buffer_open(&out, REFUSAL_BODY_MAX);
        assert_true(refusal_write(&out, refusal, &everything));
        yyjson_doc *document = yyjson_read(out.data, out.length, 0);
        yyjson_val *error = yyjson_obj_get(yyjson_doc_get_root(document), "error");
        yyjson_val *told = yyjson_obj_get(error, "turnpike");
        assert_int_equal(yyjson_obj_size(error), 5);
        assert_non_null(yyjson_obj_get(yyjson_obj_get(told, "seen"), "source"));
        assert_non_null(yyjson_obj_get(yyjson_obj_get(told, "rule"), "of"));
        yyjson_doc_free(document);
        buffer_close(&out);
    }
}

static void test_what_is_not_known_is_left_out(void **state)
{
    struct buffer out;
    const struct refusal_scene scene = {.documentation = TEXT("http://h/turnpike/v1/errors/x"),
                                        .contact = TEXT("#help"),
                                        .listener = TEXT("main"),
                                        .source = TEXT("10.0.0.1")};
    buffer_open(&out, REFUSAL_BODY_MAX);
    assert_true(
        refusal_write(&out, REFUSAL_KEY_MISSING,
                      &(struct refusal_context){.request_id = TEXT("req_1"), .scene = &scene}));
    assert_string_equal(
        (buffer_append_char(&out, '\0'), out.data),
        "{\"error\":{\"message\":\"No API key was given. Send your Turnpike key as "
        "\\\"Authorization: Bearer tpk_...\\\" (in the SDKs: api_key). Whom to ask: #help. More: "
        "http://h/turnpike/v1/errors/x (Request id: req_1)\",\"type\":\"invalid_request_error\","
        "\"param\":null,\"code\":\"missing_api_key\",\"turnpike\":{\"documentation\":"
        "\"http://h/turnpike/v1/errors/x\",\"advice\":\"Send your Turnpike key as "
        "\\\"Authorization: Bearer tpk_...\\\" (in the SDKs: api_key).\",\"contact\":\"#help\","
        "\"request_id\":\"req_1\",\"seen\":{\"listener\":\"main\",\"source\":\"10.0.0.1\"}}}}");
    buffer_close(&out);
}

static void test_pages(void **state)
{
    struct buffer out;
    buffer_open(&out, 65536);
    for (enum refusal refusal = REFUSAL_NONE + 1; refusal < REFUSAL_COUNT; refusal++) {
        buffer_clear(&out);
        assert_true(refusal_explain(&out, refusal_row(refusal)->code));
        buffer_append_char(&out, '\0');
        assert_null(strpbrk(out.data, "{}"));
        assert_non_null(strstr(out.data, refusal_row(refusal)->advice.data));
    }
    assert_false(refusal_explain(&out, TEXT("no_such_code")));
    buffer_clear(&out);
    refusal_list(&out);
    assert_true(text_find(buffer_text(&out), TEXT("401 missing_api_key")) >= 0);
    buffer_close(&out);
}

static void test_texts(void **state)
{
    check(REFUSAL_MODEL_NOT_FOUND,
          &(struct refusal_context){.seen = TEXT("gtp-4"),
                                    .suggestion = TEXT("gpt-4"),
                                    .param = TEXT("model"),
                                    .request_id = TEXT("req_1")},
          "The model \"gtp-4\" does not exist or your key may not use it. Did you mean \"gpt-4\"? "
          "GET "
          "/v1/models lists those you may use. (Request id: req_1)");
    check(REFUSAL_BODY_TOO_LARGE, &(struct refusal_context){.limit = 100},
          "The request body is larger than allowed (100 bytes). Send less at once, or upload large "
          "content as a file and refer to it.");
    check(REFUSAL_PATH_UNKNOWN, &(struct refusal_context){.seen = TEXT("GET /v2")},
          "There is no such endpoint: \"GET /v2\". The base URL ends in /v1, as in "
          "http://HOST:PORT/v1.");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all),
                                       cmocka_unit_test(test_with_all_that_was_seen),
                                       cmocka_unit_test(test_what_is_not_known_is_left_out),
                                       cmocka_unit_test(test_pages), cmocka_unit_test(test_texts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
