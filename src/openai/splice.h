/* splice: a few replacements in bytes that are otherwise passed on exactly as they came.
 *
 * Rows are kept in order of offset and never overlap. Replacement texts belong to whoever made them
 * (literals or the exchange's arena). By value, nothing to close. One thread at a time. */
#ifndef OPENAI_SPLICE_H
#define OPENAI_SPLICE_H

#include <stdint.h>

#include "base/text.h"
#include "tables/error.h"

/* Model, stream_options and a limit make three; a form's model field one. */
#define SPLICES_MAX 8u
/* Texts that splices_apply can give. */
#define SPLICES_PARTS_MAX (2 * SPLICES_MAX + 1)

struct splice {
    uint64_t offset; /* in the original */
    uint64_t length; /* removed there; 0 inserts */
    struct text replacement;
};

struct splices {
    struct splice rows[SPLICES_MAX];
    size_t count;
};

/* Overlapping rows and a row too many are programming errors. */
void splices_add(struct splices *splices, uint64_t offset, uint64_t length,
                 struct text replacement);
/* Bytes of the result for an original of `length` bytes, within which all rows must lie. */
uint64_t splices_result_length(const struct splices *splices, uint64_t length);

/* The result as slices, for an original that lies in one piece; returns how many. */
size_t splices_apply(const struct splices *splices, struct text original,
                     struct text parts[SPLICES_PARTS_MAX]);

/* The same for an original that comes in pieces: feed each in order, take parts until false.
 *
 *     struct splice_cursor cursor = {.splices = &splices};
 *     while (next piece)
 *         while (splice_cursor_next(&cursor, &piece, &part))
 *             send(part);
 *     while (splice_cursor_next(&cursor, &empty, &part)) ...   (insertions at the very end) */
struct splice_cursor {
    const struct splices *splices;
    size_t index;    /* the row that comes next */
    bool inserted;   /* its replacement was given already */
    uint64_t offset; /* in the original */
};
must_check bool splice_cursor_next(struct splice_cursor *cursor, struct text *piece,
                                   struct text *part);

#endif
