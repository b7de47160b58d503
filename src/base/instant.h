/* instant: moments as catalogs and worked examples write them, to seconds since 1970 (UTC). Pure,
 * any thread. */
#ifndef BASE_INSTANT_H
#define BASE_INSTANT_H

#include <stdint.h>

#include "base/text.h"

/* "2026-11-22" (midnight UTC) or RFC 3339, "2026-11-22T12:00:00Z", "2026-11-22T13:00:00.5+01:00";
 * fractions of a second are cut. Years 1970 to 9999; days that do not exist are refused. */
must_check bool instant_parse(struct text text, int64_t *seconds);

#define INSTANT_SIZE 24u
/* "2026-11-22" at midnight, else "2026-11-22T12:00:00Z"; for instants that instant_parse gives. */
size_t instant_format(int64_t seconds, char out[INSTANT_SIZE]);

#endif
