#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/secret.h"

static void test_keeps_a_copy(void **state)
{
    char bytes[] = "sk-\0abc";
    struct secret *secret = secret_make(text_of(bytes, 7));
    assert_non_null(secret);
    secret_wipe(bytes, sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++)
        assert_int_equal(bytes[i], 0);
    assert_true(text_equal(secret_expose(secret), TEXT("sk-\0abc")));
    secret_free(secret);
}

static void test_sizes(void **state)
{
    static char bytes[3 * 4096];
    memset(bytes, 0x7f, sizeof(bytes));
    static const size_t sizes[] = {0, 1, 4079, 4080, 4081, 4096, sizeof(bytes)};
    for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
        struct secret *secret = secret_make(text_of(bytes, sizes[i]));
        assert_non_null(secret);
        assert_true(secret_equal(secret, text_of(bytes, sizes[i])));
        secret_free(secret);
    }
    assert_null(secret_make(text_of(bytes, SIZE_MAX)));
    assert_null(secret_make(text_of(bytes, SIZE_MAX / 2)));
    struct secret *empty = secret_make(text_of(NULL, 0));
    assert_true(secret_equal(empty, text_of(NULL, 0)));
    secret_free(empty);
    secret_free(NULL);
    secret_wipe(NULL, 0);
}

static void test_equal(void **state)
{
    struct secret *secret = secret_make(TEXT("abc\x80"));
    assert_true(secret_equal(secret, TEXT("abc\x80")));
    assert_false(secret_equal(secret, TEXT("abc\x81")));
    assert_false(secret_equal(secret, TEXT("xbc\x80")));
    assert_false(secret_equal(secret, TEXT("abc")));
    assert_false(secret_equal(secret, TEXT("abc\x80\0")));
    assert_false(secret_equal(secret, text_of(NULL, 0)));
    secret_free(secret);
}

/* The kernel says of each mapping what it does with it: "dd" is "not in a core dump". */
static void test_is_kept_out_of_core_dumps(void **state)
{
    struct secret *secret = secret_make(TEXT("abc"));
    unsigned long address = (unsigned long)secret_expose(secret).data;
    FILE *maps = fopen("/proc/self/smaps", "r");
    if (maps == NULL)
        skip();
    char line[512];
    bool inside = false;
    bool found = false;
    while (fgets(line, sizeof(line), maps) != NULL) {
        unsigned long start;
        unsigned long end;
        if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
            inside = start <= address && address < end;
        if (inside && strncmp(line, "VmFlags:", 8) == 0)
            found = strstr(line, " dd") != NULL;
    }
    fclose(maps);
    assert_true(found);
    secret_free(secret);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keeps_a_copy),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_equal),
        cmocka_unit_test(test_is_kept_out_of_core_dumps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
