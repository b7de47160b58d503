#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/identifier.h"

static void test_random_bytes(void **state)
{
    /* Below, at and above the pool's size: every request gives fresh bytes all the way through. */
    static const size_t sizes[] = {32, 4095, 4096, 4097, 10000};
    static uint8_t a[10000];
    static uint8_t b[10000];
    for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
        memset(a, 0, sizeof(a));
        random_bytes(a, sizes[i]);
        random_bytes(b, sizes[i]);
        assert_memory_not_equal(a, b, 16);
        assert_memory_not_equal(a + sizes[i] - 16, b + sizes[i] - 16, 16);
        if (sizes[i] < sizeof(a))
            assert_int_equal(a[sizes[i]], 0);
    }
    random_bytes(a, 0);
}

/* 80 random bits: among some thousands not even a part may repeat. */
static void test_ids_differ(void **state)
{
    static struct identifier ids[2000];
    for (size_t i = 0; i < ARRAY_LENGTH(ids); i++)
        ids[i] = identifier_make(0);
    for (size_t i = 0; i < ARRAY_LENGTH(ids); i++)
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(&ids[i], &ids[j], sizeof(ids[i]));
}

static void test_ids_sort_by_time(void **state)
{
    struct identifier early = identifier_make(1763835423123ull * 1000000);
    struct identifier late = identifier_make(1763835423124ull * 1000000);
    assert_true(memcmp(&early, &late, sizeof(early)) < 0);
    uint64_t milliseconds = 0;
    for (size_t i = 0; i < 6; i++)
        milliseconds = milliseconds << 8 | early.bytes[i];
    assert_true(milliseconds == 1763835423123ull);
}

static void test_text(void **state)
{
    struct identifier id = {{0x00, 0x19, 0xab, 0xff, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}};
    char out[IDENTIFIER_TEXT_LENGTH + 1];
    out[IDENTIFIER_TEXT_LENGTH] = '#';
    identifier_format(id, out);
    assert_int_equal(out[IDENTIFIER_TEXT_LENGTH], '#');
    assert_true(text_equal(text_of(out, IDENTIFIER_TEXT_LENGTH),
                           TEXT("req_0019abff0405060708090a0b0c0d0e0f")));
    struct identifier back;
    assert_true(identifier_parse(text_of(out, IDENTIFIER_TEXT_LENGTH), &back));
    assert_memory_equal(&id, &back, sizeof(id));
}

static void test_parse_refuses(void **state)
{
    static const struct text rows[] = {
        TEXT_INIT(""),
        TEXT_INIT("req_"),
        TEXT_INIT("req_0019abff0405060708090a0b0c0d0e0"),
        TEXT_INIT("req_0019abff0405060708090a0b0c0d0e0f0"),
        TEXT_INIT("req_0019ABff0405060708090a0b0c0d0e0f"),
        TEXT_INIT("req_0019abff0405060708090a0b0c0d0e0g"),
        TEXT_INIT("req_0019abff0405060708090a0b0c0d0e0\0"),
        TEXT_INIT("key_0019abff0405060708090a0b0c0d0e0f"),
        {NULL, 0},
    };
    struct identifier out;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        assert_false(identifier_parse(rows[i], &out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_bytes),     cmocka_unit_test(test_ids_differ),
        cmocka_unit_test(test_ids_sort_by_time), cmocka_unit_test(test_text),
        cmocka_unit_test(test_parse_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
