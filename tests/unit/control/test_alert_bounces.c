/* Who is told of: those who got through and bounce now, those who are new and only bounce, keys
 * used from odd places. The test turns the clock. */
#include "../ledger/fixture.h"

#include "config/load.h"
#include "control/alerts_parts.h"
#include "store/bounces.h"

#define SECOND NANOSECONDS_PER_SECOND
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

static struct alerts alerts;
static struct store *store;
static struct row_insert insert;
static uint64_t now;

static void configure(void)
{
    struct config_problems problems;
    struct config *config;
    config_problems_open(&problems);
    assert_int_equal(config_load_text(TEXT("test"),
                                      TEXT("listeners: {main: {address: \"127.0.0.1:8080\"}}\n"
                                           "providers: {demo: {type: demo}}\n"
                                           "models: {\"*\": {targets: [{provider: demo}]}}\n"
                                           "alerts: {bounces: {newcomers: 2}, keys: {networks: "
                                           "3}}\n"),
                                      &config, &problems),
                     ERROR_OK);
    config_problems_close(&problems);
    alert_delivery_configure(&alerts, config);
}

static int set_up(void **state)
{
    char problem[STORE_PROBLEM_SIZE];
    if (fixture_set_up(state) != 0)
        return -1;
    const struct fixture *fixture = *state;
    alerts = (struct alerts){0};
    pthread_mutex_init(&alerts.lock, NULL);
    alerts.queue_end = &alerts.queue;
    (void)snprintf(alerts.store_path, sizeof(alerts.store_path), "%s/%s", fixture->data,
                   STORE_FILE);
    if (webhook_sender_create(alert_delivery_ended, &alerts, &alerts.sender) != ERROR_OK ||
        store_open(alerts.store_path, STORE_WRITE, 1000, &store, problem) != ERROR_OK ||
        rows_open_insert(&insert, store, NULL) != ERROR_OK)
        return -1;
    /* Of these days: what is older than BOUNCES_MEMORY is forgotten by the clock. */
    now = clock_wall() / DAY * DAY + 12 * HOUR + 7 * MINUTE;
    configure();
    return 0;
}

static int tear_down(void **state)
{
    rows_close_insert(&insert);
    store_close(store);
    webhook_sender_destroy(alerts.sender);
    for (struct pending_alert *next; (next = alerts.queue) != NULL;) {
        alerts.queue = next->next;
        alerts_free_pending(&alerts, next);
    }
    alert_delivery_close(&alerts);
    alert_outbox_close(&alerts);
    pthread_mutex_destroy(&alerts.lock);
    return fixture_tear_down(state);
}

/* `calls` of them at that time. */
static void add(uint64_t time, unsigned calls, const char *source, const char *key,
                const char *refusal, int64_t status)
{
    assert_int_equal(store_begin(store), ERROR_OK);
    for (unsigned i = 0; i < calls; i++) {
        struct record record;
        bool inserted;
        record_clear(&record, identifier_make(time));
        record.started_at = time;
        record.listener = TEXT("main");
        record.source = text_from(source);
        record.status = status;
        record.outcome = refusal[0] ? RECORD_OUTCOME_REFUSED : RECORD_OUTCOME_SERVED;
        record.refusal = text_from(refusal);
        record.key_id = text_from(key);
        record.key_name = text_from(key);
        record.team = key[0] ? TEXT("payments") : TEXT("");
        assert_int_equal(rows_insert_record(&insert, &record, &inserted), ERROR_OK);
    }
    assert_int_equal(rows_flush(&insert), ERROR_OK);
    assert_int_equal(store_commit(store), ERROR_OK);
}

/* How many alerts of that kind a look at that time gives; `part` is in each of their bodies. All
 * are taken away. */
static unsigned look(uint64_t time, enum alert_kind kind, const char *part)
{
    unsigned count = 0;
    assert_true(alert_outbox_open(&alerts));
    alert_bounces_look(&alerts, time);
    for (struct pending_alert *next; (next = alerts.queue) != NULL;) {
        if (next->kind == kind) {
            count++;
            if (strstr(next->body, part) == NULL)
                fail_msg("no %s in %s", part, next->body);
        }
        alerts.queue = next->next;
        alerts_free_pending(&alerts, next);
    }
    alerts.queue_end = &alerts.queue;
    return count;
}

static void test_a_network_that_used_to_get_through(void **state)
{
    add(now - 3 * DAY, 5, "10.1.2.3", "k1", "", 200);
    add(now - MINUTE, 19, "10.1.2.4", "k1", "revoked_api_key", 401);
    assert_int_equal(look(now, ALERT_BOUNCES_NETWORK, ""), 0); /* too few to tell */
    add(now, 1, "10.1.2.4", "k1", "revoked_api_key", 401);
    assert_int_equal(look(now, ALERT_BOUNCES_NETWORK, "revoked_api_key"), 1);
    assert_int_equal(look(now + MINUTE, ALERT_BOUNCES_NETWORK, ""), 0); /* once */
    assert_int_equal(look(now + HOUR, ALERT_BOUNCES_NEWCOMER, ""), 0);
}

static void test_mostly_served_is_no_wall(void **state)
{
    add(now - MINUTE, 41, "10.1.2.3", "k1", "", 200);
    add(now - MINUTE, 40, "10.1.2.4", "k1", "rate_limit_exceeded", 429);
    assert_int_equal(look(now, ALERT_BOUNCES_NETWORK, ""), 0);
    add(now, 2, "10.1.2.4", "k1", "rate_limit_exceeded", 429);
    assert_int_equal(look(now, ALERT_BOUNCES_NETWORK, "\"served_calls\":41"), 1);
}

static void test_long_ago_is_not_used_to(void **state)
{
    add(now - 9 * DAY, 5, "10.1.2.3", "k1", "", 200);
    add(now, 30, "10.1.2.4", "", "missing_api_key", 401);
    assert_int_equal(look(now, ALERT_BOUNCES_NETWORK, ""), 0);
}

/* It goes up and down around the threshold: once a day, and a whole day between. */
static void test_once_a_day_and_with_hysteresis(void **state)
{
    unsigned told = 0;
    add(now - DAY, 5, "10.1.2.3", "k1", "", 200);
    for (uint64_t time = now; time < now + 3 * DAY; time += HOUR) {
        bool up = (time - now) / HOUR % 2 == 0;
        add(time, up ? 30 : 20, "10.1.2.4", "k1", "revoked_api_key", 401);
        add(time, up ? 28 : 30, "10.1.2.3", "k1", "", 200); /* 51% and 40% */
        told += look(time + SECOND, ALERT_BOUNCES_NETWORK, "");
    }
    assert_int_equal(told, 3);
    /* Over: 10%. Then 40% is no beginning, and 60% is. */
    uint64_t time = now + 4 * DAY;
    add(time, 90, "10.1.2.3", "k1", "", 200);
    add(time, 10, "10.1.2.4", "k1", "revoked_api_key", 401);
    assert_int_equal(look(time, ALERT_BOUNCES_NETWORK, ""), 0);
    time += 2 * HOUR;
    add(time, 60, "10.1.2.3", "k1", "", 200);
    add(time, 40, "10.1.2.4", "k1", "revoked_api_key", 401);
    assert_int_equal(look(time, ALERT_BOUNCES_NETWORK, ""), 0);
    time += 2 * HOUR;
    add(time, 40, "10.1.2.3", "k1", "", 200);
    add(time, 60, "10.1.2.4", "k1", "revoked_api_key", 401);
    assert_int_equal(look(time, ALERT_BOUNCES_NETWORK, ""), 1);
}

static void test_newcomers(void **state)
{
    for (unsigned i = 0; i < 4; i++) { /* two a day are told of */
        char source[32];
        (void)snprintf(source, sizeof source, "10.9.%u.1", i);
        add(now - 30 * MINUTE, 10, source, "", "missing_api_key", 401);
        add(now - 5 * MINUTE, 15, source, "", "missing_api_key", 401);
    }
    add(now - 30 * MINUTE, 30, "203.0.113.5", "", "unknown_url", 404); /* looks for doors */
    add(now - 5 * MINUTE, 30, "203.0.113.5", "", "unknown_url", 404);
    add(now, 30, "198.51.100.7", "", "missing_api_key", 401); /* has only just begun */
    assert_int_equal(look(now, ALERT_BOUNCES_NEWCOMER, "10.9."), 2);
    assert_int_equal(look(now + MINUTE, ALERT_BOUNCES_NEWCOMER, ""), 0);
}

static void test_a_team(void **state)
{
    add(now - 2 * DAY, 5, "10.1.2.3", "k1", "", 200);
    for (unsigned i = 0; i < 25; i++) { /* from everywhere: no network has many */
        char source[32];
        (void)snprintf(source, sizeof source, "10.7.%u.1", i);
        add(now, 1, source, "k1", "insufficient_quota", 429);
    }
    assert_int_equal(look(now, ALERT_BOUNCES_TEAM, "\"team\":\"payments\""), 1);
    assert_int_equal(look(now + MINUTE, ALERT_BOUNCES_TEAM, ""), 0);
}

static void test_a_key_from_many_networks(void **state)
{
    for (unsigned i = 0; i < 4; i++) {
        char source[32];
        (void)snprintf(source, sizeof source, "10.8.%u.1", i);
        assert_int_equal(look(now, ALERT_KEY_NETWORKS, ""), 0);
        add(now - MINUTE, 1, source, "k1", "", 200);
    }
    assert_int_equal(look(now, ALERT_KEY_NETWORKS, "\"networks\":4"), 1);
}

static void test_a_key_after_long_quiet(void **state)
{
    add(now - 40 * DAY, 1, "10.8.1.1", "k1", "", 200);
    add(now - 40 * DAY, 1, "10.8.1.1", "k2", "", 200);
    add(now - MINUTE, 1, "10.8.1.2", "k1", "", 200); /* where it always was */
    add(now - MINUTE, 1, "10.8.2.2", "k2", "", 200);
    assert_int_equal(look(now, ALERT_KEY_AWAKE, "\"key\":\"k2\""), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_network_that_used_to_get_through, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_mostly_served_is_no_wall, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_long_ago_is_not_used_to, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_once_a_day_and_with_hysteresis, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_newcomers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_team, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_key_from_many_networks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_key_after_long_quiet, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
