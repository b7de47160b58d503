/* loop_backend: what a loop has in common whatever waits for readiness behind it (private to the
 * loop's own files).
 *
 * loop.c keeps timers, deferred work, posts and the order of a turn; a backend waits, tells ready
 * descriptors and the time. A backend embeds `struct loop` and `struct loop_watch` at the start of
 * its own structs. */
#ifndef NET_LOOP_BACKEND_H
#define NET_LOOP_BACKEND_H

#include <stdatomic.h>

#include "net/loop.h"
#include "net/timer_heap.h"

struct loop_watch {
    struct loop *loop;
    loop_watch_callback callback;
    void *owner;
    int descriptor;
    unsigned interest;
    bool closed; /* no callback any more; the backend frees it at the end of the turn */
};

struct loop_backend {
    void (*run)(struct loop *loop);
    void (*stop)(struct loop *loop);
    void (*wake)(struct loop *loop);                          /* from any thread: end the wait */
    void (*advance)(struct loop *loop, uint64_t nanoseconds); /* NULL: time is the system's */
    uint64_t (*now_exact)(struct loop *loop);
    void (*destroy)(struct loop *loop);
    /* NULL and `error` when it fails. Only descriptor and loop are looked at. */
    struct loop_watch *(*watch_open)(struct loop *loop, int descriptor, enum error *error);
    void (*watch_apply)(struct loop_watch *watch); /* `interest` has changed */
    void (*watch_close)(struct loop_watch *watch);
};

struct loop_post {
    void (*callback)(void *owner);
    void *owner;
    struct loop_post *next;
};

struct loop {
    const struct loop_backend *backend;
    uint64_t now;
    uint64_t wall;
    uint64_t turn;
    struct timer_heap timers;
    struct loop_deferred *deferred_first;
    struct loop_deferred **deferred_last;
    struct loop_orphan *orphans;
    _Atomic(struct loop_post *) posts; /* newest first */
    char *read_buffer;
    void (*before_wait)(void *owner);
    void (*after_wait)(void *owner);
    void *wait_owner;
};

/* Fills the common part; false when memory is short. */
must_check bool loop_common_open(struct loop *loop, const struct loop_backend *backend);
/* Runs posts that are left, frees the common part. The backend has closed its own before. */
void loop_common_close(struct loop *loop);

/* A turn, in this order; between the two the backend tells the ready descriptors. */
void loop_turn_waits(struct loop *loop);
void loop_turn_begin(struct loop *loop, uint64_t now, uint64_t wall);
void loop_turn_end(struct loop *loop);
/* Calls the watch's callback unless it was closed or does not ask (any more) for these events. */
void loop_watch_tell(struct loop_watch *watch, unsigned events);

#endif
