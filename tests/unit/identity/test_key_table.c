#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "base/clock.h"
#include "base/ensure.h"
#include "identity/key_table.h"
#include "identity/reader.h"

#define SECOND NANOSECONDS_PER_SECOND
#define NOW    (1800000000ull * SECOND)

static struct key_table *table;
static struct key_memory *memory;

static int set_up(void **state)
{
    table = key_table_create();
    memory = key_memory_create();
    reader_register();
    return table == NULL || memory == NULL;
}

static int tear_down(void **state)
{
    reader_unregister();
    key_table_destroy(table);
    key_memory_destroy(memory);
    return 0;
}

static void put(const struct key *key)
{
    key_table_begin(table);
    assert_int_equal(key_table_put(table, key), ERROR_OK);
    key_table_end(table);
}

static void test_put_find_replace_remove(void **state)
{
    char id[] = "abcdefghijkl", name[] = "first";
    static const struct text models[] = {TEXT_INIT("gpt-*"), TEXT_INIT("fast")};
    struct key key = {.id = text_from(id),
                      .name = text_from(name),
                      .team = TEXT("blue"),
                      .tags = TEXT("{}"),
                      .models = {.listed = true, .allowed = models, .allowed_count = 2}};
    assert_null(key_table_find(table, text_from(id)));
    put(&key);
    memset(name, 'x', sizeof name - 1); /* the table has copies */
    const struct key *found = key_table_find(table, TEXT("abcdefghijkl"));
    assert_non_null(found);
    assert_true(text_equal(found->name, TEXT("first")));
    assert_true(text_equal(found->team, TEXT("blue")));
    assert_true(text_equal(found->tags, TEXT("{}")));
    assert_true(model_rules_allow(&found->models, TEXT("gpt-5")));
    assert_true(model_rules_allow(&found->models, TEXT("fast")));
    assert_false(model_rules_allow(&found->models, TEXT("faster")));
    assert_int_equal(key_table_count(table), 1);
    key.models = (struct model_rules){0};
    put(&key);
    found = key_table_find(table, text_from(id));
    assert_true(text_equal(found->name, TEXT("xxxxx")));
    assert_true(model_rules_allow(&found->models, TEXT("anything")));
    assert_int_equal(key_table_count(table), 1);
    assert_null(key_table_find(table, TEXT("abcdefghijkm")));
    assert_null(key_table_find(table, TEXT("abc")));
    key_table_begin(table);
    key_table_remove(table, text_from(id));
    key_table_remove(table, text_from(id));
    key_table_end(table);
    assert_null(key_table_find(table, text_from(id)));
    assert_int_equal(key_table_count(table), 0);
}

static void test_wrong_arguments(void **state)
{
    struct key key = {.id = TEXT("ABCDEFGHIJKL")};
    key_table_begin(table);
    assert_int_equal(key_table_put(table, &key), ERROR_ARGUMENT);
    key.id = TEXT("abcdefghijkl");
    key.models.allowed_count = KEY_MODELS_MAX + 1;
    assert_int_equal(key_table_put(table, &key), ERROR_ARGUMENT);
    key_table_end(table);
}

static void number_to_id(unsigned number, char id[KEY_ID_LENGTH])
{
    for (size_t i = 0; i < KEY_ID_LENGTH; i++, number /= 36)
        id[i] = "0123456789abcdefghijklmnopqrstuvwxyz"[number % 36];
}

static bool is_even(void *context, const struct key *key)
{
    return key->created_at % 2 == 0;
}

/* More than the first buckets; then half of them go. */
static void test_many(void **state)
{
    enum { MANY = 20000 };
    char id[KEY_ID_LENGTH];
    key_table_begin(table);
    for (unsigned i = 0; i < MANY; i++) {
        number_to_id(i, id);
        struct key key = {.id = text_of(id, sizeof id), .created_at = i};
        assert_int_equal(key_table_put(table, &key), ERROR_OK);
    }
    key_table_end(table);
    assert_int_equal(key_table_count(table), MANY);
    key_table_begin(table);
    key_table_retain(table, is_even, NULL);
    key_table_end(table);
    assert_int_equal(key_table_count(table), MANY / 2);
    for (unsigned i = 0; i < MANY; i++) {
        number_to_id(i, id);
        const struct key *key = key_table_find(table, text_of(id, sizeof id));
        assert_true(i % 2 == 0 ? key != NULL && key->created_at == i : key == NULL);
    }
}

static void test_verdicts(void **state)
{
    struct key_hash current = {{1}}, previous = {{2}}, other = {{3}}, zero = {{0}};
    struct key key = {.hash = current};
    assert_int_equal(key_check(NULL, &current, NOW), KEY_VERDICT_UNKNOWN);
    assert_int_equal(key_check(&key, &current, NOW), KEY_VERDICT_OK);
    assert_int_equal(key_check(&key, &other, NOW), KEY_VERDICT_UNKNOWN);
    /* A key without a previous secret has zeros there: they are nobody's. */
    assert_int_equal(key_check(&key, &zero, NOW), KEY_VERDICT_UNKNOWN);
    key.previous_hash = previous;
    key.previous_until = NOW + 1;
    assert_int_equal(key_check(&key, &previous, NOW), KEY_VERDICT_OK);
    assert_int_equal(key_check(&key, &current, NOW), KEY_VERDICT_OK);
    assert_int_equal(key_check(&key, &previous, NOW + 1), KEY_VERDICT_EXPIRED);
    assert_int_equal(key_check(&key, &current, NOW + 1), KEY_VERDICT_OK);
    key.expires_at = NOW + 5;
    assert_int_equal(key_check(&key, &current, NOW + 4), KEY_VERDICT_OK);
    assert_int_equal(key_check(&key, &current, NOW + 5), KEY_VERDICT_EXPIRED);
    assert_int_equal(key_check(&key, &other, NOW + 5), KEY_VERDICT_UNKNOWN);
    key.revoked = true;
    assert_int_equal(key_check(&key, &current, NOW), KEY_VERDICT_REVOKED);
    assert_int_equal(key_check(&key, &previous, NOW), KEY_VERDICT_REVOKED);
    assert_int_equal(key_check(&key, &other, NOW), KEY_VERDICT_UNKNOWN);
}

static void test_identify(void **state)
{
    struct secret *secret = NULL, *foreign = NULL;
    const struct key *found;
    assert_int_equal(key_make(TEXT("abcdefghijkl"), &secret), ERROR_OK);
    assert_int_equal(key_make(TEXT("abcdefghijkl"), &foreign), ERROR_OK);
    struct text text = secret_expose(secret);
    assert_int_equal(key_table_identify(table, memory, text, NOW, &found), REFUSAL_KEY_UNKNOWN);
    struct key key = {.id = TEXT("abcdefghijkl")};
    key_compute_hash(text, &key.hash);
    put(&key);
    assert_int_equal(key_table_identify(table, memory, text, NOW, &found), REFUSAL_NONE);
    assert_ptr_equal(found, key_table_find(table, key.id));
    assert_int_equal(key_table_identify(table, memory, secret_expose(foreign), NOW, &found),
                     REFUSAL_KEY_UNKNOWN);
    assert_null(found);
    assert_int_equal(key_table_identify(table, memory, TEXT(""), NOW, &found), REFUSAL_KEY_MISSING);
    assert_int_equal(key_table_identify(table, memory, text_first(text, 54), NOW, &found),
                     REFUSAL_KEY_MISTYPED);
    key.revoked = true;
    put(&key);
    assert_int_equal(key_table_identify(table, memory, text, NOW, &found), REFUSAL_KEY_REVOKED);
    assert_non_null(found);
    key.revoked = false;
    key.expires_at = 1;
    put(&key);
    assert_int_equal(key_table_identify(table, memory, text, NOW, &found), REFUSAL_KEY_EXPIRED);
    secret_free(secret);
    secret_free(foreign);
}

/* What was let in before is judged by the table as it is now. */
static void test_remembered(void **state)
{
    struct secret *old = NULL, *new = NULL;
    const struct key *found;
    assert_int_equal(key_make(TEXT("abcdefghijkl"), &old), ERROR_OK);
    assert_int_equal(key_make(TEXT("abcdefghijkl"), &new), ERROR_OK);
    struct key key = {.id = TEXT("abcdefghijkl")};
    key_compute_hash(secret_expose(old), &key.hash);
    put(&key);
    const struct siphash_code code = key_memory_code(memory, secret_expose(old));
    assert_null(key_memory_find(memory, &code));
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(key_table_identify(table, memory, secret_expose(old), NOW, &found),
                         REFUSAL_NONE);
        assert_ptr_equal(found, key_table_find(table, key.id));
        assert_true(key_hash_equal(key_memory_find(memory, &code), &key.hash));
    }
    assert_int_equal(key_table_identify(table, memory, secret_expose(new), NOW, &found),
                     REFUSAL_KEY_UNKNOWN);
    const struct siphash_code other = key_memory_code(memory, secret_expose(new));
    assert_null(key_memory_find(memory, &other)); /* was not let in */
    key.revoked = true;
    put(&key);
    assert_int_equal(key_table_identify(table, memory, secret_expose(old), NOW, &found),
                     REFUSAL_KEY_REVOKED);
    key = (struct key){.id = key.id, .previous_hash = key.hash, .previous_until = NOW + 5};
    key_compute_hash(secret_expose(new), &key.hash);
    put(&key);
    assert_int_equal(key_table_identify(table, memory, secret_expose(old), NOW + 4, &found),
                     REFUSAL_NONE);
    assert_int_equal(key_table_identify(table, memory, secret_expose(old), NOW + 5, &found),
                     REFUSAL_KEY_EXPIRED);
    key_table_begin(table);
    key_table_remove(table, key.id);
    key_table_end(table);
    assert_int_equal(key_table_identify(table, memory, secret_expose(old), NOW, &found),
                     REFUSAL_KEY_UNKNOWN);
    secret_free(old);
    secret_free(new);
}

/* Half a microsecond is promised; forty times that is left for a busy machine and sanitizers, which
 * is still far below what a key fetched anew or hashed slowly would take. */
static void test_is_fast(void **state)
{
    enum { ROUNDS = 20000 };
    struct secret *secret = NULL;
    const struct key *found;
    assert_int_equal(key_make(TEXT("abcdefghijkl"), &secret), ERROR_OK);
    struct key key = {.id = TEXT("abcdefghijkl")};
    key_compute_hash(secret_expose(secret), &key.hash);
    put(&key);
    uint64_t start = clock_monotonic();
    for (unsigned i = 0; i < ROUNDS; i++)
        assert_int_equal(key_table_identify(table, memory, secret_expose(secret), NOW, &found),
                         REFUSAL_NONE);
    uint64_t each = (clock_monotonic() - start) / ROUNDS;
    print_message("one check: %llu ns\n", (unsigned long long)each);
    assert_true(each < 20000);
    secret_free(secret);
}

/* ------------------------------------------------------------------ readers beside a writer */

enum { READERS = 3, KEYS = 200, CHANGES = 3000 };
static atomic_bool stop;

/* A key's fields agree with each other, whichever version a reader gets. */
static void make_version(unsigned number, uint64_t version, struct key *key, char id[KEY_ID_LENGTH],
                         char name[24])
{
    number_to_id(number, id);
    int length = snprintf(name, 24, "%llu", (unsigned long long)version);
    *key = (struct key){.id = text_of(id, KEY_ID_LENGTH),
                        .name = text_of(name, (size_t)length),
                        .created_at = version,
                        .expires_at = version};
}

static void *read_until_stopped(void *context)
{
    uint64_t *found_count = context;
    reader_register();
    /* All keys once at least: on a busy machine the writer may be done before this begins. */
    for (unsigned i = 0; i < KEYS || !atomic_load(&stop); i++) {
        char id[KEY_ID_LENGTH];
        number_to_id(i % KEYS, id);
        const struct key *key = key_table_find(table, text_of(id, sizeof id));
        if (key != NULL) {
            char name[24];
            int length = snprintf(name, sizeof name, "%llu", (unsigned long long)key->created_at);
            ensure(text_equal(key->name, text_of(name, (size_t)length)));
            ensure(key->expires_at == key->created_at);
            ++*found_count;
        }
        if (i % 64 == 0) {
            reader_pause();
            nanosleep(&(struct timespec){.tv_nsec = 10000}, NULL);
            reader_resume();
        } else {
            reader_turn();
        }
    }
    reader_unregister();
    return NULL;
}

static void test_readers_beside_a_writer(void **state)
{
    pthread_t readers[READERS];
    uint64_t found[READERS] = {0};
    struct key key;
    char id[KEY_ID_LENGTH], name[24];
    atomic_store(&stop, false);
    reader_pause(); /* as a thread that waits: it must not hold up the others */
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_until_stopped, &found[i]), 0);
    reader_resume();
    for (unsigned change = 1; change <= CHANGES; change++) {
        key_table_begin(table);
        for (unsigned i = 0; i < 4; i++) {
            make_version((change * 7 + i) % KEYS, change, &key, id, name);
            assert_int_equal(key_table_put(table, &key), ERROR_OK);
        }
        number_to_id(change % KEYS, id);
        if (change % 5 == 0)
            key_table_remove(table, text_of(id, sizeof id));
        key_table_end(table);
    }
    atomic_store(&stop, true);
    reader_pause();
    for (size_t i = 0; i < READERS; i++) {
        pthread_join(readers[i], NULL);
        assert_true(found[i] > 0);
    }
    reader_resume();
}

/* A revocation is seen by a reader that goes on, at its next look. */
static void test_writer_without_registration(void **state)
{
    reader_unregister();
    struct key key = {.id = TEXT("abcdefghijkl")};
    put(&key);
    assert_false(reader_is_registered());
    reader_register();
    assert_non_null(key_table_find(table, key.id));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_put_find_replace_remove, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_wrong_arguments, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_verdicts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_identify, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_remembered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_is_fast, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_readers_beside_a_writer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_writer_without_registration, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
