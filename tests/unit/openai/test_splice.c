/* splice: results in one piece and through the cursor with the original split everywhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "openai/splice.h"

static void run(const struct splices *splices, struct text original, const char *expected)
{
    struct text parts[SPLICES_PARTS_MAX];
    struct buffer out;
    buffer_open(&out, 4096);
    size_t count = splices_apply(splices, original, parts);
    for (size_t i = 0; i < count; i++)
        buffer_append(&out, parts[i]);
    assert_true(text_equal(buffer_text(&out), text_from(expected)));
    assert_int_equal(splices_result_length(splices, original.length), strlen(expected));
    for (size_t step = 1; step <= original.length; step++) {
        struct splice_cursor cursor = {.splices = splices};
        struct text rest = original, part, empty = {NULL, 0};
        buffer_clear(&out);
        while (rest.length > 0) {
            struct text piece = text_first(rest, step);
            rest = text_from_index(rest, step);
            while (splice_cursor_next(&cursor, &piece, &part))
                buffer_append(&out, part);
        }
        while (splice_cursor_next(&cursor, &empty, &part))
            buffer_append(&out, part);
        assert_true(text_equal(buffer_text(&out), text_from(expected)));
    }
    buffer_close(&out);
}

static void test_none(void **state)
{
    struct splices splices = {0};
    run(&splices, TEXT("0123456789"), "0123456789");
}

static void test_order_does_not_matter(void **state)
{
    struct splices splices = {0};
    splices_add(&splices, 6, 2, TEXT("XYZ"));
    splices_add(&splices, 1, 0, TEXT("in"));
    splices_add(&splices, 3, 3, TEXT(""));
    run(&splices, TEXT("0123456789"), "0in12XYZ89");
}

static void test_at_the_edges(void **state)
{
    struct splices splices = {0};
    splices_add(&splices, 0, 1, TEXT("A"));
    splices_add(&splices, 10, 0, TEXT("end"));
    splices_add(&splices, 9, 1, TEXT(""));
    run(&splices, TEXT("0123456789"), "A12345678end");
}

static void test_whole(void **state)
{
    struct splices splices = {0};
    splices_add(&splices, 0, 10, TEXT("another body"));
    run(&splices, TEXT("0123456789"), "another body");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_order_does_not_matter),
        cmocka_unit_test(test_at_the_edges),
        cmocka_unit_test(test_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
