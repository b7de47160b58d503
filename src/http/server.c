/* server: see server.h.
 *
 * A caller connection's request side:   IDLE -> HEAD -> BODY -> RECEIVED -> (IDLE | gone)
 * and its answer side:                  NONE -> STARTED -> ENDED
 *
 *   IDLE      between requests; keep-alive timer runs
 *   HEAD      the first byte of a head came; head timer runs
 *   BODY      on_request was called, body bytes are expected; body timer runs while not paused
 *   RECEIVED  the request is complete; what else arrives waits in `pending`
 *
 * Invariants:
 *   - While http1_feed runs (`feeding`) nothing else touches the parser; what an event asks for is
 * done behind it (settle()).
 *   - The handle belongs to an owner exactly while `request_open`; every way out clears it first.
 *   - A connection is released through loop_defer, so no callback frees its caller.
 *   - Bytes wait in `pending` only while the parser is stopped, and reading is then paused: it
 * never holds more than one loop read buffer.
 *   - There is one timer. While the caller takes nothing of a congested answer (`write_watched`) it
 * is the write's, also when that answer is complete and the request side has gone on; else it is
 * that of the request side's state. */
#include "http/server.h"

#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/ensure.h"

enum request_state { REQUEST_IDLE, REQUEST_HEAD, REQUEST_BODY, REQUEST_RECEIVED };
enum answer_state { ANSWER_NONE, ANSWER_STARTED, ANSWER_ENDED };

struct http_request {
    struct http_server *server;
    struct connection *connection; /* NULL once closed */
    struct http_request *next, *previous;
    void *owner;
    struct address peer;
    struct http1_parser parser;
    struct buffer pending;
    struct loop_timer timer;
    struct loop_deferred release;
    struct loop_deferred resume;
    uint64_t served;    /* requests on this connection */
    uint64_t sent_seen; /* for the write timer's progress check */
    uint8_t request_state;
    uint8_t answer_state;
    bool request_open; /* the owner holds the handle */
    bool feeding;
    bool body_paused;
    bool expects_continue;
    bool chunked_answer;
    bool bodiless_answer; /* HEAD, 204, 304: a body is counted but not sent */
    bool close_after;
    bool write_watched; /* the timer watches for write progress */
    bool head_unusable; /* malformed: what the parser holds says nothing */
    bool trimmed;       /* idle for a while: the head's memory was given back */
};

struct http_server {
    struct loop *loop;
    struct listener *listener;
    struct tls_context *tls;
    struct http_server_limits limits;
    const struct http_server_events *events;
    void *owner;
    struct http_request *connections;
    struct http_server_counters counters;
    struct loop_deferred release;
    bool draining;
    bool destroyed;
};

/* A busy connection keeps the memory of its head for the next request; one that rests gives it
 * back. */
#define TRIM_AFTER NANOSECONDS_PER_SECOND

/* What one writev takes beside the parts of the owner: status line, headers, framing, chunk line,
 * chunk tail, chunk end. */
#define FRAMING_PARTS 6u

static void receive(struct http_request *request, struct text bytes);
static void settle(struct http_request *request);

/* ---- the end of a connection ---- */

static void free_server_when_empty(struct http_server *server);

static void release_connection(void *owner)
{
    struct http_request *request = owner;
    struct http_server *server = request->server;

    if (request->previous)
        request->previous->next = request->next;
    else
        server->connections = request->next;
    if (request->next)
        request->next->previous = request->previous;
    server->counters.open--;
    http1_parser_close(&request->parser);
    buffer_close(&request->pending);
    free(request);
    free_server_when_empty(server);
}

/* From here on nothing happens on this connection any more. */
static void let_go(struct http_request *request)
{
    loop_timer_clear(request->server->loop, &request->timer);
    request->connection = NULL;
    request->request_open = false;
    loop_defer(request->server->loop, &request->release, release_connection, request);
}

/* The caller is gone or must go: tells the owner where there is one. */
static void lose_caller(struct http_request *request, enum error error)
{
    bool tell = request->request_open;
    void *owner = request->owner;

    if (request->answer_state == ANSWER_STARTED)
        connection_abort(request->connection); /* he must not take half an answer for a whole one */
    else
        connection_close(request->connection);
    let_go(request);
    if (tell && owner)
        request->server->events->on_gone(owner, error);
}

/* ---- timers ---- */

static void wait_for_caller(struct http_request *request, uint64_t patience)
{
    if (!request->write_watched)
        loop_timer_set(request->server->loop, &request->timer, patience);
}

static void stop_waiting(struct http_request *request)
{
    if (!request->write_watched)
        loop_timer_clear(request->server->loop, &request->timer);
}

static void wait_idle(struct http_request *request)
{
    uint64_t patience = request->server->limits.idle_timeout;

    wait_for_caller(request, patience < TRIM_AFTER ? patience : TRIM_AFTER);
}

static void watch_writing(struct http_request *request)
{
    request->write_watched = true;
    request->sent_seen = connection_bytes_sent(request->connection);
    loop_timer_set(request->server->loop, &request->timer, request->server->limits.write_timeout);
}

static void refuse_slow_head(struct http_request *request)
{
    struct http_server *server = request->server;

    request->close_after = true;
    request->head_unusable = true;
    request->request_open = true;
    request->request_state = REQUEST_RECEIVED;
    server->events->on_malformed(server->owner, request, ERROR_TIMEOUT_IDLE,
                                 "the request head did not arrive in time");
    settle(request);
}

static void rest_or_close(struct http_request *request)
{
    uint64_t patience = request->server->limits.idle_timeout;

    if (!request->trimmed && patience > TRIM_AFTER) {
        http1_parser_idle(&request->parser);
        request->trimmed = true;
        loop_timer_set(request->server->loop, &request->timer, patience - TRIM_AFTER);
        return;
    }
    connection_finish(request->connection);
    let_go(request);
}

static void on_timer(void *owner)
{
    struct http_request *request = owner;

    if (request->write_watched) {
        if (connection_bytes_sent(request->connection) != request->sent_seen)
            watch_writing(request);
        else
            lose_caller(request, ERROR_TIMEOUT_WRITE);
        return;
    }
    switch ((enum request_state)request->request_state) {
    case REQUEST_IDLE: rest_or_close(request); break;
    case REQUEST_HEAD: refuse_slow_head(request); break;
    case REQUEST_BODY:
        request->close_after = true;
        request->request_state = REQUEST_RECEIVED;
        request->server->events->on_body_failed(request->owner, ERROR_TIMEOUT_IDLE,
                                                "the request body did not arrive in time");
        settle(request);
        break;
    case REQUEST_RECEIVED: break;
    }
}

static void await_next_request(struct http_request *request)
{
    request->request_state = REQUEST_IDLE;
    request->answer_state = ANSWER_NONE;
    request->owner = NULL;
    request->trimmed = false;
    wait_idle(request);
}

/* The caller has taken what was congested: from now on the request side's time counts. */
static void stop_watching_writing(struct http_request *request)
{
    const struct http_server_limits *limits = &request->server->limits;

    request->write_watched = false;
    stop_waiting(request);
    switch ((enum request_state)request->request_state) {
    case REQUEST_IDLE: wait_idle(request); break;
    case REQUEST_HEAD: wait_for_caller(request, limits->head_timeout); break;
    case REQUEST_BODY:
        if (!request->body_paused)
            wait_for_caller(request, limits->body_timeout);
        break;
    case REQUEST_RECEIVED: break;
    }
}

/* ---- the parser's events ---- */

static enum http1_verdict on_head(void *owner, const struct http1_head *head)
{
    struct http_request *request = owner;
    struct http_server *server = request->server;

    stop_waiting(request);
    request->request_state = REQUEST_BODY;
    request->request_open = true;
    request->body_paused = false;
    request->expects_continue = head->expect_continue;
    request->close_after =
        !head->keep_alive || server->draining ||
        (++request->served >= server->limits.requests && server->limits.requests > 0);
    server->events->on_request(server->owner, request);
    if (request->request_open && head->framing != HTTP1_NO_BODY && !request->body_paused)
        wait_for_caller(request, server->limits.body_timeout);
    if (head->framing == HTTP1_NO_BODY)
        return HTTP1_CONTINUE; /* its end follows at once */
    return request->request_open && !request->body_paused ? HTTP1_CONTINUE : HTTP1_STOP;
}

static enum http1_verdict on_body(void *owner, struct text bytes)
{
    struct http_request *request = owner;

    if (request->request_open)
        request->server->events->on_body(request->owner, bytes);
    return request->request_open && !request->body_paused ? HTTP1_CONTINUE : HTTP1_STOP;
}

static void on_complete(void *owner)
{
    struct http_request *request = owner;

    request->request_state = REQUEST_RECEIVED;
    stop_waiting(request);
    if (request->request_open)
        request->server->events->on_body_end(request->owner);
}

static const struct http1_events parser_events = {
    .on_head = on_head,
    .on_body = on_body,
    .on_complete = on_complete,
};

/* ---- receiving ---- */

static void refuse_malformed(struct http_request *request, enum error error)
{
    struct http_server *server = request->server;
    const char *reason = request->parser.reason ? request->parser.reason : error_meaning(error);
    bool had_request = request->request_state == REQUEST_BODY;

    request->close_after = true;
    request->request_state = REQUEST_RECEIVED;
    stop_waiting(request);
    if (had_request) {
        if (request->request_open)
            server->events->on_body_failed(request->owner, error, reason);
        return;
    }
    request->head_unusable = true;
    request->request_open = true;
    server->events->on_malformed(server->owner, request, error, reason);
}

/* True while the parser may be fed: a request is awaited or its body is wanted. */
static bool may_feed(const struct http_request *request)
{
    if (!request->connection)
        return false;
    if (request->request_state == REQUEST_RECEIVED)
        return false;
    return !request->body_paused;
}

static void note_arrival(struct http_request *request)
{
    struct http_server *server = request->server;

    if (request->request_state == REQUEST_IDLE) {
        request->request_state = REQUEST_HEAD;
        wait_for_caller(request, server->limits.head_timeout);
    } else if (request->request_state == REQUEST_BODY) {
        wait_for_caller(request, server->limits.body_timeout);
    }
}

/* Feeds what it may and returns the rest. */
static struct text feed(struct http_request *request, struct text bytes)
{
    while (may_feed(request) && (bytes.length > 0 || request->request_state == REQUEST_BODY)) {
        size_t consumed = 0;
        note_arrival(request);
        request->feeding = true;
        enum error error = http1_feed(&request->parser, bytes, &consumed);
        request->feeding = false;
        bytes = text_from_index(bytes, consumed);
        if (!request->connection)
            return bytes;
        if (error != ERROR_OK)
            refuse_malformed(request, error);
        settle(request);
        if (bytes.length == 0)
            break;
    }
    return bytes;
}

/* What cannot be parsed now waits, and with it the caller. */
static void hold_back(struct http_request *request, struct text bytes)
{
    if (!request->connection || bytes.length == 0)
        return;
    if (!buffer_append(&request->pending, bytes)) {
        lose_caller(request, ERROR_LIMIT);
        return;
    }
    connection_pause(request->connection);
}

static void receive(struct http_request *request, struct text bytes)
{
    hold_back(request, feed(request, bytes));
}

/* Takes up what waited; called when the parser may go on. */
static void resume_pending(void *owner)
{
    struct http_request *request = owner;

    if (!may_feed(request))
        return;
    struct buffer waiting = request->pending;
    buffer_open(&request->pending, CONNECTION_ROOM_MAXIMUM);
    connection_resume(request->connection);
    receive(request, buffer_text(&waiting));
    buffer_close(&waiting);
}

/* After any event: a complete answer to a complete request makes place for the next one. */
static void settle(struct http_request *request)
{
    if (!request->connection || request->feeding || request->answer_state != ANSWER_ENDED)
        return;
    if (request->close_after || request->request_state != REQUEST_RECEIVED ||
        request->server->draining) {
        connection_finish(request->connection);
        let_go(request);
        return;
    }
    await_next_request(request);
    if (request->pending.length > 0)
        loop_defer(request->server->loop, &request->resume, resume_pending, request);
}

/* ---- the connection's events ---- */

static void on_data(void *owner, struct text bytes)
{
    receive(owner, bytes);
}

/* Only for what certainly is body: of what lies behind it nothing may get there. Not more than
 * `pending` would take. */
static char *on_room(void *owner, size_t *size)
{
    struct http_request *request = owner;
    const struct http1_parser *parser = &request->parser;
    char *(*room)(void *, size_t *) = request->server->events->on_body_room;

    if (request->request_state != REQUEST_BODY || !request->request_open || request->body_paused ||
        parser->head.framing != HTTP1_CONTENT_LENGTH || parser->body_left == 0 || !room)
        return NULL;
    if (*size > parser->body_left)
        *size = (size_t)parser->body_left;
    return room(request->owner, size);
}

static void on_end(void *owner)
{
    struct http_request *request = owner;

    lose_caller(request, ERROR_CLOSED);
}

static void on_drained(void *owner)
{
    struct http_request *request = owner;

    if (request->write_watched)
        stop_watching_writing(request);
    if (request->request_open)
        request->server->events->on_drained(request->owner);
    settle(request);
}

static void on_failed(void *owner, enum error error)
{
    struct http_request *request = owner;

    if (error == ERROR_TLS_HANDSHAKE || error == ERROR_TLS_CERTIFICATE) {
        struct http_server *server = request->server;
        server->counters.failed_tls++;
        if (server->events->on_no_tls)
            server->events->on_no_tls(server->owner, &request->peer,
                                      connection_failure_trouble(request->connection));
    }
    lose_caller(request, error);
}

static const struct connection_events caller_events = {
    .on_data = on_data,
    .on_room = on_room,
    .on_end = on_end,
    .on_drained = on_drained,
    .on_failed = on_failed,
};

/* ---- the server ---- */

void http_server_adopt(struct http_server *server, int descriptor, const struct address *peer)
{
    struct http_request *request = calloc(1, sizeof(*request));

    if (!request) {
        close(descriptor);
        return;
    }
    request->server = server;
    request->peer = *peer;
    buffer_open(&request->pending, CONNECTION_ROOM_MAXIMUM);
    loop_timer_open(&request->timer, on_timer, request);
    http1_parser_open(&request->parser, HTTP1_REQUEST, &server->limits.http1, &parser_events,
                      request);
    request->connection = connection_create(server->loop, descriptor, server->tls, true, NULL,
                                            &caller_events, request);
    if (!request->connection) {
        http1_parser_close(&request->parser);
        free(request);
        return;
    }
    request->next = server->connections;
    if (request->next)
        request->next->previous = request;
    server->connections = request;
    server->counters.open++;
    server->counters.accepted++;
    await_next_request(request);
    /* A caller that connects has something to say: until its first byte the head's time runs, not
     * the keep-alive's; and there is no memory yet to give back. */
    request->trimmed = true;
    loop_timer_set(server->loop, &request->timer, server->limits.head_timeout);
}

void http_server_accept(struct http_server *server, int descriptor, const struct address *peer)
{
    if (server->counters.open >= server->limits.connections) {
        server->counters.refused_connections++;
        close(descriptor);
        return;
    }
    http_server_adopt(server, descriptor, peer);
}

static void on_accept(void *owner, int descriptor, const struct address *peer)
{
    http_server_accept(owner, descriptor, peer);
}

enum error http_server_create(struct loop *loop, int descriptor, struct tls_context *tls,
                              const struct http_server_limits *limits,
                              const struct http_server_events *events, void *owner,
                              struct http_server **out)
{
    struct http_server *server = calloc(1, sizeof(*server));

    if (!server)
        return ERROR_MEMORY;
    server->loop = loop;
    server->tls = tls ? tls_context_hold(tls) : NULL;
    server->limits = *limits;
    server->events = events;
    server->owner = owner;
    if (descriptor >= 0) {
        enum error error = listener_open(loop, descriptor, on_accept, server, &server->listener);
        if (error != ERROR_OK) {
            tls_context_release(server->tls);
            free(server);
            return error;
        }
    }
    *out = server;
    return ERROR_OK;
}

void http_server_set_tls(struct http_server *server, struct tls_context *tls)
{
    struct tls_context *before = server->tls;

    server->tls = tls ? tls_context_hold(tls) : NULL;
    tls_context_release(before);
}

void http_server_set_limits(struct http_server *server, const struct http_server_limits *limits)
{
    server->limits = *limits;
}

void http_server_drain(struct http_server *server)
{
    server->draining = true;
    if (server->listener)
        listener_close(server->listener);
    server->listener = NULL;
    for (struct http_request *request = server->connections; request; request = request->next) {
        request->close_after = true;
        if (request->connection && request->request_state == REQUEST_IDLE) {
            connection_finish(request->connection);
            let_go(request);
        }
    }
}

bool http_server_is_drained(const struct http_server *server)
{
    return server->connections == NULL;
}

static void free_server(void *owner)
{
    struct http_server *server = owner;

    tls_context_release(server->tls);
    free(server);
}

static void free_server_when_empty(struct http_server *server)
{
    if (server->destroyed && !server->connections)
        loop_defer(server->loop, &server->release, free_server, server);
}

void http_server_cut(struct http_server *server)
{
    for (struct http_request *request = server->connections; request; request = request->next) {
        if (request->connection)
            lose_caller(request, ERROR_DRAINING);
    }
}

void http_server_destroy(struct http_server *server)
{
    if (server->listener)
        listener_close(server->listener);
    server->listener = NULL;
    server->destroyed = true;
    http_server_cut(server);
    free_server_when_empty(server);
}

const struct http_server_counters *http_server_counters(const struct http_server *server)
{
    return &server->counters;
}

/* ---- the request's handle ---- */

void http_request_set_owner(struct http_request *request, void *owner)
{
    request->owner = owner;
}

const struct http1_head *http_request_head(const struct http_request *request)
{
    return &request->parser.head;
}

const struct address *http_request_peer(const struct http_request *request)
{
    return &request->peer;
}

bool http_request_certificate(const struct http_request *request, struct buffer *der)
{
    return connection_certificate(request->connection, der);
}

bool http_request_has_body(const struct http_request *request)
{
    return request->parser.head.framing != HTTP1_NO_BODY;
}

void http_request_accept_body(struct http_request *request)
{
    static const struct text go_on = TEXT_INIT("HTTP/1.1 100 Continue\r\n\r\n");

    if (!request->expects_continue || request->answer_state != ANSWER_NONE)
        return;
    request->expects_continue = false;
    (void)connection_write(request->connection, &go_on, 1);
}

void http_request_pause_body(struct http_request *request)
{
    request->body_paused = true;
    if (request->request_state == REQUEST_BODY)
        stop_waiting(request);
}

void http_request_resume_body(struct http_request *request)
{
    if (!request->body_paused)
        return;
    request->body_paused = false;
    if (request->request_state != REQUEST_BODY)
        return;
    wait_for_caller(request, request->server->limits.body_timeout);
    loop_defer(request->server->loop, &request->resume, resume_pending, request);
}

/* ---- answering ---- */

struct answer_text {
    char status_line[64];
    char framing[96];
    char chunk_line[HTTP1_CHUNK_LINE_SIZE];
};

/* A buffer over an array; one byte stays free for a NUL. */
static struct buffer buffer_over(char *array, size_t size)
{
    return (struct buffer){.data = array, .capacity = size - 1, .maximum = size - 1};
}

static struct text write_status_line(struct answer_text *text, unsigned status)
{
    struct buffer line = buffer_over(text->status_line, sizeof(text->status_line));

    ensure(http1_append_status_line(&line, status));
    return buffer_text(&line);
}

static bool status_has_no_body(unsigned status)
{
    return status == 204 || status == 304;
}

/* Content-Length, chunked, or the connection's end (RFC 9112 section 6.1: no transfer coding to
 * a 1.0 caller). */
static struct text write_framing(struct http_request *request, const struct http_answer *answer,
                                 struct answer_text *text)
{
    struct buffer lines = buffer_over(text->framing, sizeof(text->framing));

    if (!status_has_no_body(answer->status) && answer->has_length)
        http1_append_header_unsigned(&lines, TEXT("content-length"), answer->length);
    else if (!status_has_no_body(answer->status) && request->chunked_answer)
        buffer_append(&lines, TEXT("transfer-encoding: chunked\r\n"));
    if (request->close_after) /* set too where only the connection's end ends the body */
        buffer_append(&lines, TEXT("connection: close\r\n"));
    buffer_append(&lines, TEXT("\r\n"));
    ensure(!lines.failed);
    return buffer_text(&lines);
}

static size_t total_length(const struct text *parts, size_t count)
{
    size_t total = 0;

    for (size_t i = 0; i < count; i++)
        total += parts[i].length;
    return total;
}

/* Adds the body's parts, framed, behind `out`; returns the new count. */
static size_t add_body(struct http_request *request, struct text *out, size_t used,
                       const struct text *parts, size_t count, bool last, struct answer_text *text)
{
    size_t total = request->bodiless_answer ? 0 : total_length(parts, count);
    bool chunk = request->chunked_answer && !request->bodiless_answer;

    ensure(count <= HTTP_REQUEST_PARTS_MAXIMUM);
    if (total > 0) {
        if (chunk)
            out[used++] =
                text_of(text->chunk_line, http1_format_chunk_line(total, text->chunk_line));
        memcpy(out + used, parts, count * sizeof(*parts));
        used += count;
        if (chunk && !last)
            out[used++] = HTTP1_CHUNK_TAIL;
    }
    if (last && chunk)
        out[used++] = total > 0 ? TEXT("\r\n0\r\n\r\n") : HTTP1_CHUNK_END;
    return used;
}

static bool write_parts(struct http_request *request, const struct text *parts, size_t count,
                        bool last)
{
    if (last) {
        request->answer_state = ANSWER_ENDED;
        request->request_open = false;
        request->owner = NULL;
    }
    if (count > 0 && !connection_write(request->connection, parts, count)) {
        connection_abort(request->connection);
        let_go(request);
        return false;
    }
    if (connection_is_congested(request->connection) && !request->write_watched)
        watch_writing(request);
    if (last)
        settle(request);
    return true;
}

bool http_request_respond(struct http_request *request, const struct http_answer *answer,
                          const struct text *parts, size_t count, bool last)
{
    struct text out[HTTP_REQUEST_PARTS_MAXIMUM + FRAMING_PARTS];
    struct answer_text text;
    const struct http1_head *head = &request->parser.head;

    ensure(request->request_open && request->answer_state == ANSWER_NONE);
    request->answer_state = ANSWER_STARTED;
    request->bodiless_answer = status_has_no_body(answer->status) ||
                               (!request->head_unusable && head->method == HTTP1_HEAD);
    request->chunked_answer =
        !answer->has_length && !request->head_unusable && head->version_minor > 0;
    if (answer->close ||
        (request->request_state == REQUEST_BODY && http_request_has_body(request)) ||
        (!answer->has_length && !request->chunked_answer))
        request->close_after = true;
    out[0] = write_status_line(&text, answer->status);
    out[1] = answer->headers;
    out[2] = write_framing(request, answer, &text);
    return write_parts(request, out, add_body(request, out, 3, parts, count, last, &text), last);
}

bool http_request_send(struct http_request *request, const struct text *parts, size_t count,
                       bool last)
{
    struct text out[HTTP_REQUEST_PARTS_MAXIMUM + FRAMING_PARTS];
    struct answer_text text;

    ensure(request->request_open && request->answer_state == ANSWER_STARTED);
    return write_parts(request, out, add_body(request, out, 0, parts, count, last, &text), last);
}

bool http_request_is_congested(const struct http_request *request)
{
    return request->connection && connection_is_congested(request->connection);
}

void http_request_abort(struct http_request *request)
{
    connection_abort(request->connection);
    let_go(request);
}
