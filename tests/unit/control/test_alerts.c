/* Alerts from raising to a receiver that listens on this machine: the same alert twice,
 * who gets what, failures, budgets, models without a price. (Receivers that hang, redirect or come
 * back: tests/e2e/test_alerts.py.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/note.h"
#include "base/number.h"
#include "config/load.h"
#include "control/alerts_parts.h"
#include "store/budgets.h"
#include "store/outbox.h"
#include "store/rollup.h"

static void test_pauses(void **state)
{
    uint64_t total = 0;
    unsigned attempts = 0;

    assert_in_range(alert_delivery_pause(1, 0), ALERTS_PAUSE_FIRST * 4 / 5, ALERTS_PAUSE_FIRST);
    for (uint64_t random = 0; random < 1000; random++)
        assert_in_range(alert_delivery_pause(3, random * 7919777ull),
                        ALERTS_PAUSE_FIRST * 9 * 4 / 5, ALERTS_PAUSE_FIRST * 9 * 6 / 5);
    assert_in_range(alert_delivery_pause(1000, UINT64_MAX), ALERTS_PAUSE_MAX * 4 / 5,
                    ALERTS_PAUSE_MAX * 6 / 5);
    while (total < ALERTS_PATIENCE)
        total += alert_delivery_pause(++attempts, 0);
    assert_in_range(attempts, 15, 40);
}

/* ------------------------------------------------------------------ a receiver */

#define SCRIPT_MAX 8

/* Answers one request a connection; the last status of the script stays. */
struct receiver_server {
    int listener;
    unsigned port;
    pthread_t thread;
    pthread_mutex_t lock;
    const char *answers[SCRIPT_MAX];
    unsigned requests;
    char last[8192]; /* the request as it came */
};

static bool is_whole(const char *request)
{
    const char *end = strstr(request, "\r\n\r\n"), *length = strstr(request, "Content-Length: ");
    uint64_t wanted = 0;

    if (!end || !length)
        return false;
    struct text digits = text_from(length + 16);
    return number_parse_unsigned(text_first(digits, (size_t)text_find_char(digits, '\r')),
                                 &wanted) &&
           strlen(end + 4) >= wanted;
}

static void answer_one(struct receiver_server *server, int connection)
{
    char request[8192] = "";
    size_t length = 0;
    ssize_t got;

    while (!is_whole(request) && length + 1 < sizeof(request)) {
        got = read(connection, request + length, sizeof(request) - 1 - length);
        if (got <= 0)
            return;
        length += (size_t)got;
        request[length] = 0;
    }
    pthread_mutex_lock(&server->lock);
    unsigned turn = server->requests++;
    while (turn > 0 && (turn >= SCRIPT_MAX || !server->answers[turn]))
        turn--;
    memcpy(server->last, request, sizeof(request));
    const char *answer = server->answers[turn];
    pthread_mutex_unlock(&server->lock);
    assert_int_equal(write(connection, answer, strlen(answer)), strlen(answer));
}

static void *serve_receiver(void *context)
{
    struct receiver_server *server = context;
    int connection;

    while ((connection = accept(server->listener, NULL, NULL)) >= 0) {
        answer_one(server, connection);
        close(connection);
    }
    return NULL;
}

#define ANSWER(status, fields) \
    "HTTP/1.1 " status "\r\nConnection: close\r\nContent-Length: 0\r\n" fields "\r\n"
#define TAKEN ANSWER("200 OK", "")

static void server_open(struct receiver_server *server, const char *first, const char *second)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);

    *server = (struct receiver_server){.answers = {first, second}};
    pthread_mutex_init(&server->lock, NULL);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(server->listener, 16), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &size), 0);
    server->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&server->thread, NULL, serve_receiver, server), 0);
}

static void server_close(struct receiver_server *server)
{
    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->listener);
}

static unsigned server_count(struct receiver_server *server)
{
    pthread_mutex_lock(&server->lock);
    unsigned requests = server->requests;
    pthread_mutex_unlock(&server->lock);
    return requests;
}

/* ------------------------------------------------------------------ a desk */

#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

static char data[64], store_path[96];
static char notes[65536];
static pthread_mutex_t notes_lock = PTHREAD_MUTEX_INITIALIZER;

static void keep_note(enum note_level level, const char *line)
{
    pthread_mutex_lock(&notes_lock);
    size_t used = strlen(notes);
    (void)snprintf(notes + used, sizeof(notes) - used, "%s\n", line);
    pthread_mutex_unlock(&notes_lock);
}

static unsigned count_notes(const char *words)
{
    unsigned count = 0;

    pthread_mutex_lock(&notes_lock);
    for (const char *at = notes; (at = strstr(at, words)) != NULL; at++)
        count++;
    pthread_mutex_unlock(&notes_lock);
    return count;
}

static int set_up(void **state)
{
    (void)snprintf(data, sizeof(data), "/tmp/turnpike-alerts-XXXXXX");
    if (!mkdtemp(data))
        return 1;
    (void)snprintf(store_path, sizeof(store_path), "%s/%s", data, STORE_FILE);
    notes[0] = 0;
    note_set_sink(keep_note);
    setenv("ALERTS_SECRET", SECRET, 1);
    unsetenv("http_proxy");
    unsetenv("HTTP_PROXY");
    return 0;
}

static int tear_down(void **state)
{
    static const char *const endings[] = {"", "-wal", "-shm"};

    for (size_t i = 0; i < ARRAY_LENGTH(endings); i++) {
        char path[128];
        (void)snprintf(path, sizeof(path), "%s%s", store_path, endings[i]);
        unlink(path);
    }
    return rmdir(data);
}

static struct alerts *start(void)
{
    struct alerts *alerts;
    const struct alerts_settings settings = {.data = data};

    assert_int_equal(alerts_start(&settings, &alerts), ERROR_OK);
    return alerts;
}

/* `webhooks`: its YAML, or NULL. */
static void configure(struct alerts *alerts, const char *webhooks)
{
    char yaml[2048];
    struct config_problems problems;
    struct config *config;

    (void)snprintf(yaml, sizeof(yaml),
                   "listeners: {main: {address: \"127.0.0.1:8080\"}}\n"
                   "providers: {demo: {type: demo}}\n"
                   "models: {\"*\": {targets: [{provider: demo}]}}\n%s%s\n",
                   webhooks ? "webhooks: " : "", webhooks ? webhooks : "");
    config_problems_open(&problems);
    assert_int_equal(config_load_text(TEXT("test"), text_from(yaml), &config, &problems), ERROR_OK);
    config_problems_close(&problems);
    alerts_configure(alerts, config);
    config_release(config);
}

static void configure_port(struct alerts *alerts, const char *name, unsigned port)
{
    char webhooks[256];

    (void)snprintf(webhooks, sizeof(webhooks),
                   "{%s: {url: \"http://127.0.0.1:%u/hook?token=hidden\", secret: "
                   "\"env:ALERTS_SECRET\"}}",
                   name, port);
    configure(alerts, webhooks);
}

/* A port that nobody listens on. */
static unsigned closed_port(void)
{
    struct receiver_server server;

    server_open(&server, TAKEN, NULL);
    server_close(&server);
    return server.port;
}

static void raise(struct alerts *alerts, const char *subject, const char *webhook)
{
    const struct alert_fact facts[] = {{"reason", TEXT("because"), false},
                                       {"count", TEXT("3"), true}};
    const struct alert alert = {
        .kind = ALERT_TEST,
        .subject = text_from(subject),
        .webhook = text_from(webhook),
        .message = TEXT("it is \"tried\" out"),
        .facts = facts,
        .fact_count = ARRAY_LENGTH(facts),
    };

    alerts_raise(alerts, &alert);
}

struct row {
    char id[1024], url[128], problem[1024], body[4096];
    int64_t attempts;
    uint64_t created_at, next_at, delivered_at;
    unsigned count;
};

static void take_row(void *context, const struct outbox_message *message)
{
    struct row *row = context;

    (void)text_copy_to(message->id, row->id, sizeof(row->id));
    (void)text_copy_to(message->url, row->url, sizeof(row->url));
    (void)text_copy_to(message->problem, row->problem, sizeof(row->problem));
    (void)text_copy_to(message->body, row->body, sizeof(row->body));
    row->attempts = message->attempts;
    row->created_at = message->created_at;
    row->next_at = message->next_at;
    row->delivered_at = message->delivered_at;
    row->count++;
}

/* The oldest row, and how many there are. */
static struct row read_rows(void)
{
    char problem[STORE_PROBLEM_SIZE];
    struct row row = {.count = 0};
    struct store *store;

    if (store_open(store_path, STORE_READ, 1000, &store, problem) != ERROR_OK)
        return row;
    assert_int_equal(outbox_list(store, 1000, take_row, &row), ERROR_OK);
    store_close(store);
    return row;
}

static struct store *open_store(void)
{
    char problem[STORE_PROBLEM_SIZE];
    struct store *store;

    assert_int_equal(store_open(store_path, STORE_WRITE, 1000, &store, problem), ERROR_OK);
    return store;
}

#define WAIT_FOR(condition)                    \
    do {                                       \
        unsigned turns = 0;                    \
        while (!(condition)) {                 \
            assert_in_range(++turns, 0, 1000); \
            (void)usleep(10000);               \
        }                                      \
    } while (0)

/* ------------------------------------------------------------------ sending */

static struct text field(const char *request, const char *name)
{
    const char *at = strcasestr(request, name);

    assert_non_null(at);
    struct text rest = text_from(at + strlen(name) + 2);
    return text_first(rest, (size_t)text_find_char(rest, '\r'));
}

static void test_delivery(void **state)
{
    struct receiver_server server;
    char signature[WEBHOOK_SIGNATURE_SIZE], id[WEBHOOK_ID_SIZE];
    uint64_t timestamp;

    server_open(&server, TAKEN, NULL);
    struct alerts *alerts = start();
    configure_port(alerts, "default", server.port);
    raise(alerts, "first", "");
    WAIT_FOR(read_rows().delivered_at > 0);
    assert_int_equal(server_count(&server), 1);
    struct row row = read_rows();
    assert_string_equal(row.id, "alert.test first");
    assert_string_equal(row.url, "default");
    assert_int_equal(row.attempts, 1);
    assert_non_null(strstr(server.last, "POST /hook?token=hidden HTTP/1.1\r\n"));
    assert_non_null(strstr(server.last, "Content-Type: application/json\r\n"));
    const char *body = strstr(server.last, "\r\n\r\n") + 4;
    assert_string_equal(body, row.body);
    assert_non_null(strstr(body, "{\"type\":\"alert.test\",\"timestamp\":\"20"));
    assert_non_null(strstr(body, "\"text\":\"it is \\\"tried\\\" out\",\"data\":"
                                 "{\"reason\":\"because\",\"count\":3}}"));
    webhook_make_id(text_from(row.id), row.created_at, id);
    assert_true(text_equal(field(server.last, "webhook-id"), text_from(id)));
    assert_true(number_parse_unsigned(field(server.last, "webhook-timestamp"), &timestamp));
    assert_in_range(clock_wall() / NANOSECONDS_PER_SECOND - timestamp, 0, 30);
    assert_true(webhook_sign(TEXT(SECRET), text_from(id), timestamp, text_from(body), signature));
    assert_true(text_equal(field(server.last, "webhook-signature"), text_from(signature)));
    assert_int_equal(count_notes("it is \"tried\" out"), 1);
    assert_int_equal(count_notes("hidden"), 0);
    alerts_stop(alerts);
    server_close(&server);
}

static void test_the_same_alert_again(void **state)
{
    struct receiver_server server;

    server_open(&server, TAKEN, NULL);
    for (unsigned process = 0; process < 2; process++) {
        struct alerts *alerts = start();
        configure_port(alerts, "default", server.port);
        raise(alerts, "once", "");
        raise(alerts, "once", "");
        raise(alerts, process == 0 ? "other" : "once", "");
        WAIT_FOR(server_count(&server) == 2);
        alerts_stop(alerts);
    }
    assert_int_equal(server_count(&server), 2);
    assert_int_equal(read_rows().count, 2);
    assert_int_equal(count_notes("it is \"tried\" out"), 2);
    server_close(&server);
}

static void test_failures_are_tried_again(void **state)
{
    struct receiver_server server;
    char first_id[64];

    server_open(&server, ANSWER("500 No", ""), TAKEN);
    struct alerts *alerts = start();
    configure_port(alerts, "default", server.port);
    raise(alerts, "again", "");
    WAIT_FOR(read_rows().attempts == 1);
    struct row row = read_rows();
    assert_true(row.next_at > clock_wall() && row.delivered_at == 0);
    assert_non_null(strstr(row.problem, "answered 500"));
    assert_null(strstr(row.problem, "hidden"));
    (void)text_copy_to(field(server.last, "webhook-id"), first_id, sizeof(first_id));
    WAIT_FOR(read_rows().delivered_at > 0);
    assert_int_equal(server_count(&server), 2);
    assert_true(text_equal(field(server.last, "webhook-id"), text_from(first_id)));
    assert_int_equal(count_notes("did not take"), 1);
    assert_int_equal(count_notes("has taken"), 1);
    alerts_stop(alerts);
    server_close(&server);
}

static void test_retry_after(void **state)
{
    struct receiver_server server;

    server_open(&server, ANSWER("429 Slow", "Retry-After: 3600\r\n"), NULL);
    struct alerts *alerts = start();
    configure_port(alerts, "default", server.port);
    raise(alerts, "later", "");
    WAIT_FOR(read_rows().attempts == 1);
    assert_in_range((read_rows().next_at - clock_wall()) / NANOSECONDS_PER_SECOND, 3500, 3600);
    raise(alerts, "also later", ""); /* the receiver is left alone */
    WAIT_FOR(read_rows().count == 2);
    (void)usleep(1500000);
    assert_int_equal(server_count(&server), 1);
    alerts_stop(alerts);
    server_close(&server);
}

static void test_gone(void **state)
{
    struct receiver_server server;

    server_open(&server, ANSWER("410 Gone", ""), TAKEN);
    struct alerts *alerts = start();
    configure_port(alerts, "default", server.port);
    raise(alerts, "one", "");
    WAIT_FOR(count_notes("has answered 410") > 0);
    raise(alerts, "two", "");
    WAIT_FOR(count_notes("gave up") == 2);
    assert_int_equal(server_count(&server), 1);
    assert_int_equal(read_rows().next_at, 0);
    configure_port(alerts, "default", server.port); /* loaded again: it may have come back */
    raise(alerts, "three", "");
    WAIT_FOR(server_count(&server) == 2);
    alerts_stop(alerts);
    server_close(&server);
}

static void test_a_redirect_is_a_failure(void **state)
{
    struct receiver_server server;

    server_open(&server, ANSWER("302 Found", "Location: http://127.0.0.1:1/\r\n"), TAKEN);
    struct alerts *alerts = start();
    configure_port(alerts, "default", server.port);
    raise(alerts, "one", "");
    WAIT_FOR(read_rows().attempts == 1);
    assert_non_null(strstr(read_rows().problem, "redirect"));
    alerts_stop(alerts);
    server_close(&server);
}

static void test_nobody_listens(void **state)
{
    unsigned port = closed_port();
    struct alerts *alerts = start();

    configure_port(alerts, "default", port);
    raise(alerts, "one", "");
    WAIT_FOR(read_rows().attempts > 0);
    assert_non_null(strstr(read_rows().problem, "http://127.0.0.1:"));
    assert_null(strstr(read_rows().problem, "hidden"));
    assert_true(read_rows().next_at > 0);
    alerts_stop(alerts);
    assert_int_equal(count_notes("hidden"), 0);
}

/* Nothing is sent before the configuration; what is left goes to the store, and the next process
 * sends it. */
static void test_what_is_left_is_sent_by_the_next(void **state)
{
    struct receiver_server server;

    server_open(&server, TAKEN, NULL);
    struct alerts *alerts = start();
    raise(alerts, "left", "");
    alerts_stop(alerts);
    assert_int_equal(read_rows().count, 1);
    assert_int_equal(server_count(&server), 0);
    alerts = start();
    configure_port(alerts, "default", server.port);
    WAIT_FOR(read_rows().delivered_at > 0);
    alerts_stop(alerts);
    server_close(&server);
}

static void test_without_webhooks(void **state)
{
    struct alerts *alerts = start();

    configure(alerts, NULL);
    raise(alerts, "one", "");
    WAIT_FOR(count_notes("it is \"tried\" out") == 1);
    WAIT_FOR(read_rows().count == 1);
    assert_int_equal(read_rows().next_at, 0);
    assert_int_equal(read_rows().attempts, 0);
    alerts_stop(alerts);
}

static void test_an_unknown_webhook_falls_back(void **state)
{
    struct receiver_server server;

    server_open(&server, TAKEN, NULL);
    struct alerts *alerts = start();
    configure_port(alerts, "default", server.port);
    raise(alerts, "one", "nowhere");
    raise(alerts, "two", "nowhere");
    WAIT_FOR(server_count(&server) == 2);
    assert_int_equal(count_notes("has no webhook nowhere"), 1);
    alerts_stop(alerts);
    server_close(&server);
}

static void test_a_webhook_is_taken_away(void **state)
{
    unsigned port = closed_port();
    struct alerts *alerts = start();

    configure_port(alerts, "default", port);
    raise(alerts, "one", "");
    WAIT_FOR(read_rows().attempts > 0);
    configure(alerts, NULL);
    WAIT_FOR(read_rows().next_at == 0);
    assert_non_null(strstr(read_rows().problem, "neither"));
    alerts_stop(alerts);
}

static void test_a_store_that_is_locked(void **state)
{
    struct receiver_server server;
    struct store *store = open_store();

    server_open(&server, TAKEN, NULL);
    struct alerts *alerts = start();
    configure_port(alerts, "default", server.port);
    assert_int_equal(store_begin(store), ERROR_OK); /* the writer's lock */
    raise(alerts, "one", "");
    (void)usleep(1500000);
    assert_int_equal(server_count(&server), 0);
    store_roll_back(store);
    WAIT_FOR(read_rows().delivered_at > 0);
    assert_int_equal(server_count(&server), 1);
    alerts_stop(alerts);
    store_close(store);
    server_close(&server);
}

static void test_large_alerts_are_cut(void **state)
{
    static char large[3 * ALERTS_BODY_MAX];
    struct alerts *alerts = start();

    memset(large, 1, sizeof(large) - 1); /* each is six bytes of JSON */
    const struct alert_fact facts[] = {{"x", text_from(large), false}};
    const struct alert alert = {
        .kind = ALERT_TEST,
        .subject = text_from(large),
        .message = text_from(large),
        .facts = facts,
        .fact_count = 1,
    };
    alerts_raise(alerts, &alert);
    alerts_stop(alerts);
    assert_int_equal(read_rows().count, 1);
    assert_true(strlen(read_rows().id) < 600);
}

/* ------------------------------------------------------------------ budgets */

static const uint16_t thresholds[] = {50, 100};
static const struct policy_budget team_budget = {
    .id = TEXT_INIT("bud_000000000001"),
    .name = TEXT_INIT("dev"),
    .subject = {.scope = POLICY_TEAM, .name = TEXT_INIT("alpha")},
    .cap = 10 * MONEY_DOLLAR,
    .period = PERIOD_MONTH,
    .thresholds = thresholds,
    .threshold_count = 2,
};

static struct policy_budget_state state_of(const struct policy_budget *budget)
{
    return (struct policy_budget_state){
        .budget = budget,
        .cap = budget->cap,
        .spent = 8 * MONEY_DOLLAR,
        .start = 1793491200ull * NANOSECONDS_PER_SECOND, /* 2026-11-01 */
        .end = 1796083200ull * NANOSECONDS_PER_SECOND,
        .complete = true,
    };
}

static void test_budgets(void **state)
{
    struct receiver_server server;
    struct store *store = open_store();
    const struct stored_budget row = {
        .id = team_budget.id,
        .scope_kind = TEXT("team"),
        .scope_value = TEXT("alpha"),
        .amount = TEXT("10"),
        .period = TEXT("month"),
        .timezone = TEXT("UTC"),
        .mode = TEXT("enforce"),
        .webhook = TEXT("finance"),
    };
    assert_int_equal(budgets_insert(store, &row), ERROR_OK);
    store_close(store);
    server_open(&server, TAKEN, NULL);
    struct alerts *alerts = start();
    configure_port(alerts, "finance", server.port);
    const struct policy_budget_state crossing = state_of(&team_budget);
    alerts_take_crossing(alerts, &crossing, 50);
    WAIT_FOR(read_rows().delivered_at > 0);
    struct row found = read_rows();
    assert_string_equal(found.url, "finance");
    assert_string_equal(found.id, "budget.threshold bud_000000000001 2026-11-01T00:00:00.000000Z "
                                  "10.000000000000 50");
    assert_non_null(strstr(found.body, "\"type\":\"budget.threshold\""));
    assert_non_null(strstr(found.body, "\"team\":\"alpha\",\"percent\":50,\"spent\":"
                                       "\"8.000000000000\",\"amount\":\"10.000000000000\","
                                       "\"left\":\"2.000000000000\",\"currency\":\"USD\""));
    assert_non_null(strstr(found.body, "\"resets_at\":\"2026-12-01T00:00:00.000000Z\""));
    alerts_take_crossing(alerts, &crossing, 50); /* as another process would */
    alerts_take_crossing(alerts, &crossing, 100);
    WAIT_FOR(server_count(&server) == 2);
    assert_non_null(strstr(server.last, "\"type\":\"budget.exhausted\""));
    alerts_stop(alerts);
    assert_int_equal(server_count(&server), 2);
    server_close(&server);
}

static void test_what_makes_a_budget_alert_one(void **state)
{
    struct policy_budget budget = team_budget;
    struct policy_budget_state crossing = state_of(&budget);
    char one[ALERT_SUBJECT_MAX], other[ALERT_SUBJECT_MAX];
    uint64_t noon = (1793491200ull + 43200) * NANOSECONDS_PER_SECOND;

    alert_budget_subject(&crossing, 50, noon, one);
    crossing.cap *= 2; /* raised: its half is another moment */
    alert_budget_subject(&crossing, 50, noon, other);
    assert_string_not_equal(one, other);
    budget.period = PERIOD_LIFETIME;
    alert_budget_subject(&crossing, 50, noon, one);
    assert_non_null(strstr(one, " lifetime "));
    budget.period = PERIOD_ROLLING;
    budget.rolling = 30ull * 24 * 3600 * NANOSECONDS_PER_SECOND;
    alert_budget_subject(&crossing, 50, noon, one);
    crossing.start += 900 * NANOSECONDS_PER_SECOND; /* its oldest bucket moves on */
    alert_budget_subject(&crossing, 50, noon + 3600 * NANOSECONDS_PER_SECOND, other);
    assert_string_equal(one, other);
    alert_budget_subject(&crossing, 50, noon + 13 * 3600 * NANOSECONDS_PER_SECOND, other);
    assert_string_not_equal(one, other);
}

/* ------------------------------------------------------------------ models without a price */

static void add_call(struct store *store, const char *model, const char *cost_state)
{
    struct rollup *rollup;
    int64_t series;
    struct rollup_call call = {
        .key_id = TEXT("key_000000000001"),
        .model = TEXT("fast"),
        .target_model = text_from(model),
        .provider = TEXT("up"),
        .started_at = clock_wall(),
        .outcome = RECORD_OUTCOME_SERVED,
        .cost_state = text_from(cost_state),
        .call_count = 1,
    };

    assert_int_equal(rollup_create(store, &rollup), ERROR_OK);
    assert_int_equal(store_begin(store), ERROR_OK);
    assert_int_equal(rollup_series(rollup, &call, &series), ERROR_OK);
    assert_int_equal(rollup_add(rollup, series, &call), ERROR_OK);
    assert_int_equal(rollup_flush(rollup), ERROR_OK);
    assert_int_equal(store_commit(store), ERROR_OK);
    rollup_destroy(rollup);
}

static void test_models_without_a_price(void **state)
{
    struct receiver_server server;
    struct store *store = open_store();

    add_call(store, "gpt-new", "unpriced");
    add_call(store, "gpt-new", "unpriced");
    add_call(store, "gpt-old", "priced");
    store_close(store);
    server_open(&server, TAKEN, NULL);
    for (unsigned process = 0; process < 2; process++) {
        struct alerts *alerts = start();
        configure_port(alerts, "default", server.port);
        WAIT_FOR(server_count(&server) == 1);
        (void)usleep(200000);
        alerts_stop(alerts);
    }
    assert_int_equal(server_count(&server), 1);
    assert_non_null(strstr(server.last, "\"type\":\"model.unpriced\""));
    assert_non_null(strstr(server.last, "\"provider\":\"up\",\"model\":\"gpt-new\",\"day\":\""));
    assert_non_null(strstr(server.last, "\"calls\":2"));
    server_close(&server);
}

/* ------------------------------------------------------------------ the outbox's memory */

static void test_what_is_forgotten(void **state)
{
    struct store *store = open_store();
    static const struct outbox_message messages[] = {
        {.id = TEXT_INIT("old"), .created_at = 10, .next_at = 0},
        {.id = TEXT_INIT("lifetime old"), .created_at = 10, .next_at = 0},
        {.id = TEXT_INIT("waiting"), .created_at = 10, .next_at = 10},
        {.id = TEXT_INIT("new"), .created_at = 30, .next_at = 0},
    };
    struct row row = {.count = 0};
    uint64_t waiting;
    bool added;

    for (size_t i = 0; i < ARRAY_LENGTH(messages); i++)
        assert_int_equal(outbox_add(store, &messages[i], &added), ERROR_OK);
    assert_int_equal(outbox_count_waiting(store, &waiting), ERROR_OK);
    assert_int_equal(waiting, 1);
    assert_int_equal(outbox_forget(store, 20, TEXT(ALERTS_LIFETIME_PREFIX)), ERROR_OK);
    assert_int_equal(outbox_list(store, 10, take_row, &row), ERROR_OK);
    assert_int_equal(row.count, 3);
    store_close(store);
}

static void test_each_receiver_has_its_turn(void **state)
{
    struct store *store = open_store();
    static const struct outbox_message messages[] = {
        {.id = TEXT_INIT("a2"), .url = TEXT_INIT("a"), .created_at = 1, .next_at = 12},
        {.id = TEXT_INIT("a1"), .url = TEXT_INIT("a"), .created_at = 1, .next_at = 11},
        {.id = TEXT_INIT("b1"), .url = TEXT_INIT("b"), .created_at = 1, .next_at = 13},
        {.id = TEXT_INIT("c1"), .url = TEXT_INIT("c"), .created_at = 1, .next_at = 99},
    };
    struct row row = {.count = 0};
    bool added;

    for (size_t i = 0; i < ARRAY_LENGTH(messages); i++)
        assert_int_equal(outbox_add(store, &messages[i], &added), ERROR_OK);
    assert_int_equal(outbox_due(store, 11, take_row, &row), ERROR_OK);
    assert_string_equal(row.id, "a1");
    assert_int_equal(row.count, 1);
    assert_int_equal(outbox_due(store, 20, take_row, &row), ERROR_OK);
    assert_int_equal(row.count, 3);
    store_close(store);
}

static void test_metrics(void **state)
{
    struct metrics *metrics = metrics_create(1);
    struct receiver_server server;
    struct buffer page;

    server_open(&server, TAKEN, NULL);
    struct alerts *alerts = start();
    configure_port(alerts, "default", server.port);
    raise(alerts, "one", "");
    WAIT_FOR(read_rows().delivered_at > 0);
    (void)usleep(100000);
    alerts_write_metrics(alerts, metrics_process(metrics));
    buffer_open(&page, METRICS_PAGE_MAX);
    assert_true(metrics_write(metrics, &page));
    assert_true(buffer_append_char(&page, 0));
    assert_non_null(strstr(page.data, "turnpike_alerts_total{type=\"alert.test\"} 1\n"));
    assert_non_null(strstr(page.data, "turnpike_alerts_total{type=\"budget.exhausted\"} 0\n"));
    assert_non_null(strstr(page.data, "turnpike_alert_deliveries_total{result=\"delivered\"} 1\n"));
    assert_non_null(strstr(page.data, "turnpike_alerts_dropped_total 0\n"));
    buffer_close(&page);
    alerts_stop(alerts);
    metrics_destroy(metrics);
    server_close(&server);
}

int main(void)
{
#define ON_A_DESK(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pauses),
        cmocka_unit_test(test_what_makes_a_budget_alert_one),
        ON_A_DESK(test_delivery),
        ON_A_DESK(test_the_same_alert_again),
        ON_A_DESK(test_failures_are_tried_again),
        ON_A_DESK(test_retry_after),
        ON_A_DESK(test_gone),
        ON_A_DESK(test_a_redirect_is_a_failure),
        ON_A_DESK(test_nobody_listens),
        ON_A_DESK(test_what_is_left_is_sent_by_the_next),
        ON_A_DESK(test_without_webhooks),
        ON_A_DESK(test_an_unknown_webhook_falls_back),
        ON_A_DESK(test_a_webhook_is_taken_away),
        ON_A_DESK(test_a_store_that_is_locked),
        ON_A_DESK(test_large_alerts_are_cut),
        ON_A_DESK(test_budgets),
        ON_A_DESK(test_models_without_a_price),
        ON_A_DESK(test_what_is_forgotten),
        ON_A_DESK(test_each_receiver_has_its_turn),
        ON_A_DESK(test_metrics),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
