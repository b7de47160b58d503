/* timezone and period, against values computed with another implementation of the same zones. */
#include "support.h"

#include "policy/calendar.h"
#include "policy/period.h"

struct expected {
    const char *zone;
    enum period_kind kind;
    int64_t at, start, end;
};

static const struct expected rows[] = {
    /* leap day, year's end */
    {"UTC", PERIOD_DAY, 1835438400, 1835395200, 1835481600},
    {"UTC", PERIOD_MONTH, 1835481599, 1832976000, 1835481600},
    {"UTC", PERIOD_WEEK, 1799020799, 1798416000, 1799020800},
    {"UTC", PERIOD_WEEK, 1799020800, 1799020800, 1799625600},
    /* days of 23 and 25 hours, and what contains them; the rule behind the table, in 2045 */
    {"Europe/Berlin", PERIOD_DAY, 1774778400, 1774738800, 1774821600},
    {"Europe/Berlin", PERIOD_DAY, 1792922400, 1792879200, 1792969200},
    {"Europe/Berlin", PERIOD_DAY, 1792879200, 1792879200, 1792969200},
    {"Europe/Berlin", PERIOD_WEEK, 1792922400, 1792360800, 1792969200},
    {"Europe/Berlin", PERIOD_MONTH, 1774996200, 1774994400, 1777586400},
    {"Europe/Berlin", PERIOD_MONTH, 2391638400, 2390421600, 2393103600},
    /* a midnight that does not exist, and one that nearly comes twice */
    {"America/Sao_Paulo", PERIOD_DAY, 1541332800, 1541300400, 1541383200},
    {"America/Sao_Paulo", PERIOD_DAY, 1518917400, 1518832800, 1518922800},
    {"America/Sao_Paulo", PERIOD_DAY, 1518921000, 1518832800, 1518922800},
    {"Asia/Kolkata", PERIOD_DAY, 1795372199, 1795285800, 1795372200},
    {"Asia/Kolkata", PERIOD_MONTH, 1835461800, 1835461800, 1838140200},
    /* 30 December 2011 did not exist */
    {"Pacific/Apia", PERIOD_DAY, 1325239199, 1325152800, 1325239200},
    {"Pacific/Apia", PERIOD_DAY, 1325239200, 1325239200, 1325325600},
    {"Pacific/Apia", PERIOD_WEEK, 1325239200, 1324893600, 1325412000},
    {"Pacific/Apia", PERIOD_MONTH, 1325289600, 1322733600, 1325325600},
    {"Africa/Cairo", PERIOD_DAY, 1714089600, 1714082400, 1714165200},
    {"Africa/Cairo", PERIOD_DAY, 1730410200, 1730322000, 1730412000},
    {"Africa/Cairo", PERIOD_DAY, 2061262800, 2061237600, 2061320400},
    /* back from 00:01 to 23:01: the day has begun at the first midnight */
    {"America/St_Johns", PERIOD_DAY, 1225593900, 1225593000, 1225683000},
    {"Australia/Lord_Howe", PERIOD_DAY, 1775347200, 1775307600, 1775395800},
    {"America/Havana", PERIOD_DAY, 1772971200, 1772946000, 1773028800},
    {"Europe/Dublin", PERIOD_MONTH, 2216847599, 2214172800, 2216847600},
    {"Antarctica/Troll", PERIOD_DAY, 1932609600, 1932595200, 1932674400},
    {"Pacific/Kiritimati", PERIOD_DAY, 1767225600, 1767175200, 1767261600},
    {"America/Nuuk", PERIOD_DAY, 1901147400, 1901066400, 1901149200},
};

static void test_real_zones(void **state)
{
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct time_zone *zone;
        enum error error = timezone_load(text_from(rows[i].zone), &zone);
        if (error == ERROR_NOT_FOUND) {
            print_message("no zone %s here\n", rows[i].zone);
            continue;
        }
        assert_int_equal(error, ERROR_OK);
        struct period_bounds bounds =
            period_at(rows[i].kind, zone, 0, (uint64_t)rows[i].at * SECOND);
        if (bounds.start != (uint64_t)rows[i].start * SECOND ||
            bounds.end != (uint64_t)rows[i].end * SECOND)
            fail_msg("%s, row %zu: %llu to %llu", rows[i].zone, i,
                     (unsigned long long)(bounds.start / SECOND),
                     (unsigned long long)(bounds.end / SECOND));
        timezone_free(zone);
    }
}

/* Each period ends where the next begins, and every instant is in the one that is said. */
static void test_periods_have_no_gaps(void **state)
{
    static const char *const names[] = {"UTC", "Europe/Berlin", "Pacific/Apia", "Africa/Cairo",
                                        "America/St_Johns"};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        struct time_zone *zone;
        if (timezone_load(text_from(names[i]), &zone) != ERROR_OK)
            continue;
        for (unsigned kind = PERIOD_DAY; kind <= PERIOD_MONTH; kind++) {
            uint64_t wall = 1200000000ull * SECOND; /* 2008 */
            struct period_bounds bounds = period_at((enum period_kind)kind, zone, 0, wall);
            while (bounds.start < 1460000000ull * SECOND) {
                assert_true(bounds.start < bounds.end);
                assert_true(bounds.start % PERIOD_QUARTER == 0);
                struct period_bounds last =
                    period_at((enum period_kind)kind, zone, 0, bounds.end - 1);
                assert_true(last.start == bounds.start && last.end == bounds.end);
                struct period_bounds next = period_at((enum period_kind)kind, zone, 0, bounds.end);
                assert_true(next.start == bounds.end);
                bounds = next;
            }
        }
        timezone_free(zone);
    }
}

static void test_rolling_and_lifetime(void **state)
{
    struct period_bounds bounds = period_at(PERIOD_LIFETIME, NULL, 0, NOW);
    assert_true(bounds.start == 0 && bounds.end == UINT64_MAX);
    assert_true(period_rolling_is_valid(HOUR));
    assert_true(period_rolling_is_valid(30 * DAY));
    assert_false(period_rolling_is_valid(HOUR - 15 * MINUTE));
    assert_false(period_rolling_is_valid(HOUR + MINUTE));
    assert_false(period_rolling_is_valid(367 * DAY));
    assert_true(period_bucket_length(HOUR) == PERIOD_QUARTER);
    assert_true(period_bucket_length(DAY) == PERIOD_QUARTER);
    assert_true(period_bucket_length(30 * DAY) == 30 * PERIOD_QUARTER);
    bounds = period_at(PERIOD_ROLLING, NULL, DAY, NOW + 16 * MINUTE);
    assert_true(bounds.start == NOW + 15 * MINUTE && bounds.end == NOW + 30 * MINUTE);
}

/* ------------------------------------------------------------------ files made by hand */

struct file {
    char bytes[512];
    size_t length;
};

static void put_32(struct file *file, uint32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        file->bytes[file->length++] = (char)(value >> shift);
}

static void put_text(struct file *file, const char *text)
{
    memcpy(file->bytes + file->length, text, strlen(text));
    file->length += strlen(text);
}

static void put_header(struct file *file, char version, uint32_t times)
{
    put_text(file, "TZif");
    memset(file->bytes + file->length, 0, 16);
    file->bytes[file->length] = version;
    file->length += 16;
    put_32(file, 0); /* UTC indicators, standard indicators, leap seconds */
    put_32(file, 0);
    put_32(file, 0);
    put_32(file, times);
    put_32(file, 1);
    put_32(file, 1);
}

static void put_type(struct file *file, int32_t offset)
{
    put_32(file, (uint32_t)offset);
    memset(file->bytes + file->length, 0, 3); /* standard time, designation 0, "" */
    file->length += 3;
}

/* A version 2 file without transitions: the footer is the zone. */
static void make_file(struct file *file, const char *footer)
{
    file->length = 0;
    put_header(file, '2', 0);
    put_type(file, 0);
    put_header(file, '2', 0);
    put_type(file, 0);
    put_text(file, "\n");
    put_text(file, footer);
    put_text(file, "\n");
}

static int32_t offset_of(const char *footer, int64_t at)
{
    struct file file;
    struct time_zone *zone;
    make_file(&file, footer);
    assert_int_equal(timezone_parse(text_of(file.bytes, file.length), &zone), ERROR_OK);
    struct time_span span = timezone_span(zone, at);
    assert_true(span.until > at);
    timezone_free(zone);
    return span.offset;
}

static void test_footers(void **state)
{
    int64_t january = calendar_days(2030, 1, 15) * 86400, july = calendar_days(2030, 7, 15) * 86400;
    assert_int_equal(offset_of("<+0545>-5:45", january), 20700);
    assert_int_equal(offset_of("CET-1CEST,M3.5.0,M10.5.0/3", january), 3600);
    assert_int_equal(offset_of("CET-1CEST,M3.5.0,M10.5.0/3", july), 7200);
    assert_int_equal(offset_of("IST-1GMT0,M10.5.0,M3.5.0/1", january), 0); /* summer in winter */
    assert_int_equal(offset_of("IST-1GMT0,M10.5.0,M3.5.0/1", july), 3600);
    assert_int_equal(offset_of("EST5EDT,0/0,J365/25", january), -14400); /* summer for ever */
    assert_int_equal(offset_of("EST5EDT,0/0,J365/25", july), -14400);
    assert_int_equal(offset_of("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", july), -3600);
    /* 60 in a leap year is 1 March for J, 29 February (from 0) without */
    int64_t leap = calendar_days(2028, 2, 29) * 86400 + 43200;
    assert_int_equal(offset_of("AAA0BBB,J60/0,J300/0", leap), 0);
    assert_int_equal(offset_of("AAA0BBB,59/0,300/0", leap), 3600);
}

static void test_broken_files(void **state)
{
    static const char *const footers[] = {"CET",
                                          "CE-1",
                                          "CET-1CEST,",
                                          "CET-1CEST,M3.5.0",
                                          "CET-1CEST,M13.5.0,M10.5.0",
                                          "CET-1CEST,M3.5.0,M10.5.0x",
                                          "CET-25",
                                          "<+05-5",
                                          "CET-1CEST,J0,J5"};
    struct file file;
    struct time_zone *zone;
    for (size_t i = 0; i < ARRAY_LENGTH(footers); i++) {
        make_file(&file, footers[i]);
        assert_int_equal(timezone_parse(text_of(file.bytes, file.length), &zone), ERROR_CORRUPT);
    }
    make_file(&file, "CET-1");
    for (size_t length = 0; length < file.length; length++) { /* cut short anywhere */
        char *copy = malloc(length + 1);
        memcpy(copy, file.bytes, length);
        assert_int_equal(timezone_parse(text_of(copy, length), &zone), ERROR_CORRUPT);
        free(copy);
    }
    for (size_t i = 0; i < file.length; i++) { /* any byte wrong: no crash */
        struct file wrong = file;
        wrong.bytes[i] = (char)0xff;
        if (timezone_parse(text_of(wrong.bytes, wrong.length), &zone) == ERROR_OK)
            timezone_free(zone);
    }
    assert_int_equal(timezone_load(TEXT("../../../etc/passwd"), &zone), ERROR_ARGUMENT);
    assert_int_equal(timezone_load(TEXT("/etc/localtime"), &zone), ERROR_ARGUMENT);
    assert_int_equal(timezone_load(TEXT("Europe/Nowhere"), &zone), ERROR_NOT_FOUND);
    assert_int_equal(timezone_load(TEXT("Europe"), &zone), ERROR_NOT_FOUND);
    assert_int_equal(timezone_load_from("/nonexistent", TEXT("UTC"), &zone), ERROR_OK);
    timezone_free(zone);
}

static void test_version_1(void **state)
{
    struct file file = {.length = 0};
    put_header(&file, '\0', 1);
    put_32(&file, 1000); /* a transition, its type, the type */
    file.bytes[file.length++] = 0;
    put_type(&file, 3600);
    struct time_zone *zone;
    assert_int_equal(timezone_parse(text_of(file.bytes, file.length), &zone), ERROR_OK);
    assert_int_equal(timezone_span(zone, 999).until, 1000);
    assert_int_equal(timezone_span(zone, 1000).offset, 3600);
    assert_true(timezone_span(zone, 1000).until == INT64_MAX);
    timezone_free(zone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_real_zones), cmocka_unit_test(test_periods_have_no_gaps),
        cmocka_unit_test(test_footers),    cmocka_unit_test(test_rolling_and_lifetime),
        cmocka_unit_test(test_version_1),  cmocka_unit_test(test_broken_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
