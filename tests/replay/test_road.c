/* Each ending of the road, from the caller's bytes to the record. */
#include "road.h"

static const char yaml[] =
    "listeners:\n"
    "  main: {address: \"127.0.0.1:8080\"}\n"
    "defaults:\n"
    "  timeouts: {connect: 5s, first_byte: 30s, idle: 20s, total: 100s}\n"
    "limits: {json_body: 64KiB, multipart_hold: 64KiB, upload: 1MiB}\n"
    "providers:\n"
    "  a: {type: demo}\n"
    "  b: {type: demo}\n"
    "models:\n"
    "  fast: {targets: [{provider: a, model: m1}, {provider: b, model: m2}]}\n"
    "  one: {targets: [{provider: a, model: m1}]}\n"
    "  hidden: {targets: [{provider: a}]}\n";

static int set_up(void **state)
{
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

#define CHAT  "/v1/chat/completions"
#define PLAIN "{\"model\":\"one\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}"
#define TWO   "{\"model\":\"fast\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}"
#define STREAM \
    "{\"model\":\"one\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}"
#define JSON "application/json"

#define ANSWER                                                                                     \
    "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"model\":\"m1\",\"choices\":[{"        \
    "\"index\":0,\"message\":{"                                                                    \
    "\"role\":\"assistant\",\"content\":\"hi\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_" \
    "tokens\":7,"                                                                                  \
    "\"completion_tokens\":2,\"total_tokens\":9}}"
#define FRAME(text)                                                                               \
    "data: "                                                                                      \
    "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"model\":\"m1\",\"choices\":[{" \
    "\"index\":0,"                                                                                \
    "\"delta\":{\"content\":\"" text "\"},\"finish_reason\":null}]}\n\n"
#define FINISH                                                                                    \
    "data: "                                                                                      \
    "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"model\":\"m1\",\"choices\":[{" \
    "\"index\":0,"                                                                                \
    "\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
#define USAGE                                                                                      \
    "data: "                                                                                       \
    "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"model\":\"m1\",\"choices\":[]," \
    "\"usage\":{"                                                                                  \
    "\"prompt_tokens\":7,\"completion_tokens\":2,\"total_tokens\":9}}\n\n"
#define DONE "data: [DONE]\n\n"

/* ---- refusals ---- */

struct refusal_case {
    const char *bytes; /* $K stands for the line with the key */
    unsigned status;
    const char *code;
};

static const struct refusal_case refusals[] = {
    {"GET /v1/models HTTP/1.1\r\nhost: h\r\n\r\n", 401, "missing_api_key"},
    {"GET /v1/models HTTP/1.1\r\nhost: h\r\nauthorization: Bearer sk-foreign\r\n\r\n", 401,
     "invalid_api_key"},
    {"GET /nothing HTTP/1.1\r\nhost: h\r\n$K\r\n", 404, "unknown_url"},
    {"GET /v1/organization/users HTTP/1.1\r\nhost: h\r\n$K\r\n", 403, "administrative_url"},
    {"GET /v1//models HTTP/1.1\r\nhost: h\r\n$K\r\n", 400, "malformed_url"},
    {"PUT /v1/models HTTP/1.1\r\nhost: h\r\n$K\r\n", 405, "method_not_allowed"},
    {"POST " CHAT " HTTP/1.1\r\nhost: h\r\n$K\r\n", 400, "empty_body"},
    {"POST " CHAT " HTTP/1.1\r\nhost: h\r\n$Kcontent-length: 1\r\n\r\n{", 400, "invalid_json"},
    {"POST " CHAT " HTTP/1.1\r\nhost: h\r\n$Kcontent-length: 2\r\n\r\n{}", 400,
     "missing_required_parameter"},
    {"POST " CHAT " HTTP/1.1\r\nhost: h\r\n$Kcontent-length: 11\r\n\r\n{\"model\":1}", 400,
     "invalid_value"},
    {"POST " CHAT " HTTP/1.1\r\nhost: h\r\n$Kcontent-length: 18\r\n\r\n{\"model\":\"hidden\"}", 403,
     "model_not_allowed"},
    {"POST " CHAT " HTTP/1.1\r\nhost: h\r\n$Kcontent-length: 16\r\n\r\n{\"model\":\"gone\"}", 404,
     "model_not_found"},
    {"POST " CHAT
     " HTTP/1.1\r\nhost: h\r\n$Kcontent-type: text/plain\r\ncontent-length: 2\r\n\r\n{}",
     415, "unsupported_content_type"},
    {"POST " CHAT " HTTP/1.1\r\nhost: h\r\n$Kcontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}",
     415, "unsupported_content_encoding"},
    {"POST " CHAT " HTTP/1.1\r\nhost: h\r\n$Kcontent-length: 70000\r\n\r\n", 413,
     "request_too_large"},
    {"POST " CHAT " HTTP/1.1\r\nhost: h\r\n$Ktransfer-encoding: chunked\r\n\r\nZZ\r\n", 400,
     "malformed_http"},
    {"POST " CHAT " HTTP/1.1\r\nhost: h\r\n$Kexpect: 200-ok\r\ncontent-length: 2\r\n\r\n", 417,
     "unsupported_expectation"},
    {"GET /v1/realtime HTTP/1.1\r\nhost: h\r\n$Kconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
     400, "unsupported_upgrade"},
    {"GET /v1/files/file-unknown HTTP/1.1\r\nhost: h\r\n$K\r\n", 404, "object_not_found"},
    {"POST /v1/audio/transcriptions HTTP/1.1\r\nhost: h\r\n$Kcontent-type: "
     "multipart/form-data\r\ncontent-length: 2\r\n\r\nxx",
     400, "invalid_form"},
    {"GARBAGE\r\n\r\n", 400, "malformed_http"},
};

static void say_case(struct road *road, const struct refusal_case *row, bool bytewise)
{
    const char *key = strstr(row->bytes, "$K");
    struct buffer out;
    buffer_open(&out, 4096);
    buffer_append(&out, text_of(row->bytes, key ? (size_t)(key - row->bytes) : strlen(row->bytes)));
    if (key) {
        buffer_append(&out, text_from(road->authorization));
        buffer_append(&out, text_from(key + 2));
    }
    for (size_t i = 0; i < out.length; i += bytewise ? 1 : out.length) {
        wire_send(&road->caller,
                  text_first(text_from_index(buffer_text(&out), i), bytewise ? 1 : out.length));
        road_turn(road);
        if (wire_read(&road->caller, SIZE_MAX) > 0)
            break; /* it answers before it has all: what follows is not wanted */
    }
    buffer_close(&out);
}

static void test_refusals(void **state)
{
    struct road *road = *state;
    for (size_t i = 0; i < ARRAY_LENGTH(refusals); i++) {
        const struct refusal_case *row = &refusals[i];
        char status[32], code[64];
        road_connect(road);
        say_case(road, row, false);
        snprintf(status, sizeof(status), "HTTP/1.1 %u ", row->status);
        snprintf(code, sizeof(code), "\"code\":\"%s\"", row->code);
        expect_told(road, status);
        expect_told(road, code);
        expect_told(road, "x-request-id: ");
        const struct record *record =
            expect_record(road, i + 1, RECORD_OUTCOME_REFUSED, row->status);
        expect_text(record->refusal, row->code);
        assert_int_equal(road->begin_count, 0);
        assert_int_equal(road->up_count, 0);
    }
}

static void test_refusals_bytewise(void **state)
{
    struct road *road = *state;
    for (size_t i = 0; i < ARRAY_LENGTH(refusals); i++) {
        road_connect(road);
        say_case(road, &refusals[i], true);
        expect_text(expect_record(road, i + 1, RECORD_OUTCOME_REFUSED, refusals[i].status)->refusal,
                    refusals[i].code);
    }
}

static void test_slow_head(void **state)
{
    struct road *road = *state;
    wire_say(&road->caller, road->worker.loop, "GET / HT");
    road_wait(road, 11 * SECOND);
    expect_told(road, "HTTP/1.1 408 ");
    expect_text(expect_record(road, 1, RECORD_OUTCOME_REFUSED, 408)->refusal, "request_timeout");
}

static void test_slow_body(void **state)
{
    struct road *road = *state;
    ask_with(road, "POST", CHAT, "content-length: 10\r\n", "");
    wire_say(&road->caller, road->worker.loop, "{");
    road_wait(road, 21 * SECOND);
    expect_told(road, "HTTP/1.1 408 ");
    expect_text(expect_record(road, 1, RECORD_OUTCOME_REFUSED, 408)->refusal, "request_timeout");
    assert_true(road->caller.ended);
}

static void test_ledger_without_room(void **state)
{
    struct road *road = *state;
    uint64_t reserved = atomic_load(&road->journal.reserved);
    atomic_store(&road->journal.reserved, road->journal.segment_size);
    ask(road, CHAT, PLAIN);
    expect_told(road, "HTTP/1.1 503 ");
    expect_told(road, "\"code\":\"ledger_unavailable\"");
    assert_int_equal(road->up_count, 0);
    atomic_store(&road->journal.reserved, reserved);
    road_read_journal(road);
    assert_int_equal(road->record_count, 0);
    ask(road, CHAT, PLAIN);
    up_answers(road, 0, JSON, ANSWER);
    /* Two: the one that tells of the refused call, and this one's. */
    const struct record *record = expect_record(road, 2, RECORD_OUTCOME_SERVED, 200);
    expect_text(record->model, "one");
    expect_text(road->records[0].refusal, "ledger_unavailable");
    assert_int_equal(road->records[0].calls, 1);
}

/* ---- pages ---- */

static void test_pages(void **state)
{
    struct road *road = *state;
    ask(road, "/healthz", "");
    expect_told(road, "HTTP/1.1 200 ");
    ask(road, "/metrics", "");
    expect_told(road, "figures\n");
    road_read_journal(road);
    assert_int_equal(road->record_count, 0); /* probes are no calls */
    ask(road, "/v1/models", "");
    expect_told(road, "\"id\":\"fast\"");
    expect_not_told(road, "hidden");
    expect_record(road, 1, RECORD_OUTCOME_SERVED, 200);
}

/* ---- served ---- */

static void test_plain(void **state)
{
    struct road *road = *state;
    ask(road, CHAT, PLAIN);
    road_read_journal(road);
    assert_int_equal(road->begin_count, 1); /* before the provider heard of it */
    assert_int_equal(road->record_count, 0);
    expect_asked(road, 0, "POST /chat/completions HTTP/1.1\r\nhost: demo\r\n");
    expect_asked(road, 0, "{\"model\":\"m1\",\"messages\"");
    road_wait(road, 3 * SECOND);
    up_answers(road, 0, JSON, ANSWER);
    expect_told(road, ANSWER);
    const struct record *record = expect_record(road, 1, RECORD_OUTCOME_SERVED, 200);
    expect_text(record->model, "one");
    expect_text(record->target_model, "m1");
    expect_text(record->provider, "a");
    expect_text(record->key_name, "tester");
    assert_int_equal(record->attempts, 1);
    assert_int_equal(record->input_tokens, 7);
    assert_int_equal(record->output_tokens, 2);
    assert_int_equal(record->usage_source, RECORD_USAGE_REPORTED);
    assert_int_equal(record->duration, 3 * SECOND);
    assert_int_equal(record->first_byte, 3 * SECOND);
    assert_int_equal(record->bytes_received, strlen(PLAIN));
    assert_int_equal(record->bytes_sent, strlen(ANSWER));
}

static void test_pipelined(void **state)
{
    struct road *road = *state;
    ask(road, CHAT, PLAIN);
    ask(road, CHAT, PLAIN);
    for (size_t i = 0; i < 2; i++) {
        up_answers(road, 0, JSON, ANSWER);
        expect_told(road, ANSWER);
        wire_forget(&road->caller);
    }
    expect_record(road, 2, RECORD_OUTCOME_SERVED, 200);
    assert_int_equal(road->up_count, 1);
}

/* An answer in pieces: its end waits for the record, whatever its framing. */
static void test_plain_in_pieces(void **state)
{
    struct road *road = *state;
    ask(road, CHAT, PLAIN);
    up_says(
        road, 0,
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n");
    for (const char *at = ANSWER; *at; at++) {
        char byte[2] = {*at, '\0'};
        up_streams(road, 0, byte);
    }
    assert_int_equal(road->worker.exchange_count, 1);
    expect_not_told(road, "0\r\n\r\n");
    up_says(road, 0, "0\r\n\r\n");
    expect_told(road, "0\r\n\r\n");
    assert_int_equal(expect_record(road, 1, RECORD_OUTCOME_SERVED, 200)->output_tokens, 2);
}

static void test_provider_says_no(void **state)
{
    struct road *road = *state;
    ask(road, CHAT, PLAIN);
    up_says(road, 0,
            "HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json\r\nretry-after: "
            "3\r\ncontent-length: 2\r\n\r\n{}");
    expect_told(road, "HTTP/1.1 429 ");
    expect_told(road, "retry-after: 3\r\n");
    const struct record *record = expect_record(road, 1, RECORD_OUTCOME_SERVED, 429);
    assert_int_equal(record->upstream_status, 429);
}

static void test_provider_refuses_our_key(void **state)
{
    struct road *road = *state;
    ask(road, CHAT, PLAIN);
    up_says(road, 0,
            "HTTP/1.1 401 Unauthorized\r\ncontent-type: application/json\r\ncontent-length: "
            "14\r\n\r\n{\"k\":\"sk-12\"}\n");
    expect_told(road, "HTTP/1.1 502 ");
    expect_told(road, "\"code\":\"upstream_credential_unavailable\"");
    expect_not_told(road, "sk-12");
    expect_record(road, 1, RECORD_OUTCOME_FAILED, 502);
}

/* ---- streams ---- */

static void test_stream(void **state)
{
    struct road *road = *state;
    ask(road, CHAT, STREAM);
    expect_asked(road, 0, "\"stream_options\":{\"include_usage\":true}");
    up_begins_stream(road, 0);
    up_streams(road, 0, FRAME("he"));
    expect_told(road, FRAME("he")); /* at once */
    up_streams(road, 0, FRAME("llo") FINISH USAGE DONE);
    up_says(road, 0, "0\r\n\r\n");
    expect_told(road, FRAME("llo") FINISH);
    expect_told(road, DONE);
    expect_not_told(road, "prompt_tokens"); /* asked for on the gateway's behalf: removed */
    const struct record *record = expect_record(road, 1, RECORD_OUTCOME_SERVED, 200);
    assert_true(record->streamed);
    assert_int_equal(record->input_tokens, 7);
    assert_int_equal(record->output_tokens, 2);
    assert_int_equal(record->usage_source, RECORD_USAGE_REPORTED);
}

static void test_stream_with_usage_for_the_caller(void **state)
{
    struct road *road = *state;
    ask(road, CHAT,
        "{\"model\":\"one\",\"stream\":true,\"stream_options\":{\"include_usage\":true},"
        "\"messages\":[]}");
    up_begins_stream(road, 0);
    up_streams(road, 0, FRAME("x") FINISH USAGE DONE);
    up_says(road, 0, "0\r\n\r\n");
    expect_told(road, FRAME("x") FINISH USAGE DONE);
    assert_int_equal(expect_record(road, 1, RECORD_OUTCOME_SERVED, 200)->input_tokens, 7);
}

static void test_caller_gone_in_mid_stream(void **state)
{
    struct road *road = *state;
    ask(road, CHAT, STREAM);
    up_begins_stream(road, 0);
    up_streams(road, 0, FRAME("a rather long beginning of a story"));
    wire_hang_up(&road->caller);
    road_turn(road); /* and within it the provider is told */
    wire_drain(&road->ups[0], road->worker.loop);
    assert_true(road->ups[0].ended);
    const struct record *record = expect_record(road, 1, RECORD_OUTCOME_CANCELLED, 200);
    assert_int_equal(record->usage_source, RECORD_USAGE_ESTIMATED);
    assert_true(record->output_tokens > 0 && record->input_tokens > 0);
}

/* Some clients close when they have seen [DONE]: they had all. */
static void test_caller_gone_behind_the_last_event(void **state)
{
    struct road *road = *state;
    ask(road, CHAT, STREAM);
    up_begins_stream(road, 0);
    up_streams(road, 0, FRAME("x") FINISH USAGE DONE);
    expect_told(road, DONE);
    wire_hang_up(&road->caller);
    road_turn(road);
    road_read_journal(road);
    assert_int_equal(road->record_count, 1);
    assert_int_equal(road->records[0].outcome, RECORD_OUTCOME_SERVED);
    assert_int_equal(road->records[0].output_tokens, 2);
}

static void test_provider_dead_in_mid_stream(void **state)
{
    struct road *road = *state;
    ask(road, CHAT, STREAM);
    up_begins_stream(road, 0);
    up_streams(road, 0, FRAME("some") "data: {\"half\":");
    wire_hang_up(&road->ups[0]);
    road_turn(road);
    expect_told(road, FRAME("some"));
    expect_told(road, "data: {\"error\":{\"message\":");
    expect_told(road, "0\r\n\r\n"); /* an end in good order: the event says what it is worth */
    expect_not_told(road, "half");
    expect_not_told(road, "[DONE]");
    const struct record *record = expect_record(road, 1, RECORD_OUTCOME_FAILED, 200);
    expect_text(record->refusal, "upstream_broke_off");
    assert_int_equal(record->usage_source, RECORD_USAGE_ESTIMATED);
    assert_false(road->caller.ended); /* and the connection lives on */
}

static void test_stream_ends_too_early(void **state)
{
    struct road *road = *state;
    ask(road, CHAT, STREAM);
    up_begins_stream(road, 0);
    up_streams(road, 0, FRAME("some"));
    up_says(road, 0, "0\r\n\r\n");
    expect_told(road, "\"code\":\"upstream_broke_off\"");
    expect_text(expect_record(road, 1, RECORD_OUTCOME_FAILED, 200)->refusal, "upstream_broke_off");
}

static void test_silent_stream(void **state)
{
    struct road *road = *state;
    ask(road, CHAT, STREAM);
    up_begins_stream(road, 0);
    up_streams(road, 0, FRAME("some"));
    road_wait(road, 21 * SECOND);
    expect_told(road, "\"code\":\"upstream_timeout\"");
    expect_text(expect_record(road, 1, RECORD_OUTCOME_FAILED, 200)->error, "timeout_idle");
}

/* A reader who is slow holds the provider back, and nothing is lost or held without bound. */
static void test_slow_reader(void **state)
{
    struct road *road = *state;
    const size_t frames = 20000;
    size_t sent = 0, wanted = frames * strlen(FRAME("0123456789"));
    ask(road, CHAT, STREAM);
    up_begins_stream(road, 0);
    char chunk[512];
    int length = snprintf(chunk, sizeof(chunk), "%zx\r\n%s\r\n", strlen(FRAME("0123456789")),
                          FRAME("0123456789"));
    size_t done = 0, stalled = 0;
    while (sent < frames) {
        ssize_t got = send(road->ups[0].descriptor, chunk + done, (size_t)length - done,
                           MSG_NOSIGNAL | MSG_DONTWAIT);
        done += got > 0 ? (size_t)got : 0;
        if (done == (size_t)length) {
            sent++;
            done = 0;
            continue;
        }
        road_turn(road);
        if (got > 0)
            continue;
        stalled++;
        wire_read(&road->caller, 100000);
    }
    assert_true(stalled > 1);
    up_streams(road, 0, FINISH DONE);
    wire_drain(&road->caller, road->worker.loop);
    up_says(road, 0, "0\r\n\r\n");
    expect_told(road, DONE);
    assert_true(road->caller.received.length > wanted);
    expect_record(road, 1, RECORD_OUTCOME_SERVED, 200);
}

/* A caller who reads nothing while more comes than may be queued is cut off, and the provider with
 * him. */
static void test_reader_who_is_cut_off(void **state)
{
    struct road *road = *state;
    size_t size = 7u * 1024u * 1024u;
    char *frame = malloc(size + 16);
    ask(road, CHAT, STREAM);
    up_begins_stream(road, 0);
    memset(frame, 'x', size);
    memcpy(frame, "data: {\"x\":\"", 12);
    memcpy(frame + size - 4, "\"}\n\n", 4);
    char line[32];
    snprintf(line, sizeof(line), "%zx\r\n", size);
    wire_send(&road->ups[0], text_from(line));
    for (size_t done = 0; done < size && road->worker.exchange_count > 0;) {
        ssize_t sent =
            send(road->ups[0].descriptor, frame + done, size - done, MSG_NOSIGNAL | MSG_DONTWAIT);
        done += sent > 0 ? (size_t)sent : 0;
        road_turn(road);
        if (sent <= 0) /* held back: the caller's time runs */
            road_wait(road, 61 * SECOND);
    }
    free(frame);
    road_turn(road);
    road_read_journal(road);
    assert_int_equal(road->record_count, 1);
    assert_int_equal(road->records[0].outcome, RECORD_OUTCOME_CANCELLED);
    assert_int_equal(atomic_load(&road->journal.reserved), 0);
    assert_int_equal(road->worker.exchange_count, 0);
    wire_drain(&road->ups[0], road->worker.loop);
    assert_true(road->ups[0].ended);
}

/* ---- providers that fail ---- */

static void test_dead_before_the_head(void **state)
{
    struct road *road = *state;
    ask(road, CHAT, PLAIN);
    wire_hang_up(&road->ups[0]);
    road_turn(road);
    expect_told(road, "HTTP/1.1 502 ");
    expect_text(expect_record(road, 1, RECORD_OUTCOME_FAILED, 502)->refusal, "upstream_broke_off");
}

static void test_dead_in_mid_body(void **state)
{
    struct road *road = *state;
    ask(road, CHAT, PLAIN);
    up_says(road, 0,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: "
            "100\r\n\r\n{\"half\":");
    expect_told(road, "{\"half\":");
    wire_hang_up(&road->ups[0]);
    road_turn(road);
    wire_drain(&road->caller, road->worker.loop);
    assert_true(road->caller.ended); /* only the cut can tell */
    expect_text(expect_record(road, 1, RECORD_OUTCOME_FAILED, 200)->refusal, "upstream_broke_off");
}

static void test_answer_that_cannot_be_read(void **state)
{
    struct road *road = *state;
    ask(road, CHAT, PLAIN);
    up_says(road, 0, "SSH-2.0\r\n");
    expect_told(road, "HTTP/1.1 502 ");
    expect_text(expect_record(road, 1, RECORD_OUTCOME_FAILED, 502)->refusal,
                "upstream_invalid_answer");
}

static void test_no_answer_in_time(void **state)
{
    struct road *road = *state;
    ask(road, CHAT, PLAIN);
    road_wait(road, 31 * SECOND);
    expect_told(road, "HTTP/1.1 504 ");
    const struct record *record = expect_record(road, 1, RECORD_OUTCOME_FAILED, 504);
    expect_text(record->error, "timeout_first_byte");
    assert_int_equal(record->duration, 30 * SECOND);
}

static void test_total_timeout(void **state)
{
    struct road *road = *state;
    ask(road, CHAT, STREAM);
    up_begins_stream(road, 0);
    for (unsigned i = 0; i < 10; i++) {
        up_streams(road, 0, FRAME("x"));
        road_wait(road, 10 * SECOND);
    }
    road_wait(road, SECOND);
    expect_told(road, "\"code\":\"upstream_timeout\"");
    expect_text(expect_record(road, 1, RECORD_OUTCOME_FAILED, 200)->error, "timeout_total");
}

static void test_next_target(void **state)
{
    struct road *road = *state;
    road->refuse_dials = 1;
    ask(road, CHAT, TWO);
    expect_asked(road, 0, "\"model\":\"m2\"");
    up_answers(road, 0, JSON, ANSWER);
    expect_told(road, ANSWER);
    const struct record *record = expect_record(road, 1, RECORD_OUTCOME_SERVED, 200);
    assert_int_equal(record->attempts, 2);
    expect_text(record->provider, "b");
    assert_true(record->attempts_detail.length > 0);
}

static void test_no_target_left(void **state)
{
    struct road *road = *state;
    road->refuse_dials = 1;
    ask(road, CHAT, TWO);
    wire_hang_up(&road->ups[0]);
    road_turn(road);
    expect_told(road, "HTTP/1.1 502 ");
    assert_int_equal(expect_record(road, 1, RECORD_OUTCOME_FAILED, 502)->attempts, 2);
}

static void test_kept_connection_dies(void **state)
{
    struct road *road = *state;
    ask(road, CHAT, PLAIN);
    up_answers(road, 0, JSON, ANSWER);
    ask(road, CHAT, PLAIN);
    wire_hang_up(&road->ups[0]);
    road_turn(road);
    expect_asked(road, 1, "\"model\":\"m1\"");
    up_answers(road, 1, JSON, ANSWER);
    const struct record *record = expect_record(road, 2, RECORD_OUTCOME_SERVED, 200);
    assert_int_equal(record->attempts, 1);
}

/* ---- the caller leaves, at each step ---- */

static void test_gone_at_each_step(void **state)
{
    struct road *road = *state;
    for (size_t i = 0; i < 3; i++) {
        road_connect(road);
        if (i == 0) {
            ask_with(road, "POST", CHAT, "content-length: 10\r\n", "");
        } else {
            ask(road, CHAT, i == 1 ? PLAIN : TWO);
            assert_int_equal(road->up_count, i);
        }
        wire_hang_up(&road->caller);
        road_turn(road);
        expect_record(road, i + 1, RECORD_OUTCOME_CANCELLED, 0);
        if (i > 0) {
            wire_drain(&road->ups[i - 1], road->worker.loop);
            assert_true(road->ups[i - 1].ended);
        }
    }
}

static void test_gone_while_looked_up(void **state)
{
    struct road *road = *state;
    struct buffer out;
    buffer_open(&out, 4096);
    buffer_append_format(&out, "GET /v1/files/file-1 HTTP/1.1\r\nhost: h\r\n%s\r\n",
                         road->authorization);
    wire_send(&road->caller, buffer_text(&out));
    buffer_close(&out);
    wire_hang_up(&road->caller);
    road_turn(road);
    road_read_journal(road);
    assert_int_equal(road->record_count, 1);
}

/* ---- forms and stored objects ---- */

#define FORM_TYPE  "content-type: multipart/form-data; boundary=XX\r\n"
#define FORM_MODEL "--XX\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\none\r\n"
#define FORM_OURS  "--XX\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nm1\r\n"
#define FORM_FILE \
    "--XX\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\nsound\r\n"
#define FORM_END "--XX--\r\n"

static void expect_transcribed(struct road *road, size_t nth, const char *form,
                               const char *expected)
{
    ask_with(road, "POST", "/v1/audio/transcriptions", FORM_TYPE, form);
    expect_asked(road, nth - 1, expected);
    char length[64];
    snprintf(length, sizeof(length), "content-length: %zu\r\n", strlen(expected));
    expect_asked(road, nth - 1, length);
    up_says(road, nth - 1,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: "
            "close\r\ncontent-length: 13\r\n\r\n{\"text\":\"la\"}");
    expect_told(road, "{\"text\":\"la\"}");
    expect_text(expect_record(road, nth, RECORD_OUTCOME_SERVED, 200)->model, "one");
    assert_false(road->caller.ended);
}

static void test_forms(void **state)
{
    struct road *road = *state;
    expect_transcribed(road, 1, FORM_MODEL FORM_FILE FORM_END, FORM_OURS FORM_FILE FORM_END);
    expect_transcribed(road, 2, FORM_FILE FORM_MODEL FORM_END, FORM_FILE FORM_OURS FORM_END);
}

static void test_form_bytewise(void **state)
{
    static const char form[] = FORM_FILE FORM_MODEL FORM_END;
    struct road *road = *state;
    char headers[256];
    snprintf(headers, sizeof(headers), FORM_TYPE "expect: 100-continue\r\ncontent-length: %zu\r\n",
             strlen(form));
    ask_with(road, "POST", "/v1/audio/transcriptions", headers, "");
    expect_told(road, "HTTP/1.1 100 Continue\r\n\r\n");
    wire_say_bytewise(&road->caller, road->worker.loop, form);
    expect_asked(road, 0, FORM_FILE FORM_OURS FORM_END);
    up_answers(road, 0, JSON, "{\"text\":\"la\"}");
    expect_told(road, "{\"text\":\"la\"}");
    expect_record(road, 1, RECORD_OUTCOME_SERVED, 200);
}

static void test_form_and_a_dead_provider(void **state)
{
    struct road *road = *state;
    ask_with(road, "POST", "/v1/audio/transcriptions", FORM_TYPE, FORM_MODEL FORM_FILE FORM_END);
    wire_hang_up(&road->ups[0]);
    road_turn(road);
    expect_told(road, "HTTP/1.1 502 ");
    expect_record(road, 1, RECORD_OUTCOME_FAILED, 502);
}

static void test_early_answer_to_a_form(void **state)
{
    struct road *road = *state;
    ask_with(road, "POST", "/v1/audio/transcriptions", FORM_TYPE "content-length: 100000\r\n", "");
    wire_say(&road->caller, road->worker.loop, FORM_MODEL FORM_FILE);
    up_says(road, 0,
            "HTTP/1.1 400 Bad\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}");
    expect_told(road, "HTTP/1.1 400 ");
    expect_told(road, "connection: close\r\n");
    expect_record(road, 1, RECORD_OUTCOME_SERVED, 400);
}

static void say_chunk(struct road *road, const char *bytes)
{
    char line[32];
    snprintf(line, sizeof(line), "%zx\r\n", strlen(bytes));
    wire_send(&road->caller, text_from(line));
    wire_send(&road->caller, text_from(bytes));
    wire_say(&road->caller, road->worker.loop, "\r\n");
}

static void test_upload_too_large(void **state)
{
    struct road *road = *state;
    ask_with(road, "POST", "/v1/audio/transcriptions", FORM_TYPE "transfer-encoding: chunked\r\n",
             "");
    say_chunk(road, FORM_MODEL
              "--XX\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n");
    char zeros[8192] = {0};
    for (unsigned i = 0; i < 160 && !road->caller.ended; i++) {
        ssize_t sent = send(road->caller.descriptor, "2000\r\n", 6, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent == 6) {
            (void)send(road->caller.descriptor, zeros, sizeof(zeros), MSG_NOSIGNAL | MSG_DONTWAIT);
            (void)send(road->caller.descriptor, "\r\n", 2, MSG_NOSIGNAL | MSG_DONTWAIT);
        }
        road_turn(road);
        if (road->up_count > 0)
            wire_read(&road->ups[0], SIZE_MAX);
        wire_read(&road->caller, SIZE_MAX);
        if (wire_contains(&road->caller, "HTTP/1.1 4"))
            break;
    }
    road_read_journal(road);
    assert_int_equal(road->record_count, 1);
    assert_int_equal(road->records[0].outcome, RECORD_OUTCOME_REFUSED);
    expect_text(road->records[0].refusal, "request_too_large");
}

/* The upload breaks while its early answer is on its way. */
static void test_upload_breaks_behind_its_answer(void **state)
{
    struct road *road = *state;
    ask_with(road, "POST", "/v1/audio/transcriptions", FORM_TYPE "transfer-encoding: chunked\r\n",
             "");
    say_chunk(road, FORM_MODEL FORM_FILE);
    up_begins_stream(road, 0);
    up_streams(road, 0, "data: {\"type\":\"transcript.text.delta\",\"delta\":\"la\"}\n\n");
    expect_told(road, "delta");
    wire_say(&road->caller, road->worker.loop, "ZZ\r\n");
    wire_drain(&road->caller, road->worker.loop);
    assert_true(road->caller.ended);
    expect_text(expect_record(road, 1, RECORD_OUTCOME_CANCELLED, 200)->error, "http_syntax");
    wire_drain(&road->ups[0], road->worker.loop);
    assert_true(road->ups[0].ended);
}

/* A form without a length is sent on without one, with its model exchanged. */
static void test_chunked_form(void **state)
{
    struct road *road = *state;
    ask_with(road, "POST", "/v1/audio/transcriptions", FORM_TYPE "transfer-encoding: chunked\r\n",
             "");
    say_chunk(road, FORM_MODEL);
    say_chunk(road, FORM_END);
    wire_say(&road->caller, road->worker.loop, "0\r\n\r\n");
    expect_asked(road, 0, "transfer-encoding: chunked\r\n");
    expect_asked(road, 0, "\r\nm1\r\n");
    expect_asked(road, 0, "--XX--");
    expect_asked(road, 0, "0\r\n\r\n");
    up_answers(road, 0, JSON, "{\"text\":\"la\"}");
    expect_record(road, 1, RECORD_OUTCOME_SERVED, 200);
}

static void test_object_made_and_found(void **state)
{
    struct road *road = *state;
    ask_with(road, "POST", "/v1/files", FORM_TYPE, FORM_FILE FORM_END);
    up_answers(road, 0, JSON, "{\"id\":\"file-1\",\"object\":\"file\"}");
    expect_told(road, "file-1");
    expect_text(expect_record(road, 1, RECORD_OUTCOME_SERVED, 200)->object_id, "file-1");
    assert_int_equal(road->object_count, 1);
    expect_text(road->objects[0].provider, "a");
    expect_text(road->objects[0].team, "team");
    wire_forget(&road->caller);
    wire_drain(&road->ups[0], road->worker.loop);
    wire_forget(&road->ups[0]);
    ask(road, "/v1/files/file-1", "");
    expect_asked(road, 0, "GET /files/file-1 HTTP/1.1\r\n");
    up_answers(road, 0, JSON, "{\"id\":\"file-1\",\"object\":\"file\"}");
    expect_told(road, "file-1");
    expect_record(road, 2, RECORD_OUTCOME_SERVED, 200);
}

/* ---- the end ---- */

static void test_draining(void **state)
{
    struct road *road = *state;
    struct wire busy = road->caller;
    ask(road, CHAT, STREAM);
    road->caller = (struct wire){.descriptor = -1};
    road_connect(road);
    wire_say(&road->caller, road->worker.loop, "GET ");
    road->worker.draining = true;
    http_server_drain(road->door.server);
    wire_say(&road->caller, road->worker.loop, "/v1/files HTTP/1.1\r\nhost: h\r\n");
    wire_say(&road->caller, road->worker.loop, road->authorization);
    wire_say(&road->caller, road->worker.loop, "\r\n");
    expect_told(road, "\"code\":\"draining\"");
    up_begins_stream(road, 0);
    up_streams(road, 0, FRAME("x") FINISH DONE);
    up_says(road, 0, "0\r\n\r\n");
    wire_drain(&busy, road->worker.loop);
    assert_true(wire_contains(&busy, DONE));
    assert_true(busy.ended);
    assert_true(http_server_is_drained(road->door.server));
    road_read_journal(road);
    assert_int_equal(road->record_count, 2);
    expect_text(road->records[0].refusal, "draining");
    assert_int_equal(road->records[1].outcome, RECORD_OUTCOME_SERVED);
    wire_close(&busy);
}

static void test_cut(void **state)
{
    struct road *road = *state;
    struct wire waiting = road->caller;
    ask(road, CHAT, PLAIN);
    road->caller = (struct wire){.descriptor = -1};
    road_connect(road);
    ask(road, CHAT, STREAM);
    up_begins_stream(road, 1);
    up_streams(road, 1, FRAME("x"));
    exchange_cut_all(&road->worker);
    http_server_cut(road->door.server);
    road_turn(road);
    wire_drain(&waiting, road->worker.loop);
    assert_true(wire_contains(&waiting, "\"code\":\"draining\""));
    road_read_journal(road);
    assert_int_equal(road->record_count, 2);
    for (size_t i = 0; i < 2; i++) {
        bool stream = road->records[i].streamed;
        assert_int_equal(road->records[i].outcome,
                         stream ? RECORD_OUTCOME_FAILED : RECORD_OUTCOME_REFUSED);
        expect_text(road->records[i].error, "draining");
    }
    assert_int_equal(atomic_load(&road->journal.reserved), 0);
    wire_close(&waiting);
}

/* A configuration that goes while a call is under way stays until the call is over. */
static void test_reload_in_mid_call(void **state)
{
    struct road *road = *state;
    struct config *old = road->config;
    ask(road, CHAT, PLAIN);
    road_load(road, yaml);
    struct upstreams *next = upstreams_create(road->worker.loop, NULL, road->config, road->book,
                                              road->routes, road->trust, road_dial, road);
    upstreams_release(road->worker.upstreams);
    road->worker.upstreams = next;
    config_release(old);
    road_turn(road);
    up_answers(road, 0, JSON, ANSWER);
    expect_told(road, ANSWER);
    expect_record(road, 1, RECORD_OUTCOME_SERVED, 200);
    wire_drain(&road->ups[0], road->worker.loop);
    assert_true(road->ups[0].ended); /* nothing of the old configuration is kept */
    ask(road, CHAT, PLAIN);
    up_answers(road, 1, JSON, ANSWER);
    expect_record(road, 2, RECORD_OUTCOME_SERVED, 200);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_refusals),
        TEST(test_refusals_bytewise),
        TEST(test_slow_head),
        TEST(test_slow_body),
        TEST(test_ledger_without_room),
        TEST(test_pages),
        TEST(test_plain),
        TEST(test_pipelined),
        TEST(test_plain_in_pieces),
        TEST(test_provider_says_no),
        TEST(test_provider_refuses_our_key),
        TEST(test_stream),
        TEST(test_stream_with_usage_for_the_caller),
        TEST(test_caller_gone_in_mid_stream),
        TEST(test_caller_gone_behind_the_last_event),
        TEST(test_provider_dead_in_mid_stream),
        TEST(test_stream_ends_too_early),
        TEST(test_silent_stream),
        TEST(test_slow_reader),
        TEST(test_reader_who_is_cut_off),
        TEST(test_dead_before_the_head),
        TEST(test_dead_in_mid_body),
        TEST(test_answer_that_cannot_be_read),
        TEST(test_no_answer_in_time),
        TEST(test_total_timeout),
        TEST(test_next_target),
        TEST(test_no_target_left),
        TEST(test_kept_connection_dies),
        TEST(test_gone_at_each_step),
        TEST(test_gone_while_looked_up),
        TEST(test_forms),
        TEST(test_form_bytewise),
        TEST(test_form_and_a_dead_provider),
        TEST(test_early_answer_to_a_form),
        TEST(test_upload_too_large),
        TEST(test_upload_breaks_behind_its_answer),
        TEST(test_chunked_form),
        TEST(test_object_made_and_found),
        TEST(test_draining),
        TEST(test_cut),
        TEST(test_reload_in_mid_call),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
