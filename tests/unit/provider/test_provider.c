/* provider: requests as they go upstream, answers as they reach the caller, with streams cut at
 * every byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "provider/provider.h"

struct fixture {
    struct arena arena;
    struct provider_settings settings;
    struct secret *secret;
    struct endpoint_match match;
    struct http1_header headers[24];
    struct http1_head head;
    struct envelope envelope;
    struct provider_call call;
    struct provider_request request;
    struct buffer lines;
    struct buffer relayed;
    struct provider_sink sink;
    struct provider_answer *answer;
};

static void sink_write(void *owner, struct text bytes)
{
    struct fixture *fixture = owner;
    assert_true(bytes.length > 0);
    assert_true(buffer_append(&fixture->relayed, bytes));
}

static int setup(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){0};
    arena_open(&fixture.arena, NULL, 1u << 22);
    buffer_open(&fixture.lines, 1u << 16);
    buffer_open(&fixture.relayed, 1u << 22);
    fixture.secret = secret_make(TEXT("sk-up"));
    fixture.sink = (struct provider_sink){sink_write, &fixture};
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    provider_answer_close(fixture->answer);
    buffer_close(&fixture->lines);
    buffer_close(&fixture->relayed);
    arena_close(&fixture->arena);
    secret_free(fixture->secret);
    return 0;
}

static void add_header(struct fixture *fixture, const char *name, const char *value)
{
    struct http1_header *header = &fixture->headers[fixture->head.header_count++];
    *header =
        (struct http1_header){text_from(name), text_from(value), header_find(text_from(name))};
    if (header->id != HEADER_OTHER)
        fixture->head.present[header->id / 64] |= 1ull << (header->id % 64);
    fixture->head.headers = fixture->headers;
}

static void clear_head(struct fixture *fixture)
{
    fixture->head = (struct http1_head){.headers = fixture->headers, .method = HTTP1_POST};
}

static void prepare(struct fixture *fixture, const char *family, const char *target,
                    struct text body, const char *model)
{
    fixture->settings.provider = provider_find(text_from(family));
    fixture->settings.base_path = TEXT("/base/v1");
    fixture->settings.credential.secret = fixture->secret;
    fixture->head.method = HTTP1_POST;
    assert_int_equal(endpoint_find(HTTP1_POST, text_from(target), &fixture->arena, &fixture->match),
                     REFUSAL_NONE);
    fixture->call = (struct provider_call){
        .settings = &fixture->settings,
        .credential = &fixture->settings.credential,
        .match = &fixture->match,
        .head = &fixture->head,
        .model = text_from(model),
        .arena = &fixture->arena,
    };
    if (body.length > 0) {
        envelope_open(&fixture->envelope, &fixture->arena);
        assert_int_equal(envelope_feed(&fixture->envelope, body), ERROR_OK);
        assert_int_equal(envelope_finish(&fixture->envelope), ERROR_OK);
        fixture->call.envelope = &fixture->envelope;
    }
    buffer_clear(&fixture->lines);
    assert_int_equal(provider_prepare(&fixture->call, &fixture->lines, &fixture->request),
                     ERROR_OK);
}

static void expect(struct buffer *buffer, const char *expected)
{
    if (!text_equal(buffer_text(buffer), text_from(expected)))
        print_error("got\n%.*s\nexpected\n%s\n", TEXT_ARG(buffer_text(buffer)), expected);
    assert_true(text_equal(buffer_text(buffer), text_from(expected)));
}

static void test_request_headers(void **state)
{
    struct fixture *fixture = *state;
    static const char *const dropped[] = {"Host",
                                          "Authorization",
                                          "api-key",
                                          "X-Api-Key",
                                          "Cookie",
                                          "Content-Length",
                                          "X-Forwarded-For",
                                          "X-Forwarded-Server",
                                          "Forwarded",
                                          "Via",
                                          "X-Real-Ip",
                                          "X-Turnpike-Tags",
                                          "OpenAI-Project",
                                          "OpenAI-Organization",
                                          "Accept-Encoding",
                                          "X-Request-Id",
                                          "TE",
                                          "X-Named"};
    for (size_t i = 0; i < ARRAY_LENGTH(dropped); i++)
        add_header(fixture, dropped[i], "secret");
    add_header(fixture, "Connection", "close, x-named");
    add_header(fixture, "Content-Type", "application/json");
    add_header(fixture, "traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    add_header(fixture, "X-Stainless-Lang", "python");
    fixture->settings.organization = TEXT("org-1");
    prepare(fixture, "openai", "/v1/chat/completions?a=b", TEXT("{\"model\":\"m\"}"), "gpt-4o");
    expect(&fixture->lines,
           "openai-organization: org-1\r\n"
           "authorization: Bearer sk-up\r\n"
           "Content-Type: application/json\r\n"
           "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n"
           "X-Stainless-Lang: python\r\n"
           "accept-encoding: identity\r\n");
    assert_true(text_equal(fixture->request.target, TEXT("/base/v1/chat/completions?a=b")));
    assert_int_equal(fixture->request.edits.count, 1);
    prepare(fixture, "azure", "/v1/chat/completions", TEXT("{\"model\":\"m\"}"), "m");
    assert_true(text_starts_with(buffer_text(&fixture->lines), TEXT("api-key: sk-up\r\n")));
    assert_int_equal(fixture->request.edits.count, 0);
    fixture->settings.credential.bearer = true;
    prepare(fixture, "azure", "/v1/chat/completions", TEXT("{\"model\":\"m\"}"), "m");
    assert_true(
        text_starts_with(buffer_text(&fixture->lines), TEXT("authorization: Bearer sk-up\r\n")));
    assert_true(text_find(buffer_text(&fixture->lines), TEXT("api-key")) < 0);
    fixture->settings.credential.bearer = false;
    prepare(fixture, "demo", "/v1/files", (struct text){NULL, 0}, NULL);
    assert_true(text_find(buffer_text(&fixture->lines), TEXT("sk-up")) < 0);
}

static void test_usage_is_asked_for(void **state)
{
    static const struct {
        const char *target;
        struct text body;
        bool asked;
    } rows[] = {
        {"/v1/chat/completions", TEXT_INIT("{\"model\":\"m\",\"stream\":true}"), true},
        {"/v1/completions", TEXT_INIT("{\"model\":\"m\",\"stream\":true}"), true},
        {"/v1/chat/completions", TEXT_INIT("{\"model\":\"m\"}"), false},
        {"/v1/responses", TEXT_INIT("{\"model\":\"m\",\"stream\":true}"), false},
        {"/v1/chat/completions",
         TEXT_INIT("{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true}}"),
         false},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        prepare(*state, "openai", rows[i].target, rows[i].body, "m");
        struct fixture *fixture = *state;
        assert_int_equal(fixture->request.usage_asked, rows[i].asked);
        assert_int_equal(fixture->request.edits.count, rows[i].asked);
    }
}

static struct provider_answer_out open_answer(struct fixture *fixture, const char *type)
{
    struct provider_answer_out out;
    provider_answer_close(fixture->answer);
    assert_int_equal(
        provider_answer_open(&fixture->call, &fixture->request, &fixture->sink, &fixture->answer),
        ERROR_OK);
    clear_head(fixture);
    fixture->head.status = 200;
    add_header(fixture, "Content-Type", type);
    buffer_clear(&fixture->lines);
    buffer_clear(&fixture->relayed);
    assert_int_equal(provider_answer_head(fixture->answer, &fixture->head, &fixture->lines, &out),
                     ERROR_OK);
    return out;
}

static void test_answer_headers(void **state)
{
    struct fixture *fixture = *state;
    struct provider_answer_out out;
    prepare(fixture, "openai", "/v1/chat/completions", TEXT("{\"model\":\"m\"}"), "m");
    assert_int_equal(
        provider_answer_open(&fixture->call, &fixture->request, &fixture->sink, &fixture->answer),
        ERROR_OK);
    clear_head(fixture);
    fixture->head.status = 429;
    static const char *const dropped[] = {
        "Content-Length",    "Set-Cookie",         "Alt-Svc", "Strict-Transport-Security", "Server",
        "Transfer-Encoding", "X-Turnpike-Anything"};
    for (size_t i = 0; i < ARRAY_LENGTH(dropped); i++)
        add_header(fixture, dropped[i], "x");
    add_header(fixture, "Content-Type", "application/json; charset=utf-8");
    add_header(fixture, "x-request-id", "req_up");
    add_header(fixture, "Retry-After", "3");
    buffer_clear(&fixture->lines);
    assert_int_equal(provider_answer_head(fixture->answer, &fixture->head, &fixture->lines, &out),
                     ERROR_OK);
    assert_int_equal(out.status, 429);
    assert_int_equal(out.relay, PROVIDER_RELAY_WHOLE);
    assert_true(out.length_kept);
    expect(&fixture->lines, "Content-Type: application/json; charset=utf-8\r\n"
                            "x-turnpike-upstream-request-id: req_up\r\n"
                            "Retry-After: 3\r\n");
}

static void feed(struct fixture *fixture, struct text bytes, size_t split)
{
    /* Copies, so that reading what is gone is seen. */
    struct text parts[2] = {text_first(bytes, split), text_from_index(bytes, split)};
    for (size_t i = 0; i < 2; i++) {
        char *copy = malloc(parts[i].length + 1);
        assert_non_null(copy);
        if (parts[i].length > 0)
            memcpy(copy, parts[i].data, parts[i].length);
        assert_int_equal(provider_answer_bytes(fixture->answer, text_of(copy, parts[i].length)),
                         ERROR_OK);
        free(copy);
    }
}

#define ROLE \
    "data: {\"id\":\"c1\",\"model\":\"m\",\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n"
#define WORD "data: {\"id\":\"c1\",\"choices\":[{\"delta\":{\"content\":\"four\"}}]}\r\n\r\n"
#define PING ": ping\n\n"
#define STOP "data: {\"id\":\"c1\",\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
#define USAGE \
    "data: "  \
    "{\"id\":\"c1\",\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n\n"
#define DONE "data: [DONE]\n\n"

static void test_stream_without_our_chunk(void **state)
{
    struct fixture *fixture = *state;
    struct text stream = TEXT(ROLE WORD PING STOP USAGE DONE);
    for (int asked = 0; asked < 2; asked++) {
        prepare(fixture, "openai", "/v1/chat/completions",
                asked ? TEXT("{\"model\":\"m\",\"stream\":true}")
                      : TEXT("{\"model\":\"m\",\"stream\":true,"
                             "\"stream_options\":{\"include_usage\":true}}"),
                "m");
        for (size_t split = 0; split <= stream.length; split++) {
            struct provider_answer_out out = open_answer(fixture, "text/event-stream");
            assert_int_equal(out.relay, PROVIDER_RELAY_STREAM);
            assert_false(out.length_kept);
            feed(fixture, stream, split);
            assert_true(provider_answer_end(fixture->answer, ERROR_OK, TEXT("c"), TEXT("m")));
            expect(&fixture->relayed,
                   asked ? ROLE WORD PING STOP DONE : ROLE WORD PING STOP USAGE DONE);
            const struct answer_facts *facts = provider_answer_facts(fixture->answer);
            assert_int_equal(facts->usage.source, USAGE_REPORTED);
            assert_int_equal(facts->usage.output, 4);
            assert_true(text_equal(facts->id, TEXT("c1")));
            assert_true(provider_answer_has_content(fixture->answer));
        }
    }
}

static void test_stream_that_dies(void **state)
{
    struct fixture *fixture = *state;
    struct text stream = TEXT(ROLE WORD);
    prepare(fixture, "openai", "/v1/chat/completions", TEXT("{\"model\":\"m\",\"stream\":true}"),
            "m");
    for (size_t cut = sizeof ROLE - 1; cut <= stream.length; cut++) {
        open_answer(fixture, "text/event-stream; charset=utf-8");
        feed(fixture, text_first(stream, cut), cut / 2);
        assert_true(provider_answer_end(fixture->answer, ERROR_RESET, TEXT("code"), TEXT("gone")));
        /* A blank line that ends in CR is complete only when more shows it; so the last byte is. */
        struct buffer expected;
        buffer_open(&expected, 4096);
        buffer_append(&expected, cut == stream.length ? stream : TEXT(ROLE));
        buffer_append(&expected, TEXT("data: {\"error\":{\"message\":\"gone\",\"type\":"
                                      "\"server_error\",\"param\":null,\"code\":\"code\"}}\n\n"));
        assert_true(text_equal(buffer_text(&fixture->relayed), buffer_text(&expected)));
        buffer_close(&expected);
        assert_int_equal(provider_answer_facts(fixture->answer)->usage.source, USAGE_ESTIMATED);
        assert_int_equal(provider_answer_facts(fixture->answer)->usage.output,
                         cut == stream.length ? 1 : 0);
    }
}

static void test_stream_ends(void **state)
{
    static const struct {
        const char *stream;
        enum error error;
        bool broken;
    } rows[] = {
        {ROLE WORD STOP DONE, ERROR_OK, false},
        {ROLE WORD STOP DONE, ERROR_RESET, false},
        {ROLE WORD STOP, ERROR_OK, false},
        {ROLE WORD STOP, ERROR_RESET, true},
        {ROLE WORD, ERROR_OK, true},
        {"", ERROR_OK, true},
        {ROLE "data: [DONE]\n", ERROR_OK, false},
        {"data: {\"error\":{\"a\":1}}\n\n", ERROR_RESET, false},
    };
    struct fixture *fixture = *state;
    prepare(fixture, "openai", "/v1/chat/completions", TEXT("{\"model\":\"m\",\"stream\":true}"),
            "m");
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct text stream = text_from(rows[i].stream);
        open_answer(fixture, "text/event-stream");
        feed(fixture, stream, stream.length);
        assert_true(provider_answer_end(fixture->answer, rows[i].error, TEXT("code"), TEXT("m")));
        assert_true(text_starts_with(buffer_text(&fixture->relayed), stream));
        assert_int_equal(fixture->relayed.length > stream.length, rows[i].broken);
    }
}

static void test_large_frames_pass_and_break_cleanly(void **state)
{
    struct fixture *fixture = *state;
    prepare(fixture, "openai", "/v1/images/generations", TEXT("{\"model\":\"m\",\"stream\":true}"),
            "m");
    open_answer(fixture, "text/event-stream");
    struct buffer frame;
    buffer_open(&frame, 1u << 22);
    buffer_append(&frame, TEXT("data: {\"b64_json\":\""));
    for (size_t i = 0; i < 40000; i++)
        buffer_append(&frame, TEXT("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
    for (struct text rest = buffer_text(&frame); rest.length > 0;
         rest = text_from_index(rest, 65536))
        assert_int_equal(provider_answer_bytes(fixture->answer, text_first(rest, 65536)), ERROR_OK);
    assert_true(provider_answer_end(fixture->answer, ERROR_RESET, TEXT("code"), TEXT("m")));
    assert_true(text_starts_with(buffer_text(&fixture->relayed), buffer_text(&frame)));
    assert_true(text_starts_with(text_from_index(buffer_text(&fixture->relayed), frame.length),
                                 TEXT("\n\ndata: {\"error\"")));
    buffer_close(&frame);
}

static void test_whole_answers(void **state)
{
    struct fixture *fixture = *state;
    struct text body = TEXT("{\"id\":\"resp_1\",\"usage\":{\"input_tokens\":3,\"output_tokens\":4},"
                            "\"output_file_id\":\"file-of-another\"}");
    prepare(fixture, "openai", "/v1/responses", TEXT("{\"model\":\"m\"}"), "m");
    for (size_t split = 0; split <= body.length; split++) {
        open_answer(fixture, "application/json");
        feed(fixture, body, split);
        assert_true(provider_answer_end(fixture->answer, ERROR_OK, TEXT("c"), TEXT("m")));
        assert_true(text_equal(buffer_text(&fixture->relayed), body));
        const struct answer_facts *facts = provider_answer_facts(fixture->answer);
        assert_int_equal(facts->usage.input, 3);
        assert_true(text_equal(facts->id, TEXT("resp_1")));
        assert_int_equal(facts->related_count, 0);
    }
    open_answer(fixture, "application/json");
    feed(fixture, body, 10);
    assert_false(provider_answer_end(fixture->answer, ERROR_RESET, TEXT("c"), TEXT("m")));
    /* What is only looked at again costs nothing again. */
    prepare(fixture, "openai", "/v1/responses/resp_1/cancel", (struct text){NULL, 0}, NULL);
    open_answer(fixture, "application/json");
    feed(fixture, body, 10);
    assert_true(provider_answer_end(fixture->answer, ERROR_OK, TEXT("c"), TEXT("m")));
    assert_int_equal(provider_answer_facts(fixture->answer)->usage.source, USAGE_NONE);
}

static void test_outcomes(void **state)
{
    static const struct {
        unsigned status;
        const char *name, *value, *body;
        enum provider_failure failure;
        uint64_t milliseconds;
    } rows[] = {
        {200, "x-a", "b", "{\"id\":\"c\"}", PROVIDER_FAILURE_NONE, 0},
        {400, "x-a", "b", "{\"error\":{\"code\":\"context_length_exceeded\"}}",
         PROVIDER_FAILURE_CONTEXT_LENGTH, 0},
        {400, "x-a", "b", "{\"error\":{\"code\":\"content_filter\",\"type\":null}}",
         PROVIDER_FAILURE_CONTENT_FILTER, 0},
        {400, "x-a", "b", "{\"error\":{\"code\":\"x\"}}", PROVIDER_FAILURE_REQUEST, 0},
        {401, "x-a", "b", "{\"error\":{\"code\":\"rate_limit_exceeded\"}}",
         PROVIDER_FAILURE_CREDENTIAL, 0},
        {404, "x-a", "b", "{\"error\":{\"code\":\"DeploymentNotFound\"}}", PROVIDER_FAILURE_MODEL,
         0},
        {429, "x-a", "b", "{\"error\":{\"code\":\"insufficient_quota\"}}", PROVIDER_FAILURE_QUOTA,
         0},
        {429, "retry-after-ms", "250", "{\"error\":{\"code\":\"429\"}}",
         PROVIDER_FAILURE_RATE_LIMITED, 250},
        {429, "x-a", "b", "{\"error\":{\"message\":\"Please retry after 20 seconds.\"}}",
         PROVIDER_FAILURE_RATE_LIMITED, 20000},
        {429, "x-a", "b", "{\"error\":{\"message\":\"Please try again in 1m2.5s.\"}}",
         PROVIDER_FAILURE_RATE_LIMITED, 62500},
        {503, "x-a", "b", "{\"error\":{\"code\":\"rate_limit_exceeded\"}}", PROVIDER_FAILURE_SERVER,
         0},
        {200, "x-a", "b", "{\"error\":{\"message\":\"engine died\"}}", PROVIDER_FAILURE_SERVER, 0},
        {200, "x-a", "b", "{\"error\":{\"code\":\"rate_limit_exceeded\"}}",
         PROVIDER_FAILURE_RATE_LIMITED, 0},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct buffer lines;
        struct provider_answer_out out;
        struct provider_answer *answer;
        clear_head(fixture);
        prepare(fixture, "openai", "/v1/chat/completions", TEXT("{\"model\":\"m\"}"), "m");
        assert_int_equal(
            provider_answer_open(&fixture->call, &fixture->request, &fixture->sink, &answer),
            ERROR_OK);
        clear_head(fixture);
        fixture->head.status = (uint16_t)rows[i].status;
        add_header(fixture, "content-type", "application/json");
        add_header(fixture, rows[i].name, rows[i].value);
        buffer_open(&lines, 4096);
        assert_int_equal(provider_answer_head(answer, &fixture->head, &lines, &out), ERROR_OK);
        assert_int_equal(provider_answer_bytes(answer, text_from(rows[i].body)), ERROR_OK);
        (void)provider_answer_end(answer, ERROR_OK, TEXT("c"), TEXT("m"));
        const struct provider_outcome *outcome = provider_answer_outcome(answer);
        if (outcome->failure != rows[i].failure ||
            outcome->retry_after != rows[i].milliseconds * 1000000)
            fail_msg("row %zu: failure %d, after %llu", i, (int)outcome->failure,
                     (unsigned long long)outcome->retry_after);
        provider_answer_close(answer);
        buffer_close(&lines);
    }
}

/* A limit that is used up says when it is full again. */
static void test_reset_of_a_limit(void **state)
{
    struct fixture *fixture = *state;
    struct buffer lines;
    struct provider_answer_out out;
    prepare(fixture, "openai", "/v1/chat/completions", TEXT("{\"model\":\"m\"}"), "m");
    assert_int_equal(
        provider_answer_open(&fixture->call, &fixture->request, &fixture->sink, &fixture->answer),
        ERROR_OK);
    clear_head(fixture);
    fixture->head.status = 429;
    add_header(fixture, "x-ratelimit-remaining-requests", "5");
    add_header(fixture, "x-ratelimit-reset-requests", "6m0s");
    add_header(fixture, "x-ratelimit-remaining-tokens", "0");
    add_header(fixture, "x-ratelimit-reset-tokens", "120ms");
    buffer_open(&lines, 4096);
    assert_int_equal(provider_answer_head(fixture->answer, &fixture->head, &lines, &out), ERROR_OK);
    assert_int_equal(provider_answer_outcome(fixture->answer)->retry_after, 120000000);
    buffer_close(&lines);
}

static void test_families(void **state)
{
    static const char *const names[] = {
#define PROVIDER(name, family, base_url, catalog) name,
#include "tables/providers.def"
#undef PROVIDER
    };
    assert_string_equal(names[0], "openai"); /* the default of `type` */
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        assert_non_null(provider_at(i));
        assert_ptr_equal(provider_at(i), provider_find(text_from(names[i])));
        assert_true(text_equal(provider_name(provider_at(i)), text_from(names[i])));
    }
    assert_null(provider_at(ARRAY_LENGTH(names)));
    assert_null(provider_find(TEXT("opena")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_request_headers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_usage_is_asked_for, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answer_headers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stream_without_our_chunk, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stream_that_dies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stream_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(test_large_frames_pass_and_break_cleanly, setup, teardown),
        cmocka_unit_test_setup_teardown(test_whole_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_outcomes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reset_of_a_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_families, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
