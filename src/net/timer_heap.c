/* A binary heap of (key, timer).
 *
 * Invariants: entries[i].key <= entries[2i+1].key, entries[2i+2].key; entries[i].key <=
 * entries[i].timer->due; entries[i].timer->position == i + 1; a timer outside has position 0 and
 * due 0. */
#include "net/timer_heap.h"

#include <stdlib.h>

#include "base/ensure.h"

#define TIMER_HEAP_FIRST_CAPACITY 64u

void timer_heap_close(struct timer_heap *heap)
{
    ensure(heap->count == 0);
    free(heap->entries);
    *heap = (struct timer_heap){0};
}

static void heap_place(struct timer_heap *heap, size_t index, struct timer_entry entry)
{
    heap->entries[index] = entry;
    entry.timer->position = index + 1;
}

static void heap_sift_up(struct timer_heap *heap, size_t index, struct timer_entry entry)
{
    while (index > 0) {
        size_t parent = (index - 1) / 2;
        if (heap->entries[parent].key <= entry.key)
            break;
        heap_place(heap, index, heap->entries[parent]);
        index = parent;
    }
    heap_place(heap, index, entry);
}

static void heap_sift_down(struct timer_heap *heap, size_t index, struct timer_entry entry)
{
    for (;;) {
        size_t child = 2 * index + 1;
        if (child >= heap->count)
            break;
        if (child + 1 < heap->count && heap->entries[child + 1].key < heap->entries[child].key)
            child++;
        if (entry.key <= heap->entries[child].key)
            break;
        heap_place(heap, index, heap->entries[child]);
        index = child;
    }
    heap_place(heap, index, entry);
}

static void heap_remove(struct timer_heap *heap, size_t index)
{
    struct timer_entry last = heap->entries[--heap->count];
    if (index == heap->count)
        return;
    if (index > 0 && last.key < heap->entries[(index - 1) / 2].key)
        heap_sift_up(heap, index, last);
    else
        heap_sift_down(heap, index, last);
}

void timer_heap_set(struct timer_heap *heap, struct loop_timer *timer, uint64_t due)
{
    if (timer->position != 0) {
        size_t index = timer->position - 1;
        timer->due = due;
        if (due < heap->entries[index].key)
            heap_sift_up(heap, index, (struct timer_entry){due, timer});
        return;
    }
    if (heap->count == heap->capacity) {
        /* 16 bytes a timer, bounded by what owns timers: the few growths may stop the process. */
        size_t capacity = heap->capacity ? heap->capacity * 2 : TIMER_HEAP_FIRST_CAPACITY;
        heap->entries = ensure_memory(realloc(heap->entries, capacity * sizeof(*heap->entries)));
        heap->capacity = capacity;
    }
    timer->due = due;
    heap->count++;
    heap_sift_up(heap, heap->count - 1, (struct timer_entry){due, timer});
}

void timer_heap_clear(struct timer_heap *heap, struct loop_timer *timer)
{
    if (timer->position == 0)
        return;
    heap_remove(heap, timer->position - 1);
    timer->position = 0;
    timer->due = 0;
}

uint64_t timer_heap_next_key(const struct timer_heap *heap)
{
    return heap->count == 0 ? UINT64_MAX : heap->entries[0].key;
}

uint64_t timer_heap_next_due(struct timer_heap *heap)
{
    while (heap->count > 0 && heap->entries[0].key < heap->entries[0].timer->due) {
        struct loop_timer *timer = heap->entries[0].timer;
        heap_sift_down(heap, 0, (struct timer_entry){timer->due, timer});
    }
    return timer_heap_next_key(heap);
}

struct loop_timer *timer_heap_take(struct timer_heap *heap, uint64_t now)
{
    /* Keys later than now need not be put right: their timers are later still. */
    while (heap->count > 0 && heap->entries[0].key <= now) {
        struct loop_timer *timer = heap->entries[0].timer;
        if (timer->due <= heap->entries[0].key) {
            timer_heap_clear(heap, timer);
            return timer;
        }
        heap_sift_down(heap, 0, (struct timer_entry){timer->due, timer});
    }
    return NULL;
}
