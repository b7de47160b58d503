/* buffer: bytes that grow, up to a stated maximum.
 *
 * Appending either takes all or nothing. After a failed append `failed` stays set and later appends
 * fail too, so a builder may check once at its end. What is appended must not lie in the buffer
 * itself. One thread at a time. */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <stdint.h>

#include "base/text.h"

struct buffer {
    char *data;
    size_t length;
    size_t capacity;
    size_t maximum;
    bool failed; /* an append did not fit or memory ran out */
};

/* Holds no memory until the first append. `maximum` is in bytes, below PTRDIFF_MAX. */
void buffer_open(struct buffer *buffer, size_t maximum);
void buffer_close(struct buffer *buffer); /* frees; the buffer may be opened again */
/* Keeps the memory, forgets the contents and the failure. */
void buffer_clear(struct buffer *buffer);

bool buffer_append(struct buffer *buffer, struct text t);
bool buffer_append_char(struct buffer *buffer, char c);
bool buffer_append_unsigned(struct buffer *buffer, uint64_t number);
bool buffer_append_signed(struct buffer *buffer, int64_t number);
bool buffer_append_format(struct buffer *buffer, const char *format, ...) format_like(2, 3);
/* Makes room for `size` more bytes behind the length and returns where; NULL when it does not fit
 * or memory ran out (that leaves `failed` as it is: a reader may come back after it has consumed).
 * Write there, then add to `length`. */
must_check char *buffer_reserve(struct buffer *buffer, size_t size);
/* Removes the first `size` bytes (at most all). */
void buffer_consume(struct buffer *buffer, size_t size);

static inline struct text buffer_text(const struct buffer *buffer)
{
    return text_of(buffer->data, buffer->length);
}

#endif
