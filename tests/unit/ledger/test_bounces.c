/* Records on their way into the store, and what it says of who is turned away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "ledger/rows.h"
#include "store/bounces.h"
#include "store/key_sources.h"
#include "store/keys.h"

static char path[64];
static struct store *store;
static struct row_insert insert;
static uint64_t now;

static void open_store(void)
{
    char problem[STORE_PROBLEM_SIZE];
    if (store_open(path, STORE_WRITE, 1000, &store, problem) != ERROR_OK)
        fail_msg("%s", problem);
    assert_int_equal(rows_open_insert(&insert, store, NULL), ERROR_OK);
}

static void close_store(void)
{
    rows_close_insert(&insert);
    store_close(store);
}

static int set_up(void **state)
{
    (void)snprintf(path, sizeof path, "/tmp/turnpike-bounces-XXXXXX");
    int file = mkstemp(path);
    if (file < 0)
        return 1;
    close(file);
    now = clock_wall();
    open_store();
    return 0;
}

static int tear_down(void **state)
{
    close_store();
    unlink(path);
    return 0;
}

static struct record refused(const char *source, const char *code, int64_t status)
{
    struct record record;
    record_clear(&record, identifier_make(now));
    record.started_at = now;
    record.listener = TEXT("main");
    record.source = text_from(source);
    record.status = status;
    record.outcome = RECORD_OUTCOME_REFUSED;
    record.refusal = text_from(code);
    return record;
}

static struct record served(const char *source, const char *key)
{
    struct record record = refused(source, "", 200);
    record.outcome = RECORD_OUTCOME_SERVED;
    record.key_id = text_from(key);
    record.key_name = text_from(key);
    return record;
}

static void put(const struct record *record)
{
    bool inserted = false;
    assert_int_equal(rows_insert_record(&insert, record, &inserted), ERROR_OK);
    assert_true(inserted);
}

static void begin(void)
{
    assert_int_equal(store_begin(store), ERROR_OK);
}

static void commit(void)
{
    assert_int_equal(rows_flush(&insert), ERROR_OK);
    assert_int_equal(store_commit(store), ERROR_OK);
}

/* All groups of the store, in any order. */
#define FOUND_MAX 64u
static struct bounce_group found[FOUND_MAX];
static size_t found_count;

static bool take(void *context, int64_t slot, const struct bounce_group *group)
{
    assert_true(found_count < FOUND_MAX);
    found[found_count++] = *group;
    return true;
}

static const struct bounce_group *find(const char *network, const char *reason)
{
    found_count = 0;
    assert_int_equal(bounces_read_groups(store, take, NULL), ERROR_OK);
    for (size_t i = 0; i < found_count; i++)
        if (strcmp(found[i].network, network) == 0 && strcmp(found[i].reason, reason) == 0)
            return &found[i];
    fail_msg("no group of %s, %s among %zu", network, reason, found_count);
    return NULL;
}

static bool take_network(void *context, int64_t slot, const struct bounce_network *network)
{
    struct bounce_network *out = context;
    *out = *network;
    return true;
}

static void test_grouped_by_network(void **state)
{
    static const struct {
        const char *source, *network;
    } rows[] = {
        {"10.1.2.3", "10.1.2.0/24"},
        {"10.1.2.250", "10.1.2.0/24"},
        {"2001:db8:1:2::3", "2001:db8:1::/48"},
        {"::ffff:10.1.2.4", "10.1.2.0/24"},
        {"unix", "unix"},
        {"", "unknown"},
    };
    begin();
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct record record = refused(rows[i].source, "missing_api_key", 401);
        put(&record);
    }
    commit();
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        assert_int_equal(find(rows[i].network, "missing_api_key")->calls,
                         strcmp(rows[i].network, "10.1.2.0/24") == 0 ? 3 : 1);
    assert_int_equal(found_count, 4);
    assert_string_equal(find("10.1.2.0/24", "missing_api_key")->source, "::ffff:10.1.2.4");
}

static void test_networks_with_a_name(void **state)
{
    begin();
    struct record record = refused("10.20.1.1", "missing_api_key", 401);
    record.network = TEXT("office");
    put(&record);
    record = refused("10.20.1.1", "missing_api_key", 401); /* before it had one */
    put(&record);
    record = refused("10.99.1.1", "missing_api_key", 401);
    record.network = TEXT("office");
    put(&record);
    commit();
    assert_int_equal(find("office", "missing_api_key")->calls, 2);
    assert_string_equal(find("office", "missing_api_key")->source, "10.99.1.1");
    assert_int_equal(find("10.20.1.0/24", "missing_api_key")->calls, 1);
}

static void make_key(const char *id, const char *team)
{
    const struct stored_key key = {
        .id = text_from(id), .name = text_from(id), .team = text_from(team), .created_at = now};
    assert_int_equal(keys_insert(store, &key), ERROR_OK);
}

static void test_the_key_that_was_claimed(void **state)
{
    make_key("4f0c2v9qk1tz", "payments");
    begin();
    struct record wrong = refused("10.1.2.3", "invalid_api_key", 401);
    wrong.key_id = TEXT("tpk_4f0c2v9qk1tz"); /* the secret was wrong: only what was sent is known */
    put(&wrong);
    struct record stranger = refused("10.1.3.3", "invalid_api_key", 401);
    stranger.key_id = TEXT("tpk_zzzzzzzzzzzz");
    put(&stranger);
    struct record foreign = refused("10.1.4.3", "invalid_api_key", 401);
    foreign.key_id = TEXT("sk-p");
    put(&foreign);
    struct record revoked = refused("10.1.5.3", "revoked_api_key", 401);
    revoked.key_id = TEXT("4f0c2v9qk1tz");
    revoked.key_name = TEXT("checkout");
    revoked.team = TEXT("payments");
    put(&revoked);
    commit();
    const struct bounce_group *group = find("10.1.2.0/24", "invalid_api_key");
    assert_string_equal(group->key_id, "4f0c2v9qk1tz");
    assert_string_equal(group->team, "payments");
    assert_int_equal(group->kind, BOUNCE_KEPT);
    group = find("10.1.3.0/24", "invalid_api_key");
    assert_string_equal(group->key_id, "");
    assert_string_equal(group->claimed, "tpk_zzzzzzzzzzzz");
    assert_int_equal(group->kind, BOUNCE_OPEN);
    assert_string_equal(find("10.1.4.0/24", "invalid_api_key")->claimed, "sk-p");
    assert_string_equal(find("10.1.5.0/24", "revoked_api_key")->team, "payments");
}

static void test_observed(void **state)
{
    begin();
    struct record record = served("10.1.2.3", "4f0c2v9qk1tz");
    record.observed = TEXT("[{\"reason\":\"limit\",\"id\":\"lim_1\"},"
                           "{\"reason\":\"budget\",\"id\":\"bud_1\"},"
                           "{\"reason\":\"limit\",\"id\":\"lim_2\",\"output_limit\":512}]");
    put(&record);
    commit();
    const struct bounce_group *group = find("10.1.2.0/24", "limit");
    assert_true(group->observed);
    assert_string_equal(group->rule, "lim_1");
    assert_string_equal(find("10.1.2.0/24", "budget")->rule, "bud_1");
    assert_int_equal(found_count, 2); /* an answer that would have been shorter was no refusal */
}

static void test_what_is_no_bounce(void **state)
{
    begin();
    struct record part = refused("10.1.2.3", "overloaded", 503);
    part.part_of = TEXT("req_1");
    put(&part);
    struct record failed = refused("10.1.2.3", "upstream_timeout", 504);
    failed.outcome = RECORD_OUTCOME_FAILED;
    put(&failed);
    struct record keyless = served("10.1.2.3", "");
    put(&keyless);
    commit();
    found_count = 0;
    assert_int_equal(bounces_read_groups(store, take, NULL), ERROR_OK);
    assert_int_equal(found_count, 0);
    struct bounce_network network = {0};
    assert_int_equal(bounces_read_networks(store, take_network, &network), ERROR_OK);
    assert_int_equal(network.calls, 0);
}

static void test_calls_that_one_record_stands_for(void **state)
{
    begin();
    struct record record = refused("", "ledger_unavailable", 503);
    record.calls = 1234;
    put(&record);
    commit();
    assert_int_equal(find("unknown", "ledger_unavailable")->calls, 1234);
}

static void test_good_calls_of_the_network(void **state)
{
    struct bounce_network network;
    begin();
    struct record first = refused("10.1.2.3", "missing_api_key", 401);
    put(&first);
    struct record good = served("10.1.2.77", "4f0c2v9qk1tz");
    put(&good);
    commit();
    assert_int_equal(bounces_read_networks(store, take_network, &network), ERROR_OK);
    assert_string_equal(network.network, "10.1.2.0/24");
    assert_int_equal(network.calls, 1);
    assert_int_equal(network.last_at, now);
    /* What it bounced with before is kept from now on. */
    assert_int_equal(find("10.1.2.0/24", "missing_api_key")->kind, BOUNCE_KEPT);
    assert_int_equal(found_count, 1);
}

/* Where keys are used from is of keys; the network has served the others' calls all the same. */
static void test_callers_without_a_key_have_no_sources(void **state)
{
    struct bounce_network network;
    uint64_t networks = UINT64_MAX;
    begin();
    struct record record = served("10.1.2.77", "wl_0123456789abcdefghij");
    record.identified_by = TEXT("token");
    put(&record);
    record = served("10.1.2.77", "4f0c2v9qk1tz");
    put(&record);
    commit();
    assert_int_equal(key_sources_count(store, TEXT("wl_0123456789abcdefghij"), 0, &networks),
                     ERROR_OK);
    assert_int_equal(networks, 0);
    assert_int_equal(key_sources_count(store, TEXT("4f0c2v9qk1tz"), 0, &networks), ERROR_OK);
    assert_int_equal(networks, 1);
    assert_int_equal(bounces_read_networks(store, take_network, &network), ERROR_OK);
    assert_int_equal(network.calls, 2);
}

/* Steps of all sizes that are committed, rolled back, or lost with the process; in the end what was
 * counted is what the store has as records. */
static void test_exactly_the_records(void **state)
{
    unsigned random = 7;
    int64_t expected = 0, counted = 0, good = 0;
    struct bounce_network network;
    for (unsigned round = 0; round < 200; round++) {
        unsigned calls = 1 + (random = random * 1103515245 + 12345) / 65536 % 20;
        unsigned fate = (random = random * 1103515245 + 12345) / 65536 % 4;
        begin();
        for (unsigned i = 0; i < calls; i++) {
            char source[32];
            (void)snprintf(source, sizeof source, "10.0.%u.1", (random + i) / 65536 % 40);
            struct record record = refused(source, "missing_api_key", 401);
            put(&record);
            struct record through = served("10.200.0.1", "4f0c2v9qk1tz");
            put(&through);
        }
        if (fate == 0) { /* the store failed */
            store_roll_back(store);
            rows_forget(&insert);
        } else if (fate == 1) { /* the process died, before or after it had written */
            if (round % 2)
                assert_int_equal(rows_flush(&insert), ERROR_OK);
            close_store();
            open_store();
        } else {
            commit();
            expected += calls;
        }
    }
    found_count = 0;
    assert_int_equal(bounces_read_groups(store, take, NULL), ERROR_OK);
    for (size_t i = 0; i < found_count; i++)
        counted += found[i].calls;
    assert_int_equal(counted, expected);
    assert_int_equal(bounces_read_networks(store, take_network, &network), ERROR_OK);
    good = network.calls;
    assert_int_equal(good, expected);
    struct store_statement *records;
    bool row;
    assert_int_equal(store_prepare(store, "SELECT count(*) FROM exchanges", &records), ERROR_OK);
    assert_int_equal(store_step(records, &row), ERROR_OK);
    assert_int_equal(store_column_integer(records, 0), 2 * expected);
    store_finish(records);
}

/* More networks with good calls than are remembered: the quiet ones go. */
static void test_many_good_networks(void **state)
{
    struct store_statement *rows;
    bool row;
    begin();
    for (unsigned i = 0; i < BOUNCES_NETWORKS_MAX + 3000; i++) {
        char source[32];
        (void)snprintf(source, sizeof source, "10.%u.%u.1", i / 256, i % 256);
        struct record record = served(source, "4f0c2v9qk1tz");
        record.started_at = now - (1000000 - i) * 1000000ull;
        put(&record);
    }
    commit();
    assert_int_equal(store_prepare(store,
                                   "SELECT count(*), max(network = '10.27.183.0/24')"
                                   " FROM bounce_networks",
                                   &rows),
                     ERROR_OK);
    assert_int_equal(store_step(rows, &row), ERROR_OK);
    assert_int_equal(store_column_integer(rows, 0), BOUNCES_NETWORKS_MAX);
    assert_int_equal(store_column_integer(rows, 1), 1); /* the last one */
    store_finish(rows);
}

static void test_ids(void **state)
{
    struct bounce_group a = {.network = "10.1.2.0/24", .reason = "missing_api_key"}, b = a;
    char id[BOUNCE_ID_SIZE], other[BOUNCE_ID_SIZE];
    bounce_group_id(&a, id);
    b.calls = 7; /* how many is not who */
    b.kind = BOUNCE_KEPT;
    bounce_group_id(&b, other);
    assert_string_equal(id, other);
    assert_true(bounce_group_same(&a, &b));
    b.observed = true;
    bounce_group_id(&b, other);
    assert_string_not_equal(id, other);
    assert_false(bounce_group_same(&a, &b));
    b = a;
    b.kind = BOUNCE_OTHERS;
    bounce_group_id(&b, other);
    assert_string_not_equal(id, other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_grouped_by_network, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_networks_with_a_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_key_that_was_claimed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_observed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_no_bounce, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_calls_that_one_record_stands_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_good_calls_of_the_network, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_callers_without_a_key_have_no_sources, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_exactly_the_records, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_good_networks, set_up, tear_down),
        cmocka_unit_test(test_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
