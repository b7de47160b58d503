/* The decision about a call, from plain values: whose rule says no first, what is held, and that a
 * record can keep what was asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "gate/gate.h"
#include "identity/reader.h"
#include "route/rules.h"

#define NOW (1800000000ull * NANOSECONDS_PER_SECOND)

static const struct model_rules everything;

static const struct endpoint *find_endpoint(enum endpoint_method method, const char *pattern)
{
    for (unsigned i = 0; i < endpoint_count; i++) {
        if (endpoints[i].method == method && text_equal(endpoints[i].pattern, text_from(pattern)))
            return &endpoints[i];
    }
    fail_msg("no endpoint %s", pattern);
    return NULL;
}

static struct gate_call chat(void)
{
    return (struct gate_call){
        .team = TEXT("search"),
        .key = TEXT("tpk_1"),
        .models = &everything,
        .endpoint = find_endpoint(ENDPOINT_POST, "/chat/completions"),
        .model = TEXT("gpt"),
        .bounds = {.input = 100, .output = 1000, .choices = 1},
        .body_size = 100,
        .wall = NOW,
        .now = NOW,
    };
}

struct fixture {
    struct policy *policy;
    struct arena arena;
    struct policy_hold hold;
    struct gate_refusal refusal;
    struct gate_grant grant;
};

static void open_fixture(struct fixture *fixture, const struct policy_definition *definition)
{
    *fixture = (struct fixture){0};
    fixture->policy = policy_create(NULL, NULL);
    assert_non_null(fixture->policy);
    assert_int_equal(policy_replace(fixture->policy, definition, NOW, NULL), ERROR_OK);
    arena_open(&fixture->arena, NULL, 1u << 20);
}

static void close_fixture(struct fixture *fixture)
{
    policy_settle(&fixture->hold, &(struct policy_actual){.state = POLICY_COST_NONE});
    policy_destroy(fixture->policy);
    arena_close(&fixture->arena);
}

static bool admit(struct fixture *fixture, const struct gate_call *call)
{
    return gate_admit(fixture->policy, call, &fixture->arena, &fixture->hold, &fixture->refusal);
}

static void test_own_list_comes_first(void **state)
{
    const struct text mine[] = {TEXT_INIT("mine")};
    const struct model_rules rules = {.listed = true, .allowed = mine, .allowed_count = 1};
    const struct policy_models theirs = {.subject = {.scope = POLICY_TEAM, .name = TEXT("search")},
                                         .rules = {.listed = true}};
    const struct policy_definition definition = {.models = &theirs, .model_count = 1};
    struct gate_call call = chat();
    struct fixture fixture;

    open_fixture(&fixture, &definition);
    call.models = &rules;
    assert_false(admit(&fixture, &call));
    assert_int_equal(fixture.refusal.refusal, REFUSAL_MODEL_NOT_ALLOWED);
    assert_true(fixture.refusal.has_why);
    assert_int_equal(fixture.refusal.why.subject.scope, POLICY_KEY);
    call.model = TEXT("mine"); /* the key may, its team may not */
    assert_false(admit(&fixture, &call));
    assert_int_equal(fixture.refusal.refusal, REFUSAL_MODEL_NOT_ALLOWED);
    assert_true(fixture.refusal.has_why);
    assert_int_equal(fixture.refusal.why.subject.scope, POLICY_TEAM);
    close_fixture(&fixture);
}

static void test_hidden_models(void **state)
{
    const struct text mine[] = {TEXT_INIT("*")};
    const struct model_rules rules = {.listed = true, .allowed = mine, .allowed_count = 1};
    const struct policy_definition definition = {0};
    struct gate_call call = chat();
    struct fixture fixture;

    open_fixture(&fixture, &definition);
    call.endpoint = find_endpoint(ENDPOINT_POST, "/batches");
    call.models = &rules;
    assert_false(admit(&fixture, &call));
    assert_int_equal(fixture.refusal.refusal, REFUSAL_MODEL_UNSTATED);
    call.endpoint = find_endpoint(ENDPOINT_POST, "/responses");
    call.model = TEXT("");
    assert_true(admit(&fixture, &call)); /* refused later: it names nothing at all */
    policy_settle(&fixture.hold, &(struct policy_actual){.state = POLICY_COST_NONE});
    call.has_reference = true;
    assert_false(admit(&fixture, &call));
    assert_int_equal(fixture.refusal.refusal, REFUSAL_MODEL_UNSTATED);
    call.models = &everything; /* nobody restricts him: he may hide it */
    assert_true(admit(&fixture, &call));
    close_fixture(&fixture);
}

static void test_limits(void **state)
{
    const struct policy_limit limit = {.kind = POLICY_REQUESTS,
                                       .amount = 1,
                                       .window = POLICY_WINDOW_MAX,
                                       .id = TEXT("lim_1"),
                                       .subject = {.scope = POLICY_KEY, .name = TEXT("tpk_1")}};
    const struct policy_definition definition = {.limits = &limit, .limit_count = 1};
    const struct gate_call call = chat();
    struct policy_hold second = {0};
    struct fixture fixture;

    open_fixture(&fixture, &definition);
    assert_true(admit(&fixture, &call));
    assert_false(gate_admit(fixture.policy, &call, &fixture.arena, &second, &fixture.refusal));
    assert_int_equal(fixture.refusal.refusal, REFUSAL_RATE_LIMITED);
    assert_true(text_equal(fixture.refusal.why.id, TEXT("lim_1")));
    policy_settle(&second, &(struct policy_actual){.state = POLICY_COST_NONE});
    close_fixture(&fixture);
}

static void test_unpriced(void **state)
{
    const struct policy_budget budget = {.cap = 1,
                                         .id = TEXT("bud_1"),
                                         .subject = {.scope = POLICY_TEAM, .name = TEXT("search")},
                                         .period = PERIOD_LIFETIME};
    const struct policy_definition definition = {.budgets = &budget, .budget_count = 1};
    const struct priced_model *const none[] = {NULL};
    const struct gate_call call = chat();
    struct fixture fixture;

    open_fixture(&fixture, &definition);
    assert_true(admit(&fixture, &call));
    assert_false(gate_hold(CONFIG_UNPRICED_REFUSE_UNDER_BUDGET, &call, none, 1, &fixture.hold,
                           &fixture.grant, &fixture.refusal));
    assert_int_equal(fixture.refusal.refusal, REFUSAL_MODEL_UNPRICED);
    assert_true(gate_hold(CONFIG_UNPRICED_ALLOW, &call, none, 1, &fixture.hold, &fixture.grant,
                          &fixture.refusal));
    assert_int_equal(fixture.grant.cost, -1);
    assert_int_equal(gate_estimate(&call, NULL), -1);
    close_fixture(&fixture);
}

static void test_budgets_and_clamps(void **state)
{
    struct price_book_provider provider = {.name = TEXT("p")};
    const struct price_own prices[] = {{TEXT("gpt"), UNIT_INPUT, 1000000},
                                       {TEXT("gpt"), UNIT_OUTPUT, 1000000}};
    struct policy_budget budget = {.cap = 600,
                                   .id = TEXT("bud_1"),
                                   .subject = {.scope = POLICY_TEAM, .name = TEXT("search")},
                                   .period = PERIOD_LIFETIME};
    const struct policy_definition definition = {.budgets = &budget, .budget_count = 1};
    struct catalog *catalog = catalog_shipped();
    struct price_book *book;
    size_t culprit;
    struct gate_call call = chat();
    struct fixture fixture;

    provider.own = prices;
    provider.own_count = ARRAY_LENGTH(prices);
    assert_int_equal(price_book_create(catalog, &provider, 1, &book, &culprit), ERROR_OK);
    const struct priced_model *models[] = {price_book_find(book, TEXT("p"), TEXT("gpt"))};
    assert_non_null(models[0]);
    open_fixture(&fixture, &definition);
    assert_true(admit(&fixture, &call));
    /* 100 tokens in at a picodollar each leave 500 out of the 1000 asked for. */
    assert_true(gate_hold(CONFIG_UNPRICED_REFUSE, &call, models, 1, &fixture.hold, &fixture.grant,
                          &fixture.refusal));
    assert_int_equal(fixture.grant.output_limit, 500);
    assert_int_equal(fixture.grant.cost, 600);
    struct policy_hold second = {0};
    assert_true(gate_admit(fixture.policy, &call, &fixture.arena, &second, &fixture.refusal));
    assert_false(gate_hold(CONFIG_UNPRICED_REFUSE, &call, models, 1, &second, &fixture.grant,
                           &fixture.refusal));
    assert_int_equal(fixture.refusal.refusal, REFUSAL_BUDGET_EXHAUSTED);
    assert_true(text_equal(fixture.refusal.why.id, TEXT("bud_1")));
    policy_settle(&second, &(struct policy_actual){.state = POLICY_COST_NONE});
    call.endpoint = find_endpoint(ENDPOINT_GET, "/files"); /* costs nothing: no budget is asked */
    assert_true(gate_admit(fixture.policy, &call, &fixture.arena, &second, &fixture.refusal));
    assert_true(gate_hold(CONFIG_UNPRICED_REFUSE, &call, models, 1, &second, &fixture.grant,
                          &fixture.refusal));
    assert_int_equal(fixture.grant.cost, 0);
    policy_settle(&second, &(struct policy_actual){.state = POLICY_COST_NONE});
    close_fixture(&fixture);
    price_book_release(book);
    catalog_release(catalog);
}

static void test_asked_round_trip(void **state)
{
    char words[GATE_ASKED_SIZE];
    struct gate_call call = chat(), again = {0};

    assert_int_equal(gate_write_asked(&call, words), 0);
    call.bounds.choices = INT64_MAX;
    call.has_reference = call.paid_later = call.any_service = call.unsized = true;
    call.tools = (1u << GATE_TOOL_COUNT) - 1;
    call.needs_known = true;
    call.needs = (1u << ROUTE_NEED_COUNT) - 1;
    size_t length = gate_write_asked(&call, words); /* the longest there is */
    gate_read_asked(text_of(words, length), &again);
    assert_int_equal(again.bounds.choices, INT64_MAX);
    assert_true(again.has_reference && again.paid_later && again.any_service && again.unsized);
    assert_int_equal(again.tools, call.tools);
    assert_true(again.needs_known);
    assert_int_equal(again.needs, call.needs);
    again = (struct gate_call){0};
    gate_read_asked(TEXT("choices=0 something web_search choices=x"), &again);
    assert_int_equal(again.bounds.choices, 1);
    assert_int_equal(again.tools, 1u << GATE_WEB_SEARCH);
    assert_false(again.has_reference);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_list_comes_first),
        cmocka_unit_test(test_hidden_models),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_unpriced),
        cmocka_unit_test(test_budgets_and_clamps),
        cmocka_unit_test(test_asked_round_trip),
    };
    reader_register();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    reader_unregister();
    return failed;
}
