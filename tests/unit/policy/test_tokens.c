#include "support.h"

#include "policy/parts.h"

static struct policy *policy;
static struct arena arena;
static struct policy_why why;
static int64_t output; /* that was granted */

static int set_up(void **state)
{
    reader_register();
    arena_open(&arena, NULL, 1 << 20);
    policy = policy_create(NULL, NULL);
    return policy == NULL;
}

static int tear_down(void **state)
{
    policy_destroy(policy);
    arena_close(&arena);
    reader_unregister();
    return 0;
}

static void use(const struct policy_limit *limits, size_t limit_count,
                const struct policy_budget *budgets, size_t budget_count)
{
    const struct policy_definition definition = {.limits = limits,
                                                 .limit_count = limit_count,
                                                 .budgets = budgets,
                                                 .budget_count = budget_count};
    char problem[POLICY_PROBLEM_SIZE];
    assert_int_equal(policy_replace(policy, &definition, NOW, problem), ERROR_OK);
}

/* One limit of the organisation. */
static void use_one(enum policy_limit_kind kind, int64_t amount)
{
    const struct policy_limit limit = {
        .id = TEXT("l"), .name = TEXT("shared"), .kind = kind, .amount = amount, .window = MINUTE};
    use(&limit, 1, NULL, 0);
}

static enum policy_verdict hold_at(struct policy_hold *hold, const struct policy_tokens *ask,
                                   uint64_t now)
{
    const struct policy_call call = {
        .team = TEXT("red"), .key = TEXT("key1"), .model = TEXT("gpt-5"), .wall = NOW, .now = now};
    assert_int_equal(policy_admit(policy, &call, &arena, hold, &why), POLICY_ALLOWED);
    return policy_hold_tokens(hold, ask, &output, &why);
}

/* A caller who states what he wants. */
static enum policy_verdict hold_stated(struct policy_hold *hold, int64_t input, int64_t wanted)
{
    const struct policy_tokens ask = {
        .input = input, .output = wanted, .output_least = 16, .output_clamp = wanted};
    return hold_at(hold, &ask, NOW);
}

#define MODEL_WRITES 16384

/* One who does not. */
static enum policy_verdict hold_unstated(struct policy_hold *hold, int64_t input)
{
    const struct policy_tokens ask = {.input = input,
                                      .output = MODEL_WRITES,
                                      .output_least = 16,
                                      .output_usual = 500,
                                      .output_clamp = MODEL_WRITES};
    return hold_at(hold, &ask, NOW);
}

static void settle(struct policy_hold *hold, int64_t input_tokens, int64_t output_tokens)
{
    policy_settle(hold, &(struct policy_actual){.state = POLICY_COST_NONE,
                                                .tokens_known = true,
                                                .input_tokens = input_tokens,
                                                .output_tokens = output_tokens});
}

static struct limit *counter_of(const char *id)
{
    return snapshot_find_limit(policy_snapshot(policy), text_from(id))->counter;
}

static int64_t used(const char *id)
{
    return limit_used(counter_of(id), NOW);
}

static int64_t held(const char *id)
{
    return atomic_load(&counter_of(id)->held);
}

/* ------------------------------------------------------------------ one limit */

static void test_the_worst_case_is_held(void **state)
{
    struct policy_hold hold;
    use_one(POLICY_TOKENS, 10000);
    assert_int_equal(hold_stated(&hold, 1000, 4000), POLICY_ALLOWED);
    assert_int_equal(output, 4000);
    assert_int_equal(used("l"), 5000);
    assert_int_equal(held("l"), 5000);
    settle(&hold, 240, 700);
    assert_int_equal(used("l"), 940);
    assert_int_equal(held("l"), 0);
}

static void test_kinds_count_their_own(void **state)
{
    struct policy_hold hold;
    use_one(POLICY_INPUT_TOKENS, 10000);
    assert_int_equal(hold_stated(&hold, 1000, 90000), POLICY_ALLOWED);
    assert_int_equal(output, 90000); /* the answer is none of its concern */
    assert_int_equal(used("l"), 1000);
    settle(&hold, 240, 700);
    assert_int_equal(used("l"), 240);
    use_one(POLICY_OUTPUT_TOKENS, 10000);
    assert_int_equal(hold_stated(&hold, 90000, 4000), POLICY_ALLOWED);
    assert_int_equal(used("l"), 4000);
    settle(&hold, 240, 700);
    assert_int_equal(used("l"), 700);
}

static void test_clamp_and_refuse(void **state)
{
    struct policy_hold first, second;
    use_one(POLICY_TOKENS, 10000);
    assert_int_equal(hold_stated(&first, 1000, 6000), POLICY_ALLOWED);
    assert_int_equal(hold_stated(&second, 1000, 4000), POLICY_ALLOWED);
    assert_int_equal(output, 2000);
    assert_int_equal(used("l"), 10000);
    settle(&second, 1000, 1985);
    /* 15 are left, one less than is any use. */
    assert_int_equal(hold_stated(&second, 0, 4000), POLICY_REFUSED);
    assert_int_equal(why.reason, POLICY_REASON_LIMIT);
    assert_true(text_equal(why.id, TEXT("l")) && text_equal(why.name, TEXT("shared")));
    assert_int_equal(why.kind, POLICY_TOKENS);
    assert_int_equal(why.remaining, 15);
    assert_int_equal(why.held, 7000);
    assert_int_equal(why.asked, 16);
    assert_int_equal(why.retry_after, 0); /* as soon as the first has ended */
    assert_int_equal(used("l"), 9985);
    settle(&second, 0, 0);
    settle(&first, 1000, 6000);
    assert_int_equal(hold_stated(&second, 0, 4000), POLICY_REFUSED);
    assert_int_equal(why.held, 0);
    assert_in_range(why.retry_after, MINUTE, MINUTE + SECOND);
    settle(&second, 0, 0);
    assert_int_equal(hold_stated(&second, 9985, 16), POLICY_REFUSED);
    assert_true(why.retry_after == POLICY_FOREVER); /* it alone is more than all */
    settle(&second, 0, 0);
    /* Who wants few gets few. */
    assert_int_equal(hold_stated(&second, 1, 7), POLICY_ALLOWED);
    assert_int_equal(output, 7);
    settle(&second, 1, 7);
}

static void test_all_or_nothing(void **state)
{
    struct policy_hold hold;
    const struct policy_tokens picture = {
        .input = 100, .output = 8192, .output_least = 8192, .output_clamp = 8192};
    const struct policy_tokens embedding = {.input = 9000};
    use_one(POLICY_TOKENS, 8291);
    assert_int_equal(hold_at(&hold, &picture, NOW), POLICY_REFUSED);
    settle(&hold, 0, 0);
    use_one(POLICY_TOKENS, 17292);
    assert_int_equal(hold_at(&hold, &picture, NOW), POLICY_ALLOWED);
    settle(&hold, 100, 8192);
    assert_int_equal(hold_at(&hold, &embedding, NOW), POLICY_ALLOWED);
    assert_int_equal(output, 0);
    settle(&hold, 2000, 0);
    assert_int_equal(used("l"), 8292 + 2000);
}

/* Lowered below what was used: what takes nothing of it passes. */
static void test_nothing_of_a_limit_that_is_passed(void **state)
{
    struct policy_hold hold;
    use_one(POLICY_OUTPUT_TOKENS, 1000);
    assert_int_equal(hold_stated(&hold, 10, 900), POLICY_ALLOWED);
    settle(&hold, 10, 900);
    use_one(POLICY_OUTPUT_TOKENS, 500);
    assert_int_equal(hold_stated(&hold, 10, 0), POLICY_ALLOWED);
    settle(&hold, 10, 0);
    assert_int_equal(hold_stated(&hold, 10, 1), POLICY_REFUSED);
    settle(&hold, 0, 0);
}

/* ------------------------------------------------------------------ shares */

static void test_a_share_for_who_states_nothing(void **state)
{
    enum { MOST = 64 };
    static struct policy_hold holds[MOST];
    int64_t sum = 0, last = INT64_MAX;
    size_t count = 0;
    use_one(POLICY_TOKENS, 10000);
    while (hold_unstated(&holds[count], 100) == POLICY_ALLOWED) {
        assert_true(output >= 500 && output <= last && output <= (10000 - 100) / 8);
        last = output;
        sum += 100 + output;
        assert_int_equal(used("l"), sum);
        count++;
        assert_true(count < MOST);
    }
    assert_true(sum <= 10000 && sum > 9000);
    assert_true(count > 10);
    assert_int_equal(why.retry_after, 0);
    settle(&holds[count], 0, 0);
    for (size_t i = 0; i < count; i++)
        settle(&holds[i], 25, 200);
    assert_int_equal(used("l"), (int64_t)count * 225);
    /* A wide limit leaves the answer as it is. */
    use_one(POLICY_TOKENS, 1000000);
    assert_int_equal(hold_unstated(&holds[0], 100), POLICY_ALLOWED);
    assert_int_equal(output, MODEL_WRITES);
    settle(&holds[0], 0, 0);
}

/* A limit that has less than the usual answers of a few calls still lets them pass. */
static void test_a_small_limit(void **state)
{
    struct policy_hold hold;
    use_one(POLICY_TOKENS, 800);
    assert_int_equal(hold_unstated(&hold, 100), POLICY_ALLOWED);
    assert_int_equal(output, 100); /* an eighth of all */
    settle(&hold, 0, 0);
    use_one(POLICY_TOKENS, 40);
    assert_int_equal(hold_unstated(&hold, 10), POLICY_ALLOWED);
    assert_int_equal(output, 16);
    settle(&hold, 0, 0);
}

/* Of a model of which nobody knows how much it writes, a clamp is one that every model takes. */
static void test_an_unknown_model(void **state)
{
    struct policy_hold hold;
    const struct policy_tokens ask = {
        .output = 131072, .output_least = 16, .output_usual = 500, .output_clamp = 4096};
    use_one(POLICY_TOKENS, 100000);
    assert_int_equal(hold_at(&hold, &ask, NOW), POLICY_ALLOWED);
    assert_int_equal(output, 4096);
    assert_int_equal(used("l"), 4096);
    settle(&hold, 0, 0);
    use_one(POLICY_TOKENS, 1100000);
    assert_int_equal(hold_at(&hold, &ask, NOW), POLICY_ALLOWED);
    assert_int_equal(output, 131072);
    settle(&hold, 0, 0);
}

/* ------------------------------------------------------------------ input that nobody sees */

static void test_hidden_input_runs_alone(void **state)
{
    struct policy_hold hold, other;
    const struct policy_tokens ask = {.input = 400000,
                                      .input_hidden = true,
                                      .output = 1000,
                                      .output_least = 16,
                                      .output_clamp = 1000};
    use_one(POLICY_TOKENS, 10000);
    assert_int_equal(hold_at(&hold, &ask, NOW), POLICY_ALLOWED);
    assert_int_equal(output, 1000);
    assert_int_equal(used("l"), 10000);
    assert_int_equal(hold_stated(&other, 0, 16), POLICY_REFUSED);
    assert_int_equal(why.retry_after, 0);
    settle(&other, 0, 0);
    settle(&hold, 7700, 1000);
    assert_int_equal(used("l"), 8700);
    /* 1,300 are left: an eighth of all, and some words. */
    assert_int_equal(hold_at(&hold, &ask, NOW), POLICY_ALLOWED);
    assert_int_equal(output, 50);
    settle(&hold, 1200, 50);
    assert_int_equal(hold_at(&hold, &ask, NOW), POLICY_REFUSED);
    settle(&hold, 0, 0);
    /* What the model reads at all fits: that is held, and others run beside it. */
    use_one(POLICY_INPUT_TOKENS, 500000);
    assert_int_equal(hold_at(&hold, &ask, NOW), POLICY_ALLOWED);
    assert_int_equal(hold_stated(&other, 60000, 16), POLICY_ALLOWED);
    settle(&other, 0, 0);
    settle(&hold, 0, 0);
}

/* ------------------------------------------------------------------ several */

static const struct policy_limit several[] = {
    {.id = TEXT_INIT("wide"), .kind = POLICY_TOKENS, .amount = 100000, .window = MINUTE},
    {.id = TEXT_INIT("team"),
     .subject = {POLICY_TEAM, TEXT_INIT("red"), {0}},
     .kind = POLICY_OUTPUT_TOKENS,
     .amount = 3000,
     .window = MINUTE},
    {.id = TEXT_INIT("prompts"),
     .subject = {POLICY_MODEL, TEXT_INIT("gpt-*"), {0}},
     .kind = POLICY_INPUT_TOKENS,
     .amount = 2000,
     .window = HOUR},
    {.id = TEXT_INIT("calls"), .kind = POLICY_REQUESTS, .amount = 100, .window = MINUTE},
};

static void test_the_tightest_decides(void **state)
{
    struct policy_hold hold, other;
    use(several, ARRAY_LENGTH(several), NULL, 0);
    assert_int_equal(hold_stated(&hold, 1500, 9000), POLICY_ALLOWED);
    assert_int_equal(output, 3000);
    assert_int_equal(used("wide"), 4500);
    assert_int_equal(used("team"), 3000);
    assert_int_equal(used("prompts"), 1500);
    settle(&hold, 600, 100);
    /* Refused by the hour's: the others have nothing of it. */
    assert_int_equal(hold_stated(&other, 1401, 50), POLICY_REFUSED);
    assert_true(text_equal(why.id, TEXT("prompts")));
    assert_in_range(why.retry_after, HOUR, 61 * MINUTE + SECOND);
    assert_int_equal(used("wide"), 700);
    assert_int_equal(used("team"), 100);
    struct policy_rates rates;
    policy_rates(&other, NOW, &rates);
    assert_int_equal(rates.tokens.limit, 2000);
    assert_int_equal(rates.tokens.remaining, 1400);
    settle(&other, 0, 0);
    assert_int_equal(used("calls"), 2);
}

static void test_the_smaller_of_limit_and_budget(void **state)
{
    struct policy_budget budget = {.id = TEXT("b"), .cap = 1000, .period = PERIOD_MONTH};
    struct policy_hold hold;
    struct policy_grant grant;
    use(several, ARRAY_LENGTH(several), &budget, 1);
    assert_int_equal(hold_stated(&hold, 100, 9000), POLICY_ALLOWED);
    assert_int_equal(output, 3000);
    struct policy_ask ask = {200, 2, output, POLICY_USEFUL_OUTPUT};
    assert_int_equal(policy_reserve(&hold, &ask, &grant, &why), POLICY_ALLOWED);
    assert_int_equal(grant.output_tokens, 400);
    assert_int_equal(used("wide"), 500); /* what the budget does not buy is free for others */
    assert_int_equal(used("team"), 400);
    assert_int_equal(used("prompts"), 100);
    assert_int_equal(held("wide"), 500);
    settle(&hold, 80, 400);
    assert_int_equal(used("wide"), 480);
    assert_int_equal(held("wide"), 0);
}

static void test_a_budget_refuses(void **state)
{
    struct policy_budget budget = {.id = TEXT("b"), .cap = 10, .period = PERIOD_MONTH};
    struct policy_hold hold;
    struct policy_grant grant;
    struct policy_rates rates;
    use(several, ARRAY_LENGTH(several), &budget, 1);
    assert_int_equal(hold_stated(&hold, 100, 900), POLICY_ALLOWED);
    struct policy_ask ask = {200, 2, output, POLICY_USEFUL_OUTPUT};
    assert_int_equal(policy_reserve(&hold, &ask, &grant, &why), POLICY_REFUSED);
    policy_release_tokens(&hold);
    policy_release_tokens(&hold);
    policy_rates(&hold, NOW, &rates); /* what the caller is told has nothing of his own in it */
    assert_int_equal(rates.tokens.remaining, 2000);
    assert_int_equal(rates.requests.remaining, 99);
    settle(&hold, 0, 0);
    assert_int_equal(used("wide"), 0);
    assert_int_equal(held("wide"), 0);
}

/* ------------------------------------------------------------------ the end of a call */

/* What was left for another, a loser of a race, a copy: they used tokens too, by kind. */
static void test_what_is_sent_beside_counts_when_it_is_known(void **state)
{
    const struct policy_limit limits[] = {
        {.id = TEXT("all"), .kind = POLICY_TOKENS, .amount = 5000, .window = MINUTE},
        {.id = TEXT("out"), .kind = POLICY_OUTPUT_TOKENS, .amount = 10, .window = MINUTE},
        {.id = TEXT("calls"), .kind = POLICY_REQUESTS, .amount = 5, .window = MINUTE},
    };
    struct policy_hold hold, extra, unsaid;
    use(limits, ARRAY_LENGTH(limits), NULL, 0);
    assert_int_equal(hold_stated(&hold, 100, 10), POLICY_ALLOWED);
    policy_open_extra(&hold, &arena, &extra);
    policy_open_extra(&hold, &arena, &unsaid);
    settle(&hold, 100, 10);
    settle(&extra, 90, 7); /* above the limit: it is spent, whatever was allowed */
    policy_settle(&unsaid, &(struct policy_actual){.state = POLICY_COST_UNKNOWN});
    assert_int_equal(used("all"), 207);
    assert_int_equal(used("out"), 17);
    assert_int_equal(used("calls"), 1);
    assert_int_equal(held("all"), 0);
}

static void test_unknown_use_keeps_what_is_held(void **state)
{
    struct policy_hold hold;
    use_one(POLICY_TOKENS, 10000);
    assert_int_equal(hold_stated(&hold, 1000, 4000), POLICY_ALLOWED);
    policy_settle(&hold, &(struct policy_actual){.state = POLICY_COST_UNKNOWN});
    assert_int_equal(used("l"), 5000);
    assert_int_equal(held("l"), 0);
}

/* A stream that outlives the window: it counted when it began, and has left. */
static void test_settled_after_the_window(void **state)
{
    struct policy_hold hold, later;
    const struct policy_tokens ask = {
        .input = 10, .output = 9000, .output_least = 16, .output_clamp = 9000};
    use_one(POLICY_TOKENS, 10000);
    assert_int_equal(hold_at(&hold, &ask, NOW), POLICY_ALLOWED);
    assert_int_equal(hold_at(&later, &ask, NOW + 2 * MINUTE), POLICY_ALLOWED);
    assert_int_equal(output, 9000);
    settle(&hold, 10, 8000);
    assert_int_equal(limit_used(counter_of("l"), NOW + 2 * MINUTE), 9010);
    settle(&later, 10, 20);
    assert_int_equal(limit_used(counter_of("l"), NOW + 2 * MINUTE), 30);
    assert_int_equal(held("l"), 0);
}

/* Refused in admit, or of an endpoint that uses no tokens: they never held any. */
static void test_never_held(void **state)
{
    struct policy_hold hold;
    const struct policy_call call = {.wall = NOW, .now = NOW};
    use_one(POLICY_TOKENS, 10000);
    assert_int_equal(policy_admit(policy, &call, &arena, &hold, &why), POLICY_ALLOWED);
    settle(&hold, 100, 100);
    assert_int_equal(used("l"), 0);
}

/* ------------------------------------------------------------------ watching */

static void test_an_observed_limit_notes_and_lets_pass(void **state)
{
    struct policy_limit limit = {.id = TEXT("l"),
                                 .mode = POLICY_OBSERVE,
                                 .kind = POLICY_TOKENS,
                                 .amount = 10000,
                                 .window = MINUTE};
    struct policy_hold first, second, third;
    use(&limit, 1, NULL, 0);
    assert_int_equal(hold_unstated(&first, 2000), POLICY_ALLOWED);
    assert_int_equal(output, MODEL_WRITES); /* nothing is clamped … */
    assert_non_null(first.observed);
    assert_int_equal(first.observed->output_tokens, 1000); /* … but told */
    assert_int_equal(used("l"), 3000);                     /* as if it had been */
    assert_int_equal(hold_stated(&second, 100, 200), POLICY_ALLOWED);
    assert_null(second.observed);
    assert_int_equal(hold_stated(&third, 7000, 200), POLICY_ALLOWED);
    assert_non_null(third.observed);
    assert_true(text_equal(third.observed->id, TEXT("l")));
    assert_int_equal(third.observed->output_tokens, 0); /* it would have refused */
    settle(&first, 2000, 10000);
    settle(&second, 100, 10);
    settle(&third, 7000, 200);
    assert_int_equal(used("l"), 12000 + 110 + 7200);
    assert_int_equal(held("l"), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_the_worst_case_is_held),
        TEST(test_kinds_count_their_own),
        TEST(test_clamp_and_refuse),
        TEST(test_all_or_nothing),
        TEST(test_nothing_of_a_limit_that_is_passed),
        TEST(test_a_share_for_who_states_nothing),
        TEST(test_a_small_limit),
        TEST(test_an_unknown_model),
        TEST(test_hidden_input_runs_alone),
        TEST(test_the_tightest_decides),
        TEST(test_the_smaller_of_limit_and_budget),
        TEST(test_a_budget_refuses),
        TEST(test_what_is_sent_beside_counts_when_it_is_known),
        TEST(test_unknown_use_keeps_what_is_held),
        TEST(test_settled_after_the_window),
        TEST(test_never_held),
        TEST(test_an_observed_limit_notes_and_lets_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
