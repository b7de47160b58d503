/* How often an address may fail to sign in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "admin/attempts.h"

#define NOW (1000 * NANOSECONDS_PER_SECOND)

static struct attempts attempts;

static int clear(void **state)
{
    attempts = (struct attempts){0};
    return 0;
}

static struct address address_of(const char *text)
{
    struct address address;

    assert_int_equal(address_parse_host(text_from(text), 1, &address), ERROR_OK);
    return address;
}

static void note_times(const char *from, unsigned times, uint64_t now)
{
    struct address address = address_of(from);

    for (unsigned i = 0; i < times; i++)
        attempts_note(&attempts, &address, now);
}

static uint64_t wait_of(const char *from, uint64_t now)
{
    struct address address = address_of(from);

    return attempts_wait(&attempts, &address, now);
}

static void some_at_once_then_one_in_a_while(void **state)
{
    note_times("10.0.0.1", ATTEMPTS_AT_ONCE - 1, NOW);
    assert_int_equal(wait_of("10.0.0.1", NOW), 0);
    note_times("10.0.0.1", 1, NOW);
    assert_int_equal(wait_of("10.0.0.1", NOW), ATTEMPTS_INTERVAL);
    assert_int_equal(wait_of("10.0.0.1", NOW + ATTEMPTS_INTERVAL - 1), 1);
    assert_int_equal(wait_of("10.0.0.1", NOW + ATTEMPTS_INTERVAL), 0);
    note_times("10.0.0.1", 1, NOW + ATTEMPTS_INTERVAL);
    assert_int_equal(wait_of("10.0.0.1", NOW + ATTEMPTS_INTERVAL), ATTEMPTS_INTERVAL);
}

static void each_address_for_itself(void **state)
{
    struct address local = {.local.sun_family = AF_UNIX, .length = sizeof(struct sockaddr_un)};

    note_times("10.0.0.1", ATTEMPTS_AT_ONCE, NOW);
    assert_int_equal(wait_of("10.0.0.2", NOW), 0);
    assert_int_equal(attempts_wait(&attempts, &local, NOW), 0);
    note_times("2001:db8::1", ATTEMPTS_AT_ONCE, NOW);
    assert_true(wait_of("2001:db8::ffff:1", NOW) > 0); /* one household */
    assert_int_equal(wait_of("2001:db8:0:1::1", NOW), 0);
    assert_true(wait_of("::ffff:10.0.0.1", NOW) > 0); /* the same, seen through another socket */
}

/* A flood from many takes the place of the oldest, and of nobody else. */
static void more_addresses_than_rows(void **state)
{
    char text[32];

    note_times("10.0.0.1", ATTEMPTS_AT_ONCE, NOW);
    for (unsigned i = 0; i < 4 * ATTEMPTS_SOURCES; i++) {
        (void)snprintf(text, sizeof(text), "10.1.%u.%u", i / 256, i % 256);
        note_times(text, 1, NOW);
    }
    assert_true(wait_of("10.0.0.1", NOW) > 0);
    assert_int_equal(wait_of("10.1.0.0", NOW), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(some_at_once_then_one_in_a_while, clear),
        cmocka_unit_test_setup(each_address_for_itself, clear),
        cmocka_unit_test_setup(more_addresses_than_rows, clear),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
