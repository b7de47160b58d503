/* Retries, breakers, hedges, mirrors and time-outs through the whole exchange, on a clock turned by
 * hand. Providers' ends appear in road->ups in the order of dialling. */
#include "road.h"

#define MS (SECOND / 1000)

#define YAML(rules)                                                               \
    "listeners:\n"                                                                \
    "  main: {address: \"127.0.0.1:8080\"}\n"                                     \
    "defaults:\n"                                                                 \
    "  timeouts: {connect: 5s, first_byte: 30s, idle: 20s, total: 100s}\n"        \
    "providers:\n"                                                                \
    "  a: {type: demo, pricing: {models: {m1: {input: \"1\", output: \"2\"}}}}\n" \
    "  b: {type: demo, pricing: {models: {m2: {input: \"1\", output: \"2\"}}}}\n" \
    "models:\n"                                                                   \
    "  one: {targets: [{provider: a, model: m1}, {provider: b, model: m2}]}\n"    \
    "  fast: {targets: [{provider: a, model: m1}, {provider: b, model: m2" rules "}\n"
#define ON "on: [connect, timeout, rate_limited, server_error, context_length, content_filter]"

static const char plain[] = YAML("}]");
static const char retries[] =
    YAML("}], breaker: {failures: 0}, retry: {attempts: 3, budget: 100%, " ON "}");
static const char breaker[] =
    YAML("}], breaker: {failures: 2, open_for: 10s}, retry: {budget: 100%, " ON "}");
static const char budget[] = YAML("}], retry: {budget: 20%, " ON "}, breaker: {failures: 0}");
static const char hedged[] = YAML("}], hedge: {after: 500ms}");
static const char mirrored[] = YAML(", mirror: true}], retry: {" ON "}");
static const char times[] =
    YAML("}], retry: {attempts: 3, " ON
         "}, breaker: {failures: 0}, timeouts: {first_token: 2s, total: 6s}");

static int set_up(void **state)
{
    const char *yaml = *state;
    struct road *road = calloc(1, sizeof(*road));
    reader_register();
    road_open(road, yaml);
    *state = road;
    return 0;
}

static int tear_down(void **state)
{
    road_close(*state);
    reader_unregister();
    free(*state);
    return 0;
}

#define CHAT   "/v1/chat/completions"
#define BODY   "{\"model\":\"fast\",\"max_tokens\":100,\"messages\":[]}"
#define STREAM "{\"model\":\"fast\",\"max_tokens\":100,\"stream\":true,\"messages\":[]}"
#define JSON   "application/json"
#define ANSWER                                                                                  \
    "{\"id\":\"c1\",\"object\":\"chat.completion\",\"model\":\"m1\",\"choices\":[{\"index\":0," \
    "\"message\":{\"role\":\"assistant\",\"content\":\"hi\"},\"finish_reason\":\"stop\"}],"     \
    "\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2,\"total_tokens\":9}}"
#define SPENT (7 * 1000000 + 2 * 2 * 1000000) /* picodollars of that answer */
#define CHUNK(rest)                                                                           \
    "data: "                                                                                  \
    "{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"model\":\"m1\",\"choices\":[" rest \
    "}\n\n"
#define ROLE        CHUNK("{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]")
#define WORD        CHUNK("{\"index\":0,\"delta\":{\"content\":\"some words\"},\"finish_reason\":null}]")
#define FINISH      CHUNK("{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]")
#define USAGE       CHUNK("],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2,\"total_tokens\":9}")
#define DONE        "data: [DONE]\n\n"
#define ERROR_EVENT "data: {\"error\":{\"message\":\"overloaded\",\"type\":\"server_error\"}}\n\n"

static void up_fails(struct road *road, size_t up, const char *status, const char *more,
                     const char *code)
{
    char answer[1024], body[256];
    snprintf(body, sizeof(body), "{\"error\":{\"message\":\"no\",\"code\":\"%s\"}}", code);
    snprintf(answer, sizeof(answer),
             "HTTP/1.1 %s\r\ncontent-type: application/json\r\n%scontent-length: %zu\r\n\r\n%s",
             status, more, strlen(body), body);
    up_says(road, up, answer);
}

static void end_of_up(struct road *road, size_t up)
{
    wire_close(&road->ups[up]);
    road_turn(road);
}

static void expect_detail(const struct record *record, const char *part)
{
    if (text_find(record->attempts_detail, text_from(part)) < 0)
        fail_msg("%s is not in %.*s", part, TEXT_ARG(record->attempts_detail));
}

/* ---- classes of failure ---- */

static void test_plain_models_pass_errors_on(void **state)
{
    struct road *road = *state;
    ask(road, CHAT, BODY);
    up_fails(road, 0, "429 Slow Down", "retry-after: 3\r\n", "rate_limit_exceeded");
    expect_told(road, "HTTP/1.1 429 ");
    expect_record(road, 1, RECORD_OUTCOME_SERVED, 429);
    ask(road, CHAT, BODY);
    assert_int_equal(road->up_count, 1); /* the same connection, the same target */
    up_answers(road, 0, JSON, ANSWER);
    expect_told(road, "x-turnpike-target: a/m1\r\nx-turnpike-attempts: 1\r\n");
    expect_record(road, 2, RECORD_OUTCOME_SERVED, 200);
}

static void test_a_rate_limit_leads_to_the_next(void **state)
{
    struct road *road = *state;
    ask(road, CHAT, BODY);
    expect_asked(road, 0, "\"model\":\"m1\"");
    up_fails(road, 0, "429 Slow Down", "retry-after: 7\r\n", "rate_limit_exceeded");
    expect_asked(road, 1, "\"model\":\"m2\"");
    up_answers(road, 1, JSON, ANSWER);
    expect_told(road, "HTTP/1.1 200 ");
    expect_told(road, "x-turnpike-target: b/m2\r\nx-turnpike-attempts: 2\r\n");
    expect_not_told(road, "rate_limit_exceeded");
    const struct record *record = expect_record(road, 1, RECORD_OUTCOME_SERVED, 200);
    assert_int_equal(record->attempts, 2);
    assert_int_equal(record->cost, SPENT);
    expect_text(record->provider, "b");
    expect_detail(record, "{\"provider\":\"a\",\"model\":\"m1\",\"status\":429,\"error\":null,"
                          "\"left\":\"rate_limited\"");
    /* It rests until it said it would be back. */
    road_wait(road, 6 * SECOND);
    ask(road, CHAT, BODY);
    up_answers(road, 1, JSON, ANSWER);
    expect_record(road, 2, RECORD_OUTCOME_SERVED, 200);
    road_wait(road, 1001 * MS);
    ask(road, CHAT, BODY);
    up_answers(road, 0, JSON, ANSWER);
    record = expect_record(road, 3, RECORD_OUTCOME_SERVED, 200);
    expect_text(record->provider, "a");
}

/* Azure, and in their own ways Gemini and Bedrock, say it in the body alone. */
static void test_a_rest_told_in_the_body(void **state)
{
    struct road *road = *state;
    ask(road, CHAT, BODY);
    up_fails(road, 0, "429 Slow Down", "", "RateLimitReached: retry after 7 seconds");
    up_answers(road, 1, JSON, ANSWER);
    expect_record(road, 1, RECORD_OUTCOME_SERVED, 200);
    road_wait(road, 6 * SECOND);
    ask(road, CHAT, BODY);
    up_answers(road, 1, JSON, ANSWER);
    expect_text(expect_record(road, 2, RECORD_OUTCOME_SERVED, 200)->provider, "b");
    road_wait(road, 1001 * MS);
    ask(road, CHAT, BODY);
    up_answers(road, 0, JSON, ANSWER);
    expect_text(expect_record(road, 3, RECORD_OUTCOME_SERVED, 200)->provider, "a");
}

static void test_all_rest(void **state)
{
    struct road *road = *state;
    ask(road, CHAT, BODY);
    up_fails(road, 0, "429 Slow Down", "retry-after: 30\r\n", "rate_limit_exceeded");
    up_fails(road, 1, "429 Slow Down", "retry-after-ms: 20000\r\n", "rate_limit_exceeded");
    expect_told(road, "HTTP/1.1 429 "); /* the last one's own answer */
    expect_record(road, 1, RECORD_OUTCOME_SERVED, 429);
    ask(road, CHAT, BODY);
    expect_told(road, "HTTP/1.1 503 ");
    expect_told(road, "\"code\":\"targets_unavailable\"");
    expect_told(road, "retry-after: 20\r\n"); /* the earlier of the two */
    const struct record *record = expect_record(road, 2, RECORD_OUTCOME_FAILED, 503);
    assert_int_equal(record->attempts, 0);
}

static const struct {
    const char *status, *code;
    unsigned passed; /* 0: it is left for another */
} answers[] = {
    {"500 Oops", "", 0},
    {"529 Overloaded", "", 0},
    {"503 Unavailable", "", 0},
    {"408 Time-out", "", 0},
    {"400 Bad Request", "context_length_exceeded", 0},
    {"400 Bad Request", "content_filter", 0},
    {"400 Bad Request", "invalid_type", 400},
    {"404 Not Found", "model_not_found", 404},
    {"422 Unprocessable", "", 422},
};

static void test_which_answers_are_left(void **state)
{
    struct road *road = *state;
    for (size_t i = 0; i < ARRAY_LENGTH(answers); i++) {
        ask(road, CHAT, BODY);
        up_fails(road, 0, answers[i].status, "", answers[i].code);
        if (!answers[i].passed)
            up_answers(road, 1, JSON, ANSWER);
        const struct record *record = expect_record(road, i + 1, RECORD_OUTCOME_SERVED,
                                                    answers[i].passed ? answers[i].passed : 200);
        assert_int_equal(record->attempts, answers[i].passed ? 1 : 2);
        buffer_clear(&road->caller.received);
    }
}

#define FILTERED                                                                                \
    "{\"id\":\"c1\",\"object\":\"chat.completion\",\"model\":\"m1\",\"choices\":[{\"index\":0," \
    "\"message\":{\"role\":\"assistant\",\"content\":\"\"},"                                    \
    "\"finish_reason\":\"content_filter\"}],\"usage\":{\"prompt_tokens\":7,"                    \
    "\"completion_tokens\":0,\"total_tokens\":7}}"
#define FILTER_FINISH CHUNK("{\"index\":0,\"delta\":{},\"finish_reason\":\"content_filter\"}]")

/* A filter that takes an answer away says so within a good status. */
static void test_an_answer_that_was_filtered_is_left(void **state)
{
    struct road *road = *state;
    ask(road, CHAT, BODY);
    up_answers(road, 0, JSON, FILTERED);
    expect_not_told(road, "HTTP/1.1");
    up_answers(road, 1, JSON, ANSWER);
    expect_told(road, "\"content\":\"hi\"");
    const struct record *record = expect_record(road, 2, RECORD_OUTCOME_SERVED, 200);
    assert_int_equal(record->attempts, 2);
    expect_detail(record, "content_filter");
    assert_int_equal(road->records[0].input_tokens, 7); /* it is paid for all the same */
}

static void test_a_filtered_answer_without_a_better_one_is_the_answer(void **state)
{
    struct road *road = *state;
    ask(road, CHAT, BODY);
    up_answers(road, 0, JSON, FILTERED);
    up_answers(road, 1, JSON, FILTERED);
    expect_told(road, "HTTP/1.1 200 ");
    expect_told(road, "content_filter");
    assert_int_equal(expect_record(road, 2, RECORD_OUTCOME_SERVED, 200)->attempts, 2);
}

static void test_a_stream_is_left_for_a_filter_before_its_first_word_alone(void **state)
{
    struct road *road = *state;
    ask(road, CHAT, STREAM);
    up_begins_stream(road, 0);
    up_streams(road, 0, ROLE FILTER_FINISH USAGE DONE);
    up_says(road, 0, "0\r\n\r\n");
    expect_not_told(road, "HTTP/1.1");
    up_begins_stream(road, 1);
    up_streams(road, 1, ROLE WORD FILTER_FINISH USAGE DONE);
    up_says(road, 1, "0\r\n\r\n");
    expect_told(road, "some words");
    expect_told(road, "content_filter");
    assert_int_equal(expect_record(road, 2, RECORD_OUTCOME_SERVED, 200)->attempts, 2);
}

static void test_who_did_not_ask_for_it_keeps_the_filtered_answer(void **state)
{
    struct road *road = *state;
    ask(road, CHAT, BODY);
    up_answers(road, 0, JSON, FILTERED);
    expect_told(road, "content_filter");
    assert_int_equal(expect_record(road, 1, RECORD_OUTCOME_SERVED, 200)->attempts, 1);
}

static void test_a_connection_that_breaks_off(void **state)
{
    struct road *road = *state;
    ask(road, CHAT, BODY);
    end_of_up(road, 0); /* before a byte */
    up_says(road, 1,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 900\r\n"
            "\r\n{\"id\":\"c1\"");
    expect_not_told(road, "HTTP/1.1");
    end_of_up(road, 1); /* in the middle of an answer */
    road_wait(road, SECOND);
    up_answers(road, 2, JSON, ANSWER);
    expect_told(road, "HTTP/1.1 200 ");
    /* What the first may have cost is a line before the call's own, and the second's too. */
    road_turn(road);
    road_read_journal(road);
    assert_int_equal(road->record_count, 3);
    for (size_t i = 0; i < 2; i++) {
        expect_text(road->records[i].part, "retry");
        expect_text(road->records[i].provider, i == 0 ? "a" : "b");
        assert_int_equal(road->records[i].calls, 0);
        expect_text(road->records[i].cost_state, i == 0 ? "estimated" : "unpriced");
    }
    assert_int_equal(road->records[2].attempts, 3);
    assert_int_equal(road->records[2].calls, 1);
    assert_int_equal(road->records[2].cost, SPENT);
    assert_int_equal(atomic_load(&road->journal.reserved), 0);
}

/* ---- the same target again ---- */

static void test_again_after_a_pause(void **state)
{
    struct road *road = *state;
    ask(road, CHAT, BODY);
    up_fails(road, 0, "500 Oops", "", "");
    up_fails(road, 1, "500 Oops", "", "");
    wire_drain(&road->ups[0], road->worker.loop);
    size_t before = road->ups[0].received.length;
    road_wait(road, 49 * MS); /* half of the first pause at least */
    wire_drain(&road->ups[0], road->worker.loop);
    assert_int_equal(road->ups[0].received.length, before);
    road_wait(road, 60 * MS);
    up_answers(road, 0, JSON, ANSWER);
    const struct record *record = expect_record(road, 1, RECORD_OUTCOME_SERVED, 200);
    assert_int_equal(record->attempts, 3);
    expect_text(record->provider, "a");
}

static void test_a_caller_who_leaves_in_the_pause(void **state)
{
    struct road *road = *state;
    ask(road, CHAT, BODY);
    up_fails(road, 0, "500 Oops", "", "");
    up_fails(road, 1, "500 Oops", "", "");
    wire_close(&road->caller);
    road_turn(road);
    road_wait(road, SECOND);
    const struct record *record = expect_record(road, 1, RECORD_OUTCOME_CANCELLED, 0);
    assert_int_equal(record->attempts, 2);
    assert_int_equal(record->cost, 0);
}

static void test_attempts_end(void **state)
{
    struct road *road = *state;
    ask(road, CHAT, BODY);
    up_fails(road, 0, "500 First", "", "");
    up_fails(road, 1, "500 Second", "", "");
    road_wait(road, SECOND);
    up_fails(road, 0, "502 Third", "", "");
    expect_told(road, "HTTP/1.1 502 ");
    const struct record *record = expect_record(road, 1, RECORD_OUTCOME_SERVED, 502);
    assert_int_equal(record->attempts, 3);
}

static void test_budget(void **state)
{
    struct road *road = *state;
    size_t repeated = 0;
    for (size_t i = 0; i < 20; i++) {
        buffer_clear(&road->caller.received);
        ask(road, CHAT, BODY);
        up_fails(road, 0, "500 Oops", "", "");
        bool again = road->worker.exchange_count > 0;
        if (again)
            up_answers(road, 1, JSON, ANSWER);
        repeated += again;
        expect_record(road, i + 1, RECORD_OUTCOME_SERVED, again ? 200 : 500);
    }
    assert_in_range(repeated, 12, 14); /* the reserve of ten, and a fifth of the calls */
}

/* ---- breaker ---- */

static void test_breaker(void **state)
{
    struct road *road = *state;
    for (size_t i = 0; i < 2; i++) {
        ask(road, CHAT, BODY);
        up_fails(road, 0, "500 Oops", "", "");
        up_answers(road, 1, JSON, ANSWER);
        expect_record(road, i + 1, RECORD_OUTCOME_SERVED, 200);
    }
    ask(road, CHAT, BODY); /* open: the first is not asked any more */
    up_answers(road, 1, JSON, ANSWER);
    const struct record *record = expect_record(road, 3, RECORD_OUTCOME_SERVED, 200);
    assert_int_equal(record->attempts, 1);
    road_wait(road, 10 * SECOND);
    ask(road, CHAT, BODY); /* the probe */
    up_fails(road, 0, "500 Oops", "", "");
    up_answers(road, 1, JSON, ANSWER);
    record = expect_record(road, 4, RECORD_OUTCOME_SERVED, 200);
    assert_int_equal(record->attempts, 2);
    road_wait(road, 9 * SECOND);
    ask(road, CHAT, BODY);
    up_answers(road, 1, JSON, ANSWER);
    record = expect_record(road, 5, RECORD_OUTCOME_SERVED, 200);
    assert_int_equal(record->attempts, 1);
    road_wait(road, SECOND);
    for (size_t i = 6; i < 8; i++) { /* the probe is answered: closed */
        ask(road, CHAT, BODY);
        up_answers(road, 0, JSON, ANSWER);
        record = expect_record(road, i, RECORD_OUTCOME_SERVED, 200);
        expect_text(record->provider, "a");
    }
}

static void test_all_open(void **state)
{
    struct road *road = *state;
    for (size_t i = 0; i < 2; i++) {
        ask(road, CHAT, BODY);
        up_fails(road, 0, "500 Oops", "", "");
        up_fails(road, 1, "500 Oops", "", "");
        expect_record(road, i + 1, RECORD_OUTCOME_SERVED, 500);
    }
    road_wait(road, 4 * SECOND);
    ask(road, CHAT, BODY);
    expect_told(road, "HTTP/1.1 503 ");
    expect_told(road, "retry-after: 6\r\n");
    expect_record(road, 3, RECORD_OUTCOME_FAILED, 503);
}

/* ---- streams ---- */

static void test_an_error_event_before_content(void **state)
{
    struct road *road = *state;
    ask(road, CHAT, STREAM);
    up_begins_stream(road, 0);
    up_streams(road, 0, ROLE);
    expect_not_told(road, "HTTP/1.1"); /* nothing that counts */
    up_streams(road, 0, ERROR_EVENT);
    up_begins_stream(road, 1);
    up_streams(road, 1, ROLE WORD);
    expect_told(road, "HTTP/1.1 200 ");
    expect_told(road, "x-turnpike-target: b/m2\r\n");
    expect_not_told(road, "overloaded");
    up_streams(road, 1, FINISH USAGE DONE);
    up_says(road, 1, "0\r\n\r\n");
    expect_told(road, "some words");
    const struct record *record = expect_record(road, 1, RECORD_OUTCOME_SERVED, 200);
    assert_int_equal(record->cost, SPENT);
    assert_true(record->streamed);
}

static void test_an_error_event_after_content(void **state)
{
    struct road *road = *state;
    ask(road, CHAT, STREAM);
    up_begins_stream(road, 0);
    up_streams(road, 0, ROLE WORD);
    up_streams(road, 0, ERROR_EVENT);
    up_says(road, 0, "0\r\n\r\n");
    expect_told(road, "some words");
    expect_told(road, "overloaded");
    road_turn(road);
    assert_int_equal(road->up_count, 1);
    road_read_journal(road);
    assert_int_equal(road->record_count, 1);
}

static void test_a_stream_that_dies_before_content(void **state)
{
    struct road *road = *state;
    ask(road, CHAT, STREAM);
    up_begins_stream(road, 0);
    up_streams(road, 0, ROLE);
    end_of_up(road, 0);
    up_begins_stream(road, 1);
    up_streams(road, 1, WORD FINISH USAGE DONE);
    up_says(road, 1, "0\r\n\r\n");
    expect_told(road, "some words");
    road_turn(road);
    road_read_journal(road);
    const struct record *record = &road->records[road->record_count - 1];
    assert_int_equal(record->cost, SPENT);
    expect_text(record->provider, "b");
}

/* A model that thinks for long: callers must see that the line is alive. */
static void test_patience(void **state)
{
    struct road *road = *state;
    ask(road, CHAT, STREAM);
    up_begins_stream(road, 0);
    up_streams(road, 0, ROLE);
    road_wait(road, 9 * SECOND);
    expect_not_told(road, "HTTP/1.1");
    road_wait(road, 2 * SECOND);
    expect_told(road, "HTTP/1.1 200 ");
    expect_told(road, "\"role\":\"assistant\"");
    up_streams(road, 0, WORD FINISH USAGE DONE);
    up_says(road, 0, "0\r\n\r\n");
    expect_told(road, "[DONE]");
    expect_record(road, 1, RECORD_OUTCOME_SERVED, 200);
}

/* An answer that is larger than what is held goes on as it comes. */
static void test_a_large_answer(void **state)
{
    struct road *road = *state;
    char *body = malloc(100001);
    memset(body, ' ', 100000);
    memcpy(body + 99999 - strlen(ANSWER), ANSWER, strlen(ANSWER));
    body[100000] = 0;
    ask(road, CHAT, BODY);
    up_answers(road, 0, JSON, body);
    road_wait(road, SECOND);
    expect_told(road, "\"total_tokens\":9}}");
    expect_record(road, 1, RECORD_OUTCOME_SERVED, 200);
    free(body);
}

/* ---- time-outs ---- */

static void test_first_token(void **state)
{
    struct road *road = *state;
    ask(road, CHAT, BODY);
    road_wait(road, 2001 * MS);
    assert_int_equal(road->up_count, 2);
    up_answers(road, 1, JSON, ANSWER);
    expect_told(road, "HTTP/1.1 200 ");
    road_turn(road);
    road_read_journal(road);
    expect_detail(&road->records[road->record_count - 1],
                  "\"error\":\"timeout_first_byte\",\"left\":\"timeout\"");
}

static void test_first_token_of_a_stream(void **state)
{
    struct road *road = *state;
    ask(road, CHAT, STREAM);
    up_begins_stream(road, 0);
    for (int i = 0; i < 4; i++) { /* alive, and nothing written */
        up_streams(road, 0, ": still here\n\n");
        road_wait(road, 501 * MS);
    }
    up_begins_stream(road, 1);
    up_streams(road, 1, WORD FINISH USAGE DONE);
    up_says(road, 1, "0\r\n\r\n");
    expect_told(road, "some words");
}

static void test_total(void **state)
{
    struct road *road = *state;
    ask(road, CHAT, BODY);
    road_wait(road, 2001 * MS);
    up_says(road, 1,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 900\r\n"
            "\r\n{");
    road_wait(road, 3 * SECOND);
    expect_not_told(road, "HTTP/1.1");
    road_wait(road, SECOND); /* six in all, both attempts together */
    expect_told(road, "HTTP/1.1 504 ");
}

/* ---- hedges ---- */

static void test_the_rival_wins(void **state)
{
    struct road *road = *state;
    ask(road, CHAT, BODY);
    road_wait(road, 499 * MS);
    assert_int_equal(road->up_count, 1);
    road_wait(road, 2 * MS);
    expect_asked(road, 1, "\"model\":\"m2\"");
    up_answers(road, 1, JSON, ANSWER);
    expect_told(road, "HTTP/1.1 200 ");
    expect_told(road, "x-turnpike-target: b/m2\r\nx-turnpike-attempts: 2\r\n");
    wire_drain(&road->ups[0], road->worker.loop);
    assert_true(road->ups[0].ended); /* the loser is cancelled */
    road_turn(road);
    road_read_journal(road);
    assert_int_equal(road->record_count, 2);
    expect_text(road->records[0].part, "hedge");
    expect_text(road->records[0].provider, "a");
    expect_text(road->records[0].cost_state, "estimated");
    assert_int_equal(road->records[0].calls, 0);
    expect_text(road->records[1].provider, "b");
    assert_int_equal(road->records[1].cost, SPENT);
    assert_int_equal(atomic_load(&road->journal.reserved), 0);
}

static void test_the_first_wins_after_all(void **state)
{
    struct road *road = *state;
    ask(road, CHAT, STREAM);
    road_wait(road, 501 * MS);
    up_begins_stream(road, 1);
    up_streams(road, 1, ROLE); /* no content: nobody has won */
    up_begins_stream(road, 0);
    up_streams(road, 0, ROLE WORD);
    expect_told(road, "x-turnpike-target: a/m1\r\n");
    up_streams(road, 0, FINISH USAGE DONE);
    up_says(road, 0, "0\r\n\r\n");
    expect_told(road, "[DONE]");
    road_turn(road);
    road_read_journal(road);
    assert_int_equal(road->record_count, 2);
    expect_text(road->records[0].provider, "b");
    expect_text(road->records[1].provider, "a");
    assert_int_equal(road->records[1].cost, SPENT);
}

static void test_one_fails_the_other_goes_on(void **state)
{
    struct road *road = *state;
    ask(road, CHAT, BODY);
    road_wait(road, 501 * MS);
    up_fails(road, 1, "500 Oops", "", "");
    expect_not_told(road, "HTTP/1.1");
    up_answers(road, 0, JSON, ANSWER);
    const struct record *record = expect_record(road, 1, RECORD_OUTCOME_SERVED, 200);
    expect_text(record->provider, "a");
}

static void test_both_fail(void **state)
{
    struct road *road = *state;
    ask(road, CHAT, BODY);
    road_wait(road, 501 * MS);
    up_fails(road, 0, "500 Oops", "", "");
    expect_not_told(road, "HTTP/1.1");
    up_fails(road, 1, "503 Oops", "", "");
    expect_told(road, "HTTP/1.1 503 ");
    expect_record(road, 1, RECORD_OUTCOME_SERVED, 503);
}

static void test_the_caller_leaves_a_race(void **state)
{
    struct road *road = *state;
    ask(road, CHAT, BODY);
    road_wait(road, 501 * MS);
    wire_close(&road->caller);
    road_turn(road);
    road_read_journal(road);
    assert_int_equal(road->record_count, 2);
    assert_int_equal(road->worker.exchange_count, 0);
    assert_int_equal(atomic_load(&road->journal.reserved), 0);
    for (size_t i = 0; i < 2; i++) {
        wire_drain(&road->ups[i], road->worker.loop);
        assert_true(road->ups[i].ended);
    }
}

/* ---- mirrors ---- */

static const struct record *find_part(struct road *road, const char *part)
{
    road_turn(road);
    road_read_journal(road);
    for (size_t i = 0; i < road->record_count; i++) {
        if (text_equal(road->records[i].part, text_from(part)))
            return &road->records[i];
    }
    fail_msg("no record of a %s", part);
    return NULL;
}

/* The provider's end that was asked for that model. */
static size_t find_up(struct road *road, const char *model)
{
    for (size_t i = 0; i < road->up_count; i++) {
        wire_drain(&road->ups[i], road->worker.loop);
        if (wire_contains(&road->ups[i], model))
            return i;
    }
    fail_msg("nobody was asked for %s", model);
    return 0;
}

static void test_a_copy(void **state)
{
    struct road *road = *state;
    ask(road, CHAT, BODY);
    size_t call = find_up(road, "\"model\":\"m1\""), copy = find_up(road, "\"model\":\"m2\"");
    up_answers(road, call, JSON, ANSWER);
    expect_told(road, "x-turnpike-target: a/m1\r\nx-turnpike-attempts: 1\r\n");
    assert_int_equal(road->worker.mirror_count, 1); /* it goes on alone */
    up_answers(road, copy, JSON, ANSWER);
    const struct record *record = find_part(road, "mirror");
    assert_int_equal(road->record_count, 2);
    expect_text(record->provider, "b");
    assert_int_equal(record->calls, 0);
    assert_int_equal(record->cost, SPENT);
    assert_int_equal(record->outcome, RECORD_OUTCOME_SERVED);
    assert_int_equal(road->worker.exchange_count, 0);
    assert_int_equal(road->worker.mirror_count, 0);
    assert_int_equal(atomic_load(&road->journal.reserved), 0);
}

static void test_a_copy_that_fails(void **state)
{
    struct road *road = *state;
    ask(road, CHAT, BODY);
    size_t call = find_up(road, "\"model\":\"m1\""), copy = find_up(road, "\"model\":\"m2\"");
    end_of_up(road, copy);
    expect_not_told(road, "HTTP/1.1");
    up_answers(road, call, JSON, ANSWER);
    expect_told(road, "HTTP/1.1 200 ");
    assert_int_equal(find_part(road, "mirror")->outcome, RECORD_OUTCOME_FAILED);
}

static void test_a_caller_who_leaves_his_copy(void **state)
{
    struct road *road = *state;
    ask(road, CHAT, STREAM);
    size_t copy = find_up(road, "\"model\":\"m2\"");
    wire_close(&road->caller);
    road_turn(road);
    up_begins_stream(road, copy);
    up_streams(road, copy, ROLE WORD FINISH USAGE DONE);
    up_says(road, copy, "0\r\n\r\n");
    assert_int_equal(find_part(road, "mirror")->cost, SPENT);
    assert_int_equal(road->worker.exchange_count, 0);
}

#define TEST(name, yaml) \
    cmocka_unit_test_prestate_setup_teardown(name, set_up, tear_down, (void *)(uintptr_t)yaml)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_plain_models_pass_errors_on, plain),
        TEST(test_a_rate_limit_leads_to_the_next, retries),
        TEST(test_a_rest_told_in_the_body, retries),
        TEST(test_all_rest, retries),
        TEST(test_which_answers_are_left, retries),
        TEST(test_an_answer_that_was_filtered_is_left, retries),
        TEST(test_a_filtered_answer_without_a_better_one_is_the_answer, retries),
        TEST(test_a_stream_is_left_for_a_filter_before_its_first_word_alone, retries),
        TEST(test_who_did_not_ask_for_it_keeps_the_filtered_answer, plain),
        TEST(test_a_connection_that_breaks_off, retries),
        TEST(test_again_after_a_pause, retries),
        TEST(test_a_caller_who_leaves_in_the_pause, retries),
        TEST(test_attempts_end, retries),
        TEST(test_budget, budget),
        TEST(test_breaker, breaker),
        TEST(test_all_open, breaker),
        TEST(test_an_error_event_before_content, retries),
        TEST(test_an_error_event_after_content, retries),
        TEST(test_a_stream_that_dies_before_content, retries),
        TEST(test_patience, retries),
        TEST(test_a_large_answer, retries),
        TEST(test_first_token, times),
        TEST(test_first_token_of_a_stream, times),
        TEST(test_total, times),
        TEST(test_the_rival_wins, hedged),
        TEST(test_the_first_wins_after_all, hedged),
        TEST(test_one_fails_the_other_goes_on, hedged),
        TEST(test_both_fail, hedged),
        TEST(test_the_caller_leaves_a_race, hedged),
        TEST(test_a_copy, mirrored),
        TEST(test_a_copy_that_fails, mirrored),
        TEST(test_a_caller_who_leaves_his_copy, mirrored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
