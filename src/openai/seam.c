#include "openai/seam.h"

/* Half a pair in three bytes: ED A0..AF xx is the first, ED B0..BF xx the second (as UTF-8 would
 * encode U+D800 to U+DFFF, which RFC 3629 forbids). */
static bool is_first_half(const unsigned char *bytes)
{
    return bytes[0] == 0xed && (bytes[1] & 0xf0) == 0xa0;
}

static bool is_second_half(const unsigned char *bytes)
{
    return bytes[0] == 0xed && (bytes[1] & 0xf0) == 0xb0;
}

/* Bytes at the end that begin a character which is not complete. */
static size_t incomplete_length(struct text t)
{
    const unsigned char *end = (const unsigned char *)t.data + t.length;
    size_t most = t.length < SEAM_HELD_MAX ? t.length : SEAM_HELD_MAX;
    for (size_t length = 1; length <= most; length++) {
        unsigned char c = end[-(ptrdiff_t)length];
        if (c < 0x80)
            return 0;
        if (c < 0xc0)
            continue;
        size_t whole = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
        if (length < whole)
            return length;
        return length == 3 && is_first_half(end - 3) ? 3 : 0;
    }
    return 0;
}

static void append_pair(struct buffer *out, const unsigned char *first, const unsigned char *second)
{
    unsigned high = (unsigned)(first[1] & 0x0f) << 6 | (first[2] & 0x3fu);
    unsigned low = (unsigned)(second[1] & 0x0f) << 6 | (second[2] & 0x3fu);
    unsigned code = 0x10000u + (high << 10 | low);
    buffer_append_char(out, (char)(0xf0 | code >> 18));
    buffer_append_char(out, (char)(0x80 | (code >> 12 & 0x3f)));
    buffer_append_char(out, (char)(0x80 | (code >> 6 & 0x3f)));
    buffer_append_char(out, (char)(0x80 | (code & 0x3f)));
}

struct text seam_join(struct seam *seam, struct text piece, struct buffer *joined)
{
    if (seam->length > 0 && piece.length > 0) {
        const unsigned char *held = (const unsigned char *)seam->held;
        const unsigned char *bytes = (const unsigned char *)piece.data;
        buffer_clear(joined);
        if (seam->length == 3 && is_first_half(held)) {
            /* Its second half may itself have been cut: only JSON's reader makes halves, whole. */
            if (piece.length >= 3 && is_second_half(bytes)) {
                append_pair(joined, held, bytes);
                piece = text_from_index(piece, 3);
            } else {
                buffer_append(joined, text_of(seam->held, seam->length));
            }
        } else {
            buffer_append(joined, text_of(seam->held, seam->length));
        }
        buffer_append(joined, piece);
        seam->length = 0;
        piece = joined->failed ? TEXT("") : buffer_text(joined);
    }
    size_t held = piece.length == 0 || (unsigned char)piece.data[piece.length - 1] < 0x80
                      ? 0
                      : incomplete_length(piece);
    if (held > 0) {
        memcpy(seam->held, piece.data + piece.length - held, held);
        seam->length = (unsigned char)held;
    }
    return text_first(piece, piece.length - held);
}

struct text seam_rest(struct seam *seam)
{
    struct text rest = text_of(seam->held, seam->length);
    seam->length = 0;
    return rest;
}
