/* What limits and budgets cost a call: CPU time for policy_admit, policy_hold_tokens,
 * policy_reserve and policy_settle together, in nanoseconds, on one thread. `./dev bench --policy`
 * runs it.
 *
 * Each line is the median of ROUNDS rounds. The first lines measure one key again and again, whose
 * counters stay in the cache, as those of a busy key do; the last one takes another of 100,000 keys
 * and teams each time, so that nearly every counter comes from memory. Then what rules about
 * networks cost: each call comes from another address. Ends with 1 when a call of the target's
 * shape took longer than the target. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/ensure.h"
#include "identity/reader.h"
#include "policy/policy.h"

enum { ROUNDS = 9, CALLS = 100000, MANY = 100000, TARGET = 2000, NETWORK_TARGET = 1000 };

#define SECOND   NANOSECONDS_PER_SECOND
#define NOW      (1800000000ull * SECOND)
#define ID_SIZE  16
#define CAP      (MONEY_DOLLAR * 1000000)
#define PER_TEAM 2 /* limits of each team and of each key */

/* The rules: one each of the organisation, and of every team and key. */
struct rules {
    struct policy_budget *budgets;
    struct policy_limit *limits;
    size_t budget_count, limit_count;
    char (*ids)[ID_SIZE];
    size_t id_count;
};

static struct text make_id(struct rules *rules, const char *prefix, size_t number)
{
    char *id = rules->ids[rules->id_count++];
    int length = snprintf(id, ID_SIZE, "%s%zu", prefix, number);
    return text_of(id, (size_t)length);
}

static void add_budget(struct rules *rules, struct policy_subject subject, enum period_kind period)
{
    rules->budgets[rules->budget_count] =
        (struct policy_budget){.id = make_id(rules, "b", rules->budget_count),
                               .subject = subject,
                               .cap = CAP,
                               .period = period,
                               .rolling = period == PERIOD_ROLLING ? 24 * 3600 * SECOND : 0};
    rules->budget_count++;
}

static void add_limit(struct rules *rules, struct policy_subject subject,
                      enum policy_limit_kind kind)
{
    rules->limits[rules->limit_count] =
        (struct policy_limit){.id = make_id(rules, "l", rules->limit_count),
                              .subject = subject,
                              .kind = kind,
                              .amount = (int64_t)1 << 50,
                              .window = kind == POLICY_CONCURRENT ? 0 : 60 * SECOND};
    rules->limit_count++;
}

/* `count` teams, each with a key. A call meets 4 budgets (organisation 2, team, key) and 6 limits
 * (organisation 2, team 2, key 2). */
static void make_rules(struct rules *rules, size_t count)
{
    size_t each = count + 2;
    rules->budgets = ensure_memory(calloc(2 * each, sizeof *rules->budgets));
    rules->limits = ensure_memory(calloc(2 * PER_TEAM * each, sizeof *rules->limits));
    rules->ids = ensure_memory(calloc(8 * each, ID_SIZE));
    struct policy_subject organisation = {.scope = POLICY_ORGANISATION};
    add_budget(rules, organisation, PERIOD_MONTH);
    add_budget(rules, organisation, PERIOD_ROLLING);
    add_limit(rules, organisation, POLICY_REQUESTS);
    add_limit(rules, organisation, POLICY_TOKENS);
    for (size_t i = 0; i < count; i++) {
        struct policy_subject team = {.scope = POLICY_TEAM, .name = make_id(rules, "team", i)};
        struct policy_subject key = {.scope = POLICY_KEY, .name = make_id(rules, "key", i)};
        add_budget(rules, team, PERIOD_MONTH);
        add_budget(rules, key, PERIOD_DAY);
        add_limit(rules, team, POLICY_REQUESTS);
        add_limit(rules, team, POLICY_TOKENS);
        add_limit(rules, key, POLICY_REQUESTS);
        add_limit(rules, key, POLICY_CONCURRENT);
    }
}

static struct policy *load(size_t count)
{
    struct rules rules = {0};
    if (count > 0)
        make_rules(&rules, count);
    struct policy_definition definition = {.budgets = rules.budgets,
                                           .budget_count = rules.budget_count,
                                           .limits = rules.limits,
                                           .limit_count = rules.limit_count};
    char problem[POLICY_PROBLEM_SIZE];
    struct policy *policy = ensure_memory(policy_create(NULL, NULL));
    if (policy_replace(policy, &definition, NOW, problem) != ERROR_OK) {
        fprintf(stderr, "%s\n", problem);
        exit(2);
    }
    free(rules.budgets);
    free(rules.limits);
    free(rules.ids);
    return policy;
}

static uint64_t cpu_time(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * SECOND + (uint64_t)time.tv_nsec;
}

/* Names of a thousand callers, made before the clock runs. */
struct callers {
    char names[2][MANY][ID_SIZE];
    struct text teams[MANY], keys[MANY];
};

static void make_call(struct policy *policy, const struct callers *callers, size_t caller,
                      uint64_t now, struct arena_pool *pool)
{
    struct arena arena;
    struct policy_hold hold;
    struct policy_why why;
    struct policy_grant grant;
    arena_open(&arena, pool, 1 << 16);
    struct policy_call call = {.team = callers->teams[caller],
                               .key = callers->keys[caller],
                               .model = TEXT("gpt-4o-mini"),
                               .wall = NOW,
                               .now = now};
    struct policy_tokens tokens = {
        .input = 800, .output = 4096, .output_least = POLICY_USEFUL_OUTPUT, .output_clamp = 4096};
    int64_t output;
    ensure(policy_admit(policy, &call, &arena, &hold, &why) == POLICY_ALLOWED);
    ensure(policy_hold_tokens(&hold, &tokens, &output, &why) == POLICY_ALLOWED);
    struct policy_ask ask = {1000000, 1000, 4096, POLICY_USEFUL_OUTPUT};
    ensure(policy_reserve(&hold, &ask, &grant, &why) == POLICY_ALLOWED);
    struct policy_actual actual = {POLICY_COST_KNOWN, 300000, true, 180, 321};
    policy_settle(&hold, &actual);
    arena_close(&arena);
}

static int compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

/* Nanoseconds a call; time goes on by 20 microseconds between two, as at 50,000 calls a second. */
static uint64_t measure(struct policy *policy, const struct callers *callers, size_t stride)
{
    uint64_t rounds[ROUNDS], now = NOW;
    struct arena_pool pool;
    arena_pool_open(&pool, 8);
    for (size_t round = 0; round < ROUNDS; round++) {
        uint64_t start = cpu_time();
        for (size_t i = 0, caller = 0; i < CALLS; i++, caller = (caller + stride) % MANY) {
            make_call(policy, callers, caller, now, &pool);
            now += 20000;
            reader_turn();
        }
        rounds[round] = (cpu_time() - start) / CALLS;
    }
    arena_pool_close(&pool);
    qsort(rounds, ROUNDS, sizeof rounds[0], compare);
    return rounds[ROUNDS / 2];
}

static uint64_t measure_and_tell(const char *what, size_t loaded, size_t stride,
                                 const struct callers *callers)
{
    struct policy *policy = load(loaded);
    uint64_t result = measure(policy, callers, stride);
    printf("%-62s %6llu ns a call\n", what, (unsigned long long)result);
    policy_destroy(policy);
    return result;
}

/* ---- networks ---- */

static uint64_t next_random(void)
{
    static uint64_t state = 0x9e3779b97f4a7c15u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* IPv4 in two of three; of the others the first 32 bits are few, as those of real networks are. */
static struct network random_address(void)
{
    struct network network = {.length = NETWORK_BITS};
    uint64_t bits[2] = {next_random(), next_random()};
    memcpy(network.bytes, bits, sizeof network.bytes);
    if (next_random() % 3 > 0) {
        memset(network.bytes, 0, 10);
        network.bytes[10] = network.bytes[11] = 0xff;
    } else {
        const unsigned char prefix[] = {0x20, 0x01, 0x0d, (unsigned char)(next_random() % 16)};
        memcpy(network.bytes, prefix, sizeof prefix);
    }
    return network;
}

static struct network_rules *make_network_rules(size_t count)
{
    struct network *ranges = ensure_memory(malloc((count + 1) * sizeof *ranges));
    struct network_rule *rules = ensure_memory(calloc(count + 1, sizeof *rules));
    for (size_t i = 0; i < count; i++) {
        struct network address = random_address();
        ranges[i] = network_around(&address, 8 + (unsigned)(next_random() % 25),
                                   32 + (unsigned)(next_random() % 33));
        rules[i] = (struct network_rule){.id = TEXT("net_4f0c2v9qk1tz"),
                                         .network = TEXT("10.0.0.0/8"),
                                         .ranges = &ranges[i],
                                         .range_count = 1,
                                         .denies = next_random() % 2,
                                         .observed = next_random() % 2};
    }
    struct network_rules *made = ensure_memory(network_rules_create(rules, count));
    free(rules);
    free(ranges);
    return made;
}

static uint64_t measure_networks(const char *what, size_t count, unsigned lists)
{
    struct network_rules *rules = make_network_rules(count);
    struct network *sources = ensure_memory(malloc(CALLS * sizeof *sources));
    uint64_t rounds[ROUNDS];
    size_t refused = 0;
    for (size_t i = 0; i < CALLS; i++)
        sources[i] = random_address();
    for (size_t round = 0; round < ROUNDS; round++) {
        uint64_t start = cpu_time();
        for (size_t i = 0; i < CALLS; i++) {
            struct policy_network_question question = {.source = &sources[i]};
            struct policy_network_verdict verdict;
            for (unsigned list = 0; list < lists; list++)
                question.lists[list] = rules;
            policy_judge_networks(&question, &verdict);
            refused += verdict.refused;
        }
        rounds[round] = (cpu_time() - start) / CALLS;
    }
    ensure(lists == 0 || refused > 0);
    qsort(rounds, ROUNDS, sizeof rounds[0], compare);
    printf("%-62s %6llu ns a call\n", what, (unsigned long long)rounds[ROUNDS / 2]);
    network_rules_free(rules);
    free(sources);
    return rounds[ROUNDS / 2];
}

int main(void)
{
    struct callers *callers = ensure_memory(malloc(sizeof *callers));
    for (size_t i = 0; i < MANY; i++) {
        int team = snprintf(callers->names[0][i], ID_SIZE, "team%zu", i);
        int key = snprintf(callers->names[1][i], ID_SIZE, "key%zu", i);
        callers->teams[i] = text_of(callers->names[0][i], (size_t)team);
        callers->keys[i] = text_of(callers->names[1][i], (size_t)key);
    }
    reader_register();
    measure_and_tell("no rules", 0, 0, callers);
    uint64_t few = measure_and_tell("4 budgets, 6 limits; one team and key", 1, 0, callers);
    uint64_t many =
        measure_and_tell("the same call beside 100,000 teams and keys", MANY, 0, callers);
    uint64_t cold =
        measure_and_tell("another of 100,000 teams and keys each call", MANY, 7919, callers);
    reader_unregister();
    free(callers);
    printf("target: %d ns\n\n", TARGET);
    (void)measure_networks("networks: no rules", 0, 0);
    (void)measure_networks("networks: 10 rules", 10, 1);
    uint64_t networks = measure_networks("networks: 100,000 rules", MANY, 1);
    printf("target: %d ns\n", NETWORK_TARGET);
    return few <= TARGET && many <= TARGET && cold <= TARGET && networks <= NETWORK_TARGET ? 0 : 1;
}
