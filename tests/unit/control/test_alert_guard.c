/* Rules that came into force lately and refuse who used to get through: when they are told of, when
 * they are taken back, and by whom nobody can be made to. The test turns the clock. */
#include "../ledger/fixture.h"

#include "config/load.h"
#include "control/alerts_parts.h"
#include "store/guard.h"
#include "store/network_rules.h"

#define SECOND NANOSECONDS_PER_SECOND
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

static struct alerts alerts;
static struct store *store;
static struct row_insert insert;
static uint64_t now;
static char observed[8][32]; /* ids of rules that were taken back */
static size_t observed_count;

static void configure(const char *guard)
{
    struct config_problems problems;
    struct config *config;
    char yaml[512];
    (void)snprintf(yaml, sizeof yaml,
                   "listeners: {main: {address: \"127.0.0.1:8080\"}}\n"
                   "providers: {demo: {type: demo}}\n"
                   "models: {\"*\": {targets: [{provider: demo}]}}\n"
                   "guard: %s\n",
                   guard);
    config_problems_open(&problems);
    assert_int_equal(config_load_text(TEXT("test"), text_from(yaml), &config, &problems), ERROR_OK);
    config_problems_close(&problems);
    alert_delivery_configure(&alerts, config);
}

/* As the operation does it: the store's row is observed then. */
static bool observe_rules(void *owner, const struct text *ids, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct stored_network_rule rule = {
            .id = ids[i], .action = TEXT("deny"), .mode = TEXT("observe")};
        assert_int_equal(network_rules_update(store, &rule), ERROR_OK);
        (void)text_copy_to(ids[i], observed[observed_count++], sizeof observed[0]);
    }
    return true;
}

static int set_up(void **state)
{
    char problem[STORE_PROBLEM_SIZE];
    if (fixture_set_up(state) != 0)
        return -1;
    const struct fixture *fixture = *state;
    alerts = (struct alerts){0};
    observed_count = 0;
    pthread_mutex_init(&alerts.lock, NULL);
    alerts.queue_end = &alerts.queue;
    alerts.counts = guard_create();
    alerts.hands.observe_rules = observe_rules;
    (void)snprintf(alerts.store_path, sizeof(alerts.store_path), "%s/%s", fixture->data,
                   STORE_FILE);
    if (webhook_sender_create(alert_delivery_ended, &alerts, &alerts.sender) != ERROR_OK ||
        store_open(alerts.store_path, STORE_WRITE, 1000, &store, problem) != ERROR_OK ||
        rows_open_insert(&insert, store, alerts.counts) != ERROR_OK)
        return -1;
    now = clock_wall() / DAY * DAY + 12 * HOUR;
    configure("{auto_revert: on}");
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
    alert_guard_close(&alerts);
    guard_destroy(alerts.counts);
    pthread_mutex_destroy(&alerts.lock);
    return fixture_tear_down(state);
}

/* ---- calls and rules ---- */

static void write_call(uint64_t time, const char *key, const char *source, const char *rule)
{
    struct record record;
    bool inserted;
    record_clear(&record, identifier_make(time));
    record.started_at = time;
    record.listener = TEXT("main");
    record.source = text_from(source);
    record.key_id = text_from(key);
    record.key_name = text_from(key);
    record.team = TEXT("search");
    record.status = rule ? 403 : 200;
    record.outcome = rule ? RECORD_OUTCOME_REFUSED : RECORD_OUTCOME_SERVED;
    record.refusal = rule ? TEXT("network_not_allowed") : TEXT("");
    record.rule = rule ? text_from(rule) : TEXT("");
    assert_int_equal(rows_insert_record(&insert, &record, &inserted), ERROR_OK);
}

/* `calls` of each of the keys k0, k1, … within that minute; `rule` NULL: they are served. */
static void call(uint64_t time, unsigned keys, unsigned calls, const char *source, const char *rule)
{
    assert_int_equal(store_begin(store), ERROR_OK);
    for (unsigned i = 0; i < keys; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "k%u", i);
        for (unsigned j = 0; j < calls; j++)
            write_call(time, key, source, rule);
    }
    assert_int_equal(rows_flush(&insert), ERROR_OK);
    assert_int_equal(store_commit(store), ERROR_OK);
    rows_settle(&insert);
}

static void set_rule(const char *id, const char *network, const char *action, const char *mode)
{
    const struct stored_network_rule rule = {.id = text_from(id),
                                             .scope_kind = TEXT("team"),
                                             .scope_value = TEXT("search"),
                                             .network = text_from(network),
                                             .action = text_from(action),
                                             .mode = text_from(mode)};
    enum error error = network_rules_update(store, &rule);
    if (error == ERROR_NOT_FOUND)
        error = network_rules_insert(store, &rule);
    assert_int_equal(error, ERROR_OK);
}

/* How many alerts of that kind a look gives; all are taken away. */
static unsigned look(uint64_t time, enum alert_kind kind, const char *part)
{
    unsigned count = 0;
    assert_true(alert_outbox_open(&alerts));
    alert_guard_look(&alerts, time);
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

/* Three keys get through for two days, then a rule denies where they are. */
static void deny_three(void)
{
    call(now - 2 * DAY, 3, 1, "10.2.0.9", NULL);
    call(now - MINUTE, 3, 1, "10.2.0.9", NULL);
    assert_int_equal(look(now - MINUTE, ALERT_GUARD_REFUSING, ""), 0);
    set_rule("net_1", "10.2.0.0/16", "deny", "enforce");
    assert_int_equal(look(now, ALERT_GUARD_REFUSING, ""), 0); /* it is on watch now */
}

/* ---- tests ---- */

static void test_it_is_taken_back_once(void **state)
{
    deny_three();
    call(now + MINUTE, 3, 6, "10.2.0.9", "net_1"); /* 18 */
    assert_int_equal(look(now + MINUTE, ALERT_GUARD_REVERTED, ""), 0);
    call(now + 2 * MINUTE, 1, 2, "10.2.0.9", "net_1");
    assert_int_equal(
        look(now + 2 * MINUTE, ALERT_GUARD_REVERTED, "\"refused_calls\":20,\"calls\":20"), 1);
    assert_int_equal(observed_count, 1);
    assert_string_equal(observed[0], "net_1");
    assert_int_equal(look(now + 3 * MINUTE, ALERT_GUARD_REVERTED, ""), 0);
    /* Enforced anew by somebody who was told: it stays, and is told of. */
    set_rule("net_1", "10.2.0.0/16", "deny", "enforce");
    assert_int_equal(look(now + 4 * MINUTE, ALERT_GUARD_REFUSING, ""), 0);
    call(now + 5 * MINUTE, 3, 10, "10.2.0.9", "net_1");
    assert_int_equal(look(now + 5 * MINUTE, ALERT_GUARD_REFUSING, "taken back within a day before"),
                     1);
    assert_int_equal(observed_count, 1);
    assert_int_equal(look(now + 6 * MINUTE, ALERT_GUARD_REFUSING, ""), 0); /* once */
}

static void test_it_is_only_told_where_nobody_wants_more(void **state)
{
    configure("{auto_revert: off}");
    deny_three();
    call(now + MINUTE, 3, 10, "10.2.0.9", "net_1");
    assert_int_equal(look(now + MINUTE, ALERT_GUARD_REFUSING, "network rule edit net_1 --observe"),
                     1);
    assert_int_equal(observed_count, 0);
}

static void test_few_of_many_are_no_wall(void **state)
{
    call(now - HOUR, 30, 1, "10.1.0.9", NULL);
    deny_three();
    call(now + MINUTE, 30, 9, "10.1.0.9", NULL);
    call(now + MINUTE, 3, 10, "10.2.0.9", "net_1"); /* 30 of 300 */
    assert_int_equal(look(now + MINUTE, ALERT_GUARD_REVERTED, ""), 0);
    /* However often these three try, of each ten count in a minute. */
    call(now + MINUTE, 3, 500, "10.2.0.9", "net_1");
    assert_int_equal(look(now + MINUTE, ALERT_GUARD_REVERTED, ""), 0);
    assert_int_equal(observed_count, 0);
}

static void test_who_never_got_through_does_not_count(void **state)
{
    deny_three();
    call(now + MINUTE, 9, 10, "10.9.0.9", "net_1"); /* right keys, from where they never were */
    assert_int_equal(store_begin(store), ERROR_OK);
    for (unsigned i = 0; i < 30; i++) /* only claimed: its secret was wrong */
        write_call(now + MINUTE, "tpk_k0", "10.2.0.9", "net_1");
    assert_int_equal(rows_flush(&insert), ERROR_OK);
    assert_int_equal(store_commit(store), ERROR_OK);
    rows_settle(&insert);
    assert_int_equal(look(now + MINUTE, ALERT_GUARD_REVERTED, ""), 0);
    assert_int_equal(look(now + MINUTE, ALERT_GUARD_REFUSING, ""), 0);
}

static void test_who_was_cut_off_before_does_not_count(void **state)
{
    deny_three();
    /* A day later another rule changes the list. Those whom the first one is about try again. */
    uint64_t later = now + DAY;
    set_rule("net_2", "10.3.0.0/16", "deny", "enforce");
    assert_int_equal(look(later, ALERT_GUARD_REFUSING, ""), 0);
    call(later + MINUTE, 3, 10, "10.2.0.9", "net_1");
    assert_int_equal(look(later + MINUTE, ALERT_GUARD_REVERTED, ""), 0);
    assert_int_equal(look(later + MINUTE, ALERT_GUARD_REFUSING, ""), 0);
}

static void test_one_key_is_told_of_and_no_more(void **state)
{
    deny_three();
    call(now + MINUTE, 1, 10, "10.2.0.9", "net_1");
    call(now + 2 * MINUTE, 1, 10, "10.2.0.9", "net_1");
    assert_int_equal(look(now + 2 * MINUTE, ALERT_GUARD_REFUSING, "too few keys"), 1);
    assert_int_equal(observed_count, 0);
    /* When others are cut off too it is no thief. */
    call(now + 3 * MINUTE, 3, 1, "10.2.0.9", "net_1");
    assert_int_equal(look(now + 3 * MINUTE, ALERT_GUARD_REVERTED, "\"keys\":3"), 1);
}

static void test_the_watch_ends(void **state)
{
    call(now - HOUR, 30, 1, "10.1.0.9", NULL);
    deny_three();
    call(now + MINUTE, 30, 4, "10.1.0.9", NULL); /* enough to judge by */
    assert_int_equal(look(now + 29 * MINUTE, ALERT_GUARD_REVERTED, ""), 0);
    assert_int_equal(look(now + 31 * MINUTE, ALERT_GUARD_REVERTED, ""), 0);
    call(now + 32 * MINUTE, 3, 10, "10.2.0.9", "net_1");
    call(now + 33 * MINUTE, 3, 10, "10.2.0.9", "net_1");
    assert_int_equal(look(now + 33 * MINUTE, ALERT_GUARD_REVERTED, ""), 0);
}

static void test_a_quiet_night_does_not_end_it(void **state)
{
    deny_three();
    assert_int_equal(look(now + 8 * HOUR, ALERT_GUARD_REVERTED, ""), 0);
    call(now + 9 * HOUR, 3, 10, "10.2.0.9", "net_1");
    assert_int_equal(look(now + 9 * HOUR, ALERT_GUARD_REVERTED, ""), 1);
}

static void test_a_list_of_allowances_is_taken_back_whole(void **state)
{
    call(now - MINUTE, 3, 1, "10.2.0.9", NULL);
    set_rule("net_1", "10.1.0.0/16", "allow", "enforce");
    set_rule("net_2", "10.4.0.0/16", "allow", "enforce");
    set_rule("net_3", "10.5.0.0/16", "deny", "enforce");
    set_rule("net_4", "10.6.0.0/16", "allow", "observe");
    assert_int_equal(look(now, ALERT_GUARD_REFUSING, ""), 0);
    call(now + MINUTE, 3, 10, "10.2.0.9", "networks of team search");
    assert_int_equal(look(now + MINUTE, ALERT_GUARD_REVERTED, "allowances of team search"), 1);
    assert_int_equal(observed_count, 2);
    assert_string_equal(observed[0], "net_1");
    assert_string_equal(observed[1], "net_2");
}

static void test_a_restart_knows_who_got_through_and_since_when(void **state)
{
    deny_three();
    rows_close_insert(&insert);
    alert_outbox_close(&alerts);
    alert_guard_close(&alerts);
    guard_destroy(alerts.counts);
    alerts.guard = (struct alert_guard){0};
    alerts.counts = guard_create();
    assert_int_equal(rows_open_insert(&insert, store, alerts.counts), ERROR_OK);
    assert_int_equal(look(now + MINUTE, ALERT_GUARD_REVERTED, ""), 0);
    call(now + 2 * MINUTE, 3, 10, "10.2.0.9", "net_1");
    assert_int_equal(look(now + 2 * MINUTE, ALERT_GUARD_REVERTED, "\"refused_calls\":30"), 1);
}

static void test_a_batch_that_was_not_taken_counts_once(void **state)
{
    deny_three();
    assert_int_equal(store_begin(store), ERROR_OK);
    for (unsigned i = 0; i < 9; i++)
        write_call(now + MINUTE, "k0", "10.2.0.9", "net_1");
    assert_int_equal(rows_flush(&insert), ERROR_OK);
    store_roll_back(store);
    rows_forget(&insert);
    assert_int_equal(guard_count(alerts.counts, "team search"), 0);
    call(now + MINUTE, 1, 9, "10.2.0.9", "net_1");
    assert_int_equal(guard_count(alerts.counts, "team search"), 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_it_is_taken_back_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_it_is_only_told_where_nobody_wants_more, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_few_of_many_are_no_wall, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_who_never_got_through_does_not_count, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_who_was_cut_off_before_does_not_count, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_one_key_is_told_of_and_no_more, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_watch_ends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_quiet_night_does_not_end_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_list_of_allowances_is_taken_back_whole, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_restart_knows_who_got_through_and_since_when, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_batch_that_was_not_taken_counts_once, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
