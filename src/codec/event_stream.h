/* event_stream: AWS's framing of streamed answers (application/vnd.amazon.eventstream), bytes in,
 * frames out.
 *
 * A frame is a prelude (its length, the length of its headers, a CRC of both), headers with typed
 * values, a payload, and a CRC of all before it, numbers in network order. Source: "Event stream
 * encoding" in the Amazon Transcribe developer guide, and smithy.io "Amazon Event Stream".
 *
 *     while ((error = event_stream_next(&stream, &bytes, &frame)) == ERROR_OK &&
 *            !text_empty(frame.raw))
 *         look(&frame);
 *
 * A stream whose CRC or lengths are wrong cannot be followed any further: its error stays.
 *
 * Memory: a frame that lies within the bytes given is a slice of them; one that was cut by the
 * network is put together in a buffer of at most `limit` bytes, allocated only then. One thread at
 * a time. */
#ifndef CODEC_EVENT_STREAM_H
#define CODEC_EVENT_STREAM_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/text.h"
#include "tables/error.h"

/* The largest frame and the most bytes of headers that the format knows (AWS's own library has the
 * same). A frame must be held whole: only its last bytes tell whether it is sound. */
#define EVENT_STREAM_FRAME_LIMIT   (24u << 20)
#define EVENT_STREAM_HEADERS_LIMIT (128u << 10)
/* Without headers and payload. */
#define EVENT_STREAM_FRAME_LENGTH_MIN 16u

struct event_stream {
    struct buffer partial;
    size_t limit;
    enum error error; /* sticky */
    bool checked;     /* the prelude of the frame in `partial` is sound */
    bool taken;       /* `partial` was handed out and is cleared by the next call */
};

struct event_stream_frame {
    struct text raw; /* empty: there was none; else valid until the next call on the stream, and
                        while the input is */
    struct text headers;
    struct text payload;
};

enum event_stream_type {
    EVENT_STREAM_TRUE,
    EVENT_STREAM_FALSE,
    EVENT_STREAM_INT8,
    EVENT_STREAM_INT16,
    EVENT_STREAM_INT32,
    EVENT_STREAM_INT64,
    EVENT_STREAM_BYTES,
    EVENT_STREAM_STRING,    /* UTF-8 by its definition; not checked here */
    EVENT_STREAM_TIMESTAMP, /* milliseconds since 1970 */
    EVENT_STREAM_UUID
};

struct event_stream_header {
    struct text name;
    enum event_stream_type type;
    int64_t number;    /* of integers and timestamps; 1 and 0 of true and false */
    struct text bytes; /* of bytes, strings and UUIDs */
};

enum event_stream_kind {
    EVENT_STREAM_EVENT,
    EVENT_STREAM_EXCEPTION, /* modelled: its payload says more */
    EVENT_STREAM_ERROR      /* its `message` says more */
};

/* What the headers that start with a colon say of a frame. */
struct event_stream_message {
    enum event_stream_kind kind;
    struct text name; /* :event-type, :exception-type or :error-code */
    struct text content_type;
    struct text message; /* :error-message */
    struct text payload;
};

/* `limit`: of a frame in bytes, from EVENT_STREAM_FRAME_LENGTH_MIN to EVENT_STREAM_FRAME_LIMIT. */
void event_stream_open(struct event_stream *stream, size_t limit);
void event_stream_close(struct event_stream *stream);

/* Takes bytes from the front of `bytes` until a frame is complete, which `frame` then is; its raw
 * text is empty when all bytes are used. A frame that is handed out has passed both CRCs, and its
 * headers are well formed. ERROR_SYNTAX: a CRC, a length or a header is wrong; ERROR_LIMIT: a frame
 * is larger than the limit; ERROR_MEMORY. */
must_handle enum error event_stream_next(struct event_stream *stream, struct text *bytes,
                                         struct event_stream_frame *frame);

/* The stream ended. ERROR_HTTP_TRUNCATED within a frame, else the error that it had before. */
must_handle enum error event_stream_end(const struct event_stream *stream);

/* Takes a header from the front of a frame's headers; false when there is none left. */
must_check bool event_stream_header_next(struct text *headers, struct event_stream_header *header);

/* The value of a header that is a string; empty when there is none of that name and type. */
struct text event_stream_string(const struct event_stream_frame *frame, struct text name);

/* False when the headers tell no kind, or one that is not known. */
must_check bool event_stream_read(const struct event_stream_frame *frame,
                                  struct event_stream_message *message);

#endif
