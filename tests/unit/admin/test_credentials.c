/* Admin keys in memory: which of them a request shows, and that they keep up with the store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "admin/credentials.h"
#include "store/admin_keys.h"

#define NOW 1800000000000000000ull

static char directory[64];
static struct store *store;
static struct credentials credentials;

static int set_up(void **state)
{
    char path[128], problem[STORE_PROBLEM_SIZE];
    (void)snprintf(directory, sizeof directory, "/tmp/turnpike-credentials-XXXXXX");
    if (mkdtemp(directory) == NULL)
        return 1;
    (void)snprintf(path, sizeof path, "%s/" STORE_FILE, directory);
    credentials_open(&credentials);
    return store_open(path, STORE_WRITE, 1000, &store, problem) != ERROR_OK;
}

static int tear_down(void **state)
{
    char command[128];
    credentials_close(&credentials);
    store_close(store);
    (void)snprintf(command, sizeof command, "rm -r %s", directory);
    return system(command) == 0 ? 0 : 1;
}

static struct secret *insert(const char *id, const char *role, uint64_t expires_at)
{
    struct stored_admin_key key = {.id = text_from(id),
                                   .name = TEXT("alice"),
                                   .role = text_from(role),
                                   .created_at = NOW,
                                   .expires_at = expires_at};
    struct secret *secret = NULL;
    struct key_hash hash;
    assert_int_equal(key_make_admin(key.id, &secret), ERROR_OK);
    key_compute_hash(secret_expose(secret), &hash);
    memcpy(key.hash, hash.bytes, sizeof key.hash);
    assert_int_equal(admin_keys_insert(store, &key), ERROR_OK);
    assert_int_equal(credentials_refresh(&credentials, store), ERROR_OK);
    return secret;
}

static enum credentials_verdict check(struct text sent, uint64_t now)
{
    const struct credential *found = NULL;
    enum credentials_verdict verdict = credentials_check(&credentials, sent, now, &found);
    assert_int_equal(verdict == CREDENTIALS_OK, found != NULL);
    return verdict;
}

static void test_verdicts(void **state)
{
    struct secret *secret = insert("0123456789ab", "owner", NOW + 5), *other = NULL, *caller = NULL;
    struct text key = secret_expose(secret);
    assert_int_equal(check(key, NOW), CREDENTIALS_OK);
    assert_int_equal(check(key, NOW + 4), CREDENTIALS_OK);
    assert_int_equal(check(key, NOW + 5), CREDENTIALS_EXPIRED);
    assert_int_equal(check(text_of(NULL, 0), NOW), CREDENTIALS_MISSING);
    assert_int_equal(check(TEXT("sk-proj-0123456789"), NOW), CREDENTIALS_NOT_OURS);
    assert_int_equal(check(text_first(key, key.length - 1), NOW), CREDENTIALS_MISTYPED);
    assert_int_equal(key_make(TEXT("0123456789ab"), &caller), ERROR_OK);
    assert_int_equal(check(secret_expose(caller), NOW), CREDENTIALS_CALLER);
    /* The right id with another secret, and an id that nobody has, are told alike. */
    assert_int_equal(key_make_admin(TEXT("0123456789ab"), &other), ERROR_OK);
    assert_int_equal(check(secret_expose(other), NOW), CREDENTIALS_UNKNOWN);
    secret_free(other);
    assert_int_equal(key_make_admin(TEXT("zzzzzzzzzzzz"), &other), ERROR_OK);
    assert_int_equal(check(secret_expose(other), NOW), CREDENTIALS_UNKNOWN);
    secret_free(other);
    secret_free(caller);
    secret_free(secret);
}

static void test_a_revocation_is_seen_at_the_next_look(void **state)
{
    struct secret *first = insert("0123456789ab", "owner", 0);
    struct secret *second = insert("abcdefghijkl", "finance", 0);
    assert_int_equal(check(secret_expose(second), NOW), CREDENTIALS_OK);
    assert_int_equal(admin_keys_revoke(store, TEXT("abcdefghijkl"), NOW), ERROR_OK);
    assert_int_equal(check(secret_expose(second), NOW), CREDENTIALS_OK);
    assert_int_equal(credentials_refresh(&credentials, store), ERROR_OK);
    assert_int_equal(check(secret_expose(second), NOW), CREDENTIALS_REVOKED);
    assert_int_equal(check(secret_expose(first), NOW), CREDENTIALS_OK);
    assert_int_equal(credentials.count, 2);
    secret_free(first);
    secret_free(second);
}

/* No rights are better than wrong ones. */
static void test_a_role_that_is_not_known_opens_nothing(void **state)
{
    struct secret *secret = insert("0123456789ab", "emperor", 0);
    assert_int_equal(check(secret_expose(secret), NOW), CREDENTIALS_UNKNOWN);
    secret_free(secret);
}

static void see_use(void *context, const struct stored_admin_key *key)
{
    *(uint64_t *)context = key->used_at;
}

static uint64_t used_at(void)
{
    uint64_t time = 0;
    assert_int_equal(admin_keys_find(store, TEXT("0123456789ab"), see_use, &time), ERROR_OK);
    return time;
}

static void test_a_use_is_written_once_a_minute(void **state)
{
    struct secret *secret = insert("0123456789ab", "owner", 0);
    const struct credential *found = NULL;
    assert_int_equal(credentials_check(&credentials, secret_expose(secret), NOW, &found),
                     CREDENTIALS_OK);
    credentials_note_use(&credentials, store, found, NOW);
    assert_int_equal(used_at(), NOW);
    credentials_note_use(&credentials, store, found, NOW + CREDENTIALS_USE_INTERVAL - 1);
    assert_int_equal(used_at(), NOW);
    credentials_note_use(&credentials, store, found, NOW + CREDENTIALS_USE_INTERVAL);
    assert_int_equal(used_at(), NOW + CREDENTIALS_USE_INTERVAL);
    secret_free(secret);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_verdicts),
        TEST(test_a_revocation_is_seen_at_the_next_look),
        TEST(test_a_role_that_is_not_known_opens_nothing),
        TEST(test_a_use_is_written_once_a_minute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
