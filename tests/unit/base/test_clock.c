#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <time.h>

#include "base/attributes.h"
#include "base/clock.h"
#include "base/text.h"

static void test_never_goes_back(void **state)
{
    uint64_t last = clock_monotonic();
    for (int i = 0; i < 1000; i++) {
        uint64_t now = clock_monotonic();
        assert_true(now >= last);
        last = now;
    }
    assert_true(clock_wall() / NANOSECONDS_PER_SECOND > 1700000000);
}

static void check(uint64_t seconds, uint64_t nanoseconds, const char *expected)
{
    char out[CLOCK_RFC3339_SIZE];
    size_t length = clock_format_rfc3339(seconds * NANOSECONDS_PER_SECOND + nanoseconds, out);
    assert_string_equal(out, expected);
    assert_int_equal(length, strlen(expected));
}

static void test_rfc3339(void **state)
{
    check(0, 0, "1970-01-01T00:00:00.000000Z");
    check(951782399, 999999999, "2000-02-28T23:59:59.999999Z");
    check(951782400, 1000, "2000-02-29T00:00:00.000001Z");
    check(951868800, 999, "2000-03-01T00:00:00.000000Z");
    check(4107542400, 0, "2100-03-01T00:00:00.000000Z");
    check(UINT64_MAX / NANOSECONDS_PER_SECOND, UINT64_MAX % NANOSECONDS_PER_SECOND,
          "2554-07-21T23:34:33.709551Z");
}

/* Against the C library, every day to the end of the range, each at another time of day. */
static void test_rfc3339_agrees_with_libc(void **state)
{
    for (uint64_t seconds = 0; seconds < UINT64_MAX / NANOSECONDS_PER_SECOND; seconds += 86399) {
        time_t time = (time_t)seconds;
        struct tm parts;
        char expected[64];
        assert_non_null(gmtime_r(&time, &parts));
        assert_true(strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%S.000000Z", &parts) > 0);
        check(seconds, 0, expected);
    }
}

/* RFC 9110 section 5.6.7 has the first as its example. */
static void test_http_date(void **state)
{
    static const struct {
        uint64_t seconds;
        const char *date;
    } cases[] = {{784111777, "Sun, 06 Nov 1994 08:49:37 GMT"},
                 {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
                 {951782400, "Tue, 29 Feb 2000 00:00:00 GMT"},
                 {1798761599, "Thu, 31 Dec 2026 23:59:59 GMT"}};
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        char out[CLOCK_HTTP_SIZE];
        clock_format_http(cases[i].seconds * NANOSECONDS_PER_SECOND + 5, out);
        assert_string_equal(out, cases[i].date);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_never_goes_back),
        cmocka_unit_test(test_rfc3339),
        cmocka_unit_test(test_http_date),
        cmocka_unit_test(test_rfc3339_agrees_with_libc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
