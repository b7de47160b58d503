#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/ensure.h"
#include "base/text.h"

/* Runs `act` in a process of its own, which must end by abort, and returns what that one said. */
static const char *last_words(void (*act)(void))
{
    static char words[4096];
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        signal(SIGABRT, SIG_DFL); /* neither cmocka nor a sanitizer has a say in this */
        dup2(ends[1], STDERR_FILENO);
        act();
        _exit(0);
    }
    close(ends[1]);
    size_t length = 0;
    ssize_t got;
    while ((got = read(ends[0], words + length, sizeof(words) - 1 - length)) > 0)
        length += (size_t)got;
    words[length] = '\0';
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    return words;
}

static void describe(const void *work, char *out, size_t size)
{
    snprintf(out, size, "exchange %s", (const char *)work);
}

static void describe_badly(const void *work, char *out, size_t size)
{
    ensure(work != NULL);
}

static void describe_at_length(const void *work, char *out, size_t size)
{
    memset(out, 'x', size); /* and forgets the NUL */
}

static void fail_plainly(void)
{
    ensure(1 + 1 == 3);
}

static void fail_at_work(void)
{
    ensure_set_work(describe, "req_1");
    ensure(1 + 1 == 3);
}

static void fail_after_work(void)
{
    ensure_set_work(describe, "req_1");
    ensure_set_work(NULL, NULL);
    ensure(1 + 1 == 3);
}

static void fail_while_describing(void)
{
    ensure_set_work(describe_badly, NULL);
    ensure(1 + 1 == 3);
}

static void fail_at_length(void)
{
    static char condition[5000];
    memset(condition, 'c', sizeof(condition) - 1);
    ensure_set_work(describe_at_length, NULL);
    ensure_failed("file.c", 2147483647, condition);
}

static void lack_memory(void)
{
    void *nothing = ensure_memory(NULL);
    (void)nothing;
}

static void test_failure(void **state)
{
    const char *words = last_words(fail_plainly);
    assert_true(text_matches_pattern(
        text_from(words), TEXT("turnpike: bug at *test_ensure.c:*: not so: 1 + 1 == 3\n")));
}

static void test_failure_names_the_work(void **state)
{
    assert_true(text_ends_with(text_from(last_words(fail_at_work)),
                               TEXT("1 + 1 == 3; at work on: exchange req_1\n")));
    assert_true(text_ends_with(text_from(last_words(fail_after_work)), TEXT("1 + 1 == 3\n")));
}

static void test_failure_while_describing(void **state)
{
    assert_true(text_ends_with(text_from(last_words(fail_while_describing)),
                               TEXT("not so: work != NULL\n")));
}

static void test_failure_at_length(void **state)
{
    const char *words = last_words(fail_at_length);
    assert_int_equal(strlen(words), 1024);
    assert_int_equal(words[1023], '\n');
}

static void test_memory(void **state)
{
    int something;
    assert_ptr_equal(ensure_memory(&something), &something);
    assert_string_equal(last_words(lack_memory), "turnpike: out of memory\n");
}

static void test_success(void **state)
{
    int count = 0;
    ensure(++count == 1);
    assert_int_equal(count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failure),
        cmocka_unit_test(test_failure_names_the_work),
        cmocka_unit_test(test_failure_while_describing),
        cmocka_unit_test(test_failure_at_length),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_success),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
