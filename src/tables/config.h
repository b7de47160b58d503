/* config: the table of configuration keys, from tables/config.def.
 *
 * Constant, any thread. What the values mean for the process: config/snapshot.h. */
#ifndef TABLES_CONFIG_H
#define TABLES_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"

/* What may stand at a key. */
enum config_type {
    CONFIG_TYPE_SECTION,         /* a mapping with known keys */
    CONFIG_TYPE_MAP,             /* a mapping with names that the writer chooses */
    CONFIG_TYPE_LIST,            /* a sequence */
    CONFIG_TYPE_TEXT,            /* one line, no control characters */
    CONFIG_TYPE_COUNT,           /* a whole number */
    CONFIG_TYPE_SIZE,            /* bytes: 512, 64KiB, 8MB */
    CONFIG_TYPE_DURATION,        /* 250ms, 30s, 5m */
    CONFIG_TYPE_PERCENT,         /* 5%, 0.5% */
    CONFIG_TYPE_CHOICE,          /* one of a few words */
    CONFIG_TYPE_CHOICE_OR_PATH,  /* one of a few words, or a file */
    CONFIG_TYPE_CHOICE_OR_URL,   /* one of a few words, or a URL */
    CONFIG_TYPE_ADDRESS,         /* where to listen */
    CONFIG_TYPE_SERVER,          /* an IP address with an optional port */
    CONFIG_TYPE_NETWORK,         /* a network such as 10.0.0.0/8 */
    CONFIG_TYPE_NETWORK_OR_NAME, /* the same, a name from networks, or "unix" */
    CONFIG_TYPE_URL,             /* http, https or http+unix */
    CONFIG_TYPE_PATH,            /* a file, relative to the configuration file */
    CONFIG_TYPE_SECRET,          /* env:NAME or file:PATH */
    CONFIG_TYPE_TEXT_OR_SECRET,  /* env:NAME, file:PATH or text */
    CONFIG_TYPE_MODEL,           /* a model name */
    CONFIG_TYPE_REFERENCE,       /* a name from providers */
    CONFIG_TYPE_COUNT_OF_TYPES
};

enum config_flag {
    CONFIG_FLAG_REQUIRED = 1,
    CONFIG_FLAG_RESTART = 2 /* a new value takes effect at the next start */
};

struct config_key {
    struct text path; /* "providers.*.timeouts.connect" */
    enum config_type type;
    const char *standard; /* the default as written; "(words)" or NULL: no fixed one */
    const char *minimum, *maximum, *detail;
    unsigned flags;
    const char *description;
};

/* The rows in the order of the file, parents before children. */
extern const struct config_key config_keys[];
extern const size_t config_key_count;

/* Index of the child of row `parent` (or of the top: CONFIG_TOP) with that last path part, "*" and
 * "[]" included; CONFIG_NO_KEY when there is none. */
#define CONFIG_TOP    ((size_t)-1)
#define CONFIG_NO_KEY ((size_t)-2)
size_t config_key_find(size_t parent, struct text name);
/* Walks the children of `parent`: CONFIG_NO_KEY as `previous` gives the first, and is the end. */
size_t config_key_next(size_t parent, size_t previous);
/* The last part of its path. */
struct text config_key_name(size_t key);
/* The child of `parent` that `name` was probably meant to be; empty when none is near. */
struct text config_key_nearest(size_t parent, struct text name);
/* Whether a fixed default is in the table (not "(words)"). */
bool config_key_has_default(size_t key);

/* How many edits apart two words may be for "did you mean". */
size_t config_near_limit(struct text word);

#endif
