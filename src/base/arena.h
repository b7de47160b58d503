/* arena: memory that lives and dies together, with a cap.
 *
 * One exchange has one arena; its cap is the exchange's memory limit. Blocks are recycled through
 * an arena_pool that belongs to one loop (one thread). Alignment is 16. Contents are not zeroed
 * unless asked. An arena is used by one thread at a time. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

#include "base/text.h"

#define ARENA_BLOCK_SIZE \
    8192u /* small enough that an idle stream holds one, big enough for a head */

struct arena_block;

struct arena_pool {
    struct arena_block *free_blocks;
    size_t free_count;
    size_t free_limit; /* blocks kept for reuse; the rest goes back to malloc */
};

struct arena {
    struct arena_block *blocks; /* the current one first */
    struct arena_pool *pool;    /* may be NULL: blocks then come from and go to malloc */
    size_t used;                /* bytes taken from the system on behalf of this arena */
    size_t limit;
};

void arena_pool_open(struct arena_pool *pool, size_t free_limit);
void arena_pool_close(struct arena_pool *pool);

void arena_open(struct arena *arena, struct arena_pool *pool, size_t limit);
void arena_close(struct arena *arena);

/* NULL when the cap is reached or the system has no memory. A size of 0 gives a valid pointer. */
must_check void *arena_take(struct arena *arena, size_t size);
must_check void *arena_take_zeroed(struct arena *arena, size_t size);
/* Only the first `zeroed` bytes are zeroed: for a struct that ends with large places which are
 * written before they are read. Memory that a call does not touch is not fetched for it. */
must_check void *arena_take_zeroed_to(struct arena *arena, size_t size, size_t zeroed);
/* A copy of `t`, NUL-terminated behind its length. data is NULL when it failed. */
must_check struct text arena_copy(struct arena *arena, struct text t);
/* printf into the arena, NUL-terminated; data NULL when it failed. */
must_check struct text arena_format(struct arena *arena, const char *format, ...) format_like(2, 3);

#endif
