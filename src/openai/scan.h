/* scan: finds watched top-level members of a JSON object in raw bytes, split anywhere, in one pass.
 *
 * No document is built and nothing is copied but the watched values that ask for it. The whole
 * document of a request is checked: brackets, strings with their escapes and without raw control
 * characters, literals, numbers, nothing but white space behind the end. So no reader behind us can
 * see other watched members than we do. Keys are compared decoded ("mod\u0065l" is model).
 *
 * A scan is embedded by value, has no resources of its own and needs no closing. Copied values live
 * in the caller's arena. One thread at a time. Grammar: RFC 8259. */
#ifndef OPENAI_SCAN_H
#define OPENAI_SCAN_H

#include <stdint.h>

#include "base/arena.h"
#include "base/text.h"
#include "openai/brackets.h"
#include "tables/error.h"

/* Deeper than any real call (tool schemas reach about 20), far below where recursive readers fall
 * over. */
#define SCAN_DEPTH_MAX 512u
/* Longest watched key, decoded. A key in the input may be longer; it is then not a watched one. */
#define SCAN_KEY_MAX   48u /* less than the bits of `watch_lengths` */
#define SCAN_WATCH_MAX 24u

enum scan_kind {
    SCAN_ABSENT,
    SCAN_NULL,
    SCAN_FALSE,
    SCAN_TRUE,
    SCAN_NUMBER,
    SCAN_STRING,
    SCAN_ARRAY,
    SCAN_OBJECT
};

/* What to watch for: static tables. */
struct scan_watch {
    struct text key;   /* decoded, lower-case ASCII */
    size_t copy_limit; /* values up to this many raw bytes are kept; 0: only where it stands */
};

struct scan_value {
    enum scan_kind kind;
    bool cut;        /* longer than copy_limit: raw is empty */
    uint64_t offset; /* of the value's first byte in the document */
    uint64_t length; /* raw, with quotes or brackets */
    struct text raw; /* as written; NUL-terminated behind its length unless from scan_text */
};

enum scan_mode {
    /* Requests: a watched key twice, or spelled so that a reader that ignores case takes it for one
     * ("Model"), is an error, because readers differ on which one counts. */
    SCAN_STRICT,
    /* Answers: the last one wins, as in most readers. Objects and arrays inside of the top-level
     * one are passed over by their brackets and quotes: nothing in them is checked, nor their
     * depth, and lines are not counted there. */
    SCAN_LENIENT
};

struct scan {
    /* After an error: why, for people (static), and where. */
    const char *reason;
    uint64_t offset;      /* bytes scanned so far; after an error, of the offending byte */
    uint64_t line;        /* from 1 */
    uint64_t line_start;  /* offset of the line's first byte; column = offset - line_start + 1 */
    uint64_t object_open; /* offset of the top-level '{' */
    bool object_empty;    /* no member seen */
    bool complete;        /* the object was closed and checked */
    bool escapes;         /* a string has a backslash (an answer's: one that was not passed over) */

    /* the rest belongs to scan.c */
    enum error error;
    uint8_t state;
    uint8_t mode;
    uint8_t detail; /* position in a literal, state of a number, digits of \u so far */
    bool in_key;    /* the string being read is a key */
    bool key_too_long;
    uint16_t depth;  /* brackets open */
    uint16_t unit;   /* the value of those digits */
    int16_t watched; /* the watch whose value is being read, -1 none */
    uint16_t key_length;
    struct brackets nested; /* of the value that is passed over */
    const char *feed;       /* the bytes being fed, which start at `offset` */
    const char *span;       /* where the part of the watched value in them starts */
    const char *literal;    /* being read */
    const struct scan_watch *watches;
    struct scan_value *values;
    size_t watch_count;
    uint64_t watch_lengths; /* a bit for each length of a watched key */
    struct arena *arena;
    size_t copy_capacity;
    uint64_t objects[SCAN_DEPTH_MAX / 64]; /* one bit per level: an object, not an array */
    char key[SCAN_KEY_MAX];
};

/* `values` has `count` places, one for each watch, and is filled as members are found. `arena`
 * holds copies; with NULL nothing is copied and raw stays empty. All three outlive the scan. */
void scan_open(struct scan *scan, enum scan_mode mode, const struct scan_watch *watches,
               struct scan_value *values, size_t count, struct arena *arena);
/* ERROR_SYNTAX (see reason), ERROR_UNSUPPORTED (a member twice, too deep), ERROR_MEMORY. Errors
 * are final. */
must_handle enum error scan_feed(struct scan *scan, struct text bytes);
/* The document ended. As scan_feed, when it is not a complete object. */
must_handle enum error scan_finish(struct scan *scan);
uint64_t scan_column(const struct scan *scan);

/* A whole document at once; raw values are slices of `document`, copy limits are ignored. `scan` is
 * the working space and tells the reason. */
must_handle enum error scan_text(struct scan *scan, enum scan_mode mode, struct text document,
                                 const struct scan_watch *watches, struct scan_value *values,
                                 size_t count);

/* The characters of a raw JSON string (with its quotes). A slice of `raw` when it has no escapes.
 * Lone surrogates and bytes that are not UTF-8 are ERROR_SYNTAX. */
must_handle enum error scan_decode_string(struct arena *arena, struct text raw, struct text *out);
/* A raw JSON number that is a whole one from 0 to 2^53 ("4096", "4.0", "4e3"); false otherwise. */
must_check bool scan_whole_number(struct text raw, int64_t *out);
/* RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */
bool scan_is_utf8(struct text t);

#endif
