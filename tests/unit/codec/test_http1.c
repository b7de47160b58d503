/* http1: every case is fed whole, split at every byte, one byte at a time, and with an owner that
 * stops at every event; all must say the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "record_http1.h"

struct test_case {
    const char *name;
    struct text input;
    const char *expected; /* the record; or, when it begins with '!', the error's name and a part of
                             the reason */
};

#define CASE(name, input, expected)      \
    {                                    \
        name, TEXT_INIT(input), expected \
    }

static struct http1_limits limits;

static void run(struct http1_record *record, enum http1_side side, enum http1_method method,
                struct text input, size_t split, bool stop_always)
{
    record_open(record, side, &limits, method);
    record->stop_always = stop_always;
    if (split == SIZE_MAX) {
        for (size_t i = 0; i < input.length; i++)
            record_feed(record, text_of(input.data + i, 1));
    } else {
        record_feed(record, text_first(input, split));
        record_feed(record, text_from_index(input, split));
    }
    record_finish(record);
    buffer_append_char(&record->log, '\0');
    assert_false(record->log.failed);
}

static void check(const struct test_case *test, const char *log)
{
    if (test->expected[0] != '!') {
        if (strcmp(log, test->expected) != 0)
            print_error("case: %s\n", test->name);
        assert_string_equal(log, test->expected);
        return;
    }
    const char *error = strstr(log, "error ");
    if (error == NULL || strstr(error, test->expected + 1) == NULL)
        fail_msg("case %s: expected %s, got %s", test->name, test->expected + 1, log);
}

static void run_all_ways(enum http1_side side, enum http1_method method,
                         const struct test_case *test)
{
    struct http1_record whole;
    run(&whole, side, method, test->input, test->input.length, false);
    check(test, whole.log.data);
    for (size_t split = 0; split <= test->input.length + 1; split++) {
        for (int stop = 0; stop < 2; stop++) {
            struct http1_record other;
            bool single = split > test->input.length;
            run(&other, side, method, test->input, single ? SIZE_MAX : split, stop == 1);
            if (strcmp(other.log.data, whole.log.data) != 0)
                fail_msg("case %s: split at %zu, stop %d:\n%s\ninstead of\n%s", test->name, split,
                         stop, other.log.data, whole.log.data);
            record_close(&other);
        }
    }
    record_close(&whole);
}

static void run_table(enum http1_side side, enum http1_method method, const struct test_case *cases,
                      size_t count)
{
    for (size_t i = 0; i < count; i++)
        run_all_ways(side, method, &cases[i]);
}

#define GET     "GET / HTTP/1.1\r\nHost: x\r\n"
#define POST    "POST / HTTP/1.1\r\nHost: x\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

static void test_requests_accepted(void **state)
{
    static const struct test_case cases[] = {
        CASE("nothing", "", ""),
        CASE("get", GET "\r\n", "GET / 1.1 none keep | Host=x\nend\n"),
        CASE("head", "HEAD /a?b=c&d[]=%20 HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
             "HEAD /a?b=c&d[]=%20 1.1 none keep | Host=[::1]:80\nend\n"),
        CASE("options", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
             "OPTIONS * 1.1 none keep | Host=x\nend\n"),
        CASE("empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "GET / 1.1 none keep | Host=\nend\n"),
        CASE("white space around values",
             "GET / HTTP/1.1\r\nHost:\t x \t \r\nA: b c  \r\nD: \r\n\r\n",
             "GET / 1.1 none keep | Host=x A=b c D=\nend\n"),
        CASE("old", "GET / HTTP/1.0\r\n\r\n", "GET / 1.0 none |\nend\n"),
        CASE("old keep-alive", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
             "GET / 1.0 none keep | Connection=Keep-Alive\nend\n"),
        CASE("close", GET "Connection: foo, close\r\n\r\n",
             "GET / 1.1 none | Host=x Connection=foo, close\nend\n"),
        CASE("length", POST "Content-Length: 3\r\n\r\nabc",
             "POST / 1.1 length length:3 keep | Host=x Content-Length=3\n[abc]\nend\n"),
        CASE("length 0", POST "content-length: 0 \r\n\r\n",
             "POST / 1.1 none length:0 keep | Host=x content-length=0\nend\n"),
        CASE("pipeline", POST "Content-Length: 3\r\n\r\nabc" GET "\r\n" GET "\r\n",
             "POST / 1.1 length length:3 keep | Host=x Content-Length=3\n[abc]\nend\n"
             "GET / 1.1 none keep | Host=x\nend\nGET / 1.1 none keep | Host=x\nend\n"),
        CASE("empty lines first", "\r\n\r\n" GET "\r\n", "GET / 1.1 none keep | Host=x\nend\n"),
        CASE("behind close", GET "Connection: close\r\n\r\n" GET "\r\n",
             "GET / 1.1 none | Host=x Connection=close\nend\nGET / 1.1 none keep | Host=x\nend\n"),
        CASE("chunked", CHUNKED "3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n" GET "\r\n",
             "POST / 1.1 chunked keep | Host=x Transfer-Encoding=chunked\n[abc0123456789]\nend\n"
             "GET / 1.1 none keep | Host=x\nend\n"),
        CASE("chunked, in capitals", POST "TRANSFER-ENCODING: CHUNKED\r\n\r\n0\r\n\r\n",
             "POST / 1.1 chunked keep | Host=x TRANSFER-ENCODING=CHUNKED\nend\n"),
        CASE("extensions", CHUNKED "3;a=b;c=\"d;\\\"\"\r\nabc\r\n0;x\r\n\r\n",
             "POST / 1.1 chunked keep | Host=x Transfer-Encoding=chunked\n[abc]\nend\n"),
        CASE("trailers", CHUNKED "3\r\nabc\r\n0\r\nX-A: b \r\nC:\r\n\r\n" GET "\r\n",
             "POST / 1.1 chunked keep | Host=x Transfer-Encoding=chunked\n[abc]\n"
             "trailers X-A=b C=\nend\nGET / 1.1 none keep | Host=x\nend\n"),
        CASE("trailers twice",
             CHUNKED "0\r\nA: b\r\n\r\n" CHUNKED "0\r\n\r\n" CHUNKED "0\r\nC: d\r\n\r\n",
             "POST / 1.1 chunked keep | Host=x Transfer-Encoding=chunked\ntrailers A=b\nend\n"
             "POST / 1.1 chunked keep | Host=x Transfer-Encoding=chunked\nend\n"
             "POST / 1.1 chunked keep | Host=x Transfer-Encoding=chunked\ntrailers C=d\nend\n"),
        CASE("expect", POST "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\na",
             "POST / 1.1 length length:1 keep expect | Host=x Expect=100-Continue "
             "Content-Length=1\n[a]\nend\n"),
        CASE("expect without body", GET "Expect: 100-continue\r\n\r\n",
             "GET / 1.1 none keep | Host=x Expect=100-continue\nend\n"),
        CASE("upgrade",
             GET "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n" GET "\r\n",
             "GET / 1.1 none keep upgrade | Host=x Connection=keep-alive, Upgrade "
             "Upgrade=websocket\nend\n"
             "GET / 1.1 none keep | Host=x\nend\n"),
        CASE("upgrade offered with a body",
             POST "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nContent-Length: "
                  "3\r\n\r\nabc" GET "\r\n",
             "POST / 1.1 length length:3 keep upgrade | Host=x Connection=Upgrade, HTTP2-Settings "
             "Upgrade=h2c "
             "Content-Length=3\n[abc]\nend\nGET / 1.1 none keep | Host=x\nend\n"),
        CASE("upgrade offered with a chunked body",
             POST "Connection: upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: "
                  "chunked\r\n\r\n1\r\na\r\n0\r\n\r\n" GET "\r\n",
             "POST / 1.1 chunked keep upgrade | Host=x Connection=upgrade Upgrade=h2c "
             "Transfer-Encoding=chunked\n"
             "[a]\nend\nGET / 1.1 none keep | Host=x\nend\n"),
        CASE("repeated headers", GET "A: 1\r\nA: 2\r\n\r\n",
             "GET / 1.1 none keep | Host=x A=1 A=2\nend\n"),
        CASE("bytes outside ASCII in a value", GET "A: \xc3\xa9\xff\r\n\r\n",
             "GET / 1.1 none keep | Host=x A=\xc3\xa9\xff\nend\n"),
    };
    run_table(HTTP1_REQUEST, HTTP1_GET, cases, ARRAY_LENGTH(cases));
}

static void test_requests_smuggling(void **state)
{
    static const struct test_case cases[] = {
        CASE("length and chunked",
             POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
             "!http_ambiguous"),
        CASE("chunked and length",
             POST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
             "!http_ambiguous"),
        CASE("length twice", POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
             "!http_ambiguous"),
        CASE("two lengths", POST "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
             "!http_ambiguous"),
        CASE("list of lengths", POST "Content-Length: 3, 3\r\n\r\nabc", "!http_syntax"),
        CASE("length with sign", POST "Content-Length: +3\r\n\r\nabc", "!http_syntax"),
        CASE("negative length", POST "Content-Length: -3\r\n\r\nabc", "!http_syntax"),
        CASE("hexadecimal length", POST "Content-Length: 0x3\r\n\r\nabc", "!http_syntax"),
        CASE("length with a space inside", POST "Content-Length: 3 3\r\n\r\nabc", "!http_syntax"),
        CASE("empty length", POST "Content-Length:\r\n\r\nabc", "!http_syntax"),
        CASE("blank length", POST "Content-Length:  \r\n\r\nabc", "!http_syntax"),
        CASE("length overflows", POST "Content-Length: 18446744073709551616\r\n\r\nabc",
             "!http_syntax"),
        CASE("coding before chunked", POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
             "!http_ambiguous"),
        CASE("coding after chunked", POST "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
             "!http_ambiguous"),
        CASE("identity", POST "Transfer-Encoding: identity\r\n\r\n0\r\n\r\n", "!http_ambiguous"),
        CASE("xchunked", POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "!http_ambiguous"),
        CASE("chunked with a tail", POST "Transfer-Encoding: chunkedx\r\n\r\n0\r\n\r\n",
             "!http_ambiguous"),
        CASE("chunked with parameters", POST "Transfer-Encoding: chunked;a=b\r\n\r\n0\r\n\r\n",
             "!http_ambiguous"),
        CASE("chunked behind a comma", POST "Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n",
             "!http_ambiguous"),
        CASE("chunked behind a vertical tab", POST "Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n",
             "!http_syntax"),
        CASE("quoted chunked", POST "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
             "!http_ambiguous"),
        CASE("empty coding", POST "Transfer-Encoding:\r\n\r\n0\r\n\r\n", "!http_ambiguous"),
        CASE("chunked twice",
             POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
             "!http_ambiguous"),
        CASE("chunked and identity",
             POST "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
             "!http_ambiguous"),
        CASE("chunked in HTTP/1.0",
             "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "!http_ambiguous"),
        CASE("folded coding", POST "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", "!http_"),
        CASE("space before the colon", POST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
             "!http_syntax"),
        CASE("no host", "GET / HTTP/1.1\r\n\r\n",
             "!http_syntax: an HTTP/1.1 request must have a Host"),
        CASE("two hosts", GET "Host: x\r\n\r\n", "!http_ambiguous"),
        CASE("two hosts in 1.0", "GET / HTTP/1.0\r\nHost: a\r\nhost: a\r\n\r\n", "!http_ambiguous"),
        CASE("a list of hosts", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", "!http_syntax"),
        CASE("a host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "!http_syntax"),
        CASE("a host with a user", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", "!http_syntax"),
        CASE("length in a trailer", CHUNKED "0\r\nContent-Length: 5\r\n\r\nhello",
             "!http_ambiguous"),
        CASE("coding in a trailer", CHUNKED "0\r\nTransfer-Encoding: chunked\r\n\r\n",
             "!http_ambiguous"),
        CASE("host in a trailer", CHUNKED "0\r\nHost: y\r\n\r\n", "!http_ambiguous"),
    };
    run_table(HTTP1_REQUEST, HTTP1_GET, cases, ARRAY_LENGTH(cases));
}

static void test_requests_chunks(void **state)
{
    static const struct test_case cases[] = {
        CASE("space behind the size", CHUNKED "3 \r\nabc\r\n0\r\n\r\n", "!http_syntax"),
        CASE("space before the size", CHUNKED " 3\r\nabc\r\n0\r\n\r\n", "!http_syntax"),
        CASE("tab behind the size", CHUNKED "3\t\r\nabc\r\n0\r\n\r\n", "!http_syntax"),
        CASE("plus", CHUNKED "+3\r\nabc\r\n0\r\n\r\n", "!http_syntax"),
        CASE("minus", CHUNKED "-3\r\nabc\r\n0\r\n\r\n", "!http_syntax"),
        CASE("0x", CHUNKED "0x3\r\nabc\r\n0\r\n\r\n", "!http_syntax"),
        CASE("not hexadecimal", CHUNKED "g\r\nabc\r\n0\r\n\r\n", "!http_syntax"),
        CASE("empty size", CHUNKED "\r\nabc\r\n0\r\n\r\n", "!http_syntax"),
        CASE("only an extension", CHUNKED ";a=b\r\nabc\r\n0\r\n\r\n", "!http_syntax"),
        CASE("overflow by one", CHUNKED "10000000000000000\r\nabc\r\n0\r\n\r\n", "!http_syntax"),
        CASE("overflow", CHUNKED "fffffffffffffffff\r\nabc\r\n0\r\n\r\n", "!http_syntax"),
        CASE("bare LF behind the size", CHUNKED "3\nabc\r\n0\r\n\r\n", "!http_syntax"),
        CASE("bare CR behind the size", CHUNKED "3\rabc\r\n0\r\n\r\n", "!http_syntax"),
        CASE("bare LF behind the data", CHUNKED "3\r\nabc\n0\r\n\r\n", "!http_syntax"),
        CASE("bare CR behind the data", CHUNKED "3\r\nabc\r0\r\n\r\n", "!http_syntax"),
        CASE("nothing behind the data", CHUNKED "3\r\nabc0\r\n\r\n", "!http_syntax"),
        CASE("data too long", CHUNKED "3\r\nabcd\r\n0\r\n\r\n", "!http_syntax"),
        CASE("data too short", CHUNKED "3\r\nab\r\n0\r\n\r\n", "!http_syntax"),
        CASE("bare LF behind the last size", CHUNKED "0\n\r\n", "!http_syntax"),
        CASE("bare LF at the end", CHUNKED "0\r\n\n", "!http_syntax"),
        CASE("bare LF in trailers", CHUNKED "0\r\nA: b\n\r\n", "!http_syntax"),
        CASE("folded trailer", CHUNKED "0\r\nA: b\r\n c\r\n\r\n", "!http_syntax"),
        CASE("bare LF in an extension", CHUNKED "3;a\nabc\r\n0\r\n\r\n", "!http_syntax"),
        CASE("bare LF in an extension's value", CHUNKED "3;a=b\nabc\r\n0\r\n\r\n", "!http_syntax"),
        CASE("bare LF in a quoted extension", CHUNKED "3;a=\"b\nc\"\r\nabc\r\n0\r\n\r\n",
             "!http_syntax"),
        CASE("CRLF in a quoted extension", CHUNKED "3;a=\"b\r\nc\"\r\nabc\r\n0\r\n\r\n",
             "!http_syntax"),
        CASE("bare CR in an extension", CHUNKED "3;a=b\rc\r\nabc\r\n0\r\n\r\n", "!http_syntax"),
        CASE("extension without a name", CHUNKED "3;\r\nabc\r\n0\r\n\r\n", "!http_syntax"),
        CASE("long extension",
             CHUNKED "3;aaaaaaaaaaaaaaaa=bbbbbbbbbbbbbbbbbbbb\r\nabc\r\n0\r\n\r\n",
             "!http_syntax: the chunk extensions"),
        CASE("many extensions",
             CHUNKED "3;a;b;c;d;e;f;g;h;i;j;k;l;m;n;o;p;q;r;s;t;u;v;w;x;y;z;a;b;c;d;e;f;g\r\nabc",
             "!http_syntax: the chunk extensions"),
        CASE("many trailers", CHUNKED "0\r\nA:1\r\nA:1\r\nA:1\r\nA:1\r\nA:1\r\nA:1\r\nA:1\r\n\r\n",
             "!http_head_too_large"),
        CASE("long trailer",
             CHUNKED
             "0\r\nA: "
             "0123456789012345678901234567890123456789012345678901234567890123456789\r\n\r\n",
             "!http_head_too_large"),
        CASE("cut in the size", CHUNKED "3", "!http_truncated"),
        CASE("cut in the data", CHUNKED "3\r\nab", "!http_truncated"),
        CASE("cut before the end", CHUNKED "3\r\nabc\r\n0\r\n", "!http_truncated"),
    };
    limits.extension_bytes = 32;
    limits.header_count = 6;
    limits.trailer_bytes = 64;
    run_table(HTTP1_REQUEST, HTTP1_GET, cases, ARRAY_LENGTH(cases));
}

static void test_requests_heads(void **state)
{
    static const struct test_case cases[] = {
        CASE("bare LF behind the request line", "GET / HTTP/1.1\nHost: x\r\n\r\n", "!http_syntax"),
        CASE("bare LF behind a header", "GET / HTTP/1.1\r\nHost: x\n\r\n", "!http_syntax"),
        CASE("bare LF at the end", GET "\n", "!http_syntax"),
        CASE("bare LF twice", "GET / HTTP/1.1\r\nHost: x\n\n", "!http_syntax"),
        CASE("bare LF in a value", "GET / HTTP/1.1\r\nA: b\nHost: x\r\n\r\n", "!http_syntax"),
        CASE("bare CR behind the request line", "GET / HTTP/1.1\rHost: x\r\n\r\n", "!http_syntax"),
        CASE("bare CR in a value", GET "A: b\rc\r\n\r\n", "!http_syntax"),
        CASE("bare CR at the end", GET "\r\rGET", "!http_syntax"),
        CASE("CR CR LF", GET "A: b\r\r\n\r\n", "!http_syntax"),
        CASE("bare LF first", "\n" GET "\r\n", "!http_syntax"),
        CASE("bare CR first", "\r" GET "\r\n", "!http_syntax"),
        CASE("many empty lines first", "\r\n\r\n\r\n" GET "\r\n", "!http_syntax"),
        CASE("folding", GET "A: b\r\n c\r\n\r\n", "!http_syntax"),
        CASE("folding with a tab", GET "A: b\r\n\tc\r\n\r\n", "!http_syntax"),
        CASE("folding an empty value", GET "A:\r\n b\r\n\r\n", "!http_syntax"),
        CASE("space before the first header", "GET / HTTP/1.1\r\n Host: x\r\n\r\n", "!http_syntax"),
        CASE("space before the colon", "GET / HTTP/1.1\r\nHost : x\r\n\r\n", "!http_syntax"),
        CASE("no colon", GET "Abc\r\n\r\n", "!http_syntax"),
        CASE("no name", GET ": b\r\n\r\n", "!http_syntax"),
        CASE("NUL in a name", GET "A\0b: c\r\n\r\n", "!http_syntax"),
        CASE("NUL in a value", GET "A: b\0c\r\n\r\n", "!http_syntax"),
        CASE("control character in a value", GET "A: b\x01\r\n\r\n", "!http_syntax"),
        CASE("DEL in a value", GET "A: b\x7f\r\n\r\n", "!http_syntax"),
        CASE("byte outside ASCII in a name", GET "A\xc3\xa9: b\r\n\r\n", "!http_syntax"),
        CASE("parenthesis in a name", GET "A(b): c\r\n\r\n", "!http_syntax"),
        CASE("two spaces before the target", "GET  / HTTP/1.1\r\nHost: x\r\n\r\n", "!http_syntax"),
        CASE("two spaces behind the target", "GET /  HTTP/1.1\r\nHost: x\r\n\r\n", "!http_syntax"),
        CASE("space behind the version", "GET / HTTP/1.1 \r\nHost: x\r\n\r\n", "!http_syntax"),
        CASE("tab behind the method", "GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n", "!http_syntax"),
        CASE("space in the target", "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", "!http_syntax"),
        CASE("NUL in the target", "GET /a\0b HTTP/1.1\r\nHost: x\r\n\r\n", "!http_syntax"),
        CASE("control character in the target", "GET /a\x1f HTTP/1.1\r\nHost: x\r\n\r\n",
             "!http_syntax"),
        CASE("byte outside ASCII in the target", "GET /a\x80 HTTP/1.1\r\nHost: x\r\n\r\n",
             "!http_syntax"),
        CASE("fragment", "GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n", "!http_syntax"),
        CASE("backslash", "GET /a\\b HTTP/1.1\r\nHost: x\r\n\r\n", "!http_syntax"),
        CASE("quote", "GET /a?\"b HTTP/1.1\r\nHost: x\r\n\r\n", "!http_syntax"),
        CASE("absolute form without a path", "GET http://x HTTP/1.1\r\nHost: x\r\n\r\n",
             "!http_syntax: the request target must be a path"),
        CASE("absolute form of another host", "GET http://y/ HTTP/1.1\r\nHost: x\r\n\r\n",
             "!http_ambiguous: the request target and the Host"),
        CASE("absolute form of another scheme", "GET ftp://x/ HTTP/1.1\r\nHost: x\r\n\r\n",
             "!http_syntax: the request target must be a path"),
        CASE("relative target", "GET a HTTP/1.1\r\nHost: x\r\n\r\n", "!http_syntax"),
        CASE("only a query", "GET ?a HTTP/1.1\r\nHost: x\r\n\r\n", "!http_syntax"),
        CASE("star with GET", "GET * HTTP/1.1\r\nHost: x\r\n\r\n", "!http_syntax"),
        CASE("star with a tail", "OPTIONS *a HTTP/1.1\r\nHost: x\r\n\r\n", "!http_syntax"),
        CASE("connect", "CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n",
             "!http_unsupported: this method"),
        CASE("trace", "TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", "!http_unsupported: this method"),
        CASE("method outside the list", "PROPFIND / HTTP/1.1\r\nHost: x\r\n\r\n",
             "!http_unsupported: this method"),
        CASE("unknown method", "FROB / HTTP/1.1\r\nHost: x\r\n\r\n", "!http_syntax"),
        CASE("method in small letters", "get / HTTP/1.1\r\nHost: x\r\n\r\n", "!http_syntax"),
        CASE("TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "!http_syntax"),
        CASE("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "!http_unsupported: HTTP/2"),
        CASE("no version", "GET /\r\nHost: x\r\n\r\n", "!http_"),
        CASE("no version at all", "GET /\r\n\r\n", "!http_unsupported"),
        CASE("version 0.9", "GET / HTTP/0.9\r\nHost: x\r\n\r\n", "!http_unsupported"),
        CASE("version 1.2", "GET / HTTP/1.2\r\nHost: x\r\n\r\n", "!http_"),
        CASE("version 2.0", "GET / HTTP/2.0\r\nHost: x\r\n\r\n", "!http_unsupported"),
        CASE("version 1.10", "GET / HTTP/1.10\r\nHost: x\r\n\r\n", "!http_syntax"),
        CASE("version in small letters", "GET / http/1.1\r\nHost: x\r\n\r\n", "!http_syntax"),
        CASE("RTSP", "GET / RTSP/1.0\r\nHost: x\r\n\r\n", "!http_syntax"),
        CASE("unknown expectation", POST "Expect: 200-ok\r\nContent-Length: 1\r\n\r\na",
             "!http_expectation"),
        CASE("cut in the request line", "GET / HT", "!http_truncated"),
        CASE("cut in the head", GET, "!http_truncated"),
        CASE("cut in the body", POST "Content-Length: 3\r\n\r\nab", "!http_truncated"),
    };
    run_table(HTTP1_REQUEST, HTTP1_GET, cases, ARRAY_LENGTH(cases));
}

static void test_responses(void **state)
{
    static const struct test_case cases[] = {
        CASE("length", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
             "200 'OK' 1.1 length length:3 keep | Content-Length=3\n[abc]\nend\n"),
        CASE("chunked",
             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n",
             "200 'OK' 1.1 chunked keep | Transfer-Encoding=chunked\n[abcd]\nend\n"),
        CASE("until close", "HTTP/1.1 200 OK\r\nA: b\r\n\r\nabc\r\n\r\ndef",
             "200 'OK' 1.1 close | A=b\n[abc\r\n\r\ndef]\nend\n"),
        CASE("until close, empty", "HTTP/1.0 200 OK\r\n\r\n", "200 'OK' 1.0 close |\nend\n"),
        CASE("HTTP/1.0 keep-alive",
             "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\na",
             "200 'OK' 1.0 length length:1 keep | Connection=keep-alive "
             "Content-Length=1\n[a]\nend\n"),
        CASE("close", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\na",
             "200 'OK' 1.1 length length:1 | Connection=close Content-Length=1\n[a]\nend\n"),
        CASE("no phrase", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n",
             "200 '' 1.1 none length:0 keep | Content-Length=0\nend\n"),
        CASE("no phrase and no space", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
             "200 '' 1.1 none length:0 keep | Content-Length=0\nend\n"),
        CASE("a phrase outside ASCII",
             "HTTP/1.1 404 Non trouv\xc3\xa9\r\nContent-Length: 0\r\n\r\n",
             "404 'Non trouv\xc3\xa9' 1.1 none length:0 keep | Content-Length=0\nend\n"),
        CASE("204", "HTTP/1.1 204 No Content\r\n\r\n", "204 'No Content' 1.1 none keep |\nend\n"),
        CASE("204 with a length", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
             "204 'No Content' 1.1 none length:0 keep | Content-Length=0\nend\n"),
        CASE("204 that declares a body", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
             "204 'No Content' 1.1 none length:5 | Content-Length=5\nend\n"),
        CASE("304", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
             "304 'Not Modified' 1.1 none length:5 keep | Content-Length=5\nend\n"),
        CASE("two",
             "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 201 OK\r\nContent-Length: "
             "1\r\n\r\nb",
             "200 'OK' 1.1 length length:1 keep | Content-Length=1\n[a]\nend\n"
             "201 'OK' 1.1 length length:1 keep | Content-Length=1\n[b]\nend\n"),
        CASE("100", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
             "interim 100 'Continue' 1.1 none keep |\n"
             "200 'OK' 1.1 length length:1 keep | Content-Length=1\n[a]\nend\n"),
        CASE("100 and 103",
             "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 204 "
             "No\r\n\r\n",
             "interim 100 'Continue' 1.1 none keep |\ninterim 103 'Early Hints' 1.1 none keep | "
             "Link=a\n"
             "204 'No' 1.1 none keep |\nend\n"),
        CASE("101",
             "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: "
             "websocket\r\n\r\n\x81\x05hello",
             "101 'Switching Protocols' 1.1 none upgrade | Connection=upgrade "
             "Upgrade=websocket\nend\n"),
        CASE("upgrade offered on 200",
             "HTTP/1.1 200 OK\r\nConnection: Upgrade\r\nUpgrade: h2\r\nTransfer-Encoding: "
             "chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
             "200 'OK' 1.1 chunked keep | Connection=Upgrade Upgrade=h2 "
             "Transfer-Encoding=chunked\n[a]\nend\n"),
        CASE("trailers",
             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nGrpc-Status: "
             "0\r\n\r\n",
             "200 'OK' 1.1 chunked keep | Transfer-Encoding=chunked\n[a]\ntrailers "
             "Grpc-Status=0\nend\n"),
        CASE("both lengths",
             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
             "!http_ambiguous"),
        CASE("length twice", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
             "!http_ambiguous"),
        CASE("gzip", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\na", "!http_ambiguous"),
        CASE("chunked in 1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
             "!http_ambiguous"),
        CASE("bare LF behind the status line", "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
             "!http_syntax"),
        CASE("bare LF behind a header", "HTTP/1.1 200 OK\r\nContent-Length: 0\n\r\n",
             "!http_syntax"),
        CASE("folding", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", "!http_syntax"),
        CASE("empty line first", "\r\nHTTP/1.1 200 OK\r\n\r\n", "!http_syntax"),
        CASE("not HTTP", "SSH-2.0-OpenSSH_9.2\r\n", "!http_syntax"),
        CASE("HTTP/2", "HTTP/2 200\r\n\r\n", "!http_"),
        CASE("two digits", "HTTP/1.1 20 OK\r\n\r\n", "!http_syntax"),
        CASE("four digits", "HTTP/1.1 2000 OK\r\n\r\n", "!http_syntax"),
        CASE("099", "HTTP/1.1 099 OK\r\n\r\n", "!http_syntax"),
        CASE("600", "HTTP/1.1 600 OK\r\n\r\n", "!http_syntax"),
        CASE("NUL in the phrase", "HTTP/1.1 200 O\0K\r\n\r\n", "!http_syntax"),
        CASE("bare CR in the phrase", "HTTP/1.1 200 O\rK\r\n\r\n", "!http_syntax"),
        CASE("cut in the head", "HTTP/1.1 200 OK\r\nA: b", "!http_truncated"),
        CASE("cut in the body", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
             "!http_truncated"),
        CASE("cut in a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
             "!http_truncated"),
        CASE("cut behind an interim", "HTTP/1.1 100 Continue\r\n\r\n", "!http_truncated"),
        CASE("too many interims",
             "HTTP/1.1 100 A\r\n\r\nHTTP/1.1 100 A\r\n\r\nHTTP/1.1 100 A\r\n\r\nHTTP/1.1 200 "
             "A\r\n\r\n",
             "!http_syntax"),
    };
    limits.interim_count = 2;
    run_table(HTTP1_RESPONSE, HTTP1_GET, cases, ARRAY_LENGTH(cases));
}

static void test_responses_to_head_and_connect(void **state)
{
    static const struct test_case head[] = {
        CASE("length",
             "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: "
             "chunked\r\n\r\n",
             "200 'OK' 1.1 none length:3 keep | Content-Length=3\nend\n"
             "200 'OK' 1.1 none keep | Transfer-Encoding=chunked\nend\n"),
        CASE("nothing declared", "HTTP/1.1 200 OK\r\n\r\n", "200 'OK' 1.1 none keep |\nend\n"),
    };
    static const struct test_case connect[] = {
        CASE("tunnel", "HTTP/1.1 200 Connection established\r\n\r\nrest",
             "200 'Connection established' 1.1 none upgrade |\nend\n"),
        CASE("refused", "HTTP/1.1 407 No\r\nContent-Length: 2\r\n\r\nno",
             "407 'No' 1.1 length length:2 keep | Content-Length=2\n[no]\nend\n"),
    };
    run_table(HTTP1_RESPONSE, HTTP1_HEAD, head, ARRAY_LENGTH(head));
    run_table(HTTP1_RESPONSE, HTTP1_CONNECT, connect, ARRAY_LENGTH(connect));
}

/* A head of exactly `size` bytes, with long and many headers, so that its memory grows. */
static void make_head(struct buffer *out, size_t size, size_t headers)
{
    buffer_clear(out);
    buffer_append(out, TEXT("GET /some/path HTTP/1.1\r\nHost: example\r\n"));
    for (size_t i = 0; i < headers; i++)
        buffer_append_format(out, "X-Header-%zu: value-%zu\r\n", i, i);
    buffer_append(out, TEXT("Last: "));
    while (out->length < size - 4)
        buffer_append_char(out, 'v');
    buffer_append(out, TEXT("\r\n\r\n"));
    assert_int_equal(out->length, size);
}

static void check_large_head(struct text input, size_t step, size_t headers)
{
    struct http1_record record;
    record_open(&record, HTTP1_REQUEST, &limits, HTTP1_GET);
    for (size_t i = 0; i < input.length; i += step)
        record_feed(&record, text_first(text_from_index(input, i), step));
    assert_int_equal(record.error, ERROR_OK);
    const struct http1_head *head = &record.parser.head;
    assert_true(text_equal(head->target, TEXT("/some/path")));
    assert_int_equal(head->header_count, headers + 2);
    assert_true(text_equal(http1_head_value(head, HEADER_HOST), TEXT("example")));
    for (size_t i = 0; i < headers; i++) {
        char name[32], value[32];
        int name_length = snprintf(name, sizeof(name), "x-header-%zu", i);
        int value_length = snprintf(value, sizeof(value), "value-%zu", i);
        const struct http1_header *header =
            http1_head_find_name(head, text_of(name, (size_t)name_length));
        assert_non_null(header);
        assert_true(text_equal(header->value, text_of(value, (size_t)value_length)));
    }
    assert_true(http1_parser_between(&record.parser));
    http1_parser_idle(&record.parser);
    assert_null(http1_head_find(head, HEADER_HOST));
    record_close(&record);
}

static void test_large_heads(void **state)
{
    struct buffer input;
    buffer_open(&input, 1u << 20);
    static const size_t steps[] = {1, 7, 1000, 2047, 2048, 2049, 1u << 20};
    for (size_t i = 0; i < ARRAY_LENGTH(steps); i++) {
        make_head(&input, 3000, 60);
        check_large_head(buffer_text(&input), steps[i], 60);
        make_head(&input, limits.head_bytes, 98);
        check_large_head(buffer_text(&input), steps[i], 98);
    }
    buffer_close(&input);
}

static void check_too_large(struct text input, size_t step)
{
    struct http1_record record;
    record_open(&record, HTTP1_REQUEST, &limits, HTTP1_GET);
    for (size_t i = 0; i < input.length; i += step)
        record_feed(&record, text_first(text_from_index(input, i), step));
    assert_int_equal(record.error, ERROR_HTTP_HEAD_TOO_LARGE);
    record_close(&record);
}

static void test_limits_of_a_head(void **state)
{
    struct buffer input;
    buffer_open(&input, 1u << 20);
    static const size_t steps[] = {1, 4096, 1u << 20};
    for (size_t i = 0; i < ARRAY_LENGTH(steps); i++) {
        make_head(&input, limits.head_bytes + 1, 10);
        check_too_large(buffer_text(&input), steps[i]);
        make_head(&input, 8000, 99);
        check_too_large(buffer_text(&input), steps[i]);
    }
    /* White space that belongs to no value counts, too. */
    buffer_clear(&input);
    buffer_append(&input, TEXT("GET / HTTP/1.1\r\nHost:"));
    while (input.length <= limits.head_bytes)
        buffer_append_char(&input, ' ');
    check_too_large(buffer_text(&input), 4096);
    buffer_close(&input);
}

static void test_consumed_stops_at_the_message(void **state)
{
    struct http1_record record;
    record_open(&record, HTTP1_REQUEST, &limits, HTTP1_GET);
    struct text first = TEXT(CHUNKED "3\r\nabc\r\n0\r\n\r\n");
    struct text both = TEXT(CHUNKED "3\r\nabc\r\n0\r\n\r\n" GET "\r\n");
    size_t consumed;
    assert_int_equal(http1_feed(&record.parser, both, &consumed), ERROR_OK);
    assert_int_equal(consumed, first.length);
    assert_true(http1_parser_between(&record.parser));
    /* The first head is still readable. */
    assert_int_equal(record.parser.head.method, HTTP1_POST);
    assert_true(text_equal(http1_head_value(&record.parser.head, HEADER_TRANSFER_ENCODING),
                           TEXT("chunked")));
    struct text second = text_from_index(both, consumed);
    assert_int_equal(http1_feed(&record.parser, second, &consumed), ERROR_OK);
    assert_int_equal(consumed, second.length);
    assert_int_equal(record.parser.head.method, HTTP1_GET);
    record_close(&record);
}

static void test_stop_at_head(void **state)
{
    struct http1_record record;
    record_open(&record, HTTP1_REQUEST, &limits, HTTP1_GET);
    record.stop_always = true;
    struct text head = TEXT(POST "Content-Length: 3\r\n\r\n");
    struct text all = TEXT(POST "Content-Length: 3\r\n\r\nabcdef");
    size_t consumed;
    assert_int_equal(http1_feed(&record.parser, all, &consumed), ERROR_OK);
    assert_int_equal(consumed, head.length);
    all = text_from_index(all, consumed);
    assert_int_equal(http1_feed(&record.parser, all, &consumed), ERROR_OK);
    assert_int_equal(consumed, 3);
    assert_false(http1_parser_between(&record.parser));
    assert_int_equal(http1_feed(&record.parser, text_of(NULL, 0), &consumed), ERROR_OK);
    assert_true(http1_parser_between(&record.parser));
    record_close(&record);
}

static void test_body_is_not_copied(void **state)
{
    struct http1_record record;
    record_open(&record, HTTP1_REQUEST, &limits, HTTP1_GET);
    struct buffer input;
    buffer_open(&input, 1u << 20);
    buffer_append(&input, TEXT(POST "Content-Length: 300000\r\n\r\n"));
    for (size_t i = 0; i < 300000; i++)
        buffer_append_char(&input, (char)('a' + i % 26));
    record_feed(&record, buffer_text(&input));
    assert_int_equal(record.error, ERROR_OK);
    assert_true(http1_parser_between(&record.parser));
    buffer_close(&input);
    record_close(&record);
}

static void test_errors_are_final(void **state)
{
    struct http1_record record;
    record_open(&record, HTTP1_REQUEST, &limits, HTTP1_GET);
    size_t consumed;
    assert_int_equal(http1_feed(&record.parser, TEXT("GET / HTTP/1.1\n"), &consumed),
                     ERROR_HTTP_SYNTAX);
    assert_int_equal(http1_feed(&record.parser, TEXT(GET "\r\n"), &consumed), ERROR_HTTP_SYNTAX);
    assert_int_equal(consumed, 0);
    assert_non_null(record.parser.reason);
    assert_int_equal(http1_end(&record.parser), ERROR_HTTP_SYNTAX);
    record_close(&record);
}

/* Every byte value at every kind of place: only what the grammar has is let through. */
static void test_characters(void **state)
{
    static const char token[] =
        "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    static const char target[] =
        "!$%&'()*+,-./0123456789:;=?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_abcdefghijklmnopqrstuvwxyz{|}~";
    for (unsigned c = 0; c < 256; c++) {
        for (unsigned place = 0; place < 3; place++) {
            char input[] = "GET /p?a HTTP/1.1\r\nHost: x\r\nAnn: xyz\r\n\r\n";
            static const size_t places[] = {7, 29, 34};
            static const char *const allowed[] = {target, token, NULL};
            input[places[place]] = (char)c;
            bool expected = allowed[place] != NULL
                                ? c != 0 && strchr(allowed[place], (int)c) != NULL
                                : c == '\t' || (c >= ' ' && c != 0x7f);
            if (place == 1 && c == ':')
                expected = true; /* a shorter name */
            struct http1_record record;
            record_open(&record, HTTP1_REQUEST, &limits, HTTP1_GET);
            record_feed(&record, text_of(input, sizeof(input) - 1));
            if ((record.error == ERROR_OK) != expected)
                fail_msg("byte %02x at place %u: %s", c, place, expected ? "refused" : "accepted");
            record_close(&record);
        }
    }
}

static void test_writing(void **state)
{
    struct buffer out;
    buffer_open(&out, 4096);
    assert_true(http1_append_status_line(&out, 200));
    assert_true(http1_append_status_line(&out, 299));
    assert_true(http1_append_header(&out, TEXT("A"), TEXT("b c")));
    assert_true(http1_append_header(&out, TEXT("Empty"), TEXT("")));
    assert_true(http1_append_header_unsigned(&out, TEXT("Content-Length"), 1234));
    assert_true(text_equal(buffer_text(&out),
                           TEXT("HTTP/1.1 200 OK\r\nHTTP/1.1 299 \r\nA: b c\r\nEmpty: \r\n"
                                "Content-Length: 1234\r\n")));
    assert_false(out.failed);
    static const struct text bad_values[] = {TEXT_INIT("a\r\nB: c"), TEXT_INIT("a\n"),
                                             TEXT_INIT("\0"), TEXT_INIT("\x7f")};
    static const struct text bad_names[] = {TEXT_INIT(""), TEXT_INIT("a b"), TEXT_INIT("a:"),
                                            TEXT_INIT("\xc3\xa9")};
    for (size_t i = 0; i < 4; i++) {
        size_t before = out.length;
        assert_false(http1_append_header(&out, TEXT("A"), bad_values[i]));
        assert_false(http1_append_header(&out, bad_names[i], TEXT("v")));
        assert_true(out.failed);
        assert_int_equal(out.length, before);
        out.failed = false;
    }
    buffer_close(&out);
    assert_true(text_equal(http1_status_phrase(429), TEXT("Too Many Requests")));
    assert_true(text_empty(http1_status_phrase(299)));
    assert_true(text_empty(http1_status_phrase(99)));
}

static void test_chunk_lines(void **state)
{
    static const struct {
        size_t size;
        const char *line;
    } cases[] = {{1, "1\r\n"},
                 {15, "f\r\n"},
                 {16, "10\r\n"},
                 {255, "ff\r\n"},
                 {256, "100\r\n"},
                 {65536, "10000\r\n"},
                 {SIZE_MAX, "ffffffffffffffff\r\n"}};
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        char line[HTTP1_CHUNK_LINE_SIZE];
        size_t length = http1_format_chunk_line(cases[i].size, line);
        assert_true(text_equal(text_of(line, length), text_from(cases[i].line)));
    }
}

static void test_lists(void **state)
{
    struct text list = TEXT(" a, ,b ,,\tc d\t,"), member;
    assert_true(http1_list_next(&list, &member) && text_equal(member, TEXT("a")));
    assert_true(http1_list_next(&list, &member) && text_equal(member, TEXT("b")));
    assert_true(http1_list_next(&list, &member) && text_equal(member, TEXT("c d")));
    assert_false(http1_list_next(&list, &member));
    enum http1_method method;
    assert_true(http1_method_find(TEXT("PATCH"), &method));
    assert_int_equal(method, HTTP1_PATCH);
    assert_false(http1_method_find(TEXT("patch"), &method));
}

static int set_up(void **state)
{
    limits = http1_limits_default;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_requests_accepted, set_up),
        cmocka_unit_test_setup(test_requests_smuggling, set_up),
        cmocka_unit_test_setup(test_requests_chunks, set_up),
        cmocka_unit_test_setup(test_requests_heads, set_up),
        cmocka_unit_test_setup(test_responses, set_up),
        cmocka_unit_test_setup(test_responses_to_head_and_connect, set_up),
        cmocka_unit_test_setup(test_large_heads, set_up),
        cmocka_unit_test_setup(test_limits_of_a_head, set_up),
        cmocka_unit_test_setup(test_consumed_stops_at_the_message, set_up),
        cmocka_unit_test_setup(test_stop_at_head, set_up),
        cmocka_unit_test_setup(test_body_is_not_copied, set_up),
        cmocka_unit_test_setup(test_errors_are_final, set_up),
        cmocka_unit_test_setup(test_characters, set_up),
        cmocka_unit_test_setup(test_writing, set_up),
        cmocka_unit_test_setup(test_chunk_lines, set_up),
        cmocka_unit_test_setup(test_lists, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
