#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/attributes.h"
#include "base/instant.h"

static void reads_and_writes(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds;
        const char *written;
    } rows[] = {
        {"1970-01-01", 0, "1970-01-01"},
        {"2026-11-22", 1795305600, "2026-11-22"},
        {"2026-11-22T12:00:00Z", 1795348800, "2026-11-22T12:00:00Z"},
        {"2026-11-22t12:00:00z", 1795348800, "2026-11-22T12:00:00Z"},
        {"2026-11-22T13:00:00.999+01:00", 1795348800, "2026-11-22T12:00:00Z"},
        {"2026-11-22T11:30:00-00:30", 1795348800, "2026-11-22T12:00:00Z"},
        {"2000-02-29", 951782400, "2000-02-29"},
        {"9999-12-31T23:59:59Z", 253402300799, "9999-12-31T23:59:59Z"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        int64_t seconds;
        char text[INSTANT_SIZE];
        assert_true(instant_parse(text_from(rows[i].text), &seconds));
        assert_int_equal(seconds, rows[i].seconds);
        assert_int_equal(instant_format(seconds, text), strlen(rows[i].written));
        assert_string_equal(text, rows[i].written);
    }
}

static void refuses(void **state)
{
    static const char *const rows[] = {
        "",
        "2026",
        "2026-11-2",
        "2026-13-01",
        "2026-00-10",
        "2026-02-29",
        "2100-02-29",
        "1969-12-31",
        "2026-11-22T12:00:00",
        "2026-11-22T24:00:00Z",
        "x026-11-22",
        "2026-11-22 ",
        "2026-11-22T12:60:00Z",
        "2026-11-22T12:00:00.Z",
        "2026-11-22T12:00:00+1:00",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        int64_t seconds;
        assert_false(instant_parse(text_from(rows[i]), &seconds));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads_and_writes),
                                       cmocka_unit_test(refuses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
