/* Writes what an HTTP/1 parser says into a text, so that two runs can be compared: for the unit
 * tests and the fuzz targets. Body slices are joined, because where they are cut is not a result.
 */
#ifndef TESTS_RECORD_HTTP1_H
#define TESTS_RECORD_HTTP1_H

#include "codec/http1.h"

struct http1_record {
    struct http1_parser parser;
    struct buffer log;
    bool in_body;
    bool stop_always; /* every event stops the feeding */
    bool no_reasons;  /* errors by code only */
    enum error error;
};

static inline void record_end_body(struct http1_record *record)
{
    if (record->in_body)
        buffer_append(&record->log, TEXT("]\n"));
    record->in_body = false;
}

static inline enum http1_verdict record_verdict(const struct http1_record *record)
{
    return record->stop_always ? HTTP1_STOP : HTTP1_CONTINUE;
}

static inline void record_headers(struct http1_record *record, const struct http1_header *headers,
                                  size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct http1_header *header = &headers[i];
        buffer_append_format(&record->log, " %.*s=", TEXT_ARG(header->name));
        buffer_append(&record->log, header->value);
    }
    buffer_append(&record->log, TEXT("\n"));
}

static inline void record_start_line(struct http1_record *record, const struct http1_head *head)
{
    static const char *const framings[] = {"none", "length", "chunked", "close"};
    if (record->parser.side == HTTP1_REQUEST)
        buffer_append_format(&record->log, "%.*s %.*s", TEXT_ARG(http1_method_text(head->method)),
                             TEXT_ARG(head->target));
    else
        buffer_append_format(&record->log, "%u '%.*s'", head->status, TEXT_ARG(head->phrase));
    buffer_append_format(&record->log, " 1.%u %s", head->version_minor, framings[head->framing]);
    if (head->has_content_length)
        buffer_append_format(&record->log, " length:%llu",
                             (unsigned long long)head->content_length);
    if (head->keep_alive)
        buffer_append(&record->log, TEXT(" keep"));
    if (head->upgrade)
        buffer_append(&record->log, TEXT(" upgrade"));
    if (head->expect_continue)
        buffer_append(&record->log, TEXT(" expect"));
    buffer_append(&record->log, TEXT(" |"));
    record_headers(record, head->headers, head->header_count);
}

static inline enum http1_verdict record_head(void *owner, const struct http1_head *head)
{
    struct http1_record *record = owner;
    record_start_line(record, head);
    return record_verdict(record);
}

static inline enum http1_verdict record_interim(void *owner, const struct http1_head *head)
{
    struct http1_record *record = owner;
    buffer_append(&record->log, TEXT("interim "));
    record_start_line(record, head);
    return record_verdict(record);
}

static inline enum http1_verdict record_body(void *owner, struct text bytes)
{
    struct http1_record *record = owner;
    if (!record->in_body)
        buffer_append(&record->log, TEXT("["));
    record->in_body = true;
    buffer_append(&record->log, bytes);
    return record_verdict(record);
}

static inline void record_trailers(void *owner, const struct http1_header *trailers, size_t count)
{
    struct http1_record *record = owner;
    record_end_body(record);
    buffer_append(&record->log, TEXT("trailers"));
    record_headers(record, trailers, count);
}

static inline void record_complete(void *owner)
{
    struct http1_record *record = owner;
    record_end_body(record);
    buffer_append(&record->log, TEXT("end\n"));
}

static const struct http1_events record_events = {
    .on_head = record_head,
    .on_interim = record_interim,
    .on_body = record_body,
    .on_trailers = record_trailers,
    .on_complete = record_complete,
};

static inline void record_open(struct http1_record *record, enum http1_side side,
                               const struct http1_limits *limits, enum http1_method expected)
{
    *record = (struct http1_record){0};
    buffer_open(&record->log, 16u << 20);
    http1_parser_open(&record->parser, side, limits, &record_events, record);
    if (side == HTTP1_RESPONSE)
        http1_parser_expect(&record->parser, expected);
}

static inline void record_close(struct http1_record *record)
{
    http1_parser_close(&record->parser);
    buffer_close(&record->log);
}

static inline void record_error(struct http1_record *record, enum error error)
{
    record_end_body(record);
    record->error = error;
    if (error != ERROR_OK)
        buffer_append_format(&record->log, "error %s: %s\n", error_name(error),
                             record->no_reasons ? "" : record->parser.reason);
}

/* Feeds all of `bytes`, message after message, until an error or a tunnel. The bytes are fed from a
 * copy of their exact size, so that reading past them is noticed. */
static inline void record_feed(struct http1_record *record, struct text bytes)
{
    char *copy = malloc(bytes.length + (bytes.length == 0));
    if (bytes.length > 0)
        memcpy(copy, bytes.data, bytes.length);
    struct text rest = text_of(copy, bytes.length);
    while (record->error == ERROR_OK) {
        size_t consumed = 0;
        size_t logged = record->log.length;
        enum error error = http1_feed(&record->parser, rest, &consumed);
        rest = text_from_index(rest, consumed);
        if (error != ERROR_OK)
            record_error(record, error);
        else if (consumed == 0 && record->log.length == logged)
            break; /* all used and nothing left to say, or a tunnel */
    }
    free(copy);
}

static inline void record_finish(struct http1_record *record)
{
    if (record->error == ERROR_OK)
        record_error(record, http1_end(&record->parser));
}

#endif
