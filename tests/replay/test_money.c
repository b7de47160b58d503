/* Money and limits through the whole exchange on a clock turned by hand: periods as calendars have
 * them, clocks that jump, limits that slide, and every ending of a call that holds something. */
#include "road.h"

#include "identity/key_memory.h"
#include "policy/policy.h"

#define YAML(more)                                                                     \
    more "listeners:\n"                                                                \
         "  main: {address: \"127.0.0.1:8080\"}\n"                                     \
         "defaults:\n"                                                                 \
         "  timeouts: {connect: 5s, first_byte: 30s, idle: 20s, total: 100s}\n"        \
         "providers:\n"                                                                \
         "  a: {type: demo, pricing: {models: {m1: {input: \"1\", output: \"2\"}}}}\n" \
         "  b: {type: demo, pricing: {models: {m2: {input: \"1\", output: \"2\"}}}}\n" \
         "models:\n"                                                                   \
         "  fast: {targets: [{provider: a, model: m1}, {provider: b, model: m2}]}\n"   \
         "  one: {targets: [{provider: a, model: m1}]}\n"

#define TOKEN   ((money)1000000) /* picodollars: of input; of output it is twice that */
#define CHAT    "/v1/chat/completions"
#define BODY    "{\"model\":\"one\",\"max_tokens\":100,\"messages\":[]}"
#define STREAM  "{\"model\":\"one\",\"max_tokens\":100,\"stream\":true,\"messages\":[]}"
#define TWO     "{\"model\":\"fast\",\"max_tokens\":100,\"messages\":[]}"
#define HELD(b) ((sizeof(b) - 1) * TOKEN + 100 * 2 * TOKEN)
#define SPENT   (7 * TOKEN + 2 * 2 * TOKEN)
#define ANSWER                                                                                  \
    "{\"id\":\"c1\",\"object\":\"chat.completion\",\"model\":\"m1\",\"choices\":[{\"index\":0," \
    "\"message\":{\"role\":\"assistant\",\"content\":\"hi\"},\"finish_reason\":\"stop\"}],"     \
    "\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2,\"total_tokens\":9}}"
#define CHUNK(rest)                                                                           \
    "data: "                                                                                  \
    "{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"model\":\"m1\",\"choices\":[" rest \
    "}\n\n"
#define WORD   CHUNK("{\"index\":0,\"delta\":{\"content\":\"some words\"},\"finish_reason\":null}]")
#define FINISH CHUNK("{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]")
#define USAGE  CHUNK("],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2,\"total_tokens\":9}")
#define DONE   "data: [DONE]\n\n"
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

/* Unix seconds. */
#define JANUARY_ENDS    1801440000ull /* 2027-02-01T00:00:00Z */
#define SPRING_DAY      1806188400ull /* 2027-03-28T00:00 in Berlin: it has 23 hours */
#define AUTUMN_DAY      1824933600ull /* 2027-10-31T00:00 in Berlin: it has 25 */
#define LEAP_DAY        1835395200ull /* 2028-02-29T00:00:00Z */
#define FEBRUARY_BEGINS 1832976000ull /* 2028-02-01T00:00:00Z */

static int open_road(void **state, const char *yaml)
{
    struct road *road = calloc(1, sizeof(*road));
    reader_register();
    road_open(road, yaml);
    *state = road;
    return 0;
}

static int set_up(void **state)
{
    return open_road(state, YAML(""));
}

static int set_up_finish(void **state)
{
    return open_road(state, YAML("abandoned_calls: finish\n"));
}

static int tear_down(void **state)
{
    road_close(*state);
    reader_unregister();
    free(*state);
    return 0;
}

static void use(struct road *road, const struct policy_budget *budget,
                const struct policy_limit *limit)
{
    const struct policy_definition definition = {
        .budgets = budget,
        .budget_count = budget != NULL,
        .limits = limit,
        .limit_count = limit != NULL,
    };
    char problem[POLICY_PROBLEM_SIZE];
    if (policy_replace(road->worker.policy, &definition, loop_wall(road->worker.loop), problem) !=
        ERROR_OK)
        fail_msg("%s", problem);
}

static struct policy_budget_state look(struct road *road)
{
    struct policy_budget_state found;
    assert_true(
        policy_find_budget(road->worker.policy, TEXT("b"), loop_wall(road->worker.loop), &found));
    return found;
}

static void expect_used(struct road *road, money spent, money held)
{
    struct policy_budget_state found = look(road);
    if (found.spent != spent || found.held != held)
        fail_msg("spent %lld and held %lld, not %lld and %lld", (long long)found.spent,
                 (long long)found.held, (long long)spent, (long long)held);
}

static struct policy_budget team_budget(money cap, enum period_kind period, const char *zone)
{
    return (struct policy_budget){.id = TEXT("b"),
                                  .subject = {POLICY_TEAM, TEXT("team"), {0}},
                                  .cap = cap,
                                  .period = period,
                                  .zone = text_from(zone)};
}

/* A whole call on a connection of its own. */
static void expect_served(struct road *road)
{
    road_connect(road);
    ask(road, CHAT, BODY);
    /* The provider's connection is kept; one that died is dialled anew. */
    up_answers(road, road->up_count - 1, "application/json", ANSWER);
    expect_told(road, "HTTP/1.1 200");
}

static void expect_refused(struct road *road, const char *code)
{
    road_connect(road);
    ask(road, CHAT, BODY);
    expect_told(road, "HTTP/1.1 429");
    expect_told(road, code);
}

/* Room for one call and not for another one's least useful answer. */
#define ONE_CALL (HELD(BODY) + 10 * TOKEN)

static void spend_all(struct road *road)
{
    road_connect(road);
    ask(road, CHAT, BODY);
    up_answers(road, road->up_count - 1, "application/json",
               "{\"id\":\"c1\",\"object\":\"chat.completion\",\"model\":\"m1\",\"choices\":[],"
               "\"usage\":{\"prompt_tokens\":40,\"completion_tokens\":100,\"total_tokens\":140}}");
    expect_told(road, "HTTP/1.1 200");
    expect_refused(road, "\"insufficient_quota\"");
    expect_told(road, "x-should-retry: false");
}

/* ---- calendars ---- */

/* Full until the very end of its period, and empty at that instant, without a tick. */
static void expect_reset_at(struct road *road, const struct policy_budget *budget, uint64_t from,
                            uint64_t reset)
{
    loop_set_wall(road->worker.loop, from * SECOND);
    use(road, NULL, NULL);
    use(road, budget, NULL);
    spend_all(road);
    loop_set_wall(road->worker.loop, reset * SECOND - 1);
    policy_tick(road->worker.policy, reset * SECOND - 1);
    expect_refused(road, "\"insufficient_quota\"");
    loop_set_wall(road->worker.loop, reset * SECOND);
    expect_used(road, 0, 0);
    expect_served(road);
    expect_used(road, SPENT, 0);
}

static void test_month_end(void **state)
{
    const struct policy_budget budget = team_budget(ONE_CALL, PERIOD_MONTH, "");
    expect_reset_at(*state, &budget, JANUARY_ENDS - 60, JANUARY_ENDS);
}

static void test_leap_day(void **state)
{
    const struct policy_budget month = team_budget(ONE_CALL, PERIOD_MONTH, "");
    const struct policy_budget day = team_budget(ONE_CALL, PERIOD_DAY, "");
    expect_reset_at(*state, &month, FEBRUARY_BEGINS, LEAP_DAY + 86400);
    expect_reset_at(*state, &day, LEAP_DAY, LEAP_DAY + 86400);
}

static void test_days_of_23_and_25_hours(void **state)
{
    const struct policy_budget budget = team_budget(ONE_CALL, PERIOD_DAY, "Europe/Berlin");
    expect_reset_at(*state, &budget, SPRING_DAY, SPRING_DAY + 23 * 3600);
    expect_reset_at(*state, &budget, AUTUMN_DAY, AUTUMN_DAY + 25 * 3600);
}

static void test_rolling(void **state)
{
    struct road *road = *state;
    struct policy_budget budget = team_budget(ONE_CALL, PERIOD_ROLLING, "");
    budget.rolling = DAY;
    use(road, &budget, NULL);
    uint64_t began = loop_wall(road->worker.loop);
    spend_all(road);
    loop_set_wall(road->worker.loop, began + DAY - SECOND);
    policy_tick(road->worker.policy, began + DAY - SECOND);
    expect_refused(road, "\"insufficient_quota\"");
    loop_set_wall(road->worker.loop, began + DAY + HOUR);
    policy_tick(road->worker.policy, began + DAY + HOUR);
    expect_served(road);
}

/* It counts where it was admitted, however late it ends. */
static void test_a_call_over_midnight(void **state)
{
    struct road *road = *state;
    const struct policy_budget budget = team_budget(HELD(STREAM), PERIOD_DAY, "");
    loop_set_wall(road->worker.loop, JANUARY_ENDS * SECOND - SECOND);
    use(road, &budget, NULL);
    ask(road, CHAT, STREAM);
    expect_used(road, 0, HELD(STREAM));
    road_wait(road, 2 * SECOND);
    expect_used(road, 0, 0); /* of the new day */
    up_begins_stream(road, 0);
    up_streams(road, 0, WORD FINISH USAGE DONE);
    up_says(road, 0, "0\r\n\r\n");
    const struct record *record = expect_record(road, 1, RECORD_OUTCOME_SERVED, 200);
    assert_true(record->started_at < JANUARY_ENDS * SECOND);
    assert_int_equal(record->cost, SPENT);
    expect_used(road, 0, 0);
    loop_set_wall(road->worker.loop, JANUARY_ENDS * SECOND - SECOND);
    expect_used(road, SPENT, 0);
}

/* Set back within a period and over its beginning, and far ahead: nothing is forgotten, nothing is
 * counted twice. */
static void test_clock_jumps(void **state)
{
    struct road *road = *state;
    const struct policy_budget budget = team_budget(ONE_CALL, PERIOD_DAY, "");
    uint64_t noon = JANUARY_ENDS * SECOND + 12 * HOUR;
    loop_set_wall(road->worker.loop, noon);
    use(road, &budget, NULL);
    spend_all(road);
    loop_set_wall(road->worker.loop, noon - HOUR);
    policy_tick(road->worker.policy, noon - HOUR);
    expect_refused(road, "\"insufficient_quota\"");
    loop_set_wall(road->worker.loop, noon + DAY);
    expect_served(road);
    loop_set_wall(road->worker.loop, noon);
    policy_tick(road->worker.policy, noon);
    expect_refused(road, "\"insufficient_quota\"");
    loop_set_wall(road->worker.loop, noon + 40 * DAY);
    policy_tick(road->worker.policy, noon + 40 * DAY);
    expect_used(road, 0, 0);
    expect_served(road);
    loop_set_wall(road->worker.loop, noon + DAY);
    policy_tick(road->worker.policy, noon + DAY);
    expect_used(road, SPENT, 0);
}

/* ---- limits ---- */

static struct policy_limit team_limit(enum policy_limit_kind kind, int64_t amount)
{
    return (struct policy_limit){.kind = kind,
                                 .amount = amount,
                                 .window = kind == POLICY_CONCURRENT ? 0 : MINUTE,
                                 .id = TEXT("l"),
                                 .subject = {POLICY_TEAM, TEXT("team"), {0}}};
}

/* The number behind a header's name in what the caller was told. */
static uint64_t told_number(struct road *road, const char *name)
{
    wire_drain(&road->caller, road->worker.loop);
    struct text told = buffer_text(&road->caller.received);
    ptrdiff_t at = text_find(told, text_from(name));
    assert_true(at >= 0);
    return strtoull(told.data + (size_t)at + strlen(name), NULL, 10);
}

/* What retry-after-ms says is neither too little nor more than need be. */
static void test_retry_after_is_honest(void **state)
{
    struct road *road = *state;
    const struct policy_limit limit = team_limit(POLICY_REQUESTS, 2);
    use(road, NULL, &limit);
    expect_served(road);
    road_wait(road, 20 * SECOND);
    expect_served(road);
    road_wait(road, 10 * SECOND);
    expect_refused(road, "\"rate_limit_exceeded\"");
    uint64_t after = told_number(road, "retry-after-ms: ") * NANOSECONDS_PER_MILLISECOND;
    assert_in_range(after, 29 * SECOND, 32 * SECOND); /* the first call is 30 seconds old */
    loop_set_wall(road->worker.loop, loop_wall(road->worker.loop) + 30 * DAY); /* no matter */
    road_wait(road, after - 1500 * NANOSECONDS_PER_MILLISECOND);
    expect_refused(road, "\"rate_limit_exceeded\"");
    road_wait(road, 1500 * NANOSECONDS_PER_MILLISECOND);
    expect_served(road);
    expect_refused(road, "\"rate_limit_exceeded\"");
}

/* Held at their worst, corrected by what they used. */
static void test_tokens_are_corrected(void **state)
{
    struct road *road = *state;
    /* A token too few for the stream and the least useful answer beside it. */
    const int64_t room = (int64_t)(strlen(STREAM) + 100 + strlen(BODY) + 15);
    const struct policy_limit limit = team_limit(POLICY_TOKENS, room);
    use(road, NULL, &limit);
    ask(road, CHAT, STREAM);
    struct wire stream = road->caller;
    road->caller = (struct wire){.descriptor = -1};
    expect_refused(road, "\"rate_limit_exceeded\"");
    expect_told(road, "retry-after: 1\r\n");      /* when the stream has ended: nobody knows when */
    expect_told(road, "held by calls under way"); /* and the caller is told why */
    assert_int_equal(told_number(road, "x-ratelimit-remaining-tokens: "), strlen(BODY) + 15);
    wire_close(&stream);
    road_turn(road);
    uint64_t remaining = 0;
    for (unsigned i = 0; i < 3; i++) { /* nine tokens each */
        expect_served(road);
        uint64_t now = told_number(road, "x-ratelimit-remaining-tokens: ");
        assert_true(i == 0 || now == remaining - 9);
        remaining = now;
    }
}

/* No call is sent upstream with more than what is held for it. */
static void test_tokens_are_clamped(void **state)
{
    struct road *road = *state;
    const struct policy_limit limit = team_limit(POLICY_TOKENS, (int64_t)strlen(BODY) + 60);
    use(road, NULL, &limit);
    for (uint64_t left = 60; left >= 16; left -= 9) { /* what each of them uses */
        expect_served(road);
        assert_int_equal(told_number(road, "x-turnpike-output-limit: "), left);
    }
    expect_refused(road, "\"rate_limit_exceeded\"");
    assert_in_range(told_number(road, "retry-after-ms: "), 59000, 62000); /* nothing is held */
    road_wait(road, 62 * SECOND);
    expect_served(road);
}

static void test_concurrent_calls_are_released(void **state)
{
    struct road *road = *state;
    const struct policy_limit limit = team_limit(POLICY_CONCURRENT, 1);
    use(road, NULL, &limit);
    ask(road, CHAT, BODY);
    struct wire first = road->caller;
    road->caller = (struct wire){.descriptor = -1};
    expect_refused(road, "\"rate_limit_exceeded\"");
    wire_close(&first); /* gone: and so is his call */
    road_turn(road);
    expect_served(road);
    expect_served(road);
}

/* ---- endings ---- */

/* Whatever became of the call, what it held is settled, and the record says for how much. */
static void expect_settled(struct road *road, enum record_outcome outcome, unsigned status,
                           const char *state, bool costs)
{
    const struct record *record = expect_record(road, 1, outcome, status);
    expect_text(record->cost_state, state);
    assert_true(costs ? record->cost > 0 : record->cost == 0);
    assert_true(record->cost <= record->cost_reserved);
    expect_used(road, record->cost, 0);
    assert_true(look(road).complete);
}

static void use_large(struct road *road)
{
    const struct policy_budget budget = team_budget(1000 * HELD(BODY), PERIOD_MONTH, "");
    use(road, &budget, NULL);
}

static void test_no_provider(void **state)
{
    struct road *road = *state;
    use_large(road);
    road->refuse_dials = 1;
    ask(road, CHAT, BODY);
    expect_told(road, "HTTP/1.1 502");
    expect_settled(road, RECORD_OUTCOME_FAILED, 502, "none", false);
}

static void test_provider_says_no(void **state)
{
    struct road *road = *state;
    use_large(road);
    ask(road, CHAT, BODY);
    expect_used(road, 0, HELD(BODY));
    up_says(road, 0,
            "HTTP/1.1 500 No\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}");
    expect_settled(road, RECORD_OUTCOME_SERVED, 500, "none", false);
}

static void test_no_answer_in_time(void **state)
{
    struct road *road = *state;
    use_large(road);
    ask(road, CHAT, BODY);
    road_wait(road, 31 * SECOND);
    expect_told(road, "HTTP/1.1 504");
    expect_settled(road, RECORD_OUTCOME_FAILED, 504, "estimated", true);
}

static void test_the_next_target(void **state)
{
    struct road *road = *state;
    use_large(road);
    road->refuse_dials = 1;
    ask(road, CHAT, TWO);
    expect_used(road, 0, HELD(TWO));
    up_answers(road, 0, "application/json", ANSWER);
    expect_settled(road, RECORD_OUTCOME_SERVED, 200, "priced", true);
    expect_used(road, SPENT, 0);
}

static void test_provider_dies_in_a_stream(void **state)
{
    struct road *road = *state;
    use_large(road);
    ask(road, CHAT, STREAM);
    up_begins_stream(road, 0);
    up_streams(road, 0, WORD WORD);
    wire_hang_up(&road->ups[0]);
    expect_settled(road, RECORD_OUTCOME_FAILED, 200, "estimated", true);
}

static void test_caller_gone_cancels(void **state)
{
    struct road *road = *state;
    use_large(road);
    ask(road, CHAT, STREAM);
    up_begins_stream(road, 0);
    up_streams(road, 0, WORD);
    wire_hang_up(&road->caller);
    expect_settled(road, RECORD_OUTCOME_CANCELLED, 200, "estimated", true);
    wire_drain(&road->ups[0], road->worker.loop);
    assert_true(road->ups[0].ended);
}

static void test_caller_gone_before_the_answer_cancels(void **state)
{
    struct road *road = *state;
    use_large(road);
    ask(road, CHAT, BODY);
    wire_hang_up(&road->caller);
    expect_settled(road, RECORD_OUTCOME_CANCELLED, 0, "estimated", true);
}

/* Read to its end for its price, though nobody is there any more. */
static void test_caller_gone_finishes(void **state)
{
    struct road *road = *state;
    use_large(road);
    ask(road, CHAT, STREAM);
    up_begins_stream(road, 0);
    up_streams(road, 0, WORD);
    wire_hang_up(&road->caller);
    road_turn(road);
    expect_used(road, 0, HELD(STREAM));
    up_streams(road, 0, WORD FINISH USAGE DONE);
    up_says(road, 0, "0\r\n\r\n");
    expect_settled(road, RECORD_OUTCOME_CANCELLED, 200, "priced", true);
    expect_used(road, SPENT, 0);
}

static void test_caller_gone_before_the_answer_finishes(void **state)
{
    struct road *road = *state;
    use_large(road);
    ask(road, CHAT, BODY);
    wire_hang_up(&road->caller);
    road_turn(road);
    expect_used(road, 0, HELD(BODY));
    up_answers(road, 0, "application/json", ANSWER);
    expect_settled(road, RECORD_OUTCOME_CANCELLED, 200, "priced", true);
    expect_used(road, SPENT, 0);
}

/* An abandoned call has the time-outs of any other. */
static void test_an_abandoned_call_ends(void **state)
{
    struct road *road = *state;
    use_large(road);
    ask(road, CHAT, STREAM);
    up_begins_stream(road, 0);
    up_streams(road, 0, WORD);
    wire_hang_up(&road->caller);
    road_wait(road, 21 * SECOND); /* idle */
    expect_settled(road, RECORD_OUTCOME_CANCELLED, 200, "estimated", true);
    assert_int_equal(road->worker.abandoned_count, 0);
}

/* Nobody waits for another target's answer. */
static void test_an_abandoned_call_is_not_tried_again(void **state)
{
    struct road *road = *state;
    use_large(road);
    ask(road, CHAT, TWO);
    wire_hang_up(&road->caller);
    road_turn(road);
    wire_drain(&road->ups[0], road->worker.loop);
    wire_hang_up(&road->ups[0]);
    road_turn(road);
    assert_int_equal(road->up_count, 1);
    expect_settled(road, RECORD_OUTCOME_CANCELLED, 0, "estimated", true);
}

static void test_an_abandoned_call_times_out(void **state)
{
    struct road *road = *state;
    use_large(road);
    ask(road, CHAT, BODY);
    wire_hang_up(&road->caller);
    road_wait(road, 31 * SECOND);
    expect_settled(road, RECORD_OUTCOME_CANCELLED, 0, "estimated", true);
}

/* What a crash would leave: the mark in the journal says the worst case, before a byte is sent. */
static void test_the_begin_mark_has_the_worst_case(void **state)
{
    struct road *road = *state;
    size_t position = SEGMENT_START;
    uint64_t damaged = 0;
    struct entry entry;
    struct record record = {0};
    use_large(road);
    ask(road, CHAT, BODY);
    bool found = false;
    while (!found && segment_next(&road->segment, &position,
                                  (size_t)segment_committed(&road->segment), &entry, &damaged))
        found = entry.kind == ENTRY_BEGIN;
    assert_true(found);
    assert_int_equal(record_decode(&record, entry.payload, entry.length), ERROR_OK);
    assert_int_equal(record.cost_reserved, HELD(BODY));
    expect_text(record.team, "team");
    up_answers(road, 0, "application/json", ANSWER);
    expect_settled(road, RECORD_OUTCOME_SERVED, 200, "priced", true);
}

/* A budget that goes, or another one that comes, in the middle of a call. */
static void test_rules_change_in_mid_call(void **state)
{
    struct road *road = *state;
    use_large(road);
    ask(road, CHAT, BODY);
    use(road, NULL, NULL);
    up_answers(road, 0, "application/json", ANSWER);
    expect_record(road, 1, RECORD_OUTCOME_SERVED, 200);
    use_large(road); /* a new account: without a ledger behind it, it knows nothing */
    expect_used(road, 0, 0);
    road_connect(road);
    ask(road, CHAT, BODY);
    const struct policy_budget smaller = team_budget(SPENT, PERIOD_MONTH, "");
    use(road, &smaller, NULL); /* the same account with another cap */
    expect_used(road, 0, HELD(BODY));
    up_answers(road, 0, "application/json", ANSWER);
    expect_used(road, SPENT, 0);
    expect_refused(road, "\"insufficient_quota\"");
}

int main(void)
{
#define TEST(name)      cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define FINISHING(name) cmocka_unit_test_setup_teardown(name, set_up_finish, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_month_end),
        TEST(test_leap_day),
        TEST(test_days_of_23_and_25_hours),
        TEST(test_rolling),
        TEST(test_a_call_over_midnight),
        TEST(test_clock_jumps),
        TEST(test_retry_after_is_honest),
        TEST(test_tokens_are_corrected),
        TEST(test_tokens_are_clamped),
        TEST(test_concurrent_calls_are_released),
        TEST(test_no_provider),
        TEST(test_provider_says_no),
        TEST(test_no_answer_in_time),
        TEST(test_the_next_target),
        TEST(test_provider_dies_in_a_stream),
        TEST(test_caller_gone_cancels),
        TEST(test_caller_gone_before_the_answer_cancels),
        FINISHING(test_caller_gone_finishes),
        FINISHING(test_caller_gone_before_the_answer_finishes),
        FINISHING(test_an_abandoned_call_ends),
        FINISHING(test_an_abandoned_call_is_not_tried_again),
        FINISHING(test_an_abandoned_call_times_out),
        TEST(test_the_begin_mark_has_the_worst_case),
        TEST(test_rules_change_in_mid_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
