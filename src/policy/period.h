/* period: when a budget's day, week, month or rolling bucket begins and ends.
 *
 * All instants are wall times in nanoseconds since 1970 UTC, all periods [start, end). Local days
 * begin at midnight in the zone, or, where the clock skips midnight, at the first instant of that
 * day; a day that does not exist has no length. Bounds are multiples of a quarter of an hour (no
 * zone has had others since 1972), so that sums by quarter hour add up exactly. Pure functions, any
 * thread. */
#ifndef POLICY_PERIOD_H
#define POLICY_PERIOD_H

#include <stdint.h>

#include "base/clock.h"
#include "base/text.h"
#include "policy/timezone.h"

#define PERIOD_QUARTER     (900 * NANOSECONDS_PER_SECOND)
#define PERIOD_ROLLING_MIN (4 * PERIOD_QUARTER)
#define PERIOD_ROLLING_MAX (366 * 96 * PERIOD_QUARTER)
/* Buckets of a rolling period: it is counted in steps of about a per cent of its length. */
#define PERIOD_BUCKETS_MAX 96u

enum period_kind {
    PERIOD_DAY,
    PERIOD_WEEK, /* from Monday (ISO 8601) */
    PERIOD_MONTH,
    PERIOD_LIFETIME,
    PERIOD_ROLLING,
    PERIOD_KIND_COUNT
};

struct period_bounds {
    uint64_t start;
    uint64_t end; /* UINT64_MAX: never */
};

/* "day", "week", "month", "lifetime", "rolling". */
const char *period_kind_name(enum period_kind kind);
must_check bool period_kind_from(struct text name, enum period_kind *kind);

/* A rolling length that can be used: PERIOD_ROLLING_MIN to PERIOD_ROLLING_MAX, whole quarters. */
bool period_rolling_is_valid(uint64_t length);

/* The period in which `wall` lies. NULL is UTC. For PERIOD_ROLLING of that `rolling` length: its
 * bucket (see period_bucket_length); the window at an instant is every bucket that has not ended at
 * least that length ago. */
struct period_bounds period_at(enum period_kind kind, const struct time_zone *zone,
                               uint64_t rolling, uint64_t wall);
/* Of a rolling period: a multiple of a quarter hour, of which the length has at most
 * PERIOD_BUCKETS_MAX. Buckets are counted from 1970. */
uint64_t period_bucket_length(uint64_t rolling);

/* The first instant of that day in the zone, in seconds; `day` is days since 1970-01-01. */
int64_t period_day_start(const struct time_zone *zone, int64_t day);

#endif
