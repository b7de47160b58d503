/* Cookies as browsers send them, and as we set them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "admin/cookie.h"
#include "base/attributes.h"

static const struct origin_door door = {.port = 8081};

static void read_back(void **state)
{
    static const struct {
        const char *field, *plain, *secure; /* NULL: none */
    } rows[] = {
        {"turnpike-8081=abc", "abc", NULL},
        {"a=b; turnpike-8081=abc; c=d", "abc", NULL},
        {"a=b;turnpike-8081 = abc ", "abc", NULL},
        {"turnpike-8081=", "", NULL},
        {"turnpike-8081=a=b", "a=b", NULL},
        {"__Host-turnpike-8081=abc", NULL, "abc"},
        {"turnpike-8081=one; turnpike-8081=two", NULL, NULL},
        {"turnpike-8081=same; turnpike-8081=same", NULL, NULL},
        {"turnpike-8082=abc", NULL, NULL},
        {"Turnpike-8081=abc", NULL, NULL},
        {"xturnpike-8081=abc", NULL, NULL},
        {"turnpike-sign-in-8081=abc", NULL, NULL},
        {"turnpike-8081", NULL, NULL},
        {";;;", NULL, NULL},
        {"", NULL, NULL},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const char *wanted[] = {rows[i].plain, rows[i].secure};
        for (size_t secure = 0; secure < 2; secure++) {
            struct text found =
                cookie_read(text_from(rows[i].field), COOKIE_SESSION, &door, secure != 0);
            assert_int_equal(found.data != NULL, wanted[secure] != NULL);
            if (found.data)
                assert_true(text_equal(found, text_from(wanted[secure])));
        }
    }
    assert_null(cookie_read(text_of(NULL, 0), COOKIE_SESSION, &door, false).data);
}

static void check_line(enum cookie_kind kind, bool secure, const char *value, unsigned seconds,
                       const char *wanted)
{
    struct buffer out;

    buffer_open(&out, 1024);
    cookie_append(&out, kind, &door, secure, text_from(value), seconds);
    assert_true(text_equal(buffer_text(&out), text_from(wanted)));
    buffer_close(&out);
}

static void lines(void **state)
{
    check_line(COOKIE_SESSION, false, "abc", 0,
               "set-cookie: turnpike-8081=abc; Path=/; HttpOnly; SameSite=Strict\r\n");
    check_line(COOKIE_SESSION, true, "abc", 0,
               "set-cookie: __Host-turnpike-8081=abc; Path=/; HttpOnly; SameSite=Strict; "
               "Secure\r\n");
    check_line(COOKIE_SESSION, false, "", 0,
               "set-cookie: turnpike-8081=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0\r\n");
    check_line(COOKIE_SIGN_IN, true, "abc", 600,
               "set-cookie: __Host-turnpike-sign-in-8081=abc; Path=/; HttpOnly; SameSite=Lax; "
               "Secure; Max-Age=600\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read_back),
        cmocka_unit_test(lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
