/* timezone: the offsets of one time zone, read from the system's files (RFC 8536), without the C
 * library's process-wide TZ.
 *
 * A zone is immutable once loaded: any thread may ask it; loading reads a file and is for threads
 * that may block. Whoever loaded a zone frees it. UTC needs no file. */
#ifndef POLICY_TIMEZONE_H
#define POLICY_TIMEZONE_H

#include <stdint.h>

#include "base/text.h"
#include "tables/error.h"

#define TIMEZONE_NAME_MAX 64u            /* bytes; the longest of the database has 32 */
#define TIMEZONE_FILE_MAX (256u * 1024u) /* bytes; the largest of the database has 4 KiB */

struct time_zone;

/* "Europe/Berlin"; "UTC" and the empty name always work. ERROR_NOT_FOUND: no such file;
 * ERROR_ARGUMENT: not a name of a zone; ERROR_CORRUPT: not a TZif file; ERROR_MEMORY;
 * ERROR_SYSTEM. */
must_handle enum error timezone_load(struct text name, struct time_zone **out);
/* The same from another folder than the system's (NULL: the system's). */
must_handle enum error timezone_load_from(const char *folder, struct text name,
                                          struct time_zone **out);
/* From the contents of a TZif file, versions 1 to 4. ERROR_CORRUPT, ERROR_MEMORY. */
must_handle enum error timezone_parse(struct text contents, struct time_zone **out);
/* NULL is fine. */
void timezone_free(struct time_zone *zone);

/* A run of time with one offset. */
struct time_span {
    int32_t offset; /* seconds east of UTC */
    int64_t until;  /* the first second with a new offset (or a new name for it); INT64_MAX: none */
};

/* What holds at `instant`, seconds since 1970 UTC, from -2^40 to 2^40. NULL is UTC. */
struct time_span timezone_span(const struct time_zone *zone, int64_t instant);

#endif
