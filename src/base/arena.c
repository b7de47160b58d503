/* Invariants: `used` is the sum of the sizes of the arena's blocks and never passes `limit`. The
 * first block is the one that small requests are cut from; a new block with less room left than
 * that (it was made for one large request) is put second. Only blocks of exactly ARENA_BLOCK_SIZE
 * go to the pool.
 *
 * Under AddressSanitizer everything in a block that has not been handed out is poisoned: otherwise
 * recycling would hide every use of memory after its exchange has ended. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>

#include "base/ensure.h"

#if defined(__clang__)
#if __has_feature(address_sanitizer)
#define ARENA_POISONS 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define ARENA_POISONS 1
#endif

#ifdef ARENA_POISONS
#include <sanitizer/asan_interface.h>
#endif

/* The address passes as a number to a function of its own, because gcc takes a call with a pointer
 * to const for a read of memory that nobody has written yet. */
__attribute__((noinline)) static void forbid(uintptr_t start, size_t size)
{
#ifdef ARENA_POISONS
    __asan_poison_memory_region((void *)start, size);
#endif
}

static void allow(const volatile void *start, size_t size)
{
#ifdef ARENA_POISONS
    __asan_unpoison_memory_region(start, size);
#endif
}

#define ALIGNMENT 16u

struct arena_block {
    struct arena_block *next;
    size_t size; /* of the whole, this header included */
    size_t taken;
    _Alignas(ALIGNMENT) char bytes[];
};

_Static_assert(sizeof(struct arena_block) % ALIGNMENT == 0, "what follows the header is aligned");

static size_t block_room(const struct arena_block *block)
{
    return block->size - sizeof(*block) - block->taken;
}

void arena_pool_open(struct arena_pool *pool, size_t free_limit)
{
    *pool = (struct arena_pool){.free_limit = free_limit};
}

static void free_block(struct arena_block *block)
{
    allow(block->bytes, block->size - sizeof(*block));
    free(block);
}

void arena_pool_close(struct arena_pool *pool)
{
    while (pool->free_blocks != NULL) {
        struct arena_block *block = pool->free_blocks;
        pool->free_blocks = block->next;
        free_block(block);
    }
    pool->free_count = 0;
}

void arena_open(struct arena *arena, struct arena_pool *pool, size_t limit)
{
    *arena = (struct arena){.pool = pool, .limit = limit};
}

static void give_back(struct arena_pool *pool, struct arena_block *block)
{
    if (pool == NULL || block->size != ARENA_BLOCK_SIZE || pool->free_count >= pool->free_limit) {
        free_block(block);
        return;
    }
    forbid((uintptr_t)block->bytes, block->size - sizeof(*block));
    block->next = pool->free_blocks;
    pool->free_blocks = block;
    pool->free_count++;
}

void arena_close(struct arena *arena)
{
    while (arena->blocks != NULL) {
        struct arena_block *block = arena->blocks;
        arena->blocks = block->next;
        give_back(arena->pool, block);
    }
    arena->used = 0;
}

static struct arena_block *get_block(struct arena_pool *pool, size_t size)
{
    struct arena_block *block = pool != NULL ? pool->free_blocks : NULL;
    if (block != NULL && size == ARENA_BLOCK_SIZE) {
        pool->free_blocks = block->next;
        pool->free_count--;
    } else {
        block = malloc(size);
        if (block == NULL)
            return NULL;
        block->size = size;
        forbid((uintptr_t)block->bytes, size - sizeof(*block));
    }
    block->taken = 0;
    return block;
}

/* A block with room for `size`, within the limit; a whole block where the limit allows one. */
static struct arena_block *add_block(struct arena *arena, size_t size)
{
    size_t left = arena->limit - arena->used;
    if (left < sizeof(struct arena_block) || size > left - sizeof(struct arena_block))
        return NULL;
    size_t whole = size + sizeof(struct arena_block);
    if (whole < ARENA_BLOCK_SIZE)
        whole = left < ARENA_BLOCK_SIZE ? left : ARENA_BLOCK_SIZE;
    struct arena_block *block = get_block(arena->pool, whole);
    if (block == NULL)
        return NULL;
    arena->used += whole;
    struct arena_block *current = arena->blocks;
    if (current != NULL && block_room(current) > whole - sizeof(*block) - size) {
        block->next = current->next;
        current->next = block;
    } else {
        block->next = current;
        arena->blocks = block;
    }
    return block;
}

void *arena_take(struct arena *arena, size_t size)
{
    if (size > SIZE_MAX - ALIGNMENT)
        return NULL;
    size_t aligned = size == 0 ? ALIGNMENT : (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    struct arena_block *block = arena->blocks;
    if (block == NULL || block_room(block) < aligned)
        block = add_block(arena, aligned);
    if (block == NULL)
        return NULL;
    char *start = block->bytes + block->taken;
    block->taken += aligned;
    allow(start, size);
    return start;
}

void *arena_take_zeroed(struct arena *arena, size_t size)
{
    return arena_take_zeroed_to(arena, size, size);
}

void *arena_take_zeroed_to(struct arena *arena, size_t size, size_t zeroed)
{
    ensure(zeroed <= size);
    void *start = arena_take(arena, size);
    return start == NULL ? NULL : memset(start, 0, zeroed);
}

struct text arena_copy(struct arena *arena, struct text t)
{
    char *copy = t.length == SIZE_MAX ? NULL : arena_take(arena, t.length + 1);
    if (copy == NULL)
        return text_of(NULL, 0);
    if (t.length > 0)
        memcpy(copy, t.data, t.length);
    copy[t.length] = '\0';
    return text_of(copy, t.length);
}

struct text arena_format(struct arena *arena, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    ensure(length >= 0);

    char *out = arena_take(arena, (size_t)length + 1);
    if (out == NULL)
        return text_of(NULL, 0);
    va_start(arguments, format);
    vsnprintf(out, (size_t)length + 1, format, arguments);
    va_end(arguments);
    return text_of(out, (size_t)length);
}
