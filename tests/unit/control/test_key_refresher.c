#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/note.h"
#include "control/key_refresher.h"
#include "identity/reader.h"
#include "store/keys.h"
#include "store/revocations.h"

static char data[64], store_path[96], file_path[96];
static struct key_table *table;
static struct key_refresher *refresher;

static void say_nothing(enum note_level level, const char *line)
{
}

static int set_up(void **state)
{
    (void)snprintf(data, sizeof data, "/tmp/turnpike-refresher-XXXXXX");
    if (mkdtemp(data) == NULL)
        return 1;
    (void)snprintf(store_path, sizeof store_path, "%s/%s", data, STORE_FILE);
    (void)snprintf(file_path, sizeof file_path, "%s/%s", data, REVOCATIONS_FILE);
    note_set_sink(say_nothing);
    table = key_table_create();
    reader_register();
    refresher = NULL;
    return 0;
}

static int tear_down(void **state)
{
    key_refresher_destroy(refresher);
    reader_unregister();
    key_table_destroy(table);
    static const char *const endings[] = {"", "-wal", "-shm", ".aside"};
    for (size_t i = 0; i < ARRAY_LENGTH(endings); i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s%s", store_path, endings[i]);
        unlink(path);
    }
    unlink(file_path);
    return rmdir(data);
}

static void start(void)
{
    assert_int_equal(key_refresher_create(data, table, &refresher), ERROR_OK);
}

static struct key_refresher_state read_state(void)
{
    struct key_refresher_state now;
    key_refresher_read_state(refresher, &now);
    return now;
}

static struct store *open_store(void)
{
    struct store *store = NULL;
    char problem[STORE_PROBLEM_SIZE];
    enum error error = store_open(store_path, STORE_WRITE, 1000, &store, problem);
    if (error)
        fail_msg("%s", problem);
    return store;
}

/* What `turnpike key create` does, in another connection. */
static void create(const char *id, const char *models)
{
    struct store *store = open_store();
    struct stored_key key = {.id = text_from(id),
                             .name = TEXT("name"),
                             .team = TEXT("team"),
                             .tags = TEXT(""),
                             .models = text_from(models),
                             .created_at = 1};
    key.hash[0] = (uint8_t)id[0];
    assert_int_equal(keys_insert(store, &key), ERROR_OK);
    store_close(store);
}

static void revoke_in_file(const char *id)
{
    const struct revocation revocation = {text_from(id), clock_wall(), TEXT("why")};
    assert_int_equal(revocations_append(file_path, &revocation), ERROR_OK);
}

static const struct key *find(const char *id)
{
    return key_table_find(table, text_from(id));
}

static void note_revoked_at(void *context, const struct stored_key *key)
{
    *(uint64_t *)context = key->revoked_at;
}

static bool is_revoked_in_store(const char *id)
{
    uint64_t revoked_at = 0;
    struct store *store = open_store();
    assert_int_equal(keys_find(store, text_from(id), note_revoked_at, &revoked_at), ERROR_OK);
    store_close(store);
    return revoked_at > 0;
}

static void break_store(void)
{
    char bytes[8192];
    memset(bytes, 'x', sizeof bytes);
    unlink(store_path);
    int file = open(store_path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
    assert_true(file >= 0 && write(file, bytes, sizeof bytes) == sizeof bytes);
    close(file);
}

static void test_start_and_changes(void **state)
{
    create("aaaaaaaaaaaa", "");
    start();
    assert_non_null(find("aaaaaaaaaaaa"));
    struct key_refresher_state now = read_state();
    assert_true(now.loaded && now.store_working && now.file_working);
    assert_int_equal(now.keys, 1);
    assert_int_equal(now.changes, 0);
    assert_string_equal(now.problem, "");
    create("bbbbbbbbbbbb", "[\"gpt-*\",\"fast\"]");
    assert_null(find("bbbbbbbbbbbb"));
    key_refresher_step(refresher);
    const struct key *key = find("bbbbbbbbbbbb");
    assert_non_null(key);
    assert_int_equal(key->models.allowed_count, 2);
    assert_true(model_rules_allow(&key->models, TEXT("gpt-5")));
    assert_false(model_rules_allow(&key->models, TEXT("other")));
    assert_true(text_equal(key->team, TEXT("team")));
    assert_int_equal(read_state().changes, 1);
}

static void test_new_directory(void **state)
{
    start();
    assert_true(read_state().loaded);
    assert_int_equal(read_state().keys, 0);
    create("aaaaaaaaaaaa", "");
    key_refresher_step(refresher);
    assert_non_null(find("aaaaaaaaaaaa"));
}

static void test_rotation_and_expiry(void **state)
{
    static const uint8_t hash[KEYS_HASH_SIZE] = {9};
    create("aaaaaaaaaaaa", "");
    start();
    struct store *store = open_store();
    assert_int_equal(keys_rotate(store, TEXT("aaaaaaaaaaaa"), hash, 500, 100), ERROR_OK);
    assert_int_equal(keys_set_expiry(store, TEXT("aaaaaaaaaaaa"), 900), ERROR_OK);
    store_close(store);
    key_refresher_step(refresher);
    const struct key *key = find("aaaaaaaaaaaa");
    assert_int_equal(key->hash.bytes[0], 9);
    assert_int_equal(key->previous_hash.bytes[0], 'a');
    assert_int_equal(key->previous_until, 500);
    assert_int_equal(key->expires_at, 900);
}

static void test_revoked_in_store_only(void **state)
{
    create("aaaaaaaaaaaa", "");
    start();
    struct store *store = open_store();
    assert_int_equal(keys_revoke(store, TEXT("aaaaaaaaaaaa"), 5, TEXT("why")), ERROR_OK);
    store_close(store);
    key_refresher_step(refresher);
    assert_true(find("aaaaaaaaaaaa")->revoked);
}

static void test_revoked_in_file_only(void **state)
{
    create("aaaaaaaaaaaa", "");
    start();
    revoke_in_file("aaaaaaaaaaaa");
    key_refresher_step(refresher);
    assert_true(find("aaaaaaaaaaaa")->revoked);
    assert_true(is_revoked_in_store("aaaaaaaaaaaa"));
}

/* The file is read at the start, and also holds for keys that come later. */
static void test_revoked_in_file_before(void **state)
{
    create("aaaaaaaaaaaa", "");
    revoke_in_file("aaaaaaaaaaaa");
    revoke_in_file("bbbbbbbbbbbb");
    start();
    assert_true(find("aaaaaaaaaaaa")->revoked);
    create("bbbbbbbbbbbb", "");
    key_refresher_step(refresher);
    assert_true(find("bbbbbbbbbbbb")->revoked);
}

static void test_store_locked(void **state)
{
    create("aaaaaaaaaaaa", "");
    start();
    struct store *other = open_store();
    assert_int_equal(store_begin(other), ERROR_OK);
    revoke_in_file("aaaaaaaaaaaa");
    key_refresher_step(refresher);
    assert_true(find("aaaaaaaaaaaa")->revoked);
    store_roll_back(other);
    store_close(other);
    assert_false(is_revoked_in_store("aaaaaaaaaaaa"));
    key_refresher_step(refresher);
    assert_true(is_revoked_in_store("aaaaaaaaaaaa"));
}

static void test_store_damaged(void **state)
{
    create("aaaaaaaaaaaa", "");
    create("bbbbbbbbbbbb", "");
    start();
    break_store();
    key_refresher_step(refresher);
    assert_false(read_state().store_working);
    assert_true(strlen(read_state().problem) > 0);
    assert_non_null(find("aaaaaaaaaaaa"));
    revoke_in_file("aaaaaaaaaaaa");
    key_refresher_step(refresher);
    assert_true(find("aaaaaaaaaaaa")->revoked);
    assert_false(find("bbbbbbbbbbbb")->revoked);
    /* A backup comes back, which knows nothing of the revocation. */
    unlink(store_path);
    create("aaaaaaaaaaaa", "");
    for (unsigned i = 0; i < 6; i++)
        key_refresher_step(refresher);
    assert_true(read_state().store_working);
    assert_string_equal(read_state().problem, "");
    assert_true(find("aaaaaaaaaaaa")->revoked);
    assert_null(find("bbbbbbbbbbbb"));
    assert_true(is_revoked_in_store("aaaaaaaaaaaa"));
}

static void test_store_damaged_at_start(void **state)
{
    break_store();
    revoke_in_file("aaaaaaaaaaaa");
    start();
    assert_false(read_state().loaded);
    assert_true(read_state().file_working);
    unlink(store_path);
    create("aaaaaaaaaaaa", "");
    create("bbbbbbbbbbbb", "");
    for (unsigned i = 0; i < 6; i++)
        key_refresher_step(refresher);
    assert_true(read_state().loaded);
    assert_true(find("aaaaaaaaaaaa")->revoked);
    assert_false(find("bbbbbbbbbbbb")->revoked);
}

static void test_store_deleted(void **state)
{
    create("aaaaaaaaaaaa", "");
    start();
    unlink(store_path);
    key_refresher_step(refresher);
    assert_false(read_state().store_working);
    assert_non_null(find("aaaaaaaaaaaa"));
    revoke_in_file("aaaaaaaaaaaa");
    key_refresher_step(refresher);
    assert_true(find("aaaaaaaaaaaa")->revoked);
}

/* Somebody made the store anew: nobody is locked out by it. */
static void test_store_replaced_by_an_empty_one(void **state)
{
    create("aaaaaaaaaaaa", "");
    start();
    char aside[128];
    (void)snprintf(aside, sizeof aside, "%s.aside", store_path);
    assert_int_equal(rename(store_path, aside), 0);
    store_close(open_store());
    key_refresher_step(refresher);
    assert_true(read_state().store_working);
    assert_non_null(find("aaaaaaaaaaaa"));
    create("bbbbbbbbbbbb", "");
    key_refresher_step(refresher);
    assert_non_null(find("bbbbbbbbbbbb"));
}

static void test_damaged_models_allow_nothing(void **state)
{
    create("aaaaaaaaaaaa", "[\"gpt-*\"");
    create("bbbbbbbbbbbb", "[]");
    start();
    assert_false(model_rules_allow(&find("aaaaaaaaaaaa")->models, TEXT("gpt-5")));
    assert_false(model_rules_allow(&find("bbbbbbbbbbbb")->models, TEXT("gpt-5")));
}

static void test_many_keys(void **state)
{
    enum { MANY = 20000 };
    struct store *store = open_store();
    assert_int_equal(store_begin(store), ERROR_OK);
    for (unsigned i = 0; i < MANY; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "%012u", i);
        const struct stored_key key = {.id = text_from(id), .created_at = 1};
        assert_int_equal(keys_insert(store, &key), ERROR_OK);
    }
    assert_int_equal(store_commit(store), ERROR_OK);
    store_close(store);
    uint64_t begin = clock_monotonic();
    start();
    uint64_t loaded = clock_monotonic();
    assert_int_equal(key_table_count(table), MANY);
    for (unsigned i = 0; i < 100; i++)
        key_refresher_step(refresher);
    uint64_t stepped = clock_monotonic();
    print_message("%d keys in %llu us, a step without news %llu us\n", MANY,
                  (unsigned long long)(loaded - begin) / 1000,
                  (unsigned long long)(stepped - loaded) / 100000);
    assert_true(loaded - begin < 5 * NANOSECONDS_PER_SECOND);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_start_and_changes),
        TEST(test_new_directory),
        TEST(test_rotation_and_expiry),
        TEST(test_revoked_in_store_only),
        TEST(test_revoked_in_file_only),
        TEST(test_revoked_in_file_before),
        TEST(test_store_locked),
        TEST(test_store_damaged),
        TEST(test_store_damaged_at_start),
        TEST(test_store_deleted),
        TEST(test_store_replaced_by_an_empty_one),
        TEST(test_damaged_models_allow_nothing),
        TEST(test_many_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
