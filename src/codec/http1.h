/* http1: HTTP/1.0 and 1.1 messages (RFC 9112), bytes in, events out. No sockets.
 *
 * A parser is embedded by value in a connection. It is fed what was read and calls the owner's
 * events: the complete head, slices of the body, the end. It never goes past the end of a message:
 * what a peer sent behind it (pipelining) stays unconsumed until the next http1_feed.
 *
 * Memory: a head is copied into memory of the parser, grown up to `limits.head_bytes`, reused for
 * the next message of the connection and given back by http1_parser_idle. Body slices point into
 * the bytes that were fed: nothing of a body is copied or kept. One thread at a time.
 *
 * Requests are read strictly, because two readers that disagree on where a message ends are how
 * requests are smuggled: what could be read in two ways is refused, never repaired. Responses are
 * read with the same grammar; http1.c lists the few places where real servers are lax. */
#ifndef CODEC_HTTP1_H
#define CODEC_HTTP1_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/text.h"
#include "tables/error.h"
#include "tables/headers.h"

enum http1_side {
    HTTP1_REQUEST, /* we read requests: a server */
    HTTP1_RESPONSE /* we read responses: a client */
};

enum http1_method {
    HTTP1_GET,
    HTTP1_HEAD,
    HTTP1_POST,
    HTTP1_PUT,
    HTTP1_DELETE,
    HTTP1_PATCH,
    HTTP1_OPTIONS,
    HTTP1_CONNECT, /* sent by us to a proxy; refused where we read requests */
    HTTP1_METHOD_COUNT
};

/* How the end of the body is found (RFC 9112 section 6.3). */
enum http1_framing {
    HTTP1_NO_BODY,        /* none can follow, or a declared length of 0 */
    HTTP1_CONTENT_LENGTH, /* head.content_length bytes */
    HTTP1_CHUNKED,
    HTTP1_UNTIL_CLOSE /* responses only: http1_end completes it */
};

struct http1_limits {
    size_t head_bytes;      /* start line and headers as received, with the blank line */
    size_t header_count;    /* in a head; trailers have the same limit of their own */
    size_t trailer_bytes;   /* all trailers as received, with the blank line */
    size_t extension_bytes; /* chunk extensions of one chunk (their content is ignored) */
    unsigned interim_count; /* 1xx responses before the final one */
};

/* 64 KiB of head (large cookies and traces; nginx takes 32 KiB), 100 headers, 8 KiB of trailers,
 * 256 bytes of extensions in a chunk (nobody sends any), 16 interim responses. */
extern const struct http1_limits http1_limits_default;

struct http1_header {
    struct text name;  /* as sent; compare by id or ignoring case */
    struct text value; /* without surrounding white space */
    enum header_id id; /* HEADER_OTHER when not in tables/headers.def */
};

struct http1_head {
    enum http1_method method; /* requests */
    uint16_t status;          /* responses */
    uint8_t version_minor;    /* HTTP/1.x */
    enum http1_framing framing;
    bool has_content_length; /* true on a HEAD response with one, though no body follows */
    bool keep_alive;         /* another message may follow on this connection */
    bool upgrade;            /* Connection: upgrade with an Upgrade header; a 101; 2xx to CONNECT */
    bool expect_continue;    /* Expect: 100-continue and a body to wait for */
    uint64_t content_length; /* when has_content_length */
    struct text target;      /* requests: origin-form, or "*" with OPTIONS */
    struct text authority;   /* requests: that of an absolute-form target, else empty */
    struct text phrase;      /* responses: the reason phrase, possibly empty */
    const struct http1_header *headers;
    size_t header_count;
    uint64_t present[HEADER_WORDS]; /* one bit for each header id that occurs */
};

enum http1_verdict {
    HTTP1_CONTINUE,
    HTTP1_STOP /* leave http1_feed now; see there */
};

/* The owner's events, one static table per kind of connection. An event may not feed or close the
 * parser that calls it. All texts of the head stay valid until the next message starts or
 * http1_parser_idle. */
struct http1_events {
    enum http1_verdict (*on_head)(void *owner, const struct http1_head *head);
    /* A 1xx response other than 101: framing is HTTP1_NO_BODY, no on_complete follows, and the head
     * is valid only during the call. May be NULL: skipped. */
    enum http1_verdict (*on_interim)(void *owner, const struct http1_head *head);
    /* `bytes` is a slice of what was fed, never empty. Chunk framing is removed. */
    enum http1_verdict (*on_body)(void *owner, struct text bytes);
    /* Fields behind a chunked body, just before on_complete; only when there are any. Valid until
     * the next message starts. Never merge them into the head. May be NULL. */
    void (*on_trailers)(void *owner, const struct http1_header *trailers, size_t count);
    /* The message ended. http1_feed returns after it, whatever follows. */
    void (*on_complete)(void *owner);
};

/* Bytes kept for the state of llhttp, so that its header (hundreds of HTTP_ names) stays out of
 * everybody's way. Checked at compile time in http1.c. */
#define HTTP1_MACHINE_WORDS 14

/* Public so that it can be embedded; read `head`, `reason`; the rest belongs to http1.c. */
struct http1_parser {
    struct http1_head head; /* of the current or last message */
    const char *reason;     /* after an error: one sentence for people, static; else NULL */

    enum http1_side side;
    uint8_t state;         /* enum http1_state in http1.c */
    uint8_t expected;      /* enum http1_method of the request that is being answered */
    bool stop;             /* an event asked to leave */
    bool version_seen;     /* the request line has a version */
    uint8_t leading_bytes; /* of empty lines before a request line */
    uint8_t interim_seen;
    enum error error;
    const struct http1_limits *limits;
    const struct http1_events *events;
    void *owner;
    uint64_t body_left; /* HTTP1_CONTENT_LENGTH: bytes still to come */
    size_t extension_seen;
    struct http1_fields *fields;   /* head bytes and header array; NULL while idle */
    struct http1_fields *trailers; /* allocated by the first trailer */
    uint64_t machine[HTTP1_MACHINE_WORDS];
};

/* `limits` and `events` must outlive the parser. Takes no memory until the first byte of a head. */
void http1_parser_open(struct http1_parser *parser, enum http1_side side,
                       const struct http1_limits *limits, const struct http1_events *events,
                       void *owner);
/* Frees what the parser holds. It may be opened again. */
void http1_parser_close(struct http1_parser *parser);

/* Response side: the method of the request that the next response answers (HEAD and CONNECT change
 * how its end is found). Call it before the response's first byte; GET until told otherwise. */
void http1_parser_expect(struct http1_parser *parser, enum http1_method method);

/* Between messages only: gives the head's memory back, so that an idle connection costs its struct.
 * The head's texts become invalid. */
void http1_parser_idle(struct http1_parser *parser);

/* No message has begun, or the last one is complete: the connection is idle or may be closed. */
bool http1_parser_between(const struct http1_parser *parser);

/* Parses `bytes` until they are used up, a message is complete or an event said HTTP1_STOP.
 * `consumed` says how many were used; feed the rest again later.
 *
 *   - All used, no stop: read more from the peer.
 *   - on_complete was called: the next feed starts the next message (with an upgrade, the rest is
 *     not HTTP any more and is the caller's).
 *   - An event stopped: feed again when ready, even if nothing is left to feed, for the end of the
 *     message may be the next event. So a feed may use nothing and still call events.
 *
 * Errors (final for the parser; parser->reason says why): ERROR_HTTP_SYNTAX, ERROR_HTTP_AMBIGUOUS,
 * ERROR_HTTP_UNSUPPORTED (method, version, Expect), ERROR_HTTP_HEAD_TOO_LARGE, ERROR_MEMORY. */
must_handle enum error http1_feed(struct http1_parser *parser, struct text bytes, size_t *consumed);

/* The peer sent its last byte. Completes an HTTP1_UNTIL_CLOSE body; ERROR_OK between messages;
 * ERROR_HTTP_TRUNCATED inside one. */
must_handle enum error http1_end(struct http1_parser *parser);

/* Does a header with this id (not HEADER_OTHER) occur? */
static inline bool http1_head_has(const struct http1_head *head, enum header_id id)
{
    return (head->present[id / 64] >> (id % 64) & 1) != 0;
}

/* The first header with this id, or NULL. Cheap when it is absent. */
const struct http1_header *http1_head_find(const struct http1_head *head, enum header_id id);
/* Its value; empty with data NULL when absent. */
struct text http1_head_value(const struct http1_head *head, enum header_id id);
/* For names outside the table. */
const struct http1_header *http1_head_find_name(const struct http1_head *head, struct text name);

/* One member of a comma-separated list (RFC 9110 section 5.6.1) at a time: the next member that is
 * not empty, trimmed, or false at the end. Quoted strings are not understood. */
bool http1_list_next(struct text *list, struct text *member);

/* "POST". */
struct text http1_method_text(enum http1_method method);
bool http1_method_find(struct text name, enum http1_method *out);

/* "HTTP/1.1 200 OK\r\n"; a status outside tables/statuses.def gets an empty phrase. `status` is
 * 100 to 599. */
bool http1_append_status_line(struct buffer *out, unsigned status);
/* "OK"; empty when the status is not in the table. */
struct text http1_status_phrase(unsigned status);

/* "name: value\r\n". Marks `out` as failed, and appends nothing, when the name is no token or the
 * value holds CR, LF, NUL or another control character: nobody writes a header of their own through
 * a value that we pass on. */
bool http1_append_header(struct buffer *out, struct text name, struct text value);
/* The same line of a header that a parser handed out, which has checked it already. */
bool http1_append_parsed_header(struct buffer *out, const struct http1_header *header);
bool http1_append_header_unsigned(struct buffer *out, struct text name, uint64_t value);

/* The line before a chunk of `size` bytes (not 0), with its CRLF; returns how many bytes it has.
 * Behind the chunk's data stands HTTP1_CHUNK_TAIL, behind the last chunk HTTP1_CHUNK_END. */
#define HTTP1_CHUNK_LINE_SIZE 18
size_t http1_format_chunk_line(size_t size, char out[HTTP1_CHUNK_LINE_SIZE]);
#define HTTP1_CHUNK_TAIL TEXT("\r\n")
#define HTTP1_CHUNK_END  TEXT("0\r\n\r\n")

#endif
