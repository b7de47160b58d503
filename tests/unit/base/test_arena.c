#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

static void test_alignment(void **state)
{
    struct arena arena;
    arena_open(&arena, NULL, 1u << 20);
    for (size_t size = 0; size < 70; size++) {
        char *start = arena_take(&arena, size);
        assert_non_null(start);
        assert_int_equal((uintptr_t)start % 16, 0);
        memset(start, 0x55, size);
    }
    arena_close(&arena);
    assert_int_equal(arena.used, 0);
}

static void test_limit_holds(void **state)
{
    struct arena arena;
    arena_open(&arena, NULL, 100000);
    size_t taken = 0;
    while (arena_take(&arena, 100) != NULL)
        taken += 100;
    assert_true(arena.used <= 100000);
    assert_true(taken > 80000);
    assert_null(arena_take(&arena, 100001));
    assert_null(arena_take(&arena, SIZE_MAX));
    assert_null(arena_take(&arena, SIZE_MAX - 16));
    assert_null(arena_take(&arena, SIZE_MAX - 40));
    arena_close(&arena);
}

static void test_limit_smaller_than_a_block(void **state)
{
    struct arena arena;
    arena_open(&arena, NULL, 0);
    assert_null(arena_take(&arena, 0));
    arena_open(&arena, NULL, 200);
    char *start = arena_take_zeroed(&arena, 100);
    assert_non_null(start);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(start[i], 0);
    assert_null(arena_take(&arena, 100));
    assert_true(arena.used <= 200);
    arena_close(&arena);
}

/* Of memory that was used before, just as much as was asked for. */
static void test_zeroed_to(void **state)
{
    struct arena_pool pool;
    struct arena arena;
    arena_pool_open(&pool, 1);
    for (int round = 0; round < 2; round++) {
        arena_open(&arena, &pool, 1u << 20);
        char *start = arena_take_zeroed_to(&arena, 300, 100);
        assert_non_null(start);
        for (size_t i = 0; i < 100; i++)
            assert_int_equal(start[i], 0);
        if (round == 1)
            assert_int_equal(start[100], 'x');
        memset(start, 'x', 300);
        arena_close(&arena);
    }
    arena_pool_close(&pool);
}

static void test_large_request_keeps_the_rest_of_the_block(void **state)
{
    struct arena arena;
    arena_open(&arena, NULL, 1u << 20);
    char *before = arena_take(&arena, 16);
    char *large = arena_take(&arena, 5 * ARENA_BLOCK_SIZE);
    assert_non_null(large);
    memset(large, 1, 5 * ARENA_BLOCK_SIZE);
    char *after = arena_take(&arena, 16);
    assert_ptr_equal(after, before + 16);
    arena_close(&arena);
}

static void test_pool_recycles_up_to_its_limit(void **state)
{
    struct arena_pool pool;
    struct arena arena;
    arena_pool_open(&pool, 2);
    arena_open(&arena, &pool, 1u << 20);
    for (int i = 0; i < 5; i++)
        assert_non_null(arena_take(&arena, ARENA_BLOCK_SIZE / 2 + 1));
    assert_non_null(arena_take(&arena, 3 * ARENA_BLOCK_SIZE));
    arena_close(&arena);
    assert_int_equal(pool.free_count, 2);

    arena_open(&arena, &pool, 1u << 20);
    assert_non_null(arena_take_zeroed(&arena, 1000));
    assert_int_equal(pool.free_count, 1);
    assert_int_equal(arena.used, ARENA_BLOCK_SIZE);
    arena_close(&arena);
    assert_int_equal(pool.free_count, 2);
    arena_pool_close(&pool);
    assert_int_equal(pool.free_count, 0);
}

static void test_recycled_memory_is_out_of_bounds(void **state)
{
#if defined(__SANITIZE_ADDRESS__)
    struct arena_pool pool;
    struct arena arena;
    arena_pool_open(&pool, 1);
    arena_open(&arena, &pool, 1u << 20);
    char *start = arena_take(&arena, 20);
    assert_false(__asan_address_is_poisoned(start + 19));
    assert_true(__asan_address_is_poisoned(start + 20));
    arena_close(&arena);
    assert_true(__asan_address_is_poisoned(start));
    arena_pool_close(&pool);
#else
    skip();
#endif
}

static void test_copy_and_format(void **state)
{
    struct arena arena;
    arena_open(&arena, NULL, 300);
    struct text copy = arena_copy(&arena, TEXT("a\0b"));
    assert_true(text_equal(copy, TEXT("a\0b")));
    assert_int_equal(copy.data[3], '\0');
    struct text empty = arena_copy(&arena, text_of(NULL, 0));
    assert_non_null(empty.data);
    assert_int_equal(empty.data[0], '\0');
    struct text text = arena_format(&arena, "%s=%d", "n", 42);
    assert_true(text_equal(text, TEXT("n=42")));
    assert_int_equal(text.data[4], '\0');
    assert_null(arena_format(&arena, "%300d", 1).data);
    char large[300] = "";
    assert_null(arena_copy(&arena, text_of(large, sizeof(large))).data);
    arena_close(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alignment),
        cmocka_unit_test(test_limit_holds),
        cmocka_unit_test(test_limit_smaller_than_a_block),
        cmocka_unit_test(test_zeroed_to),
        cmocka_unit_test(test_large_request_keeps_the_rest_of_the_block),
        cmocka_unit_test(test_pool_recycles_up_to_its_limit),
        cmocka_unit_test(test_recycled_memory_is_out_of_bounds),
        cmocka_unit_test(test_copy_and_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
