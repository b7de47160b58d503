#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buffer.h"

static void test_holds_nothing_at_first(void **state)
{
    struct buffer buffer;
    buffer_open(&buffer, 10);
    assert_null(buffer.data);
    assert_true(text_empty(buffer_text(&buffer)));
    assert_true(buffer_append(&buffer, TEXT("")));
    assert_null(buffer.data);
    buffer_consume(&buffer, 5);
    buffer_close(&buffer);
}

static void test_maximum_is_exact(void **state)
{
    struct buffer buffer;
    buffer_open(&buffer, 5);
    assert_true(buffer_append(&buffer, TEXT("abc")));
    assert_false(buffer_append(&buffer, TEXT("def")));
    assert_true(buffer.failed);
    assert_true(text_equal(buffer_text(&buffer), TEXT("abc")));
    /* Would fit, but would stand behind a hole. */
    assert_false(buffer_append(&buffer, TEXT("d")));
    assert_false(buffer_append(&buffer, TEXT("")));
    assert_false(buffer_append_format(&buffer, "d"));

    buffer_clear(&buffer);
    assert_true(buffer_append(&buffer, TEXT("a\0cde")));
    assert_true(text_equal(buffer_text(&buffer), TEXT("a\0cde")));
    assert_false(buffer_append_char(&buffer, 'f'));
    buffer_close(&buffer);
    assert_false(buffer.failed);
}

static void test_maximum_of_zero(void **state)
{
    struct buffer buffer;
    buffer_open(&buffer, 0);
    assert_non_null(buffer_reserve(&buffer, 0));
    assert_null(buffer_reserve(&buffer, 1));
    assert_true(buffer_append_format(&buffer, "%s", ""));
    assert_false(buffer_append_char(&buffer, 'a'));
    buffer_close(&buffer);
}

static void test_grows(void **state)
{
    struct buffer buffer;
    buffer_open(&buffer, 100000);
    for (size_t i = 0; i < 100000; i++)
        assert_true(buffer_append_char(&buffer, (char)('a' + i % 26)));
    assert_false(buffer_append_char(&buffer, 'x'));
    assert_int_equal(buffer.length, 100000);
    assert_true(buffer.capacity <= buffer.maximum);
    for (size_t i = 0; i < 100000; i++)
        assert_int_equal(buffer.data[i], (char)('a' + i % 26));
    buffer_close(&buffer);
}

static void test_numbers(void **state)
{
    struct buffer buffer;
    buffer_open(&buffer, 200);
    assert_true(buffer_append_unsigned(&buffer, UINT64_MAX));
    assert_true(buffer_append_char(&buffer, ' '));
    assert_true(buffer_append_signed(&buffer, INT64_MIN));
    assert_true(buffer_append_char(&buffer, ' '));
    assert_true(buffer_append_signed(&buffer, INT64_MAX));
    assert_true(buffer_append_char(&buffer, ' '));
    assert_true(buffer_append_signed(&buffer, -1));
    assert_true(
        text_equal(buffer_text(&buffer),
                   TEXT("18446744073709551615 -9223372036854775808 9223372036854775807 -1")));
    buffer_close(&buffer);
}

static void test_format(void **state)
{
    struct buffer buffer;
    buffer_open(&buffer, 8);
    /* To the last byte: the NUL that printf writes does not count. */
    assert_true(buffer_append_format(&buffer, "%d-%.*s", 123, TEXT_ARG(TEXT("abcd"))));
    assert_true(text_equal(buffer_text(&buffer), TEXT("123-abcd")));
    assert_false(buffer_append_format(&buffer, "%s", "too long"));
    buffer_close(&buffer);
}

static void test_reserve(void **state)
{
    struct buffer buffer;
    buffer_open(&buffer, 1000);
    char *room = buffer_reserve(&buffer, 1000);
    assert_non_null(room);
    memset(room, 'x', 1000);
    buffer.length += 1000;
    assert_null(buffer_reserve(&buffer, 1));
    assert_null(buffer_reserve(&buffer, SIZE_MAX));
    assert_false(buffer.failed);
    buffer_consume(&buffer, 1);
    assert_non_null(buffer_reserve(&buffer, 1));
    assert_null(buffer_reserve(&buffer, 2));
    buffer_close(&buffer);
}

static void test_consume(void **state)
{
    struct buffer buffer;
    buffer_open(&buffer, 100);
    assert_true(buffer_append(&buffer, TEXT("abcdef")));
    buffer_consume(&buffer, 0);
    buffer_consume(&buffer, 2);
    assert_true(text_equal(buffer_text(&buffer), TEXT("cdef")));
    buffer_consume(&buffer, SIZE_MAX);
    assert_int_equal(buffer.length, 0);
    assert_true(buffer_append(&buffer, TEXT("g")));
    assert_true(text_equal(buffer_text(&buffer), TEXT("g")));
    buffer_close(&buffer);
    assert_true(buffer_append(&buffer, TEXT("open again")));
    buffer_close(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_holds_nothing_at_first),
        cmocka_unit_test(test_maximum_is_exact),
        cmocka_unit_test(test_maximum_of_zero),
        cmocka_unit_test(test_grows),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_reserve),
        cmocka_unit_test(test_consume),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
