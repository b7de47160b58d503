/* server: the caller's side: HTTP/1.1 requests in, answers out, over one connection each.
 *
 * A caller connection carries one request at a time (pipelined ones wait, unread beyond one read
 * buffer). For each request the handler gets events and answers through the `struct http_request`
 * handle. The loop's thread only.
 *
 * Memory: the handle lives in the connection's struct and is valid from on_request/on_malformed
 * until the answer's last part was given (`last` true), until on_gone, or until http_request_abort.
 * Head texts live as long as the handle. */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include "codec/http1.h"
#include "net/connection.h"
#include "net/listener.h"
#include "net/loop.h"
#include "tables/error.h"

struct http_server;
struct http_request;

struct http_server_limits {
    struct http1_limits http1;
    uint64_t requests;     /* on one connection, which closes after that many; 0: no limit */
    size_t connections;    /* open at once on this server; more are closed at accept, and counted */
    uint64_t head_timeout; /* from the first byte of a head to its end; nanoseconds, as all below */
    uint64_t body_timeout; /* without a byte while a body is expected */
    uint64_t idle_timeout; /* kept open between requests */
    uint64_t write_timeout; /* without progress while the caller does not read */
};

struct http_server_events {
    /* A head is complete. Attach an owner (http_request_set_owner); body events go to it. The body
     * of a request that expects 100-continue is asked for by http_request_accept_body. */
    void (*on_request)(void *server_owner, struct http_request *request);
    /* The head is malformed, too large or too slow: answer (the connection closes after it). Head
     * texts may be incomplete: do not read the head. */
    void (*on_malformed)(void *server_owner, struct http_request *request, enum error error,
                         const char *reason);
    /* A caller's TLS handshake failed, so that there is no request. NULL allowed. */
    void (*on_no_tls)(void *server_owner, const struct address *peer, enum tls_trouble trouble);
    /* ---- to the request's owner ---- */
    void (*on_body)(void *owner, struct text bytes); /* valid during the call */
    /* Where the next bytes of a body of known length may be put, at most `*size`, which it may
     * lower; they are then told by on_body. NULL for nowhere. NULL allowed. */
    char *(*on_body_room)(void *owner, size_t *size);
    void (*on_body_end)(void *owner);
    /* The body is malformed or too slow. An answer may still be given; the connection closes after
     * it. */
    void (*on_body_failed)(void *owner, enum error error, const char *reason);
    void (*on_drained)(void *owner); /* no longer congested */
    /* The caller is gone: the handle is invalid when this returns. */
    void (*on_gone)(void *owner, enum error error);
};

struct http_server_counters {
    uint64_t accepted;
    uint64_t refused_connections; /* over limits.connections */
    uint64_t failed_tls;          /* ended by a TLS handshake or certificate that failed */
    size_t open;
};

/* Listens on `descriptor` (from listener_bind, taken over) or, with -1, only serves adopted
 * descriptors. `tls` NULL for plain. Everything pointed to must outlive the server. */
must_handle enum error http_server_create(struct loop *loop, int descriptor,
                                          struct tls_context *tls,
                                          const struct http_server_limits *limits,
                                          const struct http_server_events *events, void *owner,
                                          struct http_server **out);
/* Later connections use the new context; open ones keep theirs. */
void http_server_set_tls(struct http_server *server, struct tls_context *tls);
/* The same for limits; time-outs that run already run on. */
void http_server_set_limits(struct http_server *server, const struct http_server_limits *limits);
/* Serves a connected descriptor (the built-in demo's socket pair, an inherited socket). */
void http_server_adopt(struct http_server *server, int descriptor, const struct address *peer);
/* The same of a connection that somebody else accepted for this server: closed, and counted, where
 * it is one too many. */
void http_server_accept(struct http_server *server, int descriptor, const struct address *peer);
/* No new connections; idle ones close; answers in progress finish with "connection: close". */
void http_server_drain(struct http_server *server);
bool http_server_is_drained(const struct http_server *server);
/* Cuts every open connection (on_gone comes for each open request). */
void http_server_cut(struct http_server *server);
/* Cuts what is left (on_gone comes for each open request), then frees at the end of the turn. */
void http_server_destroy(struct http_server *server);
const struct http_server_counters *http_server_counters(const struct http_server *server);

void http_request_set_owner(struct http_request *request, void *owner);
const struct http1_head *http_request_head(const struct http_request *request);
const struct address *http_request_peer(const struct http_request *request);
/* Appends the caller's verified client certificate as DER; false when it has shown none. */
must_check bool http_request_certificate(const struct http_request *request, struct buffer *der);
/* True when a body follows or is arriving. */
bool http_request_has_body(const struct http_request *request);
/* Sends 100 Continue once where it was expected; otherwise nothing. */
void http_request_accept_body(struct http_request *request);
void http_request_pause_body(struct http_request *request);
void http_request_resume_body(struct http_request *request);

struct http_answer {
    unsigned status;
    struct text headers; /* "name: value\r\n" lines without framing, date excluded or included as
                            the giver likes */
    bool has_length;     /* else chunked (or until close for HTTP/1.0) */
    uint64_t length;
    bool close; /* close the connection after this answer */
};

/* The head with the first part of the body in one write. With `last` the answer is complete and the
 * handle invalid. Returns false when the caller does not read and the queue is over its maximum:
 * the request is then gone (no on_gone follows). */
bool http_request_respond(struct http_request *request, const struct http_answer *answer,
                          const struct text *parts, size_t count, bool last);
/* More of the body. Nothing may follow `last`. */
bool http_request_send(struct http_request *request, const struct text *parts, size_t count,
                       bool last);
bool http_request_is_congested(const struct http_request *request);
/* Cuts the connection so that the caller sees a broken answer, not a short one. */
void http_request_abort(struct http_request *request);

#define HTTP_REQUEST_PARTS_MAXIMUM \
    56u /* parts in one respond or send: what fits beside framing in one writev of 64 */

#endif
