#include "support.h"

#include "policy/parts.h"

static struct policy *policy;
static struct arena arena;
static struct policy_why why;
static struct policy_grant grant;

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

static void replace(const struct policy_definition *definition)
{
    char problem[POLICY_PROBLEM_SIZE];
    assert_int_equal(policy_replace(policy, definition, NOW, problem), ERROR_OK);
}

static void use_budgets(const struct policy_budget *budgets, size_t count)
{
    replace(&(struct policy_definition){.budgets = budgets, .budget_count = count});
}

static void use_limits(const struct policy_limit *limits, size_t count)
{
    replace(&(struct policy_definition){.limits = limits, .limit_count = count});
}

static const struct policy_call plain = {.team = TEXT_INIT("red"),
                                         .key = TEXT_INIT("key1"),
                                         .tags = TEXT_INIT("{\"env\":\"pro\\u0064\",\"n\":1}"),
                                         .model = TEXT_INIT("gpt-5"),
                                         .wall = NOW,
                                         .now = NOW};

static enum policy_verdict admit(struct policy_hold *hold)
{
    return policy_admit(policy, &plain, &arena, hold, &why);
}

static enum policy_verdict reserve(struct policy_hold *hold, money input, money price,
                                   int64_t output)
{
    struct policy_ask ask = {input, price, output, POLICY_USEFUL_OUTPUT};
    return policy_reserve(hold, &ask, &grant, &why);
}

static void settle(struct policy_hold *hold, money cost)
{
    policy_settle(hold, &(struct policy_actual){.state = POLICY_COST_KNOWN, .cost = cost});
}

static struct policy_budget_state look(const char *id)
{
    struct policy_budget_state state;
    assert_true(policy_find_budget(policy, text_from(id), NOW, &state));
    return state;
}

/* A whole call that costs so much. */
static void spend(money amount)
{
    struct policy_hold hold;
    assert_int_equal(admit(&hold), POLICY_ALLOWED);
    assert_int_equal(reserve(&hold, amount, 0, 0), POLICY_ALLOWED);
    settle(&hold, amount);
}

/* ------------------------------------------------------------------ models */

static void use_models(struct policy_subject subject, bool listed, const struct text *allowed,
                       size_t allowed_count, const struct text *denied, size_t denied_count)
{
    struct policy_models models = {subject, {listed, allowed, allowed_count, denied, denied_count}};
    replace(&(struct policy_definition){.models = &models, .model_count = 1});
}

static void test_models(void **state)
{
    static const struct text pattern = TEXT_INIT("gpt-*"), other = TEXT_INIT("claude-*");
    struct policy_subject red = {POLICY_TEAM, TEXT("red"), {0}};
    struct policy_hold hold;
    use_models((struct policy_subject){0}, true, &pattern, 1, NULL, 0);
    assert_int_equal(admit(&hold), POLICY_ALLOWED);
    settle(&hold, 0);
    use_models(red, true, &pattern, 1, &pattern, 1); /* denial wins */
    assert_int_equal(admit(&hold), POLICY_REFUSED);
    assert_int_equal(why.reason, POLICY_REASON_MODEL);
    assert_int_equal(why.subject.scope, POLICY_TEAM);
    assert_true(text_equal(why.subject.name, TEXT("red")));
    assert_true(why.denied);
    settle(&hold, 0);
    use_models(red, true, &other, 1, NULL, 0);
    assert_int_equal(admit(&hold), POLICY_REFUSED);
    assert_false(why.denied);
    settle(&hold, 0);
    assert_false(policy_allows_model(policy, TEXT("red"), TEXT("key1"), TEXT("gpt-5")));
    assert_true(policy_allows_model(policy, TEXT("red"), TEXT("key1"), TEXT("claude-3")));
    assert_true(policy_allows_model(policy, TEXT("blue"), TEXT("key1"), TEXT("gpt-5")));
    use_models((struct policy_subject){0}, true, NULL, 0, NULL, 0); /* an empty list is none */
    assert_int_equal(admit(&hold), POLICY_REFUSED);
    settle(&hold, 0);
}

/* ------------------------------------------------------------------ limits */

static void test_all_limits_or_none(void **state)
{
    struct policy_limit limits[] = {
        {.id = TEXT("all"), .kind = POLICY_REQUESTS, .amount = 5, .window = MINUTE},
        {.id = TEXT("model"),
         .name = TEXT("cheap"),
         .subject = {POLICY_MODEL, TEXT("gpt-*"), {0}},
         .kind = POLICY_REQUESTS,
         .amount = 2,
         .window = HOUR},
        {.id = TEXT("tag"),
         .subject = {POLICY_TAG, TEXT("env"), TEXT("prod")},
         .kind = POLICY_CONCURRENT,
         .amount = 2},
    };
    struct policy_hold first, second, third;
    struct policy_rates rates;
    use_limits(limits, ARRAY_LENGTH(limits));
    assert_int_equal(admit(&first), POLICY_ALLOWED);
    assert_int_equal(admit(&second), POLICY_ALLOWED);
    assert_int_equal(admit(&third), POLICY_REFUSED); /* by two: the window's takes longer */
    assert_int_equal(why.reason, POLICY_REASON_LIMIT);
    assert_true(text_equal(why.id, TEXT("model")));
    assert_true(text_equal(why.name, TEXT("cheap")));
    assert_int_equal(why.kind, POLICY_REQUESTS);
    assert_int_equal(why.remaining, 0);
    assert_int_equal(why.asked, 1);
    assert_true(why.retry_after > 59 * MINUTE && why.retry_after < 61 * MINUTE + SECOND);
    policy_rates(&third, NOW, &rates);
    assert_true(rates.requests.applies && !rates.tokens.applies);
    assert_int_equal(rates.requests.limit, 2);
    assert_int_equal(rates.requests.remaining, 0);
    settle(&third, 0);
    settle(&first, 0);
    settle(&second, 0);
    limits[1].amount = 4;
    use_limits(limits, ARRAY_LENGTH(limits));
    assert_int_equal(admit(&third), POLICY_ALLOWED);
    policy_rates(&third, NOW, &rates);
    assert_int_equal(rates.requests.remaining, 1); /* the refused call took nothing */
    settle(&third, 0);
}

static void test_observed_limits_let_pass(void **state)
{
    struct policy_limit limits[] = {
        {.id = TEXT("watch"),
         .mode = POLICY_OBSERVE,
         .kind = POLICY_REQUESTS,
         .amount = 1,
         .window = MINUTE},
    };
    struct policy_hold hold;
    use_limits(limits, 1);
    assert_int_equal(admit(&hold), POLICY_ALLOWED);
    assert_null(hold.observed);
    settle(&hold, 0);
    assert_int_equal(admit(&hold), POLICY_ALLOWED);
    assert_non_null(hold.observed);
    assert_int_equal(hold.observed->reason, POLICY_REASON_LIMIT);
    assert_true(text_equal(hold.observed->id, TEXT("watch")));
    struct policy_rates rates;
    policy_rates(&hold, NOW, &rates);
    assert_false(rates.requests.applies);
    settle(&hold, 0);
    /* What was counted while watching counts when it bites. */
    limits[0].mode = POLICY_ENFORCE;
    use_limits(limits, 1);
    assert_int_equal(admit(&hold), POLICY_REFUSED);
    settle(&hold, 0);
}

/* ------------------------------------------------------------------ budgets */

static void test_clamp_and_refuse(void **state)
{
    struct policy_budget budget = {
        .id = TEXT("b"), .name = TEXT("month"), .cap = 1000, .period = PERIOD_MONTH};
    struct policy_hold hold;
    use_budgets(&budget, 1);
    assert_int_equal(admit(&hold), POLICY_ALLOWED);
    assert_true(policy_is_capped(&hold));
    assert_int_equal(reserve(&hold, 100, 10, 500), POLICY_ALLOWED);
    assert_int_equal(grant.output_tokens, 90); /* (1000 - 100) / 10 */
    assert_money_equal(grant.amount, 1000);
    assert_money_equal(look("b").used, 1000);
    assert_money_equal(look("b").held, 1000);
    settle(&hold, 345);
    assert_money_equal(look("b").used, 345);
    assert_money_equal(look("b").spent, 345);
    /* 655 left: the useful minimum is 16 tokens */
    assert_int_equal(admit(&hold), POLICY_ALLOWED);
    assert_int_equal(reserve(&hold, 100, 35, 500), POLICY_REFUSED);
    assert_int_equal(why.reason, POLICY_REASON_BUDGET);
    assert_true(text_equal(why.id, TEXT("b")) && text_equal(why.name, TEXT("month")));
    assert_money_equal(why.left, 655);
    assert_money_equal(why.needed, 660);
    assert_money_equal(why.cap, 1000);
    assert_true(why.resets_at == period_at(PERIOD_MONTH, NULL, 0, NOW).end);
    settle(&hold, 0);
    assert_money_equal(look("b").used, 345);
    /* A caller who wants few gets few. */
    assert_int_equal(admit(&hold), POLICY_ALLOWED);
    assert_int_equal(reserve(&hold, 100, 35, 5), POLICY_ALLOWED);
    assert_int_equal(grant.output_tokens, 5);
    policy_settle(&hold, &(struct policy_actual){.state = POLICY_COST_UNKNOWN});
    assert_money_equal(look("b").spent, 345 + 275);
    assert_int_equal(admit(&hold), POLICY_ALLOWED);
    assert_int_equal(reserve(&hold, 380, 0, 0), POLICY_ALLOWED);
    policy_settle(&hold, &(struct policy_actual){.state = POLICY_COST_NONE});
    assert_money_equal(look("b").used, 620);
    policy_settle(&hold, &(struct policy_actual){.state = POLICY_COST_NONE}); /* empty: nothing */
}

/* One token too many is clamped as well as a thousand. */
static void test_clamp_to_the_token(void **state)
{
    struct policy_budget budget = {.id = TEXT("b"), .cap = 1000, .period = PERIOD_MONTH};
    use_budgets(&budget, 1);
    for (int64_t output = 89; output <= 91; output++) {
        struct policy_hold hold;
        assert_int_equal(admit(&hold), POLICY_ALLOWED);
        assert_int_equal(reserve(&hold, 100, 10, output), POLICY_ALLOWED);
        assert_int_equal(grant.output_tokens, output < 90 ? output : 90);
        settle(&hold, 0);
    }
}

static void test_the_smallest_remainder_counts(void **state)
{
    struct policy_budget budgets[] = {
        {.id = TEXT("organisation"), .cap = 5000, .period = PERIOD_LIFETIME},
        {.id = TEXT("team"),
         .subject = {POLICY_TEAM, TEXT("red"), {0}},
         .cap = 700,
         .period = PERIOD_WEEK},
        {.id = TEXT("other"),
         .subject = {POLICY_TEAM, TEXT("blue"), {0}},
         .cap = 1,
         .period = PERIOD_WEEK},
        {.id = TEXT("tag"),
         .subject = {POLICY_TAG, TEXT("env"), TEXT("prod")},
         .cap = 900,
         .period = PERIOD_DAY},
        {.id = TEXT("soft"), .soft = true, .cap = 1, .period = PERIOD_DAY},
        {.id = TEXT("watch"), .mode = POLICY_OBSERVE, .cap = 1, .period = PERIOD_DAY},
    };
    struct policy_hold hold;
    use_budgets(budgets, ARRAY_LENGTH(budgets));
    assert_int_equal(admit(&hold), POLICY_ALLOWED);
    assert_int_equal(reserve(&hold, 0, 10, 500), POLICY_ALLOWED);
    assert_int_equal(grant.output_tokens, 70);
    assert_non_null(hold.observed);
    assert_true(text_equal(hold.observed->id, TEXT("watch")));
    assert_null(hold.observed->next);
    assert_money_equal(look("soft").used, 700);
    assert_money_equal(look("other").used, 0);
    settle(&hold, 650);
    assert_int_equal(admit(&hold), POLICY_ALLOWED);
    assert_int_equal(reserve(&hold, 100, 0, 0), POLICY_REFUSED);
    assert_true(text_equal(why.id, TEXT("team")));
    settle(&hold, 0);
    for (size_t i = 0; i < ARRAY_LENGTH(budgets); i++) {
        struct policy_budget_state found = look(budgets[i].id.data);
        assert_money_equal(found.used, i == 2 ? 0 : 650);
        assert_money_equal(found.held, 0);
    }
}

static void test_a_cap_of_nothing(void **state)
{
    struct policy_budget budget = {.id = TEXT("b"), .cap = 0, .period = PERIOD_MONTH};
    struct policy_hold hold;
    use_budgets(&budget, 1);
    assert_int_equal(admit(&hold), POLICY_ALLOWED);
    assert_int_equal(reserve(&hold, 0, 0, 0), POLICY_REFUSED); /* even what is free */
    assert_true(why.resets_at == POLICY_FOREVER);
    settle(&hold, 0);
}

static void test_edits_keep_what_was_spent(void **state)
{
    struct policy_budget budgets[] = {
        {.id = TEXT("a"), .cap = 1000, .period = PERIOD_MONTH},
        {.id = TEXT("b"), .cap = 1000, .period = PERIOD_MONTH},
    };
    struct policy_hold hold;
    use_budgets(budgets, 2);
    spend(600);
    budgets[0].cap = 500;
    budgets[0].raised_cap = 2000;
    budgets[0].raised_until = NOW + 1;
    use_budgets(budgets, 2);
    assert_money_equal(look("a").spent, 600);
    assert_money_equal(look("a").cap, 2000);
    budgets[0].raised_until = NOW;
    use_budgets(budgets, 2);
    assert_money_equal(look("a").cap, 500);
    assert_int_equal(admit(&hold), POLICY_ALLOWED);
    assert_int_equal(reserve(&hold, 1, 0, 0), POLICY_REFUSED);
    assert_money_equal(why.left, 0);
    settle(&hold, 0);
    /* Removed while a call holds money in it; the call ends well. */
    budgets[0].cap = 5000;
    use_budgets(budgets, 2);
    assert_int_equal(admit(&hold), POLICY_ALLOWED);
    assert_int_equal(reserve(&hold, 300, 0, 0), POLICY_ALLOWED);
    use_budgets(budgets, 1);
    assert_non_null(policy->leaving_accounts);
    policy_tick(policy, NOW);
    assert_non_null(policy->leaving_accounts);
    settle(&hold, 200);
    policy_tick(policy, NOW);
    assert_null(policy->leaving_accounts);
    assert_money_equal(look("a").spent, 800);
    /* Another zone is another calendar: counted anew. */
    budgets[0].zone = TEXT("Etc/UTC");
    use_budgets(budgets, 1);
    assert_money_equal(look("a").spent, 0);
}

static void test_wrong_rules_change_nothing(void **state)
{
    struct policy_budget good = {.id = TEXT("good"), .cap = 1000, .period = PERIOD_MONTH};
    struct policy_budget bad[] = {good, {.id = TEXT("bad"), .cap = 1, .period = PERIOD_DAY}};
    struct policy_definition definition = {.budgets = bad, .budget_count = 2};
    char problem[POLICY_PROBLEM_SIZE];
    use_budgets(&good, 1);
    spend(10);
    bad[1].zone = TEXT("Europe/Nowhere");
    assert_int_equal(policy_replace(policy, &definition, NOW, problem), ERROR_NOT_FOUND);
    assert_non_null(strstr(problem, "Europe/Nowhere"));
    bad[1].zone = (struct text){0};
    bad[1].cap = -1;
    assert_int_equal(policy_replace(policy, &definition, NOW, problem), ERROR_ARGUMENT);
    assert_non_null(strstr(problem, "bad"));
    bad[1].cap = 1;
    bad[1].id = TEXT("good");
    assert_int_equal(policy_replace(policy, &definition, NOW, NULL), ERROR_ARGUMENT);
    struct policy_limit limit = {.id = TEXT("l"), .kind = POLICY_REQUESTS, .amount = 1};
    definition = (struct policy_definition){.limits = &limit, .limit_count = 1};
    assert_int_equal(policy_replace(policy, &definition, NOW, problem), ERROR_ARGUMENT);
    assert_money_equal(look("good").spent, 10);
    assert_null(policy->leaving_accounts);
}

struct crossings {
    unsigned count;
    uint16_t percents[8];
};

static void note_crossing(void *context, const struct policy_budget_state *state, uint16_t percent)
{
    struct crossings *crossings = context;
    crossings->percents[crossings->count++] = percent;
}

static unsigned crossings_of(uint64_t wall, uint16_t first)
{
    struct crossings crossings = {0};
    policy_take_crossings(policy, wall, note_crossing, &crossings);
    if (crossings.count > 0)
        assert_int_equal(crossings.percents[0], first);
    return crossings.count;
}

static void test_alerts_once_a_period(void **state)
{
    static const uint16_t thresholds[] = {50, 80, 100};
    struct policy_budget budget = {.id = TEXT("b"),
                                   .soft = true,
                                   .cap = 1000,
                                   .period = PERIOD_DAY,
                                   .thresholds = thresholds,
                                   .threshold_count = 3};
    use_budgets(&budget, 1);
    spend(499);
    assert_int_equal(crossings_of(NOW, 0), 0);
    spend(301);
    assert_int_equal(crossings_of(NOW, 50), 2);
    assert_int_equal(crossings_of(NOW, 0), 0);
    spend(1000);
    assert_int_equal(crossings_of(NOW, 100), 1);
    assert_int_equal(look("b").crossed, 7);
    budget.cap = 2400; /* 1800 are 75 per cent */
    use_budgets(&budget, 1);
    assert_int_equal(crossings_of(NOW, 0), 0);
    spend(200);
    assert_int_equal(crossings_of(NOW, 80), 1);
    policy_tick(policy, NOW + DAY);
    assert_int_equal(crossings_of(NOW + DAY, 0), 0);
}

static bool tell_past(void *context, const struct policy_past *past, money *spent)
{
    assert_true(text_equal(past->budget_id, TEXT("b")));
    assert_int_equal(past->subject->scope, POLICY_TEAM);
    *spent = past->start <= NOW - 1 ? 900 : 0;
    return *(bool *)context;
}

static void test_history(void **state)
{
    bool known = true;
    struct policy_budget budget = {.id = TEXT("b"),
                                   .subject = {POLICY_TEAM, TEXT("red"), {0}},
                                   .cap = 1000,
                                   .period = PERIOD_MONTH};
    struct policy_hold hold;
    policy_destroy(policy);
    policy = policy_create(tell_past, &known);
    use_budgets(&budget, 1);
    assert_money_equal(look("b").spent, 900);
    assert_true(look("b").complete);
    assert_int_equal(admit(&hold), POLICY_ALLOWED);
    assert_int_equal(reserve(&hold, 101, 0, 0), POLICY_REFUSED);
    settle(&hold, 0);
    use_budgets(NULL, 0);
    known = false;
    use_budgets(&budget, 1);
    assert_false(look("b").complete);
    known = true;
    policy_tick(policy, NOW + SECOND);
    assert_true(look("b").complete);
    assert_money_equal(look("b").spent, 900);
    policy_refresh(policy, 0);
    assert_money_equal(look("b").spent, 900);
}

static void count_budget(void *context, const struct policy_budget_state *budget)
{
    ++((unsigned *)context)[0];
}

static void count_limit(void *context, const struct policy_limit_state *limit)
{
    ++((unsigned *)context)[1];
}

static void test_walk(void **state)
{
    struct policy_budget budget = {
        .id = TEXT("b"), .cap = 1000, .period = PERIOD_ROLLING, .rolling = HOUR};
    struct policy_limit limit = {
        .id = TEXT("l"), .kind = POLICY_REQUESTS, .amount = 9, .window = MINUTE};
    unsigned counts[2] = {0};
    replace(&(struct policy_definition){
        .budgets = &budget, .budget_count = 1, .limits = &limit, .limit_count = 1});
    spend(5);
    struct policy_visitor visitor = {count_budget, count_limit, counts};
    policy_walk(policy, NOW, NOW, &visitor);
    assert_int_equal(counts[0], 1);
    assert_int_equal(counts[1], 1);
    assert_money_equal(look("b").spent, 5);
    assert_true(look("b").start == NOW && look("b").end == NOW + 75 * MINUTE);
}

static void test_no_memory(void **state)
{
    struct policy_limit limit = {.id = TEXT("l"), .kind = POLICY_CONCURRENT, .amount = 1};
    struct policy_hold hold;
    use_limits(&limit, 1);
    arena_close(&arena);
    arena_open(&arena, NULL, 1);
    assert_int_equal(admit(&hold), POLICY_NO_MEMORY);
    settle(&hold, 0);
    arena_close(&arena);
    arena_open(&arena, NULL, 1 << 20);
    assert_int_equal(admit(&hold), POLICY_ALLOWED);
    settle(&hold, 0);
}

static void test_names(void **state)
{
    for (unsigned i = 0; i < POLICY_SCOPE_COUNT; i++) {
        enum policy_scope scope;
        assert_true(policy_scope_from(text_from(policy_scope_name(i)), &scope) && scope == i);
    }
    for (unsigned i = 0; i < POLICY_LIMIT_KIND_COUNT; i++) {
        enum policy_limit_kind kind;
        assert_true(policy_limit_kind_from(text_from(policy_limit_kind_name(i)), &kind) &&
                    kind == i);
    }
    for (unsigned i = 0; i < PERIOD_KIND_COUNT; i++) {
        enum period_kind kind;
        assert_true(period_kind_from(text_from(period_kind_name(i)), &kind) && kind == i);
    }
    enum policy_mode mode;
    assert_false(policy_mode_from(TEXT("enforced"), &mode));
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_models),
        TEST(test_all_limits_or_none),
        TEST(test_observed_limits_let_pass),
        TEST(test_clamp_and_refuse),
        TEST(test_clamp_to_the_token),
        TEST(test_the_smallest_remainder_counts),
        TEST(test_a_cap_of_nothing),
        TEST(test_edits_keep_what_was_spent),
        TEST(test_wrong_rules_change_nothing),
        TEST(test_alerts_once_a_period),
        TEST(test_history),
        TEST(test_walk),
        TEST(test_no_memory),
        TEST(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
