/* pool: connections to an origin: kept, made, queued for; see client_parts.h. */
#include <unistd.h>

#include "base/ensure.h"
#include "base/secret.h"
#include "http/client_parts.h"

/* The longest request head we write: what a caller may send (64 KiB) and what we add. */
#define REQUEST_HEAD_MAXIMUM (128u * 1024u)

/* ---- lists of lines ---- */

static struct line **list_of(struct line *line)
{
    return line->idle_since ? &line->origin->idle : &line->origin->busy;
}

static void link_line(struct line *line)
{
    struct line **list = list_of(line);

    line->previous = NULL;
    line->next = *list;
    if (line->next)
        line->next->previous = line;
    *list = line;
}

static void unlink_line(struct line *line)
{
    if (line->previous)
        line->previous->next = line->next;
    else
        *list_of(line) = line->next;
    if (line->next)
        line->next->previous = line->previous;
    line->next = line->previous = NULL;
}

static void make_idle(struct line *line)
{
    unlink_line(line);
    line->idle_since = loop_now(line->origin->loop);
    line->idle_turn = loop_turn(line->origin->loop);
    link_line(line);
    line->origin->idle_count++;
}

static void make_busy(struct line *line)
{
    unlink_line(line);
    line->idle_since = 0;
    link_line(line);
    line->origin->idle_count--;
}

/* ---- the end of a line ---- */

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
    pool_free_when_unused(origin);
}

void line_discard(struct line *line)
{
    struct http_origin *origin = line->origin;

    line->closed = true;
    if (line->connection)
        connection_close(line->connection);
    line->connection = NULL;
    if (line->idle_since)
        make_busy(line);
    if (line->call)
        line->call->line = NULL;
    line->call = NULL;
    unlink_line(line);
    origin->open_count--;
    loop_defer(origin->loop, &line->release, free_line, line);
}

/* The line is no more: makes room for who waits. */
void line_drop(struct line *line)
{
    if (line->closed)
        return;
    line_discard(line);
    pool_serve_waiting(line->origin);
}

static void sweep_idle(void *owner)
{
    struct http_origin *origin = owner;
    uint64_t now = loop_now(origin->loop);
    uint64_t oldest = 0;

    for (struct line *line = origin->idle, *next; line; line = next) {
        next = line->next;
        if (now - line->idle_since >= origin->settings.idle_time)
            line_discard(line);
        else if (oldest == 0 || line->idle_since < oldest)
            oldest = line->idle_since;
    }
    if (oldest)
        loop_timer_set(origin->loop, &origin->idle_timer,
                       oldest + origin->settings.idle_time - now);
    pool_serve_waiting(origin);
}

/* Back into the pool, or away. */
void line_return(struct line *line)
{
    struct http_origin *origin = line->origin;

    if (!line->reusable || origin->released || line->pending.length > 0 ||
        origin->idle_count >= origin->settings.idle_connections) {
        line_drop(line);
        return;
    }
    line->complete = false;
    make_idle(line);
    if (origin->idle_count == 1)
        loop_timer_set(origin->loop, &origin->idle_timer, origin->settings.idle_time);
    connection_resume(line->connection);
    pool_serve_waiting(origin);
}

/* ---- a new line ---- */

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
    http1_parser_open(&line->parser, HTTP1_RESPONSE, &origin->settings.limits,
                      &client_parser_events, line);
    line->connection = connection_create(origin->loop, descriptor, tls, false,
                                         origin->settings.server_name, &client_line_events, line);
    if (!line->connection) {
        http1_parser_close(&line->parser);
        free(line);
        return NULL;
    }
    link_line(line);
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
        call_fail(call, ERROR_LIMIT, TEXT("the CONNECT request could not be written"));
}

/* A connected descriptor is here: tunnel, TLS or the request itself comes next. */
static void use_descriptor(struct http_call *call, int descriptor)
{
    struct http_origin *origin = call->origin;
    bool tunnel = origin->settings.proxy_host.length > 0;
    struct line *line = make_line(origin, descriptor, tunnel ? NULL : origin->settings.tls);

    if (!line) {
        origin->open_count--;
        call_fail(call, ERROR_MEMORY, TEXT("no memory for a connection"));
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
        call_send_request(call);
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
        call_fail(call, result->error, text_from(error_meaning(result->error)));
        return;
    }
    use_descriptor(call, result->descriptor);
}

static void open_internal(void *owner)
{
    struct http_call *call = owner;
    struct http_origin *origin = call->origin;

    if (call->state == CALL_OVER) {
        call_free(call);
        return;
    }
    call->opening = false;
    int descriptor = origin->settings.open_internal(origin->settings.open_owner);
    if (descriptor < 0) {
        origin->open_count--;
        call_fail(call, ERROR_SYSTEM, TEXT("no descriptor for the built-in provider"));
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
        call_fail_later(call, ERROR_MEMORY, error_meaning(ERROR_MEMORY));
    }
}

/* ---- a kept line, or a place in the queue ---- */

static struct line *take_idle(struct http_origin *origin)
{
    struct line *line = origin->idle;

    if (line)
        make_busy(line);
    return line;
}

/* What became idle in this turn of the loop was read to its end a moment ago: another look would be
 * a system call for nothing. */
static bool is_stale(const struct line *line)
{
    return line->idle_turn != loop_turn(line->origin->loop) &&
           connection_is_stale(line->connection);
}

/* Bytes that wait on an idle line answer nobody's question: the next caller must not get them. The
 * peer's end may wait there too. */
static struct line *take_fit(struct http_origin *origin)
{
    struct line *line = take_idle(origin);

    while (line && is_stale(line)) {
        line_discard(line);
        line = take_idle(origin);
    }
    return line;
}

static void close_one_idle(struct http_origin *origin)
{
    if (origin->idle)
        line_discard(origin->idle);
}

/* Finds the call a line: a kept one, a new one, or a place in the queue. */
void call_begin(struct http_call *call, bool fresh)
{
    struct http_origin *origin = call->origin;
    struct line *line = fresh ? NULL : take_fit(origin);

    if (line) {
        call->times.reused = true;
        call->line = line;
        line->call = call;
        call_send_request(call);
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
        call_fail_later(call, ERROR_LIMIT, "too many calls wait for a connection");
        return;
    }
    *origin->waiting_end = call;
    origin->waiting_end = &call->next_waiting;
    origin->waiting_count++;
    loop_timer_set(origin->loop, &call->phase_timer, call->request.timeouts.connect);
}

void pool_serve_waiting(struct http_origin *origin)
{
    while (origin->waiting &&
           (origin->idle_count > 0 || origin->open_count < origin->settings.connections)) {
        struct http_call *call = origin->waiting;
        origin->waiting = call->next_waiting;
        if (!origin->waiting)
            origin->waiting_end = &origin->waiting;
        origin->waiting_count--;
        call->next_waiting = NULL;
        call_begin(call, !call->request.held);
    }
}

void pool_stop_waiting(struct http_call *call)
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

    for (struct http_call *call = origin->spare_calls, *next; call; call = next) {
        next = call->next_waiting;
        free(call);
    }
    tls_context_release(origin->settings.tls);
    buffer_close(&origin->texts);
    free(origin);
}

void pool_free_when_unused(struct http_origin *origin)
{
    if (!origin->released || origin->calls > 0 || origin->idle || origin->busy ||
        origin->open_count > 0)
        return;
    loop_timer_clear(origin->loop, &origin->idle_timer);
    loop_defer(origin->loop, &origin->release, free_origin, origin);
}

void http_origin_release(struct http_origin *origin)
{
    origin->released = true;
    while (origin->idle_count > 0)
        close_one_idle(origin);
    pool_free_when_unused(origin);
}

size_t http_origin_open_count(const struct http_origin *origin)
{
    return origin->open_count;
}

size_t http_origin_idle_count(const struct http_origin *origin)
{
    return origin->idle_count;
}
