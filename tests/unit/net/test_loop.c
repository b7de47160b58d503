/* The order of a turn, timers against a plain list, deferred work, posts from threads; on both
 * backends where it can be. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "net/loop.h"

#define MILLISECOND NANOSECONDS_PER_MILLISECOND
#define SECOND      NANOSECONDS_PER_SECOND

struct trail {
    struct loop *loop;
    struct buffer steps;
};

static void trail_open(struct trail *trail, struct loop *loop)
{
    trail->loop = loop;
    buffer_open(&trail->steps, 4096);
}

static void trail_close(struct trail *trail)
{
    buffer_close(&trail->steps);
    loop_destroy(trail->loop);
}

static void expect_trail(struct trail *trail, const char *expected)
{
    buffer_append_char(&trail->steps, '\0');
    assert_string_equal(trail->steps.data, expected);
    buffer_clear(&trail->steps);
}

static void stop_loop(void *owner)
{
    loop_stop(owner);
}

/* ---- order ---- */

struct order {
    struct trail trail;
    struct loop_timer timer;
    struct loop_deferred deferred;
    struct loop_deferred deferred_later;
    struct loop_watch *watch;
    int pair[2];
};

static void order_timer(void *owner)
{
    struct order *order = owner;
    buffer_append_char(&order->trail.steps, 'T');
}

static void order_post(void *owner)
{
    struct order *order = owner;
    buffer_append_char(&order->trail.steps, 'P');
}

static void order_deferred_later(void *owner)
{
    struct order *order = owner;
    buffer_append_char(&order->trail.steps, 'L');
    loop_stop(order->trail.loop);
}

static void order_deferred(void *owner)
{
    struct order *order = owner;
    buffer_append_char(&order->trail.steps, 'D');
    loop_defer(order->trail.loop, &order->deferred_later, order_deferred_later, order);
}

static void order_ready(void *owner, unsigned events)
{
    struct order *order = owner;
    char byte;
    assert_int_equal(events, LOOP_READABLE);
    assert_int_equal(read(order->pair[0], &byte, 1), 1);
    buffer_append_char(&order->trail.steps, 'R');
    loop_defer(order->trail.loop, &order->deferred, order_deferred, order);
    loop_defer(order->trail.loop, &order->deferred, order_deferred, order);
}

static void order_before_wait(void *owner)
{
    struct order *order = owner;
    buffer_append_char(&order->trail.steps, '(');
}

static void order_after_wait(void *owner)
{
    struct order *order = owner;
    buffer_append_char(&order->trail.steps, ')');
}

static void check_order(struct loop *loop, uint64_t sleep_nanoseconds)
{
    struct order order = {0};
    trail_open(&order.trail, loop);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, order.pair), 0);
    assert_int_equal(loop_watch_open(loop, order.pair[0], order_ready, &order, &order.watch),
                     ERROR_OK);
    loop_watch_set(order.watch, LOOP_READABLE);
    loop_timer_open(&order.timer, order_timer, &order);
    loop_timer_set(loop, &order.timer, 0);
    loop_post(loop, order_post, &order);
    assert_int_equal(write(order.pair[1], "x", 1), 1);
    if (sleep_nanoseconds) {
        usleep((useconds_t)(sleep_nanoseconds / 1000)); /* the timer is due before the first wait */
        loop_on_wait(loop, order_before_wait, order_after_wait, &order);
        loop_run(loop);
        /* What is deferred by deferred work runs in the next turn, which does not wait. */
        expect_trail(&order.trail, "()TPRD()L");
    } else {
        loop_run(loop); /* virtual time has not come to the timer in the first turn */
        expect_trail(&order.trail, "PRDL");
        loop_run(loop);
        expect_trail(&order.trail, "T");
    }
    loop_watch_close(order.watch);
    close(order.pair[0]);
    close(order.pair[1]);
    trail_close(&order.trail);
}

static void test_order_of_a_turn(void **state)
{
    check_order(loop_create(), 2 * MILLISECOND);
}

static void test_order_of_a_virtual_turn(void **state)
{
    check_order(loop_create_virtual(0), 0);
}

/* ---- timers ---- */

#define TIMERS      200u
#define TIMER_STEPS 10000u

struct timed {
    struct loop *loop;
    struct loop_timer timer;
    uint64_t expected; /* 0: not set */
    unsigned *fired;
    uint64_t *last_due;
};

static void timed_fired(void *owner)
{
    struct timed *timed = owner;
    assert_true(timed->expected != 0);
    assert_int_equal(loop_now(timed->loop), timed->expected);
    assert_true(timed->expected >= *timed->last_due); /* in order of being due */
    assert_int_equal(timed->timer.due, 0);
    *timed->last_due = timed->expected;
    timed->expected = 0;
    (*timed->fired)++;
}

static uint32_t random_next(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static void test_timers_against_reference(void **state)
{
    struct loop *loop = loop_create_virtual(0);
    static struct timed timed[TIMERS];
    unsigned fired = 0;
    uint64_t last_due = 0;
    uint32_t seed = 1;
    for (size_t i = 0; i < TIMERS; i++) {
        timed[i] = (struct timed){.loop = loop, .fired = &fired, .last_due = &last_due};
        loop_timer_open(&timed[i].timer, timed_fired, &timed[i]);
    }
    for (unsigned step = 0; step < TIMER_STEPS; step++) {
        struct timed *one = &timed[random_next(&seed) % TIMERS];
        uint32_t what = random_next(&seed) % 10;
        if (what == 0) {
            loop_timer_clear(loop, &one->timer);
            one->expected = 0;
        } else if (what == 1) {
            loop_advance(loop, random_next(&seed) % 500);
        } else {
            uint64_t after = 1 + random_next(&seed) % 5000;
            loop_timer_set(loop, &one->timer, after);
            one->expected = loop_now(loop) + after;
        }
        for (size_t i = 0; i < TIMERS && step % 97 == 0; i++)
            assert_true(timed[i].expected == 0 || timed[i].expected > loop_now(loop));
    }
    loop_advance(loop, 10000);
    for (size_t i = 0; i < TIMERS; i++)
        assert_int_equal(timed[i].expected, 0);
    assert_true(fired > 500);
    loop_destroy(loop);
}

struct rearming {
    struct loop *loop;
    struct loop_timer timer;
    unsigned left;
};

static void rearming_fired(void *owner)
{
    struct rearming *rearming = owner;
    if (--rearming->left > 0)
        loop_timer_set(rearming->loop, &rearming->timer, 0);
    else
        loop_stop(rearming->loop);
}

/* A timer of no wait does not hold its own turn for ever, and ends. */
static void test_timer_without_wait(void **state)
{
    struct rearming rearming = {.loop = loop_create(), .left = 100};
    loop_timer_open(&rearming.timer, rearming_fired, &rearming);
    loop_timer_set(rearming.loop, &rearming.timer, 0);
    loop_run(rearming.loop);
    assert_int_equal(rearming.left, 0);
    loop_destroy(rearming.loop);
}

struct moved {
    struct loop *loop;
    struct loop_timer timer;
    struct loop_timer mover;
    unsigned moves;
    uint64_t due;
    uint64_t fired_at;
};

static void moved_mover(void *owner)
{
    struct moved *moved = owner;
    loop_timer_set(moved->loop, &moved->timer, 20 * MILLISECOND);
    moved->due = moved->timer.due;
    if (++moved->moves < 5)
        loop_timer_set(moved->loop, &moved->mover, 5 * MILLISECOND);
}

static void moved_fired(void *owner)
{
    struct moved *moved = owner;
    moved->fired_at = loop_now(moved->loop);
    loop_stop(moved->loop);
}

static void test_timer_moved_later_in_real_time(void **state)
{
    struct moved moved = {.loop = loop_create()};
    loop_timer_open(&moved.timer, moved_fired, &moved);
    loop_timer_open(&moved.mover, moved_mover, &moved);
    loop_timer_set(moved.loop, &moved.timer, 10 * MILLISECOND);
    loop_timer_set(moved.loop, &moved.mover, 5 * MILLISECOND);
    loop_run(moved.loop);
    assert_int_equal(moved.moves, 5);
    assert_true(moved.fired_at >= moved.due);
    assert_true(moved.fired_at < moved.due + SECOND);
    loop_destroy(moved.loop);
}

static void test_far_timer_is_for_ever(void **state)
{
    struct loop *loop = loop_create_virtual(0);
    struct loop_timer timer;
    loop_timer_open(&timer, stop_loop, loop);
    loop_timer_set(loop, &timer, UINT64_MAX);
    loop_advance(loop, 1000 * SECOND);
    assert_true(timer.due != 0);
    loop_timer_clear(loop, &timer);
    loop_timer_clear(loop, &timer);
    assert_int_equal(timer.due, 0);
    loop_destroy(loop);
}

/* ---- posts ---- */

#define POSTING_THREADS 4u
#define POSTS_OF_ONE    2000u

struct posting {
    struct loop *loop;
    unsigned next[POSTING_THREADS];
    unsigned total;
};

struct one_post {
    struct posting *posting;
    unsigned thread;
    unsigned number;
};

struct posting_thread {
    struct posting *posting;
    unsigned thread;
};

static void posted(void *owner)
{
    struct one_post *post = owner;
    struct posting *posting = post->posting;
    assert_int_equal(post->number, posting->next[post->thread]);
    posting->next[post->thread]++;
    free(post);
    if (++posting->total == POSTING_THREADS * POSTS_OF_ONE)
        loop_stop(posting->loop);
}

static void *post_many(void *argument)
{
    struct posting_thread *self = argument;
    for (unsigned i = 0; i < POSTS_OF_ONE; i++) {
        struct one_post *post = malloc(sizeof(*post));
        *post = (struct one_post){self->posting, self->thread, i};
        loop_post(self->posting->loop, posted, post);
    }
    return NULL;
}

static void test_posts_keep_order_of_each_thread(void **state)
{
    struct posting posting = {.loop = loop_create()};
    struct posting_thread threads[POSTING_THREADS];
    pthread_t ids[POSTING_THREADS];
    for (unsigned i = 0; i < POSTING_THREADS; i++) {
        threads[i] = (struct posting_thread){&posting, i};
        assert_int_equal(pthread_create(&ids[i], NULL, post_many, &threads[i]), 0);
    }
    loop_run(posting.loop);
    for (unsigned i = 0; i < POSTING_THREADS; i++)
        pthread_join(ids[i], NULL);
    assert_int_equal(posting.total, POSTING_THREADS * POSTS_OF_ONE);
    loop_destroy(posting.loop);
}

static void count_one(void *owner)
{
    (*(unsigned *)owner)++;
}

static void test_destroy_runs_posts_that_are_left(void **state)
{
    unsigned count = 0;
    struct loop *loop = loop_create();
    loop_post(loop, count_one, &count);
    loop_post(loop, count_one, &count);
    loop_destroy(loop);
    assert_int_equal(count, 2);
}

/* ---- virtual clock ---- */

static void test_virtual_time_moves_only_when_idle(void **state)
{
    struct loop *loop = loop_create_virtual(5 * SECOND);
    uint64_t start = loop_now(loop);
    unsigned count = 0;
    struct loop_timer first;
    struct loop_timer second;
    loop_timer_open(&first, count_one, &count);
    loop_timer_open(&second, count_one, &count);
    loop_timer_set(loop, &first, SECOND);
    loop_timer_set(loop, &second, 3600 * SECOND);
    loop_advance(loop, SECOND - 1);
    assert_int_equal(count, 0);
    loop_advance(loop, 1);
    assert_int_equal(count, 1);
    assert_int_equal(loop_now(loop), start + SECOND);
    assert_int_equal(loop_wall(loop), 6 * SECOND);
    loop_run(loop); /* to its end: nothing is left that could happen */
    assert_int_equal(count, 2);
    assert_int_equal(loop_now(loop), start + 3600 * SECOND);
    assert_int_equal(loop_now_exact(loop), loop_now(loop));
    loop_destroy(loop);
}

/* The same input gives the same order, whatever the descriptors' numbers are. */
struct replay {
    struct trail trail;
    uint32_t seed;
    unsigned left;
    struct replay_side {
        struct replay *replay;
        struct loop_watch *watch;
        struct loop_timer timer;
        int descriptor;
        int other;
        char name;
    } sides[8];
};

static void replay_timer(void *owner)
{
    struct replay_side *side = owner;
    struct replay *replay = side->replay;
    buffer_append_char(&replay->trail.steps, (char)(side->name + ('A' - 'a')));
    for (unsigned i = 0; i < 3; i++) {
        struct replay_side *one = &replay->sides[random_next(&replay->seed) % 8];
        assert_int_equal(write(one->other, "x", 1), 1);
    }
    if (replay->left > 0) {
        replay->left--;
        loop_timer_set(replay->trail.loop, &side->timer, random_next(&replay->seed) % 4);
    }
}

static void replay_ready(void *owner, unsigned events)
{
    struct replay_side *side = owner;
    char byte;
    assert_int_equal(read(side->descriptor, &byte, 1), 1);
    buffer_append_char(&side->replay->trail.steps, side->name);
}

static void replay_run(struct replay *replay)
{
    *replay = (struct replay){.seed = 7, .left = 300};
    struct loop *loop = loop_create_virtual(0);
    trail_open(&replay->trail, loop);
    for (unsigned i = 0; i < 8; i++) {
        struct replay_side *side = &replay->sides[i];
        int pair[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
        *side = (struct replay_side){
            .replay = replay, .descriptor = pair[0], .other = pair[1], .name = (char)('a' + i)};
        assert_int_equal(loop_watch_open(loop, pair[0], replay_ready, side, &side->watch),
                         ERROR_OK);
        loop_watch_set(side->watch, LOOP_READABLE);
        loop_timer_open(&side->timer, replay_timer, side);
        loop_timer_set(loop, &side->timer, 1 + i % 3);
    }
    loop_run(loop);
    for (unsigned i = 0; i < 8; i++) {
        loop_watch_close(replay->sides[i].watch);
        close(replay->sides[i].descriptor);
        close(replay->sides[i].other);
    }
}

static void test_virtual_loop_is_deterministic(void **state)
{
    static struct replay first;
    static struct replay second;
    replay_run(&first);
    int shift = dup(0); /* other numbers for the second run's descriptors */
    replay_run(&second);
    close(shift);
    assert_true(first.trail.steps.length > 1000);
    assert_int_equal(first.trail.steps.length, second.trail.steps.length);
    assert_memory_equal(first.trail.steps.data, second.trail.steps.data, first.trail.steps.length);
    trail_close(&first.trail);
    trail_close(&second.trail);
}

/* ---- watches ---- */

struct closing {
    struct loop *loop;
    struct loop_watch *watches[2];
    int pairs[2][2];
    unsigned calls;
};

static void closing_ready(void *owner, unsigned events)
{
    struct closing *closing = owner;
    closing->calls++;
    for (size_t i = 0; i < 2; i++) {
        loop_watch_close(closing->watches[i]);
        close(closing->pairs[i][0]);
    }
    loop_stop(closing->loop);
}

static void check_no_callback_after_close(struct loop *loop)
{
    struct closing closing = {.loop = loop};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, closing.pairs[i]), 0);
        assert_int_equal(write(closing.pairs[i][1], "x", 1), 1);
        assert_int_equal(loop_watch_open(loop, closing.pairs[i][0], closing_ready, &closing,
                                         &closing.watches[i]),
                         ERROR_OK);
        loop_watch_set(closing.watches[i], LOOP_READABLE);
    }
    loop_run(loop); /* both are ready in one turn; the first closes both */
    assert_int_equal(closing.calls, 1);
    close(closing.pairs[0][1]);
    close(closing.pairs[1][1]);
    loop_destroy(loop);
}

static void test_no_callback_after_close(void **state)
{
    check_no_callback_after_close(loop_create());
    check_no_callback_after_close(loop_create_virtual(0));
}

struct trouble {
    struct loop *loop;
    struct loop_watch *watch;
    unsigned events;
};

static void trouble_ready(void *owner, unsigned events)
{
    struct trouble *trouble = owner;
    trouble->events = events;
    loop_watch_set(trouble->watch, 0);
    loop_stop(trouble->loop);
}

static void check_trouble_is_told(struct loop *loop)
{
    struct trouble trouble = {.loop = loop};
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    assert_int_equal(loop_watch_open(loop, pair[0], trouble_ready, &trouble, &trouble.watch),
                     ERROR_OK);
    loop_watch_set(trouble.watch, LOOP_TROUBLE);
    assert_int_equal(write(pair[1], "x", 1), 1); /* bytes are no trouble */
    close(pair[1]);
    loop_run(loop);
    assert_int_equal(trouble.events, LOOP_READABLE | LOOP_WRITABLE | LOOP_TROUBLE);
    loop_watch_close(trouble.watch);
    close(pair[0]);
    loop_destroy(loop);
}

static void test_trouble_is_told(void **state)
{
    check_trouble_is_told(loop_create());
    check_trouble_is_told(loop_create_virtual(0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_of_a_turn),
        cmocka_unit_test(test_order_of_a_virtual_turn),
        cmocka_unit_test(test_timers_against_reference),
        cmocka_unit_test(test_timer_without_wait),
        cmocka_unit_test(test_timer_moved_later_in_real_time),
        cmocka_unit_test(test_far_timer_is_for_ever),
        cmocka_unit_test(test_posts_keep_order_of_each_thread),
        cmocka_unit_test(test_destroy_runs_posts_that_are_left),
        cmocka_unit_test(test_virtual_time_moves_only_when_idle),
        cmocka_unit_test(test_virtual_loop_is_deterministic),
        cmocka_unit_test(test_no_callback_after_close),
        cmocka_unit_test(test_trouble_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
