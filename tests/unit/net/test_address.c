#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/address.h"

static void test_parse_and_format(void **state)
{
    static const struct {
        const char *input;
        const char *formatted; /* NULL: refused */
        const char *host;
        uint16_t port;
        bool loopback;
    } rows[] = {
        {"127.0.0.1:8080", "127.0.0.1:8080", "127.0.0.1", 8080, true},
        {"127.255.0.9:1", "127.255.0.9:1", "127.255.0.9", 1, true},
        {"10.1.2.3:65535", "10.1.2.3:65535", "10.1.2.3", 65535, false},
        {"0.0.0.0:0", "0.0.0.0:0", "0.0.0.0", 0, false},
        {":8080", "[::]:8080", "::", 8080, false},
        {"[::1]:8080", "[::1]:8080", "::1", 8080, true},
        {"[2001:DB8::1]:443", "[2001:db8::1]:443", "2001:db8::1", 443, false},
        {"[::ffff:127.0.0.1]:80", "127.0.0.1:80", "127.0.0.1", 80, true},
        {"[::ffff:10.0.0.1]:80", "10.0.0.1:80", "10.0.0.1", 80, false},
        {"unix:/run/gate.sock", "unix:/run/gate.sock", "unix", 0, true},
        {"unix:@gate", "unix:@gate", "unix", 0, true},
        {"", NULL, NULL, 0, false},
        {":", NULL, NULL, 0, false},
        {"127.0.0.1", NULL, NULL, 0, false},
        {"127.0.0.1:", NULL, NULL, 0, false},
        {"127.0.0.1:65536", NULL, NULL, 0, false},
        {"127.0.0.1:-1", NULL, NULL, 0, false},
        {"127.0.0.1:+1", NULL, NULL, 0, false},
        {"127.0.0.1: 80", NULL, NULL, 0, false},
        {"127.0.0.1:80 ", NULL, NULL, 0, false},
        {"127.0.0.1:0000080", NULL, NULL, 0, false},
        {"127.0.0.1:99999999999999999999", NULL, NULL, 0, false},
        {"127.1:80", NULL, NULL, 0, false},
        {"0177.0.0.1:80", NULL, NULL, 0, false},
        {"2130706433:80", NULL, NULL, 0, false},
        {"0x7f.0.0.1:80", NULL, NULL, 0, false},
        {"256.0.0.1:80", NULL, NULL, 0, false},
        {"::1:80", NULL, NULL, 0, false},
        {"::1", NULL, NULL, 0, false},
        {"[::1]", NULL, NULL, 0, false},
        {"[::1:80", NULL, NULL, 0, false},
        {"[::1]x:80", NULL, NULL, 0, false},
        {"[127.0.0.1]:80", NULL, NULL, 0, false},
        {"[]:80", NULL, NULL, 0, false},
        {"[fe80::1%lo]:80", NULL, NULL, 0, false},
        {"localhost:80", NULL, NULL, 0, false},
        {"unix:", NULL, NULL, 0, false},
        {"unix:relative", NULL, NULL, 0, false},
        {"unix:@", NULL, NULL, 0, false},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct address address;
        char out[ADDRESS_TEXT_SIZE];
        enum error error = address_parse(text_from(rows[i].input), &address);
        if (!rows[i].formatted) {
            if (error == ERROR_OK)
                fail_msg("%s was taken", rows[i].input);
            continue;
        }
        assert_int_equal(error, ERROR_OK);
        size_t length = address_format(&address, out);
        assert_int_equal(length, strlen(out));
        assert_string_equal(out, rows[i].formatted);
        length = address_format_host(&address, out);
        assert_int_equal(length, strlen(out));
        assert_string_equal(out, rows[i].host);
        assert_int_equal(address_port(&address), rows[i].port);
        assert_int_equal(address_is_loopback(&address), rows[i].loopback);
    }
}

static void test_hostile_bytes(void **state)
{
    struct address address;
    assert_int_equal(address_parse(TEXT("127.0.0.1\0:80"), &address), ERROR_SYNTAX);
    assert_int_equal(address_parse(TEXT("unix:/a\0b"), &address), ERROR_SYNTAX);
    assert_int_equal(address_parse(text_of(NULL, 0), &address), ERROR_SYNTAX);
    assert_int_equal(address_parse_host(TEXT("127.0.0.1\0"), 80, &address), ERROR_NOT_FOUND);
    char path[200] = "unix:/";
    memset(path + 6, 'a', sizeof(path) - 6);
    assert_int_equal(address_parse(text_of(path, 5 + 107), &address), ERROR_OK);
    char out[ADDRESS_TEXT_SIZE];
    assert_int_equal(address_format(&address, out), 5 + 107);
    assert_int_equal(address_parse(text_of(path, 5 + 108), &address), ERROR_LIMIT);
    assert_int_equal(address_parse(text_of(path, sizeof(path)), &address), ERROR_LIMIT);
    memset(path, ':', sizeof(path));
    assert_int_equal(address_parse(text_of(path, sizeof(path)), &address), ERROR_SYNTAX);
}

static void test_parse_host(void **state)
{
    struct address address;
    char out[ADDRESS_TEXT_SIZE];
    assert_int_equal(address_parse_host(TEXT("::1"), 443, &address), ERROR_OK);
    address_format(&address, out);
    assert_string_equal(out, "[::1]:443");
    assert_int_equal(address_parse_host(TEXT("[::1]"), 443, &address), ERROR_OK);
    assert_int_equal(address_parse_host(TEXT("10.0.0.1"), 443, &address), ERROR_OK);
    assert_int_equal(address_parse_host(TEXT("example.org"), 443, &address), ERROR_NOT_FOUND);
    assert_int_equal(address_parse_host(TEXT("[10.0.0.1]"), 443, &address), ERROR_NOT_FOUND);
    assert_int_equal(address_parse_host(TEXT(""), 443, &address), ERROR_NOT_FOUND);
    assert_int_equal(address_parse_host(TEXT("[]"), 443, &address), ERROR_NOT_FOUND);
}

static void test_no_address(void **state)
{
    struct address none = {0};
    char out[ADDRESS_TEXT_SIZE];
    assert_int_equal(address_format(&none, out), 0);
    assert_int_equal(address_format_host(&none, out), 0);
    assert_string_equal(out, "");
    assert_false(address_is_loopback(&none));
    assert_int_equal(address_port(&none), 0);
    /* The peer of a unix socket without a name. */
    struct address nameless = {.length = sizeof(sa_family_t)};
    nameless.any.sa_family = AF_UNIX;
    address_format(&nameless, out);
    assert_string_equal(out, "unix:");
    address_format_host(&nameless, out);
    assert_string_equal(out, "unix");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_and_format),
        cmocka_unit_test(test_hostile_bytes),
        cmocka_unit_test(test_parse_host),
        cmocka_unit_test(test_no_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
