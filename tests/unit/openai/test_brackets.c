/* brackets: whole and in pieces, beside a plain loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "openai/brackets.h"

#define LENGTH_MAX 700u

static uint64_t random_state = 11;

static unsigned next_random(unsigned below)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(random_state >> 33) % below;
}

/* Mostly text, as answers are; the rarer its marks, the longer the runs without. */
static void fill(char *bytes, size_t length)
{
    static const char marks[] = "{}[]\"\"\"\"\\";
    unsigned rarity = 1 + next_random(40);
    for (size_t i = 0; i < length; i++)
        bytes[i] = next_random(rarity) == 0 ? marks[next_random(sizeof marks - 1)] : 'a';
}

/* How many bytes up to and with the bracket that closes the last; `length` when none does. */
static size_t plain_pass(struct brackets *brackets, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (brackets->escaped)
            brackets->escaped = false;
        else if (brackets_take(brackets, bytes[i]))
            return i + 1;
    }
    return length;
}

static void test_as_a_plain_loop(void **state)
{
    static char bytes[LENGTH_MAX];
    size_t ended = 0;
    for (unsigned round = 0; round < 40000; round++) {
        size_t length = next_random(LENGTH_MAX + 1);
        struct brackets plain = {.open = 1 + next_random(20), .in_string = next_random(2)};
        struct brackets whole = plain, pieces = plain;
        fill(bytes, length);
        size_t expected = plain_pass(&plain, bytes, length);
        ended += plain.open == 0;
        assert_ptr_equal(brackets_pass(&whole, bytes, bytes + length), bytes + expected);
        assert_true(whole.open == plain.open && whole.in_string == plain.in_string &&
                    whole.escaped == plain.escaped);
        size_t at = 0;
        while (at < length && pieces.open > 0) {
            size_t size = 1 + next_random(200);
            if (size > length - at)
                size = length - at;
            at = (size_t)(brackets_pass(&pieces, bytes + at, bytes + at + size) - bytes);
        }
        assert_int_equal(at, expected);
        assert_true(pieces.open == plain.open && pieces.in_string == plain.in_string);
    }
    assert_in_range(ended, 1000, 39000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_a_plain_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
