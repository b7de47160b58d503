/* base64: the vectors of RFC 4648, section 10. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/base64.h"

static void test_vectors(void **state)
{
    static const struct {
        struct text bytes;
        const char *encoded;
    } rows[] = {
        {TEXT_INIT(""), ""},
        {TEXT_INIT("f"), "Zg=="},
        {TEXT_INIT("fo"), "Zm8="},
        {TEXT_INIT("foo"), "Zm9v"},
        {TEXT_INIT("foob"), "Zm9vYg=="},
        {TEXT_INIT("fooba"), "Zm9vYmE="},
        {TEXT_INIT("foobar"), "Zm9vYmFy"},
        {TEXT_INIT("\xfb\xff\x00"), "+/8A"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct buffer out;
        buffer_open(&out, 64);
        assert_true(base64_append(&out, rows[i].bytes));
        assert_true(text_equal(buffer_text(&out), text_from(rows[i].encoded)));
        buffer_close(&out);
    }
}

static void test_no_room(void **state)
{
    struct buffer out;
    buffer_open(&out, 3);
    assert_false(base64_append(&out, TEXT("f")));
    assert_true(out.failed);
    buffer_close(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
