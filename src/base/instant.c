#include "base/instant.h"

#include <time.h>

#include "base/ensure.h"
#include "base/number.h"

/* Digits at a fixed place; false when there are others or too few. */
static bool read_digits(struct text *rest, size_t count, int *out)
{
    uint64_t number;
    if (rest->length < count || !number_parse_unsigned(text_first(*rest, count), &number))
        return false;
    *out = (int)number; /* at most four digits */
    *rest = text_from_index(*rest, count);
    return true;
}

static bool read_char(struct text *rest, char wanted)
{
    if (text_empty(*rest) || rest->data[0] != wanted)
        return false;
    *rest = text_from_index(*rest, 1);
    return true;
}

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static bool read_date(struct text *rest, int *year, int *month, int *day)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (!read_digits(rest, 4, year) || !read_char(rest, '-') || !read_digits(rest, 2, month) ||
        !read_char(rest, '-') || !read_digits(rest, 2, day))
        return false;
    if (*year < 1970 || *month < 1 || *month > 12 || *day < 1)
        return false;
    return *day <= days[*month - 1] + (*month == 2 && is_leap(*year));
}

/* Howard Hinnant's days_from_civil, for years from 1970. */
static int64_t days_since_1970(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = y / 400, year_of_era = y % 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

static bool read_clock(struct text *rest, int64_t *seconds)
{
    int hour, minute, second;
    if (!read_digits(rest, 2, &hour) || !read_char(rest, ':') || !read_digits(rest, 2, &minute) ||
        !read_char(rest, ':') || !read_digits(rest, 2, &second))
        return false;
    if (hour > 23 || minute > 59 || second > 59)
        return false;
    if (read_char(rest, '.')) {
        size_t digits = 0;
        while (digits < rest->length && rest->data[digits] >= '0' && rest->data[digits] <= '9')
            digits++;
        if (digits == 0)
            return false;
        *rest = text_from_index(*rest, digits);
    }
    *seconds = hour * 3600 + minute * 60 + second;
    return true;
}

/* "Z" or "+01:00", as seconds to take away. */
static bool read_offset(struct text *rest, int64_t *seconds)
{
    int hour, minute;
    *seconds = 0;
    if (read_char(rest, 'Z') || read_char(rest, 'z'))
        return true;
    bool west = read_char(rest, '-');
    if (!west && !read_char(rest, '+'))
        return false;
    if (!read_digits(rest, 2, &hour) || !read_char(rest, ':') || !read_digits(rest, 2, &minute) ||
        hour > 23 || minute > 59)
        return false;
    *seconds = (hour * 3600 + minute * 60) * (west ? -1 : 1);
    return true;
}

bool instant_parse(struct text text, int64_t *seconds)
{
    int year, month, day;
    int64_t clock = 0, offset = 0;
    struct text rest = text;
    if (!read_date(&rest, &year, &month, &day))
        return false;
    if (!text_empty(rest)) {
        if ((!read_char(&rest, 'T') && !read_char(&rest, 't')) || !read_clock(&rest, &clock) ||
            !read_offset(&rest, &offset) || !text_empty(rest))
            return false;
    }
    *seconds = days_since_1970(year, month, day) * 86400 + clock - offset;
    return true;
}

size_t instant_format(int64_t seconds, char out[INSTANT_SIZE])
{
    struct tm parts;
    time_t time = (time_t)seconds;
    ensure(gmtime_r(&time, &parts) != NULL);
    const char *form = seconds % 86400 == 0 ? "%Y-%m-%d" : "%Y-%m-%dT%H:%M:%SZ";
    size_t length = strftime(out, INSTANT_SIZE, form, &parts);
    ensure(length > 0);
    return length;
}
