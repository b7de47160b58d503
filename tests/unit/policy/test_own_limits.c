/* Limits of callers that stand in the configuration: each caller's own, made when he comes, let go
 * when he has long gone. */
#include "support.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/ensure.h"
#include "identity/caller_rules.h"

#define FIRST         TEXT("wl_00000000000000000001")
#define SECOND_CALLER TEXT("wl_00000000000000000002")

static struct policy *policy;

static int set_up(void **state)
{
    reader_register();
    policy = policy_create(NULL, NULL);
    return policy == NULL;
}

static int tear_down(void **state)
{
    policy_destroy(policy);
    reader_unregister();
    return 0;
}

struct call {
    struct arena arena;
    struct policy_hold hold;
    struct policy_why why;
};

static enum policy_verdict admit(struct call *call, struct text key,
                                 const struct caller_limit *limits, size_t count, uint64_t now)
{
    const struct policy_call asked = {
        .key = key, .own_limits = limits, .own_limit_count = count, .wall = NOW, .now = now};
    arena_open(&call->arena, NULL, 1 << 16);
    return policy_admit(policy, &asked, &call->arena, &call->hold, &call->why);
}

static void settle(struct call *call)
{
    const struct policy_actual nothing = {.state = POLICY_COST_NONE, .tokens_known = true};
    policy_settle(&call->hold, &nothing);
    arena_close(&call->arena);
}

static bool passes(struct text key, const struct caller_limit *limit, uint64_t now)
{
    struct call call;
    bool allowed = admit(&call, key, limit, 1, now) == POLICY_ALLOWED;
    settle(&call);
    return allowed;
}

static struct caller_limit requests(int64_t amount)
{
    return (struct caller_limit){.id = TEXT("issuers.x.callers.[0].limits.requests"),
                                 .kind = CALLER_LIMIT_REQUESTS,
                                 .amount = amount,
                                 .window = MINUTE};
}

static void test_each_has_his_own(void **state)
{
    const struct caller_limit two = requests(2), three = requests(3);
    assert_true(passes(FIRST, &two, HOUR));
    assert_true(passes(FIRST, &two, HOUR));
    assert_false(passes(FIRST, &two, HOUR));
    assert_true(passes(SECOND_CALLER, &two, HOUR));
    /* another amount goes on counting */
    assert_true(passes(FIRST, &three, HOUR));
    assert_false(passes(FIRST, &three, HOUR));
    assert_true(passes(FIRST, &two, HOUR + 2 * MINUTE));
}

static void test_why(void **state)
{
    const struct caller_limit none = requests(0);
    struct call call;
    assert_int_equal(admit(&call, FIRST, &none, 1, HOUR), POLICY_REFUSED);
    assert_int_equal(call.why.reason, POLICY_REASON_LIMIT);
    assert_int_equal(call.why.subject.scope, POLICY_KEY);
    assert_true(text_equal(call.why.subject.name, FIRST));
    assert_true(text_equal(call.why.id, none.id));
    settle(&call);
}

static void test_observed(void **state)
{
    struct caller_limit none = requests(0);
    struct call call;
    none.observed = true;
    assert_int_equal(admit(&call, FIRST, &none, 1, HOUR), POLICY_ALLOWED);
    assert_non_null(call.hold.observed);
    assert_true(text_equal(call.hold.observed->id, none.id));
    settle(&call);
}

static void test_at_the_same_time(void **state)
{
    const struct caller_limit one = {.id = TEXT("c"), .kind = CALLER_LIMIT_CONCURRENT, .amount = 1};
    struct call call;
    assert_int_equal(admit(&call, FIRST, &one, 1, HOUR), POLICY_ALLOWED);
    assert_false(passes(FIRST, &one, HOUR));
    settle(&call);
    assert_true(passes(FIRST, &one, HOUR));
}

static void test_tokens(void **state)
{
    const struct caller_limit tokens = {
        .id = TEXT("t"), .kind = CALLER_LIMIT_TOKENS, .amount = 100, .window = MINUTE};
    const struct policy_tokens ask = {.input = 80, .output = 0};
    const struct policy_actual used = {
        .state = POLICY_COST_NONE, .tokens_known = true, .input_tokens = 80};
    struct call call;
    int64_t output;
    assert_int_equal(admit(&call, FIRST, &tokens, 1, HOUR), POLICY_ALLOWED);
    assert_int_equal(policy_hold_tokens(&call.hold, &ask, &output, &call.why), POLICY_ALLOWED);
    policy_settle(&call.hold, &used);
    arena_close(&call.arena);
    assert_int_equal(admit(&call, FIRST, &tokens, 1, HOUR), POLICY_ALLOWED);
    assert_int_equal(policy_hold_tokens(&call.hold, &ask, &output, &call.why), POLICY_REFUSED);
    settle(&call);
}

static void count(void *context, const struct policy_limit_state *limit)
{
    int64_t *used = context;
    *used = limit->used;
}

static int64_t used_by(struct text key, const struct caller_limit *limit, uint64_t now)
{
    const struct policy_call call = {
        .key = key, .own_limits = limit, .own_limit_count = 1, .wall = NOW, .now = now};
    struct arena arena;
    int64_t used = -1;
    const struct policy_visitor visitor = {.limit = count, .context = &used};
    arena_open(&arena, NULL, 1 << 16);
    assert_true(policy_walk_caller(policy, &call, &arena, &visitor));
    arena_close(&arena);
    return used;
}

static void test_the_idle_are_let_go(void **state)
{
    const struct caller_limit two = requests(2);
    const struct caller_limit one = {.id = TEXT("c"), .kind = CALLER_LIMIT_CONCURRENT, .amount = 1};
    struct call held;
    assert_true(passes(FIRST, &two, HOUR));
    assert_int_equal(admit(&held, FIRST, &one, 1, HOUR), POLICY_ALLOWED);
    policy_tick(policy, NOW);
    assert_int_equal(used_by(FIRST, &two, HOUR), 1);
    assert_true(passes(SECOND_CALLER, &two, 2 * HOUR)); /* the time has come on */
    policy_tick(policy, NOW + HOUR);
    /* what is held stays, whatever the time */
    assert_false(passes(FIRST, &one, 2 * HOUR));
    settle(&held);
    policy_tick(policy, NOW + 2 * HOUR);
    assert_int_equal(used_by(FIRST, &two, 2 * HOUR), 0);
}

/* ------------------------------------------------------------------ threads */

#define THREADS 3
#define CALLS   3000

static atomic_int under_way[4];
static atomic_bool over;
static uint64_t step; /* of each thread's clock, between two calls */

static void *make_calls(void *context)
{
    static const struct text keys[] = {
        TEXT_INIT("wl_00000000000000000010"), TEXT_INIT("wl_00000000000000000011"),
        TEXT_INIT("wl_00000000000000000012"), TEXT_INIT("wl_00000000000000000013")};
    const struct caller_limit one = {.id = TEXT("c"), .kind = CALLER_LIMIT_CONCURRENT, .amount = 1};
    reader_register();
    for (unsigned i = 0; i < CALLS; i++) {
        struct call call;
        unsigned which = i % ARRAY_LENGTH(keys);
        if (admit(&call, keys[which], &one, 1, HOUR + i * step) == POLICY_ALLOWED) {
            int others = atomic_fetch_add(&under_way[which], 1);
            assert_true(others == 0 || step == SECOND);
            reader_turn();
            atomic_fetch_sub(&under_way[which], 1);
        }
        settle(&call);
        reader_turn();
    }
    reader_unregister();
    return NULL;
}

static void *tick(void *context)
{
    reader_register();
    for (uint64_t i = 0; !atomic_load(&over); i++) {
        policy_tick(policy, NOW + i * HOUR);
        reader_turn();
    }
    reader_unregister();
    return NULL;
}

static void run_threads(void)
{
    pthread_t threads[THREADS], ticker;
    assert_int_equal(pthread_create(&ticker, NULL, tick, NULL), 0);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make_calls, NULL), 0);
    reader_pause();
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    atomic_store(&over, true);
    pthread_join(ticker, NULL);
    reader_resume();
    atomic_store(&over, false);
}

static void test_one_at_a_time(void **state)
{
    step = 1000;
    run_threads();
}

/* Threads whose clocks are minutes apart, so that counters are let go under their hands: memory is
 * what is tried here. */
static void test_let_go_while_in_use(void **state)
{
    step = SECOND;
    run_threads();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_each_has_his_own), TEST(test_why),
        TEST(test_observed),         TEST(test_at_the_same_time),
        TEST(test_tokens),           TEST(test_the_idle_are_let_go),
        TEST(test_one_at_a_time),    TEST(test_let_go_while_in_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
