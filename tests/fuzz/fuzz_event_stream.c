/* A stream of AWS's frames, cut anywhere: the same frames, the same end. Once as the bytes stand,
 * which their CRCs mostly stop, and once as the contents of frames whose CRCs are right. */
#include "../unit/codec/record_event_stream.h"
#include "../unit/codec/write_event_stream.h"
#include "base/ensure.h"
#include "pieces.h"

static void run(struct event_stream_record *record, struct text input, size_t largest, size_t limit)
{
    event_stream_record_open(record, limit);
    struct pieces pieces = pieces_of(input, largest);
    struct text piece;
    while (pieces_next(&pieces, &piece))
        event_stream_record_feed(record, piece);
    event_stream_record_finish(record);
    ensure(text_starts_with(input, buffer_text(&record->frames)));
}

static void compare(struct text input)
{
    static const size_t largest[] = {1, 3, 30};
    static const size_t limits[] = {40, 1u << 20};
    for (size_t k = 0; k < ARRAY_LENGTH(limits); k++) {
        struct event_stream_record whole;
        run(&whole, input, SIZE_MAX, limits[k]);
        for (size_t i = 0; i < ARRAY_LENGTH(largest); i++) {
            struct event_stream_record other;
            run(&other, input, largest[i], limits[k]);
            ensure(text_equal(buffer_text(&whole.log), buffer_text(&other.log)));
            event_stream_record_close(&other);
        }
        event_stream_record_close(&whole);
    }
}

/* The input as frames: how many bytes of headers, how many of payload, these bytes. */
static void frame(struct text input, struct buffer *out)
{
    while (input.length > 2) {
        size_t headers = (unsigned char)input.data[0], payload = (unsigned char)input.data[1];
        struct text rest = text_from_index(input, 2);
        struct text behind = text_from_index(rest, headers);
        event_stream_write_frame(out, text_first(rest, headers), text_first(behind, payload));
        input = text_from_index(behind, payload);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text input = text_of((const char *)data, size);
    struct buffer framed;
    buffer_open(&framed, 64u << 20);
    frame(input, &framed);
    compare(input);
    compare(buffer_text(&framed));
    buffer_close(&framed);
    return 0;
}
