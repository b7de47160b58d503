/* names: texts that come again and again in records, each kept once.
 *
 * What is given lives as long as the table. One thread. */
#ifndef PREVIEW_NAMES_H
#define PREVIEW_NAMES_H

#include <stdint.h>

#include "base/arena.h"
#include "base/siphash.h"

struct name {
    struct text text;
    uint32_t number; /* from 0, in the order in which they came */
    void *owner;     /* what the table's user knows of it; NULL at first */
    uint64_t code;
    struct name *next; /* in its bucket */
};

struct names {
    struct arena arena;
    struct siphash_seed seed;
    struct name **buckets;
    size_t mask;
    uint32_t count;
};

/* Bytes of all texts: callers may name what they like, so there may be many. */
#define NAMES_BYTES_MAX ((size_t)2 << 30)

/* Stop the process when memory is short. */
void names_open(struct names *names);
void names_close(struct names *names);
struct name *names_take(struct names *names, struct text text);
/* NULL: it never came. */
struct name *names_find(const struct names *names, struct text text);

#endif
