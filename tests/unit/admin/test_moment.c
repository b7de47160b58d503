#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "admin/moment.h"
#include "base/clock.h"

#define NOW (1795383000 * NANOSECONDS_PER_SECOND + 123456789) /* 2026-11-22T21:30:00 and a bit */

static void test_forms(void **state)
{
    static const struct {
        const char *text;
        uint64_t seconds, nanoseconds;
    } rows[] = {
        {"never", 0, 0},
        {"now", 1795383000, 0},
        {"90d", 1795383000 + 90 * 86400, 0},
        {"2027-01-31", 1801353600, 0},
        {"2027-01-31T18:00:00Z", 1801418400, 0},
        {"2027-01-31T18:00Z", 1801418400, 0},
        {"2027-01-31T18:00:00.123456Z", 1801418400, 123456000},
        {"2027-01-31T19:00:00+01:00", 1801418400, 0},
        {"2027-01-31T12:30:00-05:30", 1801418400, 0},
        {"2028-02-29", 1835395200, 0},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        uint64_t out = 1;
        if (!moment_parse(text_from(rows[i].text), NOW, &out))
            fail_msg("%s", rows[i].text);
        assert_int_equal(out, rows[i].seconds * NANOSECONDS_PER_SECOND + rows[i].nanoseconds);
    }
}

static void test_what_is_no_moment(void **state)
{
    static const char *const texts[] = {
        "",
        "tomorrow",
        "2027-02-29",
        "2027-13-01",
        "2027-01-32",
        "1969-12-31",
        "2027-01-31T18:00:00",
        "2027-01-31T25:00:00Z",
        "2027-01-31 ",
        "-1d",
        "2027-01-31T18:00:00.Z",
        "2027-01-31T18:00:00+1:00",
        "99999999d",
        "2300-01-01",
        "2027-01-31T18:00:60Z",
        "2027-01-31T18:00:00.1234567890Z",
        "2027-01-31T18:00:00+24:00",
        "99999999999999999999d",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        uint64_t out;
        if (moment_parse(text_from(texts[i]), NOW, &out))
            fail_msg("%s", texts[i]);
    }
    uint64_t out;
    assert_false(moment_parse(TEXT("2027-01-31\0x"), NOW, &out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_what_is_no_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
