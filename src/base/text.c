#include "base/text.h"

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

/* Fowler, Noll, Vo: RFC 9923, FNV-1a with 64 bits. */
unsigned long long text_hash(struct text t)
{
    unsigned long long hash = 0xcbf29ce484222325ull;
    for (size_t i = 0; i < t.length; i++) {
        hash ^= (unsigned char)t.data[i];
        hash *= 0x100000001b3ull;
    }
    return hash;
}
