/* What every loop does whatever backend waits for it: the order of a turn.
 *
 * A turn is: loop_turn_waits (hook) - the backend waits - loop_turn_begin (hook, due timers, posts)
 * - the backend tells ready descriptors - loop_turn_end (deferred).
 *
 * Invariants: what is deferred while deferred work runs belongs to the next turn, which then does
 * not wait; a timer set during a turn is due in a later turn at the earliest, so no turn can
 * run for ever; the clock does not move within a turn. */
#include "net/loop.h"

#include <signal.h>
#include <stdlib.h>

#include "base/ensure.h"
#include "net/loop_backend.h"

bool loop_common_open(struct loop *loop, const struct loop_backend *backend)
{
    /* A write to a closed socket is an error code, never a signal (OpenSSL writes without
     * MSG_NOSIGNAL). */
    signal(SIGPIPE, SIG_IGN);
    loop->backend = backend;
    loop->read_buffer = malloc(LOOP_READ_BUFFER_SIZE);
    loop->deferred_last = &loop->deferred_first;
    atomic_init(&loop->posts, NULL);
    return loop->read_buffer != NULL;
}

/* Posts are pushed newest first; taking all and turning the chain round gives the order of posting.
 */
static void loop_run_posts(struct loop *loop)
{
    if (atomic_load_explicit(&loop->posts, memory_order_relaxed) == NULL)
        return;
    struct loop_post *newest = atomic_exchange_explicit(&loop->posts, NULL, memory_order_acquire);
    struct loop_post *oldest = NULL;
    while (newest) {
        struct loop_post *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest) {
        struct loop_post post = *oldest;
        free(oldest);
        post.callback(post.owner);
        oldest = post.next;
    }
}

void loop_common_close(struct loop *loop)
{
    while (loop->deferred_first || atomic_load(&loop->posts)) {
        loop_run_posts(loop);
        loop_turn_end(loop);
    }
    timer_heap_close(&loop->timers);
    free(loop->read_buffer);
}

void loop_turn_waits(struct loop *loop)
{
    if (loop->before_wait)
        loop->before_wait(loop->wait_owner);
}

void loop_turn_begin(struct loop *loop, uint64_t now, uint64_t wall)
{
    loop->now = now;
    loop->wall = wall;
    loop->turn++;
    if (loop->after_wait)
        loop->after_wait(loop->wait_owner);
    struct loop_timer *timer;
    while ((timer = timer_heap_take(&loop->timers, now)))
        timer->callback(timer->owner);
    loop_run_posts(loop);
}

void loop_turn_end(struct loop *loop)
{
    struct loop_deferred *deferred = loop->deferred_first;
    loop->deferred_first = NULL;
    loop->deferred_last = &loop->deferred_first;
    while (deferred) {
        struct loop_deferred *next = deferred->next;
        deferred->queued = false;
        deferred->callback(deferred->owner); /* may free or queue it again */
        deferred = next;
    }
}

void loop_watch_tell(struct loop_watch *watch, unsigned events)
{
    if (watch->closed || watch->interest == 0)
        return;
    if ((events & LOOP_TROUBLE) == 0)
        events &= watch->interest;
    if (events)
        watch->callback(watch->owner, events);
}

void loop_destroy(struct loop *loop)
{
    if (!loop)
        return;
    while (loop->orphans) {
        struct loop_orphan *orphan = loop->orphans;
        loop_release(orphan);
        orphan->end(orphan->owner);
    }
    loop->backend->destroy(loop);
}

void loop_run(struct loop *loop)
{
    loop->backend->run(loop);
}

void loop_stop(struct loop *loop)
{
    loop->backend->stop(loop);
}

void loop_advance(struct loop *loop, uint64_t nanoseconds)
{
    ensure(loop->backend->advance);
    loop->backend->advance(loop, nanoseconds);
}

uint64_t loop_now(const struct loop *loop)
{
    return loop->now;
}

uint64_t loop_turn(const struct loop *loop)
{
    return loop->turn;
}

uint64_t loop_wall(const struct loop *loop)
{
    return loop->wall;
}

uint64_t loop_now_exact(struct loop *loop)
{
    return loop->backend->now_exact(loop);
}

char *loop_read_buffer(struct loop *loop)
{
    return loop->read_buffer;
}

void loop_on_wait(struct loop *loop, void (*before)(void *owner), void (*after)(void *owner),
                  void *owner)
{
    loop->before_wait = before;
    loop->after_wait = after;
    loop->wait_owner = owner;
}

enum error loop_watch_open(struct loop *loop, int descriptor, loop_watch_callback callback,
                           void *owner, struct loop_watch **out)
{
    enum error error = ERROR_OK;
    struct loop_watch *watch = loop->backend->watch_open(loop, descriptor, &error);
    *out = watch;
    if (!watch)
        return error;
    watch->loop = loop;
    watch->callback = callback;
    watch->owner = owner;
    watch->descriptor = descriptor;
    return ERROR_OK;
}

void loop_watch_set(struct loop_watch *watch, unsigned interest)
{
    ensure(!watch->closed);
    if (watch->interest == interest)
        return;
    watch->interest = interest;
    watch->loop->backend->watch_apply(watch);
}

void loop_watch_close(struct loop_watch *watch)
{
    if (!watch)
        return;
    ensure(!watch->closed);
    watch->closed = true;
    watch->loop->backend->watch_close(watch);
}

void loop_timer_open(struct loop_timer *timer, void (*callback)(void *owner), void *owner)
{
    *timer = (struct loop_timer){.callback = callback, .owner = owner};
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t after_nanoseconds)
{
    /* At least one nanosecond: due in a later turn, never in this one. A wait too long for the
     * clock is for ever. */
    uint64_t after = after_nanoseconds ? after_nanoseconds : 1;
    uint64_t due;
    if (__builtin_add_overflow(loop->now, after, &due) || due == UINT64_MAX)
        due = UINT64_MAX - 1;
    timer_heap_set(&loop->timers, timer, due);
}

void loop_timer_clear(struct loop *loop, struct loop_timer *timer)
{
    timer_heap_clear(&loop->timers, timer);
}

void loop_defer(struct loop *loop, struct loop_deferred *deferred, void (*callback)(void *owner),
                void *owner)
{
    if (deferred->queued)
        return;
    *deferred = (struct loop_deferred){.callback = callback, .owner = owner, .queued = true};
    *loop->deferred_last = deferred;
    loop->deferred_last = &deferred->next;
}

void loop_adopt(struct loop *loop, struct loop_orphan *orphan, void (*end)(void *owner),
                void *owner)
{
    ensure(!orphan->place);
    *orphan = (struct loop_orphan){end, owner, loop->orphans, &loop->orphans};
    if (loop->orphans)
        loop->orphans->place = &orphan->next;
    loop->orphans = orphan;
}

void loop_release(struct loop_orphan *orphan)
{
    if (!orphan->place)
        return;
    *orphan->place = orphan->next;
    if (orphan->next)
        orphan->next->place = orphan->place;
    orphan->place = NULL;
}

void loop_post(struct loop *loop, void (*callback)(void *owner), void *owner)
{
    struct loop_post *post = ensure_memory(malloc(sizeof(*post)));
    post->callback = callback;
    post->owner = owner;
    post->next = atomic_load_explicit(&loop->posts, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&loop->posts, &post->next, post,
                                                  memory_order_release, memory_order_relaxed))
        ;
    loop->backend->wake(loop);
}
