/* http1_plain: heads as nearly every client and server writes them, read in one pass. Part of
 * http1, nobody else's.
 *
 * This is no second opinion on HTTP. It knows a small part of the grammar, takes a head when every
 * byte of it is of that part, and then says of it what llhttp says. All others, and all that is
 * wrong, it leaves to llhttp, which alone refuses. That the two agree is what the unit tests of
 * http1 and the fuzz targets http1_request and http1_response see: a stream that is fed whole comes
 * through here, the same stream cut into bytes through llhttp, and the results must be the same.
 *
 * No state, no memory of its own: any thread. */
#ifndef CODEC_HTTP1_PLAIN_H
#define CODEC_HTTP1_PLAIN_H

#include "codec/http1_fields.h"

/* Reads the head with which the first `length` bytes of `fields->bytes` begin, as a peer on `side`
 * would send it (HTTP1_REQUEST: a request). Fills `fields->headers` and `count`, and of `head` what
 * stands in the start line. Takes at most `header_limit` headers, and no more than `fields` has
 * room for. Returns the length of the head with its blank line; 0 when it is not plain, or not all
 * there: then `fields` and `head` hold nothing of use. */
size_t http1_plain_read(enum http1_side side, size_t length, size_t header_limit,
                        struct http1_fields *fields, struct http1_head *head);

/* Characters of an origin-form target: those of RFC 3986 section 3.3 and 3.4, and of the rest
 * what clients do send raw and nobody reads in two ways. */
extern const bool http1_target_characters[256];

#endif
