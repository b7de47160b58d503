/* Each strategy by what it does over many calls; conditions one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "route/choose.h"

#define SECOND  NANOSECONDS_PER_SECOND
#define NOW     (1000 * SECOND)
#define TARGETS 4u
#define CALLS   20000u

struct fixture {
    struct route_target_rules rules[TARGETS];
    struct route_place places[TARGETS];
    struct route_candidate candidates[TARGETS];
    struct route_model_rules model;
    struct route_random random;
    struct route_question question;
    struct route_choice choice;
};

static int open(void **state)
{
    struct fixture *f = aligned_alloc(64, (sizeof(*f) + 63) / 64 * 64);
    assert_non_null(f);
    memset(f, 0, sizeof(*f));
    for (size_t i = 0; i < TARGETS; i++) {
        f->rules[i] = (struct route_target_rules){.weight = 1, .when.tokens_maximum = UINT64_MAX};
        f->places[i].identity = route_mix(i + 1);
        f->candidates[i] = (struct route_candidate){&f->rules[i], &f->places[i], -1};
    }
    f->question = (struct route_question){.rules = &f->model,
                                          .candidates = f->candidates,
                                          .count = TARGETS,
                                          .now = NOW,
                                          .random = &f->random};
    *state = f;
    return 0;
}

static int close(void **state)
{
    free(*state);
    return 0;
}

static void choose(struct fixture *f)
{
    route_choose(&f->question, &f->choice);
}

static void expect_order(struct fixture *f, const char *order)
{
    char found[TARGETS + 1] = "";
    choose(f);
    for (size_t i = 0; i < f->choice.count && i < TARGETS; i++)
        found[i] = (char)('0' + f->choice.order[i]);
    assert_string_equal(found, order);
}

/* How often each one comes first. */
static void count_firsts(struct fixture *f, size_t counts[TARGETS])
{
    memset(counts, 0, TARGETS * sizeof(*counts));
    for (size_t i = 0; i < CALLS; i++) {
        choose(f);
        assert_true(f->choice.count > 0);
        counts[f->choice.order[0]]++;
    }
}

static void expect_share(size_t count, size_t of_hundred)
{
    size_t expected = CALLS * of_hundred / 100, slack = CALLS / 50;
    assert_in_range(count, expected > slack ? expected - slack : 0, expected + slack);
}

static void test_priority(void **state)
{
    struct fixture *f = *state;
    expect_order(f, "0123");
    f->rules[0].priority = 2;
    f->rules[2].priority = 1;
    expect_order(f, "1320");
}

static void test_weighted(void **state)
{
    struct fixture *f = *state;
    size_t counts[TARGETS], seconds = 0;
    f->model.strategy = ROUTE_WEIGHTED;
    f->rules[0].weight = 5;
    f->rules[1].weight = 3;
    f->rules[2].weight = 2;
    f->rules[3].weight = 0;
    count_firsts(f, counts);
    expect_share(counts[0], 50);
    expect_share(counts[1], 30);
    expect_share(counts[2], 20);
    assert_int_equal(counts[3], 0);
    for (size_t i = 0; i < CALLS; i++) { /* when the first is lost the rest share by weight */
        choose(f);
        assert_int_equal(f->choice.order[3], 3); /* weight 0 is the last resort */
        if (f->choice.order[0] == 0)
            seconds += f->choice.order[1] == 1;
    }
    assert_in_range(seconds, counts[0] * 57 / 100, counts[0] * 63 / 100);
}

static void test_least_loaded(void **state)
{
    struct fixture *f = *state;
    size_t counts[TARGETS];
    f->model.strategy = ROUTE_LEAST_LOADED;
    f->places[0].in_flight = 3;
    f->places[1].in_flight = 1;
    f->places[2].in_flight = 2;
    expect_order(f, "3120");
    f->rules[0].weight = 10; /* a large one with four calls has the most room */
    expect_order(f, "0312");
    for (size_t i = 0; i < TARGETS; i++)
        f->places[i].in_flight = 0;
    f->rules[0].weight = 1;
    count_firsts(f, counts); /* ties are drawn */
    for (size_t i = 0; i < TARGETS; i++)
        expect_share(counts[i], 25);
}

static void test_least_latency(void **state)
{
    struct fixture *f = *state;
    size_t counts[TARGETS];
    f->model.strategy = ROUTE_LEAST_LATENCY;
    for (size_t i = 0; i < TARGETS; i++)
        route_latency_observe(&f->places[i].latency, (i + 1) * 100 * NANOSECONDS_PER_MILLISECOND,
                              NOW);
    count_firsts(f, counts);
    /* Of two out of four the better one: 3/6, 2/6, 1/6 and never the worst. */
    expect_share(counts[0], 50);
    expect_share(counts[1], 33);
    expect_share(counts[2], 17);
    assert_int_equal(counts[3], 0);
    f->places[0].in_flight = 9; /* ten times a hundred milliseconds */
    count_firsts(f, counts);
    assert_int_equal(counts[0], 0);
}

/* Nobody knows it yet: one call finds out, not all. */
static void test_unknown_latency(void **state)
{
    struct fixture *f = *state;
    f->model.strategy = ROUTE_LEAST_LATENCY;
    f->question.count = 2;
    route_latency_observe(&f->places[0].latency, 100 * NANOSECONDS_PER_MILLISECOND, NOW);
    expect_order(f, "10");
    f->places[1].in_flight = 1;
    expect_order(f, "01");
}

static void test_cheapest(void **state)
{
    struct fixture *f = *state;
    f->model.strategy = ROUTE_CHEAPEST;
    f->candidates[0].cost = 500;
    f->candidates[1].cost = -1; /* nobody knows */
    f->candidates[2].cost = 20;
    f->candidates[3].cost = 20;
    expect_order(f, "2301");
}

/* The same beginning always goes to the same target; a lost one moves its share alone. */
static void test_affinity(void **state)
{
    struct fixture *f = *state;
    uint8_t before[2000];
    size_t counts[TARGETS] = {0}, moved = 0;
    f->model.strategy = ROUTE_AFFINITY;
    f->rules[3].weight = 2;
    for (size_t i = 0; i < 2000; i++) {
        f->question.affinity = i;
        choose(f);
        before[i] = f->choice.order[0];
        counts[before[i]]++;
        choose(f);
        assert_int_equal(f->choice.order[0], before[i]);
    }
    for (size_t i = 0; i < 3; i++)
        assert_in_range(counts[i], 340, 460); /* a fifth each */
    assert_in_range(counts[3], 740, 860);
    f->places[1].rests_until = NOW + SECOND;
    for (size_t i = 0; i < 2000; i++) {
        f->question.affinity = i;
        choose(f);
        if (before[i] == 1)
            assert_int_not_equal(f->choice.order[0], 1);
        moved += f->choice.order[0] != before[i];
    }
    assert_int_equal(moved, counts[1]);
}

static void test_strategy_within_a_priority(void **state)
{
    struct fixture *f = *state;
    f->model.strategy = ROUTE_CHEAPEST;
    for (size_t i = 0; i < TARGETS; i++)
        f->candidates[i].cost = (int64_t)(100 - i);
    f->rules[3].priority = 1;
    f->rules[2].priority = 1;
    expect_order(f, "1032");
}

static void test_canary(void **state)
{
    struct fixture *f = *state;
    size_t counts[TARGETS], with = 0;
    f->rules[2].canary = 50000; /* 5% */
    f->rules[3].canary = 200000;
    count_firsts(f, counts);
    expect_share(counts[0], 75);
    assert_int_equal(counts[1], 0);
    expect_share(counts[2], 5);
    expect_share(counts[3], 20);
    for (size_t i = 0; i < CALLS; i++) {
        choose(f);
        for (size_t j = 1; j < f->choice.count; j++) /* never as a fallback */
            assert_true(f->choice.order[j] < 2);
        with += f->choice.standing[2] == ROUTE_IN;
    }
    expect_share(with, 5);
    f->places[3].rests_until = NOW + 1; /* a canary that cannot is left out */
    count_firsts(f, counts);
    assert_int_equal(counts[3], 0);
    expect_share(counts[0], 95);
}

static void test_mirror(void **state)
{
    struct fixture *f = *state;
    size_t copies = 0;
    f->rules[1].mirror = ROUTE_WHOLE;
    f->rules[2].mirror = 100000;
    for (size_t i = 0; i < CALLS; i++) {
        choose(f);
        assert_int_equal(f->choice.count, 2);
        assert_int_equal(f->choice.order[0], 0);
        assert_int_equal(f->choice.order[1], 3);
        assert_int_equal(f->choice.mirrors[0], 1);
        copies += f->choice.mirror_count == 2;
    }
    expect_share(copies, 10);
    f->places[1].rests_until = NOW + 1;
    f->rules[2].mirror = 0;
    choose(f);
    assert_int_equal(f->choice.mirror_count, 0);
    assert_int_equal(f->choice.standing[1], ROUTE_IS_MIRROR);
}

static void test_conditions(void **state)
{
    static const struct route_tag wanted[] = {{TEXT_INIT("env"), TEXT_INIT("prod")}};
    static const struct route_tag given[] = {{TEXT_INIT("env"), TEXT_INIT("prod")},
                                             {TEXT_INIT("env"), TEXT_INIT("test")}};
    static const struct text teams[] = {TEXT_INIT("search"), TEXT_INIT("ads")};
    struct fixture *f = *state;
    f->rules[0].when.tags = wanted;
    f->rules[0].when.tag_count = 1;
    f->rules[1].when.teams = teams;
    f->rules[1].when.team_count = 2;
    f->rules[2].when.tokens_minimum = 100;
    f->rules[2].when.tokens_maximum = 200;
    f->rules[3].when.needs = route_bit(ROUTE_NEED_VISION) | route_bit(ROUTE_NEED_TOOLS);
    expect_order(f, "");
    assert_int_equal(f->choice.standing[0], ROUTE_OTHER_TAGS);
    assert_int_equal(f->choice.standing[1], ROUTE_OTHER_TEAM);
    assert_int_equal(f->choice.standing[2], ROUTE_OTHER_LENGTH);
    assert_int_equal(f->choice.standing[3], ROUTE_OTHER_NEEDS);
    assert_false(f->choice.unavailable);
    f->question.tags = given; /* of one name the first counts */
    f->question.tag_count = 2;
    f->question.team = TEXT("ads");
    f->question.tokens = 100;
    f->question.needs = route_bit(ROUTE_NEED_VISION) | route_bit(ROUTE_NEED_TOOLS);
    expect_order(f, "0123");
    f->question.tags = given + 1;
    f->question.tokens = 201;
    f->question.needs = route_bit(ROUTE_NEED_VISION);
    expect_order(f, "1");
    f->rules[1].lacks = route_bit(ROUTE_NEED_VISION) | route_bit(ROUTE_NEED_AUDIO);
    expect_order(f, "");
    assert_int_equal(f->choice.standing[1], ROUTE_LACKS);
}

static void test_unavailable(void **state)
{
    struct route_health_figures health = {.down = true};
    struct fixture *f = *state;
    f->model.breaker = (struct route_breaker){
        .failures = 1, .open_for = 9 * SECOND, .window = SECOND, .minimum_calls = 1};
    f->question.count = 3;
    f->places[0].rests_until = NOW + 4 * SECOND;
    route_breaker_fail(&f->places[1].breaker, &f->model.breaker, ROUTE_PASS_CALL, NOW - SECOND);
    expect_order(f, "2");
    assert_int_equal(f->choice.standing[0], ROUTE_RESTS);
    assert_int_equal(f->choice.standing[1], ROUTE_OPEN);
    f->rules[2].when.needs = route_bit(ROUTE_NEED_AUDIO);
    expect_order(f, "");
    assert_true(f->choice.unavailable);
    assert_int_equal(f->choice.wait, 4 * SECOND); /* the earliest */
    f->rules[2].when.needs = 0;
    f->places[2].health = &health;
    expect_order(f, "");
    assert_int_equal(f->choice.standing[2], ROUTE_DOWN);
    assert_int_equal(f->choice.wait, SECOND);
    f->question.now = NOW + 8 * SECOND; /* a probe may go */
    expect_order(f, "01");
    assert_int_equal(
        route_breaker_enter(&f->places[1].breaker, &f->model.breaker, NOW + 8 * SECOND),
        ROUTE_PASS_PROBE);
    expect_order(f, "0");
    assert_int_equal(f->choice.standing[1], ROUTE_OPEN);
}

/* The same seed, the same calls. */
static void test_replay(void **state)
{
    struct fixture *f = *state;
    uint8_t first[64];
    f->model.strategy = ROUTE_WEIGHTED;
    f->random.state = 42;
    for (size_t i = 0; i < 64; i++) {
        choose(f);
        first[i] = f->choice.order[0];
    }
    f->random.state = 42;
    for (size_t i = 0; i < 64; i++) {
        choose(f);
        assert_int_equal(f->choice.order[0], first[i]);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open, close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_priority),        TEST(test_weighted),
        TEST(test_least_loaded),    TEST(test_least_latency),
        TEST(test_unknown_latency), TEST(test_cheapest),
        TEST(test_affinity),        TEST(test_strategy_within_a_priority),
        TEST(test_canary),          TEST(test_mirror),
        TEST(test_conditions),      TEST(test_unavailable),
        TEST(test_replay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
