/* varint: LEB128 numbers, seven bits a byte, low bits first, as records and objects are encoded.
 * No state: any thread. */
#ifndef STORE_VARINT_H
#define STORE_VARINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

#define VARINT_SIZE_MAX 10u

/* Writes at most VARINT_SIZE_MAX bytes, returns where it stopped. */
static inline uint8_t *varint_write(uint8_t *out, uint64_t number)
{
    while (number >= 0x80) {
        *out++ = (uint8_t)(number | 0x80);
        number >>= 7;
    }
    *out++ = (uint8_t)number;
    return out;
}

/* Moves `at` behind the number; false when it does not end before `end` or overflows. */
must_check static inline bool varint_read(const uint8_t **at, const uint8_t *end, uint64_t *number)
{
    uint64_t value = 0;
    if (*at < end && **at < 0x80) { /* most are one byte */
        *number = *(*at)++;
        return true;
    }
    for (unsigned shift = 0; shift < 64 && *at < end; shift += 7) {
        uint8_t byte = *(*at)++;
        if (shift == 63 && byte > 1)
            return false;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *number = value;
            return true;
        }
    }
    return false;
}

#endif
