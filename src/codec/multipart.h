/* multipart: multipart/form-data bodies (RFC 7578, RFC 2046) looked at while they stream through.
 *
 * The scanner keeps nothing of the data: it tells where parts begin and end, as slices of the input
 * and as offsets in the body, so that a field's value can be read, or replaced, while a file of any
 * size passes by. It holds at most one part head.
 *
 * It is strict, because the upstream reads the same bytes again with another parser, and a field
 * that the two see differently is a way round a policy: no preamble, no epilogue but CRLF, CRLF
 * everywhere, no folding, every part named exactly once, nothing encoded. What a repeated field
 * means is for the caller to refuse. One thread at a time. */
#ifndef CODEC_MULTIPART_H
#define CODEC_MULTIPART_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/text.h"
#include "tables/error.h"

#define MULTIPART_BOUNDARY_LIMIT 70u    /* RFC 2046 section 5.1.1 */
#define MULTIPART_HEAD_LIMIT     16384u /* the headers of one part; clients send about 150 bytes */
#define MULTIPART_PART_LIMIT     512u   /* parts; an image edit has about 30 */

enum multipart_kind {
    MULTIPART_MORE,  /* all bytes are used: give more */
    MULTIPART_BEGIN, /* a part: event.part is set */
    MULTIPART_DATA,  /* event.data, at event.offset; empty values have none */
    MULTIPART_END,   /* the part's data ended before event.offset */
    MULTIPART_DONE   /* the last part has ended, once */
};

struct multipart_part {
    struct text name;
    struct text filename; /* as sent between the quotes; see has_filename */
    struct text content_type;
    bool has_filename; /* a file, not a field */
};

struct multipart_event {
    enum multipart_kind kind;
    struct text data; /* a slice of the input, or of the scanner (a line end that was held back);
                         valid until the next call and while the input is */
    uint64_t
        offset; /* in the body, of data's first byte, or for BEGIN and END of the part's data */
    const struct multipart_part *part; /* the current part, until its END */
};

struct multipart_scanner {
    const char *reason; /* after an error: one sentence, static */
    uint8_t state;
    bool closing;   /* the boundary at hand is the last one */
    uint8_t absent; /* of the matched bytes, how many were not there */
    size_t matched; /* bytes of `delimiter` that the last bytes of the input are */
    size_t part_count;
    uint64_t position; /* bytes used so far */
    struct multipart_part part;
    struct buffer head;
    size_t delimiter_length;
    char delimiter[4 + MULTIPART_BOUNDARY_LIMIT]; /* CRLF, two dashes, the boundary */
};

/* Finds the boundary in a Content-Type value: ERROR_UNSUPPORTED when it is not
 * multipart/form-data, ERROR_SYNTAX when the boundary is missing, repeated or not well-formed.
 * `boundary` is a slice of `content_type`. */
must_handle enum error multipart_boundary(struct text content_type, struct text *boundary);

/* `boundary` has 1 to MULTIPART_BOUNDARY_LIMIT bytes and is copied. */
void multipart_open(struct multipart_scanner *scanner, struct text boundary);
void multipart_close(struct multipart_scanner *scanner);

/* Takes bytes from the front of `bytes` until there is something to tell. ERROR_SYNTAX, ERROR_LIMIT
 * or ERROR_MEMORY are final; scanner->reason says why. */
must_handle enum error multipart_next(struct multipart_scanner *scanner, struct text *bytes,
                                      struct multipart_event *event);

/* The body ended: ERROR_SYNTAX when it did so before its closing boundary. */
must_handle enum error multipart_finish(struct multipart_scanner *scanner);

#endif
