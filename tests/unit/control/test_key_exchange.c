/* Keys in exchange for tokens: one thread is the control thread and the worker that asks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/note.h"
#include "control/key_exchange.h"
#include "identity/reader.h"
#include "store/audit.h"
#include "store/exchanged_keys.h"

#define HOUR (3600 * NANOSECONDS_PER_SECOND)

static char data[64], store_path[96];
static struct key_table *table;
static struct key_memory *memory;
static struct key_refresher *refresher;
static struct loop *loop;
static struct key_exchange *exchange;

/* What the last answers were. */
static unsigned made, too_many, busy, no_store;
static char last_key[KEY_TEXT_LENGTH + 1], last_id[KEY_ID_LENGTH + 1];
static uint64_t last_end, last_most;

static void say_nothing(enum note_level level, const char *line)
{
}

static void open_all(void)
{
    table = key_table_create();
    assert_int_equal(key_refresher_create(data, table, &refresher), ERROR_OK);
    loop = loop_create_virtual(clock_wall());
    exchange = key_exchange_create(loop, refresher);
}

static void close_all(void)
{
    key_exchange_stop(exchange);
    loop_destroy(loop); /* what was answered too late is delivered here */
    key_exchange_destroy(exchange);
    key_refresher_destroy(refresher);
    key_table_destroy(table);
}

static int set_up(void **state)
{
    (void)snprintf(data, sizeof data, "/tmp/turnpike-exchange-XXXXXX");
    if (mkdtemp(data) == NULL)
        return 1;
    (void)snprintf(store_path, sizeof store_path, "%s/%s", data, STORE_FILE);
    note_set_sink(say_nothing);
    reader_register();
    memory = key_memory_create();
    made = too_many = busy = no_store = 0;
    open_all();
    return 0;
}

static int tear_down(void **state)
{
    static const char *const endings[] = {"", "-wal", "-shm"};

    close_all();
    key_memory_destroy(memory);
    reader_unregister();
    for (size_t i = 0; i < ARRAY_LENGTH(endings); i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s%s", store_path, endings[i]);
        unlink(path);
    }
    return rmdir(data);
}

static void take(void *ticket, const struct key_answer *answer)
{
    made += answer->outcome == KEY_MADE;
    too_many += answer->outcome == KEY_TOO_MANY;
    busy += answer->outcome == KEY_BUSY;
    no_store += answer->outcome == KEY_NO_STORE;
    last_end = answer->expires_at;
    last_most = answer->most;
    if (answer->outcome == KEY_MADE) {
        (void)text_copy_to(answer->key, last_key, sizeof last_key);
        (void)text_copy_to(answer->id, last_id, sizeof last_id);
    } else {
        assert_int_equal(answer->key.length, 0);
    }
}

static void ask(const char *id, uint64_t most, uint64_t ends_by)
{
    const struct principal principal = {
        .proof = PRINCIPAL_TOKEN,
        .id = text_from(id),
        .name = TEXT("ranker"),
        .team = TEXT("search"),
        .tags = TEXT("{\"env\":\"prod\"}"),
        .issuer = TEXT("https://issuer.example"),
        .subject = TEXT("robot"),
    };
    const struct key_wish wish = {
        .principal = principal_copy(&principal),
        .rule = {{1, 2, 3}},
        .lifetime = HOUR,
        .ends_by = ends_by,
        .most = most,
    };

    key_exchange_ask(exchange, &wish, loop, take, NULL);
}

static void turn(void)
{
    loop_advance(loop, 2 * KEY_EXCHANGE_AGAIN);
}

static enum refusal identify(const struct key **key)
{
    return key_table_identify(table, memory, text_from(last_key), clock_wall(), key);
}

static void test_made_known_and_written(void **state)
{
    const struct key *key;

    ask("wl_1", 10, 0);
    turn();
    assert_int_equal(made, 1);
    assert_int_equal(identify(&key), REFUSAL_NONE);
    assert_true(text_equal(key->team, TEXT("search")));
    assert_non_null(key->exchanged);
    assert_true(text_equal(key->exchanged->principal, TEXT("wl_1")));
    assert_true(text_equal(key->exchanged->subject, TEXT("robot")));
    assert_int_equal(key->exchanged->rule.bytes[2], 3);
    assert_in_range(last_end, clock_wall() + HOUR - 60 * NANOSECONDS_PER_SECOND,
                    clock_wall() + HOUR);

    close_all();
    open_all(); /* a restart */
    assert_int_equal(identify(&key), REFUSAL_NONE);
    assert_true(text_equal(key->exchanged->issuer, TEXT("https://issuer.example")));
}

static void test_never_longer_than_the_proof(void **state)
{
    uint64_t end = clock_wall() + 90 * NANOSECONDS_PER_SECOND;

    ask("wl_1", 10, end);
    turn();
    assert_int_equal(last_end, end);
}

static void test_so_many_of_one(void **state)
{
    for (int i = 0; i < 5; i++)
        ask("wl_1", 3, 0);
    ask("wl_2", 3, 0);
    turn();
    assert_int_equal(made, 4);
    assert_int_equal(too_many, 2);
    assert_int_equal(key_exchange_count(exchange), 4);
    ask("wl_1", 3, 0);
    turn();
    assert_int_equal(too_many, 3);
    assert_int_equal(last_most, 3);
}

static void test_so_many_wait_and_no_more(void **state)
{
    for (unsigned i = 0; i < KEY_EXCHANGE_WAITING_MAX + 7; i++)
        ask("wl_1", 5, 0);
    turn();
    assert_int_equal(busy, 7);
    assert_int_equal(made, 5);
    assert_int_equal(too_many, KEY_EXCHANGE_WAITING_MAX - 5);
    ask("wl_2", 5, 0);
    turn();
    assert_int_equal(made, 6);
}

static void test_a_store_that_another_holds(void **state)
{
    struct store *other;
    char problem[STORE_PROBLEM_SIZE];
    const struct key *key;

    assert_int_equal(store_open(store_path, STORE_WRITE, 100, &other, problem), ERROR_OK);
    assert_int_equal(store_begin(other), ERROR_OK);
    ask("wl_1", 5, 0);
    turn();
    assert_int_equal(made + busy + no_store, 0);
    store_roll_back(other);
    turn();
    assert_int_equal(made, 1);
    assert_int_equal(identify(&key), REFUSAL_NONE);
    store_close(other);
}

static void test_an_end_with_somebody_waiting(void **state)
{
    struct store *other;
    char problem[STORE_PROBLEM_SIZE];

    assert_int_equal(store_open(store_path, STORE_WRITE, 100, &other, problem), ERROR_OK);
    assert_int_equal(store_begin(other), ERROR_OK);
    ask("wl_1", 5, 0);
    turn();
    ask("wl_1", 5, 0); /* still on its way */
    close_all();
    assert_int_equal(no_store, 2);
    store_close(other);
    open_all();
}

static void test_revoked_in_the_store_alone(void **state)
{
    struct store *other;
    char problem[STORE_PROBLEM_SIZE];
    const struct key *key;

    ask("wl_1", 5, 0);
    turn();
    assert_int_equal(identify(&key), REFUSAL_NONE);
    assert_int_equal(store_open(store_path, STORE_WRITE, 100, &other, problem), ERROR_OK);
    assert_int_equal(exchanged_keys_revoke(other, text_from(last_id), 1, TEXT("leaked")), ERROR_OK);
    store_close(other);
    key_refresher_step(refresher);
    assert_int_equal(identify(&key), REFUSAL_KEY_REVOKED);
}

static void note_row(void *context, const struct stored_key *key)
{
    unsigned *count = context;
    ++*count;
}

static void test_what_has_ended_goes(void **state)
{
    struct store *store = key_refresher_store(refresher);
    uint64_t now = clock_wall();
    const struct stored_key rows[] = {
        {.id = TEXT("aaaaaaaaaaaa"), .principal = TEXT("wl_1"), .expires_at = now - 2 * HOUR},
        {.id = TEXT("bbbbbbbbbbbb"), .principal = TEXT("wl_1"), .expires_at = now - HOUR / 2},
    };
    unsigned left = 0;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        assert_int_equal(exchanged_keys_insert(store, &rows[i]), ERROR_OK);
        assert_int_equal(key_refresher_put_exchanged(refresher, &rows[i]), ERROR_OK);
    }
    key_exchange_step(exchange);
    assert_int_equal(exchanged_keys_list(store, note_row, &left), ERROR_OK);
    assert_int_equal(left, 1);
    assert_null(key_table_find(table, TEXT("aaaaaaaaaaaa")));
    assert_non_null(key_table_find(table, TEXT("bbbbbbbbbbbb"))); /* still called expired */
    assert_int_equal(key_exchange_count(exchange), 0);
}

static bool note_entry(void *context, const struct audit_entry *entry)
{
    unsigned *count = context;
    assert_true(text_equal(entry->who, TEXT("wl_1")));
    assert_true(text_starts_with(entry->after, TEXT("{\"id\":")));
    ++*count;
    return true;
}

static void test_audited_apart(void **state)
{
    struct store *store = key_refresher_store(refresher);
    const struct audit_filter all = {0}, exchanges = {.object_kind = TEXT("exchanged_key")};
    unsigned among_all = 0, apart = 0;

    ask("wl_1", 5, 0);
    turn();
    assert_int_equal(audit_list(store, &all, note_entry, &among_all), ERROR_OK);
    assert_int_equal(audit_list(store, &exchanges, note_entry, &apart), ERROR_OK);
    assert_int_equal(among_all, 0);
    assert_int_equal(apart, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_made_known_and_written),
        TEST(test_never_longer_than_the_proof),
        TEST(test_so_many_of_one),
        TEST(test_so_many_wait_and_no_more),
        TEST(test_a_store_that_another_holds),
        TEST(test_an_end_with_somebody_waiting),
        TEST(test_revoked_in_the_store_alone),
        TEST(test_what_has_ended_goes),
        TEST(test_audited_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
