/* moment: points in time as people write them. Any thread. */
#ifndef ADMIN_MOMENT_H
#define ADMIN_MOMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

#define MOMENT_FORMS "90d, 12h, 2027-01-31, 2027-01-31T18:00:00Z, now or never"

/* "never" (0), "now", a duration from now ("90d"), a date (its start in UTC) or an RFC 3339 moment,
 * also one with a fraction or an offset ("2027-01-31T18:00:00+01:00"). Wall-clock nanoseconds; what
 * is reckoned from now is cut to whole seconds. False: it is none of these, or before 1970. */
must_check bool moment_parse(struct text text, uint64_t now, uint64_t *out);

#endif
