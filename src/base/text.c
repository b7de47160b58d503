#include "base/text.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/ensure.h"

static unsigned char lower(char c)
{
    unsigned char byte = (unsigned char)c;
    return byte >= 'A' && byte <= 'Z' ? (unsigned char)(byte | 0x20) : byte;
}

bool text_equal_ignoring_case(struct text a, struct text b)
{
    if (a.length != b.length)
        return false;
    if (text_equal(a, b)) /* the common case, in wide steps */
        return true;
    for (size_t i = 0; i < a.length; i++)
        if (lower(a.data[i]) != lower(b.data[i]))
            return false;
    return true;
}

int text_compare(struct text a, struct text b)
{
    size_t shared = a.length < b.length ? a.length : b.length;
    int order = shared == 0 ? 0 : memcmp(a.data, b.data, shared);
    if (order != 0)
        return order;
    return (a.length > b.length) - (a.length < b.length);
}

ptrdiff_t text_find_char(struct text t, char c)
{
    const char *found = t.length == 0 ? NULL : memchr(t.data, c, t.length);
    return found ? found - t.data : -1;
}

ptrdiff_t text_find(struct text haystack, struct text needle)
{
    if (needle.length == 0)
        return 0;
    if (needle.length > haystack.length)
        return -1;
    /* Linear also for hostile input: the C libraries we run on use the two-way algorithm. */
    const char *found = memmem(haystack.data, haystack.length, needle.data, needle.length);
    return found ? found - haystack.data : -1;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct text text_trim(struct text t)
{
    if (t.length > 0 && (unsigned char)t.data[0] > ' ' && (unsigned char)t.data[t.length - 1] > ' ')
        return t; /* most need none */
    size_t start = 0;
    size_t end = t.length;
    while (start < end && is_blank(t.data[start]))
        start++;
    while (end > start && is_blank(t.data[end - 1]))
        end--;
    return text_from_index(text_first(t, end), start);
}

struct text text_split(struct text *rest, char separator)
{
    struct text whole = *rest;
    ptrdiff_t at = text_find_char(whole, separator);
    if (at < 0) {
        *rest = text_of(NULL, 0);
        return whole;
    }
    *rest = text_from_index(whole, (size_t)at + 1);
    return text_first(whole, (size_t)at);
}

bool text_copy_to(struct text t, char *out, size_t size)
{
    ensure(size > 0);
    size_t length = t.length < size ? t.length : size - 1;
    if (length > 0)
        memcpy(out, t.data, length);
    out[length] = '\0';
    return length == t.length;
}

char *text_duplicate(struct text t)
{
    char *copy = ensure_memory(malloc(t.length + 1));
    text_copy_to(t, copy, t.length + 1);
    return copy;
}

/* Levenshtein's table, one row at a time. row[j] is the distance from the first i bytes of `a` to
 * the first j bytes of `b`; the row's minimum never falls, so passing the limit ends the work. */
static size_t edit_distance(struct text a, struct text b, size_t beyond)
{
    size_t row[TEXT_EDIT_LENGTH_MAX + 1];
    for (size_t j = 0; j <= b.length; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.length; i++) {
        size_t diagonal = row[0];
        size_t least = row[0] = i;
        for (size_t j = 1; j <= b.length; j++) {
            size_t above = row[j];
            size_t best = diagonal + (a.data[i - 1] != b.data[j - 1]);
            if (above + 1 < best)
                best = above + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
            diagonal = above;
            least = best < least ? best : least;
        }
        if (least >= beyond)
            return beyond;
    }
    return row[b.length] < beyond ? row[b.length] : beyond;
}

size_t text_edit_distance(struct text a, struct text b, size_t limit)
{
    if (limit > TEXT_EDIT_LENGTH_MAX)
        limit = TEXT_EDIT_LENGTH_MAX;
    if (text_equal(a, b))
        return 0;
    size_t difference = a.length > b.length ? a.length - b.length : b.length - a.length;
    if (difference > limit || a.length > TEXT_EDIT_LENGTH_MAX || b.length > TEXT_EDIT_LENGTH_MAX)
        return limit + 1;
    return edit_distance(a, b, limit + 1);
}

/* What stands before the first star is a prefix, what stands behind the last a suffix. The pieces
 * between need only stand in order in what is left, and taking each at its first occurrence never
 * spoils a later one: so no backtracking, every byte is looked at by one search. */
bool text_matches_pattern(struct text t, struct text pattern)
{
    ptrdiff_t star = text_find_char(pattern, '*');
    if (star < 0)
        return text_equal(t, pattern);
    struct text prefix = text_first(pattern, (size_t)star);
    if (!text_starts_with(t, prefix))
        return false;
    t = text_from_index(t, prefix.length);
    pattern = text_from_index(pattern, (size_t)star + 1);
    while ((star = text_find_char(pattern, '*')) >= 0) {
        struct text piece = text_first(pattern, (size_t)star);
        ptrdiff_t at = text_find(t, piece);
        if (at < 0)
            return false;
        t = text_from_index(t, (size_t)at + piece.length);
        pattern = text_from_index(pattern, (size_t)star + 1);
    }
    return text_ends_with(t, pattern);
}

/* The two halves of a product, each bit of which depends on the bits below: together on all. */
static inline uint64_t fold(uint64_t word)
{
    unsigned __int128 product = (unsigned __int128)word * 0x9e3779b97f4a7c15u;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t word_at(const char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

/* Up to seven bytes: two fours that may overlap, or all three there can be. */
static inline uint64_t short_word(struct text t)
{
    uint32_t first, last;
    if (t.length < sizeof first)
        return t.length == 0 ? 0
                             : (uint64_t)(unsigned char)t.data[0] << 16 |
                                   (uint64_t)(unsigned char)t.data[t.length / 2] << 8 |
                                   (unsigned char)t.data[t.length - 1];
    memcpy(&first, t.data, sizeof first);
    memcpy(&last, t.data + t.length - sizeof last, sizeof last);
    return (uint64_t)first << 32 | last;
}

/* Eight bytes at a time; the last eight may overlap those before them. */
unsigned long long text_hash(struct text t)
{
    uint64_t hash = fold(t.length + 1);
    if (t.length < sizeof hash)
        return fold(hash ^ short_word(t));
    for (size_t at = 0; at + sizeof hash < t.length; at += sizeof hash)
        hash = fold(hash ^ word_at(t.data + at));
    return fold(hash ^ word_at(t.data + t.length - sizeof hash));
}
