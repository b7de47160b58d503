#include "openai/splice.h"

#include "base/ensure.h"

void splices_add(struct splices *splices, uint64_t offset, uint64_t length, struct text replacement)
{
    ensure(splices->count < SPLICES_MAX);
    size_t at = splices->count++;
    for (; at > 0 && splices->rows[at - 1].offset > offset; at--)
        splices->rows[at] = splices->rows[at - 1];
    splices->rows[at] = (struct splice){offset, length, replacement};
    if (at > 0)
        ensure(splices->rows[at - 1].offset + splices->rows[at - 1].length <= offset);
    if (at + 1 < splices->count)
        ensure(offset + length <= splices->rows[at + 1].offset);
}

uint64_t splices_result_length(const struct splices *splices, uint64_t length)
{
    for (size_t i = 0; i < splices->count; i++) {
        ensure(splices->rows[i].length <= length);
        length += splices->rows[i].replacement.length;
        length -= splices->rows[i].length;
    }
    return length;
}

size_t splices_apply(const struct splices *splices, struct text original,
                     struct text parts[SPLICES_PARTS_MAX])
{
    struct splice_cursor cursor = {.splices = splices};
    size_t count = 0;
    while (splice_cursor_next(&cursor, &original, &parts[count]))
        count++;
    return count;
}

/* Takes `size` bytes, at most what is there, from the front of the piece. */
static struct text cursor_take(struct splice_cursor *cursor, struct text *piece, uint64_t size)
{
    struct text taken = text_first(*piece, size < piece->length ? (size_t)size : piece->length);
    *piece = text_from_index(*piece, taken.length);
    cursor->offset += taken.length;
    return taken;
}

bool splice_cursor_next(struct splice_cursor *cursor, struct text *piece, struct text *part)
{
    const struct splices *splices = cursor->splices;
    while (cursor->index < splices->count) {
        const struct splice *row = &splices->rows[cursor->index];
        if (cursor->offset < row->offset) {
            *part = cursor_take(cursor, piece, row->offset - cursor->offset);
            return part->length > 0;
        }
        if (!cursor->inserted) {
            cursor->inserted = true;
            *part = row->replacement;
            if (part->length > 0)
                return true;
        }
        uint64_t end = row->offset + row->length;
        (void)cursor_take(cursor, piece, end - cursor->offset);
        if (cursor->offset < end)
            return false;
        cursor->index++;
        cursor->inserted = false;
    }
    *part = cursor_take(cursor, piece, piece->length);
    return part->length > 0;
}
