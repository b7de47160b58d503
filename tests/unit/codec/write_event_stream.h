/* Writes frames of AWS's event stream, for tests and fuzz targets: what an upstream would send. */
#ifndef TESTS_WRITE_EVENT_STREAM_H
#define TESTS_WRITE_EVENT_STREAM_H

#include <zlib.h>

#include "codec/event_stream.h"

static inline void event_stream_write_number(struct buffer *out, uint64_t number, size_t size)
{
    while (size-- > 0)
        buffer_append_char(out, (char)(number >> (8 * size)));
}

static inline void event_stream_write_header(struct buffer *headers,
                                             const struct event_stream_header *header)
{
    static const unsigned char sizes[] = {0, 0, 1, 2, 4, 8, 2, 2, 8, 0};
    bool has_length = header->type == EVENT_STREAM_BYTES || header->type == EVENT_STREAM_STRING;
    event_stream_write_number(headers, header->name.length, 1);
    buffer_append(headers, header->name);
    event_stream_write_number(headers, header->type, 1);
    event_stream_write_number(headers, has_length ? header->bytes.length : (uint64_t)header->number,
                              sizes[header->type]);
    buffer_append(headers, header->bytes);
}

static inline void event_stream_write_string(struct buffer *headers, struct text name,
                                             struct text value)
{
    event_stream_write_header(
        headers,
        &(struct event_stream_header){.name = name, .type = EVENT_STREAM_STRING, .bytes = value});
}

/* With both CRCs. */
static inline void event_stream_write_frame(struct buffer *out, struct text headers,
                                            struct text payload)
{
    size_t start = out->length;
    event_stream_write_number(out, EVENT_STREAM_FRAME_LENGTH_MIN + headers.length + payload.length,
                              4);
    event_stream_write_number(out, headers.length, 4);
    event_stream_write_number(out, crc32(0, (unsigned char *)out->data + start, 8), 4);
    buffer_append(out, headers);
    buffer_append(out, payload);
    event_stream_write_number(
        out, crc32(0, (unsigned char *)out->data + start, (unsigned)(out->length - start)), 4);
}

/* As Bedrock sends one: `kind` is event or exception. */
static inline void event_stream_write_message(struct buffer *out, const char *kind,
                                              const char *name, struct text payload)
{
    struct buffer headers;
    buffer_open(&headers, 4096);
    event_stream_write_string(
        &headers, strcmp(kind, "event") == 0 ? TEXT(":event-type") : TEXT(":exception-type"),
        text_from(name));
    event_stream_write_string(&headers, TEXT(":content-type"), TEXT("application/json"));
    event_stream_write_string(&headers, TEXT(":message-type"), text_from(kind));
    event_stream_write_frame(out, buffer_text(&headers), payload);
    buffer_close(&headers);
}

#endif
