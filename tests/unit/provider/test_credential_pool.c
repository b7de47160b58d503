/* credential_pool: who is chosen, what limits and refusals do to that, and many threads at once. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "provider/credential_pool.h"

#define SECOND 1000000000ull
#define WALL   (1800000000ull * SECOND)
#define NOW    (1000ull * SECOND)

struct fixture {
    struct pool_member *members[3];
    struct pool_row rows[3];
    struct credential_pool *pool;
    unsigned wanted;
};

static void want(void *owner)
{
    struct fixture *fixture = owner;
    fixture->wanted++;
}

static struct pool_token *make_token(const char *secret, uint64_t expires)
{
    struct pool_token *token = calloc(1, sizeof(*token));
    token->credential.secret = secret_make(text_from(secret));
    token->credential.bearer = true;
    token->expires = expires;
    return token;
}

static void publish(struct fixture *fixture, size_t i, uint64_t expires)
{
    char name[] = {(char)('a' + i), 0};
    pool_token_free(pool_member_publish(fixture->members[i], make_token(name, expires), WALL));
}

/* Members a, b, c with a weight each, renewed ones. */
static struct fixture open_fixture(size_t count, const uint64_t *weights)
{
    struct fixture fixture = {0};
    for (size_t i = 0; i < count; i++) {
        char name[] = {(char)('a' + i), 0};
        struct pool_member_settings settings = {
            .provider = TEXT("up"), .name = text_from(name), .renewed = true, .want = want};
        fixture.members[i] = pool_member_create(&settings);
        assert_non_null(fixture.members[i]);
        fixture.rows[i] = (struct pool_row){.member = fixture.members[i], .weight = weights[i]};
    }
    return fixture;
}

static void make_pool(struct fixture *fixture, size_t count)
{
    fixture->pool = credential_pool_create(fixture->rows, count);
    assert_non_null(fixture->pool);
}

static void close_fixture(struct fixture *fixture)
{
    credential_pool_release(fixture->pool);
    for (size_t i = 0; i < 3; i++)
        pool_member_release(fixture->members[i]);
}

/* The name of the one that was chosen; 'P' pending, 'F' failed, 'L' limited, 'X' exhausted. */
static char choose_other(struct fixture *fixture, uint64_t wall, uint64_t now,
                         const struct pool_tried *tried, struct pool_lease *lease, uint64_t *wait)
{
    static const char names[] = {
        [POOL_PENDING] = 'P', [POOL_FAILED] = 'F', [POOL_LIMITED] = 'L', [POOL_EXHAUSTED] = 'X'};
    const struct provider_credential *credential = NULL;
    enum pool_choice choice =
        credential_pool_choose(fixture->pool, wall, now, tried, lease, &credential, wait);
    return choice == POOL_CHOSEN ? secret_expose(credential->secret).data[0] : names[choice];
}

static char choose(struct fixture *fixture, uint64_t wall, uint64_t now, struct pool_lease *lease,
                   uint64_t *wait)
{
    return choose_other(fixture, wall, now, &(struct pool_tried){0}, lease, wait);
}

static char call(struct fixture *fixture, uint64_t now, enum provider_failure failure,
                 uint64_t retry_after)
{
    struct pool_lease lease;
    uint64_t wait;
    char name = choose(fixture, WALL, now, &lease, &wait);
    credential_pool_report(
        &lease, &(struct pool_report){.failure = failure, .retry_after = retry_after}, now);
    return name;
}

static void test_weights(void **state)
{
    struct fixture fixture = open_fixture(3, (uint64_t[]){5, 3, 2});
    size_t counts[3] = {0};
    make_pool(&fixture, 3);
    for (size_t i = 0; i < 3; i++)
        publish(&fixture, i, 0);
    for (size_t i = 0; i < 1000; i++)
        counts[call(&fixture, NOW, PROVIDER_FAILURE_NONE, 0) - 'a']++;
    assert_in_range(counts[0], 490, 510);
    assert_in_range(counts[1], 290, 310);
    assert_in_range(counts[2], 190, 210);
    close_fixture(&fixture);
}

static void test_tokens_come_and_expire(void **state)
{
    struct fixture fixture = open_fixture(2, (uint64_t[]){1, 1});
    struct pool_lease lease;
    struct buffer words;
    uint64_t wait;
    make_pool(&fixture, 2);
    buffer_open(&words, 1024);
    assert_int_equal(choose(&fixture, WALL, NOW, &lease, &wait), 'P');
    pool_member_fail(fixture.members[0], TEXT("no"), WALL);
    assert_int_equal(choose(&fixture, WALL, NOW, &lease, &wait), 'P');
    pool_member_fail(fixture.members[1], TEXT("neither"), WALL);
    assert_int_equal(choose(&fixture, WALL, NOW, &lease, &wait), 'F');
    credential_pool_describe(fixture.pool, &words);
    assert_true(text_equal(buffer_text(&words), TEXT("credential a of provider up: no")));
    publish(&fixture, 1, WALL + SECOND);
    assert_int_equal(choose(&fixture, WALL, NOW, &lease, &wait), 'b');
    credential_pool_report(&lease, &(struct pool_report){0}, NOW);
    assert_int_equal(choose(&fixture, WALL + SECOND, NOW, &lease, &wait), 'P');
    buffer_close(&words);
    close_fixture(&fixture);
}

static void test_rests(void **state)
{
    struct fixture fixture = open_fixture(2, (uint64_t[]){1000, 1});
    make_pool(&fixture, 2);
    publish(&fixture, 0, 0);
    publish(&fixture, 1, 0);
    assert_int_equal(call(&fixture, NOW, PROVIDER_FAILURE_RATE_LIMITED, 5 * SECOND), 'a');
    for (size_t i = 0; i < 20; i++)
        assert_int_equal(call(&fixture, NOW + 4 * SECOND, PROVIDER_FAILURE_NONE, 0), 'b');
    assert_int_equal(call(&fixture, NOW + 5 * SECOND, PROVIDER_FAILURE_RATE_LIMITED, 9 * SECOND),
                     'a');
    assert_int_equal(call(&fixture, NOW + 5 * SECOND, PROVIDER_FAILURE_RATE_LIMITED, 90 * SECOND),
                     'b');
    /* Both rest: the one that has the least of it left. */
    assert_int_equal(call(&fixture, NOW + 6 * SECOND, PROVIDER_FAILURE_NONE, 0), 'a');
    close_fixture(&fixture);
}

static void test_tried(void **state)
{
    struct fixture fixture = open_fixture(2, (uint64_t[]){1, 1});
    struct pool_tried tried = {0};
    struct pool_lease lease;
    uint64_t wait;
    make_pool(&fixture, 2);
    publish(&fixture, 0, 0);
    publish(&fixture, 1, 0);
    for (size_t i = 0; i < 2; i++) {
        assert_true(credential_pool_offers(fixture.pool, WALL, NOW, &tried));
        char name = choose_other(&fixture, WALL, NOW, &tried, &lease, &wait);
        assert_int_equal(name, "ab"[lease.index]);
        credential_pool_report(&lease, &(struct pool_report){0}, NOW);
        pool_tried_add(&tried, &lease);
    }
    assert_int_not_equal(tried.tokens[0].index, tried.tokens[1].index);
    assert_false(credential_pool_offers(fixture.pool, WALL, NOW, &tried));
    assert_int_equal(choose_other(&fixture, WALL, NOW, &tried, &lease, &wait), 'X');
    close_fixture(&fixture);
}

/* The next token may be there before the call that was refused asks again. */
static void test_a_newer_token_was_not_tried(void **state)
{
    struct fixture fixture = open_fixture(1, (uint64_t[]){1});
    struct pool_tried tried = {0};
    struct pool_lease lease;
    uint64_t wait;
    make_pool(&fixture, 1);
    publish(&fixture, 0, 0);
    assert_int_equal(choose(&fixture, WALL, NOW, &lease, &wait), 'a');
    credential_pool_report(&lease, &(struct pool_report){0}, NOW);
    pool_tried_add(&tried, &lease);
    assert_false(credential_pool_offers(fixture.pool, WALL, NOW, &tried));
    publish(&fixture, 0, 0);
    assert_true(credential_pool_offers(fixture.pool, WALL, NOW, &tried));
    assert_int_equal(choose_other(&fixture, WALL, NOW, &tried, &lease, &wait), 'a');
    credential_pool_report(&lease, &(struct pool_report){0}, NOW);
    for (size_t i = 0; i < 2 * CREDENTIAL_TRIES_MAX; i++)
        pool_tried_add(&tried, &lease);
    assert_int_equal(tried.count, CREDENTIAL_TRIES_MAX);
    close_fixture(&fixture);
}

/* A refused token is wanted anew, at most once a minute; the next one serves at once. */
static void test_refused(void **state)
{
    struct fixture fixture = open_fixture(1, (uint64_t[]){1});
    struct pool_lease lease;
    uint64_t wait;
    make_pool(&fixture, 1);
    /* The owner of `want` must be known: a member of its own. */
    struct pool_member_settings settings = {.provider = TEXT("up"),
                                            .name = TEXT("a"),
                                            .renewed = true,
                                            .want = want,
                                            .owner = &fixture};
    pool_member_release(fixture.members[0]);
    credential_pool_release(fixture.pool);
    fixture.members[0] = fixture.rows[0].member = pool_member_create(&settings);
    make_pool(&fixture, 1);
    publish(&fixture, 0, 0);
    assert_int_equal(call(&fixture, NOW, PROVIDER_FAILURE_CREDENTIAL, 0), 'a');
    assert_int_equal(fixture.wanted, 1);
    assert_true(pool_member_take_want(fixture.members[0]));
    assert_false(pool_member_take_want(fixture.members[0]));
    assert_int_equal(choose(&fixture, WALL, NOW, &lease, &wait), 'P');
    publish(&fixture, 0, 0);
    assert_int_equal(call(&fixture, NOW + SECOND, PROVIDER_FAILURE_CREDENTIAL, 0), 'a');
    assert_int_equal(fixture.wanted, 1);
    assert_int_equal(call(&fixture, NOW + 61 * SECOND, PROVIDER_FAILURE_CREDENTIAL, 0), 'a');
    assert_int_equal(fixture.wanted, 2);
    close_fixture(&fixture);
}

static void test_requests(void **state)
{
    struct fixture fixture = open_fixture(1, (uint64_t[]){1});
    struct pool_lease lease;
    uint64_t wait;
    fixture.rows[0].requests_per_minute = 6;
    make_pool(&fixture, 1);
    publish(&fixture, 0, 0);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(call(&fixture, NOW, PROVIDER_FAILURE_NONE, 0), 'a');
    assert_int_equal(choose(&fixture, WALL, NOW, &lease, &wait), 'L');
    assert_int_equal(wait, 10 * SECOND);
    assert_int_equal(call(&fixture, NOW + 10 * SECOND, PROVIDER_FAILURE_NONE, 0), 'a');
    assert_int_equal(choose(&fixture, WALL, NOW + 10 * SECOND, &lease, &wait), 'L');
    close_fixture(&fixture);
}

static void test_tokens(void **state)
{
    struct fixture fixture = open_fixture(1, (uint64_t[]){1});
    struct pool_lease lease;
    uint64_t wait;
    fixture.rows[0].tokens_per_minute = 600;
    make_pool(&fixture, 1);
    publish(&fixture, 0, 0);
    assert_int_equal(choose(&fixture, WALL, NOW, &lease, &wait), 'a');
    credential_pool_report(&lease, &(struct pool_report){.tokens = 900}, NOW);
    credential_pool_report(&lease, &(struct pool_report){.tokens = 900}, NOW); /* does nothing */
    assert_int_equal(choose(&fixture, WALL, NOW, &lease, &wait), 'L');
    assert_in_range(wait, 30 * SECOND, 30 * SECOND + 1);
    assert_int_equal(choose(&fixture, WALL, NOW + 31 * SECOND, &lease, &wait), 'a');
    credential_pool_report(&lease, &(struct pool_report){0}, NOW);
    close_fixture(&fixture);
}

static void test_concurrent(void **state)
{
    struct fixture fixture = open_fixture(2, (uint64_t[]){1, 1});
    struct pool_lease one, two, none;
    uint64_t wait;
    fixture.rows[0].concurrent_calls = 1;
    fixture.rows[1].concurrent_calls = 1;
    make_pool(&fixture, 2);
    publish(&fixture, 0, 0);
    publish(&fixture, 1, 0);
    char first = choose(&fixture, WALL, NOW, &one, &wait);
    char second = choose(&fixture, WALL, NOW, &two, &wait);
    assert_int_equal(first + second, 'a' + 'b');
    assert_int_equal(choose(&fixture, WALL, NOW, &none, &wait), 'L');
    assert_int_equal(wait, 0);
    credential_pool_report(&one, &(struct pool_report){0}, NOW);
    assert_int_equal(choose(&fixture, WALL, NOW, &one, &wait), first);
    credential_pool_report(&one, &(struct pool_report){0}, NOW);
    credential_pool_report(&two, &(struct pool_report){0}, NOW);
    close_fixture(&fixture);
}

/* ---- threads ---- */

enum { THREADS = 4, CALLS = 20000, CONCURRENT = 3 };

static unsigned running, most;

static void *hammer(void *owner)
{
    struct fixture *fixture = owner;
    size_t good = 0;
    for (size_t i = 0; i < CALLS; i++) {
        struct pool_lease lease;
        uint64_t wait;
        if (choose(fixture, WALL, NOW, &lease, &wait) != 'a')
            continue;
        unsigned now = __atomic_add_fetch(&running, 1, __ATOMIC_SEQ_CST);
        unsigned before = __atomic_load_n(&most, __ATOMIC_SEQ_CST);
        while (before < now && !__atomic_compare_exchange_n(&most, &before, now, false,
                                                            __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
            ;
        __atomic_sub_fetch(&running, 1, __ATOMIC_SEQ_CST);
        credential_pool_report(&lease, &(struct pool_report){0}, NOW);
        good++;
    }
    return (void *)good;
}

static void test_many_threads(void **state)
{
    struct fixture fixture = open_fixture(1, (uint64_t[]){1});
    struct pool_member_state member;
    pthread_t threads[THREADS];
    size_t good = 0;
    fixture.rows[0].concurrent_calls = CONCURRENT;
    fixture.rows[0].requests_per_minute = 30000;
    make_pool(&fixture, 1);
    publish(&fixture, 0, 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, &fixture), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        good += (size_t)result;
    }
    assert_int_equal(good, 30000);
    assert_in_range(most, 1, CONCURRENT);
    pool_member_read_state(fixture.members[0], &member);
    assert_int_equal(member.in_flight, 0);
    close_fixture(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_tokens_come_and_expire),
        cmocka_unit_test(test_rests),
        cmocka_unit_test(test_tried),
        cmocka_unit_test(test_a_newer_token_was_not_tried),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_concurrent),
        cmocka_unit_test(test_many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
