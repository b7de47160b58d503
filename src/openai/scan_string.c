#include "openai/scan_string.h"

static inline bool is_special(char c)
{
    return c == '"' || c == '\\' || (unsigned char)c < 0x20;
}

#ifdef __SSE2__
#define STEP 64
/* Of 16. Names and ids end within them; most bytes are in strings that are much longer. */
#define SHORT_STEPS 3u

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

#ifdef __SSE2__
/* Where one is within the next 16 bytes from `*p`; else moves `*p` over them and returns NULL. */
static inline const char *look_near(const char **p)
{
    int mask = _mm_movemask_epi8(scan_string_specials(*p));
    const char *found = mask != 0 ? *p + __builtin_ctz((unsigned)mask) : NULL;
    *p += 16;
    return found;
}
#endif

const char *scan_string_end_far(const char *p, const char *end)
{
#ifdef __SSE2__
    const char *found;
    for (unsigned step = 0; step < SHORT_STEPS && end - p >= 16; step++)
        if ((found = look_near(&p)) != NULL)
            return found;
#endif
    while (end - p >= STEP && step_is_plain(p))
        p += STEP;
#ifdef __SSE2__
    while (end - p >= 16)
        if ((found = look_near(&p)) != NULL)
            return found;
#endif
    while (p < end && !is_special(*p))
        p++;
    return p;
}
