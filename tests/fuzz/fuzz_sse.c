/* A stream of events, cut anywhere: the same frames, and put together the very bytes. */
#include "../unit/codec/record_sse.h"
#include "base/ensure.h"
#include "pieces.h"

static void run(struct sse_record *record, struct text input, size_t largest, size_t limit)
{
    sse_record_open(record, limit);
    struct pieces pieces = pieces_of(input, largest);
    struct text piece;
    while (pieces_next(&pieces, &piece))
        sse_record_feed(record, piece);
    sse_record_finish(record);
    ensure(text_equal(buffer_text(&record->stream), input));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t largest[] = {1, 3, 30};
    static const size_t limits[] = {24, SSE_FRAME_LIMIT};
    struct text input = text_of((const char *)data, size);
    for (size_t k = 0; k < ARRAY_LENGTH(limits); k++) {
        struct sse_record whole;
        run(&whole, input, SIZE_MAX, limits[k]);
        for (size_t i = 0; i < ARRAY_LENGTH(largest); i++) {
            struct sse_record other;
            run(&other, input, largest[i], limits[k]);
            ensure(text_equal(buffer_text(&whole.log), buffer_text(&other.log)));
            sse_record_close(&other);
        }
        sse_record_close(&whole);
    }
    return 0;
}
