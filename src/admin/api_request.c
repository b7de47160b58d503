/* A request:   GATHERING -> ANSWERING -> ended
 *                        -> STREAMING -> ended
 *
 *   GATHERING   the head is here and its credential good; body bytes are collected
 *   ANSWERING   the answer is whole in `call.out`; what the reader has not taken waits there
 *   STREAMING   the answer is the handler's to give, piece by piece (admin/stream.h)
 *
 * Whatever refuses (credential, size, time) goes straight to ANSWERING. `request` is NULL from the
 * moment the connection no longer wants anything of us. */
#include "admin/api_request.h"

#include "admin/call.h"
#include "admin/console.h"
#include "admin/identify.h"
#include "admin/playground.h"
#include "base/clock.h"
#include "base/ensure.h"
#include "base/identifier.h"
#include "base/note.h"

#define PIECE_SIZE   (64u * 1024u) /* of an answer, in one go */
#define HEADERS_SIZE 8192u
/* So late at most ends an answer that goes on when its key is revoked, or its session ended. */
#define STREAM_ASK_INTERVAL (5 * NANOSECONDS_PER_SECOND)

const struct http_server_limits api_request_limits = {
    .http1 = {.head_bytes = 16384,
              .header_count = 64,
              .trailer_bytes = 1024,
              .extension_bytes = 256,
              .interim_count = 0},
    .connections = 64, /* administrators and their programs; each may hold an answer of 64 MiB */
    .head_timeout = 10 * NANOSECONDS_PER_SECOND,
    .body_timeout = 10 * NANOSECONDS_PER_SECOND,
    .idle_timeout = 60 * NANOSECONDS_PER_SECOND,
    .write_timeout = 30 * NANOSECONDS_PER_SECOND,
};

struct api_request {
    struct api_door *door;
    struct api_desk *desk;
    struct http_request *request;
    struct buffer body;
    struct admin_call call;
    struct loop_deferred release;
    struct loop_timer again; /* while the answer goes on: may he still ask? */
    uint64_t began;          /* loop_now_exact */
    size_t sent;             /* bytes of the answer handed on */
    bool answering;
    bool streaming;   /* the stream's owner is told of what happens */
    bool head_is_out; /* of a stream */
    char id[IDENTIFIER_TEXT_LENGTH];
    char source[ADDRESS_TEXT_SIZE];
};

static void free_request(void *owner)
{
    struct api_request *own = owner;

    call_close(&own->call);
    buffer_close(&own->body);
    free(own);
}

static void end_request(struct api_request *own)
{
    own->request = NULL;
    if (own->again.callback)
        loop_timer_clear(own->desk->loop, &own->again);
    loop_defer(own->desk->loop, &own->release, free_request, own);
}

/* ---- answering ---- */

/* The next piece; true in `last` when nothing is left behind it. */
static struct text next_piece(struct api_request *own, bool *last)
{
    struct text rest = text_from_index(buffer_text(&own->call.out), own->sent);
    struct text piece = text_first(rest, PIECE_SIZE);

    own->sent += piece.length;
    *last = piece.length == rest.length;
    return piece;
}

static void go_on(struct api_request *own)
{
    while (own->request && !http_request_is_congested(own->request)) {
        bool last;
        struct text piece = next_piece(own, &last);
        if (!http_request_send(own->request, &piece, 1, last) || last)
            end_request(own);
    }
}

static void count_answer(struct api_request *own)
{
    const struct admin_call *call = &own->call;
    uint64_t taken = loop_now_exact(own->desk->loop) - own->began;
    char status[12];
    bool reading = call->method == HTTP1_GET || call->method == HTTP1_HEAD;

    (void)snprintf(status, sizeof(status), "%u", call->status);
    const struct text labels[] = {call->route ? http1_method_text(call->route->method)
                                              : TEXT("other"),
                                  call->route                 ? call->route->path
                                  : console_has(call->target) ? TEXT(CONSOLE_PATH)
                                                              : TEXT("other"),
                                  text_from(status)};
    metrics_add_labelled(own->desk->metrics, METRIC_ADMIN_REQUESTS, labels, 1);
    metrics_observe(own->desk->metrics, METRIC_ADMIN_DURATION, taken);
    /* Who looks often would drown who changes. */
    note_write(reading && call->status < 400 ? NOTE_DEBUG : NOTE_INFO, "admin",
               "%.*s %.*s %u%s%s by %.*s from %s, %.*s", TEXT_ARG(http1_method_text(call->method)),
               TEXT_ARG(text_first(call->target, 200)), call->status,
               call->problem.code == ADMIN_PROBLEM_NONE ? "" : " ",
               call->problem.code == ADMIN_PROBLEM_NONE ? ""
                                                        : admin_problem_name(call->problem.code),
               TEXT_ARG(call->credential ? call->credential->id : TEXT("nobody")), own->source,
               TEXT_ARG(call->request_id));
}

/* What browsers are told of every answer: what it is stands in its content type; no page of another
 * origin may have it, nor hold a window of ours; where somebody came from is nobody's business. */
static void append_protection(struct buffer *headers)
{
    static const struct {
        struct text name, value;
    } lines[] = {
        {TEXT_INIT("x-content-type-options"), TEXT_INIT("nosniff")},
        {TEXT_INIT("referrer-policy"), TEXT_INIT("no-referrer")},
        {TEXT_INIT("cross-origin-opener-policy"), TEXT_INIT("same-origin")},
        {TEXT_INIT("cross-origin-resource-policy"), TEXT_INIT("same-origin")},
        {TEXT_INIT("x-frame-options"), TEXT_INIT("DENY")},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(lines); i++)
        http1_append_header(headers, lines[i].name, lines[i].value);
}

/* What every answer has. */
static void write_headers(const struct api_request *own, struct text content_type,
                          struct buffer *headers)
{
    if (content_type.data)
        http1_append_header(headers, TEXT("content-type"), content_type);
    http1_append_header(headers, TEXT("x-request-id"), own->call.request_id);
    http1_append_header(headers, TEXT("cache-control"),
                        own->call.caching ? text_from(own->call.caching) : TEXT("no-store"));
    append_protection(headers);
}

/* The answer is whole; the head goes out with its first piece. */
static void start_answer(struct api_request *own, bool close)
{
    struct admin_call *call = &own->call;
    struct buffer headers;

    buffer_open(&headers, HEADERS_SIZE);
    write_headers(own, call->content_type ? text_from(call->content_type) : text_of(NULL, 0),
                  &headers);
    if (call->status == 401)
        http1_append_header(&headers, TEXT("www-authenticate"),
                            TEXT("Bearer realm=\"Turnpike admin API\""));
    buffer_append(&headers, buffer_text(&call->headers));
    const struct http_answer answer = {
        .status = call->status,
        .headers = buffer_text(&headers),
        .has_length = true,
        .length = call->out.length,
        .close = close,
    };
    bool last;
    struct text piece = next_piece(own, &last);
    own->answering = true;
    count_answer(own);
    if (!http_request_respond(own->request, &answer, &piece, 1, last) || last)
        end_request(own);
    buffer_close(&headers);
    go_on(own);
}

static void refuse(struct api_request *own)
{
    call_answer_problem(&own->call);
    start_answer(own, true);
}

/* ---- an answer that goes on ---- */

/* The stream is the request: its owner sees no more of it than admin/stream.h says. */
static struct api_request *request_of(const struct stream *stream)
{
    return (struct api_request *)(uintptr_t)stream;
}

static bool gone_unless(struct api_request *own, bool sent)
{
    if (!sent) {
        own->streaming = false;
        end_request(own);
    }
    return sent;
}

struct loop *stream_loop(const struct stream *stream)
{
    return request_of(stream)->desk->loop;
}

bool stream_begin(struct stream *stream, unsigned status, struct text content_type,
                  struct text lines, struct text first)
{
    struct api_request *own = request_of(stream);
    struct buffer headers;

    buffer_open(&headers, HEADERS_SIZE);
    write_headers(own, content_type, &headers);
    buffer_append(&headers, lines);
    const struct http_answer answer = {.status = status, .headers = buffer_text(&headers)};
    own->call.status = status;
    own->head_is_out = true;
    count_answer(own);
    bool sent =
        http_request_respond(own->request, &answer, &first, first.length > 0 ? 1 : 0, false);
    buffer_close(&headers);
    return gone_unless(own, sent);
}

bool stream_send(struct stream *stream, struct text bytes)
{
    struct api_request *own = request_of(stream);

    return gone_unless(own, http_request_send(own->request, &bytes, 1, false));
}

bool stream_is_congested(const struct stream *stream)
{
    return http_request_is_congested(request_of(stream)->request);
}

void stream_end(struct stream *stream)
{
    struct api_request *own = request_of(stream);

    own->streaming = false;
    if (own->head_is_out) {
        (void)http_request_send(own->request, NULL, 0, true);
        end_request(own);
        return;
    }
    call_answer_problem(&own->call);
    start_answer(own, false);
}

void stream_break(struct stream *stream)
{
    struct api_request *own = request_of(stream);

    own->streaming = false;
    http_request_abort(own->request);
    end_request(own);
}

/* Whose key was revoked, or whose session has ended, sees no more of it. */
static void ask_again(void *owner)
{
    struct api_request *own = owner;

    if (identify_still(&own->call, loop_wall(own->desk->loop))) {
        loop_timer_set(own->desk->loop, &own->again, STREAM_ASK_INTERVAL);
        return;
    }
    own->streaming = false;
    own->call.stream_events->on_gone(own->call.stream_owner);
    http_request_abort(own->request);
    end_request(own);
}

static void start_stream(struct api_request *own)
{
    own->answering = own->streaming = true;
    loop_timer_open(&own->again, ask_again, own);
    loop_timer_set(own->desk->loop, &own->again, STREAM_ASK_INTERVAL);
    own->call.stream_events->on_open(own->call.stream_owner, (struct stream *)own);
}

/* ---- events ---- */

static struct api_request *open_request(struct api_door *door, struct http_request *request)
{
    struct api_request *own = ensure_memory(calloc(1, sizeof(*own)));
    struct api_desk *desk = door->desk;

    own->door = door;
    own->desk = desk;
    own->request = request;
    own->began = loop_now_exact(desk->loop);
    identifier_format(identifier_make(loop_wall(desk->loop)), own->id);
    (void)address_format_host(http_request_peer(request), own->source);
    call_open(&own->call, &desk->office);
    own->call.request_id = text_of(own->id, sizeof(own->id));
    own->call.source = text_from(own->source);
    own->call.peer = http_request_peer(request);
    own->call.door = &door->origin;
    http_request_set_owner(request, own);
    return own;
}

/* An image is larger than any object. */
static size_t body_limit(const struct admin_call *call)
{
    struct text rest = call->target, id;
    unsigned allowed;

    if (!call->credential)
        return API_STRANGER_BODY_MAX;
    return routes_find(call->method, text_split(&rest, '?'), &id, &allowed) ==
                   &routes[ROUTE_PLAYGROUND]
               ? PLAYGROUND_BODY_MAX
               : API_BODY_MAX;
}

static void on_request(void *owner, struct http_request *request)
{
    struct api_request *own = open_request(owner, request);
    const struct http1_head *head = http_request_head(request);

    own->call.method = head->method;
    own->call.target = head->target;
    own->call.agent = http1_head_value(head, HEADER_USER_AGENT);
    own->call.cookies = http1_head_value(head, HEADER_COOKIE);
    if (http1_head_has(head, HEADER_IF_MATCH))
        own->call.if_match = http1_head_value(head, HEADER_IF_MATCH);
    if (http1_head_has(head, HEADER_LAST_EVENT_ID))
        own->call.last_event_id = http1_head_value(head, HEADER_LAST_EVENT_ID);
    if (!identify_host(&own->call, head)) {
        refuse(own);
    } else if (console_has(head->target)) {
        console_answer(&own->call, head);
        start_answer(own, http_request_has_body(request));
    } else if (!identify_call(&own->call, head, loop_wall(own->desk->loop))) {
        refuse(own);
    } else {
        buffer_open(&own->body, body_limit(&own->call));
        http_request_accept_body(request);
    }
}

static void on_malformed(void *owner, struct http_request *request, enum error error,
                         const char *reason)
{
    struct api_request *own = open_request(owner, request);
    enum admin_problem_code code = error == ERROR_HTTP_HEAD_TOO_LARGE ? ADMIN_PROBLEM_HEAD_TOO_LARGE
                                   : error == ERROR_TIMEOUT_IDLE      ? ADMIN_PROBLEM_TOO_SLOW
                                                                      : ADMIN_PROBLEM_BAD_REQUEST;

    own->call.target = TEXT("-");
    (void)call_refuse(&own->call, code, "", "%s", reason ? reason : error_meaning(error));
    refuse(own);
}

static void on_body(void *owner, struct text bytes)
{
    struct api_request *own = owner;

    if (own->answering || buffer_append(&own->body, bytes))
        return;
    (void)call_refuse(&own->call, ADMIN_PROBLEM_BODY_TOO_LARGE, "",
                      "the body is larger than %zu bytes", own->body.maximum);
    refuse(own);
}

static void on_body_end(void *owner)
{
    struct api_request *own = owner;

    if (own->answering)
        return;
    own->call.body = buffer_text(&own->body);
    call_answer(&own->call);
    if (own->call.stream_events)
        start_stream(own);
    else
        start_answer(own, false);
}

static void on_body_failed(void *owner, enum error error, const char *reason)
{
    struct api_request *own = owner;

    if (own->answering)
        return;
    (void)call_refuse(&own->call,
                      error == ERROR_TIMEOUT_IDLE ? ADMIN_PROBLEM_TOO_SLOW
                                                  : ADMIN_PROBLEM_BAD_REQUEST,
                      "", "%s", reason ? reason : error_meaning(error));
    refuse(own);
}

static void on_drained(void *owner)
{
    struct api_request *own = owner;

    if (own->streaming)
        own->call.stream_events->on_drained(own->call.stream_owner);
    else if (own->answering)
        go_on(own);
}

static void on_gone(void *owner, enum error error)
{
    struct api_request *own = owner;

    if (own->streaming)
        own->call.stream_events->on_gone(own->call.stream_owner);
    end_request(own);
}

const struct http_server_events api_request_events = {
    .on_request = on_request,
    .on_malformed = on_malformed,
    .on_body = on_body,
    .on_body_end = on_body_end,
    .on_body_failed = on_body_failed,
    .on_drained = on_drained,
    .on_gone = on_gone,
};
