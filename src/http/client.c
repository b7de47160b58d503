/* client: see client.h.
 *
 * A call:  WAITING (for a place) -> DIALLING -> TUNNELLING -> SECURING -> SENT -> ANSWERING -> over
 *          a kept connection goes straight to SENT; a call that lost a kept connection goes back to
 * DIALLING, once.
 *
 * A line is one connection to the origin: idle in the origin's list, or carrying exactly one call.
 *
 * Invariants:
 *   - origin->open_count counts lines and dials; it never passes settings.connections.
 *   - call->line and line->call point at each other or are both NULL.
 *   - Owners hear of a call's end once; the handle is unlinked before they do, and freed at the end
 * of the turn.
 *   - While http1_feed runs (`feeding`) a line is not returned to the pool; that is done behind it.
 */
#include "http/client.h"

#include <unistd.h>

#include "base/buffer.h"
#include "base/ensure.h"
#include "base/secret.h"

enum call_state {
    CALL_WAITING,
    CALL_DIALLING,
    CALL_TUNNELLING,
    CALL_SECURING,
    CALL_SENT,
    CALL_ANSWERING,
    CALL_OVER
};

struct line {
    struct http_origin *origin;
    struct connection *connection;
    struct http_call *call;
    struct line *next, *previous; /* among the origin's lines; idle ones first, freshest first */
    struct http1_parser parser;
    struct buffer head;    /* the request's head as sent; memory kept for the next call */
    struct buffer pending; /* answer bytes that the paused call did not take */
    struct text
        slice; /* body bytes not yet given on: the next event tells whether they are the last */
    struct loop_deferred release;
    struct loop_deferred resume;
    uint64_t idle_since;
    bool feeding;
    bool unflushed; /* something was given since the last on_flush */
    bool complete;  /* the answer ended */
    bool reusable;  /* the answer's head allows another request */
    bool closed;
};

struct http_call {
    struct http_origin *origin;
    struct line *line;
    struct dial *dial;
    struct http_call *next_waiting;
    const struct http_call_events *events;
    void *owner;
    struct http_call_request request;
    struct http_call_times times;
    struct loop_timer phase_timer;
    struct loop_timer total_timer;
    struct loop_deferred
        finish; /* a failure that is told at the end of the turn; then the memory */
    enum error failure;
    const char *failure_detail; /* static */
    enum call_state state;
    uint64_t dial_began;            /* loop_now */
    bool opening;                   /* an internal connection is opened at the end of the turn */
    size_t head_offset, body_index, body_offset; /* held request: what was handed to the connection so far */
    bool all_sent;
    bool paused;
    bool wants_sendable;
};

struct http_origin {
    struct loop *loop;
    struct resolver *resolver;
    struct http_origin_settings settings;
    struct buffer texts; /* backs the settings' texts */
    struct line *lines;
    struct http_call *waiting, **waiting_end;
    size_t waiting_count;
    size_t open_count;
    size_t idle_count;
    struct loop_timer idle_timer;
    struct loop_deferred release;
    size_t calls;
    bool released;
};

/* The longest request head we write: what a caller may send (64 KiB) and what we add. */
#define REQUEST_HEAD_MAXIMUM (128u * 1024u)
/* A held body goes to the kernel in one write with its head up to here, in steps beyond. */
#define WHOLE_WRITE_MAXIMUM CONNECTION_HIGH_MARK

static void begin(struct http_call *call, bool fresh);
static void serve_waiting(struct http_origin *origin);
static void send_request(struct http_call *call);
static void fail_later(struct http_call *call, enum error error, const char *detail);
static void feed(struct line *line, struct text bytes);

/* ---- the end of a call ---- */

static void free_origin_when_unused(struct http_origin *origin);

static void free_call(void *owner)
{
    struct http_call *call = owner;
    struct http_origin *origin = call->origin;

    origin->calls--;
    free(call);
    free_origin_when_unused(origin);
}

static void stop_waiting(struct http_call *call)
{
    struct http_origin *origin = call->origin;

    for (struct http_call **at = &origin->waiting; *at; at = &(*at)->next_waiting) {
        if (*at != call)
            continue;
        *at = call->next_waiting;
        if (!*at)
            origin->waiting_end = at;
        origin->waiting_count--;
        return;
    }
}

/* Takes the call out of everything; its memory goes at the end of the turn. */
static void retire_call(struct http_call *call)
{
    struct http_origin *origin = call->origin;

    loop_timer_clear(origin->loop, &call->phase_timer);
    loop_timer_clear(origin->loop, &call->total_timer);
    if (call->state == CALL_WAITING)
        stop_waiting(call);
    if (call->dial) {
        dial_cancel(call->dial);
        call->dial = NULL;
        origin->open_count--;
    }
    if (call->opening)
        origin->open_count--;
    call->opening = false;
    if (call->line)
        call->line->call = NULL;
    call->line = NULL;
    call->state = CALL_OVER;
    loop_defer(origin->loop, &call->finish, free_call, call);
}

/* ---- lines ---- */

static void unlink_line(struct line *line)
{
    struct http_origin *origin = line->origin;

    if (line->previous)
        line->previous->next = line->next;
    else
        origin->lines = line->next;
    if (line->next)
        line->next->previous = line->previous;
    line->next = line->previous = NULL;
}

static void link_line_first(struct line *line)
{
    struct http_origin *origin = line->origin;

    line->previous = NULL;
    line->next = origin->lines;
    if (line->next)
        line->next->previous = line;
    origin->lines = line;
}

static void free_line(void *owner)
{
    struct line *line = owner;
    struct http_origin *origin = line->origin;

    http1_parser_close(&line->parser);
    if (line->head.data) /* the provider's key was in it */
        secret_wipe(line->head.data, line->head.capacity);
    buffer_close(&line->head);
    buffer_close(&line->pending);
    free(line);
    free_origin_when_unused(origin);
}

static void discard_line(struct line *line)
{
    struct http_origin *origin = line->origin;

    line->closed = true;
    if (line->connection)
        connection_close(line->connection);
    line->connection = NULL;
    if (line->idle_since)
        origin->idle_count--;
    line->idle_since = 0;
    if (line->call)
        line->call->line = NULL;
    line->call = NULL;
    unlink_line(line);
    origin->open_count--;
    loop_defer(origin->loop, &line->release, free_line, line);
}

/* The line is no more: makes room for who waits. */
static void drop_line(struct line *line)
{
    if (line->closed)
        return;
    discard_line(line);
    serve_waiting(line->origin);
}

static void fail_call(struct http_call *call, enum error error, struct text detail)
{
    struct http_origin *origin = call->origin;
    struct line *line = call->line;
    const struct http_call_events *events = call->events;
    void *owner = call->owner;

    retire_call(call);
    if (line)
        drop_line(line);
    serve_waiting(origin); /* a dial that was given up leaves a place too */
    events->on_failed(owner, error, detail);
}

static void sweep_idle(void *owner)
{
    struct http_origin *origin = owner;
    uint64_t now = loop_now(origin->loop);
    uint64_t oldest = 0;

    for (struct line *line = origin->lines, *next; line; line = next) {
        next = line->next;
        if (!line->idle_since)
            continue;
        if (now - line->idle_since >= origin->settings.idle_time)
            drop_line(line);
        else if (oldest == 0 || line->idle_since < oldest)
            oldest = line->idle_since;
    }
    if (oldest)
        loop_timer_set(origin->loop, &origin->idle_timer,
                       oldest + origin->settings.idle_time - now);
}

/* Back into the pool, or away. */
static void return_line(struct line *line)
{
    struct http_origin *origin = line->origin;

    if (!line->reusable || origin->released || line->pending.length > 0 ||
        origin->idle_count >= origin->settings.idle_connections) {
        drop_line(line);
        return;
    }
    line->complete = false;
    line->idle_since = loop_now(origin->loop);
    if (origin->idle_count++ == 0)
        loop_timer_set(origin->loop, &origin->idle_timer, origin->settings.idle_time);
    if (origin->lines != line) {
        unlink_line(line);
        link_line_first(line);
    }
    connection_resume(line->connection);
    serve_waiting(origin);
}

/* ---- the answer ---- */

static void give_slice(struct line *line, bool last)
{
    struct http_call *call = line->call;
    struct text slice = line->slice;

    line->slice = text_of(NULL, 0);
    if (!call || (slice.length == 0 && !last))
        return;
    line->unflushed = true;
    const struct http_call_events *events = call->events;
    void *owner = call->owner;
    if (last) {
        line->reusable = line->reusable && call->all_sent;
        retire_call(call);
    }
    events->on_body(owner, slice, last);
}

static enum http1_verdict on_head(void *owner, const struct http1_head *head)
{
    struct line *line = owner;
    struct http_call *call = line->call;

    line->reusable = head->keep_alive && head->framing != HTTP1_UNTIL_CLOSE && !head->upgrade;
    if (!call)
        return HTTP1_CONTINUE;
    if (call->state == CALL_TUNNELLING) {
        line->complete = true; /* what a proxy says beside its status is nobody's answer */
        return HTTP1_STOP;
    }
    if (head->upgrade) {
        fail_call(call, ERROR_HTTP_UNSUPPORTED,
                  TEXT("it switched to a protocol that was not asked for"));
        return HTTP1_STOP;
    }
    call->state = CALL_ANSWERING;
    line->unflushed = true;
    call->events->on_head(call->owner, head);
    return line->call && !line->call->paused ? HTTP1_CONTINUE : HTTP1_STOP;
}

static enum http1_verdict on_body(void *owner, struct text bytes)
{
    struct line *line = owner;

    give_slice(line, false);
    line->slice = bytes;
    return line->call && !line->call->paused ? HTTP1_CONTINUE : HTTP1_STOP;
}

static void on_complete(void *owner)
{
    struct line *line = owner;

    line->complete = true;
    give_slice(line, true);
}

static const struct http1_events parser_events = {
    .on_head = on_head,
    .on_body = on_body,
    .on_complete = on_complete,
};

/* A kept connection may have been closed by the peer while our request was under way: nobody is to
 * blame, nothing was answered. */
static bool may_resend(const struct http_call *call)
{
    return call->times.reused && !call->times.resent && call->request.held &&
           call->state == CALL_SENT && call->times.first_byte == 0;
}

static void lose_line(struct line *line, enum error error, struct text detail)
{
    struct http_call *call = line->call;

    if (!call) {
        drop_line(line);
        return;
    }
    if (may_resend(call) &&
        (error == ERROR_CLOSED || error == ERROR_RESET || error == ERROR_TLS_PROTOCOL)) {
        call->line = NULL;
        line->call = NULL;
        call->times.resent = true;
        call->times.reused = false;
        drop_line(line);
        begin(call, true);
        return;
    }
    fail_call(call, error, detail);
}

static void set_answer_timer(struct http_call *call)
{
    loop_timer_set(call->origin->loop, &call->phase_timer, call->request.timeouts.idle);
}

/* The proxy's answer to CONNECT: the tunnel stands, or the call fails with what the proxy said. */
static void end_tunnelling(struct line *line)
{
    struct http_call *call = line->call;
    struct http_origin *origin = line->origin;
    unsigned status = line->parser.head.status;
    char said[64];

    if (status < 200 || status > 299) {
        int length =
            snprintf(said, sizeof(said), "the proxy answered CONNECT with status %u", status);
        fail_call(call, ERROR_PROXY, text_of(said, (size_t)length));
        return;
    }
    call->times.connected = loop_now_exact(origin->loop);
    line->complete = false;
    http1_parser_close(&line->parser);
    http1_parser_open(&line->parser, HTTP1_RESPONSE, &origin->settings.limits, &parser_events,
                      line);
    if (!origin->settings.tls) {
        send_request(call);
        return;
    }
    call->state = CALL_SECURING;
    loop_timer_set(origin->loop, &call->phase_timer, call->request.timeouts.tls);
    enum error error =
        connection_start_tls(line->connection, origin->settings.tls, origin->settings.server_name);
    if (error != ERROR_OK)
        fail_call(call, error, TEXT("TLS could not be started behind the proxy"));
}

/* After a feed: gives on what is left, flushes, returns the line when the answer is over. */
static void finish_feed(struct line *line)
{
    if (line->call && line->call->state == CALL_ANSWERING) {
        give_slice(line, false);
        struct http_call *call = line->call;
        bool flush = line->unflushed;
        line->unflushed = false;
        if (call && flush && call->events->on_flush)
            call->events->on_flush(call->owner);
        if (line->call && line->call->paused)
            connection_pause(line->connection);
    }
    line->slice = text_of(NULL, 0);
    if (line->closed)
        return;
    if (line->complete && line->call && line->call->state == CALL_TUNNELLING)
        end_tunnelling(line);
    else if (line->complete && !line->call)
        return_line(line);
}

static void hold_back(struct line *line, struct text bytes)
{
    if (line->closed || bytes.length == 0)
        return;
    if (!line->call) { /* bytes that nobody asked for: this connection is of no more use */
        drop_line(line);
        return;
    }
    if (!buffer_append(&line->pending, bytes)) {
        lose_line(line, ERROR_MEMORY, TEXT("no memory for the answer"));
        return;
    }
    connection_pause(line->connection);
}

static void feed(struct line *line, struct text bytes)
{
    size_t consumed = 0;

    line->feeding = true;
    enum error error = http1_feed(&line->parser, bytes, &consumed);
    line->feeding = false;
    struct text rest = text_from_index(bytes, consumed);
    if (line->closed)
        return;
    if (error != ERROR_OK) {
        const char *reason = line->parser.reason;
        give_slice(line, false);
        lose_line(line, error, text_from(reason ? reason : error_meaning(error)));
        return;
    }
    if (line->complete && rest.length > 0)
        line->reusable = false; /* it speaks out of turn */
    else
        hold_back(line, rest);
    finish_feed(line);
}

static void on_data(void *owner, struct text bytes)
{
    struct line *line = owner;
    struct http_call *call = line->call;

    if (!call) {
        drop_line(line);
        return;
    }
    if (call->times.first_byte == 0 && call->state == CALL_SENT)
        call->times.first_byte = loop_now_exact(line->origin->loop);
    if (call->state != CALL_TUNNELLING)
        set_answer_timer(call);
    feed(line, bytes);
}

static void on_end(void *owner)
{
    struct line *line = owner;

    if (!line->call || line->call->state != CALL_ANSWERING) {
        lose_line(line, ERROR_CLOSED, TEXT("the connection was closed before an answer came"));
        return;
    }
    line->reusable = false;
    enum error error = http1_end(&line->parser);
    if (error != ERROR_OK) {
        lose_line(line, error, text_from(error_meaning(error)));
        return;
    }
    finish_feed(line);
    if (!line->closed)
        drop_line(line);
}

static void on_line_failed(void *owner, enum error error)
{
    struct line *line = owner;
    char copy[256];
    size_t length = 0;
    struct text detail = connection_failure_detail(line->connection);

    length = text_first(detail, sizeof(copy)).length;
    if (length > 0)
        memcpy(copy, detail.data, length);
    line->connection = NULL; /* it closed itself */
    lose_line(line, error, length > 0 ? text_of(copy, length) : text_from(error_meaning(error)));
}

/* ---- the request ---- */

static void mark_sent(struct http_call *call)
{
    struct http_origin *origin = call->origin;

    call->all_sent = true;
    call->times.sent = loop_now_exact(origin->loop);
    if (call->state == CALL_SENT)
        loop_timer_set(origin->loop, &call->phase_timer, call->request.timeouts.first_byte);
}

static bool write_head(struct http_call *call, struct buffer *head)
{
    const struct http_origin_settings *settings = &call->origin->settings;
    const struct http_call_request *request = &call->request;
    size_t length = 0;

    buffer_clear(head);
    buffer_append(head, http1_method_text(request->method));
    buffer_append_char(head, ' ');
    buffer_append(head, request->target);
    buffer_append(head, TEXT(" HTTP/1.1\r\nhost: "));
    buffer_append(head, settings->authority);
    buffer_append(head, TEXT("\r\n"));
    buffer_append(head, request->headers);
    for (size_t i = 0; i < request->body_count; i++)
        length += request->body[i].length;
    if (request->held && (length > 0 || request->method == HTTP1_POST))
        http1_append_header_unsigned(head, TEXT("content-length"), length);
    else if (request->has_body && request->has_length)
        http1_append_header_unsigned(head, TEXT("content-length"), request->length);
    else if (request->has_body)
        buffer_append(head, TEXT("transfer-encoding: chunked\r\n"));
    buffer_append(head, TEXT("\r\n"));
    return !head->failed;
}

#define PARTS_IN_ONE_WRITE 60u

/* The head, where it is not sent yet, and what is left of the held body; returns how many parts. */
static size_t parts_left(const struct http_call *call, struct text parts[PARTS_IN_ONE_WRITE])
{
    const struct http_call_request *request = &call->request;
    size_t count = 0;

    parts[count++] = text_from_index(buffer_text(&call->line->head), call->head_offset);
    for (size_t i = call->body_index; i < request->body_count && count < PARTS_IN_ONE_WRITE; i++)
        parts[count++] = text_from_index(request->body[i], i == call->body_index ? call->body_offset : 0);
    return count;
}

/* Moves over what the kernel took; true when nothing is left. */
static bool note_taken(struct http_call *call, size_t taken)
{
    const struct http_call_request *request = &call->request;
    size_t of_head = call->line->head.length - call->head_offset;

    if (of_head > taken)
        of_head = taken;
    call->head_offset += of_head;
    call->body_offset += taken - of_head;
    while (call->body_index < request->body_count && call->body_offset >= request->body[call->body_index].length)
        call->body_offset -= request->body[call->body_index++].length;
    return call->head_offset == call->line->head.length && call->body_index == request->body_count;
}

/* Hands on as much of a large held request as the kernel takes. */
static void pump_request(struct http_call *call)
{
    struct text parts[PARTS_IN_ONE_WRITE];
    size_t taken, offered;

    do {
        size_t count = parts_left(call, parts);
        offered = 0;
        for (size_t i = 0; i < count; i++)
            offered += parts[i].length;
        taken = connection_offer(call->line->connection, parts, count);
        if (note_taken(call, taken)) {
            mark_sent(call);
            return;
        }
    } while (taken == offered);
    if (call->state == CALL_SENT)
        loop_timer_set(call->origin->loop, &call->phase_timer, call->request.timeouts.idle);
}

/* The head, and with it the whole body where that fits one write. */
static bool write_request(struct http_call *call)
{
    const struct http_call_request *request = &call->request;
    struct text parts[PARTS_IN_ONE_WRITE];
    size_t total = 0;

    if (!write_head(call, &call->line->head))
        return false;
    for (size_t i = 0; i < request->body_count; i++)
        total += request->body[i].length;
    if (total > WHOLE_WRITE_MAXIMUM || request->body_count >= PARTS_IN_ONE_WRITE) {
        pump_request(call);
        return true;
    }
    if (!connection_write(call->line->connection, parts, parts_left(call, parts)))
        return false;
    call->body_index = request->body_count;
    if (!request->has_body)
        mark_sent(call);
    return true;
}

static void send_request(struct http_call *call)
{
    call->state = CALL_SENT;
    call->head_offset = call->body_index = call->body_offset = 0;
    call->all_sent = false;
    http1_parser_expect(&call->line->parser, call->request.method);
    if (!write_request(call)) {
        struct line *line = call->line;
        line->call = NULL;
        call->line = NULL;
        drop_line(line);
        fail_later(call, ERROR_LIMIT, "the request head is larger than what can be sent");
        return;
    }
    if (!call->all_sent)
        loop_timer_set(call->origin->loop, &call->phase_timer, call->request.timeouts.idle);
    if (!call->request.has_body)
        return;
    ensure(call->events->on_sendable);
    call->wants_sendable = connection_is_congested(call->line->connection);
    if (!call->wants_sendable)
        call->events->on_sendable(call->owner);
}

static void on_drained(void *owner)
{
    struct line *line = owner;
    struct http_call *call = line->call;

    if (!call || call->all_sent)
        return;
    loop_timer_set(call->origin->loop, &call->phase_timer, call->request.timeouts.idle);
    if (!call->request.has_body) {
        pump_request(call);
    } else if (call->wants_sendable) {
        call->wants_sendable = false;
        call->events->on_sendable(call->owner);
    }
}

static void on_secured(void *owner)
{
    struct line *line = owner;

    if (!line->call)
        return;
    line->call->times.secured = loop_now_exact(line->origin->loop);
    send_request(line->call);
}

static const struct connection_events line_events = {
    .on_open = on_secured,
    .on_data = on_data,
    .on_end = on_end,
    .on_drained = on_drained,
    .on_failed = on_line_failed,
};

/* ---- getting a line ---- */

static struct line *make_line(struct http_origin *origin, int descriptor, struct tls_context *tls)
{
    struct line *line = calloc(1, sizeof(*line));

    if (!line) {
        close(descriptor);
        return NULL;
    }
    line->origin = origin;
    buffer_open(&line->head, REQUEST_HEAD_MAXIMUM);
    buffer_open(&line->pending, LOOP_READ_BUFFER_SIZE);
    http1_parser_open(&line->parser, HTTP1_RESPONSE, &origin->settings.limits, &parser_events,
                      line);
    line->connection = connection_create(origin->loop, descriptor, tls, false,
                                         origin->settings.server_name, &line_events, line);
    if (!line->connection) {
        http1_parser_close(&line->parser);
        free(line);
        return NULL;
    }
    link_line_first(line);
    return line;
}

static void start_tunnelling(struct http_call *call)
{
    const struct http_origin_settings *settings = &call->origin->settings;
    struct buffer *head = &call->line->head;

    uint64_t patience = call->request.timeouts.connect,
             spent = loop_now(call->origin->loop) - call->dial_began;

    call->state = CALL_TUNNELLING;
    loop_timer_set(call->origin->loop, &call->phase_timer, patience > spent ? patience - spent : 0);
    buffer_clear(head);
    bool literal6 =
        text_find_char(settings->host, ':') >= 0; /* RFC 3986 section 3.2.2: in brackets */
    const char *before = literal6 ? "[" : "", *after = literal6 ? "]" : "";
    buffer_append_format(head, "CONNECT %s%.*s%s:%u HTTP/1.1\r\nhost: %s%.*s%s:%u\r\n", before,
                         TEXT_ARG(settings->host), after, settings->port, before,
                         TEXT_ARG(settings->host), after, settings->port);
    if (settings->proxy_authorization.length > 0)
        http1_append_header(head, TEXT("proxy-authorization"), settings->proxy_authorization);
    buffer_append(head, TEXT("\r\n"));
    http1_parser_expect(&call->line->parser, HTTP1_CONNECT);
    struct text part = buffer_text(head);
    if (head->failed || !connection_write(call->line->connection, &part, 1))
        fail_call(call, ERROR_LIMIT, TEXT("the CONNECT request could not be written"));
}

/* A connected descriptor is here: tunnel, TLS or the request itself comes next. */
static void use_descriptor(struct http_call *call, int descriptor)
{
    struct http_origin *origin = call->origin;
    bool tunnel = origin->settings.proxy_host.length > 0;
    struct line *line = make_line(origin, descriptor, tunnel ? NULL : origin->settings.tls);

    if (!line) {
        origin->open_count--;
        fail_call(call, ERROR_MEMORY, TEXT("no memory for a connection"));
        return;
    }
    line->call = call;
    call->line = line;
    if (tunnel) {
        start_tunnelling(call);
    } else if (origin->settings.tls) {
        call->state = CALL_SECURING;
        loop_timer_set(origin->loop, &call->phase_timer, call->request.timeouts.tls);
    } else {
        send_request(call);
    }
}

static void on_dialled(void *owner, const struct dial_result *result)
{
    struct http_call *call = owner;

    call->dial = NULL;
    call->times.resolved = result->resolved_at;
    call->times.connected = result->connected_at;
    if (result->error != ERROR_OK) {
        call->origin->open_count--;
        fail_call(call, result->error, text_from(error_meaning(result->error)));
        return;
    }
    use_descriptor(call, result->descriptor);
}

static void tell_failure(void *owner)
{
    struct http_call *call = owner;

    if (call->state == CALL_OVER)
        free_call(call); /* given up before it was told */
    else
        fail_call(call, call->failure, text_from(call->failure_detail));
}

/* A failure found while starting: told at the end of the turn, never from within. */
static void fail_later(struct http_call *call, enum error error, const char *detail)
{
    call->failure = error;
    call->failure_detail = detail;
    loop_timer_clear(call->origin->loop, &call->phase_timer);
    loop_defer(call->origin->loop, &call->finish, tell_failure, call);
}

static void open_internal(void *owner)
{
    struct http_call *call = owner;
    struct http_origin *origin = call->origin;

    if (call->state == CALL_OVER) {
        free_call(call);
        return;
    }
    call->opening = false;
    int descriptor = origin->settings.open_internal(origin->settings.open_owner);
    if (descriptor < 0) {
        origin->open_count--;
        fail_call(call, ERROR_SYSTEM, TEXT("no descriptor for the built-in provider"));
        return;
    }
    use_descriptor(call, descriptor);
}

static void dial_origin(struct http_call *call)
{
    struct http_origin *origin = call->origin;
    const struct http_origin_settings *settings = &origin->settings;
    bool proxied = settings->proxy_host.length > 0;
    struct dial_target target = {
        .host = proxied ? settings->proxy_host : settings->host,
        .port = proxied ? settings->proxy_port : settings->port,
    };

    call->state = CALL_DIALLING;
    origin->open_count++;
    loop_timer_clear(
        origin->loop,
        &call->phase_timer); /* the dial has its own, and tells names from connections */
    if (settings->open_internal) {
        call->opening = true;
        loop_defer(origin->loop, &call->finish, open_internal, call);
        return;
    }
    call->dial_began = loop_now(origin->loop);
    call->dial = dial_start(origin->loop, origin->resolver, &target, call->request.timeouts.connect,
                            on_dialled, call);
    if (!call->dial) {
        origin->open_count--;
        fail_later(call, ERROR_MEMORY, error_meaning(ERROR_MEMORY));
    }
}

static struct line *take_idle(struct http_origin *origin)
{
    struct line *line = origin->lines;

    while (line && !line->idle_since)
        line = line->next;
    if (!line)
        return NULL;
    line->idle_since = 0;
    origin->idle_count--;
    return line;
}

/* Bytes that wait on an idle line answer nobody's question: the next caller must not get them. The
 * peer's end may wait there too. */
static struct line *take_fit(struct http_origin *origin)
{
    struct line *line = take_idle(origin);

    while (line && connection_is_stale(line->connection)) {
        discard_line(line);
        line = take_idle(origin);
    }
    return line;
}

static void close_one_idle(struct http_origin *origin)
{
    struct line *line = origin->lines;

    while (line && !line->idle_since)
        line = line->next;
    if (line)
        discard_line(line);
}

/* Finds the call a line: a kept one, a new one, or a place in the queue. */
static void begin(struct http_call *call, bool fresh)
{
    struct http_origin *origin = call->origin;
    struct line *line = fresh ? NULL : take_fit(origin);

    if (line) {
        call->times.reused = true;
        call->line = line;
        line->call = call;
        send_request(call);
        return;
    }
    if (origin->open_count >= origin->settings.connections && origin->idle_count > 0)
        close_one_idle(origin); /* for this call: it is first, even where others wait */
    if (origin->open_count < origin->settings.connections) {
        dial_origin(call);
        return;
    }
    call->state = CALL_WAITING;
    if (origin->waiting_count >= origin->settings.waiting) {
        fail_later(call, ERROR_LIMIT, "too many calls wait for a connection");
        return;
    }
    *origin->waiting_end = call;
    origin->waiting_end = &call->next_waiting;
    origin->waiting_count++;
    loop_timer_set(origin->loop, &call->phase_timer, call->request.timeouts.connect);
}

static void serve_waiting(struct http_origin *origin)
{
    while (origin->waiting &&
           (origin->idle_count > 0 || origin->open_count < origin->settings.connections)) {
        struct http_call *call = origin->waiting;
        origin->waiting = call->next_waiting;
        if (!origin->waiting)
            origin->waiting_end = &origin->waiting;
        origin->waiting_count--;
        call->next_waiting = NULL;
        begin(call, !call->request.held);
    }
}

/* ---- time-outs ---- */

static const enum error phase_errors[] = {
    [CALL_WAITING] = ERROR_LIMIT,
    [CALL_DIALLING] = ERROR_TIMEOUT_CONNECT,
    [CALL_TUNNELLING] = ERROR_TIMEOUT_CONNECT,
    [CALL_SECURING] = ERROR_TIMEOUT_TLS,
    [CALL_SENT] = ERROR_TIMEOUT_FIRST_BYTE,
    [CALL_ANSWERING] = ERROR_TIMEOUT_IDLE,
    [CALL_OVER] = ERROR_OK,
};

static void on_phase_timeout(void *owner)
{
    struct http_call *call = owner;
    enum error error = phase_errors[call->state];

    /* An answer that we ourselves hold back is not the peer's fault. */
    if (call->state == CALL_ANSWERING && call->paused) {
        set_answer_timer(call);
        return;
    }
    /* Nor is a body that the caller has not sent us yet: his own time runs for that. */
    if (call->state == CALL_SENT && call->request.has_body && !call->all_sent &&
        connection_queued(call->line->connection) == 0) {
        loop_timer_set(call->origin->loop, &call->phase_timer, call->request.timeouts.idle);
        return;
    }
    if (call->state == CALL_SENT && !call->all_sent)
        error = ERROR_TIMEOUT_WRITE;
    fail_call(call, error, text_from(error_meaning(error)));
}

static void on_total_timeout(void *owner)
{
    fail_call(owner, ERROR_TIMEOUT_TOTAL, text_from(error_meaning(ERROR_TIMEOUT_TOTAL)));
}

/* ---- the call's handle ---- */

struct http_call *http_call_start(struct http_origin *origin,
                                  const struct http_call_request *request,
                                  const struct http_call_events *events, void *owner)
{
    struct http_call *call = calloc(1, sizeof(*call));

    if (!call)
        return NULL;
    call->origin = origin;
    call->request = *request;
    call->events = events;
    call->owner = owner;
    call->times.started = loop_now_exact(origin->loop);
    loop_timer_open(&call->phase_timer, on_phase_timeout, call);
    loop_timer_open(&call->total_timer, on_total_timeout, call);
    loop_timer_set(origin->loop, &call->total_timer, request->timeouts.total);
    origin->calls++;
    begin(call, !request->held);
    return call;
}

bool http_call_send(struct http_call *call, struct text bytes, bool last)
{
    struct text parts[4];
    size_t count = 0;
    char chunk_line[HTTP1_CHUNK_LINE_SIZE];
    bool chunked = !call->request.has_length;

    if (!call->line || call->state < CALL_SENT || connection_is_congested(call->line->connection)) {
        call->wants_sendable = true;
        return false;
    }
    if (bytes.length > 0) {
        if (chunked)
            parts[count++] = text_of(chunk_line, http1_format_chunk_line(bytes.length, chunk_line));
        parts[count++] = bytes;
        if (chunked)
            parts[count++] = HTTP1_CHUNK_TAIL;
    }
    if (last && chunked)
        parts[count++] = HTTP1_CHUNK_END;
    if (count > 0)
        (void)connection_write(call->line->connection, parts, count);
    if (last)
        mark_sent(call);
    else if (call->state == CALL_SENT)
        loop_timer_set(call->origin->loop, &call->phase_timer, call->request.timeouts.idle);
    return true;
}

void http_call_pause(struct http_call *call)
{
    call->paused = true;
    if (call->line && !call->line->feeding)
        connection_pause(call->line->connection);
}

static void resume_line(void *owner)
{
    struct line *line = owner;

    if (line->closed || !line->call || line->call->paused)
        return;
    struct buffer waiting = line->pending;
    buffer_open(&line->pending, LOOP_READ_BUFFER_SIZE);
    connection_resume(line->connection);
    feed(line, buffer_text(&waiting));
    buffer_close(&waiting);
}

void http_call_resume(struct http_call *call)
{
    if (!call->paused)
        return;
    call->paused = false;
    if (call->line)
        loop_defer(call->origin->loop, &call->line->resume, resume_line, call->line);
}

const struct http_call_times *http_call_times(const struct http_call *call)
{
    return &call->times;
}

void http_call_cancel(struct http_call *call)
{
    struct line *line = call->line;
    struct http_origin *origin = call->origin;

    retire_call(call);
    if (line)
        drop_line(line);
    serve_waiting(origin);
}

/* ---- origins ---- */

static struct text keep(struct http_origin *origin, struct text t)
{
    size_t offset = origin->texts.length;

    if (!buffer_append(&origin->texts, t))
        return text_of(NULL, 0);
    buffer_append_char(&origin->texts, '\0');
    return text_of(origin->texts.data + offset, t.length);
}

static bool copy_texts(struct http_origin *origin, const struct http_origin_settings *from)
{
    struct http_origin_settings *to = &origin->settings;
    struct text server_name = text_from(from->server_name);
    size_t total = from->host.length + from->authority.length + from->proxy_host.length +
                   from->proxy_authorization.length + server_name.length + 8;

    buffer_open(&origin->texts, total);
    char *place = buffer_reserve(&origin->texts, total);
    if (!place)
        return false;
    to->host = keep(origin, from->host);
    to->authority = keep(origin, from->authority);
    to->proxy_host = keep(origin, from->proxy_host);
    to->proxy_authorization = keep(origin, from->proxy_authorization);
    to->server_name = from->server_name ? keep(origin, server_name).data : NULL;
    return !origin->texts.failed;
}

struct http_origin *http_origin_create(struct loop *loop, struct resolver *resolver,
                                       const struct http_origin_settings *settings)
{
    struct http_origin *origin = calloc(1, sizeof(*origin));

    if (!origin)
        return NULL;
    origin->loop = loop;
    origin->resolver = resolver;
    origin->settings = *settings;
    origin->waiting_end = &origin->waiting;
    if (!copy_texts(origin, settings)) {
        buffer_close(&origin->texts);
        free(origin);
        return NULL;
    }
    if (settings->tls)
        origin->settings.tls = tls_context_hold(settings->tls);
    loop_timer_open(&origin->idle_timer, sweep_idle, origin);
    return origin;
}

static void free_origin(void *owner)
{
    struct http_origin *origin = owner;

    tls_context_release(origin->settings.tls);
    buffer_close(&origin->texts);
    free(origin);
}

static void free_origin_when_unused(struct http_origin *origin)
{
    if (!origin->released || origin->calls > 0 || origin->lines || origin->open_count > 0)
        return;
    loop_timer_clear(origin->loop, &origin->idle_timer);
    loop_defer(origin->loop, &origin->release, free_origin, origin);
}

void http_origin_release(struct http_origin *origin)
{
    origin->released = true;
    while (origin->idle_count > 0)
        close_one_idle(origin);
    free_origin_when_unused(origin);
}

size_t http_origin_open_count(const struct http_origin *origin)
{
    return origin->open_count;
}

size_t http_origin_idle_count(const struct http_origin *origin)
{
    return origin->idle_count;
}
