#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "base/text.h"
#include "tables/error.h"

static void test_every_code_has_a_name_and_a_meaning(void **state)
{
    for (unsigned i = 0; i < ERROR_COUNT; i++) {
        const char *name = error_name((enum error)i);
        assert_true(strlen(name) > 0);
        assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_0123456789"), strlen(name));
        assert_true(strlen(error_meaning((enum error)i)) > 0);
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(name, error_name((enum error)j));
    }
    assert_string_equal(error_name(ERROR_OK), "ok");
    assert_string_equal(error_name(ERROR_TIMEOUT_CONNECT), "timeout_connect");
    assert_int_equal(ERROR_OK, 0);
}

static void test_from_errno(void **state)
{
    assert_int_equal(error_from_errno(0), ERROR_OK);
    assert_int_equal(error_from_errno(ECONNREFUSED), ERROR_REFUSED);
    assert_int_equal(error_from_errno(EPIPE), ERROR_CLOSED);
    assert_int_equal(error_from_errno(ENOSPC), ERROR_DISK_FULL);
    assert_int_equal(error_from_errno(EMFILE), ERROR_TOO_MANY_FILES);
    assert_int_equal(error_from_errno(EACCES), ERROR_SYSTEM);
    assert_int_equal(error_from_errno(-1), ERROR_SYSTEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_code_has_a_name_and_a_meaning),
        cmocka_unit_test(test_from_errno),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
