/* timer_heap: which timer is due next: the part of a loop that keeps loop_timers in order.
 *
 * Entries point to timers that their owners embed; a timer that is set must be cleared before its
 * memory goes. One thread. Moving a timer later only writes its `due`: the entry keeps the earlier
 * key and is put right when it comes up, since idle time-outs are moved on every read and
 * almost never fire. */
#ifndef NET_TIMER_HEAP_H
#define NET_TIMER_HEAP_H

#include "net/loop.h"

struct timer_entry {
    uint64_t key; /* never later than the timer's due */
    struct loop_timer *timer;
};

struct timer_heap {
    struct timer_entry *entries;
    size_t count;
    size_t capacity;
};

void timer_heap_close(struct timer_heap *heap); /* must be empty */
void timer_heap_set(struct timer_heap *heap, struct loop_timer *timer, uint64_t due);
void timer_heap_clear(struct timer_heap *heap, struct loop_timer *timer);
/* The earliest key: no timer is due before it, though perhaps none at it. UINT64_MAX when empty. */
uint64_t timer_heap_next_key(const struct timer_heap *heap);
/* The earliest due, exactly. UINT64_MAX when empty. */
uint64_t timer_heap_next_due(struct timer_heap *heap);
/* Takes out the earliest timer that is due at `now`, marks it as not set; NULL when there is none.
 */
struct loop_timer *timer_heap_take(struct timer_heap *heap, uint64_t now);

#endif
