/* text: a run of bytes that somebody else owns, passed by value.
 *
 * A text never owns and is never NUL-terminated by promise; whoever hands one out says how long the
 * bytes stay valid. Any thread. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/attributes.h"

struct text {
    const char *data;
    size_t length;
};

/* A text over a string literal: TEXT as an expression, TEXT_INIT in initialisers. The empty string
 * in front makes anything but a literal an error. */
#define TEXT(literal) ((struct text){"" literal, sizeof("" literal) - 1})
#define TEXT_INIT(literal)                 \
    {                                      \
        "" literal, sizeof("" literal) - 1 \
    }
/* For printf-like functions: "%.*s". Lengths over INT_MAX are cut. */
#define TEXT_ARG(t) \
    ((t).length > 0x7fffffff ? 0x7fffffff : (int)(t).length), ((t).data ? (t).data : "")

static inline struct text text_of(const char *data, size_t length)
{
    return (struct text){data, length};
}

static inline struct text text_from(const char *string)
{
    return (struct text){string, string ? strlen(string) : 0};
}

static inline bool text_empty(struct text t)
{
    return t.length == 0;
}

static inline bool text_equal(struct text a, struct text b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

static inline bool text_starts_with(struct text t, struct text prefix)
{
    return t.length >= prefix.length &&
           (prefix.length == 0 || memcmp(t.data, prefix.data, prefix.length) == 0);
}

static inline bool text_ends_with(struct text t, struct text suffix)
{
    return t.length >= suffix.length &&
           (suffix.length == 0 ||
            memcmp(t.data + t.length - suffix.length, suffix.data, suffix.length) == 0);
}

/* From `start` (clamped to the length) to the end. */
static inline struct text text_from_index(struct text t, size_t start)
{
    if (start > t.length)
        start = t.length;
    /* Adding even 0 to NULL is undefined. */
    return (struct text){start == 0 ? t.data : t.data + start, t.length - start};
}

/* The first `length` bytes (clamped). */
static inline struct text text_first(struct text t, size_t length)
{
    return (struct text){t.data, length < t.length ? length : t.length};
}

/* ASCII case is ignored; bytes outside ASCII compare exactly. */
bool text_equal_ignoring_case(struct text a, struct text b);
/* Orders bytewise, shorter first on a tie: <0, 0, >0. */
int text_compare(struct text a, struct text b);
/* Index of the first occurrence, or -1. */
ptrdiff_t text_find_char(struct text t, char c);
ptrdiff_t text_find(struct text haystack, struct text needle);
/* Without leading and trailing space and tab (RFC 9110 section 5.6.3, OWS). */
struct text text_trim(struct text t);
/* Splits at the first `separator`: returns what stands before and moves `rest` behind it. Without
 * one the whole is returned and `rest` becomes empty with data NULL. */
struct text text_split(struct text *rest, char separator);
/* Copies into a fixed array with a NUL; cuts what does not fit (`size` is at least 1). Returns
 * false when it was cut. */
bool text_copy_to(struct text t, char *out, size_t size);
/* A string of its own, to be freed; stops the process when memory is short. */
char *text_duplicate(struct text t);
/* Number of single-byte edits from a to b, at most `limit` + 1: for "did you mean" suggestions.
 * Texts longer than TEXT_EDIT_LENGTH_MAX (no configured name is) count as beyond the limit, unless
 * equal; a limit above it counts as it. */
#define TEXT_EDIT_LENGTH_MAX 128u
size_t text_edit_distance(struct text a, struct text b, size_t limit);
/* A `*` in the pattern matches any run of bytes, everything else itself. Linear, no recursion. */
bool text_matches_pattern(struct text t, struct text pattern);
/* 64 bits that depend on every byte: for private maps keyed by configuration, not for hostile
 * input. Of this process only, never stored. */
unsigned long long text_hash(struct text t);

#endif
