/* The loop of real life: libuv waits.
 *
 * libuv's own turn is timers, prepare, poll with the descriptors' callbacks inside, check, closing.
 * Ours (loop.h) is laid over it: `prepare` calls the wait hook and marks the loop as WAITING;
 * whichever callback comes first after the wait (a descriptor, or `check` when only a timer or a
 * post woke us) begins our turn: time, due timers, posts. `check` ends it.
 *
 * All our timers live in the loop's heap; one uv_timer bounds the wait. It is armed only for an
 * earlier time than it stands at: when it fires too early, the heap just has nothing due. */
#include <stdlib.h>
#include <uv.h>

#include "base/clock.h"
#include "base/ensure.h"
#include "net/loop_backend.h"

struct uv_backed_loop {
    struct loop common;
    uv_loop_t uv;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t idle; /* active: do not wait, there is deferred work */
    uv_timer_t timer;
    uv_async_t async;
    uint64_t armed; /* heap key for which `timer` stands; UINT64_MAX when it does not */
    bool waiting;
};

struct uv_backed_watch {
    struct loop_watch common;
    uv_poll_t poll;
};

static struct uv_backed_loop *loop_of(struct loop *loop)
{
    return CONTAINER_OF(loop, struct uv_backed_loop, common);
}

static void uv_turn_begin(struct uv_backed_loop *loop)
{
    if (!loop->waiting)
        return;
    loop->waiting = false;
    loop_turn_begin(&loop->common, clock_monotonic(), clock_wall());
}

static void uv_timer_fired(uv_timer_t *timer)
{
    struct uv_backed_loop *loop = timer->data;
    loop->armed = UINT64_MAX;
}

/* libuv counts whole milliseconds of the same monotonic clock: rounded up, so as not to wake before
 * the time. */
static void uv_arm_timer(struct uv_backed_loop *loop)
{
    uint64_t key = timer_heap_next_key(&loop->common.timers);
    if (key >= loop->armed)
        return;
    uint64_t due = key / NANOSECONDS_PER_MILLISECOND + (key % NANOSECONDS_PER_MILLISECOND != 0);
    uint64_t now = uv_now(&loop->uv);
    loop->armed = key;
    uv_timer_start(&loop->timer, uv_timer_fired, due > now ? due - now : 0, 0);
}

static void uv_idle_ran(uv_idle_t *idle)
{
}

static void uv_before_poll(uv_prepare_t *prepare)
{
    struct uv_backed_loop *loop = prepare->data;
    uv_arm_timer(loop);
    if (loop->common.deferred_first)
        uv_idle_start(&loop->idle, uv_idle_ran);
    loop_turn_waits(&loop->common);
    loop->waiting = true;
}

static void uv_after_poll(uv_check_t *check)
{
    struct uv_backed_loop *loop = check->data;
    uv_turn_begin(loop);
    if (uv_is_active((uv_handle_t *)&loop->idle))
        uv_idle_stop(&loop->idle);
    loop_turn_end(&loop->common);
}

static void uv_woken(uv_async_t *async)
{
    /* Only ends the wait: posts run when the turn begins. */
}

static void uv_backend_run(struct loop *common)
{
    struct uv_backed_loop *loop = loop_of(common);
    common->now = clock_monotonic();
    common->wall = clock_wall();
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

static void uv_backend_stop(struct loop *common)
{
    uv_stop(&loop_of(common)->uv);
}

static void uv_backend_wake(struct loop *common)
{
    uv_async_send(&loop_of(common)->async);
}

static uint64_t uv_backend_now_exact(struct loop *common)
{
    return clock_monotonic();
}

static void uv_backend_destroy(struct loop *common)
{
    struct uv_backed_loop *loop = loop_of(common);
    uv_handle_t *own[] = {(uv_handle_t *)&loop->prepare, (uv_handle_t *)&loop->check,
                          (uv_handle_t *)&loop->idle, (uv_handle_t *)&loop->timer};
    for (size_t i = 0; i < ARRAY_LENGTH(own); i++)
        uv_close(own[i], NULL);
    loop_common_close(common); /* what is posted last may still close watches */
    uv_close((uv_handle_t *)&loop->async, NULL);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    ensure(uv_loop_close(&loop->uv) == 0); /* else something is still watched */
    free(loop);
}

/* ---- descriptors ---- */

static void uv_watch_start(struct uv_backed_watch *watch);

/* libuv says an error (EPOLLERR) as a negative status and stops its handle. */
static void uv_watch_ready(uv_poll_t *poll, int status, int events)
{
    struct uv_backed_watch *watch = CONTAINER_OF(poll, struct uv_backed_watch, poll);
    uv_turn_begin(loop_of(watch->common.loop));
    if (status < 0 || (events & UV_PRIORITIZED)) {
        loop_watch_tell(&watch->common, LOOP_READABLE | LOOP_WRITABLE | LOOP_TROUBLE);
        if (status < 0 && !watch->common.closed)
            uv_watch_start(watch);
        return;
    }
    unsigned ready =
        (events & UV_READABLE ? LOOP_READABLE : 0u) | (events & UV_WRITABLE ? LOOP_WRITABLE : 0u);
    loop_watch_tell(&watch->common, ready);
}

/* Errors and hang-ups are told by the kernel unasked, but libuv does not watch for nothing: urgent
 * data, which nobody sends, stands in for it. */
static void uv_watch_start(struct uv_backed_watch *watch)
{
    unsigned interest = watch->common.interest;
    int events =
        (interest & LOOP_READABLE ? UV_READABLE : 0) | (interest & LOOP_WRITABLE ? UV_WRITABLE : 0);
    if (interest == LOOP_TROUBLE)
        events = UV_PRIORITIZED;
    if (events)
        uv_poll_start(&watch->poll, events, uv_watch_ready);
    else
        uv_poll_stop(&watch->poll);
}

static struct loop_watch *uv_backend_watch_open(struct loop *loop, int descriptor,
                                                enum error *error)
{
    struct uv_backed_watch *watch = calloc(1, sizeof(*watch));
    if (!watch) {
        *error = ERROR_MEMORY;
        return NULL;
    }
    int status = uv_poll_init(&loop_of(loop)->uv, &watch->poll, descriptor);
    if (status < 0) {
        *error = error_from_errno(-status);
        free(watch);
        return NULL;
    }
    return &watch->common;
}

static void uv_backend_watch_apply(struct loop_watch *common)
{
    uv_watch_start(CONTAINER_OF(common, struct uv_backed_watch, common));
}

static void uv_watch_gone(uv_handle_t *handle)
{
    free(CONTAINER_OF((uv_poll_t *)handle, struct uv_backed_watch, poll));
}

static void uv_backend_watch_close(struct loop_watch *common)
{
    struct uv_backed_watch *watch = CONTAINER_OF(common, struct uv_backed_watch, common);
    uv_close((uv_handle_t *)&watch->poll, uv_watch_gone);
}

static const struct loop_backend uv_backend = {
    .run = uv_backend_run,
    .stop = uv_backend_stop,
    .wake = uv_backend_wake,
    .now_exact = uv_backend_now_exact,
    .destroy = uv_backend_destroy,
    .watch_open = uv_backend_watch_open,
    .watch_apply = uv_backend_watch_apply,
    .watch_close = uv_backend_watch_close,
};

struct loop *loop_create(void)
{
    struct uv_backed_loop *loop = calloc(1, sizeof(*loop));
    if (!loop)
        return NULL;
    if (!loop_common_open(&loop->common, &uv_backend) || uv_loop_init(&loop->uv) != 0) {
        free(loop->common.read_buffer);
        free(loop);
        return NULL;
    }
    if (uv_async_init(&loop->uv, &loop->async, uv_woken) != 0) {
        free(loop->common.read_buffer);
        uv_loop_close(&loop->uv);
        free(loop);
        return NULL;
    }
    uv_prepare_init(&loop->uv, &loop->prepare);
    uv_check_init(&loop->uv, &loop->check);
    uv_idle_init(&loop->uv, &loop->idle);
    uv_timer_init(&loop->uv, &loop->timer);
    loop->prepare.data = loop->check.data = loop->timer.data = loop;
    uv_prepare_start(&loop->prepare, uv_before_poll);
    uv_check_start(&loop->check, uv_after_poll);
    loop->armed = UINT64_MAX;
    loop->common.now = clock_monotonic();
    loop->common.wall = clock_wall();
    return &loop->common;
}
