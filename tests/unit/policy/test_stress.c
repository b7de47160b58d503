/* Threads at the edge of caps and limits of several scopes, while the writer replaces the rules,
 * moves the clock over days and rolls periods. Nothing is ever above its cap, nothing stays held,
 * and what was spent is the sum of what the threads settled, period by period. */
#include "support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "base/ensure.h"
#include "policy/parts.h"

enum { THREADS = 4, TEAMS = 2, DAYS = 4, CONCURRENT = 3, CHANGES = 200 };
#define CAP           1000000
#define TOKENS        40000
#define ANSWER_TOKENS 12000

static struct policy *policy;
static atomic_bool stop;
static atomic_uint_least64_t wall;

struct tally {
    money organisation[DAYS], teams[TEAMS][DAYS], lifetime;
    uint64_t admitted, refused_limit, refused_tokens, refused_budget, clamped, shortened;
};

static const struct text teams[TEAMS] = {TEXT_INIT("red"), TEXT_INIT("blue")};

/* `version` decides on a rule that comes and goes, and on one with another cap. */
static void replace(unsigned version)
{
    static const uint16_t thresholds[] = {50, 100};
    struct policy_budget budgets[] = {
        {.id = TEXT("day"),
         .cap = CAP * 3 / 2,
         .period = PERIOD_DAY,
         .thresholds = thresholds,
         .threshold_count = 2},
        {.id = TEXT("red"),
         .subject = {POLICY_TEAM, teams[0], {0}},
         .cap = CAP,
         .period = PERIOD_DAY},
        {.id = TEXT("blue"),
         .subject = {POLICY_TEAM, teams[1], {0}},
         .cap = CAP,
         .period = PERIOD_DAY},
        {.id = TEXT("rolling"),
         .subject = {POLICY_TAG, TEXT("env"), TEXT("prod")},
         .cap = CAP * 2,
         .period = PERIOD_ROLLING,
         .rolling = HOUR},
        {.id = TEXT("soft"), .soft = true, .cap = 1, .period = PERIOD_LIFETIME},
        {.id = TEXT("extra"),
         .subject = {POLICY_KEY, TEXT("key"), {0}},
         .cap = CAP / 2 + version,
         .period = PERIOD_DAY},
    };
    struct policy_limit limits[] = {
        {.id = TEXT("concurrent"), .kind = POLICY_CONCURRENT, .amount = CONCURRENT},
        {.id = TEXT("tokens"),
         .subject = {POLICY_MODEL, TEXT("m*"), {0}},
         .kind = POLICY_TOKENS,
         .amount = TOKENS,
         .window = SECOND},
        {.id = TEXT("answers"),
         .subject = {POLICY_TEAM, teams[0], {0}},
         .kind = POLICY_OUTPUT_TOKENS,
         .amount = ANSWER_TOKENS,
         .window = SECOND},
        {.id = TEXT("extra"),
         .subject = {POLICY_TEAM, teams[1], {0}},
         .kind = POLICY_REQUESTS,
         .amount = 1000000,
         .window = MINUTE},
    };
    struct policy_definition definition = {
        .budgets = budgets,
        .budget_count = ARRAY_LENGTH(budgets) - version % 2,
        .limits = limits,
        .limit_count = ARRAY_LENGTH(limits) - version % 3 % 2,
    };
    ensure(policy_replace(policy, &definition, atomic_load(&wall), NULL) == ERROR_OK);
}

static uint32_t draw(uint64_t *random)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*random >> 33);
}

static void add_cost(struct tally *tally, unsigned team, uint64_t at, money cost)
{
    uint64_t day = at / DAY - NOW / DAY;
    ensure(day < DAYS);
    tally->organisation[day] += cost;
    tally->teams[team][day] += cost;
    tally->lifetime += cost;
}

static void check_limit(const char *id, int64_t amount)
{
    struct limit_rule *rule = snapshot_find_limit(policy_snapshot(policy), text_from(id));
    /* What was used before is not above it either, whatever the slot. */
    ensure(rule != NULL && limit_used(rule->counter, clock_monotonic()) <= amount);
}

static void check_caps(void)
{
    check_limit("tokens", TOKENS);
    check_limit("answers", ANSWER_TOKENS);
    static const char *const ids[] = {"day", "red", "blue", "rolling"};
    for (size_t i = 0; i < ARRAY_LENGTH(ids); i++) {
        struct policy_budget_state state;
        ensure(policy_find_budget(policy, text_from(ids[i]), atomic_load(&wall), &state));
        ensure(state.used <= state.cap && state.used >= 0);
    }
}

/* One call: it ends unknown, cancelled, or with a cost up to what was granted. */
static void make_call(struct tally *tally, uint64_t *random)
{
    struct arena arena;
    struct policy_hold hold;
    struct policy_why why;
    struct policy_grant grant;
    arena_open(&arena, NULL, 1 << 20);
    unsigned team = draw(random) % TEAMS;
    struct policy_call call = {.team = teams[team],
                               .key = TEXT("key"),
                               .model = TEXT("model"),
                               .tags = TEXT("{\"env\":\"prod\",\"n\":1}"),
                               .wall = atomic_load(&wall),
                               .now = clock_monotonic()};
    struct policy_tokens tokens = {.input = 10 + draw(random) % 200,
                                   .output = 1 + draw(random) % 2000,
                                   .output_least = 1,
                                   .output_usual = draw(random) % 2 * 200,
                                   .output_clamp = INT64_MAX};
    struct policy_actual actual = {.state = POLICY_COST_NONE, .tokens_known = true};
    int64_t output;
    if (policy_admit(policy, &call, &arena, &hold, &why) != POLICY_ALLOWED) {
        ensure(why.reason == POLICY_REASON_LIMIT);
        tally->refused_limit++;
    } else if (policy_hold_tokens(&hold, &tokens, &output, &why) != POLICY_ALLOWED) {
        ensure(why.reason == POLICY_REASON_LIMIT && policy_is_of_tokens(why.kind));
        tally->refused_tokens++;
    } else {
        ensure(output >= 1 && output <= tokens.output);
        tally->shortened += output < tokens.output;
        reader_turn(); /* a hold lives over turns of a loop */
        struct policy_ask ask = {100, 10 + draw(random) % 50, 16 + draw(random) % 200, 16};
        if (policy_reserve(&hold, &ask, &grant, &why) != POLICY_ALLOWED) {
            ensure(why.reason == POLICY_REASON_BUDGET && why.left >= 0);
            tally->refused_budget++;
            policy_release_tokens(&hold);
        } else {
            reader_turn();
            ensure(grant.output_tokens >= 16 && grant.output_tokens <= ask.output_tokens);
            tally->clamped += grant.output_tokens < ask.output_tokens;
            tally->admitted++;
            if (grant.output_tokens < output) /* else more may be used than is held */
                output = grant.output_tokens;
            actual.input_tokens = draw(random) % (uint32_t)(tokens.input + 1);
            actual.output_tokens = draw(random) % (uint32_t)(output + 1);
            actual.state = (enum policy_cost)(draw(random) % 3);
            actual.cost = draw(random) % (uint32_t)(grant.amount + 1);
            money cost = actual.state == POLICY_COST_KNOWN ? actual.cost : 0;
            if (actual.state == POLICY_COST_UNKNOWN)
                cost = grant.amount;
            add_cost(tally, team, call.wall, cost);
        }
    }
    check_caps();
    policy_settle(&hold, &actual);
    arena_close(&arena);
}

static void *make_calls(void *context)
{
    struct tally *tally = context;
    uint64_t random = (uint64_t)(uintptr_t)context;
    reader_register();
    while (!atomic_load(&stop)) {
        make_call(tally, &random);
        reader_turn();
    }
    reader_unregister();
    return NULL;
}

static void ignore_crossing(void *context, const struct policy_budget_state *state,
                            uint16_t percent)
{
    ++*(unsigned *)context;
}

static struct budget_rule *rule_of(const char *id)
{
    return snapshot_find_budget(policy_snapshot(policy), text_from(id));
}

static void check_period(const char *id, uint64_t at, money expected)
{
    const struct account *account = rule_of(id)->account;
    const struct account_period *period = account_find(account, at);
    assert_int_equal(atomic_load(&period->holds), 0);
    assert_money_equal(account_spent(account, period), expected);
    assert_money_equal(account_used(account, period), expected);
}

static void check_sums(const struct tally tallies[THREADS])
{
    money lifetime = 0;
    for (unsigned day = 0; day < DAYS; day++) {
        money organisation = 0, of_teams[TEAMS] = {0};
        for (unsigned i = 0; i < THREADS; i++) {
            organisation += tallies[i].organisation[day];
            for (unsigned team = 0; team < TEAMS; team++)
                of_teams[team] += tallies[i].teams[team][day];
        }
        check_period("day", NOW + day * DAY, organisation);
        check_period("red", NOW + day * DAY, of_teams[0]);
        check_period("blue", NOW + day * DAY, of_teams[1]);
        assert_true(organisation <= CAP * 3 / 2 && of_teams[0] <= CAP && of_teams[1] <= CAP);
        lifetime += organisation;
    }
    check_period("soft", NOW, lifetime);
}

#define TURNS_MAX 200u

static void run_writer(void)
{
    unsigned crossings = 0;
    /* Until the callers have spent enough, however slow the machine is. */
    for (unsigned turn = 0; turn < CHANGES || (crossings < 2 && turn < CHANGES * TURNS_MAX);
         turn++) {
        unsigned change = turn < CHANGES ? turn : CHANGES - 1;
        replace(change);
        policy_tick(policy, atomic_load(&wall));
        policy_take_crossings(policy, atomic_load(&wall), ignore_crossing, &crossings);
        /* Mostly on, now and then back over a midnight. */
        uint64_t at = NOW + (uint64_t)change * (DAYS - 1) * DAY / CHANGES;
        atomic_store(&wall, change % 25 == 24 && at > NOW + DAY ? at - DAY : at);
        policy_tick(policy, atomic_load(&wall));
        nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
    }
    assert_true(crossings >= 2);
}

static void test_never_above_nothing_left(void **state)
{
    static struct tally tallies[THREADS];
    pthread_t threads[THREADS];
    policy = policy_create(NULL, NULL);
    atomic_store(&wall, NOW);
    replace(0);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make_calls, &tallies[i]), 0);
    run_writer();
    atomic_store(&stop, true);
    struct tally all = {0};
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        all.admitted += tallies[i].admitted;
        all.refused_limit += tallies[i].refused_limit;
        all.refused_tokens += tallies[i].refused_tokens;
        all.refused_budget += tallies[i].refused_budget;
        all.clamped += tallies[i].clamped;
        all.shortened += tallies[i].shortened;
    }
    print_message("admitted %llu, refused by limits %llu, of tokens %llu, by budgets %llu, clamped "
                  "%llu, shortened %llu\n",
                  (unsigned long long)all.admitted, (unsigned long long)all.refused_limit,
                  (unsigned long long)all.refused_tokens, (unsigned long long)all.refused_budget,
                  (unsigned long long)all.clamped, (unsigned long long)all.shortened);
    assert_true(all.admitted > 0 && all.refused_budget > 0 && all.clamped > 0);
    assert_true(all.refused_tokens > 0 && all.shortened > 0);
    replace(0);
    check_sums(tallies);
    struct limit_rule *concurrent =
        snapshot_find_limit(policy_snapshot(policy), TEXT("concurrent"));
    assert_int_equal(limit_used(concurrent->counter, clock_monotonic()), 0);
    struct limit_rule *tokens = snapshot_find_limit(policy_snapshot(policy), TEXT("tokens"));
    assert_int_equal(atomic_load(&tokens->counter->held), 0);
    assert_null(policy->leaving_periods);
    assert_null(policy->leaving_limits);
    policy_destroy(policy);
}

/* ------------------------------------------------------------------ one window */

enum { TAKES = 200000, ROOM = 1000 };

static struct limit *window;
static atomic_uint_least64_t moment;

static void *take_and_correct(void *context)
{
    uint64_t random = (uint64_t)(uintptr_t)context;
    for (unsigned i = 0; i < TAKES; i++) {
        /* Slots of a sixtieth of a second, some used often and some not at all. */
        uint64_t now = atomic_fetch_add(&moment, draw(&random) % 8 == 0 ? SECOND / 50 : 1000);
        int64_t ask = draw(&random) % (ROOM / 4);
        uint64_t slot;
        ensure(limit_used(window, now) <= ROOM);
        if (limit_take(window, ask, ROOM, true, now, &slot))
            limit_correct(window, slot, -(int64_t)(draw(&random) % (uint32_t)(ask + 1)));
    }
    return NULL;
}

/* Counts that threads put in and take out while slots leave: none is left behind for ever. */
static void test_a_window_forgets_all(void **state)
{
    pthread_t threads[THREADS];
    window = limit_create(SECOND);
    atomic_store(&moment, NOW);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, take_and_correct, (void *)(uintptr_t)(i + 1)), 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    uint64_t end = atomic_load(&moment);
    assert_true(limit_reset(window, end) <= SECOND + SECOND / LIMIT_SLOTS + LIMIT_SLOTS);
    assert_int_equal(limit_used(window, end + 2 * SECOND), 0);
    assert_int_equal(limit_reset(window, end + 2 * SECOND), 0);
    limit_free(window);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_never_above_nothing_left),
                                       cmocka_unit_test(test_a_window_forgets_all)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
