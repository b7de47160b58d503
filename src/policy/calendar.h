/* calendar: days and dates of the Gregorian calendar, for policy/ only.
 *
 * A day is its number since 1970-01-01. The arithmetic counts years from March, so that the leap
 * day is a year's last. Pure functions, any thread. */
#ifndef POLICY_CALENDAR_H
#define POLICY_CALENDAR_H

#include <stdbool.h>
#include <stdint.h>

struct calendar_date {
    int64_t year;
    int month; /* 1 to 12 */
    int day;   /* 1 to 31 */
};

#define CALENDAR_DAYS_OF_400_YEARS 146097
#define CALENDAR_DAYS_TO_1970      719468 /* from 0000-03-01 */

static inline int64_t calendar_floor_divide(int64_t a, int64_t b)
{
    return a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0);
}

static inline bool calendar_is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static inline int64_t calendar_days(int64_t year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = calendar_floor_divide(y, 400);
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * CALENDAR_DAYS_OF_400_YEARS + day_of_era - CALENDAR_DAYS_TO_1970;
}

static inline struct calendar_date calendar_date(int64_t days)
{
    int64_t z = days + CALENDAR_DAYS_TO_1970;
    int64_t era = calendar_floor_divide(z, CALENDAR_DAYS_OF_400_YEARS);
    int64_t day_of_era = z - era * CALENDAR_DAYS_OF_400_YEARS;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t march_month = (5 * day_of_year + 2) / 153;
    int day = (int)(day_of_year - (153 * march_month + 2) / 5 + 1);
    int month = (int)(march_month < 10 ? march_month + 3 : march_month - 9);
    return (struct calendar_date){year_of_era + era * 400 + (month <= 2 ? 1 : 0), month, day};
}

/* Sunday is 0. */
static inline int calendar_weekday(int64_t days)
{
    return (int)(((days + 4) % 7 + 7) % 7);
}

/* Of a number of seconds. */
static inline int64_t calendar_day_of(int64_t seconds)
{
    return calendar_floor_divide(seconds, 86400);
}

#endif
