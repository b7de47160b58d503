#include "codec/event_stream.h"

#include <zlib.h>

#include "base/ensure.h"

/* Bytes of the frame at hand are gathered in `partial` only when it was cut: first its prelude,
 * which says how long it is, then the rest.
 *
 * Invariants: `partial` never holds a byte behind the end of its frame. checked: `partial` begins
 * with a prelude that is sound. */

#define PRELUDE_LENGTH 12u /* two lengths and their CRC */
#define CRC_LENGTH     4u

/* A buffer larger than this is not kept once its frame is done: a stream that is idle costs little.
 */
#define KEPT_CAPACITY 4096u

static uint64_t read_number(const char *at, size_t length)
{
    uint64_t number = 0;
    for (size_t i = 0; i < length; i++)
        number = number << 8 | (unsigned char)at[i];
    return number;
}

static uint32_t crc_of(const char *at, size_t length)
{
    /* A frame's length fits: event_stream_open limits it. */
    return (uint32_t)crc32(0, (const unsigned char *)at, (unsigned)length);
}

void event_stream_open(struct event_stream *stream, size_t limit)
{
    ensure(limit >= EVENT_STREAM_FRAME_LENGTH_MIN && limit <= EVENT_STREAM_FRAME_LIMIT);
    *stream = (struct event_stream){.limit = limit};
    buffer_open(&stream->partial, limit);
}

void event_stream_close(struct event_stream *stream)
{
    buffer_close(&stream->partial);
}

/* Of PRELUDE_LENGTH bytes. The CRC first: lengths that it does not vouch for say nothing. */
static enum error check_prelude(const char *prelude, size_t limit)
{
    uint64_t total = read_number(prelude, 4), headers = read_number(prelude + 4, 4);

    if (crc_of(prelude, PRELUDE_LENGTH - CRC_LENGTH) != read_number(prelude + 8, CRC_LENGTH))
        return ERROR_SYNTAX;
    if (total < EVENT_STREAM_FRAME_LENGTH_MIN || headers > total - EVENT_STREAM_FRAME_LENGTH_MIN)
        return ERROR_SYNTAX;
    return total > limit || headers > EVENT_STREAM_HEADERS_LIMIT ? ERROR_LIMIT : ERROR_OK;
}

static enum error read_frame(struct text raw, struct event_stream_frame *frame)
{
    size_t body = raw.length - CRC_LENGTH;
    size_t headers = (size_t)read_number(raw.data + 4, 4);
    struct event_stream_header header;

    if (crc_of(raw.data, body) != read_number(raw.data + body, CRC_LENGTH))
        return ERROR_SYNTAX;
    *frame = (struct event_stream_frame){
        .raw = raw,
        .headers = text_of(raw.data + PRELUDE_LENGTH, headers),
        .payload = text_of(raw.data + PRELUDE_LENGTH + headers, body - PRELUDE_LENGTH - headers),
    };
    struct text rest = frame->headers;
    while (event_stream_header_next(&rest, &header))
        ;
    return text_empty(rest) ? ERROR_OK : ERROR_SYNTAX;
}

static void forget_partial(struct event_stream *stream)
{
    stream->taken = false;
    stream->checked = false;
    if (stream->partial.capacity > KEPT_CAPACITY) {
        buffer_close(&stream->partial);
        buffer_open(&stream->partial, stream->limit);
    }
    buffer_clear(&stream->partial);
}

/* Moves bytes into `partial` until it holds `length`; fewer when they are used up. */
static enum error gather(struct event_stream *stream, struct text *bytes, size_t length)
{
    struct text piece = text_first(*bytes, length - stream->partial.length);

    if (!buffer_append(&stream->partial, piece))
        return ERROR_MEMORY;
    *bytes = text_from_index(*bytes, piece.length);
    return ERROR_OK;
}

/* The frame in `partial`, a prelude's worth and then the whole of it. */
static enum error continue_partial(struct event_stream *stream, struct text *bytes,
                                   struct event_stream_frame *frame)
{
    struct buffer *partial = &stream->partial;
    enum error error = ERROR_OK;

    if (!stream->checked) {
        error = gather(stream, bytes, PRELUDE_LENGTH);
        if (error != ERROR_OK || partial->length < PRELUDE_LENGTH)
            return error;
        error = check_prelude(partial->data, stream->limit);
        if (error != ERROR_OK)
            return error;
        stream->checked = true;
    }
    size_t total = (size_t)read_number(partial->data, 4);
    error = gather(stream, bytes, total);
    if (error != ERROR_OK || partial->length < total)
        return error;
    stream->taken = true;
    return read_frame(buffer_text(partial), frame);
}

static enum error next(struct event_stream *stream, struct text *bytes,
                       struct event_stream_frame *frame)
{
    if (stream->partial.length > 0 || bytes->length < PRELUDE_LENGTH)
        return continue_partial(stream, bytes, frame);
    enum error error = check_prelude(bytes->data, stream->limit);
    if (error != ERROR_OK)
        return error;
    size_t total = (size_t)read_number(bytes->data, 4);
    if (bytes->length < total)
        return continue_partial(stream, bytes, frame);
    error = read_frame(text_first(*bytes, total), frame);
    *bytes = text_from_index(*bytes, total);
    return error;
}

enum error event_stream_next(struct event_stream *stream, struct text *bytes,
                             struct event_stream_frame *frame)
{
    *frame = (struct event_stream_frame){0};
    if (stream->taken)
        forget_partial(stream);
    if (stream->error == ERROR_OK && bytes->length > 0)
        stream->error = next(stream, bytes, frame);
    if (stream->error != ERROR_OK)
        *frame = (struct event_stream_frame){0};
    return stream->error;
}

enum error event_stream_end(const struct event_stream *stream)
{
    if (stream->error != ERROR_OK)
        return stream->error;
    return stream->partial.length > 0 && !stream->taken ? ERROR_HTTP_TRUNCATED : ERROR_OK;
}

/* How a value stands in the frame. */
static const struct {
    unsigned char size; /* of the value, or of its length */
    bool has_length;
    bool is_number; /* signed */
} types[] = {
    [EVENT_STREAM_TRUE] = {0},
    [EVENT_STREAM_FALSE] = {0},
    [EVENT_STREAM_INT8] = {.size = 1, .is_number = true},
    [EVENT_STREAM_INT16] = {.size = 2, .is_number = true},
    [EVENT_STREAM_INT32] = {.size = 4, .is_number = true},
    [EVENT_STREAM_INT64] = {.size = 8, .is_number = true},
    [EVENT_STREAM_BYTES] = {.size = 2, .has_length = true},
    [EVENT_STREAM_STRING] = {.size = 2, .has_length = true},
    [EVENT_STREAM_TIMESTAMP] = {.size = 8, .is_number = true},
    [EVENT_STREAM_UUID] = {.size = 16},
};

static int64_t read_signed(const char *at, size_t size)
{
    ensure(size >= 1 && size <= 8); /* of the rows that are numbers */
    unsigned shift = 64 - 8 * (unsigned)size;

    /* Up to the sign and back down with it. */
    return (int64_t)(read_number(at, size) << shift) >> shift;
}

/* Takes `length` bytes from the front of `rest`; false when it has fewer. */
static bool take(struct text *rest, size_t length, struct text *taken)
{
    if (rest->length < length)
        return false;
    *taken = text_first(*rest, length);
    *rest = text_from_index(*rest, length);
    return true;
}

bool event_stream_header_next(struct text *headers, struct event_stream_header *header)
{
    struct text rest = *headers, byte, value;

    *header = (struct event_stream_header){0};
    if (!take(&rest, 1, &byte) || byte.data[0] == 0 ||
        !take(&rest, (unsigned char)byte.data[0], &header->name) || !take(&rest, 1, &byte) ||
        (unsigned char)byte.data[0] >= ARRAY_LENGTH(types))
        return false;
    header->type = (enum event_stream_type)byte.data[0];
    size_t size = types[header->type].size;
    if (!take(&rest, size, &value))
        return false;
    if (types[header->type].has_length &&
        !take(&rest, (size_t)read_number(value.data, size), &value))
        return false;
    if (types[header->type].is_number)
        header->number = read_signed(value.data, size);
    else if (header->type == EVENT_STREAM_TRUE)
        header->number = 1;
    else
        header->bytes = value;
    *headers = rest;
    return true;
}

struct text event_stream_string(const struct event_stream_frame *frame, struct text name)
{
    struct text rest = frame->headers;
    struct event_stream_header header;

    while (event_stream_header_next(&rest, &header))
        if (header.type == EVENT_STREAM_STRING && text_equal(header.name, name))
            return header.bytes;
    return (struct text){0};
}

/* What :message-type says, and the header that names the message then. */
static const struct {
    struct text kind, name;
} kinds[] = {
    [EVENT_STREAM_EVENT] = {TEXT_INIT("event"), TEXT_INIT(":event-type")},
    [EVENT_STREAM_EXCEPTION] = {TEXT_INIT("exception"), TEXT_INIT(":exception-type")},
    [EVENT_STREAM_ERROR] = {TEXT_INIT("error"), TEXT_INIT(":error-code")},
};

bool event_stream_read(const struct event_stream_frame *frame, struct event_stream_message *message)
{
    struct text kind = event_stream_string(frame, TEXT(":message-type"));

    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
        if (!text_equal(kind, kinds[i].kind))
            continue;
        *message = (struct event_stream_message){
            .kind = (enum event_stream_kind)i,
            .name = event_stream_string(frame, kinds[i].name),
            .content_type = event_stream_string(frame, TEXT(":content-type")),
            .message = event_stream_string(frame, TEXT(":error-message")),
            .payload = frame->payload,
        };
        return true;
    }
    return false;
}
