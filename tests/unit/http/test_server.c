/* The caller's side, driven over socket pairs on the virtual clock. Each test is a script: bytes
 * in, events told, answers given, bytes out. */
#include "wire.h"

#include "base/ensure.h"
#include "http/server.h"

#define CALLS_MAXIMUM 64u

struct front;

struct call {
    struct front *front;
    struct http_request *request; /* NULL when the handle is invalid */
    struct buffer body;
    unsigned drained;
};

struct front {
    struct loop *loop;
    struct http_server *server;
    struct http_server_limits limits;
    struct wire wire; /* the first caller */
    struct call calls[CALLS_MAXIMUM];
    size_t count;
    char log[512]; /* Q request, B body, E end, F body failed, D drained, G gone, M malformed; B and
                      D told once in a row */
    enum error error;
    bool gives_room; /* bodies go where they belong at once */
    size_t in_place; /* bytes that did */
    void (*at_head)(struct call *call);
    void (*at_body)(struct call *call);
    void (*at_end)(struct call *call);
};

static void note(struct front *front, char what)
{
    size_t length = strlen(front->log);
    if ((what == 'B' || what == 'D') && length > 0 && front->log[length - 1] == what)
        return;
    assert_true(length + 1 < sizeof(front->log));
    front->log[length] = what;
}

static void expect_log(struct front *front, const char *expected)
{
    assert_string_equal(front->log, expected);
    memset(front->log, 0, sizeof(front->log));
}

static struct call *open_call(struct front *front, struct http_request *request)
{
    assert_true(front->count < CALLS_MAXIMUM);
    struct call *call = &front->calls[front->count++];
    *call = (struct call){.front = front, .request = request};
    buffer_open(&call->body, 16u * 1024u * 1024u);
    http_request_set_owner(request, call);
    return call;
}

static void on_request(void *owner, struct http_request *request)
{
    struct call *call = open_call(owner, request);
    note(call->front, 'Q');
    if (call->front->at_head)
        call->front->at_head(call);
}

static void on_malformed(void *owner, struct http_request *request, enum error error,
                         const char *reason)
{
    struct call *call = open_call(owner, request);
    note(call->front, 'M');
    assert_non_null(reason);
    call->front->error = error;
}

static void on_body(void *owner, struct text bytes)
{
    struct call *call = owner;
    note(call->front, 'B');
    assert_true(bytes.length > 0);
    if (call->front->gives_room && call->body.data &&
        bytes.data == call->body.data + call->body.length) {
        call->body.length += bytes.length;
        call->front->in_place += bytes.length;
    } else {
        assert_true(buffer_append(&call->body, bytes));
    }
    if (call->front->at_body)
        call->front->at_body(call);
}

static char *on_body_room(void *owner, size_t *size)
{
    struct call *call = owner;
    assert_true(*size > 0);
    return call->front->gives_room ? buffer_reserve(&call->body, *size) : NULL;
}

static void on_body_end(void *owner)
{
    struct call *call = owner;
    note(call->front, 'E');
    if (call->front->at_end)
        call->front->at_end(call);
}

static void on_body_failed(void *owner, enum error error, const char *reason)
{
    struct call *call = owner;
    note(call->front, 'F');
    assert_non_null(reason);
    call->front->error = error;
}

static void on_drained(void *owner)
{
    struct call *call = owner;
    note(call->front, 'D');
    call->drained++;
}

static void on_gone(void *owner, enum error error)
{
    struct call *call = owner;
    note(call->front, 'G');
    assert_non_null(call->request);
    call->request = NULL;
    call->front->error = error;
}

static const struct http_server_events events = {
    .on_request = on_request,
    .on_malformed = on_malformed,
    .on_body = on_body,
    .on_body_room = on_body_room,
    .on_body_end = on_body_end,
    .on_body_failed = on_body_failed,
    .on_drained = on_drained,
    .on_gone = on_gone,
};

static void adopt(struct front *front, struct wire *wire)
{
    struct address peer = {.local.sun_family = AF_UNIX, .length = sizeof(sa_family_t)};
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    http_server_adopt(front->server, ends[0], &peer);
    wire_open(wire, ends[1]);
}

static int set_up(void **state)
{
    struct front *front = calloc(1, sizeof(*front));
    front->loop = loop_create_virtual(0);
    front->limits = (struct http_server_limits){
        .http1 = http1_limits_default,
        .connections = 4,
        .head_timeout = 10 * SECOND,
        .body_timeout = 20 * SECOND,
        .idle_timeout = 75 * SECOND,
        .write_timeout = 60 * SECOND,
    };
    assert_int_equal(
        http_server_create(front->loop, -1, NULL, &front->limits, &events, front, &front->server),
        ERROR_OK);
    adopt(front, &front->wire);
    *state = front;
    return 0;
}

static int tear_down(void **state)
{
    struct front *front = *state;
    http_server_destroy(front->server);
    run_turns(front->loop);
    wire_close(&front->wire);
    for (size_t i = 0; i < front->count; i++)
        buffer_close(&front->calls[i].body);
    loop_destroy(front->loop);
    free(front);
    return 0;
}

static size_t open_count(const struct front *front)
{
    return http_server_counters(front->server)->open;
}

/* ---- answers ---- */

static void answer(struct call *call, const char *body)
{
    struct text part = text_from(body);
    const struct http_answer head = {
        .status = 200, .headers = TEXT("a: b\r\n"), .has_length = true, .length = part.length};
    struct http_request *request = call->request;
    call->request = NULL;
    assert_true(http_request_respond(request, &head, &part, 1, true));
}

static void answer_echo(struct call *call)
{
    buffer_append_char(&call->body, '\0');
    answer(call, call->body.data);
}

static void begin_stream(struct call *call, const char *first)
{
    struct text part = text_from(first);
    const struct http_answer head = {.status = 200, .headers = TEXT("")};
    assert_true(http_request_respond(call->request, &head, &part, 1, false));
}

static void send_more(struct call *call, const char *bytes, bool last)
{
    struct text part = text_from(bytes);
    struct http_request *request = call->request;
    if (last)
        call->request = NULL;
    assert_true(http_request_send(request, &part, 1, last));
}

#define GET(path)       "GET " path " HTTP/1.1\r\nhost: h\r\n\r\n"
#define POST(headers)   "POST /p HTTP/1.1\r\nhost: h\r\n" headers "\r\n"
#define ANSWER(n, body) "HTTP/1.1 200 OK\r\na: b\r\ncontent-length: " n "\r\n\r\n" body
#define LAST(n, body) \
    "HTTP/1.1 200 OK\r\na: b\r\ncontent-length: " n "\r\nconnection: close\r\n\r\n" body

/* ---- one after the other ---- */

static void test_keep_alive(void **state)
{
    struct front *front = *state;
    front->at_end = answer_echo;
    for (unsigned i = 0; i < 3; i++) {
        wire_say(&front->wire, front->loop, POST("content-length: 3\r\n") "abc");
        wire_expect(&front->wire, front->loop, ANSWER("3", "abc"));
        expect_log(front, "QBE");
    }
    assert_int_equal(open_count(front), 1);
    assert_int_equal(http_server_counters(front->server)->accepted, 1);
}

static void test_bytewise(void **state)
{
    struct front *front = *state;
    front->at_end = answer_echo;
    for (unsigned i = 0; i < 2; i++) {
        wire_say_bytewise(
            &front->wire, front->loop,
            POST("transfer-encoding: chunked\r\n") "3\r\nabc\r\n2\r\nde\r\n0\r\nx: y\r\n\r\n");
        wire_expect(&front->wire, front->loop, ANSWER("5", "abcde"));
        expect_log(front, "QBE");
    }
}

static void test_pipelining(void **state)
{
    struct front *front = *state;
    front->at_end = answer_echo;
    wire_say(&front->wire, front->loop,
             POST("content-length: 1\r\n") "1" POST(
                 "transfer-encoding: chunked\r\n") "1\r\n2\r\n0\r\n\r\n" POST("content-length: "
                                                                              "1\r\n") "3");
    wire_expect(&front->wire, front->loop, ANSWER("1", "1") ANSWER("1", "2") ANSWER("1", "3"));
    expect_log(front, "QBEQBEQBE");
}

/* Pipelined requests wait, unread, until the one before was answered. */
static void test_pipelining_answered_later(void **state)
{
    struct front *front = *state;
    wire_say(&front->wire, front->loop, GET("/1") GET("/2") GET("/3") "GET /4 HT");
    expect_log(front, "QE");
    wire_expect(&front->wire, front->loop, "");
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(front->count, i + 1);
        begin_stream(&front->calls[i], "x");
        wire_expect(&front->wire, front->loop,
                    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n");
        send_more(&front->calls[i], "", true);
        wire_expect(&front->wire, front->loop, "0\r\n\r\n");
    }
    expect_log(front, "QEQE");
    wire_say(&front->wire, front->loop, "TP/1.1\r\nhost: h\r\n\r\n");
    expect_log(front, "QE");
    answer(&front->calls[3], "4");
    wire_expect(&front->wire, front->loop, ANSWER("1", "4"));
}

/* More is pipelined than one read brings: it stays with the kernel and comes when there is room. */
static void test_pipelining_of_much(void **state)
{
    struct front *front = *state;
    size_t size = 40u * 1024u;
    char *body = malloc(size + 1);
    memset(body, 'x', size);
    body[size] = '\0';
    for (unsigned i = 0; i < 3; i++) {
        wire_send(&front->wire, TEXT(POST("content-length: 40960\r\n")));
        wire_send(&front->wire, text_of(body, size));
    }
    run_turns(front->loop);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(front->count, i + 1);
        assert_int_equal(front->calls[i].body.length, size);
        answer(&front->calls[i], "ok");
        wire_expect(&front->wire, front->loop, ANSWER("2", "ok"));
    }
    free(body);
}

/* A body that comes behind its head is read into its place, and nothing of the next request. */
static void test_body_in_its_place(void **state)
{
    struct front *front = *state;
    size_t size = 100u * 1024u;
    char *body = malloc(size + 1);
    for (size_t i = 0; i < size; i++)
        body[i] = (char)('a' + i % 26);
    body[size] = '\0';
    front->gives_room = true;
    for (size_t i = 0; i < 3; i++) {
        size_t before = front->in_place;
        wire_say(&front->wire, front->loop, POST("content-length: 102400\r\n") "abc");
        wire_send(&front->wire, text_of(body + 3, size - 3));
        wire_send(&front->wire,
                  TEXT(POST("transfer-encoding: chunked\r\n") "3\r\nxyz\r\n0\r\n\r\n"));
        run_turns(front->loop);
        assert_int_equal(front->count, 2 * i + 1);
        assert_int_equal(front->in_place - before, size - 3);
        assert_true(text_equal(buffer_text(&front->calls[2 * i].body), text_of(body, size)));
        answer(&front->calls[2 * i], "1");
        wire_expect(&front->wire, front->loop, ANSWER("1", "1"));
        assert_int_equal(front->count, 2 * i + 2);
        assert_true(text_equal(buffer_text(&front->calls[2 * i + 1].body), TEXT("xyz")));
        answer(&front->calls[2 * i + 1], "2");
        wire_expect(&front->wire, front->loop, ANSWER("1", "2"));
    }
    free(body);
}

static void answer_hello(struct call *call)
{
    answer(call, "hello");
}

static void test_answer_at_head_without_body(void **state)
{
    struct front *front = *state;
    front->at_head = answer_hello;
    wire_say(&front->wire, front->loop, GET("/1") GET("/2"));
    wire_expect(&front->wire, front->loop, ANSWER("5", "hello") ANSWER("5", "hello"));
    expect_log(front, "QQ");
    assert_int_equal(open_count(front), 1);
}

/* ---- versions and methods ---- */

static void test_http10(void **state)
{
    struct front *front = *state;
    front->at_head = NULL;
    wire_say(&front->wire, front->loop, "GET / HTTP/1.0\r\n\r\n");
    begin_stream(&front->calls[0], "un");
    send_more(&front->calls[0], "framed", true);
    wire_expect(&front->wire, front->loop, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nunframed");
    assert_true(front->wire.ended);
}

static void test_head(void **state)
{
    struct front *front = *state;
    wire_say(&front->wire, front->loop, "HEAD / HTTP/1.1\r\nhost: h\r\n\r\n");
    answer(&front->calls[0], "hello");
    wire_expect(&front->wire, front->loop, ANSWER("5", ""));
    wire_say(&front->wire, front->loop, "HEAD / HTTP/1.1\r\nhost: h\r\n\r\n");
    begin_stream(&front->calls[1], "x");
    send_more(&front->calls[1], "y", true);
    wire_expect(&front->wire, front->loop, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    assert_int_equal(open_count(front), 1);
}

static void test_no_content(void **state)
{
    struct front *front = *state;
    wire_say(&front->wire, front->loop, GET("/"));
    const struct http_answer head = {.status = 204, .headers = TEXT("")};
    assert_true(http_request_respond(front->calls[0].request, &head, NULL, 0, true));
    wire_expect(&front->wire, front->loop, "HTTP/1.1 204 No Content\r\n\r\n");
    assert_int_equal(open_count(front), 1);
}

static void test_caller_wants_close(void **state)
{
    struct front *front = *state;
    front->at_end = answer_echo;
    wire_say(&front->wire, front->loop, POST("content-length: 1\r\nconnection: close\r\n") "x");
    wire_expect(&front->wire, front->loop, LAST("1", "x"));
    assert_true(front->wire.ended);
    assert_int_equal(open_count(front), 0);
}

/* ---- 100 Continue ---- */

static void accept_body(struct call *call)
{
    http_request_accept_body(call->request);
    http_request_accept_body(call->request);
}

static void test_continue(void **state)
{
    struct front *front = *state;
    front->at_head = accept_body;
    front->at_end = answer_echo;
    wire_say(&front->wire, front->loop, POST("expect: 100-continue\r\ncontent-length: 2\r\n"));
    wire_expect(&front->wire, front->loop, "HTTP/1.1 100 Continue\r\n\r\n");
    wire_say(&front->wire, front->loop, "ab");
    wire_expect(&front->wire, front->loop, ANSWER("2", "ab"));
    assert_int_equal(open_count(front), 1);
}

/* Whoever is refused before he was told to go on may send the body or not: the connection closes.
 */
static void test_refused_before_continue(void **state)
{
    struct front *front = *state;
    front->at_head = answer_hello;
    wire_say(&front->wire, front->loop, POST("expect: 100-continue\r\ncontent-length: 2\r\n"));
    wire_expect(&front->wire, front->loop, LAST("5", "hello"));
    assert_true(front->wire.ended);
}

/* An upload that is let go on after its answer has begun: a 100 now would stand in the answer. */
static void test_no_continue_inside_an_answer(void **state)
{
    struct front *front = *state;
    wire_say(&front->wire, front->loop, POST("expect: 100-continue\r\ncontent-length: 2\r\n"));
    begin_stream(&front->calls[0], "x");
    http_request_accept_body(front->calls[0].request);
    send_more(&front->calls[0], "y", true);
    wire_expect(&front->wire, front->loop,
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
                "1\r\nx\r\n1\r\ny\r\n0\r\n\r\n");
}

/* ---- early answers ---- */

static void test_early_answer_to_an_upload(void **state)
{
    struct front *front = *state;
    wire_say(&front->wire, front->loop, POST("content-length: 100000\r\n") "some");
    answer(&front->calls[0], "no");
    /* The rest is taken and dropped, so that the answer is not lost to a reset. */
    char *rest = calloc(1, 50000);
    wire_send(&front->wire, text_of(rest, 50000));
    run_turns(front->loop);
    wire_send(&front->wire, text_of(rest, 49996));
    wire_expect(&front->wire, front->loop, LAST("2", "no"));
    assert_true(front->wire.ended);
    assert_false(front->wire.reset);
    assert_int_equal(open_count(front), 0);
    expect_log(front, "QB");
    free(rest);
}

static void test_early_answer_within_body_event(void **state)
{
    struct front *front = *state;
    front->at_body = answer_hello;
    wire_say(&front->wire, front->loop, POST("content-length: 4\r\n") "some" GET("/next"));
    wire_expect(&front->wire, front->loop, LAST("5", "hello"));
    expect_log(front, "QB");
    assert_int_equal(open_count(front), 0);
}

static void abort_now(struct call *call)
{
    http_request_abort(call->request);
    call->request = NULL;
}

static void test_abort_within_each_event(void **state)
{
    struct front *front = *state;
    void (**places[])(struct call *) = {&front->at_head, &front->at_body, &front->at_end};
    const char *const logs[] = {"Q", "QB", "QBE"};
    for (size_t i = 0; i < ARRAY_LENGTH(places); i++) {
        struct wire wire;
        adopt(front, &wire);
        *places[i] = abort_now;
        wire_say(&wire, front->loop, POST("content-length: 4\r\n") "some" GET("/next"));
        wire_drain(&wire, front->loop);
        assert_true(wire.ended);
        assert_int_equal(wire.received.length, 0);
        expect_log(front, logs[i]);
        *places[i] = NULL;
        wire_close(&wire);
    }
    assert_int_equal(open_count(front), 1);
}

/* ---- pausing ---- */

static void pause_body(struct call *call)
{
    http_request_pause_body(call->request);
}

static void test_pause_at_head(void **state)
{
    struct front *front = *state;
    front->at_head = pause_body;
    front->at_end = answer_echo;
    wire_say(&front->wire, front->loop, POST("content-length: 6\r\n") "abc");
    wire_say(&front->wire, front->loop, "def" GET("/next"));
    expect_log(front, "Q");
    loop_advance(front->loop, 60 * SECOND); /* our own pause is not the caller's slowness */
    expect_log(front, "");
    http_request_resume_body(front->calls[0].request);
    http_request_resume_body(front->calls[0].request);
    expect_log(front, "");
    run_turns(front->loop);
    wire_expect(&front->wire, front->loop, ANSWER("6", "abcdef") ANSWER("0", ""));
    expect_log(front, "BEQE");
}

/* Paused behind each byte: nothing is lost, doubled or early, and the end comes after the last
 * resume. */
static void test_pause_at_each_byte(void **state)
{
    struct front *front = *state;
    front->at_body = pause_body;
    wire_say(&front->wire, front->loop,
             POST("transfer-encoding: chunked\r\n") "1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n");
    struct call *call = &front->calls[0];
    for (size_t i = 1; i <= 3; i++) {
        assert_int_equal(call->body.length, i);
        run_turns(front->loop);
        assert_int_equal(call->body.length, i);
        http_request_resume_body(call->request);
        run_turns(front->loop);
    }
    expect_log(front, "QBE");
    answer_echo(call);
    wire_expect(&front->wire, front->loop, ANSWER("3", "abc"));
}

/* The last byte of a body with a length came, but not its end: it must come with the resume. */
static void test_pause_at_the_last_byte(void **state)
{
    struct front *front = *state;
    front->at_body = pause_body;
    wire_say(&front->wire, front->loop, POST("content-length: 1\r\n") "a");
    expect_log(front, "QB");
    http_request_resume_body(front->calls[0].request);
    run_turns(front->loop);
    expect_log(front, "E");
}

static void test_answer_while_paused(void **state)
{
    struct front *front = *state;
    front->at_head = pause_body;
    wire_say(&front->wire, front->loop, POST("content-length: 6\r\n") "abcdef");
    answer(&front->calls[0], "no");
    wire_expect(&front->wire, front->loop, LAST("2", "no"));
    assert_int_equal(open_count(front), 0);
}

/* ---- time-outs ---- */

static void expect_closed_after(struct front *front, uint64_t time)
{
    loop_advance(front->loop, time - MILLISECOND);
    wire_drain(&front->wire, front->loop);
    assert_false(front->wire.ended);
    loop_advance(front->loop, 2 * MILLISECOND);
    wire_drain(&front->wire, front->loop);
    assert_true(front->wire.ended);
}

static void test_silent_caller(void **state)
{
    struct front *front = *state;
    expect_closed_after(front, 10 * SECOND); /* the head's time, not the keep-alive's */
    expect_log(front, "");
    assert_int_equal(open_count(front), 0);
}

static void test_slow_head(void **state)
{
    struct front *front = *state;
    loop_advance(front->loop, 5 * SECOND);
    for (unsigned i = 0; i < 9; i++) {
        wire_say(&front->wire, front->loop, i == 0 ? "GET / HTTP/1.1\r\n" : "a: b\r\n");
        loop_advance(front->loop, SECOND);
    }
    expect_log(front, "");
    loop_advance(front->loop, SECOND);
    expect_log(front, "M");
    assert_int_equal(front->error, ERROR_TIMEOUT_IDLE);
    answer(&front->calls[0], "slow");
    wire_expect(&front->wire, front->loop, LAST("4", "slow"));
    assert_true(front->wire.ended);
}

static void test_slow_body(void **state)
{
    struct front *front = *state;
    wire_say(&front->wire, front->loop, POST("content-length: 10\r\n"));
    for (unsigned i = 0; i < 5; i++) {
        loop_advance(front->loop, 19 * SECOND);
        wire_say(&front->wire, front->loop, "x");
    }
    expect_log(front, "QB");
    loop_advance(front->loop, 20 * SECOND);
    expect_log(front, "F");
    assert_int_equal(front->error, ERROR_TIMEOUT_IDLE);
    answer(&front->calls[0], "slow");
    wire_expect(&front->wire, front->loop, LAST("4", "slow"));
    assert_true(front->wire.ended);
}

static void test_idle(void **state)
{
    struct front *front = *state;
    front->at_end = answer_hello;
    wire_say(&front->wire, front->loop, GET("/"));
    wire_expect(&front->wire, front->loop, ANSWER("5", "hello"));
    expect_closed_after(front, 75 * SECOND);
    assert_int_equal(open_count(front), 0);
}

/* No time runs out on the caller while it is us who think. */
static void test_slow_answer(void **state)
{
    struct front *front = *state;
    wire_say(&front->wire, front->loop, GET("/"));
    loop_advance(front->loop, 3600 * SECOND);
    expect_log(front, "QE");
    answer_hello(&front->calls[0]);
    wire_expect(&front->wire, front->loop, ANSWER("5", "hello"));
}

/* ---- callers that do not read ---- */

#define MUCH (2u * 1024u * 1024u)

static void begin_much(struct call *call, bool last)
{
    char *bytes = calloc(1, MUCH);
    struct text part = text_of(bytes, MUCH);
    const struct http_answer head = {
        .status = 200, .headers = TEXT(""), .has_length = true, .length = MUCH};
    struct http_request *request = call->request;
    if (last)
        call->request = NULL;
    assert_true(http_request_respond(request, &head, &part, 1, last));
    free(bytes);
}

static void test_write_timeout(void **state)
{
    struct front *front = *state;
    wire_say(&front->wire, front->loop, GET("/"));
    begin_much(&front->calls[0], false);
    assert_true(http_request_is_congested(front->calls[0].request));
    for (unsigned i = 0; i < 5; i++) { /* slow, but reading */
        loop_advance(front->loop, 59 * SECOND);
        assert_true(wire_read(&front->wire, 262144) > 0);
        run_turns(front->loop);
    }
    expect_log(front, "QE");
    loop_advance(front->loop, 120 * SECOND);
    expect_log(front, "G");
    assert_int_equal(front->error, ERROR_TIMEOUT_WRITE);
    assert_int_equal(open_count(front), 0);
}

/* The answer is complete for us but not yet with the caller: the write time-out still counts, and
 * neither the keep-alive's time nor that for giving memory back cuts it short. */
static void test_slow_reader_of_a_complete_answer(void **state)
{
    struct front *front = *state;
    wire_say(&front->wire, front->loop, GET("/"));
    begin_much(&front->calls[0], true);
    for (unsigned i = 0; i < 3; i++) {
        loop_advance(front->loop, 50 * SECOND);
        assert_int_equal(open_count(front), 1);
        assert_true(wire_read(&front->wire, 262144) > 0);
        run_turns(front->loop);
    }
    wire_drain(&front->wire, front->loop);
    assert_true(front->wire.received.length > MUCH);
    assert_false(front->wire.ended);
    expect_closed_after(front, 75 * SECOND); /* and then it is idle like any other */
    expect_log(front, "QE");
}

static void test_caller_takes_nothing_of_a_complete_answer(void **state)
{
    struct front *front = *state;
    wire_say(&front->wire, front->loop, GET("/"));
    begin_much(&front->calls[0], true);
    loop_advance(front->loop, 59 * SECOND);
    assert_int_equal(open_count(front), 1);
    loop_advance(front->loop, 62 * SECOND);
    assert_int_equal(open_count(front), 0);
    expect_log(front, "QE");
}

/* A next request while the answer before is still on its way. */
static void test_next_request_behind_a_congested_answer(void **state)
{
    struct front *front = *state;
    wire_say(&front->wire, front->loop, GET("/") POST("content-length: 1\r\n"));
    begin_much(&front->calls[0], true);
    run_turns(front->loop);
    expect_log(front, "QEQ");
    wire_drain(&front->wire, front->loop); /* all is read: from here on the body's time runs */
    loop_advance(front->loop, 19 * SECOND);
    loop_advance(front->loop, 2 * SECOND);
    expect_log(front, "DF");
    answer(&front->calls[1], "slow");
}

static void test_drained(void **state)
{
    struct front *front = *state;
    wire_say(&front->wire, front->loop, GET("/"));
    begin_much(&front->calls[0], false);
    run_turns(front->loop);
    assert_int_equal(front->calls[0].drained, 0);
    wire_drain(&front->wire, front->loop);
    expect_log(front, "QED");
    assert_int_equal(front->calls[0].drained, 1);
    loop_advance(front->loop, 3600 * SECOND);
    expect_log(front, "");
    assert_true(http_request_send(front->calls[0].request, NULL, 0, true));
    loop_advance(front->loop, 74 * SECOND);
    assert_int_equal(open_count(front), 1);
}

static void test_queue_maximum(void **state)
{
    struct front *front = *state;
    wire_say(&front->wire, front->loop, GET("/"));
    begin_much(&front->calls[0], false);
    size_t size = 6u * 1024u * 1024u;
    char *bytes = calloc(1, size);
    struct text part = text_of(bytes, size);
    assert_false(http_request_send(front->calls[0].request, &part, 1, false));
    free(bytes);
    run_turns(front->loop);
    expect_log(front, "QE"); /* and no G */
    assert_int_equal(open_count(front), 0);
}

/* ---- what cannot be read ---- */

static void test_malformed(void **state)
{
    static const char *const heads[] = {
        "GARBAGE\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/2.0\r\nhost: h\r\n\r\n",
        POST("content-length: 1\r\ntransfer-encoding: chunked\r\n"),
        "GET / HTTP/1.1\nhost: h\n\n",
        "GET / HTTP/1.1\r\nhost: h\r\n folded: x\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01",
    };
    struct front *front = *state;
    for (size_t i = 0; i < 2 * ARRAY_LENGTH(heads); i++) {
        struct wire wire;
        adopt(front, &wire);
        const char *head = heads[i / 2];
        if (i % 2)
            wire_say_bytewise(&wire, front->loop, head);
        else
            wire_say(&wire, front->loop, head);
        wire_say(&wire, front->loop, GET("/more"));
        expect_log(front, "M");
        answer(&front->calls[front->count - 1], "bad");
        wire_expect(&wire, front->loop, LAST("3", "bad"));
        assert_true(wire.ended);
        wire_close(&wire);
    }
    run_turns(front->loop);
    assert_int_equal(open_count(front), 1);
}

static void test_malformed_behind_a_good_one(void **state)
{
    struct front *front = *state;
    wire_say(&front->wire, front->loop, GET("/") "GARBAGE\r\n");
    expect_log(front, "QE");
    answer_hello(&front->calls[0]);
    run_turns(front->loop);
    expect_log(front, "M");
    answer(&front->calls[1], "bad");
    wire_expect(&front->wire, front->loop, ANSWER("5", "hello") LAST("3", "bad"));
}

static void test_malformed_body(void **state)
{
    struct front *front = *state;
    wire_say(&front->wire, front->loop,
             POST("transfer-encoding: chunked\r\n") "3\r\nabc\r\nZZ\r\n" GET("/"));
    expect_log(front, "QBF");
    assert_int_equal(front->error, ERROR_HTTP_SYNTAX);
    answer(&front->calls[0], "bad");
    wire_expect(&front->wire, front->loop, LAST("3", "bad"));
    assert_true(front->wire.ended);
    expect_log(front, "");
}

static void test_caller_gone_after_malformed(void **state)
{
    struct front *front = *state;
    wire_say(&front->wire, front->loop, "GET / HT");
    loop_advance(front->loop, 11 * SECOND);
    expect_log(front, "M");
    wire_hang_up(&front->wire);
    run_turns(front->loop);
    expect_log(front, "G");
    assert_int_equal(open_count(front), 0);
}

static void test_head_too_large(void **state)
{
    struct front *front = *state;
    front->limits.http1.head_bytes = 1024;
    http_server_set_limits(front->server, &front->limits);
    char line[] = "name: 0123456789012345678901234567890123456789\r\n";
    wire_say(&front->wire, front->loop, "GET / HTTP/1.1\r\nhost: h\r\n");
    for (unsigned i = 0; i < 30 && front->count == 0; i++)
        wire_say(&front->wire, front->loop, line);
    expect_log(front, "M");
    assert_int_equal(front->error, ERROR_HTTP_HEAD_TOO_LARGE);
    answer(&front->calls[0], "big");
    wire_expect(&front->wire, front->loop, LAST("3", "big"));
}

/* The head's memory moves when it grows, and the authority of the target with it. */
static void test_absolute_target_in_a_large_head(void **state)
{
    struct front *front = *state;
    front->at_end = answer_hello;
    char line[600];
    memset(line, 'n', sizeof(line));
    memcpy(line + 100, ": ", 2);
    memcpy(line + sizeof(line) - 3, "\r\n", 3);
    wire_say(&front->wire, front->loop, "GET http://h.example/");
    for (unsigned i = 0; i < 60; i++)
        wire_say(&front->wire, front->loop,
                 "0123456789012345678901234567890123456789012345678901234567890123456789");
    wire_say(&front->wire, front->loop, " HTTP/1.1\r\n");
    for (unsigned i = 0; i < 90; i++)
        wire_say(&front->wire, front->loop, line);
    wire_say(&front->wire, front->loop, "host: h.example\r\n\r\n");
    expect_log(front, "QE");
    wire_expect(&front->wire, front->loop, ANSWER("5", "hello"));
}

/* A reload lowers the limit below what a head that is arriving has already. */
static void test_head_limit_lowered(void **state)
{
    struct front *front = *state;
    char line[] = "name: 0123456789012345678901234567890123456789\r\n";
    wire_say(&front->wire, front->loop, "GET / HTTP/1.1\r\nhost: h\r\n");
    for (unsigned i = 0; i < 60; i++)
        wire_say(&front->wire, front->loop, line);
    front->limits.http1.head_bytes = 1024;
    http_server_set_limits(front->server, &front->limits);
    for (unsigned i = 0; i < 60 && front->count == 0; i++)
        wire_say(&front->wire, front->loop, line);
    expect_log(front, "M");
    assert_int_equal(front->error, ERROR_HTTP_HEAD_TOO_LARGE);
    answer(&front->calls[0], "big");
}

/* ---- limits ---- */

static void test_requests_on_one_connection(void **state)
{
    struct front *front = *state;
    front->at_end = answer_hello;
    front->limits.requests = 2;
    http_server_set_limits(front->server, &front->limits);
    wire_say(&front->wire, front->loop, GET("/1") GET("/2") GET("/3"));
    wire_expect(&front->wire, front->loop, ANSWER("5", "hello") LAST("5", "hello"));
    assert_true(front->wire.ended);
    expect_log(front, "QEQE");
}

static void test_requests_limit_lowered(void **state)
{
    struct front *front = *state;
    front->at_end = answer_hello;
    wire_say(&front->wire, front->loop, GET("/1") GET("/2") GET("/3"));
    wire_expect(&front->wire, front->loop,
                ANSWER("5", "hello") ANSWER("5", "hello") ANSWER("5", "hello"));
    front->limits.requests = 2;
    http_server_set_limits(front->server, &front->limits);
    wire_say(&front->wire, front->loop, GET("/4"));
    wire_expect(&front->wire, front->loop, LAST("5", "hello"));
}

static int connect_to(const struct address *address)
{
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(descriptor, &address->any, address->length), 0);
    return descriptor;
}

static void test_connections(void **state)
{
    struct front *front = *state;
    struct address address;
    struct http_server *server;
    int listening;
    assert_int_equal(address_parse(TEXT("127.0.0.1:0"), &address), ERROR_OK);
    assert_int_equal(listener_bind(&address, false, 16, &listening), ERROR_OK);
    address.length = sizeof(struct sockaddr_un);
    assert_int_equal(getsockname(listening, &address.any, &address.length), 0);
    front->limits.connections = 2;
    front->at_end = answer_hello;
    assert_int_equal(
        http_server_create(front->loop, listening, NULL, &front->limits, &events, front, &server),
        ERROR_OK);
    struct wire wires[3];
    for (size_t i = 0; i < 3; i++)
        wire_open(&wires[i], connect_to(&address));
    run_turns(front->loop);
    assert_int_equal(http_server_counters(server)->open, 2);
    assert_int_equal(http_server_counters(server)->refused_connections, 1);
    wire_drain(&wires[2], front->loop);
    assert_true(wires[2].ended);
    wire_hang_up(&wires[0]);
    run_turns(front->loop);
    assert_int_equal(http_server_counters(server)->open, 1);
    struct wire late;
    wire_open(&late, connect_to(&address));
    wire_say(&late, front->loop, GET("/"));
    wire_expect(&late, front->loop, ANSWER("5", "hello"));
    assert_int_equal(http_server_counters(server)->accepted, 3);
    http_server_destroy(server);
    run_turns(front->loop);
    for (size_t i = 0; i < 3; i++)
        wire_close(&wires[i]);
    wire_close(&late);
}

/* ---- callers that leave ---- */

static void test_gone_at_each_state(void **state)
{
    static const struct {
        const char *bytes;
        const char *log;
    } rows[] = {
        {"", ""},
        {"GET / HT", ""},
        {POST("content-length: 3\r\n"), "QG"},
        {POST("content-length: 3\r\n") "ab", "QBG"},
        {POST("content-length: 3\r\n") "abc", "QBEG"},
        {POST("transfer-encoding: chunked\r\n") "3\r\nab", "QBG"},
    };
    struct front *front = *state;
    for (size_t i = 0; i < 2 * ARRAY_LENGTH(rows); i++) {
        struct wire wire;
        adopt(front, &wire);
        if (rows[i / 2].bytes[0])
            wire_say(&wire, front->loop, rows[i / 2].bytes);
        if (i % 2)
            shutdown(wire.descriptor, SHUT_WR);
        else
            wire_hang_up(&wire);
        run_turns(front->loop);
        expect_log(front, rows[i / 2].log);
        assert_int_equal(open_count(front), 1);
        wire_close(&wire);
    }
}

static void test_gone_in_mid_answer(void **state)
{
    struct front *front = *state;
    wire_say(&front->wire, front->loop, GET("/"));
    begin_stream(&front->calls[0], "x");
    run_turns(front->loop);
    wire_hang_up(&front->wire);
    run_turns(front->loop);
    expect_log(front, "QEG");
    assert_int_equal(open_count(front), 0);
}

static void test_gone_while_congested(void **state)
{
    struct front *front = *state;
    wire_say(&front->wire, front->loop, GET("/"));
    begin_much(&front->calls[0], false);
    wire_hang_up(&front->wire);
    run_turns(front->loop);
    expect_log(front, "QEG");
    assert_int_equal(open_count(front), 0);
}

static void test_gone_between_requests(void **state)
{
    struct front *front = *state;
    front->at_end = answer_hello;
    wire_say(&front->wire, front->loop, GET("/"));
    wire_hang_up(&front->wire);
    run_turns(front->loop);
    expect_log(front, "QE");
    assert_int_equal(open_count(front), 0);
}

/* ---- the end of a server ---- */

static void test_drain(void **state)
{
    struct front *front = *state;
    struct wire busy, arriving;
    adopt(front, &busy);
    adopt(front, &arriving);
    wire_say(&busy, front->loop, GET("/"));
    wire_say(&arriving, front->loop, "GET / HT");
    http_server_drain(front->server);
    wire_drain(&front->wire, front->loop);
    assert_true(front->wire.ended); /* it was idle */
    assert_false(http_server_is_drained(front->server));
    answer_hello(&front->calls[0]);
    wire_expect(&busy, front->loop, LAST("5", "hello"));
    assert_true(busy.ended);
    wire_say(&arriving, front->loop, "TP/1.1\r\nhost: h\r\n\r\n");
    answer_hello(&front->calls[1]);
    wire_expect(&arriving, front->loop, LAST("5", "hello"));
    assert_true(http_server_is_drained(front->server));
    wire_close(&busy);
    wire_close(&arriving);
}

static void test_cut(void **state)
{
    struct front *front = *state;
    wire_say(&front->wire, front->loop, "GET / HTTP/1.0\r\n\r\n");
    begin_stream(&front->calls[0], "half");
    http_server_cut(front->server);
    run_turns(front->loop);
    expect_log(front, "QEG");
    assert_int_equal(front->error, ERROR_DRAINING);
    assert_true(http_server_is_drained(front->server));
    assert_int_equal(open_count(front), 0);
}

/* Gone, aborted or answered: whichever comes first within one turn, the others do not come. */
static void test_destroy_with_open_requests(void **state)
{
    struct front *front = *state;
    struct wire other;
    adopt(front, &other);
    wire_say(&front->wire, front->loop, GET("/"));
    wire_say(&other, front->loop, POST("content-length: 9\r\n") "some");
    answer_hello(&front->calls[0]);
    http_server_cut(front->server);
    run_turns(front->loop);
    expect_log(front, "QEQBG");
    wire_close(&other);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_keep_alive),
        TEST(test_bytewise),
        TEST(test_pipelining),
        TEST(test_pipelining_answered_later),
        TEST(test_pipelining_of_much),
        TEST(test_body_in_its_place),
        TEST(test_answer_at_head_without_body),
        TEST(test_http10),
        TEST(test_head),
        TEST(test_no_content),
        TEST(test_caller_wants_close),
        TEST(test_continue),
        TEST(test_refused_before_continue),
        TEST(test_no_continue_inside_an_answer),
        TEST(test_early_answer_to_an_upload),
        TEST(test_early_answer_within_body_event),
        TEST(test_abort_within_each_event),
        TEST(test_pause_at_head),
        TEST(test_pause_at_each_byte),
        TEST(test_pause_at_the_last_byte),
        TEST(test_answer_while_paused),
        TEST(test_silent_caller),
        TEST(test_slow_head),
        TEST(test_slow_body),
        TEST(test_idle),
        TEST(test_slow_answer),
        TEST(test_write_timeout),
        TEST(test_slow_reader_of_a_complete_answer),
        TEST(test_caller_takes_nothing_of_a_complete_answer),
        TEST(test_next_request_behind_a_congested_answer),
        TEST(test_drained),
        TEST(test_queue_maximum),
        TEST(test_malformed),
        TEST(test_malformed_behind_a_good_one),
        TEST(test_malformed_body),
        TEST(test_caller_gone_after_malformed),
        TEST(test_head_too_large),
        TEST(test_absolute_target_in_a_large_head),
        TEST(test_head_limit_lowered),
        TEST(test_requests_on_one_connection),
        TEST(test_requests_limit_lowered),
        TEST(test_connections),
        TEST(test_gone_at_each_state),
        TEST(test_gone_in_mid_answer),
        TEST(test_gone_while_congested),
        TEST(test_gone_between_requests),
        TEST(test_drain),
        TEST(test_cut),
        TEST(test_destroy_with_open_requests),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
