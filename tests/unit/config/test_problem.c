/* Every way in which a configuration can be wrong, with the exact words that people get.
 *
 * tests/golden/config/problems.txt holds the cases: "=== name", the YAML, "---", the expected
 * lines. With GOLDEN_WRITE set in the environment the file is written anew from what is said now,
 * for a person to read in the diff. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "config/load.h"

#define FILE_MAXIMUM 1048576u

static const char golden_path[] = GOLDEN_DIRECTORY "/problems.txt";

static void read_whole(const char *path, struct buffer *out)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char *space = buffer_reserve(out, FILE_MAXIMUM);
    out->length = fread(space, 1, FILE_MAXIMUM, file);
    fclose(file);
}

static void describe(struct text yaml, struct buffer *out)
{
    struct config *config = NULL;
    struct config_problems problems;
    config_problems_open(&problems);
    enum error error = config_load_text(TEXT("t.yaml"), yaml, &config, &problems);
    config_problems_write(&problems, false, out);
    if (error == ERROR_OK)
        buffer_append(out, TEXT("good\n"));
    assert_true((error == ERROR_OK) == (config != NULL));
    assert_true((error == ERROR_OK) == (problems.error_count == 0));
    config_release(config);
    config_problems_close(&problems);
}

/* The next part up to `mark` at the beginning of a line; moves `rest` behind the mark. */
static struct text take_part(struct text *rest, struct text mark)
{
    struct text from = *rest;
    for (size_t i = 0; i < from.length; i++) {
        bool line_start = i == 0 || from.data[i - 1] == '\n';
        if (!line_start || !text_starts_with(text_from_index(from, i), mark))
            continue;
        *rest = text_from_index(from, i + mark.length);
        return text_first(from, i);
    }
    *rest = (struct text){0};
    return from;
}

static void set_up_environment(void)
{
    static const char *const cleared[] = {"http_proxy",  "HTTP_PROXY", "https_proxy",
                                          "HTTPS_PROXY", "no_proxy",   "NO_PROXY"};
    for (size_t i = 0; i < ARRAY_LENGTH(cleared); i++)
        unsetenv(cleared[i]);
    setenv("GOOD_KEY", "sk-good", 1);
    setenv("EMPTY_KEY", "", 1);
    setenv("NEWLINE_KEY", "sk-good\n", 1);
    setenv("CONTROL_KEY", "sk\tbad", 1);
    setenv("CURLY_KEY", "sk\xe2\x80\x9c", 1);
    unsetenv("MISSING_KEY");
}

static void test_golden(void **state)
{
    struct buffer golden;
    struct buffer written;
    buffer_open(&golden, FILE_MAXIMUM);
    buffer_open(&written, FILE_MAXIMUM);
    read_whole(golden_path, &golden);
    set_up_environment();
    struct text rest = buffer_text(&golden);
    buffer_append(&written, take_part(&rest, TEXT("=== ")));
    unsigned cases = 0;
    while (rest.data) {
        struct text one = take_part(&rest, TEXT("=== "));
        struct text name = text_split(&one, '\n');
        struct text yaml = take_part(&one, TEXT("---\n"));
        struct buffer found;
        buffer_open(&found, FILE_MAXIMUM);
        describe(yaml, &found);
        struct text expected = one;
        while (text_ends_with(expected, TEXT("\n\n")))
            expected.length--;
        if (!getenv("GOLDEN_WRITE") && !text_equal(expected, buffer_text(&found)))
            fail_msg("%.*s\nexpected:\n%.*sfound:\n%.*s", TEXT_ARG(name), TEXT_ARG(expected),
                     TEXT_ARG(buffer_text(&found)));
        buffer_append_format(&written, "=== %.*s\n%.*s---\n%.*s\n", TEXT_ARG(name), TEXT_ARG(yaml),
                             TEXT_ARG(buffer_text(&found)));
        buffer_close(&found);
        cases++;
    }
    if (getenv("GOLDEN_WRITE")) {
        FILE *file = fopen(golden_path, "w");
        assert_non_null(file);
        fwrite(written.data, 1, written.length, file);
        fclose(file);
    }
    print_message("%u cases\n", cases);
    assert_true(cases >= 80);
    buffer_close(&golden);
    buffer_close(&written);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
