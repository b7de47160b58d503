/* scan_string: finds where a run of plain string characters ends, as fast as memory delivers them.
 * Bodies with base64 images are almost all such runs. No state: any thread. */
#ifndef OPENAI_SCAN_STRING_H
#define OPENAI_SCAN_STRING_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/find.h"

#ifdef __SSE2__
#include <emmintrin.h>

/* All bits of each of 16 bytes that is '"', '\\' or below 0x20. */
static inline __m128i scan_string_specials(const char *p)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
    __m128i escape = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));
    /* Unsigned "at most 0x1f": SSE2 has no unsigned comparison, but a minimum. */
    __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1f)), v);
    return _mm_or_si128(_mm_or_si128(quote, escape), control);
}
#endif

/* The first byte from `p` that is '"', '\\' or a control character; `end` when there is none. */
static inline const char *scan_string_end(const char *p, const char *end)
{
#ifdef __SSE2__
    /* Most strings end in the first step. */
    if (end - p >= 16) {
        int mask = _mm_movemask_epi8(scan_string_specials(p));
        if (mask != 0)
            return p + __builtin_ctz((unsigned)mask);
        p += 16;
    }
#endif
    return find_string_end(p, end);
}

/* The first '"' from `p`, or `end`. For the few bytes between strings, where memchr costs its call.
 */
static inline const char *scan_quote(const char *p, const char *end)
{
#ifdef __SSE2__
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        int mask = _mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')));
        if (mask != 0)
            return p + __builtin_ctz((unsigned)mask);
    }
#endif
    while (p < end && *p != '"')
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
