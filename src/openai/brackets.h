/* brackets: passes over a JSON object or array by its brackets and quotes alone, split anywhere.
 * What stands between them is not checked, and which kind of bracket closes which is not either:
 * of JSON that is valid it finds the end, of anything else some end. A pass is a value of its
 * owner, nothing to close; one thread at a time. */
#ifndef OPENAI_BRACKETS_H
#define OPENAI_BRACKETS_H

#include "openai/scan_string.h"

struct brackets {
    uint64_t open; /* not yet closed */
    bool in_string;
    bool escaped; /* in a string, behind a backslash */
};

/* Takes a byte that no backslash stands before. True when it closes the last bracket. */
static inline bool brackets_take(struct brackets *brackets, char c)
{
    if (c == '"') {
        brackets->in_string = !brackets->in_string;
        return false;
    }
    if (brackets->in_string) {
        brackets->escaped = c == '\\';
        return false;
    }
    if (c == '}' || c == ']')
        return --brackets->open == 0;
    brackets->open += c == '{' || c == '[';
    return false;
}

#ifdef __SSE2__
/* One bit for each of the 16 bytes at `p` that brackets_take needs to see. */
static inline unsigned brackets_mask(const char *p)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
    __m128i escape = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));
    /* The bit 0x20 makes braces of brackets, and of nothing else. */
    __m128i braces = _mm_or_si128(v, _mm_set1_epi8(0x20));
    __m128i open = _mm_cmpeq_epi8(braces, _mm_set1_epi8('{'));
    __m128i close = _mm_cmpeq_epi8(braces, _mm_set1_epi8('}'));
    __m128i found = _mm_or_si128(_mm_or_si128(quote, escape), _mm_or_si128(open, close));
    return (unsigned)_mm_movemask_epi8(found);
}

#define BRACKETS_BLOCK 64

/* One bit for each of the 64 bytes at `p` that is `c` when the bits of `ignored` are set in it. */
static inline uint64_t brackets_block_mask(const char *p, char c, char ignored)
{
    uint64_t mask = 0;
    for (unsigned i = 0; i < BRACKETS_BLOCK; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
        v = _mm_cmpeq_epi8(_mm_or_si128(v, _mm_set1_epi8(ignored)), _mm_set1_epi8(c));
        mask |= (uint64_t)(unsigned)_mm_movemask_epi8(v) << i;
    }
    return mask;
}

/* Neither quote nor backslash is among the 64 bytes at `p`: within a string all of it is text. */
static inline bool brackets_block_is_text(const char *p)
{
    __m128i found = _mm_setzero_si128();
    for (unsigned i = 0; i < BRACKETS_BLOCK; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
        found = _mm_or_si128(found, _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')),
                                                 _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'))));
    }
    return _mm_movemask_epi8(found) == 0;
}

/* Without the instruction, which not every x86-64 has, the compiler would call a function. */
static inline unsigned brackets_count(uint64_t mask)
{
    unsigned count = 0;
    for (; mask != 0; mask &= mask - 1) /* a few of 64 */
        count++;
    return count;
}

/* Sets each bit from a set one up to the one before the next. */
static inline uint64_t brackets_between(uint64_t quotes)
{
    for (unsigned shift = 1; shift < 64; shift *= 2)
        quotes ^= quotes << shift;
    return quotes;
}

/* Passes over the 64 bytes at `p` at once: false, and nothing is changed, where a backslash is
 * among them or the last bracket may be. */
static inline bool brackets_pass_block(struct brackets *brackets, const char *p)
{
    if (brackets->escaped)
        return false;
    if (brackets->in_string && brackets_block_is_text(p))
        return true;
    if (brackets_block_mask(p, '\\', 0) != 0)
        return false;
    uint64_t quotes = brackets_block_mask(p, '"', 0);
    uint64_t strings = brackets_between(quotes) ^ (brackets->in_string ? UINT64_MAX : 0);
    uint64_t close = brackets_block_mask(p, '}', 0x20) & ~strings;
    uint64_t closed = brackets_count(close);
    if (closed >= brackets->open)
        return false;
    uint64_t open = brackets_block_mask(p, '{', 0x20) & ~strings;
    brackets->open = brackets->open - closed + brackets_count(open);
    brackets->in_string = strings >> 63;
    return true;
}
#endif

/* From `p`, inside of `open` brackets: behind the one that closes the last, with `open` 0 then; or
 * `end`. */
static inline const char *brackets_pass(struct brackets *brackets, const char *p, const char *end)
{
    struct brackets now = *brackets; /* in registers */
#ifdef __SSE2__
    const char *near = p; /* below it no block is tried again */
    for (; end - p >= 16; p += 16) {
        while (p >= near && end - p >= BRACKETS_BLOCK) {
            if (brackets_pass_block(&now, p))
                p += BRACKETS_BLOCK;
            else
                near = p + BRACKETS_BLOCK;
        }
        if (end - p < 16)
            break;
        unsigned mask = brackets_mask(p) & ~(unsigned)now.escaped;
        now.escaped = false;
        while (mask != 0) {
            unsigned i = (unsigned)__builtin_ctz(mask);
            mask &= mask - 1;
            if (brackets_take(&now, p[i])) {
                *brackets = now;
                return p + i + 1;
            }
            if (now.escaped) {
                mask &= ~(2u << i);
                now.escaped = i == 15;
            }
        }
    }
#endif
    for (; p < end && now.open > 0; p++) {
        if (now.escaped)
            now.escaped = false;
        else
            (void)brackets_take(&now, *p);
    }
    *brackets = now;
    return p;
}

#endif
