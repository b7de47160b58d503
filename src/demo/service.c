/* service: see service.h.
 *
 * A sitting is one request being answered: its body is gathered, then the answer's pieces go out
 * one after the other at the pace that the demo asks for. */
#include "demo/service.h"

#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "demo/demo.h"
#include "http/server.h"

struct demo_service {
    struct loop *loop;
    struct http_server *server;
};

struct sitting {
    struct demo_service *service;
    struct http_request *request;
    struct demo_answer *answer;
    struct buffer body;
    struct loop_timer timer;
    struct loop_deferred release;
    struct text piece; /* waiting for its time */
    bool started;
};

static void free_sitting(void *owner)
{
    struct sitting *sitting = owner;

    demo_answer_close(sitting->answer);
    buffer_close(&sitting->body);
    free(sitting);
}

static void end_sitting(struct sitting *sitting)
{
    struct loop *loop = sitting->service->loop;

    sitting->request = NULL;
    loop_timer_clear(loop, &sitting->timer);
    loop_defer(loop, &sitting->release, free_sitting, sitting);
}

static bool start_answer(struct sitting *sitting)
{
    const struct http_answer answer = {
        .status = demo_answer_status(sitting->answer),
        .headers = demo_answer_header_lines(sitting->answer),
        .has_length = !demo_answer_is_stream(sitting->answer),
        .length = demo_answer_length(sitting->answer),
    };

    sitting->started = true;
    return http_request_respond(sitting->request, &answer, NULL, 0, false);
}

/* Sends what is due and waits for what is not; stops while the reader is behind. */
static void go_on(struct sitting *sitting)
{
    uint64_t pause = 0;

    while (sitting->request && !http_request_is_congested(sitting->request)) {
        if (sitting->piece.length > 0) {
            if (!http_request_send(sitting->request, &sitting->piece, 1, false)) {
                end_sitting(sitting);
                return;
            }
            sitting->piece = text_of(NULL, 0);
        }
        if (!demo_answer_next(sitting->answer, &sitting->piece, &pause)) {
            (void)http_request_send(sitting->request, NULL, 0, true);
            end_sitting(sitting);
            return;
        }
        if (pause > 0) {
            loop_timer_set(sitting->service->loop, &sitting->timer, pause);
            return;
        }
    }
}

static void on_timer(void *owner)
{
    go_on(owner);
}

static void refuse(struct sitting *sitting, unsigned status)
{
    const struct http_answer answer = {
        .status = status, .headers = TEXT(""), .has_length = true, .close = true};

    (void)http_request_respond(sitting->request, &answer, NULL, 0, true);
    end_sitting(sitting);
}

static void on_request(void *owner, struct http_request *request)
{
    struct sitting *sitting = calloc(1, sizeof(*sitting));

    if (!sitting) {
        http_request_abort(request);
        return;
    }
    sitting->service = owner;
    sitting->request = request;
    buffer_open(&sitting->body, DEMO_BODY_MAX);
    loop_timer_open(&sitting->timer, on_timer, sitting);
    http_request_set_owner(request, sitting);
    http_request_accept_body(request);
}

static void on_malformed(void *owner, struct http_request *request, enum error error,
                         const char *reason)
{
    (void)owner;
    (void)error;
    (void)reason;
    http_request_abort(request);
}

static void on_body(void *owner, struct text bytes)
{
    struct sitting *sitting = owner;

    if (!buffer_append(&sitting->body, bytes))
        refuse(sitting, 413);
}

static void on_body_end(void *owner)
{
    struct sitting *sitting = owner;
    const struct http1_head *head = http_request_head(sitting->request);

    if (demo_answer_open(head->method, head->target, buffer_text(&sitting->body),
                         loop_wall(sitting->service->loop), &sitting->answer) != ERROR_OK) {
        refuse(sitting, 503);
        return;
    }
    if (!start_answer(sitting)) {
        end_sitting(sitting);
        return;
    }
    go_on(sitting);
}

static void on_body_failed(void *owner, enum error error, const char *reason)
{
    (void)error;
    (void)reason;
    refuse(owner, 400);
}

static void on_drained(void *owner)
{
    struct sitting *sitting = owner;

    if (sitting->started && sitting->timer.due == 0)
        go_on(sitting);
}

static void on_gone(void *owner, enum error error)
{
    (void)error;
    end_sitting(owner);
}

static const struct http_server_events service_events = {
    .on_request = on_request,
    .on_malformed = on_malformed,
    .on_body = on_body,
    .on_body_end = on_body_end,
    .on_body_failed = on_body_failed,
    .on_drained = on_drained,
    .on_gone = on_gone,
};

enum error demo_service_create(struct loop *loop, struct demo_service **out)
{
    struct demo_service *service = calloc(1, sizeof(*service));
    const struct http_server_limits limits = {
        .http1 = http1_limits_default,
        .connections = 65536, /* as many as the road opens: its own limits come first */
        .head_timeout = 60 * NANOSECONDS_PER_SECOND,
        .body_timeout = 60 * NANOSECONDS_PER_SECOND,
        .idle_timeout = 3600 * NANOSECONDS_PER_SECOND,
        .write_timeout = 3600 * NANOSECONDS_PER_SECOND,
    };

    if (!service)
        return ERROR_MEMORY;
    service->loop = loop;
    enum error error =
        http_server_create(loop, -1, NULL, &limits, &service_events, service, &service->server);
    if (error != ERROR_OK) {
        free(service);
        return error;
    }
    *out = service;
    return ERROR_OK;
}

int demo_service_open(void *owner)
{
    struct demo_service *service = owner;
    struct address peer = {.local.sun_family = AF_UNIX, .length = sizeof(sa_family_t)};
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
        return -1;
    http_server_adopt(service->server, ends[0], &peer);
    return ends[1];
}

void demo_service_destroy(struct demo_service *service)
{
    http_server_destroy(service->server);
    free(service);
}
