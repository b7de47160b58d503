/* The loop of replay tests: the clock is turned by hand, and the same input gives the same order.
 *
 * Descriptors are real (socket pairs) and are asked in the order in which they were opened. Time
 * moves only when a whole turn found nothing to do: then to the next timer. Nothing outside the
 * loop's thread takes part, so a loop with no timer left and nothing ready is at its end. */
#include <poll.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/ensure.h"
#include "net/loop_backend.h"

#define VIRTUAL_START NANOSECONDS_PER_SECOND /* not 0: a due of 0 means "not set" */
/* Turns without time moving: more means that something is ready and nobody takes it. */
#define VIRTUAL_TURNS_MAXIMUM 1000000u

struct virtual_loop {
    struct loop common;
    uint64_t clock;
    uint64_t wall_start;
    struct loop_watch *
        *watches; /* in the order of opening; closed ones until the end of the turn */
    struct pollfd *polled;
    size_t count;
    size_t capacity;
    bool stopped;
};

static const struct loop_backend virtual_backend;

static struct virtual_loop *loop_of(struct loop *loop)
{
    return CONTAINER_OF(loop, struct virtual_loop, common);
}

/* ---- descriptors ---- */

static struct loop_watch *virtual_watch_open(struct loop *common, int descriptor, enum error *error)
{
    struct virtual_loop *loop = loop_of(common);
    if (loop->count == loop->capacity) {
        size_t capacity = loop->capacity ? loop->capacity * 2 : 16;
        loop->watches = ensure_memory(realloc(loop->watches, capacity * sizeof(*loop->watches)));
        loop->polled = ensure_memory(realloc(loop->polled, capacity * sizeof(*loop->polled)));
        loop->capacity = capacity;
    }
    struct loop_watch *watch = ensure_memory(calloc(1, sizeof(*watch)));
    loop->watches[loop->count++] = watch;
    return watch;
}

static void virtual_watch_apply(struct loop_watch *watch)
{
}

static void virtual_watch_close(struct loop_watch *watch)
{
    watch->descriptor = -1; /* may be closed and given out anew at once */
}

static void virtual_sweep(struct virtual_loop *loop)
{
    size_t kept = 0;
    for (size_t i = 0; i < loop->count; i++) {
        if (loop->watches[i]->closed)
            free(loop->watches[i]);
        else
            loop->watches[kept++] = loop->watches[i];
    }
    loop->count = kept;
}

static unsigned virtual_events(const struct loop_watch *watch, short polled)
{
    if (polled & POLLERR || (polled & POLLHUP && watch->interest == LOOP_TROUBLE))
        return LOOP_READABLE | LOOP_WRITABLE | LOOP_TROUBLE;
    if (polled & POLLHUP)
        return watch->interest;
    return (polled & POLLIN ? LOOP_READABLE : 0u) | (polled & POLLOUT ? LOOP_WRITABLE : 0u);
}

static bool virtual_poll(struct virtual_loop *loop)
{
    size_t count = loop->count; /* those opened by a callback have their first turn in the next */
    for (size_t i = 0; i < count; i++) {
        const struct loop_watch *watch = loop->watches[i];
        bool asked = watch->interest != 0 && !watch->closed;
        loop->polled[i] = (struct pollfd){.fd = asked ? watch->descriptor : -1};
        if (watch->interest & LOOP_READABLE)
            loop->polled[i].events |= POLLIN;
        if (watch->interest & LOOP_WRITABLE)
            loop->polled[i].events |= POLLOUT;
    }
    if (poll(loop->polled, count, 0) <= 0)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (loop->polled[i].revents == 0)
            continue;
        struct loop_watch *watch = loop->watches[i];
        loop_watch_tell(watch, virtual_events(watch, loop->polled[i].revents));
    }
    return true;
}

/* ---- time ---- */

/* One turn; false when there was nothing to do. */
static bool virtual_turn(struct virtual_loop *loop)
{
    struct loop *common = &loop->common;
    bool work = common->deferred_first || atomic_load(&common->posts) ||
                timer_heap_next_due(&common->timers) <= loop->clock;
    loop_turn_waits(common);
    loop_turn_begin(common, loop->clock, loop->wall_start + (loop->clock - VIRTUAL_START));
    work |= virtual_poll(loop);
    loop_turn_end(common);
    virtual_sweep(loop);
    return work;
}

static void virtual_run_until(struct virtual_loop *loop, uint64_t end)
{
    for (;;) {
        unsigned turns = 0;
        while (!loop->stopped && virtual_turn(loop))
            ensure(++turns < VIRTUAL_TURNS_MAXIMUM);
        uint64_t due = timer_heap_next_due(&loop->common.timers);
        if (loop->stopped || due > end || due == UINT64_MAX)
            return;
        loop->clock = due;
    }
}

static void virtual_run(struct loop *common)
{
    struct virtual_loop *loop = loop_of(common);
    virtual_run_until(loop, UINT64_MAX - 1);
    loop->stopped = false;
}

static void virtual_advance(struct loop *common, uint64_t nanoseconds)
{
    struct virtual_loop *loop = loop_of(common);
    uint64_t end = loop->clock + nanoseconds;
    virtual_run_until(loop, end);
    loop->stopped = false;
    loop->clock = end;
    common->now = end;
    common->wall = loop->wall_start + (end - VIRTUAL_START);
}

void loop_set_wall(struct loop *common, uint64_t wall)
{
    struct virtual_loop *loop = loop_of(common);
    ensure(common->backend == &virtual_backend);
    loop->wall_start = wall - (loop->clock - VIRTUAL_START);
    common->wall = wall;
}

static void virtual_stop(struct loop *common)
{
    loop_of(common)->stopped = true;
}

static void virtual_wake(struct loop *common)
{
    /* It never waits. */
}

static uint64_t virtual_now_exact(struct loop *common)
{
    return common->now;
}

static void virtual_destroy(struct loop *common)
{
    struct virtual_loop *loop = loop_of(common);
    loop_common_close(common);
    virtual_sweep(loop);
    ensure(loop->count == 0); /* else something is still watched */
    free(loop->watches);
    free(loop->polled);
    free(loop);
}

static const struct loop_backend virtual_backend = {
    .run = virtual_run,
    .stop = virtual_stop,
    .wake = virtual_wake,
    .advance = virtual_advance,
    .now_exact = virtual_now_exact,
    .destroy = virtual_destroy,
    .watch_open = virtual_watch_open,
    .watch_apply = virtual_watch_apply,
    .watch_close = virtual_watch_close,
};

struct loop *loop_create_virtual(uint64_t wall_start)
{
    struct virtual_loop *loop = ensure_memory(calloc(1, sizeof(*loop)));
    ensure(loop_common_open(&loop->common, &virtual_backend));
    loop->clock = VIRTUAL_START;
    loop->wall_start = wall_start;
    loop->common.now = loop->clock;
    loop->common.wall = wall_start;
    return &loop->common;
}
