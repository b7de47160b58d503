/* A form, cut anywhere: the same parts. The first line is a Content-Type, the rest the body; the
 * recorder checks each offset against the body. */
#include "../unit/codec/record_multipart.h"
#include "pieces.h"

static void run(struct multipart_record *record, struct text boundary, struct text body,
                size_t largest)
{
    multipart_record_open(record, boundary, body);
    struct pieces pieces = pieces_of(body, largest);
    struct text piece;
    while (pieces_next(&pieces, &piece))
        multipart_record_feed(record, piece);
    multipart_record_finish(record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t largest[] = {1, 3, 30};
    struct text body = text_of((const char *)data, size), boundary;
    struct text content_type = text_split(&body, '\n');
    if (body.data == NULL || multipart_boundary(content_type, &boundary) != ERROR_OK)
        return 0;
    struct multipart_record whole;
    run(&whole, boundary, body, SIZE_MAX);
    for (size_t i = 0; i < ARRAY_LENGTH(largest); i++) {
        struct multipart_record other;
        run(&other, boundary, body, largest[i]);
        ensure(text_equal(buffer_text(&whole.log), buffer_text(&other.log)));
        multipart_record_close(&other);
    }
    multipart_record_close(&whole);
    return 0;
}
