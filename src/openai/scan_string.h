/* scan_string: finds where a run of plain string characters ends, as fast as memory delivers them.
 * Bodies with base64 images are almost all such runs. */
#ifndef OPENAI_SCAN_STRING_H
#define OPENAI_SCAN_STRING_H

#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* One bit for each of 16 bytes that is '"', '\\' or below 0x20; or, in the portable form, one high
 * bit for each of 8. */
#ifdef __SSE2__
static inline unsigned scan_string_mask(__m128i v)
{
    __m128i quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
    __m128i escape = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));
    /* Unsigned "at most 0x1f": SSE2 has no unsigned comparison, but a minimum. */
    __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1f)), v);
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, escape), control));
}
#else
static inline uint64_t scan_string_mask(uint64_t v)
{
    const uint64_t ones = 0x0101010101010101ull, high = 0x8080808080808080ull;
    uint64_t quote = v ^ (ones * '"'), escape = v ^ (ones * '\\');
    uint64_t found = (quote - ones) & ~quote;
    found |= (escape - ones) & ~escape;
    found |= (v - ones * 0x20) & ~v;
    /* A borrow may mark a byte above a found one too early; the first mark from below is right. */
    return found & high;
}
#endif

static inline bool scan_string_is_special(char c)
{
    return c == '"' || c == '\\' || (unsigned char)c < 0x20;
}

/* The first byte from `p` that is '"', '\\' or a control character; `end` when there is none. */
static inline const char *scan_string_end(const char *p, const char *end)
{
#ifdef __SSE2__
    for (; end - p >= 16; p += 16) {
        unsigned mask = scan_string_mask(_mm_loadu_si128((const __m128i *)(const void *)p));
        if (mask != 0)
            return p + __builtin_ctz(mask);
    }
#elif __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    for (; end - p >= 8; p += 8) {
        uint64_t v;
        memcpy(&v, p, sizeof v);
        uint64_t mask = scan_string_mask(v);
        if (mask != 0)
            return p + __builtin_ctzll(mask) / 8;
    }
#endif
    while (p < end && !scan_string_is_special(*p))
        p++;
    return p;
}

/* Of a string whose first character is at `p`: where its closing quote is; `end` when there is
 * none. */
static inline const char *scan_string_close(const char *p, const char *end)
{
    for (p = scan_string_end(p, end); p < end && *p == '\\'; p = scan_string_end(p, end))
        p += end - p > 1 ? 2 : 1;
    return p < end && *p == '"' ? p : end;
}

#endif
