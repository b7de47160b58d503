/* What both HTTP/1 targets do: however a stream is cut, and however often the owner stops, the
 * parser must say the same, but for the reason of an error: where a chunk extension is both too
 * long and malformed, one or the other is seen first. So these targets also compare the two readers
 * of heads: what is fed whole goes through http1_plain where it is plain, what is fed byte by byte
 * through llhttp. */
#ifndef TESTS_FUZZ_HTTP1_H
#define TESTS_FUZZ_HTTP1_H

#include "../unit/codec/record_http1.h"
#include "base/ensure.h"
#include "pieces.h"

/* Small enough to be hit, large enough that the memory of a head grows. */
static const struct http1_limits fuzz_limits = {
    .head_bytes = 3000,
    .header_count = 40,
    .trailer_bytes = 100,
    .extension_bytes = 20,
    .interim_count = 3,
};

static inline void fuzz_run(struct http1_record *record, enum http1_side side,
                            enum http1_method expected, struct text input, size_t largest,
                            bool stop)
{
    record_open(record, side, &fuzz_limits, expected);
    record->stop_always = stop;
    record->no_reasons = true;
    struct pieces pieces = pieces_of(input, largest);
    struct text piece;
    while (pieces_next(&pieces, &piece))
        record_feed(record, piece);
    record_finish(record);
}

static inline void fuzz_compare(enum http1_side side, enum http1_method expected, struct text input)
{
    static const size_t largest[] = {1, 3, 30, SIZE_MAX};
    struct http1_record whole;
    fuzz_run(&whole, side, expected, input, SIZE_MAX, false);
    for (size_t i = 0; i < ARRAY_LENGTH(largest); i++) {
        struct http1_record other;
        fuzz_run(&other, side, expected, input, largest[i], i % 2 == 1);
        ensure(text_equal(buffer_text(&whole.log), buffer_text(&other.log)));
        record_close(&other);
    }
    record_close(&whole);
}

#endif
