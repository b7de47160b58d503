/* The queue is a list under the lock. The thread takes all of it at once into `pending`, where an
 * alert stays until the store has it; `queued` counts both, and is what ALERTS_QUEUE_MAX bounds. A
 * turn of the thread: take, keep (store), send what is due, look around, wait for something to
 * happen. */
#include "control/alerts.h"

#include "base/clock.h"
#include "base/ensure.h"
#include "base/note.h"
#include "control/alerts_parts.h"
#include "store/outbox.h"

/* Milliseconds of a wait: what is due in the outbox is sent so much later. */
#define TURN 1000u

static const enum note_level levels[] = {
#define ALERT(name, type, level, when) NOTE_##level,
#include "tables/alerts.def"
#undef ALERT
};

void alerts_count(struct alerts *alerts, uint64_t *counter, uint64_t amount)
{
    pthread_mutex_lock(&alerts->lock);
    *counter += amount;
    pthread_mutex_unlock(&alerts->lock);
}

void alerts_tell(struct alerts *alerts, struct pending_alert *pending)
{
    if (pending->told)
        return;
    pending->told = true;
    alerts_count(alerts, &alerts->counters.told[pending->kind], 1);
    note_write(levels[pending->kind], "alerts", "%s", pending->message);
}

static void free_alert(struct pending_alert *pending)
{
    free(pending->id);
    free(pending->webhook);
    free(pending->budget_id);
    free(pending->message);
    free(pending->body);
    free(pending);
}

void alerts_free_pending(struct alerts *alerts, struct pending_alert *pending)
{
    pthread_mutex_lock(&alerts->lock);
    alerts->queued--;
    pthread_mutex_unlock(&alerts->lock);
    free_alert(pending);
}

/* ---- raising ---- */

static void drop(struct alerts *alerts)
{
    pthread_mutex_lock(&alerts->lock);
    bool say = !alerts->dropping;
    alerts->dropping = true;
    alerts->counters.dropped++;
    pthread_mutex_unlock(&alerts->lock);
    if (say)
        note_error("alerts", "%u alerts wait for the store: further ones are lost",
                   ALERTS_QUEUE_MAX);
}

/* Takes the alert over. */
static void enqueue(struct alerts *alerts, struct pending_alert *pending)
{
    pthread_mutex_lock(&alerts->lock);
    bool fits = alerts->queued < ALERTS_QUEUE_MAX;
    if (fits) {
        *alerts->queue_end = pending;
        alerts->queue_end = &pending->next;
        alerts->queued++;
        alerts->dropping = false;
    }
    pthread_mutex_unlock(&alerts->lock);
    if (fits) {
        webhook_wake(alerts->sender);
        return;
    }
    drop(alerts);
    free_alert(pending);
}

/* The message without what says more than the sentence, for facts that do not fit. */
static void write_body(const struct alert *alert, uint64_t raised_at, struct buffer *body)
{
    if (alert_write_body(alert, raised_at, body))
        return;
    struct alert brief = *alert;
    brief.fact_count = 0;
    brief.message = text_first(alert->message, ALERTS_BODY_MAX / 8);
    buffer_clear(body);
    ensure(alert_write_body(&brief, raised_at, body));
}

static void raise_alert(struct alerts *alerts, const struct alert *alert, const char *prefix,
                        struct text budget_id)
{
    struct pending_alert *pending = ensure_memory(calloc(1, sizeof(*pending)));
    struct text subject = text_first(alert->subject, ALERT_SUBJECT_MAX);
    struct buffer body, id;

    pending->kind = alert->kind;
    pending->raised_at = clock_wall();
    pending->queued_at = clock_monotonic();
    buffer_open(&body, ALERTS_BODY_MAX);
    write_body(alert, pending->raised_at, &body);
    buffer_open(&id, ALERT_SUBJECT_MAX + 128);
    buffer_append_format(&id, "%s%s %.*s", prefix, alert_type(alert->kind), TEXT_ARG(subject));
    pending->id = text_duplicate(buffer_text(&id));
    pending->body = text_duplicate(buffer_text(&body));
    pending->message = text_duplicate(alert->message);
    pending->webhook = text_duplicate(alert->webhook);
    pending->budget_id = text_empty(budget_id) ? NULL : text_duplicate(budget_id);
    buffer_close(&id);
    buffer_close(&body);
    enqueue(alerts, pending);
}

void alerts_raise(struct alerts *alerts, const struct alert *alert)
{
    raise_alert(alerts, alert, "", (struct text){0});
}

struct crossing {
    struct alerts *alerts;
    const struct policy_budget_state *state;
    uint16_t percent;
};

static void raise_crossing(void *context, struct alert *alert)
{
    const struct crossing *crossing = context;
    const struct policy_budget *budget = crossing->state->budget;
    char subject[ALERT_SUBJECT_MAX];

    alert_budget_subject(crossing->state, crossing->percent, clock_wall(), subject);
    alert->subject = text_from(subject);
    raise_alert(crossing->alerts, alert,
                budget->period == PERIOD_LIFETIME ? ALERTS_LIFETIME_PREFIX : "", budget->id);
}

void alerts_take_crossing(void *alerts, const struct policy_budget_state *state, uint16_t percent)
{
    struct crossing crossing = {alerts, state, percent};

    alert_visit_budget(state, percent, raise_crossing, &crossing);
}

void alerts_raise_refusal(struct alerts *alerts, enum alert_kind kind, struct text source,
                          struct text problem)
{
    char minute[CLOCK_RFC3339_SIZE], subject[ALERT_SUBJECT_MAX], message[2048];

    clock_format_rfc3339(clock_wall(), minute);
    minute[sizeof("2026-11-22T18:17") - 1] = 0;
    (void)snprintf(subject, sizeof(subject), "%s %.*s", minute, TEXT_ARG(source));
    (void)snprintf(message, sizeof(message), "%.*s was refused, what was in force stays: %.*s",
                   TEXT_ARG(text_first(source, 512)), TEXT_ARG(text_first(problem, 1024)));
    const struct alert_fact facts[] = {{"source", source, false}, {"problem", problem, false}};
    const struct alert alert = {
        .kind = kind,
        .subject = text_from(subject),
        .message = text_from(message),
        .facts = facts,
        .fact_count = ARRAY_LENGTH(facts),
    };
    alerts_raise(alerts, &alert);
}

/* ---- the thread ---- */

/* False when it is time to stop. */
static bool take_orders(struct alerts *alerts)
{
    struct pending_alert *taken, **link = &alerts->pending;
    struct config *config = NULL;

    pthread_mutex_lock(&alerts->lock);
    taken = alerts->queue;
    alerts->queue = NULL;
    alerts->queue_end = &alerts->queue;
    if (alerts->configured) {
        config = alerts->next_config;
        alerts->next_config = NULL;
        alerts->configured = false;
    }
    bool go_on = !alerts->stopping;
    pthread_mutex_unlock(&alerts->lock);
    while (*link)
        link = &(*link)->next;
    *link = taken;
    if (config)
        alert_delivery_configure(alerts, config);
    return go_on;
}

static void count_waiting(struct alerts *alerts)
{
    uint64_t waiting = 0;

    if (!alert_outbox_open(alerts) || outbox_count_waiting(alerts->store, &waiting) != ERROR_OK)
        return;
    pthread_mutex_lock(&alerts->lock);
    alerts->counters.waiting = waiting + alerts->queued;
    pthread_mutex_unlock(&alerts->lock);
}

static void *run(void *context)
{
    struct alerts *alerts = context;

    while (take_orders(alerts)) {
        if (alerts->config)
            alert_outbox_keep(alerts);
        alert_delivery_step(alerts);
        alert_watch_step(alerts);
        count_waiting(alerts);
        webhook_turn(alerts->sender, TURN);
    }
    return NULL;
}

/* ---- starting and stopping ---- */

enum error alerts_start(const struct alerts_settings *settings, struct alerts **out)
{
    struct alerts *alerts = calloc(1, sizeof(*alerts));

    if (!alerts)
        return ERROR_MEMORY;
    alerts->ledger = settings->ledger;
    alerts->counts = settings->ledger ? ledger_guard(settings->ledger) : NULL;
    alerts->hands = settings->hands;
    (void)text_copy_to(text_from(settings->data), alerts->data, sizeof(alerts->data));
    alerts->queue_end = &alerts->queue;
    int length = snprintf(alerts->store_path, sizeof(alerts->store_path), "%s/%s", settings->data,
                          STORE_FILE);
    enum error error = (size_t)length < sizeof(alerts->store_path) ? ERROR_OK : ERROR_ARGUMENT;
    if (!error)
        error = webhook_sender_create(alert_delivery_ended, alerts, &alerts->sender);
    if (error) {
        free(alerts);
        return error;
    }
    pthread_mutex_init(&alerts->lock, NULL);
    if (pthread_create(&alerts->thread, NULL, run, alerts) != 0) {
        webhook_sender_destroy(alerts->sender);
        pthread_mutex_destroy(&alerts->lock);
        free(alerts);
        return ERROR_SYSTEM;
    }
    (void)pthread_setname_np(alerts->thread, "alerts");
    *out = alerts;
    return ERROR_OK;
}

void alerts_configure(struct alerts *alerts, struct config *config)
{
    config_hold(config);
    pthread_mutex_lock(&alerts->lock);
    struct config *before = alerts->next_config;
    alerts->next_config = config;
    alerts->configured = true;
    pthread_mutex_unlock(&alerts->lock);
    config_release(before);
    webhook_wake(alerts->sender);
}

/* What the store does not take is lost with the process. */
static void keep_rest(struct alerts *alerts)
{
    size_t lost = 0;

    for (struct delivery *next = alerts->deliveries; next; next = next->next)
        if (next->pending)
            next->pending->sending = false;
    alert_outbox_keep(alerts);
    while (alerts->pending) {
        struct pending_alert *pending = alerts->pending;
        alerts->pending = pending->next;
        alerts_tell(alerts, pending);
        lost += pending->delivered_at == 0;
        free_alert(pending);
    }
    if (lost > 0)
        note_error("alerts", "%zu alerts could neither be kept in the store nor sent", lost);
}

void alerts_stop(struct alerts *alerts)
{
    if (!alerts)
        return;
    pthread_mutex_lock(&alerts->lock);
    alerts->stopping = true;
    pthread_mutex_unlock(&alerts->lock);
    webhook_wake(alerts->sender);
    pthread_join(alerts->thread, NULL);
    webhook_sender_destroy(alerts->sender);
    keep_rest(alerts);
    alert_delivery_close(alerts);
    alert_outbox_close(alerts);
    alert_guard_close(alerts);
    config_release(alerts->next_config);
    pthread_mutex_destroy(&alerts->lock);
    free(alerts);
}

/* ---- metrics ---- */

void alerts_write_metrics(struct alerts *alerts, struct metrics_worker *process)
{
    pthread_mutex_lock(&alerts->lock);
    struct alerts_counters counters = alerts->counters;
    pthread_mutex_unlock(&alerts->lock);
    const struct {
        struct text result;
        uint64_t count;
    } results[] = {
        {TEXT("delivered"), counters.delivered},
        {TEXT("failed"), counters.failed},
        {TEXT("given_up"), counters.given_up},
    };
    for (size_t i = 0; i < ALERT_KIND_COUNT; i++) {
        const struct text type = text_from(alert_type((enum alert_kind)i));
        metric_series_set(metrics_series(process, METRIC_ALERTS, &type), counters.told[i]);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(results); i++)
        metric_series_set(metrics_series(process, METRIC_ALERT_DELIVERIES, &results[i].result),
                          results[i].count);
    metrics_set(process, METRIC_ALERTS_WAITING, counters.waiting);
    metrics_set(process, METRIC_ALERTS_DROPPED, counters.dropped);
}
