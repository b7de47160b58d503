/* Writes what the splitter and the reader of server-sent events say into a text, so that two runs
 * can be compared: for the unit tests and the fuzz target. Pieces of a frame that is too large are
 * joined, because where they are cut is not a result. */
#ifndef TESTS_RECORD_SSE_H
#define TESTS_RECORD_SSE_H

#include "codec/sse.h"

struct sse_record {
    struct sse_splitter splitter;
    struct buffer log;    /* frames as read */
    struct buffer stream; /* all raw bytes handed out: must be the input */
    struct buffer joined;
    bool in_piece;
};

static inline void sse_record_open(struct sse_record *record, size_t limit)
{
    *record = (struct sse_record){0};
    sse_splitter_open(&record->splitter, limit);
    buffer_open(&record->log, 64u << 20);
    buffer_open(&record->stream, 64u << 20);
    buffer_open(&record->joined, 16u << 20);
}

static inline void sse_record_close(struct sse_record *record)
{
    sse_splitter_close(&record->splitter);
    buffer_close(&record->log);
    buffer_close(&record->stream);
    buffer_close(&record->joined);
}

static inline void sse_record_frame(struct sse_record *record, const struct sse_frame *frame)
{
    buffer_append(&record->stream, frame->raw);
    if (!frame->whole) {
        if (!record->in_piece)
            buffer_append(&record->log, TEXT("piece "));
        record->in_piece = true;
        buffer_append(&record->log, frame->raw);
        return;
    }
    if (record->in_piece)
        buffer_append(&record->log, TEXT("|\n"));
    record->in_piece = false;
    struct sse_event event;
    if (!sse_read(frame, &record->joined, &event)) {
        buffer_append(&record->log, TEXT("unreadable|\n"));
        return;
    }
    buffer_append(&record->log, frame->first ? TEXT("first ") : TEXT(""));
    buffer_append(&record->log, event.name);
    buffer_append(&record->log, event.has_data ? TEXT("=") : TEXT(""));
    buffer_append(&record->log, event.data);
    buffer_append(&record->log, event.id.length > 0 ? TEXT("#") : TEXT(""));
    buffer_append(&record->log, event.id);
    buffer_append(&record->log, TEXT("|\n"));
}

/* From a copy of the exact size, so that reading past it, or using it later, is noticed. */
static inline void sse_record_feed(struct sse_record *record, struct text bytes)
{
    char *copy = malloc(bytes.length + (bytes.length == 0));
    if (bytes.length > 0)
        memcpy(copy, bytes.data, bytes.length);
    struct text rest = text_of(copy, bytes.length);
    struct sse_frame frame;
    while (sse_next(&record->splitter, &rest, &frame))
        sse_record_frame(record, &frame);
    free(copy);
}

static inline void sse_record_finish(struct sse_record *record)
{
    struct sse_frame frame;
    while (sse_end(&record->splitter, &frame))
        sse_record_frame(record, &frame);
    if (record->in_piece)
        buffer_append(&record->log, TEXT("|\n"));
}

#endif
