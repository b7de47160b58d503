/* call: one request to the admin API, from what was asked to what is answered. No sockets: what
 * comes in and goes out is memory, so that any request can be tried.
 *
 * The thread of the admin API. A call's texts live in its arena, or where the request lies. */
#ifndef ADMIN_CALL_H
#define ADMIN_CALL_H

#include "admin/credentials.h"
#include "admin/office.h"
#include "admin/origin.h"
#include "admin/routes.h"
#include "admin/sessions.h"
#include "admin/stream.h"
#include "base/buffer.h"
#include "codec/json.h"

#define CALL_ANSWER_MAX                                                                          \
    (64u << 20)                     /* bytes: a page has 1,000 rows at most, an export many more \
                                     */
#define CALL_MEMORY_MAX (32u << 20) /* of the arena: a body, its document, an object's texts */
#define CALL_PAGE_MAX   1000u
#define CALL_PAGE       100u
#define CONSOLE_FIELD   "x-turnpike-console" /* what the console's page sends with every change */

struct admin_call {
    struct office *office;
    /* What was asked. */
    enum http1_method method;
    struct text target; /* path and query, as it came */
    struct text body;
    struct text if_match;      /* the header; data NULL: there was none */
    struct text last_event_id; /* the header; data NULL: there was none */
    struct text source;        /* address of the peer */
    struct text agent;         /* what the program or browser says it is */
    struct text cookies;       /* the field Cookie */
    const struct address *peer;
    const struct origin_door *door; /* the listener that it came in by */
    struct text request_id;
    /* Who asks (admin/identify.h). */
    const struct credential *credential;  /* NULL: nobody, where strangers may ask */
    const struct stored_session *session; /* NULL: it was a key */
    /* What call_answer finds out. */
    const struct route *route;
    struct text id;                        /* decoded */
    struct text values[ROUTE_QUERIES_MAX]; /* by the route's rows; data NULL: not given */
    struct admin_actor actor;
    struct arena arena;
    /* What is answered. */
    unsigned status;
    const char *content_type;
    const char *caching;   /* Cache-Control; NULL: no-store */
    struct buffer headers; /* lines beside content type, caching and request id */
    struct buffer out;
    struct json_writer json;
    struct admin_problem problem;
    /* An answer that goes on; NULL: it is whole. */
    const struct stream_events *stream_events;
    void *stream_owner;
};

/* Texts and credential are set by the caller afterwards. */
void call_open(struct admin_call *call, struct office *office);
/* The answer may hold a secret: it is wiped. */
void call_close(struct admin_call *call);
/* Answers the request: finds the route, checks, runs, or writes the problem. Always leaves a
 * complete answer. */
void call_answer(struct admin_call *call);
/* Writes `problem` as the answer. For what goes wrong before there is a request to answer, too. */
void call_answer_problem(struct admin_call *call);

/* Takes path segment and query parameters apart, still encoded (call_query.c). Used by call_answer.
 */
bool call_take_target(struct admin_call *call, struct text id, struct text query);

/* ---- for handlers ---- */

/* Whether browsers come to us over TLS, so that their cookies are bound to it. */
bool call_is_secure(const struct admin_call *call);
/* Sets the problem; returns false. `field`: member or parameter, or "". */
bool call_refuse(struct admin_call *call, enum admin_problem_code code, const char *field,
                 const char *format, ...) format_like(4, 5);
/* The problem of the office's operations becomes the call's; returns false. */
bool call_refuse_operation(struct admin_call *call);
/* From what the store said of reading. ERROR_OK gives true. */
bool call_store_answer(struct admin_call *call, enum error error);
/* The value of a query parameter; data NULL when it was not given. */
struct text call_query(const struct admin_call *call, const char *name);
/* These leave `out` when the parameter was not given, and refuse what is wrong. */
bool call_query_count(struct admin_call *call, const char *name, uint64_t minimum, uint64_t maximum,
                      uint64_t *out);
bool call_query_flag(struct admin_call *call, const char *name, bool *out);
/* A duration counts back from now. */
bool call_query_moment(struct admin_call *call, const char *name, uint64_t *out);
/* The parameter `limit`, as every list has it. */
bool call_query_limit(struct admin_call *call, size_t *out);
/* The body as a document; an empty body is an empty mapping. NULL after a refusal. */
struct document_node *call_read_body(struct admin_call *call);
/* The same, checked against a shape: known members, of the right kind, all that are needed. */
struct document_node *call_read_shape(struct admin_call *call, enum shape_name shape);
/* The scalar of a member; data NULL when it was not given or is null. */
struct text call_member(const struct document_node *body, const char *name);

/* The answer comes later, piece by piece: the events go to `owner`, which lives until the stream
 * has ended. Returns true, for a handler to return. */
bool call_go_on(struct admin_call *call, const struct stream_events *events, void *owner);

/* A member that is null when the text is empty, or the moment 0. */
void call_write_text(struct admin_call *call, const char *name, struct text value);
void call_write_moment(struct admin_call *call, const char *name, uint64_t time);
/* {"data":[ … ],"next_cursor":…}: around rows that the handler writes. */
void call_begin_page(struct admin_call *call);
/* `cursor` is the key of the last row shown; empty: there is no further page. */
void call_end_page(struct admin_call *call, struct text cursor);
/* The key that the parameter `cursor` holds, decoded; data NULL: from the start. */
bool call_read_cursor(struct admin_call *call, struct text *out);
/* A team lead sees its own team alone: `team` (empty: any) becomes that, or another one that was
 * asked for is refused. */
bool call_narrow_team(struct admin_call *call, struct text *team);

#endif
