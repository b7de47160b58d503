#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tables/headers.h"

static void test_every_name_is_found_in_any_case(void **state)
{
    for (unsigned id = 1; id < HEADER_COUNT; id++) {
        struct text name = header_name((enum header_id)id);
        char changed[64];
        assert_true(name.length > 0 && name.length < sizeof(changed));
        assert_int_equal(header_find(name), id);
        for (size_t i = 0; i < name.length; i++) {
            char c = name.data[i];
            assert_true((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-');
            changed[i] = c >= 'a' && c <= 'z' && i % 3 != 1 ? (char)(c - 'a' + 'A') : c;
        }
        assert_int_equal(header_find(text_of(changed, name.length)), id);
    }
}

static void test_near_misses_are_not_found(void **state)
{
    for (unsigned id = 1; id < HEADER_COUNT; id++) {
        struct text name = header_name((enum header_id)id);
        char changed[64];
        memcpy(changed, name.data, name.length);
        changed[name.length] = 'x';
        assert_int_equal(header_find(text_of(changed, name.length + 1)), HEADER_OTHER);
        for (size_t i = 0; i < name.length; i++) {
            /* A byte that differs by the bit that tells the cases apart, where it is no letter. */
            changed[i] = name.data[i] == '-' ? '\r' : '_';
            assert_int_equal(header_find(text_of(changed, name.length)), HEADER_OTHER);
            changed[i] = name.data[i];
        }
    }
    assert_int_equal(header_find(text_of(NULL, 0)), HEADER_OTHER);
    assert_int_equal(header_find(TEXT("x")), HEADER_OTHER);
    assert_true(text_empty(header_name(HEADER_OTHER)));
}

static void test_flags(void **state)
{
    assert_true(header_is_hop_by_hop(HEADER_TRANSFER_ENCODING));
    assert_false(header_is_hop_by_hop(HEADER_CONTENT_LENGTH));
    assert_int_equal(header_flags(HEADER_AUTHORIZATION), HEADER_FLAG_SECRET);
    assert_int_equal(header_flags(HEADER_PROXY_AUTHORIZATION),
                     HEADER_FLAG_HOP | HEADER_FLAG_SECRET);
    assert_int_equal(header_flags(HEADER_X_FORWARDED_FOR), HEADER_FLAG_SOURCE);
    assert_int_equal(header_flags(HEADER_OTHER), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_name_is_found_in_any_case),
        cmocka_unit_test(test_near_misses_are_not_found),
        cmocka_unit_test(test_flags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
