/* client: calls to an origin, from the request to the end of the answer; see client.h and, for the
 * states, client_parts.h. */
#include "base/ensure.h"
#include "http/client_parts.h"

/* A held body goes to the kernel in one write with its head up to here, in steps beyond. */
#define WHOLE_WRITE_MAXIMUM CONNECTION_HIGH_MARK

static void feed(struct line *line, struct text bytes);

/* ---- the end of a call ---- */

void call_free(void *owner)
{
    struct http_call *call = owner;
    struct http_origin *origin = call->origin;

    origin->calls--;
    if (origin->spare_count < SPARE_CALLS_MAXIMUM) {
        call->next_waiting = origin->spare_calls;
        origin->spare_calls = call;
        origin->spare_count++;
    } else {
        free(call);
    }
    pool_free_when_unused(origin);
}

/* Takes the call out of everything; its memory goes at the end of the turn. */
static void retire_call(struct http_call *call)
{
    struct http_origin *origin = call->origin;

    loop_timer_clear(origin->loop, &call->phase_timer);
    loop_timer_clear(origin->loop, &call->total_timer);
    if (call->state == CALL_WAITING)
        pool_stop_waiting(call);
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
    loop_defer(origin->loop, &call->finish, call_free, call);
}

void call_fail(struct http_call *call, enum error error, struct text detail)
{
    struct http_origin *origin = call->origin;
    struct line *line = call->line;
    const struct http_call_events *events = call->events;
    void *owner = call->owner;

    retire_call(call);
    if (line)
        line_drop(line);
    pool_serve_waiting(origin); /* a dial that was given up leaves a place too */
    events->on_failed(owner, error, detail);
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
        call_fail(call, ERROR_HTTP_UNSUPPORTED,
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

const struct http1_events client_parser_events = {
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
        line_drop(line);
        return;
    }
    if (may_resend(call) &&
        (error == ERROR_CLOSED || error == ERROR_RESET || error == ERROR_TLS_PROTOCOL)) {
        call->line = NULL;
        line->call = NULL;
        call->times.resent = true;
        call->times.reused = false;
        line_drop(line);
        call_begin(call, true);
        return;
    }
    call_fail(call, error, detail);
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
        call_fail(call, ERROR_PROXY, text_of(said, (size_t)length));
        return;
    }
    call->times.connected = loop_now_exact(origin->loop);
    line->complete = false;
    http1_parser_close(&line->parser);
    http1_parser_open(&line->parser, HTTP1_RESPONSE, &origin->settings.limits,
                      &client_parser_events, line);
    if (!origin->settings.tls) {
        call_send_request(call);
        return;
    }
    call->state = CALL_SECURING;
    loop_timer_set(origin->loop, &call->phase_timer, call->request.timeouts.tls);
    enum error error =
        connection_start_tls(line->connection, origin->settings.tls, origin->settings.server_name);
    if (error != ERROR_OK)
        call_fail(call, error, TEXT("TLS could not be started behind the proxy"));
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
        line_return(line);
}

static void hold_back(struct line *line, struct text bytes)
{
    if (line->closed || bytes.length == 0)
        return;
    if (!line->call) { /* bytes that nobody asked for: this connection is of no more use */
        line_drop(line);
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
        line_drop(line);
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
        line_drop(line);
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
        parts[count++] =
            text_from_index(request->body[i], i == call->body_index ? call->body_offset : 0);
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
    while (call->body_index < request->body_count &&
           call->body_offset >= request->body[call->body_index].length)
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

void call_send_request(struct http_call *call)
{
    call->state = CALL_SENT;
    call->head_offset = call->body_index = call->body_offset = 0;
    call->all_sent = false;
    http1_parser_expect(&call->line->parser, call->request.method);
    if (!write_request(call)) {
        struct line *line = call->line;
        line->call = NULL;
        call->line = NULL;
        line_drop(line);
        call_fail_later(call, ERROR_LIMIT, "the request head is larger than what can be sent");
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
    call_send_request(line->call);
}

const struct connection_events client_line_events = {
    .on_open = on_secured,
    .on_data = on_data,
    .on_end = on_end,
    .on_drained = on_drained,
    .on_failed = on_line_failed,
};

static void tell_failure(void *owner)
{
    struct http_call *call = owner;

    if (call->state == CALL_OVER)
        call_free(call); /* given up before it was told */
    else
        call_fail(call, call->failure, text_from(call->failure_detail));
}

/* A failure found while starting: told at the end of the turn, never from within. */
void call_fail_later(struct http_call *call, enum error error, const char *detail)
{
    call->failure = error;
    call->failure_detail = detail;
    loop_timer_clear(call->origin->loop, &call->phase_timer);
    loop_defer(call->origin->loop, &call->finish, tell_failure, call);
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
    call_fail(call, error, text_from(error_meaning(error)));
}

static void on_total_timeout(void *owner)
{
    call_fail(owner, ERROR_TIMEOUT_TOTAL, text_from(error_meaning(ERROR_TIMEOUT_TOTAL)));
}

/* ---- the call's handle ---- */

static struct http_call *take_memory(struct http_origin *origin)
{
    struct http_call *spare = origin->spare_calls;

    if (!spare)
        return malloc(sizeof(*spare));
    origin->spare_calls = spare->next_waiting;
    origin->spare_count--;
    return spare;
}

struct http_call *http_call_start(struct http_origin *origin,
                                  const struct http_call_request *request,
                                  const struct http_call_events *events, void *owner)
{
    struct http_call *call = take_memory(origin);

    if (!call)
        return NULL;
    *call =
        (struct http_call){.origin = origin, .request = *request, .events = events, .owner = owner};
    call->times.started = loop_now_exact(origin->loop);
    loop_timer_open(&call->phase_timer, on_phase_timeout, call);
    loop_timer_open(&call->total_timer, on_total_timeout, call);
    loop_timer_set(origin->loop, &call->total_timer, request->timeouts.total);
    origin->calls++;
    call_begin(call, !request->held);
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
        line_drop(line);
    pool_serve_waiting(origin);
}
