/* scanner: bytes in, secrets out, whatever the blocks that they come in.
 *
 * Reading goes straight into the scanner's memory: ask scanner_space where, read, tell
 * scanner_took. At the end of a file scanner_end hands over what was found in it. Memory is bounded
 * whatever a file holds. A scanner belongs to one thread. */
#ifndef LEAKS_SCANNER_H
#define LEAKS_SCANNER_H

#include <stdint.h>

#include "leaks/patterns.h"

/* Bytes that are read and searched at a time: they fit into a core's second-level cache. */
#define SCANNER_BLOCK (256u << 10)
/* Secrets of one file; a file with more is a list of keys, and one that says so is enough. */
#define SCANNER_FOUND_MAX 10000u
/* What behind a secret, or before it on its line, makes it an intended one. */
#define SCANNER_ALLOW "turnpike:allow"

struct scanner_secret {
    enum secret_kind kind;
    uint64_t offset;       /* of its first byte */
    uint64_t line, column; /* from 1; columns are characters where the line is UTF-8 */
    bool allowed;          /* SCANNER_ALLOW stands on its line, near it */
    struct text secret;    /* valid until the scanner goes on */
};

struct scanner;

must_handle enum error scanner_create(const struct patterns *patterns, struct scanner **out);
void scanner_destroy(struct scanner *scanner); /* wipes; NULL is fine */

/* Where the next bytes go, and in `size` how many at most (never 0). */
char *scanner_space(struct scanner *scanner, size_t *size);
void scanner_took(struct scanner *scanner, size_t size);

struct scanner_summary {
    size_t count;
    bool more;          /* there were more than SCANNER_FOUND_MAX */
    size_t look_alikes; /* gateway keys by their form, with a wrong checksum */
};
/* The file has ended: calls `found` for each secret in it, in the order of the file. The next byte
 * is the first of another file. */
struct scanner_summary scanner_end(struct scanner *scanner,
                                   void (*found)(void *context,
                                                 const struct scanner_secret *secret),
                                   void *context);

#endif
