/* Values from the W3C Trace Context recommendation, and their near misses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/traceparent.h"

#define TRACE  "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"

static void test_good(void **state)
{
    static const char *const values[] = {"00-" TRACE "-" PARENT "-01", "00-" TRACE "-" PARENT "-00",
                                         "cc-" TRACE "-" PARENT "-01",
                                         "cc-" TRACE "-" PARENT "-01-what-the-future-will-be-like"};
    for (size_t i = 0; i < ARRAY_LENGTH(values); i++) {
        struct text id;
        assert_true(traceparent_parse(text_from(values[i]), &id));
        assert_true(text_equal(id, TEXT(TRACE)));
        assert_true(traceparent_parse(text_from(values[i]), NULL));
    }
}

static void test_bad(void **state)
{
    static const char *const values[] = {"",
                                         "nonsense",
                                         "00-xyz-1-01",
                                         "ff-" TRACE "-" PARENT "-01",
                                         "00-" TRACE "-" PARENT "-01-more",
                                         "00-" TRACE "-" PARENT "-01.",
                                         "cc-" TRACE "-" PARENT "-01.",
                                         "00-" TRACE "-" PARENT "-0",
                                         "00-00000000000000000000000000000000-" PARENT "-01",
                                         "00-" TRACE "-0000000000000000-01",
                                         "00-4BF92F3577B34DA6A3CE929D0E0E4736-" PARENT "-01",
                                         "00_" TRACE "-" PARENT "-01",
                                         "00-" TRACE "_" PARENT "-01",
                                         "0g-" TRACE "-" PARENT "-01",
                                         "00-" TRACE "-" PARENT "-0x"};
    for (size_t i = 0; i < ARRAY_LENGTH(values); i++)
        assert_false(traceparent_parse(text_from(values[i]), NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_good), cmocka_unit_test(test_bad)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
