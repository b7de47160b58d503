#include "admin/moment.h"

#include <time.h>

#include "base/clock.h"
#include "base/number.h"

#define LONGEST_TEXT    64u
#define FRACTION_DIGITS 9u
#define LATEST_SECOND   ((uint64_t)INT64_MAX / NANOSECONDS_PER_SECOND)

static bool from_now(uint64_t milliseconds, uint64_t now, uint64_t *out)
{
    if (milliseconds > (INT64_MAX - now) / NANOSECONDS_PER_MILLISECOND)
        return false;
    uint64_t moment = now + milliseconds * NANOSECONDS_PER_MILLISECOND;
    *out = moment - moment % NANOSECONDS_PER_SECOND;
    return true;
}

/* ".123456" as nanoseconds; takes it off the text. */
static bool take_fraction(const char **at, uint64_t *nanoseconds)
{
    uint64_t unit = NANOSECONDS_PER_SECOND / 10;
    size_t digits = 0;
    *nanoseconds = 0;
    if (**at != '.')
        return true;
    for (++*at; **at >= '0' && **at <= '9'; ++*at, digits++) {
        *nanoseconds += (uint64_t)(**at - '0') * unit;
        unit /= 10;
    }
    return digits > 0 && digits <= FRACTION_DIGITS;
}

/* "Z" or "+01:00", which must be all that is left. */
static bool take_offset(const char *at, int64_t *seconds)
{
    uint64_t hours, minutes;
    *seconds = 0;
    if (text_equal(text_from(at), TEXT("Z")))
        return true;
    struct text rest = text_from(at);
    if (rest.length != 6 || (*at != '+' && *at != '-') || at[3] != ':' ||
        !number_parse_unsigned(text_of(at + 1, 2), &hours) ||
        !number_parse_unsigned(text_of(at + 4, 2), &minutes) || hours > 23 || minutes > 59)
        return false;
    *seconds = (int64_t)(hours * 3600 + minutes * 60) * (*at == '+' ? 1 : -1);
    return true;
}

/* The 31st of February is no day, though mktime would find one. */
static bool is_real(const struct tm *given, time_t seconds)
{
    struct tm again;
    return gmtime_r(&seconds, &again) != NULL && again.tm_mday == given->tm_mday &&
           again.tm_mon == given->tm_mon && given->tm_sec < 60;
}

static bool from_calendar(const char *string, uint64_t *out)
{
    static const char *const forms[] = {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d"};
    for (size_t i = 0; i < ARRAY_LENGTH(forms); i++) {
        struct tm parts = {0};
        uint64_t fraction = 0;
        int64_t offset = 0;
        const char *at = strptime(string, forms[i], &parts);
        if (at == NULL)
            continue;
        bool date_only = i + 1 == ARRAY_LENGTH(forms);
        if (date_only ? *at != '\0'
                      : ((i == 0 && !take_fraction(&at, &fraction)) || !take_offset(at, &offset)))
            continue;
        struct tm given = parts;
        time_t seconds = timegm(&parts);
        if (!is_real(&given, seconds))
            return false;
        seconds -= offset;
        if (seconds <= 0 || (uint64_t)seconds > LATEST_SECOND)
            return false;
        *out = (uint64_t)seconds * NANOSECONDS_PER_SECOND + fraction;
        return true;
    }
    return false;
}

bool moment_parse(struct text text, uint64_t now, uint64_t *out)
{
    char string[LONGEST_TEXT];
    uint64_t milliseconds;
    if (text_equal(text, TEXT("never"))) {
        *out = 0;
        return true;
    }
    if (text_equal(text, TEXT("now")))
        return from_now(0, now, out);
    if (number_parse_duration(text, &milliseconds))
        return from_now(milliseconds, now, out);
    if (text_find_char(text, '\0') >= 0 || !text_copy_to(text, string, sizeof string))
        return false;
    return from_calendar(string, out);
}
