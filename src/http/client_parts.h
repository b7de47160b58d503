/* client_parts: what client.c (calls) and pool.c (connections to an origin) share. Nobody else
 * includes it.
 *
 * A call:  WAITING (for a place) -> DIALLING -> TUNNELLING -> SECURING -> SENT -> ANSWERING -> OVER
 *          a kept connection goes straight to SENT; a call that lost a kept connection goes back to
 *          DIALLING, once.
 *
 * A line is one connection to the origin: idle in the origin's list, or carrying exactly one call.
 *
 * Invariants:
 *   - origin->open_count counts lines and dials; it never passes settings.connections.
 *   - call->line and line->call point at each other or are both NULL.
 *   - Owners hear of a call's end once; the handle is unlinked before they do, and freed at the end
 *     of the turn.
 *   - While http1_feed runs (`feeding`) a line is not returned to the pool; that is done behind it.
 */
#ifndef HTTP_CLIENT_PARTS_H
#define HTTP_CLIENT_PARTS_H

#include "base/buffer.h"
#include "http/client.h"

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
    struct line *next, *previous; /* among the origin's busy or idle lines */
    struct http1_parser parser;
    struct buffer head;    /* the request's head as sent; memory kept for the next call */
    struct buffer pending; /* answer bytes that the paused call did not take */
    struct text slice; /* body bytes not yet given on: the next event tells if they are the last */
    struct loop_deferred release;
    struct loop_deferred resume;
    uint64_t idle_since; /* loop_now; 0: busy */
    uint64_t idle_turn;  /* the turn of the loop in which that was */
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
    struct loop_deferred finish; /* a failure told at the end of the turn; then the memory */
    enum error failure;
    const char *failure_detail; /* static */
    enum call_state state;
    uint64_t dial_began; /* loop_now */
    bool opening;        /* an internal connection is opened at the end of the turn */
    size_t head_offset, body_index,
        body_offset; /* held request: what was handed to the connection so far */
    bool all_sent;
    bool paused;
    bool wants_sendable;
};

struct http_origin {
    struct loop *loop;
    struct resolver *resolver;
    struct http_origin_settings settings;
    struct buffer texts; /* backs the settings' texts */
    struct line *busy;
    struct line *idle; /* the freshest first */
    struct http_call *waiting, **waiting_end;
    size_t waiting_count;
    size_t open_count;
    size_t idle_count;
    struct loop_timer idle_timer;
    struct loop_deferred release;
    size_t calls;
    struct http_call *spare_calls; /* memory of calls that are over, by next_waiting */
    size_t spare_count;
    bool released;
};

/* A turn of the loop ends its calls together, more than malloc keeps at hand for its thread (seven
 * of a size). 64 are some 25 KB. */
#define SPARE_CALLS_MAXIMUM 64u

/* ---- client.c ---- */

/* The events of a line's connection and of its parser; the owner is the struct line. */
extern const struct connection_events client_line_events;
extern const struct http1_events client_parser_events;

/* Ends the call and its line, and tells its owner. */
void call_fail(struct http_call *call, enum error error, struct text detail);
/* A failure found while starting: told at the end of the turn, never from within. `detail` is
 * static. */
void call_fail_later(struct http_call *call, enum error error, const char *detail);
/* The call's line is open: writes the request. */
void call_send_request(struct http_call *call);
/* The memory of a call that is over. */
void call_free(void *call);

/* ---- pool.c ---- */

/* Finds the call a line: a kept one (unless `fresh`), a new one, or a place in the queue. */
void call_begin(struct http_call *call, bool fresh);
/* The line is no more. */
void line_discard(struct line *line);
/* The same, and its place goes to who waits. */
void line_drop(struct line *line);
/* The answer is over: back into the pool, or away. */
void line_return(struct line *line);
/* Gives free places to who waits, in order. */
void pool_serve_waiting(struct http_origin *origin);
void pool_stop_waiting(struct http_call *call);
void pool_free_when_unused(struct http_origin *origin);

#endif
