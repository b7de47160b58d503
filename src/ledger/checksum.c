#include "ledger/checksum.h"

#include <string.h>

#include "base/attributes.h"

#define POLYNOMIAL 0x82f63b78u /* bits reversed */

static uint32_t table[256];

static void make_table(void) __attribute__((constructor));
static void make_table(void)
{
    for (uint32_t i = 0; i < ARRAY_LENGTH(table); i++) {
        uint32_t value = i;
        for (int bit = 0; bit < 8; bit++)
            value = (value >> 1) ^ ((value & 1) ? POLYNOMIAL : 0);
        table[i] = value;
    }
}

static uint32_t extend_by_table(uint32_t value, const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        value = (value >> 8) ^ table[(value ^ bytes[i]) & 0xff];
    return value;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t extend_by_instruction(uint32_t value,
                                                                        const uint8_t *bytes,
                                                                        size_t length)
{
    uint64_t wide = value;
    while (length >= 8) {
        uint64_t word;
        memcpy(&word, bytes, sizeof(word));
        wide = __builtin_ia32_crc32di(wide, word);
        bytes += 8;
        length -= 8;
    }
    value = (uint32_t)wide;
    while (length > 0) {
        value = __builtin_ia32_crc32qi(value, *bytes++);
        length--;
    }
    return value;
}

uint32_t checksum_extend(uint32_t checksum, const void *bytes, size_t length)
{
    if (__builtin_cpu_supports("sse4.2"))
        return ~extend_by_instruction(~checksum, bytes, length);
    return ~extend_by_table(~checksum, bytes, length);
}
#else
uint32_t checksum_extend(uint32_t checksum, const void *bytes, size_t length)
{
    return ~extend_by_table(~checksum, bytes, length);
}
#endif
