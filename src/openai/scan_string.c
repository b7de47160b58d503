#include "openai/scan_string.h"

static inline bool is_special(char c)
{
    return c == '"' || c == '\\' || (unsigned char)c < 0x20;
}

#ifdef __SSE2__
#define STEP 64

static inline bool step_is_plain(const char *p)
{
    __m128i low = _mm_or_si128(scan_string_specials(p), scan_string_specials(p + 16));
    __m128i high = _mm_or_si128(scan_string_specials(p + 32), scan_string_specials(p + 48));
    return _mm_movemask_epi8(_mm_or_si128(low, high)) == 0;
}
#else
#define STEP 8

static inline bool step_is_plain(const char *p)
{
    const uint64_t ones = 0x0101010101010101ull, high = 0x8080808080808080ull;
    uint64_t v;
    memcpy(&v, p, sizeof v);
    uint64_t quote = v ^ (ones * '"'), escape = v ^ (ones * '\\');
    uint64_t found = (quote - ones) & ~quote;
    found |= (escape - ones) & ~escape;
    found |= (v - ones * 0x20) & ~v;
    return (found & high) == 0;
}
#endif

const char *scan_string_end_far(const char *p, const char *end)
{
    while (end - p >= STEP && step_is_plain(p))
        p += STEP;
#ifdef __SSE2__
    for (; end - p >= 16; p += 16) {
        int mask = _mm_movemask_epi8(scan_string_specials(p));
        if (mask != 0)
            return p + __builtin_ctz((unsigned)mask);
    }
#endif
    while (p < end && !is_special(*p))
        p++;
    return p;
}
