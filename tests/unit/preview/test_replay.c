/* Records asked again: on their own clock, by the gate, and what they do not tell is not guessed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "config/load.h"
#include "control/price_list.h"
#include "exchange/routing.h"
#include "identity/reader.h"
#include "preview/tally.h"

#define SECOND NANOSECONDS_PER_SECOND
#define START  (1800000000ull * SECOND)

static const char yaml[] =
    "providers:\n"
    "  up:\n"
    "    type: openai\n"
    "    base_url: http://127.0.0.1:9/v1\n"
    "    pricing: {models: {m: {input: \"0.000001\", output: \"0.000001\"}}}\n"
    "  dear:\n"
    "    type: openai\n"
    "    base_url: http://127.0.0.1:9/v1\n"
    "    pricing: {models: {m: {input: \"0.000003\", output: \"0.000003\"}}}\n"
    "models:\n"
    "  house: {targets: [{provider: up, model: m}]}\n"
    "  moved: {targets: [{provider: dear, model: m}]}\n"
    "  chosen:\n"
    "    strategy: weighted\n"
    "    targets: [{provider: up, model: m}, {provider: dear, model: m}]\n"
    "  seeing:\n"
    "    targets: [{provider: up, model: m, lacks: [vision]}]\n";

struct fixture {
    struct preview_rules rules;
    struct replay *replay;
    struct tally tally;
    struct preview_verdict last;
    uint64_t number;
};

static void see(void *context, const struct preview_verdict *verdict)
{
    struct fixture *fixture = context;
    fixture->last = *verdict;
    tally_add(&fixture->tally, verdict);
}

static void open_fixture(struct fixture *fixture, const struct policy_definition *definition)
{
    struct config_problems problems;
    char problem[PREVIEW_PROBLEM_SIZE];

    *fixture = (struct fixture){0};
    config_problems_open(&problems);
    if (config_load_text(TEXT("test"), text_from(yaml), &fixture->rules.config, &problems) !=
        ERROR_OK)
        fail_msg("%.*s", TEXT_ARG(problems.items[0].message));
    config_problems_close(&problems);
    assert_int_equal(price_list_make(fixture->rules.config, &fixture->rules.book, problem),
                     ERROR_OK);
    fixture->rules.routes = routing_create(fixture->rules.config, NULL);
    fixture->rules.policy = policy_create(NULL, NULL);
    names_open(&fixture->rules.keys);
    assert_int_equal(policy_replace(fixture->rules.policy, definition, START, problem), ERROR_OK);
    tally_open(&fixture->tally);
    fixture->replay = replay_create(&fixture->rules, START, see, fixture);
}

static void close_fixture(struct fixture *fixture)
{
    replay_finish(fixture->replay);
    preview_rules_close(&fixture->rules);
    replay_destroy(fixture->replay);
    tally_close(&fixture->tally);
}

/* A chat of 10 tokens in and 10 out that was asked for with at most 100 and 1000. */
static struct record served(struct fixture *fixture, uint64_t at)
{
    struct record record;

    record_clear(&record, identifier_lowest(START + ++fixture->number * 1000000));
    record.started_at = at;
    record.finished_at = at + SECOND;
    record.key_id = TEXT("tpk_a");
    record.team = TEXT("search");
    record.source = TEXT("192.0.2.7");
    record.method = TEXT("POST");
    record.endpoint = TEXT("/chat/completions");
    record.model = TEXT("house");
    record.provider = TEXT("up");
    record.target_model = TEXT("m");
    record.attempts = 1;
    record.outcome = RECORD_OUTCOME_SERVED;
    record.status = 200;
    record.input_tokens = record.output_tokens = 10;
    record.usage_source = RECORD_USAGE_REPORTED;
    record.cost = 20;
    record.cost_state = TEXT("priced");
    record.units = TEXT("{\"input\":10,\"output\":10}");
    record.admitted = 1000;
    record.asked_input = 100;
    record.asked_output = 1000;
    return record;
}

static struct record refused(struct fixture *fixture, uint64_t at, struct text code)
{
    struct record record = served(fixture, at);

    record.finished_at = at + 1000;
    record.outcome = RECORD_OUTCOME_REFUSED;
    record.refusal = code;
    record.attempts = 0;
    record.cost = 0;
    record.cost_state = TEXT("none");
    record.units = record.provider = record.target_model = text_of(NULL, 0);
    record.input_tokens = record.output_tokens = RECORD_UNKNOWN;
    record.usage_source = RECORD_USAGE_NONE;
    return record;
}

static const struct preview_verdict *take(struct fixture *fixture, const struct record *record)
{
    replay_take(fixture->replay, record);
    replay_finish(fixture->replay);
    return &fixture->last;
}

static struct policy_limit limit_of(enum policy_limit_kind kind, int64_t amount, uint64_t window)
{
    return (struct policy_limit){.kind = kind,
                                 .amount = amount,
                                 .window = window,
                                 .id = TEXT("lim_1"),
                                 .subject = {.scope = POLICY_TEAM, .name = TEXT("search")}};
}

static void test_windows_slide_with_the_records(void **state)
{
    const struct policy_limit limit = limit_of(POLICY_REQUESTS, 2, 60 * SECOND);
    const struct policy_definition definition = {.limits = &limit, .limit_count = 1};
    struct fixture fixture;

    open_fixture(&fixture, &definition);
    for (uint64_t i = 0; i < 4; i++) {
        struct record record = served(&fixture, START + i * SECOND);
        replay_take(fixture.replay, &record);
    }
    struct record later = served(&fixture, START + 3600 * SECOND);
    replay_take(fixture.replay, &later);
    replay_finish(fixture.replay);
    assert_int_equal(fixture.tally.calls, 5);
    assert_int_equal(fixture.tally.newly_refused, 2);
    const struct tally_row *row =
        &fixture.tally.groups[TALLY_NEWLY_REFUSED][TALLY_BY_REASON].rows[0];
    assert_true(text_equal(row->name->text, TEXT("rate_limit_exceeded")));
    assert_true(text_equal(row->detail->text, TEXT("lim_1")));
    assert_int_equal(row->example_count, 2);
    close_fixture(&fixture);
}

static void test_calls_at_a_time_end_when_they_ended(void **state)
{
    const struct policy_limit limit = limit_of(POLICY_CONCURRENT, 1, 0);
    const struct policy_definition definition = {.limits = &limit, .limit_count = 1};
    struct fixture fixture;

    open_fixture(&fixture, &definition);
    struct record first = served(&fixture, START), second = served(&fixture, START + SECOND / 2),
                  third = served(&fixture, START + 2 * SECOND);
    replay_take(fixture.replay, &first);
    replay_take(fixture.replay, &second);
    replay_take(fixture.replay, &third);
    replay_finish(fixture.replay);
    assert_int_equal(fixture.tally.newly_refused, 1);
    close_fixture(&fixture);
}

static void test_a_slow_body_is_decided_about_when_it_was(void **state)
{
    const struct policy_limit limit = limit_of(POLICY_REQUESTS, 1, 24 * 3600 * SECOND);
    const struct policy_definition definition = {.limits = &limit, .limit_count = 1};
    struct fixture fixture;

    open_fixture(&fixture, &definition);
    struct record slow = served(&fixture, START), quick = served(&fixture, START + SECOND);
    slow.admitted = (int64_t)(10 * SECOND); /* the quick one was first at the gate */
    slow.finished_at = START + 11 * SECOND;
    quick.key_id = TEXT("tpk_b");
    replay_take(fixture.replay, &slow);
    replay_take(fixture.replay, &quick);
    replay_finish(fixture.replay);
    const struct tally_rows *keys = &fixture.tally.groups[TALLY_NEWLY_REFUSED][TALLY_BY_KEY];
    assert_int_equal(keys->count, 1);
    assert_true(text_equal(keys->rows[0].name->text, TEXT("tpk_a")));
    close_fixture(&fixture);
}

static void test_what_was_asked_for_decides(void **state)
{
    const struct policy_limit limit = limit_of(POLICY_TOKENS, 90, 3600 * SECOND);
    const struct policy_definition definition = {.limits = &limit, .limit_count = 1};
    struct fixture fixture;

    open_fixture(&fixture, &definition);
    struct record record = served(&fixture, START);
    assert_int_equal(take(&fixture, &record)->refusal, REFUSAL_CALL_TOO_LARGE);
    record.asked_input = 10; /* the least of an answer fits beside it */
    assert_int_equal(take(&fixture, &record)->now, PREVIEW_ALLOWED);
    close_fixture(&fixture);
}

static void test_old_records_leave_it_unknown(void **state)
{
    const struct policy_limit limit = limit_of(POLICY_TOKENS, 30, 3600 * SECOND);
    const struct policy_definition definition = {.limits = &limit, .limit_count = 1};
    const struct policy_definition nothing = {0};
    struct fixture fixture;

    open_fixture(&fixture, &definition);
    struct record record = served(&fixture, START);
    record.admitted = record.asked_input = record.asked_output = RECORD_UNKNOWN;
    const struct preview_verdict *verdict = take(&fixture, &record);
    assert_int_equal(verdict->now, PREVIEW_UNKNOWN);
    assert_non_null(strstr(verdict->unknown, "recorded before"));
    /* What it used counts: for a second one not even that is left. */
    assert_int_equal(take(&fixture, &record)->refusal, REFUSAL_RATE_LIMITED);
    close_fixture(&fixture);

    open_fixture(&fixture, &nothing); /* where no amount decides, nothing is unknown */
    assert_int_equal(take(&fixture, &record)->now, PREVIEW_ALLOWED);
    close_fixture(&fixture);
}

static void test_content_leaves_it_unknown(void **state)
{
    const struct policy_definition nothing = {0};
    struct fixture fixture;

    open_fixture(&fixture, &nothing);
    struct record record = served(&fixture, START);
    record.model = TEXT("seeing");
    const struct preview_verdict *verdict = take(&fixture, &record);
    assert_int_equal(verdict->now, PREVIEW_UNKNOWN);
    assert_non_null(strstr(verdict->unknown, "what it contains"));
    assert_null(verdict->target_now);
    record.asked = TEXT("needs=tools");
    assert_int_equal(take(&fixture, &record)->now, PREVIEW_ALLOWED);
    record.asked = TEXT("needs=vision,tools");
    assert_int_equal(take(&fixture, &record)->refusal, REFUSAL_NO_TARGET);
    close_fixture(&fixture);
}

static void test_keys_that_end(void **state)
{
    const struct policy_definition nothing = {0};
    struct preview_key key = {.id = TEXT("tpk_a"), .team = TEXT("other"), .expires_at = START + 5};
    struct fixture fixture;

    open_fixture(&fixture, &nothing);
    names_take(&fixture.rules.keys, key.id)->owner = &key;
    struct record before = served(&fixture, START), after = served(&fixture, START + 6);
    assert_int_equal(take(&fixture, &before)->now, PREVIEW_ALLOWED);
    assert_true(text_equal(fixture.last.team->text, TEXT("other"))); /* the team it is to have */
    assert_int_equal(take(&fixture, &after)->refusal, REFUSAL_KEY_EXPIRED);
    key.revoked_at = START;
    assert_int_equal(take(&fixture, &before)->refusal, REFUSAL_KEY_REVOKED);
    /* A key that is good now: nobody knows what its caller would have asked for. */
    key.revoked_at = key.expires_at = 0;
    struct record unread = refused(&fixture, START, TEXT("revoked_api_key"));
    unread.admitted = RECORD_UNKNOWN;
    assert_int_equal(take(&fixture, &unread)->now, PREVIEW_UNKNOWN);
    close_fixture(&fixture);
}

static void test_routes_and_prices(void **state)
{
    const struct policy_definition nothing = {0};
    struct fixture fixture;

    open_fixture(&fixture, &nothing);
    struct record record = served(&fixture, START);
    const struct preview_verdict *verdict = take(&fixture, &record);
    assert_ptr_equal(verdict->target_now, verdict->target_then);
    assert_int_equal(verdict->cost_now, 20);
    record.model = TEXT("moved");
    (void)take(&fixture, &record);
    assert_true(text_equal(verdict->target_now->text, TEXT("dear/m")));
    assert_int_equal(verdict->cost_now, 60);
    record.model = TEXT("chosen"); /* by chance: where it went is still a place for it */
    (void)take(&fixture, &record);
    assert_ptr_equal(verdict->target_now, verdict->target_then);
    record.model = TEXT("gone");
    assert_int_equal(take(&fixture, &record)->refusal, REFUSAL_MODEL_NOT_FOUND);
    record.model = TEXT("house");
    record.units = text_of(NULL, 0); /* nobody knows what was used */
    record.provider = TEXT("elsewhere");
    (void)take(&fixture, &record);
    assert_int_equal(verdict->cost_now, RECORD_UNKNOWN);
    close_fixture(&fixture);
}

static void test_budgets_are_spent_by_new_prices(void **state)
{
    const struct policy_budget budget = {.cap = 2200,
                                         .id = TEXT("bud_1"),
                                         .subject = {.scope = POLICY_TEAM, .name = TEXT("search")},
                                         .period = PERIOD_LIFETIME};
    const struct policy_definition definition = {.budgets = &budget, .budget_count = 1};
    struct fixture fixture;

    open_fixture(&fixture, &definition);
    struct record record = served(&fixture, START);
    record.units = TEXT("{\"input\":500,\"output\":500}");
    record.cost = 1000;
    assert_int_equal(take(&fixture, &record)->now, PREVIEW_ALLOWED); /* 1000 of 2200 */
    struct record part = record; /* an attempt that was left: no call, but money */
    part.part_of = TEXT("req_1");
    part.part = TEXT("retry");
    part.calls = 0;
    replay_take(fixture.replay, &part);
    replay_finish(fixture.replay);
    assert_int_equal(fixture.tally.calls, 1);
    record.asked_input = 300; /* of 200 that are left */
    assert_int_equal(take(&fixture, &record)->refusal, REFUSAL_BUDGET_EXHAUSTED);
    assert_true(text_equal(fixture.last.rule->text, TEXT("bud_1")));
    close_fixture(&fixture);
}

static void test_who_was_refused_comes_through(void **state)
{
    const struct policy_definition nothing = {0};
    struct fixture fixture;

    open_fixture(&fixture, &nothing);
    struct record record = refused(&fixture, START, TEXT("rate_limit_exceeded"));
    const struct preview_verdict *verdict = take(&fixture, &record);
    assert_int_equal(verdict->then, PREVIEW_REFUSED);
    assert_int_equal(verdict->now, PREVIEW_ALLOWED);
    assert_true(verdict->held_worst);
    assert_int_equal(verdict->cost_now, RECORD_UNKNOWN);
    record.refusal = TEXT("invalid_json"); /* no rule decides on that */
    record.admitted = RECORD_UNKNOWN;
    assert_int_equal(take(&fixture, &record)->then, PREVIEW_APART);
    record = served(&fixture, START);
    record.endpoint = TEXT("/of/another/version");
    assert_int_equal(take(&fixture, &record)->then, PREVIEW_APART);
    assert_int_equal(fixture.tally.apart, 2);
    close_fixture(&fixture);
}

static void test_earlier_calls_fill_the_windows(void **state)
{
    const struct policy_limit limit = limit_of(POLICY_REQUESTS, 1, 3600 * SECOND);
    const struct policy_definition definition = {.limits = &limit, .limit_count = 1};
    struct fixture fixture;

    open_fixture(&fixture, &definition);
    struct record before = served(&fixture, START - 60 * SECOND), after = served(&fixture, START);
    replay_take(fixture.replay, &before);
    replay_take(fixture.replay, &after);
    replay_finish(fixture.replay);
    assert_int_equal(fixture.tally.calls, 1);
    assert_int_equal(fixture.tally.newly_refused, 1);
    close_fixture(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_windows_slide_with_the_records),
        cmocka_unit_test(test_calls_at_a_time_end_when_they_ended),
        cmocka_unit_test(test_a_slow_body_is_decided_about_when_it_was),
        cmocka_unit_test(test_what_was_asked_for_decides),
        cmocka_unit_test(test_old_records_leave_it_unknown),
        cmocka_unit_test(test_content_leaves_it_unknown),
        cmocka_unit_test(test_keys_that_end),
        cmocka_unit_test(test_routes_and_prices),
        cmocka_unit_test(test_budgets_are_spent_by_new_prices),
        cmocka_unit_test(test_who_was_refused_comes_through),
        cmocka_unit_test(test_earlier_calls_fill_the_windows),
    };
    reader_register();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    reader_unregister();
    return failed;
}
