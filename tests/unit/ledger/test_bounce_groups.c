/* The sketch against exact counts of the same calls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/ensure.h"
#include "ledger/bounce_groups.h"

#define START   (20000 * BOUNCES_DAY)
#define SECOND  1000000000ull
#define SOURCES 20000u

static struct bounce_groups *groups;
static uint64_t random_state;

static uint64_t next_random(uint64_t below)
{
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return (random_state >> 33) % below;
}

static int set_up(void **state)
{
    random_state = 42;
    groups = bounce_groups_create();
    return groups == NULL;
}

static int tear_down(void **state)
{
    bounce_groups_destroy(groups);
    return 0;
}

static struct bounce_group make_call(const char *network, const char *reason, int64_t status,
                                     uint64_t time)
{
    struct bounce_group call = {.kind = BOUNCE_OPEN, .status = status, .last_at = time};
    (void)text_copy_to(text_from(network), call.network, sizeof call.network);
    (void)text_copy_to(text_from(reason), call.reason, sizeof call.reason);
    (void)text_copy_to(TEXT("main"), call.listener, sizeof call.listener);
    call.last_id = identifier_make(time);
    return call;
}

static void name_network(uint64_t number, char out[BOUNCE_NETWORK_SIZE])
{
    (void)snprintf(out, BOUNCE_NETWORK_SIZE, "%u.%u.%u.0/24", (unsigned)(1 + number % 223),
                   (unsigned)(number / 223 % 256), (unsigned)(number / 223 / 256));
}

static const struct bounce_group *find(const char *network, const char *reason)
{
    for (size_t i = 0; i < BOUNCE_GROUPS_MAX; i++) {
        const struct bounce_group *group = bounce_groups_at(groups, i);
        if (group != NULL && group->kind != BOUNCE_OTHERS && strcmp(group->network, network) == 0 &&
            strcmp(group->reason, reason) == 0)
            return group;
    }
    return NULL;
}

static uint64_t count_all(void)
{
    uint64_t calls = 0;
    for (size_t i = 0; i < BOUNCE_GROUPS_MAX; i++) {
        const struct bounce_group *group = bounce_groups_at(groups, i);
        calls += group != NULL ? (uint64_t)group->calls : 0;
    }
    return calls;
}

/* Skewed as traffic is: few sources have most calls. */
static void test_the_bounds_hold(void **state)
{
    static int64_t exact[SOURCES];
    uint64_t total = 0, with_error = 0, gone = 0;
    for (uint64_t i = 0; i < 400000; i++) {
        char network[BOUNCE_NETWORK_SIZE];
        uint64_t source = next_random(next_random(next_random(SOURCES) + 1) + 1);
        uint64_t calls = 1 + (next_random(20) == 0 ? next_random(5) : 0);
        name_network(source, network);
        struct bounce_group call = make_call(network, "invalid_api_key", 401, START + i * SECOND);
        bounce_groups_add(groups, &call, calls);
        exact[source] += (int64_t)calls;
        total += calls;
    }
    for (size_t i = 0; i < SOURCES; i++) {
        char network[BOUNCE_NETWORK_SIZE];
        name_network(i, network);
        const struct bounce_group *group = find(network, "invalid_api_key");
        gone += group == NULL && exact[i] > 0;
        if (group == NULL)
            continue;
        assert_true(group->calls <= exact[i]);
        assert_true(exact[i] <= group->calls + group->error);
        with_error += group->error > 0;
    }
    assert_true(gone > SOURCES / 2); /* there was something to choose */
    assert_true(with_error > 100);
    assert_int_equal(count_all(), total);
    /* The largest are there, with all but the few calls that they had before others were small. */
    for (size_t i = 0; i < 20; i++) {
        char network[BOUNCE_NETWORK_SIZE];
        name_network(i, network);
        assert_non_null(find(network, "invalid_api_key"));
        assert_true(find(network, "invalid_api_key")->calls > exact[i] - exact[i] / 50);
    }
}

static void flood(uint64_t sources, const char *reason, int64_t status)
{
    for (uint64_t i = 0; i < sources; i++) {
        char network[BOUNCE_NETWORK_SIZE];
        name_network(i, network);
        struct bounce_group call = make_call(network, reason, status, START + i * SECOND / 1000);
        bounce_groups_add(groups, &call, 1);
    }
}

static void test_a_flood_displaces_its_own(void **state)
{
    struct bounce_group shy = make_call("198.51.100.0/24", "model_not_allowed", 403, START);
    struct bounce_group known = make_call("203.0.113.0/24", "invalid_api_key", 401, START);
    (void)text_copy_to(TEXT("4f0c2v9qk1tz"), known.key_id, sizeof known.key_id);
    known.kind = BOUNCE_KEPT;
    bounce_groups_add(groups, &shy, 1);
    bounce_groups_add(groups, &known, 1);
    flood(1000000, "invalid_api_key", 401);
    assert_int_equal(find("198.51.100.0/24", "model_not_allowed")->calls, 1);
    assert_int_equal(find("198.51.100.0/24", "model_not_allowed")->error, 0);
    assert_int_equal(find("203.0.113.0/24", "invalid_api_key")->calls >= 1, 1);
    assert_int_equal(count_all(), 1000002);
}

/* One key of ours from a million places: groups of other keys stay. */
static void test_a_leaked_key_displaces_its_own(void **state)
{
    for (unsigned i = 0; i < 500; i++) {
        struct bounce_group call = make_call("198.51.100.0/24", "revoked_api_key", 401, START);
        call.kind = BOUNCE_KEPT;
        (void)snprintf(call.key_id, sizeof call.key_id, "key%u", i);
        bounce_groups_add(groups, &call, 1);
    }
    for (uint64_t i = 0; i < 100000; i++) {
        char network[BOUNCE_NETWORK_SIZE];
        name_network(i, network);
        struct bounce_group call = make_call(network, "revoked_api_key", 401, START + i);
        call.kind = BOUNCE_KEPT;
        (void)text_copy_to(TEXT("leaked"), call.key_id, sizeof call.key_id);
        bounce_groups_add(groups, &call, 1);
    }
    unsigned there = 0;
    for (size_t i = 0; i < BOUNCE_GROUPS_MAX; i++) {
        const struct bounce_group *group = bounce_groups_at(groups, i);
        there += group != NULL && strncmp(group->key_id, "key", 3) == 0;
    }
    /* Those that share a holder with the leaked one may have gone: one of 64 of them. */
    assert_true(there >= 450);
    assert_int_equal(count_all(), 100500);
}

static void test_a_good_call_keeps(void **state)
{
    struct bounce_group call = make_call("198.51.100.0/24", "invalid_api_key", 401, START);
    bounce_groups_add(groups, &call, 3);
    bounce_groups_keep_network(groups, "198.51.100.0/24");
    flood(100000, "invalid_api_key", 401);
    const struct bounce_group *group = find("198.51.100.0/24", "invalid_api_key");
    assert_non_null(group);
    assert_int_equal(group->kind, BOUNCE_KEPT);
    assert_int_equal(group->error, 0);
}

/* As a store would: what changed is written, and everything read again. */
static void test_restored(void **state)
{
    static struct bounce_group rows[BOUNCE_GROUPS_MAX];
    static bool taken[BOUNCE_GROUPS_MAX];
    const struct bounce_group *group;
    uint64_t total = 0;
    for (unsigned round = 0; round < 30; round++) {
        for (unsigned i = 0; i < 2000; i++) {
            char network[BOUNCE_NETWORK_SIZE];
            name_network(next_random(next_random(SOURCES) + 1), network);
            struct bounce_group call =
                make_call(network, next_random(2) ? "invalid_api_key" : "model_not_found",
                          next_random(2) ? 401 : 404, START + i * SECOND);
            call.kind = next_random(50) == 0 ? BOUNCE_KEPT : BOUNCE_OPEN;
            bounce_groups_add(groups, &call, 1);
            total++;
        }
        for (size_t slot; (slot = bounce_groups_take_changed(groups, &group)) != BOUNCE_NO_SLOT;) {
            taken[slot] = group != NULL;
            if (group != NULL)
                rows[slot] = *group;
        }
        assert_int_equal(count_all(), total);
        bounce_groups_clear(groups);
        assert_int_equal(count_all(), 0);
        for (size_t slot = 0; slot < BOUNCE_GROUPS_MAX; slot++)
            if (taken[slot])
                assert_true(bounce_groups_restore(groups, slot, &rows[slot]));
        assert_int_equal(count_all(), total);
    }
    for (size_t slot = 0; slot < BOUNCE_GROUPS_MAX; slot++)
        if (taken[slot])
            assert_false(bounce_groups_restore(groups, slot, &rows[slot])); /* it is there */
}

static void test_old_ones_go(void **state)
{
    struct bounce_group old = make_call("198.51.100.0/24", "invalid_api_key", 401, START);
    struct bounce_group recent =
        make_call("198.51.100.0/24", "invalid_api_key", 401, START + 20 * BOUNCES_DAY);
    (void)text_copy_to(TEXT("other"), recent.listener, sizeof recent.listener);
    bounce_groups_add(groups, &old, 5);
    bounce_groups_add(groups, &recent, 2);
    bounce_groups_forget(groups, START + 10 * BOUNCES_DAY);
    assert_int_equal(count_all(), 2);
    assert_int_equal(find("198.51.100.0/24", "invalid_api_key")->calls, 2);
}

static void test_calls_by_time(void **state)
{
    struct bounce_times times = {0};
    uint64_t now = START + 40 * BOUNCES_DAY + 13 * 3600 * SECOND + 61 * SECOND;
    bounce_times_add(&times, now - 35 * BOUNCES_DAY, 1000); /* no longer told apart */
    bounce_times_add(&times, now - 3 * BOUNCES_DAY, 100);
    bounce_times_add(&times, now - 2 * 3600 * SECOND, 10);
    bounce_times_add(&times, now, 1);
    bounce_times_add(&times, now - 2 * 3600 * SECOND, 10); /* records come late */
    assert_int_equal(bounce_times_count(&times, now - SECOND, now), 1);
    assert_int_equal(bounce_times_count(&times, now - 3 * 3600 * SECOND, now), 21);
    assert_int_equal(bounce_times_count(&times, now - 2 * BOUNCES_DAY, now), 21);
    assert_int_equal(bounce_times_count(&times, now - 3 * BOUNCES_DAY, now), 121);
    assert_int_equal(bounce_times_count(&times, now - 39 * BOUNCES_DAY, now), 121);
    assert_int_equal(bounce_times_start(now, now), now - 61 * SECOND);
    assert_int_equal(bounce_times_start(now - 5 * BOUNCES_DAY, now), START + 35 * BOUNCES_DAY);
    /* A whole day back is by quarters of an hour still: what people ask for by default. */
    assert_int_equal(bounce_times_start(now - BOUNCES_DAY, now), now - BOUNCES_DAY - 61 * SECOND);
    struct bounce_times day = {0};
    bounce_times_add(&day, now - BOUNCES_DAY - 5 * 3600 * SECOND, 100);
    bounce_times_add(&day, now - BOUNCES_DAY, 10);
    bounce_times_add(&day, now, 1);
    assert_int_equal(bounce_times_count(&day, now - BOUNCES_DAY, now), 11);
    struct bounce_times others = {0};
    bounce_times_add(&others, now - BOUNCES_DAY / 2, 7);
    bounce_times_merge(&others, &times);
    assert_int_equal(bounce_times_count(&others, now - 3 * 3600 * SECOND, now), 21);
    assert_int_equal(bounce_times_count(&others, now - 3 * BOUNCES_DAY, now), 128);
    bounce_times_add(&times, now + 100 * BOUNCES_DAY, UINT64_MAX); /* as many as fit */
    assert_int_equal(bounce_times_count(&times, now, now + 100 * BOUNCES_DAY), UINT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_bounds_hold, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_flood_displaces_its_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_leaked_key_displaces_its_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_good_call_keeps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_restored, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_old_ones_go, set_up, tear_down),
        cmocka_unit_test(test_calls_by_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
