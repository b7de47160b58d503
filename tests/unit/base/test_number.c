#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/number.h"

/* One row a text: what it gives, or that it is refused. */
struct row {
    struct text t;
    bool good;
    uint64_t value;
};

typedef bool parse_function(struct text t, uint64_t *out);

static void check_rows(parse_function *parse, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t out = 4711;
        if (parse(rows[i].t, &out) != rows[i].good)
            fail_msg("\"%.*s\": expected %d", TEXT_ARG(rows[i].t), rows[i].good);
        /* A refusal leaves the result alone. */
        assert_true(out == (rows[i].good ? rows[i].value : 4711));
    }
}

static void test_unsigned(void **state)
{
    static const struct row rows[] = {
        {TEXT_INIT("0"), true, 0},
        {TEXT_INIT("007"), true, 7},
        {TEXT_INIT("18446744073709551615"), true, UINT64_MAX},
        {TEXT_INIT("18446744073709551616"), false, 0},
        {TEXT_INIT("99999999999999999999999"), false, 0},
        {TEXT_INIT(""), false, 0},
        {TEXT_INIT("-1"), false, 0},
        {TEXT_INIT("+1"), false, 0},
        {TEXT_INIT(" 1"), false, 0},
        {TEXT_INIT("1 "), false, 0},
        {TEXT_INIT("1\0"), false, 0},
        {TEXT_INIT("0x1"), false, 0},
        {TEXT_INIT("1,2"), false, 0},
        {TEXT_INIT("1e3"), false, 0},
        {{NULL, 0}, false, 0},
    };
    check_rows(number_parse_unsigned, rows, ARRAY_LENGTH(rows));
}

static void test_signed(void **state)
{
    int64_t out = 0;
    assert_true(number_parse_signed(TEXT("9223372036854775807"), &out) && out == INT64_MAX);
    assert_true(number_parse_signed(TEXT("-9223372036854775808"), &out) && out == INT64_MIN);
    assert_true(number_parse_signed(TEXT("-0"), &out) && out == 0);
    assert_true(number_parse_signed(TEXT("-1"), &out) && out == -1);
    assert_false(number_parse_signed(TEXT("9223372036854775808"), &out));
    assert_false(number_parse_signed(TEXT("-9223372036854775809"), &out));
    assert_false(number_parse_signed(TEXT("--1"), &out));
    assert_false(number_parse_signed(TEXT("-"), &out));
    assert_false(number_parse_signed(TEXT(""), &out));
    assert_int_equal(out, -1);
}

static void test_hex(void **state)
{
    static const struct row rows[] = {
        {TEXT_INIT("0"), true, 0},
        {TEXT_INIT("fF"), true, 255},
        {TEXT_INIT("00000000000000000000000a"), true, 10},
        {TEXT_INIT("ffffffffffffffff"), true, UINT64_MAX},
        {TEXT_INIT("10000000000000000"), false, 0},
        {TEXT_INIT("0x1"), false, 0},
        {TEXT_INIT("g"), false, 0},
        {TEXT_INIT(""), false, 0},
        {TEXT_INIT("-1"), false, 0},
    };
    check_rows(number_parse_hex, rows, ARRAY_LENGTH(rows));
}

static void test_duration(void **state)
{
    static const struct row rows[] = {
        {TEXT_INIT("0"), true, 0},
        {TEXT_INIT("0s"), true, 0},
        {TEXT_INIT("250ms"), true, 250},
        {TEXT_INIT("30s"), true, 30000},
        {TEXT_INIT("5m"), true, 300000},
        {TEXT_INIT("2h"), true, 7200000},
        {TEXT_INIT("7d"), true, 604800000},
        {TEXT_INIT("5"), false, 0},
        {TEXT_INIT("s"), false, 0},
        {TEXT_INIT(""), false, 0},
        {TEXT_INIT("5 s"), false, 0},
        {TEXT_INIT("5S"), false, 0},
        {TEXT_INIT("5sec"), false, 0},
        {TEXT_INIT("1h30m"), false, 0},
        {TEXT_INIT("-5s"), false, 0},
        {TEXT_INIT("18446744073709551615ms"), true, UINT64_MAX},
        {TEXT_INIT("18446744073709551615s"), false, 0},
    };
    check_rows(number_parse_duration, rows, ARRAY_LENGTH(rows));
}

static void test_size(void **state)
{
    static const struct row rows[] = {
        {TEXT_INIT("0"), true, 0},
        {TEXT_INIT("512"), true, 512},
        {TEXT_INIT("64KiB"), true, 65536},
        {TEXT_INIT("8MiB"), true, 8388608},
        {TEXT_INIT("2GiB"), true, 2147483648},
        {TEXT_INIT("1kB"), true, 1000},
        {TEXT_INIT("1MB"), true, 1000000},
        {TEXT_INIT("1GB"), true, 1000000000},
        {TEXT_INIT("1KB"), false, 0},
        {TEXT_INIT("1K"), false, 0},
        {TEXT_INIT("KiB"), false, 0},
        {TEXT_INIT(""), false, 0},
        {TEXT_INIT("17179869183GiB"), true, 17179869183ull << 30},
        {TEXT_INIT("17179869184GiB"), false, 0},
    };
    check_rows(number_parse_size, rows, ARRAY_LENGTH(rows));
}

static void test_percent(void **state)
{
    static const struct row rows[] = {
        {TEXT_INIT("0%"), true, 0},
        {TEXT_INIT("5%"), true, 50000},
        {TEXT_INIT("0.5%"), true, 5000},
        {TEXT_INIT("12.25%"), true, 122500},
        {TEXT_INIT("0.0001%"), true, 1},
        {TEXT_INIT("100%"), true, 1000000},
        {TEXT_INIT("250%"), true, 2500000},
        {TEXT_INIT("0.00001%"), false, 0},
        {TEXT_INIT("5"), false, 0},
        {TEXT_INIT("%"), false, 0},
        {TEXT_INIT(".5%"), false, 0},
        {TEXT_INIT("5.%"), false, 0},
        {TEXT_INIT("-5%"), false, 0},
        {TEXT_INIT("5 %"), false, 0},
        {TEXT_INIT("1844674407370956%"), false, 0},
    };
    check_rows(number_parse_percent, rows, ARRAY_LENGTH(rows));
}

static void test_format(void **state)
{
    char out[NUMBER_DIGITS_MAX];
    assert_true(text_equal(text_of(out, number_format_unsigned(0, out)), TEXT("0")));
    assert_true(text_equal(text_of(out, number_format_unsigned(1000, out)), TEXT("1000")));
    for (uint64_t power = 1; power <= UINT64_MAX / 10; power *= 10) {
        for (uint64_t number = power - 1; number <= power + 11; number++) {
            char expected[32];
            int length = snprintf(expected, sizeof expected, "%llu", (unsigned long long)number);
            assert_int_equal(number_format_unsigned(number, out), length);
            assert_memory_equal(out, expected, (size_t)length);
        }
    }
    assert_true(text_equal(text_of(out, number_format_unsigned(UINT64_MAX, out)),
                           TEXT("18446744073709551615")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unsigned), cmocka_unit_test(test_signed),
        cmocka_unit_test(test_hex),      cmocka_unit_test(test_duration),
        cmocka_unit_test(test_size),     cmocka_unit_test(test_percent),
        cmocka_unit_test(test_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
