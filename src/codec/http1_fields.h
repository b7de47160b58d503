/* http1_fields: where a parser keeps the bytes of a head, or of trailers, and the array of their
 * headers. One allocation for the usual head; it grows by doubling. Part of http1, nobody else's.
 *
 * headers[count] always exists: it is the one under construction. Owned by its parser, and used by
 * the parser's thread. */
#ifndef CODEC_HTTP1_FIELDS_H
#define CODEC_HTTP1_FIELDS_H

#include "codec/http1.h"

/* Room for the usual head of an SDK (about 700 bytes, 18 headers) without a second allocation. */
#define HTTP1_FIRST_HEADERS 24
#define HTTP1_FIRST_BYTES   2048

struct http1_fields {
    char *bytes; /* first_bytes or memory of its own */
    size_t length;
    size_t capacity;
    struct http1_header *headers; /* first_headers or memory of its own */
    size_t count;
    size_t header_capacity;
    struct http1_header first_headers[HTTP1_FIRST_HEADERS];
    char first_bytes[HTTP1_FIRST_BYTES];
};

/* NULL when memory is short. */
must_check struct http1_fields *http1_fields_make(void);
void http1_fields_free(struct http1_fields *fields); /* NULL is fine */
/* Forgets the contents, keeps the memory. */
void http1_fields_clear(struct http1_fields *fields);
/* Doubles the room for bytes; the texts of the headers and of `head` that point into the old memory
 * move along. */
must_check bool http1_fields_grow(struct http1_fields *fields, struct http1_head *head);
/* Completes the header under construction and begins the next. */
must_check bool http1_fields_add(struct http1_fields *fields);

#endif
