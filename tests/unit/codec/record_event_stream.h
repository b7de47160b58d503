/* Writes what the reader of AWS's event stream says into a text, so that two runs can be compared:
 * for the unit tests and the fuzz target. */
#ifndef TESTS_RECORD_EVENT_STREAM_H
#define TESTS_RECORD_EVENT_STREAM_H

#include <stdlib.h>

#include "codec/event_stream.h"

struct event_stream_record {
    struct event_stream stream;
    struct buffer log;    /* frames as read, and how the stream ended */
    struct buffer frames; /* all raw bytes handed out: must be the input's beginning */
    enum error error;
};

static inline void event_stream_record_open(struct event_stream_record *record, size_t limit)
{
    *record = (struct event_stream_record){0};
    event_stream_open(&record->stream, limit);
    buffer_open(&record->log, 64u << 20);
    buffer_open(&record->frames, 64u << 20);
}

static inline void event_stream_record_close(struct event_stream_record *record)
{
    event_stream_close(&record->stream);
    buffer_close(&record->log);
    buffer_close(&record->frames);
}

static inline void event_stream_record_frame(struct event_stream_record *record,
                                             const struct event_stream_frame *frame)
{
    struct text rest = frame->headers;
    struct event_stream_header header;
    buffer_append(&record->frames, frame->raw);
    while (event_stream_header_next(&rest, &header)) {
        buffer_append(&record->log, header.name);
        buffer_append_format(&record->log, ":%d=%lld", (int)header.type, (long long)header.number);
        buffer_append(&record->log, header.bytes);
        buffer_append_char(&record->log, ' ');
    }
    buffer_append_char(&record->log, '{');
    buffer_append(&record->log, frame->payload);
    buffer_append(&record->log, TEXT("}\n"));
}

/* From a copy of the exact size, so that reading past it, or using it later, is noticed. */
static inline void event_stream_record_feed(struct event_stream_record *record, struct text bytes)
{
    char *copy = malloc(bytes.length + (bytes.length == 0));
    if (bytes.length > 0)
        memcpy(copy, bytes.data, bytes.length);
    struct text rest = text_of(copy, bytes.length);
    struct event_stream_frame frame;
    while ((record->error = event_stream_next(&record->stream, &rest, &frame)) == ERROR_OK &&
           !text_empty(frame.raw))
        event_stream_record_frame(record, &frame);
    free(copy);
}

static inline void event_stream_record_finish(struct event_stream_record *record)
{
    enum error error = event_stream_end(&record->stream);
    if (error != ERROR_OK)
        buffer_append(&record->log, text_from(error_name(error)));
}

#endif
