#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/text.h"

static const struct text none = {NULL, 0};

static void test_equal(void **state)
{
    assert_true(text_equal(none, TEXT("")));
    assert_true(text_equal(TEXT("a\0b"), TEXT("a\0b")));
    assert_false(text_equal(TEXT("a\0b"), TEXT("a\0c")));
    assert_false(text_equal(TEXT("a"), TEXT("ab")));
    assert_true(text_equal(text_from(NULL), none));
    assert_int_equal(text_from("abc").length, 3);
}

static void test_equal_ignoring_case(void **state)
{
    assert_true(text_equal_ignoring_case(TEXT("Content-LENGTH"), TEXT("content-length")));
    assert_true(text_equal_ignoring_case(none, TEXT("")));
    assert_false(text_equal_ignoring_case(TEXT("a"), TEXT("ab")));
    /* Neighbours of the letters differ by the same bit and are not letters. */
    assert_false(text_equal_ignoring_case(TEXT("@"), TEXT("`")));
    assert_false(text_equal_ignoring_case(TEXT("["), TEXT("{")));
    assert_false(text_equal_ignoring_case(TEXT("\xc4"), TEXT("\xe4")));
}

static void test_compare(void **state)
{
    assert_int_equal(text_compare(none, none), 0);
    assert_true(text_compare(none, TEXT("a")) < 0);
    assert_true(text_compare(TEXT("ab"), TEXT("a")) > 0);
    assert_true(text_compare(TEXT("a"), TEXT("b")) < 0);
    assert_true(text_compare(TEXT("\xff"), TEXT("a")) > 0);
    assert_true(text_compare(TEXT("a\0a"), TEXT("a\0b")) < 0);
}

static void test_starts_and_ends(void **state)
{
    assert_true(text_starts_with(TEXT("Bearer x"), TEXT("Bearer ")));
    assert_true(text_starts_with(none, none));
    assert_false(text_starts_with(TEXT("Be"), TEXT("Bearer")));
    assert_true(text_ends_with(TEXT("a.json"), TEXT(".json")));
    assert_true(text_ends_with(none, TEXT("")));
    assert_false(text_ends_with(TEXT("json"), TEXT(".json")));
}

static void test_parts(void **state)
{
    assert_true(text_equal(text_from_index(TEXT("abc"), 1), TEXT("bc")));
    assert_true(text_equal(text_from_index(TEXT("abc"), 9), TEXT("")));
    assert_null(text_from_index(none, 5).data);
    assert_true(text_equal(text_first(TEXT("abc"), 2), TEXT("ab")));
    assert_true(text_equal(text_first(TEXT("abc"), SIZE_MAX), TEXT("abc")));
}

static void test_find(void **state)
{
    assert_int_equal(text_find_char(TEXT("a\0b"), '\0'), 1);
    assert_int_equal(text_find_char(TEXT("abc"), 'x'), -1);
    assert_int_equal(text_find_char(none, 'x'), -1);
    assert_int_equal(text_find(TEXT("aab"), TEXT("ab")), 1);
    assert_int_equal(text_find(TEXT("ab"), TEXT("abc")), -1);
    assert_int_equal(text_find(none, TEXT("")), 0);
    assert_int_equal(text_find(none, TEXT("a")), -1);
    assert_int_equal(text_find(TEXT("x\0y"), TEXT("\0y")), 1);
}

static void test_trim(void **state)
{
    assert_true(text_equal(text_trim(TEXT(" \t a b\t ")), TEXT("a b")));
    assert_true(text_empty(text_trim(TEXT(" \t "))));
    assert_true(text_empty(text_trim(none)));
    /* Only blanks: a line end that came this far must stay visible. */
    assert_true(text_equal(text_trim(TEXT("\ra\n")), TEXT("\ra\n")));
}

static void test_split(void **state)
{
    struct text rest = TEXT("a,,b");
    assert_true(text_equal(text_split(&rest, ','), TEXT("a")));
    assert_true(text_equal(text_split(&rest, ','), TEXT("")));
    assert_non_null(rest.data);
    assert_true(text_equal(text_split(&rest, ','), TEXT("b")));
    assert_null(rest.data);
    assert_true(text_empty(text_split(&rest, ',')));

    /* A trailing separator leaves an empty piece that is not "no more". */
    rest = TEXT("a,");
    assert_true(text_equal(text_split(&rest, ','), TEXT("a")));
    assert_non_null(rest.data);
    assert_int_equal(rest.length, 0);
}

static void test_copy_to(void **state)
{
    char out[4];
    assert_true(text_copy_to(TEXT("abc"), out, sizeof(out)));
    assert_string_equal(out, "abc");
    assert_false(text_copy_to(TEXT("abcd"), out, sizeof(out)));
    assert_string_equal(out, "abc");
    assert_true(text_copy_to(none, out, 1));
    assert_string_equal(out, "");
    assert_false(text_copy_to(TEXT("a"), out, 1));
}

static void test_edit_distance(void **state)
{
    assert_int_equal(text_edit_distance(TEXT("kitten"), TEXT("sitting"), 5), 3);
    assert_int_equal(text_edit_distance(TEXT("sitting"), TEXT("kitten"), 5), 3);
    assert_int_equal(text_edit_distance(TEXT("kitten"), TEXT("sitting"), 3), 3);
    assert_int_equal(text_edit_distance(TEXT("kitten"), TEXT("sitting"), 2), 3);
    assert_int_equal(text_edit_distance(TEXT("kitten"), TEXT("sitting"), 1), 2);
    assert_int_equal(text_edit_distance(TEXT("timeuot"), TEXT("timeout"), 2), 2);
    assert_int_equal(text_edit_distance(none, TEXT("abc"), 5), 3);
    assert_int_equal(text_edit_distance(none, none, 0), 0);
    assert_int_equal(text_edit_distance(TEXT("a"), TEXT("b"), 0), 1);
    assert_int_equal(text_edit_distance(TEXT("a"), TEXT("b"), SIZE_MAX), 1);
}

static void test_edit_distance_of_long_texts(void **state)
{
    char a[TEXT_EDIT_LENGTH_MAX + 1];
    char b[TEXT_EDIT_LENGTH_MAX + 1];
    memset(a, 'a', sizeof(a));
    memset(b, 'b', sizeof(b));
    struct text longest_a = text_of(a, TEXT_EDIT_LENGTH_MAX);
    struct text longest_b = text_of(b, TEXT_EDIT_LENGTH_MAX);
    assert_int_equal(text_edit_distance(longest_a, longest_b, SIZE_MAX), TEXT_EDIT_LENGTH_MAX);
    b[0] = 'a';
    assert_int_equal(text_edit_distance(text_of(a, sizeof(a)), text_of(b, sizeof(b)), 3), 4);
    memset(b, 'a', sizeof(b));
    assert_int_equal(text_edit_distance(text_of(a, sizeof(a)), text_of(b, sizeof(b)), 3), 0);
}

static void test_matches_pattern(void **state)
{
    static const struct {
        struct text t;
        struct text pattern;
        bool matches;
    } rows[] = {
        {TEXT_INIT(""), TEXT_INIT(""), true},
        {TEXT_INIT(""), TEXT_INIT("*"), true},
        {TEXT_INIT(""), TEXT_INIT("***"), true},
        {TEXT_INIT("a"), TEXT_INIT(""), false},
        {TEXT_INIT("gpt-4o"), TEXT_INIT("gpt-4o"), true},
        {TEXT_INIT("gpt-4o"), TEXT_INIT("gpt-*"), true},
        {TEXT_INIT("gpt-"), TEXT_INIT("gpt-*"), true},
        {TEXT_INIT("gpt"), TEXT_INIT("gpt-*"), false},
        {TEXT_INIT("gpt-4o-mini"), TEXT_INIT("*-mini"), true},
        {TEXT_INIT("gpt-4o-mini"), TEXT_INIT("g*4*mini"), true},
        {TEXT_INIT("gpt-4o-mini"), TEXT_INIT("g*5*mini"), false},
        /* Prefix and suffix may not share bytes. */
        {TEXT_INIT("aba"), TEXT_INIT("ab*ba"), false},
        {TEXT_INIT("abba"), TEXT_INIT("ab*ba"), true},
        /* The first occurrence of a piece is not the last one. */
        {TEXT_INIT("abcab"), TEXT_INIT("*ab"), true},
        {TEXT_INIT("aXbXbY"), TEXT_INIT("a*Xb*Y"), true},
        {TEXT_INIT("ab"), TEXT_INIT("*ab*ab"), false},
        {TEXT_INIT("a\0b"), TEXT_INIT("a*b"), true},
        {TEXT_INIT("a?c"), TEXT_INIT("a?c"), true},
        {TEXT_INIT("abc"), TEXT_INIT("a?c"), false},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        assert_int_equal(text_matches_pattern(rows[i].t, rows[i].pattern), rows[i].matches);
    assert_true(text_matches_pattern(none, TEXT("*")));
}

/* "*a*a…*b" against "aaaa…": backtracking would not end in the lifetime of the universe. */
static void test_hostile_pattern_is_quick(void **state)
{
    static char input[1u << 20];
    static char pattern[20001];
    memset(input, 'a', sizeof(input));
    for (size_t i = 0; i < sizeof(pattern); i++)
        pattern[i] = i % 2 == 0 ? '*' : 'a';
    pattern[sizeof(pattern) - 1] = 'b';
    uint64_t start = clock_monotonic();
    assert_false(
        text_matches_pattern(text_of(input, sizeof(input)), text_of(pattern, sizeof(pattern))));
    assert_true(clock_monotonic() - start < 2 * NANOSECONDS_PER_SECOND);
}

/* Vectors of RFC 9923 for FNV-1a with 64 bits. */
static void test_hash(void **state)
{
    char bytes[40] = "";
    unsigned long long hashes[sizeof bytes + 1];
    for (size_t length = 0; length <= sizeof bytes; length++) {
        hashes[length] = text_hash(text_of(bytes, length));
        for (size_t shorter = 0; shorter < length; shorter++)
            assert_true(hashes[length] != hashes[shorter]);
    }
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = 'x'; /* each byte counts */
        assert_true(text_hash(text_of(bytes, sizeof bytes)) != hashes[sizeof bytes]);
        bytes[i] = 0;
    }
    assert_true(text_hash(none) == text_hash(TEXT("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal),
        cmocka_unit_test(test_equal_ignoring_case),
        cmocka_unit_test(test_compare),
        cmocka_unit_test(test_starts_and_ends),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_trim),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_copy_to),
        cmocka_unit_test(test_edit_distance),
        cmocka_unit_test(test_edit_distance_of_long_texts),
        cmocka_unit_test(test_matches_pattern),
        cmocka_unit_test(test_hostile_pattern_is_quick),
        cmocka_unit_test(test_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
