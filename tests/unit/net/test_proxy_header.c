/* proxy_header: both versions, cut at every byte, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "net/proxy_header.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

/* A copy of just its size, so that the sanitizer sees who reads on. */
static enum error read_copy(struct text bytes, struct proxy_header *out, size_t *length)
{
    char *copy = malloc(bytes.length > 0 ? bytes.length : 1);
    assert_non_null(copy);
    if (bytes.length > 0)
        memcpy(copy, bytes.data, bytes.length);
    enum error error = proxy_header_read(text_of(copy, bytes.length), out, length);
    free(copy);
    return error;
}

/* `header` is complete; NULL: the peer is the source. Nothing but all of it, and more behind it, is
 * enough. */
static void expect(struct text header, const char *source)
{
    struct proxy_header read;
    size_t length;
    for (size_t cut = 0; cut < header.length; cut++) {
        assert_int_equal(read_copy(text_first(header, cut), &read, &length), ERROR_OK);
        assert_int_equal(length, 0);
    }
    struct buffer more;
    char text[ADDRESS_TEXT_SIZE];
    buffer_open(&more, 8192);
    buffer_append(&more, header);
    buffer_append(&more, TEXT("GET / HTTP/1.1\r\n\r\n"));
    assert_int_equal(read_copy(buffer_text(&more), &read, &length), ERROR_OK);
    assert_int_equal(length, header.length);
    assert_int_equal(read.known, source != NULL);
    if (source != NULL) {
        address_format(&read.source, text);
        assert_string_equal(text, source);
    }
    buffer_close(&more);
}

static void test_version_1(void **state)
{
    (void)state;
    expect(TEXT("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n"), "192.0.2.1:56324");
    expect(TEXT("PROXY TCP6 2001:db8::1 2001:db8::2 0 65535\r\n"), "[2001:db8::1]:0");
    expect(TEXT("PROXY UNKNOWN\r\n"), NULL);
    expect(TEXT("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n"), NULL);
}

static void test_version_2(void **state)
{
    (void)state;
    expect(TEXT(SIGNATURE "\x21\x11\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x01\xdc\x04\x01\xbb"),
           "192.0.2.1:56324");
    /* with a field behind the addresses */
    expect(TEXT(SIGNATURE "\x21\x11\x00\x10\xc0\x00\x02\x01\xc6\x33\x64\x01\xdc\x04\x01\xbb"
                          "\x04\x00\x01\x00"),
           "192.0.2.1:56324");
    expect(TEXT(SIGNATURE "\x21\x21\x00\x24"
                          "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
                          "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\x00\x50\x01\xbb"),
           "[2001:db8::1]:80");
    /* LOCAL, whatever it has behind it; and an unspecified family */
    expect(TEXT(SIGNATURE "\x20\x00\x00\x00"), NULL);
    expect(TEXT(SIGNATURE "\x20\x11\x00\x02zz"), NULL);
    expect(TEXT(SIGNATURE "\x21\x00\x00\x03xyz"), NULL);
}

static void test_a_unix_socket_behind_the_balancer(void **state)
{
    char bytes[16 + 216] = SIGNATURE "\x21\x31\x00\xd8";
    (void)state;
    expect(text_of(bytes, sizeof bytes), NULL);
}

static void test_what_is_none(void **state)
{
    static const struct {
        struct text bytes;
        enum error error;
    } rows[] = {
        {TEXT_INIT("GET / HTTP/1.1\r\n"), ERROR_SYNTAX},
        {TEXT_INIT("PROXY TCP4 192.0.2.1 198.51.100.1 56324\r\n"), ERROR_SYNTAX},
        {TEXT_INIT("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443 1\r\n"), ERROR_SYNTAX},
        {TEXT_INIT("PROXY TCP4 192.0.2.1 198.51.100.1 56324 65536\r\n"), ERROR_SYNTAX},
        {TEXT_INIT("PROXY TCP4 192.0.2.1 198.51.100.1 056324 443\r\n"), ERROR_SYNTAX},
        {TEXT_INIT("PROXY TCP4 2001:db8::1 2001:db8::2 1 1\r\n"), ERROR_SYNTAX},
        {TEXT_INIT("PROXY TCP6 192.0.2.1 192.0.2.2 1 1\r\n"), ERROR_SYNTAX},
        {TEXT_INIT("PROXY TCP6 [2001:db8::1] [2001:db8::2] 1 1\r\n"), ERROR_SYNTAX},
        {TEXT_INIT("PROXY TCP4  192.0.2.1 198.51.100.1 1 1\r\n"), ERROR_SYNTAX},
        {TEXT_INIT("PROXY UDP4 192.0.2.1 198.51.100.1 1 1\r\n"), ERROR_SYNTAX},
        {TEXT_INIT("PROXY \r\n"), ERROR_SYNTAX},
        {TEXT_INIT("PROXY UNKNOWN 0123456789012345678901234567890123456789012345678901234567890123"
                   "45678901234567890123456789012345678901234567890"),
         ERROR_SYNTAX},
        {TEXT_INIT("proxy tcp4 "), ERROR_SYNTAX},
        {TEXT_INIT(SIGNATURE "\x11\x11\x00\x00"), ERROR_UNSUPPORTED},
        {TEXT_INIT(SIGNATURE "\x22\x11\x00\x00"), ERROR_UNSUPPORTED},
        {TEXT_INIT(SIGNATURE "\x21\x41\x00\x00"), ERROR_UNSUPPORTED},
        {TEXT_INIT(SIGNATURE "\x21\x12\x00\x0c............"), ERROR_UNSUPPORTED},
        {TEXT_INIT(SIGNATURE "\x21\x11\x00\x0b..........."), ERROR_SYNTAX},
        {TEXT_INIT(SIGNATURE "\x21\x11\xff\xff"), ERROR_LIMIT},
    };
    struct proxy_header read;
    size_t length;
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (read_copy(rows[i].bytes, &read, &length) != rows[i].error)
            fail_msg("row %zu", i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_version_1),
        cmocka_unit_test(test_version_2),
        cmocka_unit_test(test_a_unix_socket_behind_the_balancer),
        cmocka_unit_test(test_what_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
