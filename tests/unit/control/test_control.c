/* The control thread itself: look-ups answered on the asker's loop, facts that become metrics, and
 * an end with work still on its way. */
#include "../ledger/fixture.h"

#include "control/control.h"

struct desk {
    struct loop *loop;
    struct ledger *ledger;
    struct key_table *table;
    struct key_refresher *keys;
    struct policy_refresher *policy;
    struct alerts *alerts;
    struct credential_refresher *credentials;
    struct issuer_refresher *issuers;
    struct metrics *metrics;
    struct control *control;
    unsigned answers;
    enum error error;
    char provider[64];
    unsigned wanted;
};

static void open_desk(struct desk *desk, void **state)
{
    struct fixture *fixture = *state;
    *desk = (struct desk){.loop = loop_create()};
    desk->ledger = fixture_open(fixture, 1, 1u << 20, 0);
    desk->table = key_table_create();
    desk->metrics = metrics_create(1);
    assert_int_equal(key_refresher_create(fixture->data, desk->table, &desk->keys), ERROR_OK);
    assert_int_equal(policy_refresher_create(fixture->data, NULL, &desk->policy), ERROR_OK);
    const struct alerts_settings alerts = {.data = fixture->data, .ledger = desk->ledger};
    assert_int_equal(alerts_start(&alerts, &desk->alerts), ERROR_OK);
    assert_int_equal(credential_refresher_start(&desk->credentials), ERROR_OK);
    assert_int_equal(issuer_refresher_start(fixture->data, &desk->issuers), ERROR_OK);
    const struct control_settings settings = {.ledger = desk->ledger,
                                              .keys = desk->keys,
                                              .policy = desk->policy,
                                              .alerts = desk->alerts,
                                              .credentials = desk->credentials,
                                              .issuers = desk->issuers,
                                              .metrics = desk->metrics};
    assert_int_equal(control_start(&settings, &desk->control), ERROR_OK);
}

static void close_desk(struct desk *desk)
{
    control_stop(desk->control);
    credential_refresher_stop(desk->credentials);
    issuer_refresher_stop(desk->issuers);
    loop_destroy(desk->loop); /* what was answered too late is delivered here */
    alerts_stop(desk->alerts);
    policy_refresher_destroy(desk->policy);
    key_refresher_destroy(desk->keys);
    metrics_destroy(desk->metrics);
    key_table_destroy(desk->table);
    ledger_close(desk->ledger);
}

static void on_answer(void *ticket, enum error error, const struct object *object)
{
    struct desk *desk = ticket;
    desk->answers++;
    desk->error = error;
    assert_int_equal(error == ERROR_OK, object != NULL);
    if (object)
        text_copy_to(object->provider, desk->provider, sizeof(desk->provider));
    if (desk->answers == desk->wanted)
        loop_stop(desk->loop);
}

static void find(struct desk *desk, struct text id)
{
    desk->wanted = desk->answers + 1;
    control_find_object(desk->control, desk->loop, id, on_answer, desk);
    loop_run(desk->loop);
}

static void write_object(struct desk *desk, struct text id)
{
    struct journal *journal = ledger_journal(desk->ledger, 0);
    struct journal_reservation reservation = {0};
    const struct object object = {.id = id,
                                  .provider = TEXT("up"),
                                  .team = TEXT("t"),
                                  .kind = TEXT("/files"),
                                  .created_at = 1};
    struct record record = fixture_record(identifier_make(1));
    assert_int_equal(journal_reserve(journal, &reservation, 1), ERROR_OK);
    assert_int_equal(journal_write_object(journal, &reservation, &object), ERROR_OK);
    journal_write_end(journal, &reservation, &record);
}

static void test_find_object(void **state)
{
    struct desk desk;
    char longest[OBJECT_ID_MAX + 1];
    memset(longest, 'x', sizeof(longest));
    open_desk(&desk, state);
    find(&desk, TEXT("file-1"));
    assert_int_not_equal(desk.error, ERROR_OK);
    write_object(&desk, TEXT("file-1"));
    find(&desk, TEXT("file-1"));
    assert_int_equal(desk.error, ERROR_OK);
    assert_string_equal(desk.provider, "up");
    find(&desk, text_of(longest, sizeof(longest)));
    assert_int_equal(desk.error, ERROR_NOT_FOUND);
    find(&desk, text_of(longest, OBJECT_ID_MAX));
    assert_int_not_equal(desk.error, ERROR_OK);
    close_desk(&desk);
}

/* Nobody waits for these any more; each is answered nevertheless, once. */
static void test_stop_with_look_ups_on_their_way(void **state)
{
    struct desk desk;
    open_desk(&desk, state);
    for (unsigned i = 0; i < 100; i++)
        control_find_object(desk.control, desk.loop, TEXT("file-1"), on_answer, &desk);
    close_desk(&desk);
    assert_int_equal(desk.answers, 100);
}

static void test_facts(void **state)
{
    struct desk desk;
    struct buffer page;
    const struct control_config_facts facts = {
        .generation = 3, .loaded_at = 5 * NANOSECONDS_PER_SECOND, .loads = 2, .refused = 7};
    open_desk(&desk, state);
    control_set_config_facts(desk.control, &facts);
    find(&desk, TEXT("file-1")); /* in order of posting: the facts are in */
    buffer_open(&page, METRICS_PAGE_MAX);
    assert_true(metrics_write(desk.metrics, &page));
    buffer_append_char(&page, '\0');
    assert_non_null(strstr(page.data, "config"));
    assert_non_null(strstr(page.data, "result=\"failure\"} 7\n"));
    assert_non_null(strstr(page.data, "result=\"success\"} 2\n"));
    buffer_close(&page);
    close_desk(&desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_find_object, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_stop_with_look_ups_on_their_way, fixture_set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_facts, fixture_set_up, fixture_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
