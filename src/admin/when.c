#include "admin/when.h"

#include <time.h>

#include "base/clock.h"
#include "base/number.h"
#include "policy/period.h"

#define SECONDS_PER_DAY 86400

/* The instant at which the clock of the zone shows `local`; the first, when it does so twice. */
static int64_t instant_of(const struct time_zone *zone, int64_t local)
{
    int64_t instant = local - timezone_span(zone, local - SECONDS_PER_DAY).offset;
    return local - timezone_span(zone, instant).offset;
}

static bool parse_calendar(const char *value, const struct time_zone *zone, uint64_t *wall)
{
    static const struct {
        const char *format;
        bool utc;
    } forms[] = {{"%Y-%m-%dT%H:%M:%SZ", true},
                 {"%Y-%m-%dT%H:%M:%S", false},
                 {"%Y-%m-%d %H:%M:%S", false},
                 {"%Y-%m-%d", false}};
    for (size_t i = 0; i < ARRAY_LENGTH(forms); i++) {
        struct tm time = {0};
        const char *end = strptime(value, forms[i].format, &time);
        if (!end || *end != '\0')
            continue;
        const int written = time.tm_mday;
        int64_t seconds = timegm(&time);
        if (time.tm_mday != written) /* 30 February, which timegm takes for 2 March */
            return false;
        bool midnight = time.tm_hour == 0 && time.tm_min == 0 && time.tm_sec == 0;
        if (!forms[i].utc)
            seconds = midnight && seconds >= 0 ? period_day_start(zone, seconds / SECONDS_PER_DAY)
                                               : instant_of(zone, seconds);
        if (seconds < 0 || (uint64_t)seconds > INT64_MAX / NANOSECONDS_PER_SECOND)
            return false;
        *wall = (uint64_t)seconds * NANOSECONDS_PER_SECOND;
        return true;
    }
    return false;
}

bool when_parse(const char *value, const struct time_zone *zone, uint64_t now, uint64_t *wall)
{
    uint64_t milliseconds;
    if (!number_parse_duration(text_from(value), &milliseconds))
        return parse_calendar(value, zone, wall);
    if (milliseconds > now / NANOSECONDS_PER_MILLISECOND)
        return false;
    *wall = now - milliseconds * NANOSECONDS_PER_MILLISECOND;
    return true;
}
