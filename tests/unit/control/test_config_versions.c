/* Configurations that were in force: kept once, the newest ones only, whole and for their owner. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/config_versions.h"

static char data[64], file[96];

static int set_up(void **state)
{
    (void)snprintf(data, sizeof data, "/tmp/turnpike-versions-XXXXXX");
    if (mkdtemp(data) == NULL)
        return 1;
    (void)snprintf(file, sizeof file, "%s/turnpike.yaml", data);
    return config_versions_replace_file(file, TEXT("first"), 0640) == ERROR_OK ? 0 : 1;
}

static int tear_down(void **state)
{
    char command[128];
    (void)snprintf(command, sizeof command, "rm -r %s", data);
    return system(command) == 0 ? 0 : 1;
}

static uint64_t keep(const char *yaml)
{
    uint64_t number = 0;
    assert_int_equal(config_versions_keep(data, file, text_from(yaml), &number), ERROR_OK);
    return number;
}

static void assert_version(uint64_t number, const char *yaml)
{
    struct buffer text;
    buffer_open(&text, 1 << 20);
    assert_int_equal(config_versions_read(data, number, &text), ERROR_OK);
    assert_true(text_equal(buffer_text(&text), text_from(yaml)));
    buffer_close(&text);
}

static void test_none_is_no_error(void **state)
{
    struct config_version versions[CONFIG_VERSIONS_KEPT];
    char path[CONFIG_VERSIONS_PATH];
    size_t count = 7;
    assert_int_equal(config_versions_list(data, versions, &count), ERROR_OK);
    assert_int_equal(count, 0);
    assert_false(config_versions_path(data, path));
}

static void test_the_same_is_kept_once(void **state)
{
    char path[CONFIG_VERSIONS_PATH];
    assert_int_equal(keep("a"), 1);
    assert_int_equal(keep("a"), 1);
    assert_int_equal(keep("b"), 2);
    assert_int_equal(keep("a"), 3); /* not the newest: it came into force anew */
    assert_version(1, "a");
    assert_version(3, "a");
    assert_true(config_versions_path(data, path));
    assert_string_equal(path, file);
}

static void test_the_newest_are_kept(void **state)
{
    struct config_version versions[CONFIG_VERSIONS_KEPT];
    struct buffer text;
    char yaml[32], foreign[128];
    size_t count;
    for (unsigned i = 1; i <= CONFIG_VERSIONS_KEPT + 5; i++) {
        (void)snprintf(yaml, sizeof yaml, "version %u", i);
        assert_int_equal(keep(yaml), i);
    }
    (void)snprintf(foreign, sizeof foreign, "%s/" CONFIG_VERSIONS_DIRECTORY "/note.yaml", data);
    assert_int_equal(config_versions_replace_file(foreign, TEXT("mine"), 0600), ERROR_OK);
    assert_int_equal(config_versions_list(data, versions, &count), ERROR_OK);
    assert_int_equal(count, CONFIG_VERSIONS_KEPT);
    assert_int_equal(versions[0].number, CONFIG_VERSIONS_KEPT + 5);
    assert_int_equal(versions[count - 1].number, 6);
    assert_int_equal(versions[0].size, strlen(yaml));
    assert_version(6, "version 6");
    buffer_open(&text, 1 << 20);
    assert_int_equal(config_versions_read(data, 5, &text), ERROR_NOT_FOUND);
    buffer_close(&text);
    assert_int_equal(access(foreign, F_OK), 0); /* what is not ours stays */
}

static void test_a_file_is_replaced_whole(void **state)
{
    char link[96];
    struct stat status;
    assert_int_equal(config_versions_replace_file(file, TEXT("second"), 0600), ERROR_OK);
    assert_int_equal(stat(file, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0640); /* its own stays */
    assert_int_equal(status.st_size, 6);
    (void)snprintf(link, sizeof link, "%s/link.yaml", data);
    assert_int_equal(symlink(file, link), 0);
    assert_int_equal(config_versions_replace_file(link, TEXT("x"), 0600), ERROR_ARGUMENT);
    assert_int_equal(config_versions_replace_file("/nowhere/at/all", TEXT("x"), 0600),
                     ERROR_NOT_FOUND);
}

static void test_a_file_stays_of_whom_it_was(void **state)
{
    const uid_t nobody = 65534;
    struct stat status;
    if (geteuid() != 0)
        skip(); /* nobody else may give files away */
    assert_int_equal(chown(file, nobody, nobody), 0);
    assert_int_equal(config_versions_replace_file(file, TEXT("second"), 0600), ERROR_OK);
    assert_int_equal(stat(file, &status), 0);
    assert_int_equal(status.st_uid, nobody);
    assert_int_equal(status.st_gid, nobody);
    assert_int_equal(status.st_mode & 07777, 0640);
    /* One who cannot give it back does not touch it. */
    assert_int_equal(chown(data, nobody, nobody), 0);
    assert_int_equal(chown(file, 0, 0), 0);
    assert_int_equal(seteuid(nobody), 0);
    enum error error = config_versions_replace_file(file, TEXT("third"), 0600);
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(error, ERROR_UNSUPPORTED);
    assert_int_equal(stat(file, &status), 0);
    assert_int_equal(status.st_uid, 0);
    assert_int_equal(status.st_size, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_none_is_no_error, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_same_is_kept_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_newest_are_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_file_is_replaced_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_file_stays_of_whom_it_was, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
