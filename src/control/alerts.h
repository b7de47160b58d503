/* alerts: what people must hear of, told in the log, counted, and sent to webhooks.
 *
 * Raising puts an alert into a queue in memory and never waits. A thread of its own puts it into
 * the outbox of the store (store/outbox.h), says it in the log if it is new there, and sends what
 * the outbox has until the receiver has taken it: at least once, with the same webhook-id each
 * time, in no promised order. While the store takes nothing for longer, alerts are sent from
 * memory. The thread also looks by itself at the usage (models without a price) and at the ledger
 * (calls that are refused, a store that takes nothing).
 *
 * Start, configure and stop from the main thread; the rest from any thread but a worker. */
#ifndef CONTROL_ALERTS_H
#define CONTROL_ALERTS_H

#include <stdint.h>

#include "base/text.h"
#include "config/snapshot.h"
#include "ledger/ledger.h"
#include "observe/metrics.h"
#include "policy/policy.h"
#include "tables/error.h"

enum alert_kind {
#define ALERT(name, type, level, when) ALERT_##name,
#include "tables/alerts.def"
#undef ALERT
    ALERT_KIND_COUNT
};

/* Alerts in memory that the store has not taken yet. Thresholds of ten thousand budgets may be
 * reached at the same midnight, or be told again by a process that has just started; more are
 * dropped, counted and said. A kilobyte each. */
#define ALERTS_QUEUE_MAX 65536u
/* Bytes of a message; those who receive webhooks are asked to expect up to 20 KB. */
#define ALERTS_BODY_MAX 16384u
/* After that long of trying, an alert is given up, and the log says so. */
#define ALERTS_PATIENCE (72ull * 3600 * NANOSECONDS_PER_SECOND)

struct alerts;

/* What a rule that refuses those who used to get through is taken back by (guard.auto_revert). On
 * the thread of alerts. */
struct alerts_hands {
    /* Makes these rules of the store observed, in one change, as an administrator would; false when
     * it could not. */
    bool (*observe_rules)(void *owner, const struct text *ids, size_t count);
    /* Other rules of listeners are only observed than in the snapshot in force
     * (control/taken_back.h). */
    void (*observe_listeners)(void *owner);
    void *owner;
};

struct alerts_settings {
    const char *data;          /* the data directory, which exists; copied */
    struct ledger *ledger;     /* outlives the alerts; NULL: it is not watched */
    struct alerts_hands hands; /* NULL members: no rule is taken back */
};

/* Nothing is sent before alerts_configure. ERROR_MEMORY, ERROR_SYSTEM; ERROR_ARGUMENT for a path
 * that is too long. */
must_handle enum error alerts_start(const struct alerts_settings *settings, struct alerts **out);
/* Whose webhooks are used from now on; held until the next. */
void alerts_configure(struct alerts *alerts, struct config *config);
/* What is under way is broken off, to be sent again by the next process. What is in memory is given
 * to the store, which is waited for a second at most. Before the ledger is closed. NULL is fine. */
void alerts_stop(struct alerts *alerts);

/* A member of the message's `data`. */
struct alert_fact {
    const char *name;
    struct text value; /* data NULL: null */
    bool raw;          /* it is a JSON value as it is: a number, true, false */
};

/* What to tell; copied. */
struct alert {
    enum alert_kind kind;
    /* Together with the kind what makes it one: a second with the same is not told again, also by
     * another process. At most ALERT_SUBJECT_MAX bytes, longer ones are cut. */
    struct text subject;
    struct text webhook; /* its name; empty: `default` */
    struct text message; /* one sentence, for people */
    const struct alert_fact *facts;
    size_t fact_count;
};

#define ALERT_SUBJECT_MAX 512u

void alerts_raise(struct alerts *alerts, const struct alert *alert);
/* For policy_take_crossings; the context is the struct alerts. Once for a budget, its period, its
 * cap and the percentage; for a rolling budget once a day (or its length, where that is shorter).
 * The webhook is that of the budget's row. */
void alerts_take_crossing(void *alerts, const struct policy_budget_state *state, uint16_t percent);
/* ALERT_CONFIGURATION_REFUSED or ALERT_PRICES_REFUSED, at most one a minute and source. `source` is
 * a path; `problem` must hold no secret. */
void alerts_raise_refusal(struct alerts *alerts, enum alert_kind kind, struct text source,
                          struct text problem);

/* Sets the metrics of alerts, in the control thread's slot: for the control thread. */
void alerts_write_metrics(struct alerts *alerts, struct metrics_worker *process);

#endif
