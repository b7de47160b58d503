/* A delivery: begun ──▶ ended ──▶ (the store has taken how it went) freed
 *
 * Invariants: a receiver that is busy has exactly one delivery; it is busy until the store knows
 * how that ended, so that no message goes out again while the store is locked. A delivery finds its
 * receiver by name, since the configuration may have changed meanwhile. */
#include "base/clock.h"
#include "base/ensure.h"
#include "base/identifier.h"
#include "base/note.h"
#include "control/alerts_parts.h"
#include "store/outbox.h"

/* After a failure that is the receiver's own nothing goes to it for a second, then for twice as
 * long each time, up to a minute: each of its messages has pauses of its own beside that. */
#define REST_FIRST NANOSECONDS_PER_SECOND
#define REST_MAX   (60 * NANOSECONDS_PER_SECOND)
/* Messages begun or given up in one step; the rest comes in the next. */
#define STEP_MAX 256u

uint64_t alert_delivery_pause(uint64_t attempts, uint64_t random)
{
    uint64_t pause = ALERTS_PAUSE_FIRST;

    for (uint64_t i = 1; i < attempts && pause < ALERTS_PAUSE_MAX; i++)
        pause *= 3;
    if (pause > ALERTS_PAUSE_MAX)
        pause = ALERTS_PAUSE_MAX;
    return pause - pause / 5 + random % (pause * 2 / 5);
}

/* ---- receivers ---- */

static struct receiver *find_exactly(const struct alerts *alerts, struct text name)
{
    for (size_t i = 0; alerts->config && i < alerts->config->webhook_count; i++)
        if (text_equal(alerts->receivers[i].webhook->name, name))
            return &alerts->receivers[i];
    return NULL;
}

static void tell_missing(struct alerts *alerts, struct text name, bool has_default)
{
    for (size_t i = 0; i < alerts->missing_count; i++)
        if (text_equal(text_from(alerts->missing[i]), name))
            return;
    if (alerts->missing_count == ALERTS_MISSING_MAX)
        return;
    alerts->missing[alerts->missing_count++] = text_duplicate(name);
    note_warning(
        "alerts", "the configuration has no webhook %.*s, which a budget names: %s", TEXT_ARG(name),
        has_default ? "its alerts go to the one named default" : "its alerts are in this log only");
}

struct receiver *alert_delivery_find(struct alerts *alerts, struct text name)
{
    struct receiver *receiver = find_exactly(alerts, name);

    if (receiver)
        return receiver;
    receiver = find_exactly(alerts, ALERTS_DEFAULT_WEBHOOK);
    if (!text_empty(name) && !text_equal(name, ALERTS_DEFAULT_WEBHOOK))
        tell_missing(alerts, name, receiver != NULL);
    return receiver;
}

static void forget_missing(struct alerts *alerts)
{
    for (size_t i = 0; i < alerts->missing_count; i++)
        free(alerts->missing[i]);
    alerts->missing_count = 0;
}

void alert_delivery_configure(struct alerts *alerts, struct config *config)
{
    struct receiver *receivers =
        ensure_memory(calloc(config->webhook_count + 1, sizeof(*receivers)));

    for (size_t i = 0; i < config->webhook_count; i++) {
        const struct receiver *before = find_exactly(alerts, config->webhooks[i].name);
        receivers[i].webhook = &config->webhooks[i];
        receivers[i].busy = before && before->busy;
    }
    free(alerts->receivers);
    alerts->receivers = receivers;
    config_release(alerts->config);
    alerts->config = config;
    forget_missing(alerts);
}

/* ---- beginning ---- */

static struct text url_of(const struct config_webhook *webhook)
{
    return webhook->url_secret ? secret_expose(webhook->url_secret) : webhook->url;
}

static void free_delivery(struct delivery *delivery)
{
    free(delivery->id);
    free(delivery->receiver);
    free(delivery);
}

static struct delivery *make_delivery(struct alerts *alerts, struct text id, uint64_t created_at,
                                      int64_t attempts, const struct receiver *receiver)
{
    struct delivery *delivery = ensure_memory(calloc(1, sizeof(*delivery)));

    delivery->alerts = alerts;
    delivery->id = text_duplicate(id);
    delivery->receiver = text_duplicate(receiver->webhook->name);
    delivery->created_at = created_at;
    delivery->attempts = attempts;
    return delivery;
}

/* Ends at once, with a problem, when it cannot be begun. */
static void begin(struct alerts *alerts, struct delivery *delivery, struct receiver *receiver,
                  struct text body)
{
    const struct config_webhook *webhook = receiver->webhook;
    char id[WEBHOOK_ID_SIZE];
    struct webhook_outcome failure = {.whole_receiver = true};

    webhook_make_id(text_from(delivery->id), delivery->created_at, id);
    const struct webhook_request request = {
        .url = url_of(webhook),
        .secret = webhook->secret ? secret_expose(webhook->secret) : (struct text){0},
        .id = text_from(id),
        .body = body,
        .timestamp = clock_wall() / NANOSECONDS_PER_SECOND,
    };
    receiver->busy = true;
    delivery->next = alerts->deliveries;
    alerts->deliveries = delivery;
    enum error error = webhook_send(alerts->sender, &request, delivery, failure.problem);
    if (error == ERROR_OK)
        return;
    if (!failure.problem[0])
        (void)snprintf(failure.problem, sizeof(failure.problem), "%s", error_meaning(error));
    alert_delivery_ended(alerts, delivery, &failure);
}

static bool is_free(const struct receiver *receiver)
{
    return !receiver->busy && clock_monotonic() >= receiver->rest_until;
}

/* ---- from the outbox ---- */

/* A message that is due, for as long as it takes to begin it. */
struct due_message {
    struct due_message *next;
    char *id, *body, *url;
    uint64_t created_at;
    int64_t attempts;
};

static void take_due(void *context, const struct outbox_message *message)
{
    struct due_message **list = context;
    struct due_message *due = ensure_memory(calloc(1, sizeof(*due)));

    due->id = text_duplicate(message->id);
    due->body = text_duplicate(message->body);
    due->url = text_duplicate(message->url);
    due->created_at = message->created_at;
    due->attempts = message->attempts;
    due->next = *list;
    *list = due;
}

static void note_given_up(struct alerts *alerts, const char *id, const char *problem)
{
    alerts_count(alerts, &alerts->counters.given_up, 1);
    note_error("alerts", "gave up sending \"%s\": %s", id, problem);
}

/* Without an attempt. */
static bool give_up(struct alerts *alerts, const char *id, const char *problem)
{
    if (outbox_failed(alerts->store, text_from(id), text_from(problem), 0) != ERROR_OK)
        return false;
    note_given_up(alerts, id, problem);
    return true;
}

/* Whether the place in the outbox of this one is now free for the next. */
static bool begin_due(struct alerts *alerts, const struct due_message *due)
{
    struct receiver *receiver = alert_delivery_find(alerts, text_from(due->url));

    if (!receiver)
        return give_up(alerts, due->id,
                       "the configuration has neither that webhook nor one named default");
    if (receiver->gone)
        return give_up(alerts, due->id, "the receiver has answered 410: it wants no more");
    if (is_free(receiver)) {
        struct delivery *delivery =
            make_delivery(alerts, text_from(due->id), due->created_at, due->attempts, receiver);
        begin(alerts, delivery, receiver, text_from(due->body));
    }
    return false;
}

static unsigned send_due(struct alerts *alerts)
{
    struct due_message *list = NULL, *next;
    unsigned freed = 0;

    /* After an error what was read is good all the same. */
    if (outbox_due(alerts->store, clock_wall(), take_due, &list) != ERROR_OK)
        note_debug("alerts", "the outbox cannot be read: %s", store_problem(alerts->store));
    for (; list; list = next) {
        next = list->next;
        freed += begin_due(alerts, list);
        free(list->id);
        free(list->body);
        free(list->url);
        free(list);
    }
    return freed;
}

/* ---- from memory ---- */

static void send_pending(struct alerts *alerts)
{
    uint64_t now = clock_monotonic(), wall = clock_wall();

    for (struct pending_alert *next = alerts->pending; next; next = next->next) {
        if (next->queued_at + ALERTS_STORE_PATIENCE > now)
            return; /* those behind came later */
        alerts_tell(alerts, next);
        if (next->sending || next->given_up || next->delivered_at > 0 || next->next_at > wall)
            continue;
        struct receiver *receiver = alert_delivery_find(alerts, text_from(next->webhook));
        if (!receiver || receiver->gone || !is_free(receiver))
            continue;
        struct delivery *delivery =
            make_delivery(alerts, text_from(next->id), next->raised_at, next->attempts, receiver);
        delivery->pending = next;
        next->sending = true;
        begin(alerts, delivery, receiver, text_from(next->body));
    }
}

/* ---- ending ---- */

void alert_delivery_ended(void *context, void *ticket, const struct webhook_outcome *outcome)
{
    struct delivery *delivery = ticket;

    (void)context;
    delivery->ended = true;
    delivery->outcome = *outcome;
    delivery->ended_at = clock_wall();
}

/* When the message is to be sent again; 0: never. */
static uint64_t next_attempt(const struct delivery *delivery)
{
    const struct webhook_outcome *outcome = &delivery->outcome;
    uint64_t random;

    if (outcome->gone || delivery->ended_at > delivery->created_at + ALERTS_PATIENCE)
        return 0;
    random_bytes(&random, sizeof(random));
    uint64_t pause = alert_delivery_pause((uint64_t)delivery->attempts + 1, random);
    return delivery->ended_at + (pause > outcome->retry_after ? pause : outcome->retry_after);
}

static bool record_pending(struct delivery *delivery, uint64_t next_at)
{
    struct pending_alert *pending = delivery->pending;

    pending->sending = false;
    pending->attempts++;
    pending->delivered_at = delivery->outcome.delivered ? delivery->ended_at : 0;
    pending->given_up = !delivery->outcome.delivered && next_at == 0;
    pending->next_at = next_at;
    return true;
}

/* False: the store does not take it now. What is not there any more was removed by hand. */
static bool record(struct alerts *alerts, struct delivery *delivery, uint64_t next_at)
{
    struct text id = text_from(delivery->id);

    if (delivery->pending)
        return record_pending(delivery, next_at);
    if (!alert_outbox_open(alerts))
        return false;
    enum error error =
        delivery->outcome.delivered
            ? outbox_delivered(alerts->store, id, delivery->ended_at)
            : outbox_failed(alerts->store, id, text_from(delivery->outcome.problem), next_at);
    return error == ERROR_OK || error == ERROR_NOT_FOUND;
}

static void rest_receiver(struct receiver *receiver, const struct webhook_outcome *outcome)
{
    if (outcome->delivered || !outcome->whole_receiver) {
        receiver->failures = 0;
        return;
    }
    unsigned doublings = receiver->failures < 6 ? receiver->failures : 6;
    uint64_t rest = REST_FIRST << doublings;
    if (rest > REST_MAX)
        rest = REST_MAX;
    if (rest < outcome->retry_after)
        rest = outcome->retry_after;
    receiver->failures++;
    receiver->rest_until = clock_monotonic() + rest;
}

/* The first failure of a message is said, and the last. */
static void tell_outcome(struct alerts *alerts, const struct delivery *delivery, uint64_t next_at)
{
    const struct webhook_outcome *outcome = &delivery->outcome;

    if (outcome->delivered) {
        alerts_count(alerts, &alerts->counters.delivered, 1);
        if (delivery->attempts > 0)
            note_info("alerts", "webhook %s has taken \"%s\"", delivery->receiver, delivery->id);
    } else if (next_at == 0) {
        note_given_up(alerts, delivery->id, outcome->problem);
    } else {
        alerts_count(alerts, &alerts->counters.failed, 1);
        if (delivery->attempts == 0)
            note_warning("alerts", "webhook %s did not take \"%s\": %s; it is tried again",
                         delivery->receiver, delivery->id, outcome->problem);
    }
}

static bool settle(struct alerts *alerts, struct delivery *delivery)
{
    uint64_t next_at = delivery->outcome.delivered ? 0 : next_attempt(delivery);
    struct receiver *receiver = find_exactly(alerts, text_from(delivery->receiver));

    if (!record(alerts, delivery, next_at))
        return false;
    tell_outcome(alerts, delivery, next_at);
    if (!receiver)
        return true;
    receiver->busy = false;
    rest_receiver(receiver, &delivery->outcome);
    if (delivery->outcome.gone && !receiver->gone) {
        receiver->gone = true;
        note_error("alerts",
                   "webhook %s has answered 410: nothing more is sent to it until the "
                   "configuration is loaded again",
                   delivery->receiver);
    }
    return true;
}

static void settle_all(struct alerts *alerts)
{
    struct delivery **link = &alerts->deliveries;

    while (*link) {
        struct delivery *delivery = *link;
        if (!delivery->ended || !settle(alerts, delivery)) {
            link = &delivery->next;
            continue;
        }
        *link = delivery->next;
        free_delivery(delivery);
    }
}

/* ---- all of it ---- */

void alert_delivery_step(struct alerts *alerts)
{
    settle_all(alerts);
    if (!alerts->config)
        return;
    send_pending(alerts);
    if (alert_outbox_open(alerts))
        for (unsigned given_up = 0, freed = 1; freed > 0 && given_up < STEP_MAX; given_up += freed)
            freed = send_due(alerts);
    settle_all(alerts);
}

void alert_delivery_close(struct alerts *alerts)
{
    settle_all(alerts);
    while (alerts->deliveries) {
        struct delivery *delivery = alerts->deliveries;
        alerts->deliveries = delivery->next;
        free_delivery(delivery);
    }
    forget_missing(alerts);
    free(alerts->receivers);
    config_release(alerts->config);
}
