/* limit: counts what went through in a sliding window, or what is under way, without a lock.
 *
 * The window is cut into LIMIT_SLOTS slots, and the oldest, partly outside, counts whole: no
 * stretch of the window's length ever sees more than was allowed, at the price of waiting up to a
 * sixtieth longer. `now` is monotonic nanoseconds. For policy/ only; any thread, but for create and
 * free. */
#ifndef POLICY_LIMIT_H
#define POLICY_LIMIT_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/attributes.h"
#include "policy/wide.h"

#define LIMIT_SLOTS 60u
#define LIMIT_RING  64u /* a power of two above LIMIT_SLOTS + 1: those in the window */
/* What one call may count for: with millions of such calls the sum still fits. */
#define LIMIT_ASK_MAX ((int64_t)1 << 40)
#define LIMIT_NEVER   UINT64_MAX

/* A call touches one line of memory, and one of the slots. */
struct limit {
    atomic_int_least64_t used;
    atomic_int_least64_t held;    /* of that: by calls under way, which may turn out to use less */
    atomic_uint_least64_t filled; /* bit i: slots[i] may have a count */
    atomic_uint_least64_t last;   /* the newest slot that was seen */
    uint64_t window;              /* nanoseconds; 0: counts what is under way */
    uint64_t slot_length;
    atomic_uint_least32_t holds; /* calls that point here */
    struct limit *next;          /* the control thread's */
    struct wide slots[];         /* high half: number of the slot, low half: its count */
};
_Static_assert(sizeof(struct limit) == 64, "a line of memory");

/* As windows are cut. */
static inline uint64_t limit_slot_length(uint64_t window)
{
    return (window + LIMIT_SLOTS - 1) / LIMIT_SLOTS;
}

must_check struct limit *limit_create(uint64_t window);
/* Nothing may point to it any more. */
void limit_free(struct limit *limit);

/* For limit_prefetch: slots in 2^64 nanoseconds; 0 without a window. */
static inline uint64_t limit_slot_rate(uint64_t window)
{
    return window == 0 ? 0 : UINT64_MAX / limit_slot_length(window);
}

/* Asks the processor for what a call at `now` will touch. It looks at nothing that it asks for, and
 * multiplies where it could divide: at the edge of a slot it may miss. */
static inline void limit_prefetch(const struct limit *limit, uint64_t slot_rate, uint64_t now)
{
    __builtin_prefetch(limit, 1);
    if (slot_rate == 0)
        return;
    uint64_t number = (uint64_t)((unsigned __int128)now * slot_rate >> 64);
    __builtin_prefetch(&limit->slots[number & (LIMIT_RING - 1)], 1);
}

/* Takes `ask` (0 to LIMIT_ASK_MAX), unless `bind` and more than `amount` would then be used. `slot`
 * is for limit_correct. */
must_check bool limit_take(struct limit *limit, int64_t ask, int64_t amount, bool bind,
                           uint64_t now, uint64_t *slot);
/* Makes what was taken then that much more (or less). A slot that has left the window stays as it
 * was: it counts no more. */
void limit_correct(struct limit *limit, uint64_t slot, int64_t difference);

/* So much more (or less) of what was taken is only held. */
static inline void limit_note_held(struct limit *limit, int64_t difference)
{
    atomic_fetch_add_explicit(&limit->held, difference, memory_order_relaxed);
}

int64_t limit_used(struct limit *limit, uint64_t now);
/* Nanoseconds until `ask` fits into `amount`, if nothing else comes; 0: now, or it is not known
 * (what is under way); LIMIT_NEVER. */
uint64_t limit_wait(struct limit *limit, int64_t ask, int64_t amount, uint64_t now);
/* Nanoseconds until nothing is used, if nothing else comes. */
uint64_t limit_reset(struct limit *limit, uint64_t now);

#endif
