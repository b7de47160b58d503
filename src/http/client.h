/* client: the provider's side: a pool of kept connections per origin, and calls over them.
 *
 * An origin is scheme, host, port, proxy and TLS settings; every worker has its own origins and
 * connections (no locks). A call sends one request and gets one answer. The loop's thread only.
 *
 * A kept connection that died meanwhile is noticed by the loop before use. Where it dies under the
 * request, and not a byte of an answer had come, the call goes out once more on a fresh connection
 * (only possible when the whole request is held: `held`). Streamed bodies always get a fresh
 * connection. */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include "codec/http1.h"
#include "net/connection.h"
#include "net/dial.h"
#include "net/loop.h"
#include "net/resolver.h"
#include "tables/error.h"

struct http_origin;
struct http_call;

/* Nanoseconds. Connect includes name resolution and the proxy's answer; first_byte counts from the
 * request's last byte sent; idle between bytes of the answer (and of a request body the peer does
 * not take). */
struct http_timeouts {
    uint64_t connect, tls, first_byte, idle, total;
};

struct http_origin_settings {
    struct text host; /* name, literal, or "unix:/path" */
    uint16_t port;
    struct text authority;   /* Host header: "api.example.com" or "host:port" */
    struct tls_context *tls; /* NULL: plain */
    const char *server_name; /* for TLS; NUL-terminated */
    struct text
        proxy_host; /* empty: none; else a CONNECT tunnel through it, for plain origins too */
    uint16_t proxy_port;
    struct text proxy_authorization; /* value of Proxy-Authorization, empty: none */
    size_t connections;              /* open at once, per worker */
    size_t waiting;          /* calls that may wait for a connection; more fail with ERROR_LIMIT */
    size_t idle_connections; /* kept for reuse */
    uint64_t idle_time; /* kept at most so long, nanoseconds: less than what common servers keep (60
                           to 75 s) */
    struct http1_limits limits;
    /* An origin inside this process: returns a connected descriptor or -1. Used instead of
     * dialling. */
    int (*open_internal)(void *owner);
    void *open_owner;
};

/* All texts are copied. NULL when out of memory. */
must_check struct http_origin *http_origin_create(struct loop *loop, struct resolver *resolver,
                                                  const struct http_origin_settings *settings);
/* Closes idle connections; calls in flight finish; freed after the last of them. */
void http_origin_release(struct http_origin *origin);
/* Open connections and those idle among them, for metrics. */
size_t http_origin_open_count(const struct http_origin *origin);
size_t http_origin_idle_count(const struct http_origin *origin);

struct http_call_events {
    /* The final head (1xx are skipped). */
    void (*on_head)(void *owner, const struct http1_head *head);
    /* Body bytes, valid until on_flush or the return of a call with `last`. With `last` (bytes may
     * be empty) the answer is complete and the handle invalid when this returns; trailers are
     * dropped. */
    void (*on_body)(void *owner, struct text bytes, bool last);
    /* What had been read is used up: send on what was gathered. */
    void (*on_flush)(void *owner);
    /* A streamed request body: the connection takes more. */
    void (*on_sendable)(void *owner);
    /* Over: the handle is invalid when this returns. `detail` is for people, valid during the call.
     */
    void (*on_failed)(void *owner, enum error error, struct text detail);
};

struct http_call_request {
    enum http1_method method;
    struct text target;      /* path with query */
    struct text headers;     /* lines without Host and framing */
    const struct text *body; /* parts; with `held` all of the body */
    size_t body_count;
    bool held;       /* the whole body is in `body`: may be sent again */
    bool has_body;   /* streamed: a body follows through http_call_send */
    bool has_length; /* streamed: length known, else chunked */
    uint64_t length;
    struct http_timeouts timeouts;
};

struct http_call_times { /* loop_now_exact nanoseconds; 0 when not reached */
    uint64_t started, resolved, connected, secured, sent, first_byte;
    bool reused; /* on a kept connection */
    bool resent; /* went out a second time, on a fresh connection */
};

/* All texts of `request` must stay valid until the call is over: an answer may begin before a held
 * body has gone out. Events come later, never from within. NULL when out of memory. */
must_check struct http_call *http_call_start(struct http_origin *origin,
                                             const struct http_call_request *request,
                                             const struct http_call_events *events, void *owner);
/* Streamed body: copies; false when the call cannot take more now and nothing was taken: wait for
 * on_sendable. */
bool http_call_send(struct http_call *call, struct text bytes, bool last);
/* Back-pressure on the answer. */
void http_call_pause(struct http_call *call);
void http_call_resume(struct http_call *call);
const struct http_call_times *http_call_times(const struct http_call *call);
/* Drops the call and its connection; no event follows. */
void http_call_cancel(struct http_call *call);

#endif
