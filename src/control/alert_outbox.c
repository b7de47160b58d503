/* Alerts become rows in batches of one transaction each. A row that was there before is an alert
 * that was told before: it is dropped without a word. */
#include "base/clock.h"
#include "base/note.h"
#include "control/alerts_parts.h"
#include "store/budgets.h"
#include "store/outbox.h"

#define STORE_PATIENCE 1000u /* milliseconds that a step waits for another's lock */
#define STORE_PAUSE                                                               \
    NANOSECONDS_PER_SECOND /* before a store that cannot be opened is tried again \
                            */
#define BATCH 256u         /* rows of a transaction: the writer's lock is short */

/* A store that another was put in the place of is left; one that has gone is waited for. */
bool alert_outbox_open(struct alerts *alerts)
{
    char problem[STORE_PROBLEM_SIZE];
    struct stat now;
    bool exists = stat(alerts->store_path, &now) == 0;

    if (alerts->store && exists && now.st_dev == alerts->opened.st_dev &&
        now.st_ino == alerts->opened.st_ino)
        return true;
    alert_outbox_close(alerts);
    if ((!exists && alerts->was_open) || clock_monotonic() < alerts->open_after)
        return false;
    enum error error =
        store_open(alerts->store_path, STORE_WRITE, STORE_PATIENCE, &alerts->store, problem);
    if (!error && stat(alerts->store_path, &alerts->opened) == 0) {
        alerts->was_open = true;
        return true;
    }
    /* Why is said by those who read the rules from it. */
    alert_outbox_close(alerts);
    alerts->open_after = clock_monotonic() + STORE_PAUSE;
    return false;
}

void alert_outbox_close(struct alerts *alerts)
{
    store_close(alerts->store);
    alerts->store = NULL;
    alerts->guard.loaded = false;
}

static void take_webhook(void *context, const struct stored_budget *budget)
{
    struct buffer *name = context;

    buffer_append(name, budget->webhook);
}

/* The webhook that the budget's row names; false when the store cannot say. */
static bool find_webhook(struct alerts *alerts, const struct pending_alert *pending,
                         struct buffer *name)
{
    if (!pending->budget_id) {
        buffer_append(name, text_from(pending->webhook));
        return true;
    }
    enum error error =
        budgets_find(alerts->store, text_from(pending->budget_id), take_webhook, name);
    return error == ERROR_OK || error == ERROR_NOT_FOUND; /* deleted meanwhile */
}

static bool add_row(struct alerts *alerts, struct pending_alert *pending, bool *added)
{
    struct buffer name;
    bool good = true;

    buffer_open(&name, BUDGETS_NAME_MAX + 1);
    good = find_webhook(alerts, pending, &name);
    struct text url = text_empty(buffer_text(&name)) ? ALERTS_DEFAULT_WEBHOOK : buffer_text(&name);
    bool nobody = alerts->config && !alert_delivery_find(alerts, url);
    const struct outbox_message message = {
        .id = text_from(pending->id),
        .kind = text_from(alert_type(pending->kind)),
        .body = text_from(pending->body),
        .url = nobody ? text_of("", 0) : url,
        .created_at = pending->raised_at,
        .next_at = nobody || pending->given_up ? 0
                   : pending->next_at > 0      ? pending->next_at
                                               : pending->raised_at,
    };
    good = good && outbox_add(alerts->store, &message, added) == ERROR_OK;
    if (good && *added && pending->delivered_at > 0)
        good = outbox_delivered(alerts->store, message.id, pending->delivered_at) == ERROR_OK;
    buffer_close(&name);
    return good;
}

/* What the log has to say of a batch is said when the store has it. */
struct batch {
    struct pending_alert *alerts[BATCH];
    bool added[BATCH];
    size_t count;
};

static bool write_batch(struct alerts *alerts, struct batch *batch)
{
    if (store_begin(alerts->store) != ERROR_OK)
        return false;
    bool good = true;
    for (struct pending_alert *next = alerts->pending; good && next && batch->count < BATCH;
         next = next->next) {
        if (next->sending)
            continue;
        good = add_row(alerts, next, &batch->added[batch->count]);
        batch->alerts[batch->count++] = next;
    }
    good = good && store_commit(alerts->store) == ERROR_OK;
    if (!good)
        store_roll_back(alerts->store);
    return good;
}

static void take_out(struct alerts *alerts, struct pending_alert *pending)
{
    struct pending_alert **link = &alerts->pending;

    while (*link != pending)
        link = &(*link)->next;
    *link = pending->next;
    alerts_free_pending(alerts, pending);
}

void alert_outbox_keep(struct alerts *alerts)
{
    struct batch batch = {.count = BATCH};

    while (batch.count == BATCH && alerts->pending && alert_outbox_open(alerts)) {
        batch.count = 0;
        if (!write_batch(alerts, &batch))
            return;
        for (size_t i = 0; i < batch.count; i++) {
            if (batch.added[i])
                alerts_tell(alerts, batch.alerts[i]);
            take_out(alerts, batch.alerts[i]);
        }
    }
}
