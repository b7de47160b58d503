/* seam: characters cut anywhere come out whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "openai/seam.h"

static void feed_cut(struct text whole, size_t cut, struct buffer *out)
{
    struct seam seam = {0};
    struct buffer joined;
    buffer_open(&joined, 1024);
    buffer_append(out, seam_join(&seam, text_first(whole, cut), &joined));
    buffer_append(out, seam_join(&seam, text_from_index(whole, cut), &joined));
    buffer_append(out, seam_rest(&seam));
    buffer_close(&joined);
}

static void expect_joined(struct text whole, struct text expected)
{
    for (size_t cut = 0; cut <= whole.length; cut++) {
        struct buffer out;
        buffer_open(&out, 1024);
        feed_cut(whole, cut, &out);
        assert_int_equal(out.length, expected.length);
        assert_memory_equal(out.data, expected.data, expected.length);
        buffer_close(&out);
    }
}

static void test_bytes_of_a_character(void **state)
{
    struct text whole = TEXT("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80z");
    expect_joined(whole, whole);
}

/* What is no text stays what it was, in order. */
static void test_nonsense(void **state)
{
    struct text whole = TEXT("\xff\xc3\xc3\xe2\x82\xf0\x80\x80\xed\xa0\xbd");
    expect_joined(whole, whole);
}

/* U+1F600, of which JSON gave the two halves in two pieces. */
static void test_halves_of_a_pair(void **state)
{
    struct seam seam = {0};
    struct buffer joined;
    buffer_open(&joined, 64);
    assert_int_equal(seam_join(&seam, TEXT("a\xed\xa0\xbd"), &joined).length, 1);
    struct text rest = seam_join(&seam, TEXT("\xed\xb8\x80z"), &joined);
    assert_int_equal(rest.length, 5);
    assert_memory_equal(rest.data, "\xf0\x9f\x98\x80z", 5);
    assert_int_equal(seam_rest(&seam).length, 0);
    buffer_close(&joined);
}

/* Nothing is copied where nothing was cut. */
static void test_whole_pieces_are_slices(void **state)
{
    struct seam seam = {0};
    struct buffer joined;
    struct text piece = TEXT("\xe2\x82\xac plain");
    buffer_open(&joined, 64);
    assert_ptr_equal(seam_join(&seam, piece, &joined).data, piece.data);
    assert_int_equal(joined.capacity, 0);
    buffer_close(&joined);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_of_a_character),
        cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_halves_of_a_pair),
        cmocka_unit_test(test_whole_pieces_are_slices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
