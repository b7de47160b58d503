/* http1_plain: which heads it takes; and that llhttp says the same of each, and of each that
 * differs from one in a byte. A stream fed whole has its heads read by http1_plain where they are
 * plain; fed as two pieces, the first of one byte, by llhttp. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/http1_plain.h"
#include "record_http1.h"

static const struct text request =
    TEXT_INIT("POST /v1/chat/completions?a=%20b HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"
              "Content-Type: application/json\r\nAuthorization: Bearer  tpk_x\r\nX_y:  z \r\n"
              "Connection: keep-alive\r\nContent-Length: 2\r\n\r\n{}");
static const struct text response =
    TEXT_INIT("HTTP/1.1 200 All right\r\nServer: nginx/1.22.1\r\nContent-Type: text/plain\r\n"
              "Connection: keep-alive\r\nETag: \"6566-53a\"\r\nContent-Length: 2\r\n\r\n{}");

struct row {
    enum http1_side side;
    bool is_plain;
    struct text head;
};

#define Q(plain, head)                        \
    {                                         \
        HTTP1_REQUEST, plain, TEXT_INIT(head) \
    }
#define A(plain, head)                         \
    {                                          \
        HTTP1_RESPONSE, plain, TEXT_INIT(head) \
    }

static const struct row rows[] = {
    Q(true, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    Q(true, "GET / HTTP/1.1\r\n\r\n"), /* well written; that Host is missing is http1's to say */
    Q(true, "DELETE /v1/files/a HTTP/1.1\r\nHost:x\r\nExpect: 100-continue\r\n\r\n"),
    Q(false, "GET / HTTP/1.0\r\nHost: x\r\n\r\n"),
    Q(false, "get / HTTP/1.1\r\nHost: x\r\n\r\n"),
    Q(false, "CONNECT / HTTP/1.1\r\nHost: x\r\n\r\n"),
    Q(false, "GET  / HTTP/1.1\r\nHost: x\r\n\r\n"),
    Q(false, "GET /  HTTP/1.1\r\nHost: x\r\n\r\n"),
    Q(false, "GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n"),
    Q(false, "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"),
    Q(false, "GET /#a HTTP/1.1\r\nHost: x\r\n\r\n"),
    Q(false, "GET / HTTP/1.1\nHost: x\n\n"),
    Q(false, "GET / HTTP/1.1\r\nHost: x\n\r\n"),
    Q(false, "GET / HTTP/1.1\r\nHost : x\r\n\r\n"),
    Q(false, "GET / HTTP/1.1\r\n Host: x\r\n\r\n"),
    Q(false, "GET / HTTP/1.1\r\nHost: x\r\n y\r\n\r\n"),
    Q(false, "GET / HTTP/1.1\r\nHost: x\r\n\ty\r\n\r\n"),
    Q(false, "GET / HTTP/1.1\r\nHost: x\ty\r\n\r\n"),
    Q(false, "GET / HTTP/1.1\r\nHost: x\r\r\n\r\n"),
    Q(false, "GET / HTTP/1.1\r\nHost: x\r\nEmpty: \r\n\r\n"),
    Q(false, "GET / HTTP/1.1\r\nHost: x\r\n: x\r\n\r\n"),
    Q(false, "GET / HTTP/1.1\r\nHost: x\r\nName\r\n\r\n"),
    Q(false, "GET / HTTP/1.1\r\nHost: \xc3\xa9\r\n\r\n"),
    Q(false, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"),
    Q(false, "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"),
    Q(false, "GET / HTTP/1.1\r\nHost: x\r\n\r"), /* not all there */
    Q(false, "GET / HTTP/1.1\r\nHost: x\r\n"),
    Q(false, "GET / HTTP/1.1\r\nHo"),
    Q(false, "GET"),
    A(true, "HTTP/1.1 200 OK\r\n\r\n"),
    A(true, "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n\r\n"),
    A(false, "HTTP/1.0 200 OK\r\n\r\n"),
    A(false, "HTTP/1.1 100 Continue\r\n\r\n"),
    A(false, "HTTP/1.1 101 Switching Protocols\r\n\r\n"),
    A(false, "HTTP/1.1 600 No\r\n\r\n"),
    A(false, "HTTP/1.1 20 OK\r\n\r\n"),
    A(false, "HTTP/1.1 2000 OK\r\n\r\n"),
    A(false, "HTTP/1.1 200\r\n\r\n"),
    A(false, "HTTP/1.1 200 \r\n\r\n"),
    A(false, "HTTP/1.1  200 OK\r\n\r\n"),
    A(false, "HTTP/1.1 200  OK\r\n\r\n"),
    A(false, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
    A(false, "ICY 200 OK\r\n\r\n"),
};

static void test_what_is_plain(void **state)
{
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct http1_fields *fields = http1_fields_make();
        struct http1_head head = {0};
        assert_non_null(fields);
        memcpy(fields->bytes, rows[i].head.data, rows[i].head.length);
        size_t used = http1_plain_read(rows[i].side, rows[i].head.length, 100, fields, &head);
        if (used != (rows[i].is_plain ? rows[i].head.length : 0))
            fail_msg("%.*s: %zu were taken", TEXT_ARG(rows[i].head), used);
        http1_fields_free(fields);
    }
}

/* As many headers as there may be, and one more. */
static void test_count_of_headers(void **state)
{
    struct text head = TEXT("GET / HTTP/1.1\r\nHost: x\r\nA: 1\r\nB: 2\r\n\r\n");
    for (size_t limit = 0; limit < 5; limit++) {
        struct http1_fields *fields = http1_fields_make();
        struct http1_head out = {0};
        assert_non_null(fields);
        memcpy(fields->bytes, head.data, head.length);
        size_t used = http1_plain_read(HTTP1_REQUEST, head.length, limit, fields, &out);
        assert_int_equal(used, limit < 3 ? 0 : head.length);
        http1_fields_free(fields);
    }
}

static void run(struct http1_record *record, enum http1_side side, struct text input, size_t split)
{
    record_open(record, side, &http1_limits_default, HTTP1_GET);
    record->no_reasons = true;
    record_feed(record, text_first(input, split));
    record_feed(record, text_from_index(input, split));
    record_finish(record);
    assert_false(record->log.failed);
}

static void compare(enum http1_side side, struct text input)
{
    struct http1_record whole, pieces;
    run(&whole, side, input, input.length);
    run(&pieces, side, input, 1);
    if (!text_equal(buffer_text(&whole.log), buffer_text(&pieces.log)))
        fail_msg("%.*s\nplain:\n%.*s\nllhttp:\n%.*s", TEXT_ARG(input),
                 TEXT_ARG(buffer_text(&whole.log)), TEXT_ARG(buffer_text(&pieces.log)));
    record_close(&whole);
    record_close(&pieces);
}

#define INPUT_MAX 512

static void compare_replaced(enum http1_side side, struct text input)
{
    char bytes[INPUT_MAX];
    for (size_t place = 0; place < input.length; place++) {
        memcpy(bytes, input.data, input.length);
        for (unsigned value = 0; value < 256; value++) {
            bytes[place] = (char)value;
            compare(side, text_of(bytes, input.length));
        }
    }
}

/* Without each byte; and with one of those that matter in front of each. */
static void compare_moved(enum http1_side side, struct text input)
{
    static const char inserted[] = " \t\r\n:\0x,;0\x7f\x80";
    char bytes[INPUT_MAX];
    for (size_t place = 0; place < input.length; place++) {
        memcpy(bytes, input.data, place);
        memcpy(bytes + place, input.data + place + 1, input.length - place - 1);
        compare(side, text_of(bytes, input.length - 1));
        memcpy(bytes + place + 1, input.data + place, input.length - place);
        for (size_t i = 0; i + 1 < sizeof(inserted); i++) {
            bytes[place] = inserted[i];
            compare(side, text_of(bytes, input.length + 1));
        }
    }
}

static void test_same_as_llhttp(void **state)
{
    assert_true(request.length < INPUT_MAX && response.length < INPUT_MAX);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        compare(rows[i].side, rows[i].head);
    compare_replaced(HTTP1_REQUEST, request);
    compare_replaced(HTTP1_RESPONSE, response);
    compare_moved(HTTP1_REQUEST, request);
    compare_moved(HTTP1_RESPONSE, response);
}

/* The names that mean something, twice, beside another, and with values that they may not have. */
static void test_headers_with_meaning(void **state)
{
    static const char *const lines[] = {
        "Host: x\r\n",
        "Host: y:1\r\n",
        "Content-Length: 2\r\n",
        "Content-Length: 0\r\n",
        "Content-Length: 02\r\n",
        "Content-Length: 2 \r\n",
        "Content-Length: 2, 2\r\n",
        "Content-Length: +2\r\n",
        "Content-Length: 18446744073709551616\r\n",
        "content-length:2\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Expect: 100-continue\r\n",
        "Expect: x\r\n",
        "Connection: close\r\n",
        "Connection: keep-alive, upgrade\r\n",
        "Upgrade: h2c\r\n",
        "Proxy-Connection: close\r\n",
        "Authorization: Bearer a\r\n",
        "Content-Type: a/b\r\n",
        "Content-Encoding: gzip\r\n",
        "X: y\r\n",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(lines); i++) {
        for (size_t j = 0; j < ARRAY_LENGTH(lines); j++) {
            char bytes[INPUT_MAX];
            int length = snprintf(bytes, sizeof(bytes),
                                  "POST / HTTP/1.1\r\nHost: x\r\n%s%s\r\n{}GET / HTTP/1.1\r\n\r\n",
                                  lines[i], lines[j]);
            compare(HTTP1_REQUEST, text_of(bytes, (size_t)length));
            length = snprintf(bytes, sizeof(bytes),
                              "HTTP/1.1 200 OK\r\n%s%s\r\n{}HTTP/1.1 204 No\r\n\r\n", lines[i],
                              lines[j]);
            compare(HTTP1_RESPONSE, text_of(bytes, (size_t)length));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_plain),
        cmocka_unit_test(test_count_of_headers),
        cmocka_unit_test(test_same_as_llhttp),
        cmocka_unit_test(test_headers_with_meaning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
