/* Invariants: length <= capacity <= maximum. `data` is NULL exactly when capacity is 0; otherwise
 * the allocation is one byte longer than the capacity, because printf insists on a NUL. */
#include "base/buffer.h"

#include <stdarg.h>

#include "base/ensure.h"
#include "base/number.h"

#define FIRST_CAPACITY 256u /* a status line, a short JSON object */

void buffer_open(struct buffer *buffer, size_t maximum)
{
    ensure(maximum < PTRDIFF_MAX);
    *buffer = (struct buffer){.maximum = maximum};
}

void buffer_close(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){.maximum = buffer->maximum};
}

void buffer_clear(struct buffer *buffer)
{
    buffer->length = 0;
    buffer->failed = false;
}

/* Doubling keeps the cost of many small appends linear; who wants more at once says how much.
 * Nothing overflows: the maximum is below PTRDIFF_MAX. */
static bool grow(struct buffer *buffer, size_t needed)
{
    size_t capacity = buffer->capacity < FIRST_CAPACITY / 2 ? FIRST_CAPACITY : buffer->capacity * 2;
    if (capacity < needed)
        capacity = needed;
    if (capacity > buffer->maximum)
        capacity = buffer->maximum;
    char *data = realloc(buffer->data, capacity + 1);
    if (data == NULL)
        return false;
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

char *buffer_reserve(struct buffer *buffer, size_t size)
{
    if (size > buffer->maximum - buffer->length)
        return NULL;
    size_t needed = buffer->length + size;
    if ((needed > buffer->capacity || buffer->data == NULL) && !grow(buffer, needed))
        return NULL;
    return buffer->data + buffer->length;
}

/* As buffer_reserve for the appends: these stop for good at the first one that fails, so that a
 * builder who checks at its end never finds a text with a hole in it. */
static char *reserve_for_append(struct buffer *buffer, size_t size)
{
    if (buffer->failed)
        return NULL;
    char *room = buffer_reserve(buffer, size);
    buffer->failed = room == NULL;
    return room;
}

bool buffer_append(struct buffer *buffer, struct text t)
{
    if (t.length == 0)
        return !buffer->failed;
    char *room = reserve_for_append(buffer, t.length);
    if (room == NULL)
        return false;
    memcpy(room, t.data, t.length);
    buffer->length += t.length;
    return true;
}

bool buffer_append_char(struct buffer *buffer, char c)
{
    return buffer_append(buffer, text_of(&c, 1));
}

bool buffer_append_unsigned(struct buffer *buffer, uint64_t number)
{
    char digits[NUMBER_DIGITS_MAX];
    return buffer_append(buffer, text_of(digits, number_format_unsigned(number, digits)));
}

bool buffer_append_signed(struct buffer *buffer, int64_t number)
{
    char digits[1 + NUMBER_DIGITS_MAX] = "-";
    if (number >= 0)
        return buffer_append_unsigned(buffer, (uint64_t)number);
    /* Negated as unsigned: the smallest number has no positive counterpart. */
    size_t length = number_format_unsigned(0 - (uint64_t)number, digits + 1);
    return buffer_append(buffer, text_of(digits, 1 + length));
}

bool buffer_append_format(struct buffer *buffer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    ensure(length >= 0);

    char *room = reserve_for_append(buffer, (size_t)length);
    if (room == NULL)
        return false;
    va_start(arguments, format);
    vsnprintf(room, (size_t)length + 1, format, arguments);
    va_end(arguments);
    buffer->length += (size_t)length;
    return true;
}

void buffer_consume(struct buffer *buffer, size_t size)
{
    if (size >= buffer->length) {
        buffer->length = 0;
        return;
    }
    buffer->length -= size;
    memmove(buffer->data, buffer->data + size, buffer->length);
}
