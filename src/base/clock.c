#include "base/clock.h"

#include <time.h>

#include "base/ensure.h"

static uint64_t read_clock(clockid_t clock)
{
    struct timespec now;
    ensure(clock_gettime(clock, &now) == 0);
    return (uint64_t)now.tv_sec * NANOSECONDS_PER_SECOND + (uint64_t)now.tv_nsec;
}

uint64_t clock_monotonic(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t clock_wall(void)
{
    return read_clock(CLOCK_REALTIME);
}

/* Writes `digits` decimal digits of `number`, then `behind`; returns where it stopped. */
static char *put(char *out, uint64_t number, int digits, char behind)
{
    for (int i = digits - 1; i >= 0; i--) {
        out[i] = (char)('0' + number % 10);
        number /= 10;
    }
    out[digits] = behind;
    return out + digits + 1;
}

/* By arithmetic and not gmtime_r, which takes a lock of the whole process for every call. Years
 * start in March so that the leap day comes last; an era is the 400 years after which the
 * Gregorian calendar repeats, 146,097 days. */
size_t clock_format_rfc3339(uint64_t wall, char out[CLOCK_RFC3339_SIZE])
{
    uint64_t seconds = wall / NANOSECONDS_PER_SECOND;
    uint64_t days = seconds / 86400 + 719468; /* since 0000-03-01 */
    uint64_t day_of_era = days % 146097;
    uint64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    uint64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint64_t march_month = (5 * day_of_year + 2) / 153; /* 0 is March */
    uint64_t day = day_of_year - (153 * march_month + 2) / 5 + 1;
    uint64_t month = march_month < 10 ? march_month + 3 : march_month - 9;
    uint64_t year = days / 146097 * 400 + year_of_era + (month <= 2 ? 1 : 0);

    char *end = put(out, year, 4, '-');
    end = put(end, month, 2, '-');
    end = put(end, day, 2, 'T');
    end = put(end, seconds / 3600 % 24, 2, ':');
    end = put(end, seconds / 60 % 60, 2, ':');
    end = put(end, seconds % 60, 2, '.');
    end = put(end, wall % NANOSECONDS_PER_SECOND / 1000, 6, 'Z');
    *end = '\0';
    return (size_t)(end - out);
}

/* Rearranged from the other form. The locale has no say in it, as it would in strftime. */
void clock_format_http(uint64_t wall, char out[CLOCK_HTTP_SIZE])
{
    static const char days[] = "ThuFriSatSunMonTueWed"; /* 1970 began on a Thursday */
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char moment[CLOCK_RFC3339_SIZE];
    (void)clock_format_rfc3339(wall, moment);
    unsigned month = (unsigned)(moment[5] - '0') * 10 + (unsigned)(moment[6] - '0') - 1;
    (void)snprintf(out, CLOCK_HTTP_SIZE, "%.3s, %.2s %.3s %.4s %.8s GMT",
                   days + 3 * (wall / NANOSECONDS_PER_SECOND / 86400 % 7), moment + 8,
                   months + 3 * month, moment, moment + 11);
}
