/* Each kind of byte has a test for one and, on x86-64, for 16 and for 32 at once; the steps over
 * memory are the same for all kinds. The last bytes are looked at in a step that reaches back over
 * some that were passed: there is nothing among those. */
#include "base/find.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool is_string_end(char c)
{
    return c == '"' || c == '\\' || (unsigned char)c < 0x20;
}

static inline bool is_line_end(char c)
{
    return c == '\n' || c == '\r';
}

static inline bool is_unprintable(char c)
{
    return (unsigned char)c < 0x20 || (unsigned char)c >= 0x7f;
}

static inline bool is_name_end(char c)
{
    unsigned letter = (unsigned char)c | 0x20u;
    return !(letter >= 'a' && letter <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_';
}

#if defined(__x86_64__)

#include <immintrin.h>

#define WITH_AVX2   __attribute__((target("avx2")))
#define BYTES_16(c) _mm_set1_epi8(c)
#define BYTES_32(c) _mm256_set1_epi8(c)

/* One bit for each of 16 or 32 bytes. Unsigned "at most 0x1f": there is no unsigned comparison, but
 * a minimum. */
static inline __m128i string_ends_16(const char *p)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i marks =
        _mm_or_si128(_mm_cmpeq_epi8(v, BYTES_16('"')), _mm_cmpeq_epi8(v, BYTES_16('\\')));
    return _mm_or_si128(marks, _mm_cmpeq_epi8(_mm_min_epu8(v, BYTES_16(0x1f)), v));
}

WITH_AVX2 static inline __m256i string_ends_32(const char *p)
{
    __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)p);
    __m256i marks =
        _mm256_or_si256(_mm256_cmpeq_epi8(v, BYTES_32('"')), _mm256_cmpeq_epi8(v, BYTES_32('\\')));
    return _mm256_or_si256(marks, _mm256_cmpeq_epi8(_mm256_min_epu8(v, BYTES_32(0x1f)), v));
}

static inline __m128i line_ends_16(const char *p)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    return _mm_or_si128(_mm_cmpeq_epi8(v, BYTES_16('\n')), _mm_cmpeq_epi8(v, BYTES_16('\r')));
}

WITH_AVX2 static inline __m256i line_ends_32(const char *p)
{
    __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)p);
    return _mm256_or_si256(_mm256_cmpeq_epi8(v, BYTES_32('\n')),
                           _mm256_cmpeq_epi8(v, BYTES_32('\r')));
}

/* Signed: bytes from 0x80 are less than all of ASCII. */
static inline __m128i unprintables_16(const char *p)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    return _mm_or_si128(_mm_cmplt_epi8(v, BYTES_16(0x20)), _mm_cmpeq_epi8(v, BYTES_16(0x7f)));
}

/* Unsigned "from `first` to `first` + `more`". */
static inline __m128i within_16(__m128i v, char first, char more)
{
    __m128i above = _mm_sub_epi8(v, BYTES_16(first));
    return _mm_cmpeq_epi8(_mm_min_epu8(above, BYTES_16(more)), above);
}

static inline __m128i name_ends_16(const char *p)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i letters = within_16(_mm_or_si128(v, BYTES_16(0x20)), 'a', 'z' - 'a');
    __m128i marks =
        _mm_or_si128(_mm_cmpeq_epi8(v, BYTES_16('-')), _mm_cmpeq_epi8(v, BYTES_16('_')));
    __m128i in_name = _mm_or_si128(_mm_or_si128(letters, within_16(v, '0', 9)), marks);
    return _mm_cmpeq_epi8(in_name, _mm_setzero_si128());
}

#define MASK_16(v) ((unsigned)_mm_movemask_epi8(v))
#define MASK_32(v) ((unsigned)_mm256_movemask_epi8(v))

/* Returns where one is among the bytes at `at`. */
#define RETURN_IF_AMONG(at, mask)               \
    do {                                        \
        unsigned among = (mask);                \
        if (among != 0)                         \
            return (at) + __builtin_ctz(among); \
    } while (0)

/* The steps: 64 or 128 bytes, 16 or 32, then reaching back. */
#define FIND(name, width, vector, either, attributes, kind)                                       \
    attributes static const char *name(const char *p, const char *end)                            \
    {                                                                                             \
        const char *begin = p;                                                                    \
        for (; end - p >= 4 * width; p += 4 * width) {                                            \
            vector low = either(kind##s_##width(p), kind##s_##width(p + width));                  \
            vector high = either(kind##s_##width(p + 2 * width), kind##s_##width(p + 3 * width)); \
            if (MASK_##width(either(low, high)) != 0)                                             \
                break;                                                                            \
        }                                                                                         \
        for (; end - p >= width; p += width)                                                      \
            RETURN_IF_AMONG(p, MASK_##width(kind##s_##width(p)));                                 \
        if (p < end && end - begin >= width) {                                                    \
            RETURN_IF_AMONG(end - width, MASK_##width(kind##s_##width(end - width)));             \
            return end;                                                                           \
        }                                                                                         \
        while (p < end && !is_##kind(*p))                                                         \
            p++;                                                                                  \
        return p;                                                                                 \
    }

FIND(find_string_end_16, 16, __m128i, _mm_or_si128, , string_end)
FIND(find_string_end_32, 32, __m256i, _mm256_or_si256, WITH_AVX2, string_end)
FIND(find_line_end_16, 16, __m128i, _mm_or_si128, , line_end)
FIND(find_line_end_32, 32, __m256i, _mm256_or_si256, WITH_AVX2, line_end)

const char *find_unprintable(const char *p, const char *end)
{
    for (; end - p >= 16; p += 16)
        RETURN_IF_AMONG(p, MASK_16(unprintables_16(p)));
    while (p < end && !is_unprintable(*p))
        p++;
    return p;
}

const char *find_name_end(const char *p, const char *end)
{
    for (; end - p >= 16; p += 16)
        RETURN_IF_AMONG(p, MASK_16(name_ends_16(p)));
    while (p < end && !is_name_end(*p))
        p++;
    return p;
}

/* What is shorter than 32 bytes the narrow steps do without a loop over bytes. */
static inline bool use_wide(const char *p, const char *end)
{
    return end - p >= 32 && __builtin_cpu_supports("avx2");
}

const char *find_string_end(const char *p, const char *end)
{
    return use_wide(p, end) ? find_string_end_32(p, end) : find_string_end_16(p, end);
}

const char *find_line_end(const char *p, const char *end)
{
    return use_wide(p, end) ? find_line_end_32(p, end) : find_line_end_16(p, end);
}

#else

#define EIGHT(byte) (0x0101010101010101ull * (byte))

/* The high bit of each byte that is zero, and perhaps of some above it (the classic: borrow out of
 * a byte that had no high bit). */
static inline uint64_t zeroes(uint64_t word)
{
    return (word - EIGHT(0x01)) & ~word & EIGHT(0x80);
}

static inline uint64_t load_eight(const char *p)
{
    uint64_t word;
    __builtin_memcpy(&word, p, sizeof word);
    return word;
}

const char *find_string_end(const char *p, const char *end)
{
    for (; end - p >= 8; p += 8) {
        uint64_t word = load_eight(p);
        uint64_t control = (word - EIGHT(0x20)) & ~word & EIGHT(0x80);
        if ((zeroes(word ^ EIGHT('"')) | zeroes(word ^ EIGHT('\\')) | control) != 0)
            break;
    }
    while (p < end && !is_string_end(*p))
        p++;
    return p;
}

const char *find_line_end(const char *p, const char *end)
{
    for (; end - p >= 8; p += 8) {
        uint64_t word = load_eight(p);
        if ((zeroes(word ^ EIGHT('\n')) | zeroes(word ^ EIGHT('\r'))) != 0)
            break;
    }
    while (p < end && !is_line_end(*p))
        p++;
    return p;
}

const char *find_unprintable(const char *p, const char *end)
{
    while (p < end && !is_unprintable(*p))
        p++;
    return p;
}

const char *find_name_end(const char *p, const char *end)
{
    while (p < end && !is_name_end(*p))
        p++;
    return p;
}

#endif
