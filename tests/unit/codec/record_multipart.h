/* Writes what the multipart scanner says into a text, so that two runs can be compared, and checks
 * its offsets against the input: for the unit tests and the fuzz target. */
#ifndef TESTS_RECORD_MULTIPART_H
#define TESTS_RECORD_MULTIPART_H

#include "base/ensure.h"
#include "codec/multipart.h"

struct multipart_record {
    struct multipart_scanner scanner;
    struct buffer log;
    struct text input; /* the whole body */
    uint64_t expected; /* where the next data must begin */
    enum error error;
};

static inline void multipart_record_open(struct multipart_record *record, struct text boundary,
                                         struct text input)
{
    *record = (struct multipart_record){.input = input};
    multipart_open(&record->scanner, boundary);
    buffer_open(&record->log, 64u << 20);
}

static inline void multipart_record_close(struct multipart_record *record)
{
    multipart_close(&record->scanner);
    buffer_close(&record->log);
}

static inline void multipart_record_event(struct multipart_record *record,
                                          const struct multipart_event *event)
{
    struct buffer *log = &record->log;
    switch (event->kind) {
    case MULTIPART_BEGIN:
        buffer_append(log, event->part->name);
        if (event->part->has_filename) {
            buffer_append(log, TEXT(" file "));
            buffer_append(log, event->part->filename);
        }
        if (event->part->content_type.length > 0) {
            buffer_append(log, TEXT(" type "));
            buffer_append(log, event->part->content_type);
        }
        buffer_append(log, TEXT("="));
        record->expected = event->offset;
        break;
    case MULTIPART_DATA:
        ensure(event->offset == record->expected && event->data.length > 0);
        ensure(text_equal(event->data, text_first(text_from_index(record->input, event->offset),
                                                  event->data.length)));
        record->expected += event->data.length;
        buffer_append(log, event->data);
        break;
    case MULTIPART_END:
        ensure(event->offset == record->expected);
        buffer_append(log, TEXT("|\n"));
        break;
    case MULTIPART_DONE: buffer_append(log, TEXT("done\n")); break;
    case MULTIPART_MORE: break;
    }
}

static inline void multipart_record_error(struct multipart_record *record, enum error error)
{
    record->error = error;
    if (error != ERROR_OK)
        buffer_append_format(&record->log, "error %s: %s\n", error_name(error),
                             record->scanner.reason);
}

static inline void multipart_record_feed(struct multipart_record *record, struct text bytes)
{
    char *copy = malloc(bytes.length + (bytes.length == 0));
    if (bytes.length > 0)
        memcpy(copy, bytes.data, bytes.length);
    struct text rest = text_of(copy, bytes.length);
    struct multipart_event event = {.kind = MULTIPART_DONE};
    while (record->error == ERROR_OK && event.kind != MULTIPART_MORE) {
        multipart_record_error(record, multipart_next(&record->scanner, &rest, &event));
        if (record->error == ERROR_OK)
            multipart_record_event(record, &event);
    }
    free(copy);
}

static inline void multipart_record_finish(struct multipart_record *record)
{
    if (record->error == ERROR_OK)
        multipart_record_error(record, multipart_finish(&record->scanner));
}

#endif
