#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/revocations.h"

#define MILLISECOND NANOSECONDS_PER_MILLISECOND

static char path[64];
static struct revocations_position position;

struct seen {
    size_t count;
    char last_id[32], last_reason[256];
    uint64_t last_time;
};
static struct seen seen;

static int set_up(void **state)
{
    (void)snprintf(path, sizeof path, "/tmp/turnpike-revocations-XXXXXX");
    int file = mkstemp(path);
    if (file < 0)
        return 1;
    close(file);
    unlink(path);
    position = (struct revocations_position){0};
    seen = (struct seen){0};
    return 0;
}

static int tear_down(void **state)
{
    unlink(path);
    return 0;
}

static void see(void *context, const struct revocation *revocation)
{
    seen.count++;
    text_copy_to(revocation->id, seen.last_id, sizeof seen.last_id);
    text_copy_to(revocation->reason, seen.last_reason, sizeof seen.last_reason);
    seen.last_time = revocation->time;
}

static void read_on(void)
{
    assert_int_equal(revocations_read(path, &position, see, NULL), ERROR_OK);
}

static void append(const char *id, const char *reason)
{
    const struct revocation revocation = {text_from(id), 1234567 * MILLISECOND, text_from(reason)};
    assert_int_equal(revocations_append(path, &revocation), ERROR_OK);
}

static void append_bytes(const char *bytes)
{
    int file = open(path, O_WRONLY | O_APPEND | O_CREAT, 0600);
    assert_true(write(file, bytes, strlen(bytes)) == (ssize_t)strlen(bytes));
    close(file);
}

static void test_round_trip(void **state)
{
    read_on();
    assert_int_equal(seen.count, 0);
    append("aaaaaaaaaaaa", "lost\nphone");
    read_on();
    assert_int_equal(seen.count, 1);
    assert_string_equal(seen.last_id, "aaaaaaaaaaaa");
    assert_string_equal(seen.last_reason, "lost phone");
    assert_true(seen.last_time == 1234567 * MILLISECOND);
    read_on();
    assert_int_equal(seen.count, 1);
    append("bbbbbbbbbbbb", "");
    append("cccccccccccc", "x");
    read_on();
    assert_int_equal(seen.count, 3);
    assert_int_equal(position.damaged, 0);
}

static void test_long_reason_is_cut(void **state)
{
    char reason[1000];
    memset(reason, 'r', sizeof reason);
    reason[sizeof reason - 1] = '\0';
    append("aaaaaaaaaaaa", reason);
    read_on();
    assert_int_equal(seen.count, 1);
    assert_int_equal(strlen(seen.last_reason), REVOCATIONS_REASON_MAX);
}

/* A write that was cut off spoils its own line only. */
static void test_torn_line(void **state)
{
    append("aaaaaaaaaaaa", "");
    append_bytes("bbbbbbbbbbbb 12345");
    read_on();
    assert_int_equal(seen.count, 1);
    assert_int_equal(position.damaged, 0); /* it may still be completed */
    append("cccccccccccc", "");
    read_on();
    assert_int_equal(seen.count, 2);
    assert_int_equal(position.damaged, 1);
    assert_string_equal(seen.last_id, "cccccccccccc");
}

static void test_damaged_lines(void **state)
{
    append_bytes("aaaaaaaaaaaa 1 00000000 reason\n\n   \nnonsense\n");
    append("bbbbbbbbbbbb", "");
    read_on();
    assert_int_equal(seen.count, 1);
    assert_int_equal(position.damaged, 3);
}

static void test_endless_line(void **state)
{
    char bytes[1001];
    memset(bytes, 'x', 1000);
    bytes[1000] = '\0';
    for (unsigned i = 0; i < 200; i++)
        append_bytes(bytes);
    append("bbbbbbbbbbbb", "");
    read_on();
    assert_int_equal(seen.count, 1);
    assert_true(position.damaged > 0);
}

static void test_replaced_and_shortened(void **state)
{
    append("aaaaaaaaaaaa", "");
    append("bbbbbbbbbbbb", "");
    read_on();
    unlink(path);
    read_on(); /* gone: no lines */
    append("cccccccccccc", "");
    read_on();
    assert_int_equal(seen.count, 3);
    assert_int_equal(truncate(path, 0), 0);
    append("d", "");
    read_on();
    assert_int_equal(seen.count, 4);
    assert_string_equal(seen.last_id, "d");
}

static void test_errors(void **state)
{
    const struct revocation nobody = {.id = TEXT("")};
    assert_int_equal(revocations_append(path, &nobody), ERROR_ARGUMENT);
    const struct revocation somebody = {.id = TEXT("aaaaaaaaaaaa")};
    assert_int_equal(revocations_append("/nonexistent/file", &somebody), ERROR_SYSTEM);
    assert_int_equal(revocations_append("/dev/full", &somebody), ERROR_DISK_FULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_round_trip),    TEST(test_long_reason_is_cut), TEST(test_torn_line),
        TEST(test_damaged_lines), TEST(test_endless_line),       TEST(test_replaced_and_shortened),
        TEST(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
