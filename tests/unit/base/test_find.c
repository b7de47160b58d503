/* find: at every length and place, each byte value, beside a plain loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/find.h"

#define LENGTH_MAX 300

static bool is_string_end(unsigned char c)
{
    return c == '"' || c == '\\' || c < 0x20;
}

static bool is_line_end(unsigned char c)
{
    return c == '\n' || c == '\r';
}

static bool is_unprintable(unsigned char c)
{
    return c < 0x20 || c > 0x7e;
}

static bool is_name_end(unsigned char c)
{
    return !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
           c != '-' && c != '_';
}

/* `filler` is a byte that is not looked for. */
static void check(const char *(*find)(const char *, const char *), bool (*is_wanted)(unsigned char),
                  char filler)
{
    for (size_t length = 0; length <= LENGTH_MAX; length++) {
        char *bytes = malloc(length + 1); /* exactly: a sanitizer sees a look behind the end */
        memset(bytes, filler, length);
        assert_ptr_equal(find(bytes, bytes + length), bytes + length);
        for (size_t place = 0; place < length; place++) {
            bytes[place] = '\n';
            if (place + 1 < length)
                bytes[length - 1] = '\r'; /* another behind it */
            assert_ptr_equal(find(bytes, bytes + length), bytes + place);
            assert_ptr_equal(find(bytes + place, bytes + length), bytes + place);
            bytes[place] = bytes[length - 1] = filler;
        }
        free(bytes);
    }
    for (unsigned value = 0; value < 256; value++) {
        char bytes[70];
        for (size_t place = 0; place < sizeof bytes; place++) {
            memset(bytes, filler, sizeof bytes);
            bytes[place] = (char)value;
            const char *expected =
                is_wanted((unsigned char)value) ? bytes + place : bytes + sizeof bytes;
            assert_ptr_equal(find(bytes, bytes + sizeof bytes), expected);
        }
    }
}

static void test_string_end(void **state)
{
    check(find_string_end, is_string_end, (char)0x80);
    check(find_string_end, is_string_end, ' ');
}

static void test_line_end(void **state)
{
    check(find_line_end, is_line_end, (char)0x80);
    check(find_line_end, is_line_end, ' ');
}

static void test_unprintable(void **state)
{
    check(find_unprintable, is_unprintable, ' ');
}

static void test_name_end(void **state)
{
    check(find_name_end, is_name_end, 'a');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_string_end),
        cmocka_unit_test(test_line_end),
        cmocka_unit_test(test_unprintable),
        cmocka_unit_test(test_name_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
