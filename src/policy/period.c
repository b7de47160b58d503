#include "policy/period.h"

#include "base/ensure.h"
#include "policy/calendar.h"

#define QUARTER_SECONDS 900

static const char *const kind_names[PERIOD_KIND_COUNT] = {
    [PERIOD_DAY] = "day",           [PERIOD_WEEK] = "week",       [PERIOD_MONTH] = "month",
    [PERIOD_LIFETIME] = "lifetime", [PERIOD_ROLLING] = "rolling",
};

const char *period_kind_name(enum period_kind kind)
{
    ensure(kind < PERIOD_KIND_COUNT);
    return kind_names[kind];
}

bool period_kind_from(struct text name, enum period_kind *kind)
{
    for (unsigned i = 0; i < PERIOD_KIND_COUNT; i++) {
        if (text_equal(name, text_from(kind_names[i]))) {
            *kind = (enum period_kind)i;
            return true;
        }
    }
    return false;
}

bool period_rolling_is_valid(uint64_t length)
{
    return length >= PERIOD_ROLLING_MIN && length <= PERIOD_ROLLING_MAX &&
           length % PERIOD_QUARTER == 0;
}

uint64_t period_bucket_length(uint64_t rolling)
{
    uint64_t quarters = rolling / PERIOD_QUARTER;
    return (quarters + PERIOD_BUCKETS_MAX - 1) / PERIOD_BUCKETS_MAX * PERIOD_QUARTER;
}

/* ------------------------------------------------------------------ local days */

/* The first instant at which the local clock shows that midnight or later. Walks the spans of one
 * offset around it: the local clock only jumps between them. */
int64_t period_day_start(const struct time_zone *zone, int64_t day)
{
    int64_t midnight = day * 86400;
    int64_t at = midnight - 27 * 3600; /* before any zone has it: offsets are at most 26 hours */
    for (;;) {
        struct time_span span = timezone_span(zone, at);
        int64_t reached = midnight - span.offset;
        if (reached < at)
            reached = at;
        if (reached < span.until)
            return calendar_floor_divide(reached, QUARTER_SECONDS) * QUARTER_SECONDS;
        at = span.until;
    }
}

/* The last day that has begun at that instant. */
static int64_t day_at(const struct time_zone *zone, int64_t instant)
{
    int64_t day = calendar_day_of(instant + timezone_span(zone, instant).offset);
    while (period_day_start(zone, day) > instant)
        day--;
    while (period_day_start(zone, day + 1) <= instant)
        day++;
    return day;
}

static void calendar_period(enum period_kind kind, int64_t day, int64_t *first, int64_t *next)
{
    *first = day;
    *next = day + 1;
    if (kind == PERIOD_WEEK) {
        *first = day - (calendar_weekday(day) + 6) % 7;
        *next = *first + 7;
    } else if (kind == PERIOD_MONTH) {
        struct calendar_date date = calendar_date(day);
        *first = calendar_days(date.year, date.month, 1);
        *next = date.month == 12 ? calendar_days(date.year + 1, 1, 1)
                                 : calendar_days(date.year, date.month + 1, 1);
    }
}

static uint64_t to_wall(int64_t seconds)
{
    return seconds < 0 ? 0 : (uint64_t)seconds * NANOSECONDS_PER_SECOND;
}

struct period_bounds period_at(enum period_kind kind, const struct time_zone *zone,
                               uint64_t rolling, uint64_t wall)
{
    if (kind == PERIOD_LIFETIME)
        return (struct period_bounds){0, UINT64_MAX};
    if (kind == PERIOD_ROLLING) {
        uint64_t length = period_bucket_length(rolling);
        return (struct period_bounds){wall - wall % length, wall - wall % length + length};
    }
    int64_t first, next;
    calendar_period(kind, day_at(zone, (int64_t)(wall / NANOSECONDS_PER_SECOND)), &first, &next);
    return (struct period_bounds){to_wall(period_day_start(zone, first)),
                                  to_wall(period_day_start(zone, next))};
}
