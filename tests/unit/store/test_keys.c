#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "store/keys.h"

static char path[64];
static struct store *store;

static struct store *open_store(void)
{
    struct store *opened = NULL;
    char problem[STORE_PROBLEM_SIZE];
    enum error error = store_open(path, STORE_WRITE, 1000, &opened, problem);
    if (error)
        fail_msg("%s", problem);
    return opened;
}

static int set_up(void **state)
{
    (void)snprintf(path, sizeof path, "/tmp/turnpike-keys-XXXXXX");
    int file = mkstemp(path);
    if (file < 0)
        return 1;
    close(file);
    store = open_store();
    return 0;
}

static int tear_down(void **state)
{
    store_close(store);
    unlink(path);
    return 0;
}

struct copy {
    size_t count;
    struct stored_key key; /* of the last row; its texts are gone but for these */
    char id[16], name[32], reason[32], models[32];
};

static void take(void *context, const struct stored_key *key)
{
    struct copy *copy = context;
    copy->count++;
    copy->key = *key;
    text_copy_to(key->id, copy->id, sizeof copy->id);
    text_copy_to(key->name, copy->name, sizeof copy->name);
    text_copy_to(key->revoked_reason, copy->reason, sizeof copy->reason);
    text_copy_to(key->models, copy->models, sizeof copy->models);
}

static void insert(const char *id, const char *name, uint64_t created_at)
{
    const struct stored_key key = {.id = text_from(id),
                                   .name = text_from(name),
                                   .models = TEXT("[\"a\"]"),
                                   .hash = {1, 2, 3},
                                   .created_at = created_at};
    assert_int_equal(keys_insert(store, &key), ERROR_OK);
}

static struct copy find(const char *id)
{
    struct copy copy = {0};
    assert_int_equal(keys_find(store, text_from(id), take, &copy), ERROR_OK);
    return copy;
}

static void test_insert_and_find(void **state)
{
    insert("a", "first", 10);
    struct copy copy = find("a");
    assert_string_equal(copy.name, "first");
    assert_string_equal(copy.models, "[\"a\"]");
    assert_int_equal(copy.key.hash[1], 2);
    assert_int_equal(copy.key.created_at, 10);
    assert_int_equal(copy.key.previous_until, 0);
    assert_int_equal(copy.key.changed, 1);
    const struct stored_key again = {.id = TEXT("a")};
    assert_int_equal(keys_insert(store, &again), ERROR_EXISTS);
    assert_int_equal(keys_find(store, TEXT("b"), take, &copy), ERROR_NOT_FOUND);
}

static void test_list_and_names(void **state)
{
    insert("a", "same", 10);
    insert("b", "same", 20);
    insert("c", "other", 30);
    struct copy copy = {0};
    assert_int_equal(keys_list(store, take, &copy), ERROR_OK);
    assert_int_equal(copy.count, 3);
    assert_string_equal(copy.id, "a"); /* the oldest last */
    copy.count = 0;
    assert_int_equal(keys_find_named(store, TEXT("same"), take, &copy), ERROR_OK);
    assert_int_equal(copy.count, 2);
    assert_int_equal(keys_revoke(store, TEXT("b"), 40, TEXT("")), ERROR_OK);
    copy.count = 0;
    assert_int_equal(keys_find_named(store, TEXT("same"), take, &copy), ERROR_OK);
    assert_int_equal(copy.count, 1);
}

static void test_revoke_once(void **state)
{
    insert("a", "x", 10);
    assert_int_equal(keys_revoke(store, TEXT("a"), 40, TEXT("first")), ERROR_OK);
    int64_t changed = find("a").key.changed;
    assert_int_equal(changed, 2);
    assert_int_equal(keys_revoke(store, TEXT("a"), 50, TEXT("second")), ERROR_OK);
    struct copy copy = find("a");
    assert_int_equal(copy.key.revoked_at, 40);
    assert_string_equal(copy.reason, "first");
    assert_int_equal(copy.key.changed, changed);
    assert_int_equal(keys_revoke(store, TEXT("b"), 50, TEXT("")), ERROR_NOT_FOUND);
}

static void test_rotate(void **state)
{
    static const uint8_t hash[KEYS_HASH_SIZE] = {7}, next[KEYS_HASH_SIZE] = {8};
    insert("a", "x", 10);
    assert_int_equal(keys_rotate(store, TEXT("a"), hash, 99, 20), ERROR_OK);
    struct copy copy = find("a");
    assert_int_equal(copy.key.hash[0], 7);
    assert_int_equal(copy.key.previous_hash[0], 1);
    assert_int_equal(copy.key.previous_until, 99);
    assert_int_equal(copy.key.rotated_at, 20);
    assert_int_equal(keys_rotate(store, TEXT("a"), next, 0, 30), ERROR_OK);
    copy = find("a");
    assert_int_equal(copy.key.hash[0], 8);
    assert_int_equal(copy.key.previous_hash[0], 0);
    assert_int_equal(copy.key.previous_until, 0);
    assert_int_equal(keys_rotate(store, TEXT("b"), next, 0, 30), ERROR_NOT_FOUND);
    assert_int_equal(keys_set_expiry(store, TEXT("b"), 1), ERROR_NOT_FOUND);
}

static void test_reader_keeps_up(void **state)
{
    struct keys_reader *reader = NULL;
    struct store *other = open_store();
    bool changed;
    int64_t latest;
    struct copy copy = {0};
    assert_int_equal(keys_reader_create(other, &reader), ERROR_OK);
    assert_int_equal(keys_reader_poll(reader, &changed), ERROR_OK);
    assert_true(changed);
    assert_int_equal(keys_reader_poll(reader, &changed), ERROR_OK);
    assert_false(changed);
    insert("a", "x", 10);
    insert("b", "y", 20);
    assert_int_equal(keys_reader_poll(reader, &changed), ERROR_OK);
    assert_true(changed);
    assert_int_equal(keys_reader_latest(reader, &latest), ERROR_OK);
    assert_int_equal(latest, 2);
    assert_int_equal(keys_reader_changed(reader, 0, take, &copy), ERROR_OK);
    assert_int_equal(copy.count, 2);
    assert_string_equal(copy.id, "b");
    assert_int_equal(keys_set_expiry(store, TEXT("a"), 5), ERROR_OK);
    copy.count = 0;
    assert_int_equal(keys_reader_changed(reader, latest, take, &copy), ERROR_OK);
    assert_int_equal(copy.count, 1);
    assert_string_equal(copy.id, "a");
    assert_int_equal(copy.key.expires_at, 5);
    keys_reader_destroy(reader);
    store_close(other);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_insert_and_find), TEST(test_list_and_names),  TEST(test_revoke_once),
        TEST(test_rotate),          TEST(test_reader_keeps_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
