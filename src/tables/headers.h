/* headers: the header fields that the house knows by name, from tables/headers.def.
 *
 * An id is found once, when a head is parsed; everybody behind it compares ids. Constant after
 * start, any thread. */
#ifndef TABLES_HEADERS_H
#define TABLES_HEADERS_H

#include "base/text.h"

enum header_id {
    HEADER_OTHER, /* a name outside the table */
#define HEADER(id, name, flags) HEADER_##id,
#include "tables/headers.def"
#undef HEADER
    HEADER_COUNT
};

/* Words of a 64-bit set with one bit for each id. */
#define HEADER_WORDS ((HEADER_COUNT + 63) / 64)

enum header_flag {
    HEADER_FLAG_HOP = 1,    /* hop-by-hop: never passed on */
    HEADER_FLAG_SECRET = 2, /* its value is never logged or recorded */
    HEADER_FLAG_SOURCE = 4  /* states the caller's address; believed from trusted forwarders only */
};

/* Case is ignored (RFC 9110 section 5.1). HEADER_OTHER when the name is not in the table. */
enum header_id header_find(struct text name);
/* In lower case; empty for HEADER_OTHER. */
struct text header_name(enum header_id id);
/* Of enum header_flag. */
unsigned header_flags(enum header_id id);

static inline bool header_is_hop_by_hop(enum header_id id)
{
    return (header_flags(id) & HEADER_FLAG_HOP) != 0;
}

#endif
