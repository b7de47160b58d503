/* The provider's side against a peer that the test plays itself, on the virtual clock: connections
 * are socket pairs, or sockets of a listener where it matters how they are made. */
#include "wire.h"

#include "../net/certificates.h"
#include "http/client.h"

#define PEERS_MAXIMUM 16u

struct side {
    struct loop *loop;
    struct resolver *resolver;
    struct http_origin_settings settings;
    struct http_origin *origin;
    struct wire peers[PEERS_MAXIMUM]; /* our ends of the connections, in the order of opening */
    size_t count;
    bool refuse; /* no connection can be made */
};

struct asked {
    struct side *side;
    struct http_call *call; /* NULL when over */
    char
        log[256]; /* H head, B body, L last, F flush, S sendable, X failed; B and F once in a row */
    unsigned status;
    struct buffer body;
    enum error error;
    struct http_call_times times;
    char detail[128];
    bool pause_at_body;
    void (*at_head)(struct asked *asked);
    void (*at_body)(struct asked *asked);
    void (*at_flush)(struct asked *asked);
    void (*at_sendable)(struct asked *asked);
    void (*at_end)(struct asked *asked);
};

static void mark(struct asked *asked, char what)
{
    size_t length = strlen(asked->log);
    if ((what == 'B' || what == 'F') && length > 0 && asked->log[length - 1] == what)
        return;
    assert_true(length + 1 < sizeof(asked->log));
    asked->log[length] = what;
}

static void expect_log(struct asked *asked, const char *expected)
{
    assert_string_equal(asked->log, expected);
    memset(asked->log, 0, sizeof(asked->log));
}

static void on_head(void *owner, const struct http1_head *head)
{
    struct asked *asked = owner;
    mark(asked, 'H');
    asked->status = head->status;
    if (asked->at_head)
        asked->at_head(asked);
}

static void on_body(void *owner, struct text bytes, bool last)
{
    struct asked *asked = owner;
    assert_non_null(asked->call);
    assert_true(buffer_append(&asked->body, bytes));
    mark(asked, last ? 'L' : 'B');
    if (last) {
        asked->times = *http_call_times(asked->call);
        asked->call = NULL;
        if (asked->at_end)
            asked->at_end(asked);
    } else if (asked->at_body) {
        asked->at_body(asked);
    }
}

static void on_flush(void *owner)
{
    struct asked *asked = owner;
    assert_non_null(asked->call);
    mark(asked, 'F');
    if (asked->at_flush)
        asked->at_flush(asked);
}

static void on_sendable(void *owner)
{
    struct asked *asked = owner;
    assert_non_null(asked->call);
    mark(asked, 'S');
    if (asked->at_sendable)
        asked->at_sendable(asked);
}

static void on_failed(void *owner, enum error error, struct text detail)
{
    struct asked *asked = owner;
    assert_non_null(asked->call);
    mark(asked, 'X');
    asked->times = *http_call_times(asked->call);
    asked->call = NULL;
    asked->error = error;
    assert_true(detail.length > 0);
    text_copy_to(text_first(detail, sizeof(asked->detail) - 1), asked->detail,
                 sizeof(asked->detail));
}

static const struct http_call_events events = {
    .on_head = on_head,
    .on_body = on_body,
    .on_flush = on_flush,
    .on_sendable = on_sendable,
    .on_failed = on_failed,
};

static int open_pair(void *owner)
{
    struct side *side = owner;
    int ends[2];
    if (side->refuse)
        return -1;
    assert_true(side->count < PEERS_MAXIMUM);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    wire_open(&side->peers[side->count++], ends[0]);
    return ends[1];
}

static void make_origin(struct side *side)
{
    if (side->origin)
        http_origin_release(side->origin);
    side->origin = http_origin_create(side->loop, side->resolver, &side->settings);
    assert_non_null(side->origin);
}

static int set_up(void **state)
{
    struct side *side = calloc(1, sizeof(*side));
    side->loop = loop_create_virtual(0);
    side->settings = (struct http_origin_settings){
        .host = TEXT("up.test"),
        .port = 80,
        .authority = TEXT("up.test"),
        .connections = 4,
        .waiting = 2,
        .idle_connections = 3,
        .idle_time = 60 * SECOND,
        .limits = http1_limits_default,
        .open_internal = open_pair,
        .open_owner = side,
    };
    make_origin(side);
    *state = side;
    return 0;
}

static int tear_down(void **state)
{
    struct side *side = *state;
    if (side->origin)
        http_origin_release(side->origin);
    run_turns(side->loop);
    for (size_t i = 0; i < side->count; i++)
        wire_close(&side->peers[i]);
    if (side->resolver)
        resolver_destroy(side->resolver);
    loop_destroy(side->loop);
    free(side);
    return 0;
}

static const struct http_timeouts patience = {.connect = 5 * SECOND,
                                              .tls = 7 * SECOND,
                                              .first_byte = 30 * SECOND,
                                              .idle = 20 * SECOND,
                                              .total = 100 * SECOND};

static void start(struct side *side, struct asked *asked, struct http_call_request request)
{
    request.headers = request.headers.data ? request.headers : TEXT("a: b\r\n");
    request.timeouts = patience;
    asked->side = side;
    buffer_open(&asked->body, 64u * 1024u * 1024u);
    asked->call = http_call_start(side->origin, &request, &events, asked);
    assert_non_null(asked->call);
    expect_log(asked, ""); /* events come later */
}

static void get(struct side *side, struct asked *asked)
{
    start(side, asked,
          (struct http_call_request){.method = HTTP1_GET, .target = TEXT("/x"), .held = true});
    run_turns(side->loop);
}

static void post(struct side *side, struct asked *asked, const struct text *parts, size_t count)
{
    start(side, asked,
          (struct http_call_request){.method = HTTP1_POST,
                                     .target = TEXT("/x"),
                                     .held = true,
                                     .body = parts,
                                     .body_count = count});
    run_turns(side->loop);
}

static void upload(struct side *side, struct asked *asked, bool has_length, uint64_t length)
{
    start(side, asked,
          (struct http_call_request){.method = HTTP1_POST,
                                     .target = TEXT("/x"),
                                     .has_body = true,
                                     .has_length = has_length,
                                     .length = length});
    run_turns(side->loop);
}

#define REQUEST "GET /x HTTP/1.1\r\nhost: up.test\r\na: b\r\n\r\n"
#define ANSWER  "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

static void expect_body(struct asked *asked, const char *expected)
{
    buffer_append_char(&asked->body, '\0');
    assert_string_equal(asked->body.data, expected);
    buffer_close(&asked->body);
}

static void expect_served(struct asked *asked)
{
    expect_log(asked, "HL");
    assert_int_equal(asked->status, 200);
    expect_body(asked, "ok");
}

static void expect_failed(struct asked *asked, enum error error)
{
    size_t length = strlen(asked->log);
    assert_true(length > 0 && asked->log[length - 1] == 'X');
    assert_null(asked->call);
    assert_int_equal(asked->error, error);
    buffer_close(&asked->body);
}

static void give_up(struct asked *asked)
{
    http_call_cancel(asked->call);
    asked->call = NULL;
    buffer_close(&asked->body);
}

static void expect_counts(struct side *side, size_t open, size_t idle)
{
    assert_int_equal(http_origin_open_count(side->origin), open);
    assert_int_equal(http_origin_idle_count(side->origin), idle);
}

/* A whole call over whatever connection comes first. */
static void serve_one(struct side *side, size_t peer)
{
    struct asked asked = {0};
    get(side, &asked);
    wire_expect(&side->peers[peer], side->loop, REQUEST);
    wire_say(&side->peers[peer], side->loop, ANSWER);
    expect_served(&asked);
}

/* ---- the pool ---- */

static void test_reuse(void **state)
{
    struct side *side = *state;
    for (unsigned i = 0; i < 3; i++)
        serve_one(side, 0);
    assert_int_equal(side->count, 1);
    expect_counts(side, 1, 1);
}

static void test_freshest_first(void **state)
{
    struct side *side = *state;
    struct asked asked[3] = {0};
    for (size_t i = 0; i < 3; i++)
        get(side, &asked[i]);
    expect_counts(side, 3, 0);
    for (size_t i = 0; i < 3; i++) {
        wire_forget(&side->peers[i]);
        wire_say(&side->peers[i], side->loop, ANSWER);
        expect_served(&asked[i]);
    }
    expect_counts(side, 3, 3);
    wire_drain(&side->peers[2], side->loop);
    wire_forget(&side->peers[2]);
    serve_one(side, 2);
    serve_one(side, 2);
    expect_counts(side, 3, 3);
}

static void test_idle_time(void **state)
{
    struct side *side = *state;
    serve_one(side, 0);
    loop_advance(side->loop, 59 * SECOND);
    serve_one(side, 0);
    loop_advance(side->loop, 59 * SECOND);
    expect_counts(side, 1, 1);
    loop_advance(side->loop, 2 * SECOND);
    expect_counts(side, 0, 0);
    wire_drain(&side->peers[0], side->loop);
    assert_true(side->peers[0].ended);
}

static void test_idle_connections(void **state)
{
    struct side *side = *state;
    struct asked asked[4] = {0};
    for (size_t i = 0; i < 4; i++)
        get(side, &asked[i]);
    for (size_t i = 0; i < 4; i++) {
        wire_say(&side->peers[i], side->loop, ANSWER);
        expect_served(&asked[i]);
    }
    expect_counts(side, 3, 3);
}

static void test_what_must_not_be_reused(void **state)
{
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 408 Request Timeout\r\n\r\n",
    };
    struct side *side = *state;
    for (size_t i = 0; i < ARRAY_LENGTH(answers); i++) {
        struct asked asked = {0};
        get(side, &asked);
        wire_say(&side->peers[i], side->loop, answers[i]);
        expect_served(&asked);
        expect_counts(side, 0, 0);
    }
}

static void test_idle_connection_dies(void **state)
{
    struct side *side = *state;
    serve_one(side, 0);
    wire_hang_up(&side->peers[0]);
    run_turns(side->loop);
    expect_counts(side, 0, 0);
    serve_one(side, 1);
    wire_say(&side->peers[1], side->loop, "HTTP/1.1 408 Request Timeout\r\n\r\n");
    expect_counts(side, 0, 0);
    serve_one(side, 2);
}

/* The loop has not had its turn yet: what waits on the connection answers nobody. */
static void test_idle_connection_died_unnoticed(void **state)
{
    struct side *side = *state;
    serve_one(side, 0);
    wire_send(&side->peers[0], TEXT("HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n"));
    serve_one(side, 1);
    wire_hang_up(&side->peers[1]);
    struct asked asked = {0};
    get(side, &asked);
    wire_expect(&side->peers[2], side->loop, REQUEST);
    wire_say(&side->peers[2], side->loop, ANSWER);
    expect_served(&asked);
    assert_false(asked.times.resent);
    expect_counts(side, 1, 1);
}

/* ---- the race of a kept connection ---- */

static void test_resent_once(void **state)
{
    struct side *side = *state;
    struct asked asked = {0};
    serve_one(side, 0);
    get(side, &asked);
    wire_expect(&side->peers[0], side->loop, REQUEST);
    wire_hang_up(&side->peers[0]);
    run_turns(side->loop);
    expect_log(&asked, "");
    wire_expect(&side->peers[1], side->loop, REQUEST);
    wire_say(&side->peers[1], side->loop, ANSWER);
    expect_served(&asked);
    assert_true(asked.times.resent);
    assert_false(asked.times.reused);
    expect_counts(side, 1, 1);
}

static void test_resent_after_a_reset(void **state)
{
    struct side *side = *state;
    struct asked asked = {0};
    serve_one(side, 0);
    get(side, &asked);
    wire_reset(&side->peers[0]);
    run_turns(side->loop);
    wire_expect(&side->peers[1], side->loop, REQUEST);
    wire_say(&side->peers[1], side->loop, ANSWER);
    expect_served(&asked);
    assert_true(asked.times.resent);
}

static void test_never_twice(void **state)
{
    struct side *side = *state;
    struct asked asked = {0};
    serve_one(side, 0);
    get(side, &asked);
    wire_hang_up(&side->peers[0]);
    run_turns(side->loop);
    wire_hang_up(&side->peers[1]);
    run_turns(side->loop);
    expect_failed(&asked, ERROR_CLOSED);
    assert_int_equal(side->count, 2);
    expect_counts(side, 0, 0);
}

static void test_not_on_a_fresh_connection(void **state)
{
    struct side *side = *state;
    struct asked asked = {0};
    get(side, &asked);
    wire_hang_up(&side->peers[0]);
    run_turns(side->loop);
    expect_failed(&asked, ERROR_CLOSED);
    assert_int_equal(side->count, 1);
}

static void test_not_when_a_byte_had_come(void **state)
{
    struct side *side = *state;
    struct asked asked = {0};
    serve_one(side, 0);
    get(side, &asked);
    wire_say(&side->peers[0], side->loop, "H");
    wire_hang_up(&side->peers[0]);
    run_turns(side->loop);
    expect_failed(&asked, ERROR_CLOSED);
    assert_int_equal(side->count, 1);
}

static void test_resent_waits_for_its_place(void **state)
{
    struct side *side = *state;
    struct asked asked[2] = {0};
    side->settings.connections = 1;
    make_origin(side);
    serve_one(side, 0);
    get(side, &asked[0]);
    get(side, &asked[1]); /* waits */
    wire_hang_up(&side->peers[0]);
    run_turns(side->loop);
    assert_int_equal(side->count, 2);
    for (size_t i = 0; i < 2; i++)
        wire_say(&side->peers[1], side->loop, ANSWER);
    expect_served(&asked[0]);
    expect_served(&asked[1]);
    expect_counts(side, 1, 1);
}

/* ---- requests ---- */

static void test_held_body(void **state)
{
    struct side *side = *state;
    struct asked asked = {0};
    const struct text parts[] = {TEXT("one "), TEXT(""), TEXT("two")};
    post(side, &asked, parts, ARRAY_LENGTH(parts));
    wire_expect(&side->peers[0], side->loop,
                "POST /x HTTP/1.1\r\nhost: up.test\r\na: b\r\ncontent-length: 7\r\n\r\none two");
    wire_say(&side->peers[0], side->loop, ANSWER);
    expect_served(&asked);
}

#define LARGE (5u * 1024u * 1024u)

static void test_large_held_body_and_a_slow_peer(void **state)
{
    struct side *side = *state;
    struct asked asked = {0};
    char *bytes = make_pattern(LARGE);
    const struct text parts[] = {text_of(bytes, LARGE / 2),
                                 text_of(bytes + LARGE / 2, LARGE - LARGE / 2)};
    post(side, &asked, parts, ARRAY_LENGTH(parts));
    struct wire *peer = &side->peers[0];
    while (wire_read(peer, 300000) > 0) /* slowly, but never idle for long */
        loop_advance(side->loop, SECOND);
    const char *end = memmem(peer->received.data, 200, "\r\n\r\n", 4);
    buffer_consume(&peer->received, (size_t)(end + 4 - peer->received.data));
    expect_pattern(&peer->received, LARGE);
    wire_say(peer, side->loop, ANSWER);
    expect_served(&asked);
    expect_counts(side, 1, 1);
    free(bytes);
}

static void test_large_held_body_is_sent_again(void **state)
{
    struct side *side = *state;
    struct asked asked = {0};
    char *bytes = make_pattern(LARGE);
    const struct text part = text_of(bytes, LARGE);
    serve_one(side, 0);
    post(side, &asked, &part, 1);
    wire_hang_up(&side->peers[0]);
    run_turns(side->loop);
    struct wire *peer = &side->peers[1];
    wire_drain(peer, side->loop);
    assert_true(peer->received.length > LARGE && peer->received.length < LARGE + 200);
    assert_memory_equal(peer->received.data + peer->received.length - LARGE, bytes, LARGE);
    wire_say(peer, side->loop, ANSWER);
    expect_served(&asked);
    free(bytes);
}

static void test_peer_takes_nothing(void **state)
{
    struct side *side = *state;
    struct asked asked = {0};
    char *bytes = make_pattern(LARGE);
    const struct text part = text_of(bytes, LARGE);
    post(side, &asked, &part, 1);
    loop_advance(side->loop, 19 * SECOND);
    expect_log(&asked, "");
    loop_advance(side->loop, 2 * SECOND);
    expect_failed(&asked, ERROR_TIMEOUT_WRITE);
    free(bytes);
}

static void test_upload_chunked(void **state)
{
    struct side *side = *state;
    struct asked asked = {0};
    serve_one(side, 0);
    upload(side, &asked, false, 0);
    assert_int_equal(side->count, 2); /* never on a kept connection */
    expect_log(&asked, "S");
    assert_true(http_call_send(asked.call, TEXT("abc"), false));
    assert_true(http_call_send(asked.call, TEXT("de"), true));
    wire_expect(&side->peers[1], side->loop,
                "POST /x HTTP/1.1\r\nhost: up.test\r\na: b\r\ntransfer-encoding: chunked\r\n\r\n"
                "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    wire_say(&side->peers[1], side->loop, ANSWER);
    expect_served(&asked);
    expect_counts(side, 2, 2);
}

static void test_upload_with_back_pressure(void **state)
{
    struct side *side = *state;
    struct asked asked = {0};
    char *bytes = make_pattern(LARGE);
    size_t sent = 0;
    upload(side, &asked, true, LARGE);
    struct wire *peer = &side->peers[0];
    for (unsigned turns = 0; sent < LARGE; turns++) {
        assert_true(turns < 10000);
        struct text step = text_first(text_of(bytes + sent, LARGE - sent), 60000);
        if (http_call_send(asked.call, step, sent + step.length == LARGE)) {
            sent += step.length;
            continue;
        }
        memset(asked.log, 0, sizeof(asked.log));
        wire_read(peer, 200000);
        loop_advance(side->loop, SECOND);
        if (strlen(asked.log) == 0)
            assert_false(http_call_send(asked.call, step, false)); /* not before it was told */
    }
    memset(asked.log, 0, sizeof(asked.log));
    wire_drain(peer, side->loop);
    assert_memory_equal(peer->received.data + peer->received.length - LARGE, bytes, LARGE);
    wire_say(peer, side->loop, ANSWER);
    expect_served(&asked);
    free(bytes);
}

/* Our caller takes his time with an upload: that is not the peer's fault. */
static void test_upload_of_a_slow_caller(void **state)
{
    struct side *side = *state;
    struct asked asked = {0};
    upload(side, &asked, true, 4);
    assert_true(http_call_send(asked.call, TEXT("ab"), false));
    wire_drain(&side->peers[0], side->loop);
    loop_advance(side->loop, 50 * SECOND);
    expect_log(&asked, "S");
    assert_true(http_call_send(asked.call, TEXT("cd"), true));
    wire_say(&side->peers[0], side->loop, ANSWER);
    expect_served(&asked);
}

/* A head that no connection takes is told like any failure: later, and once. */
static void test_head_too_large(void **state)
{
    struct side *side = *state;
    size_t size = 200000;
    char *line = malloc(size);
    memset(line, 'x', size);
    memcpy(line, "a: ", 3);
    memcpy(line + size - 2, "\r\n", 2);
    for (unsigned i = 0; i < 2; i++) {
        struct asked asked = {0};
        start(side, &asked,
              (struct http_call_request){.method = HTTP1_GET,
                                         .target = TEXT("/x"),
                                         .held = true,
                                         .headers = text_of(line, size)});
        run_turns(side->loop);
        expect_failed(&asked, ERROR_LIMIT);
        if (i == 0)
            serve_one(side, 1);
    }
    expect_counts(side, 0, 0);
    free(line);
}

/* ---- answers ---- */

static void test_bytewise(void **state)
{
    struct side *side = *state;
    struct asked asked = {0};
    get(side, &asked);
    wire_say_bytewise(&side->peers[0], side->loop,
                      "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
                      "HTTP/1.1 200 OK\r\ntransfer-encoding: "
                      "chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\nx: y\r\n\r\n");
    assert_null(asked.call);
    expect_body(&asked, "ok");
    expect_counts(side, 1, 1);
}

static void test_until_close(void **state)
{
    struct side *side = *state;
    struct asked asked = {0};
    get(side, &asked);
    wire_say(&side->peers[0], side->loop, "HTTP/1.1 200 OK\r\n\r\no");
    wire_say(&side->peers[0], side->loop, "k");
    expect_log(&asked, "HBFBF");
    wire_hang_up(&side->peers[0]);
    run_turns(side->loop);
    expect_log(&asked, "L");
    expect_body(&asked, "ok");
    expect_counts(side, 0, 0);
}

static void test_head_request(void **state)
{
    struct side *side = *state;
    struct asked asked = {0};
    start(side, &asked,
          (struct http_call_request){.method = HTTP1_HEAD, .target = TEXT("/x"), .held = true});
    run_turns(side->loop);
    wire_say(&side->peers[0], side->loop, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n");
    expect_log(&asked, "HL");
    buffer_close(&asked.body);
    wire_drain(&side->peers[0], side->loop);
    wire_forget(&side->peers[0]);
    serve_one(side, 0);
}

static void test_truncated(void **state)
{
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n",
    };
    struct side *side = *state;
    for (size_t i = 0; i < ARRAY_LENGTH(answers); i++) {
        struct asked asked = {0};
        get(side, &asked);
        wire_say(&side->peers[i], side->loop, answers[i]);
        wire_hang_up(&side->peers[i]);
        run_turns(side->loop);
        expect_failed(&asked, ERROR_HTTP_TRUNCATED);
        assert_string_equal(asked.log, "HBFX");
    }
    expect_counts(side, 0, 0);
}

static void test_malformed(void **state)
{
    static const char *const answers[] = {
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        "HTTP/1.1 999 No\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\nxx",
    };
    struct side *side = *state;
    for (size_t i = 0; i < ARRAY_LENGTH(answers); i++) {
        struct asked asked = {0};
        get(side, &asked);
        wire_say(&side->peers[i], side->loop, answers[i]);
        assert_int_equal(asked.log[0], 'X');
        buffer_close(&asked.body);
        expect_counts(side, 0, 0);
    }
}

static void test_early_answer_to_a_large_body(void **state)
{
    struct side *side = *state;
    struct asked asked = {0};
    char *bytes = make_pattern(LARGE);
    const struct text part = text_of(bytes, LARGE);
    post(side, &asked, &part, 1);
    wire_say(&side->peers[0], side->loop, "HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nok");
    expect_log(&asked, "HL");
    assert_int_equal(asked.status, 413);
    expect_body(&asked, "ok");
    expect_counts(side, 0, 0); /* half a request is on it */
    free(bytes);
}

/* The peer answers and hangs up without having read: the answer counts, not the reset. */
static void test_early_answer_and_hang_up(void **state)
{
    struct side *side = *state;
    struct asked asked = {0};
    char *bytes = make_pattern(LARGE);
    const struct text part = text_of(bytes, LARGE);
    post(side, &asked, &part, 1);
    wire_send(&side->peers[0], TEXT("HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nok"));
    shutdown(side->peers[0].descriptor, SHUT_RDWR);
    run_turns(side->loop);
    expect_log(&asked, "HL");
    expect_body(&asked, "ok");
    expect_counts(side, 0, 0);
    free(bytes);
}

static void test_early_answer_to_an_upload(void **state)
{
    struct side *side = *state;
    struct asked asked = {0};
    upload(side, &asked, true, 10);
    assert_true(http_call_send(asked.call, TEXT("abc"), false));
    wire_say(&side->peers[0], side->loop, "HTTP/1.1 403 No\r\ncontent-length: 4\r\n\r\nok");
    expect_log(&asked, "SHBF");
    assert_true(http_call_send(asked.call, TEXT("def"), false));
    wire_say(&side->peers[0], side->loop, "ok");
    expect_log(&asked, "L");
    expect_body(&asked, "okok");
    expect_counts(side, 0, 0);
}

/* ---- pausing ---- */

static void pause_it(struct asked *asked)
{
    http_call_pause(asked->call);
}

static void expect_paused_delivery(struct side *side, struct asked *asked, size_t peer,
                                   const char *expected)
{
    for (unsigned i = 0; asked->call && i < 100; i++) {
        http_call_resume(asked->call);
        http_call_resume(asked->call);
        run_turns(side->loop);
    }
    assert_null(asked->call);
    expect_body(asked, expected);
    assert_int_equal(side->peers[peer].ended, false);
}

static void test_pause_at_each_slice(void **state)
{
    struct side *side = *state;
    struct asked asked = {.at_head = pause_it, .at_body = pause_it, .at_flush = pause_it};
    get(side, &asked);
    wire_say(&side->peers[0], side->loop,
             "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n1\r\nc\r\n");
    expect_log(&asked, "HF");
    run_turns(side->loop);
    wire_say(&side->peers[0], side->loop, "1\r\nd\r\n0\r\n\r\n");
    expect_log(&asked, "");
    expect_paused_delivery(side, &asked, 0, "abcd");
    expect_counts(side, 1, 1);
}

static void test_pause_at_the_last_byte(void **state)
{
    struct side *side = *state;
    struct asked asked = {.at_body = pause_it, .at_flush = pause_it};
    get(side, &asked);
    wire_say(&side->peers[0], side->loop, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no");
    wire_say(&side->peers[0], side->loop, "k");
    expect_paused_delivery(side, &asked, 0, "ok");
}

/* However much the peer sends, a paused call holds one read buffer. */
static void test_pause_holds_the_peer(void **state)
{
    struct side *side = *state;
    struct asked asked = {.at_flush = pause_it};
    char *bytes = make_pattern(LARGE);
    size_t sent = 0;
    get(side, &asked);
    wire_say(&side->peers[0], side->loop, "HTTP/1.1 200 OK\r\ncontent-length: 5242880\r\n\r\n");
    for (;;) {
        ssize_t count = send(side->peers[0].descriptor, bytes + sent, LARGE - sent,
                             MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count <= 0)
            break;
        sent += (size_t)count;
        run_turns(side->loop);
    }
    assert_true(sent < 1024u * 1024u);
    assert_int_equal(asked.body.length, 0);
    loop_advance(side->loop, 50 * SECOND); /* our own pause is not the peer's silence */
    assert_non_null(asked.call);
    asked.at_flush = NULL;
    http_call_resume(asked.call);
    run_turns(side->loop);
    while (sent < LARGE) {
        ssize_t count = send(side->peers[0].descriptor, bytes + sent, LARGE - sent,
                             MSG_NOSIGNAL | MSG_DONTWAIT);
        sent += count > 0 ? (size_t)count : 0;
        run_turns(side->loop);
    }
    assert_null(asked.call);
    expect_pattern(&asked.body, LARGE);
    buffer_close(&asked.body);
    free(bytes);
}

static void test_end_while_paused(void **state)
{
    struct side *side = *state;
    struct asked asked = {.at_flush = pause_it};
    get(side, &asked);
    wire_say(&side->peers[0], side->loop, "HTTP/1.1 200 OK\r\n\r\no");
    wire_say(&side->peers[0], side->loop, "k");
    wire_hang_up(&side->peers[0]);
    run_turns(side->loop);
    asked.at_flush = NULL;
    http_call_resume(asked.call);
    run_turns(side->loop);
    expect_log(&asked, "HBFBFL");
    expect_body(&asked, "ok");
}

/* ---- time-outs ---- */

static void expect_timeout(struct side *side, struct asked *asked, uint64_t time, enum error error)
{
    loop_advance(side->loop, time - MILLISECOND);
    assert_non_null(asked->call);
    loop_advance(side->loop, 2 * MILLISECOND);
    expect_failed(asked, error);
    expect_counts(side, 0, 0);
}

static void test_first_byte_timeout(void **state)
{
    struct side *side = *state;
    struct asked asked = {0};
    get(side, &asked);
    expect_timeout(side, &asked, 30 * SECOND, ERROR_TIMEOUT_FIRST_BYTE);
    wire_drain(&side->peers[0], side->loop);
    assert_true(side->peers[0].ended);
}

static void test_idle_timeout(void **state)
{
    struct side *side = *state;
    struct asked asked = {0};
    get(side, &asked);
    loop_advance(side->loop, 29 * SECOND);
    wire_say(&side->peers[0], side->loop, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    loop_advance(side->loop, 19 * SECOND);
    wire_say(&side->peers[0], side->loop, "1\r\nx\r\n");
    expect_timeout(side, &asked, 20 * SECOND, ERROR_TIMEOUT_IDLE);
}

static void test_total_timeout(void **state)
{
    struct side *side = *state;
    struct asked asked = {0};
    get(side, &asked);
    wire_say(&side->peers[0], side->loop, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    for (unsigned i = 0; i < 9; i++) {
        loop_advance(side->loop, 10 * SECOND);
        wire_say(&side->peers[0], side->loop, "1\r\nx\r\n");
    }
    expect_timeout(side, &asked, 10 * SECOND, ERROR_TIMEOUT_TOTAL);
}

/* A socket that is bound but answers nothing, and its port. */
static int bind_loopback(int type, uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int descriptor = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(descriptor, (struct sockaddr *)&address, length), 0);
    if (type == SOCK_STREAM)
        assert_int_equal(listen(descriptor, 8), 0);
    assert_int_equal(getsockname(descriptor, (struct sockaddr *)&address, &length), 0);
    *port = ntohs(address.sin_port);
    return descriptor;
}

/* From here on the origin is really dialled. */
static int dial_for_real(struct side *side)
{
    uint16_t port;
    int listening = bind_loopback(SOCK_STREAM, &port);
    side->resolver = resolver_create(side->loop, "127.0.0.1", SECOND);
    assert_non_null(side->resolver);
    side->settings.open_internal = NULL;
    side->settings.host = TEXT("127.0.0.1");
    side->settings.port = port;
    side->settings.authority = TEXT("up.test");
    make_origin(side);
    return listening;
}

static struct wire *accept_peer(struct side *side, int listening)
{
    run_turns(side->loop);
    struct wire *peer = &side->peers[side->count++];
    wire_open(peer, accept4(listening, NULL, NULL, SOCK_CLOEXEC));
    assert_true(peer->descriptor >= 0);
    return peer;
}

static void test_dial(void **state)
{
    struct side *side = *state;
    struct asked asked = {0};
    int listening = dial_for_real(side);
    get(side, &asked);
    struct wire *peer = accept_peer(side, listening);
    wire_expect(peer, side->loop, REQUEST);
    wire_say(peer, side->loop, ANSWER);
    expect_served(&asked);
    assert_true(asked.times.connected > 0 && asked.times.sent >= asked.times.connected);
    close(listening);
}

static void test_refused(void **state)
{
    struct side *side = *state;
    struct asked asked = {0};
    close(dial_for_real(side));
    get(side, &asked);
    run_turns(side->loop);
    expect_failed(&asked, ERROR_REFUSED);
    expect_counts(side, 0, 0);
}

static void test_silent_name_server(void **state)
{
    struct side *side = *state;
    struct asked asked[2] = {0};
    uint16_t port;
    char server[32];
    int silent = bind_loopback(SOCK_DGRAM, &port);
    snprintf(server, sizeof(server), "127.0.0.1:%u", port);
    side->resolver = resolver_create(side->loop, server, 60 * SECOND);
    side->settings.open_internal = NULL;
    side->settings.connections = 1;
    make_origin(side);
    get(side, &asked[0]);
    loop_advance(side->loop, 3 * SECOND);
    get(side, &asked[1]); /* waits, and is served when the place is given up */
    loop_advance(side->loop, 2 * SECOND + MILLISECOND);
    expect_failed(&asked[0], ERROR_TIMEOUT_NAME);
    expect_counts(side, 1, 0);
    loop_advance(side->loop, 5 * SECOND);
    expect_failed(&asked[1], ERROR_TIMEOUT_NAME);
    expect_counts(side, 0, 0);
    close(silent);
}

/* ---- waiting for a connection ---- */

static void test_waiting_in_order(void **state)
{
    struct side *side = *state;
    struct asked asked[4] = {0};
    side->settings.connections = 1;
    make_origin(side);
    for (size_t i = 0; i < 3; i++)
        get(side, &asked[i]);
    get(side, &asked[3]);
    expect_failed(&asked[3], ERROR_LIMIT);
    for (size_t i = 0; i < 3; i++) {
        wire_expect(&side->peers[0], side->loop, REQUEST);
        wire_say(&side->peers[0], side->loop, ANSWER);
        expect_served(&asked[i]);
    }
    assert_int_equal(side->count, 1);
    expect_counts(side, 1, 1);
}

static void test_waiting_too_long(void **state)
{
    struct side *side = *state;
    struct asked asked[2] = {0};
    side->settings.connections = 1;
    make_origin(side);
    get(side, &asked[0]);
    get(side, &asked[1]);
    loop_advance(side->loop, 6 * SECOND);
    expect_failed(&asked[1], ERROR_LIMIT);
    wire_say(&side->peers[0], side->loop, ANSWER);
    expect_served(&asked[0]);
    expect_counts(side, 1, 1);
}

/* A place that is given up goes to the next, whatever became of its holder. */
static void test_a_place_is_passed_on(void **state)
{
    struct side *side = *state;
    side->settings.connections = 1;
    make_origin(side);
    for (unsigned way = 0; way < 4; way++) {
        struct asked first = {0}, second = {0};
        size_t before = side->count;
        start(side, &first,
              (struct http_call_request){.method = HTTP1_GET, .target = TEXT("/x"), .held = true});
        start(side, &second,
              (struct http_call_request){.method = HTTP1_GET, .target = TEXT("/x"), .held = true});
        if (way == 0) { /* within the turn in which it was started */
            give_up(&first);
        } else if (way == 1) {
            run_turns(side->loop);
            give_up(&first);
        } else if (way == 2) {
            run_turns(side->loop);
            wire_hang_up(&side->peers[before]);
        } else {
            run_turns(side->loop);
            wire_say(&side->peers[before], side->loop,
                     "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx");
            give_up(&first);
        }
        run_turns(side->loop);
        if (way == 2)
            expect_failed(&first, ERROR_CLOSED);
        struct wire *peer = &side->peers[side->count - 1];
        assert_non_null(second.call);
        wire_say(peer, side->loop,
                 "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok");
        expect_served(&second);
        expect_counts(side, 0, 0);
    }
}

/* A streamed body wants a fresh connection where all places are taken by kept ones. */
static void test_upload_replaces_an_idle_connection(void **state)
{
    struct side *side = *state;
    struct asked asked = {0};
    side->settings.connections = 1;
    make_origin(side);
    serve_one(side, 0);
    upload(side, &asked, false, 0);
    assert_int_equal(side->count, 2);
    expect_counts(side, 1, 0);
    give_up(&asked);
    expect_counts(side, 0, 0);
}

static void test_uploads_wait_in_order(void **state)
{
    struct side *side = *state;
    struct asked first = {0}, up = {0}, last = {0};
    side->settings.connections = 1;
    make_origin(side);
    get(side, &first);
    upload(side, &up, false, 0);
    get(side, &last);
    wire_say(&side->peers[0], side->loop, ANSWER);
    expect_served(&first);
    expect_log(&up, "S");
    assert_true(http_call_send(up.call, TEXT(""), true));
    assert_int_equal(side->count, 2);
    wire_say(&side->peers[1], side->loop, ANSWER);
    expect_served(&up);
    wire_say(&side->peers[1], side->loop, ANSWER);
    expect_served(&last);
}

static void test_no_descriptors(void **state)
{
    struct side *side = *state;
    struct asked asked[2] = {0};
    side->settings.connections = 1;
    make_origin(side);
    side->refuse = true;
    start(side, &asked[0],
          (struct http_call_request){.method = HTTP1_GET, .target = TEXT("/x"), .held = true});
    start(side, &asked[1],
          (struct http_call_request){.method = HTTP1_GET, .target = TEXT("/x"), .held = true});
    run_turns(side->loop);
    expect_failed(&asked[0], ERROR_SYSTEM);
    expect_failed(&asked[1], ERROR_SYSTEM);
    expect_counts(side, 0, 0);
}

/* ---- giving up ---- */

static void cancel_now(struct asked *asked)
{
    give_up(asked);
}

static void test_cancel_within_each_event(void **state)
{
    struct side *side = *state;
    for (unsigned i = 0; i < 4; i++) {
        struct asked asked = {0};
        size_t peer = side->count;
        if (i == 0)
            asked.at_head = cancel_now;
        else if (i == 1)
            asked.at_body = cancel_now;
        else if (i == 2)
            asked.at_flush = cancel_now;
        else
            asked.at_sendable = cancel_now;
        upload(side, &asked, false, 0);
        if (i < 3)
            wire_say(&side->peers[peer], side->loop,
                     "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n1\r\ny\r\n");
        assert_null(asked.call);
        expect_counts(side, 0, 0);
        wire_drain(&side->peers[peer], side->loop);
        assert_true(side->peers[peer].ended);
    }
}

static void test_cancel_before_it_was_told(void **state)
{
    struct side *side = *state;
    struct asked asked[4] = {0};
    side->settings.connections = 1;
    side->settings.waiting = 0;
    make_origin(side);
    get(side, &asked[0]);
    start(side, &asked[1],
          (struct http_call_request){.method = HTTP1_GET, .target = TEXT("/x"), .held = true});
    give_up(&asked[1]); /* its failure was on its way */
    run_turns(side->loop);
    expect_log(&asked[1], "");
    give_up(&asked[0]);
    expect_counts(side, 0, 0);
}

static void start_another(struct asked *asked)
{
    struct asked *next = asked + 1;
    start(asked->side, next,
          (struct http_call_request){.method = HTTP1_GET, .target = TEXT("/x"), .held = true});
}

static void test_next_call_within_the_last_event(void **state)
{
    struct side *side = *state;
    struct asked asked[2] = {{.at_end = start_another}};
    get(side, &asked[0]);
    wire_say(&side->peers[0], side->loop, ANSWER);
    expect_served(&asked[0]);
    run_turns(side->loop);
    assert_int_equal(side->count, 2); /* the first connection was not back yet */
    wire_say(&side->peers[1], side->loop, ANSWER);
    expect_served(&asked[1]);
    expect_counts(side, 2, 2);
}

static void test_release_with_calls_in_flight(void **state)
{
    struct side *side = *state;
    struct asked asked[2] = {0};
    side->settings.connections = 1;
    make_origin(side);
    get(side, &asked[0]);
    get(side, &asked[1]);
    http_origin_release(side->origin);
    side->origin = NULL;
    run_turns(side->loop);
    wire_say(&side->peers[0], side->loop, ANSWER);
    expect_served(&asked[0]);
    run_turns(side->loop);
    assert_int_equal(side->count, 2); /* nothing is kept any more */
    wire_say(&side->peers[1], side->loop, ANSWER);
    expect_served(&asked[1]);
}

/* ---- proxies and TLS ---- */

static void use_proxy(struct side *side)
{
    side->settings.proxy_host = side->settings.host;
    side->settings.proxy_port = side->settings.port;
    side->settings.proxy_authorization = TEXT("Basic dTpw");
    side->settings.host = TEXT("up.test");
    side->settings.port = 443;
    make_origin(side);
}

#define CONNECT \
    "CONNECT up.test:443 HTTP/1.1\r\nhost: up.test:443\r\nproxy-authorization: Basic dTpw\r\n\r\n"

static void test_plain_tunnel(void **state)
{
    struct side *side = *state;
    struct asked asked = {0};
    int listening = dial_for_real(side);
    use_proxy(side);
    get(side, &asked);
    struct wire *peer = accept_peer(side, listening);
    wire_expect(peer, side->loop, CONNECT);
    wire_say_bytewise(peer, side->loop, "HTTP/1.1 200 Connection established\r\nvia: x\r\n\r\n");
    wire_expect(peer, side->loop, REQUEST);
    wire_say(peer, side->loop, ANSWER);
    expect_served(&asked);
    expect_counts(side, 1, 1);
    struct asked again = {0};
    get(side, &again);
    wire_expect(peer, side->loop, REQUEST); /* the tunnel is kept */
    wire_say(peer, side->loop, ANSWER);
    expect_served(&again);
    close(listening);
}

static void test_tunnel_to_an_address(void **state)
{
    struct side *side = *state;
    struct asked asked = {0};
    int listening = dial_for_real(side);
    use_proxy(side);
    side->settings.host = TEXT("::1");
    make_origin(side);
    get(side, &asked);
    struct wire *peer = accept_peer(side, listening);
    wire_expect(
        peer, side->loop,
        "CONNECT [::1]:443 HTTP/1.1\r\nhost: [::1]:443\r\nproxy-authorization: Basic dTpw\r\n\r\n");
    give_up(&asked);
    close(listening);
}

/* Whatever the proxy says beside its status: it is told at once, and none of it is an answer. */
static void test_proxy_refuses(void **state)
{
    static const char *const answers[] = {
        "HTTP/1.1 407 No\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 407 No\r\n\r\n<html>",
        "HTTP/1.1 407 No\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n1\r\ny\r\n",
        "HTTP/1.1 407 No\r\ncontent-length: 100\r\n\r\n",
    };
    struct side *side = *state;
    int listening = dial_for_real(side);
    use_proxy(side);
    for (size_t i = 0; i < ARRAY_LENGTH(answers); i++) {
        struct asked asked = {0};
        get(side, &asked);
        wire_say(accept_peer(side, listening), side->loop, answers[i]);
        expect_failed(&asked, ERROR_PROXY);
        assert_string_equal(asked.log, "X");
        assert_string_equal(asked.detail, "the proxy answered CONNECT with status 407");
        expect_counts(side, 0, 0);
    }
    close(listening);
}

static void test_proxy_is_no_proxy(void **state)
{
    struct side *side = *state;
    struct asked asked = {0}, silent = {0};
    int listening = dial_for_real(side);
    use_proxy(side);
    get(side, &asked);
    wire_say(accept_peer(side, listening), side->loop, "SSH-2.0-OpenSSH\r\n");
    expect_failed(&asked, ERROR_HTTP_SYNTAX);
    get(side, &silent);
    accept_peer(side, listening);
    expect_timeout(side, &silent, 5 * SECOND, ERROR_TIMEOUT_CONNECT);
    close(listening);
}

static void answer_far(struct endpoint *endpoint)
{
    if (memmem(endpoint->received.data, endpoint->received.length, "\r\n\r\n", 4))
        endpoint_write(endpoint, ANSWER);
}

static void test_tls_behind_a_tunnel(void **state)
{
    struct side *side = *state;
    struct certificates all;
    struct authority authority;
    struct asked asked = {0};
    struct endpoint far;
    char detail[TLS_REASON_SIZE];
    certificates_open(&all);
    authority_open(&all, &authority, "Authority");
    struct leaf leaf = make_leaf(&all, &authority, "DNS:up.test", 3600);
    const struct tls_certificate_files certificate = {.certificate_path = leaf.certificate_path,
                                                      .key_path = leaf.key_path};
    const struct tls_server_settings server = {.certificates = &certificate,
                                               .certificate_count = 1};
    const struct tls_client_settings client = {.authority_path = authority.path};
    struct tls_context *server_context, *client_context;
    assert_int_equal(tls_server_context_create(&server, NULL, &server_context, detail), ERROR_OK);
    assert_int_equal(tls_client_context_create(&client, &client_context, detail), ERROR_OK);
    int listening = dial_for_real(side);
    side->settings.tls = client_context;
    side->settings.server_name = "up.test";
    use_proxy(side);
    get(side, &asked);
    struct wire *peer = accept_peer(side, listening);
    wire_expect(peer, side->loop, CONNECT);
    wire_say(peer, side->loop, "HTTP/1.1 200 OK\r\n\r\n");
    fcntl(peer->descriptor, F_SETFL, O_NONBLOCK);
    endpoint_open(&far, side->loop, peer->descriptor, server_context, true, NULL);
    peer->descriptor = -1;
    far.then = answer_far;
    run_turns(side->loop);
    expect_received(&far, REQUEST);
    expect_served(&asked);
    assert_true(asked.times.secured > 0);
    expect_counts(side, 1, 1);
    endpoint_close(&far);
    run_turns(side->loop);
    expect_counts(side, 0, 0);

    struct asked silent = {0};
    get(side, &silent);
    wire_say(accept_peer(side, listening), side->loop, "HTTP/1.1 200 OK\r\n\r\n");
    expect_timeout(side, &silent, 7 * SECOND, ERROR_TIMEOUT_TLS);
    tls_context_release(server_context);
    tls_context_release(client_context);
    authority_close(&authority);
    certificates_close(&all);
    close(listening);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_reuse),
        TEST(test_freshest_first),
        TEST(test_idle_time),
        TEST(test_idle_connections),
        TEST(test_what_must_not_be_reused),
        TEST(test_idle_connection_dies),
        TEST(test_idle_connection_died_unnoticed),
        TEST(test_resent_once),
        TEST(test_resent_after_a_reset),
        TEST(test_never_twice),
        TEST(test_not_on_a_fresh_connection),
        TEST(test_not_when_a_byte_had_come),
        TEST(test_resent_waits_for_its_place),
        TEST(test_held_body),
        TEST(test_large_held_body_and_a_slow_peer),
        TEST(test_large_held_body_is_sent_again),
        TEST(test_peer_takes_nothing),
        TEST(test_upload_chunked),
        TEST(test_upload_with_back_pressure),
        TEST(test_upload_of_a_slow_caller),
        TEST(test_head_too_large),
        TEST(test_bytewise),
        TEST(test_until_close),
        TEST(test_head_request),
        TEST(test_truncated),
        TEST(test_malformed),
        TEST(test_early_answer_to_a_large_body),
        TEST(test_early_answer_and_hang_up),
        TEST(test_early_answer_to_an_upload),
        TEST(test_pause_at_each_slice),
        TEST(test_pause_at_the_last_byte),
        TEST(test_pause_holds_the_peer),
        TEST(test_end_while_paused),
        TEST(test_first_byte_timeout),
        TEST(test_idle_timeout),
        TEST(test_total_timeout),
        TEST(test_dial),
        TEST(test_refused),
        TEST(test_silent_name_server),
        TEST(test_waiting_in_order),
        TEST(test_waiting_too_long),
        TEST(test_a_place_is_passed_on),
        TEST(test_upload_replaces_an_idle_connection),
        TEST(test_uploads_wait_in_order),
        TEST(test_no_descriptors),
        TEST(test_cancel_within_each_event),
        TEST(test_cancel_before_it_was_told),
        TEST(test_next_call_within_the_last_event),
        TEST(test_release_with_calls_in_flight),
        TEST(test_plain_tunnel),
        TEST(test_tunnel_to_an_address),
        TEST(test_proxy_refuses),
        TEST(test_proxy_is_no_proxy),
        TEST(test_tls_behind_a_tunnel),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
