/* loop: one thread's turn of the world: descriptors, timers, work from other threads.
 *
 * One loop belongs to one thread; only loop_post may be called from another. There are two
 * backends behind this header: libuv (loop_uv.c) for real life and a virtual clock
 * (loop_virtual.c) for replay tests, in which time moves only when nothing is runnable.
 *
 * A turn: deferred work of the last turn -> time is read once -> due timers -> posted work ->
 * ready descriptors -> deferred work. Callbacks never free their caller: whatever is to be
 * destroyed goes through loop_defer and dies at the end of the turn. */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "tables/error.h"

struct loop;

#define LOOP_READ_BUFFER_SIZE \
    (64u * 1024u) /* one per loop, lent to whoever reads: an idle stream holds none */

/* NULL when the system has no descriptors or memory. Ignores SIGPIPE for the process. */
must_check struct loop *loop_create(void);
must_check struct loop *loop_create_virtual(
    uint64_t wall_start);             /* tests: the clock is turned by hand */
void loop_destroy(struct loop *loop); /* nothing may be watched or timed any more, but by orphans */

/* Runs until loop_stop. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop); /* from the loop's own thread; others post a call of it */
/* A virtual loop's loop_run also returns when nothing is left that could ever happen. */
/* Virtual clock only: runs everything due within the next `nanoseconds`, moving the clock. */
void loop_advance(struct loop *loop, uint64_t nanoseconds);
/* Virtual clock only: the wall clock is set, as an administrator or a time server does. */
void loop_set_wall(struct loop *loop, uint64_t wall);

/* Monotonic and wall nanoseconds, read once a turn: equal within a callback. */
uint64_t loop_now(const struct loop *loop);
uint64_t loop_wall(const struct loop *loop);
/* Of the turn that runs: another number in each. */
uint64_t loop_turn(const struct loop *loop);
/* Read anew from the system: where a step's own duration is measured. Virtual: same as loop_now. */
uint64_t loop_now_exact(struct loop *loop);

/* The loop's read buffer, LOOP_READ_BUFFER_SIZE bytes, valid until control returns to the loop. */
char *loop_read_buffer(struct loop *loop);

/* Called just before the loop waits and just after it woke: RCU quiescence. NULL for none. */
void loop_on_wait(struct loop *loop, void (*before)(void *owner), void (*after)(void *owner),
                  void *owner);

/* ---- descriptors: readiness only, level-triggered; embed one in what owns the descriptor ---- */
/* LOOP_TROUBLE alone: neither reading nor writing, but tell me when the other side is gone. */
enum loop_interest { LOOP_READABLE = 1, LOOP_WRITABLE = 2, LOOP_TROUBLE = 4 };

struct loop_watch;
/* `events` holds the interests that are ready; errors show as all three, whatever was asked for,
 * and a hang-up as what was asked for. */
typedef void (*loop_watch_callback)(void *owner, unsigned events);
must_handle enum error loop_watch_open(struct loop *loop, int descriptor,
                                       loop_watch_callback callback, void *owner,
                                       struct loop_watch **out);
/* 0 watches nothing but keeps the place. Asking for what is already watched costs nothing. */
void loop_watch_set(struct loop_watch *watch, unsigned interest);
/* Stops and frees; the descriptor is not closed, close it after this call. No callback follows. */
void loop_watch_close(struct loop_watch *watch);

/* ---- timers: one shot; embedded, no memory of their own; a wheel or heap inside ---- */
struct loop_timer {
    void (*callback)(void *owner);
    void *owner;
    uint64_t due;    /* loop_now nanoseconds; 0 when not set */
    size_t position; /* the loop's own */
};
void loop_timer_open(struct loop_timer *timer, void (*callback)(void *owner), void *owner);
/* Sets or moves it. Moving a timer later is cheap (time-outs are moved far more often than fired).
 * Never fires within the same turn. A timer that is set must be cleared before its memory goes. */
void loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t after_nanoseconds);
void loop_timer_clear(struct loop *loop, struct loop_timer *timer);

/* ---- end of turn ---- */
struct loop_deferred {
    void (*callback)(void *owner);
    void *owner;
    struct loop_deferred *next;
    bool queued;
};
/* Runs the callback once at the end of this turn; queueing it twice is the same as once. What is
 * deferred by deferred work runs at the end of the next turn, which then does not wait. */
void loop_defer(struct loop *loop, struct loop_deferred *deferred, void (*callback)(void *owner),
                void *owner);

/* ---- what goes on after its owner has gone ---- */
struct loop_orphan {
    void (*end)(void *owner);
    void *owner;
    struct loop_orphan *next;
    struct loop_orphan **place; /* NULL: not adopted */
};
/* The loop calls `end` when it is destroyed (a connection that still lingers), unless released
 * before. */
void loop_adopt(struct loop *loop, struct loop_orphan *orphan, void (*end)(void *owner),
                void *owner);
void loop_release(struct loop_orphan *orphan);

/* ---- from any thread ---- */
/* The callback runs on the loop's thread, in order of posting. The post's few bytes are allocated
 * and freed by the loop. Posting to a stopped loop that is not destroyed is allowed; loop_destroy
 * runs what is left. */
void loop_post(struct loop *loop, void (*callback)(void *owner), void *owner);

#endif
