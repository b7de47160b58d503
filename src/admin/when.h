/* when: a point in time that lies behind us, as people write it. Any thread. */
#ifndef ADMIN_WHEN_H
#define ADMIN_WHEN_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/timezone.h"

#define WHEN_FORMS "10m, 2h, 7d, 2026-11-22T18:00:00Z or 2026-11-22"

/* A duration before `now`, a date (its start in the zone), a date and time in the zone
 * ("2026-11-22 18:00:00"), or one in UTC with a Z. Wall-clock nanoseconds. `zone` NULL: UTC. False:
 * none of these, or before 1970. */
bool when_parse(const char *value, const struct time_zone *zone, uint64_t now, uint64_t *wall);

#endif
