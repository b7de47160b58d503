/* Alerts without their thread, so that the test turns the clock: a ledger in trouble, and a store
 * that takes nothing for longer. */
#include "../ledger/fixture.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include "config/load.h"
#include "control/alerts_parts.h"
#include "store/outbox.h"

/* All of struct alerts but the thread. */
static void open_desk(struct alerts *alerts, const char *data, struct ledger *ledger)
{
    *alerts = (struct alerts){.ledger = ledger};
    pthread_mutex_init(&alerts->lock, NULL);
    alerts->queue_end = &alerts->queue;
    (void)snprintf(alerts->store_path, sizeof(alerts->store_path), "%s/%s", data, STORE_FILE);
    assert_int_equal(webhook_sender_create(alert_delivery_ended, alerts, &alerts->sender),
                     ERROR_OK);
}

static void close_desk(struct alerts *alerts)
{
    webhook_sender_destroy(alerts->sender);
    while (alerts->pending) {
        struct pending_alert *next = alerts->pending->next;
        alerts_free_pending(alerts, alerts->pending);
        alerts->pending = next;
    }
    alert_delivery_close(alerts);
    alert_outbox_close(alerts);
    pthread_mutex_destroy(&alerts->lock);
}

/* What the thread does first. */
static void take_queue(struct alerts *alerts)
{
    assert_null(alerts->pending);
    alerts->pending = alerts->queue;
    alerts->queue = NULL;
    alerts->queue_end = &alerts->queue;
}

static void configure(struct alerts *alerts, unsigned port)
{
    char yaml[512];
    struct config_problems problems;
    struct config *config;

    (void)snprintf(yaml, sizeof(yaml),
                   "listeners: {main: {address: \"127.0.0.1:8080\"}}\n"
                   "providers: {demo: {type: demo}}\n"
                   "models: {\"*\": {targets: [{provider: demo}]}}\n"
                   "webhooks: {default: {url: \"http://127.0.0.1:%u/\"}}\n",
                   port);
    config_problems_open(&problems);
    assert_int_equal(config_load_text(TEXT("test"), text_from(yaml), &config, &problems), ERROR_OK);
    config_problems_close(&problems);
    alert_delivery_configure(alerts, config);
}

/* ---- the ledger ---- */

#define SECOND NANOSECONDS_PER_SECOND

struct told {
    unsigned counts[ALERT_KIND_COUNT];
};

static struct told look(struct alerts *alerts, bool accepting, bool working, uint64_t now)
{
    const struct ledger_counters counters = {
        .accepting = accepting, .store_working = working, .records_waiting = 7};
    struct told told = {0};

    alert_watch_ledger(alerts, &counters, now);
    for (struct pending_alert *next = alerts->queue; next; next = next->next) {
        told.counts[next->kind]++;
        assert_non_null(strstr(next->body, "\"waiting_records\":7"));
    }
    return told;
}

static void test_ledger_in_trouble(void **state)
{
    struct fixture *fixture = *state;
    struct alerts alerts;

    open_desk(&alerts, fixture->data, NULL);
    (void)look(&alerts, false, true, 100 * SECOND);
    (void)look(&alerts, true, true, 103 * SECOND); /* it did not last */
    (void)look(&alerts, false, true, 104 * SECOND);
    assert_null(alerts.queue);
    (void)look(&alerts, false, false, 109 * SECOND);
    struct told told = look(&alerts, false, false, 168 * SECOND);
    assert_int_equal(told.counts[ALERT_LEDGER_FULL], 1);
    assert_int_equal(told.counts[ALERT_STORE_FAILING], 0);
    told = look(&alerts, false, false, 169 * SECOND);
    assert_int_equal(told.counts[ALERT_STORE_FAILING], 1);
    told = look(&alerts, true, false, 999 * SECOND);
    assert_int_equal(told.counts[ALERT_LEDGER_FULL], 1);
    assert_int_equal(told.counts[ALERT_LEDGER_READY], 1);
    assert_int_equal(told.counts[ALERT_STORE_READY], 0);
    (void)look(&alerts, true, true, 1000 * SECOND);
    told = look(&alerts, true, true, 1001 * SECOND);
    assert_int_equal(told.counts[ALERT_LEDGER_READY], 1);
    assert_int_equal(told.counts[ALERT_STORE_FAILING], 1);
    assert_int_equal(told.counts[ALERT_STORE_READY], 1);
    take_queue(&alerts);
    close_desk(&alerts);
}

/* ---- the store ---- */

static int listen_somewhere(unsigned *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(listener, 4), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    *port = ntohs(address.sin_port);
    return listener;
}

static void take_message(struct alerts *alerts, int listener)
{
    static const char answer[] = "HTTP/1.1 204 No\r\nConnection: close\r\n\r\n";
    char request[4096];

    webhook_turn(alerts->sender, 100); /* it connects */
    int connection = accept(listener, NULL, NULL);
    webhook_turn(alerts->sender, 100);
    assert_true(read(connection, request, sizeof(request)) > 0);
    assert_int_equal(write(connection, answer, sizeof(answer) - 1), sizeof(answer) - 1);
    close(connection);
    for (unsigned i = 0; i < 100 && !alerts->deliveries->ended; i++)
        webhook_turn(alerts->sender, 10);
    assert_true(alerts->deliveries->outcome.delivered);
}

static void take_row(void *context, const struct outbox_message *message)
{
    uint64_t *delivered_at = context;

    *delivered_at = message->delivered_at;
}

static void test_sent_from_memory(void **state)
{
    struct fixture *fixture = *state;
    struct alerts alerts;
    uint64_t delivered_at = 0;
    unsigned port;
    int listener = listen_somewhere(&port);
    const struct alert alert = {
        .kind = ALERT_TEST, .subject = TEXT("one"), .message = TEXT("it is tried out")};

    open_desk(&alerts, "/nowhere", NULL);
    configure(&alerts, port);
    alerts_raise(&alerts, &alert);
    take_queue(&alerts);
    alert_outbox_keep(&alerts);
    alert_delivery_step(&alerts);
    assert_null(alerts.deliveries); /* the store has some time yet */
    assert_int_equal(alerts.counters.told[ALERT_TEST], 0);
    alerts.pending->queued_at = clock_monotonic() - ALERTS_STORE_PATIENCE - 1;
    alert_delivery_step(&alerts);
    assert_non_null(alerts.deliveries);
    assert_int_equal(alerts.counters.told[ALERT_TEST], 1);
    take_message(&alerts, listener);
    alert_delivery_step(&alerts);
    assert_null(alerts.deliveries);
    assert_true(alerts.pending->delivered_at > 0);
    alert_delivery_step(&alerts); /* once */
    assert_null(alerts.deliveries);

    (void)snprintf(alerts.store_path, sizeof(alerts.store_path), "%s/%s", fixture->data,
                   STORE_FILE);
    alerts.open_after = 0;
    alert_outbox_keep(&alerts);
    assert_null(alerts.pending);
    assert_int_equal(outbox_list(alerts.store, 1, take_row, &delivered_at), ERROR_OK);
    assert_true(delivered_at > 0);
    alert_delivery_step(&alerts);
    assert_null(alerts.deliveries);
    assert_int_equal(alerts.counters.told[ALERT_TEST], 1);
    assert_int_equal(alerts.queued, 0);
    close_desk(&alerts);
    close(listener);
}

/* More than fit are lost, counted, and said once. */
static void test_queue_has_an_end(void **state)
{
    struct fixture *fixture = *state;
    struct alerts alerts;
    const struct alert alert = {
        .kind = ALERT_TEST, .subject = TEXT("one"), .message = TEXT("it is tried out")};

    open_desk(&alerts, fixture->data, NULL);
    alerts.queued = ALERTS_QUEUE_MAX - 1;
    for (unsigned i = 0; i < 3; i++)
        alerts_raise(&alerts, &alert);
    assert_int_equal(alerts.counters.dropped, 2);
    assert_true(alerts.dropping);
    take_queue(&alerts);
    assert_null(alerts.pending->next);
    close_desk(&alerts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ledger_in_trouble, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_sent_from_memory, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_queue_has_an_end, fixture_set_up, fixture_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
