#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/note.h"
#include "base/text.h"

static char last_line[4096];
static int lines;

static void keep(enum note_level level, const char *line)
{
    lines++;
    assert_true(text_copy_to(text_from(line), last_line, sizeof(last_line)));
}

static int start(void **state)
{
    note_set_sink(keep);
    note_set_level(NOTE_INFO);
    lines = 0;
    return 0;
}

static int stop(void **state)
{
    note_set_sink(NULL);
    return 0;
}

static void test_line(void **state)
{
    note_warning("config", "%s:%d is odd", "turnpike.yaml", 3);
    assert_int_equal(lines, 1);
    assert_true(text_matches_pattern(text_from(last_line),
                                     TEXT("2*-*T*Z warning config: turnpike.yaml:3 is odd")));
}

static void test_level(void **state)
{
    note_debug("net", "not shown");
    assert_int_equal(lines, 0);
    note_set_level(NOTE_DEBUG);
    note_debug("net", "shown");
    assert_int_equal(lines, 1);
    note_set_level(NOTE_ERROR);
    note_warning("net", "not shown");
    assert_int_equal(lines, 1);
    note_error("net", "shown");
    assert_int_equal(lines, 2);
}

static void test_a_line_stays_one_line(void **state)
{
    note_info("http", "method \"%s\"", "GET\r\n\x1b[2Jfake error: x\x7f\tü");
    assert_non_null(strstr(last_line, "method \"GET   [2Jfake error: x  ü\""));
}

static void test_long_message_is_cut(void **state)
{
    note_info("http", "%5000d", 1);
    assert_int_equal(strlen(last_line), 2047);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_line, start, stop),
        cmocka_unit_test_setup_teardown(test_level, start, stop),
        cmocka_unit_test_setup_teardown(test_a_line_stays_one_line, start, stop),
        cmocka_unit_test_setup_teardown(test_long_message_is_cut, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
