/* sse: server-sent events (WHATWG HTML, section 9.2), split into frames without changing a byte.
 *
 * A frame is everything up to and including a blank line; the frames of a stream, put together, are
 * the stream. Two ways to use it, the same calls:
 *
 *   tap    pass every byte on as it arrives, then look at the frames that it completed:
 *              relay(bytes); while (sse_next(&splitter, &bytes, &frame)) look(&frame);
 *   hold   pass on only what is complete, so that a frame can be left out:
 *              while (sse_next(&splitter, &bytes, &frame)) if (wanted(&frame)) relay(frame.raw);
 *
 * Splitting does not look into frames; sse_read does, for those that the caller cares about.
 *
 * Memory: a frame that lies within the bytes given is a slice of them; one that was cut by the
 * network is put together in a buffer of at most `limit` bytes, allocated only then. A frame larger
 * than the limit is passed through in pieces that cannot be read. One thread at a time. */
#ifndef CODEC_SSE_H
#define CODEC_SSE_H

#include "base/buffer.h"
#include "base/text.h"
#include "tables/error.h"

/* The largest frame that is held together; images in base64 come in frames of megabytes, which
 * nobody needs to read and which pass in pieces. */
#define SSE_FRAME_LIMIT (1u << 20)

struct sse_splitter {
    struct buffer partial;
    size_t limit;
    bool line_has_bytes; /* the line at hand is not blank so far */
    bool after_return;   /* the last byte was a CR, whose LF may still come */
    bool blank_return;   /* ... and it ended a blank line */
    bool passing;        /* inside a frame larger than the limit */
    bool taken;          /* `partial` was handed out and is cleared by the next call */
    bool begun;          /* the first frame has been handed out */
};

struct sse_frame {
    struct text raw; /* valid until the next call on the splitter, and while the input is */
    bool whole;      /* a complete frame; else a piece of one that is too large or was cut off */
    bool first;      /* begins the stream, where a byte order mark may stand */
    bool is_line;    /* found to be one line with LF, and the LF of a blank one */
};

struct sse_event {
    struct text name; /* of the last `event` field; empty means "message" */
    struct text data; /* the `data` fields, joined by LF */
    struct text id;
    bool has_data; /* there was a `data` field; a frame without one dispatches nothing */
};

void sse_splitter_open(struct sse_splitter *splitter, size_t limit);
void sse_splitter_close(struct sse_splitter *splitter);

/* Takes bytes from the front of `bytes` until a frame, or a piece of one too large, is complete:
 * true, and `frame` is it. False when all bytes are used. Never fails: where memory runs out, the
 * frame counts as too large.
 *
 * A blank line that ends in CR ends its frame only when the next byte shows that no LF follows. */
bool sse_next(struct sse_splitter *splitter, struct text *bytes, struct sse_frame *frame);

/* The stream ended: true when bytes of an unfinished frame are left, which `frame` then is. */
bool sse_end(struct sse_splitter *splitter, struct sse_frame *frame);

/* True when bytes of an unfinished frame are held: in hold mode, bytes not yet passed on. */
static inline bool sse_holding(const struct sse_splitter *splitter)
{
    return !splitter->taken && splitter->partial.length > 0;
}

/* Reads the fields of a whole frame. The texts are slices of frame->raw, but for data of several
 * lines, which is joined in `joined` (cleared first). False when that has no room. */
must_check bool sse_read(const struct sse_frame *frame, struct buffer *joined,
                         struct sse_event *event);

/* A frame with the event name (left out when empty) and the data, one `data` line for each of its
 * lines. `name` must not hold CR or LF. */
bool sse_append(struct buffer *out, struct text name, struct text data);

#endif
