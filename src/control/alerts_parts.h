/* What the files of alerts share (control/alerts.h); included by them alone.
 *
 *   alerts.c          the queue, the thread, the metrics
 *   alert_message.c   what a message says, as JSON and as a line
 *   alert_outbox.c    the thread's connection to the store: alerts become rows
 *   alert_delivery.c  receivers, what is sent to them, and when again
 *   alert_watch.c     what the thread looks at by itself: usage and ledger
 *   alert_bounces.c   the same of callers that are turned away, and of keys
 *   alert_guard.c     the same of rules that cut off who used to get through
 *
 * All but the queue, the counters and the next configuration belong to the thread. */
#ifndef CONTROL_ALERTS_PARTS_H
#define CONTROL_ALERTS_PARTS_H

#include <pthread.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "control/alerts.h"
#include "control/webhook.h"
#include "store/store.h"

#define ALERTS_DEFAULT_WEBHOOK TEXT("default")
/* An alert that the store has not taken for so long is sent from memory. */
#define ALERTS_STORE_PATIENCE (30 * NANOSECONDS_PER_SECOND)
/* The pauses between attempts: 2 s, then three times the one before, up to 4 h; a fifth more or
 * less, so that what failed together does not come back together. */
#define ALERTS_PAUSE_FIRST (2 * NANOSECONDS_PER_SECOND)
#define ALERTS_PAUSE_MAX   (4ull * 3600 * NANOSECONDS_PER_SECOND)
#define ALERTS_PATH_SIZE   4096u
/* Ids of what happens once for good, and is never forgotten, begin with it. */
#define ALERTS_LIFETIME_PREFIX "lifetime "

/* An alert that is not in the store yet. */
struct pending_alert {
    struct pending_alert *next;
    enum alert_kind kind;
    uint64_t raised_at; /* wall */
    uint64_t queued_at; /* monotonic */
    char *id;           /* as in the outbox */
    char *webhook;      /* as in the outbox; of a budget: when the store cannot say */
    char *budget_id;    /* whose row says the webhook, or NULL */
    char *message;
    char *body;
    bool told; /* it is in the log */
    /* from memory, while the store takes nothing */
    bool sending;
    bool given_up;
    int64_t attempts;
    uint64_t next_at;      /* wall; 0: at once */
    uint64_t delivered_at; /* wall; 0: not yet */
};

/* Whom the configuration names. */
struct receiver {
    const struct config_webhook *webhook;
    bool busy; /* one message at a time */
    bool gone; /* it has answered 410; until the next configuration */
    unsigned failures;
    uint64_t rest_until; /* monotonic: nothing is sent before */
};

/* One message on its way, and then how it went until the store has taken that. */
struct delivery {
    struct delivery *next;
    struct alerts *alerts;
    struct pending_alert *pending; /* it is sent from memory; NULL: from the outbox */
    char *id;                      /* in the outbox */
    char *receiver;                /* its name in the configuration */
    uint64_t created_at;           /* wall */
    int64_t attempts;              /* before this one */
    bool ended;
    struct webhook_outcome outcome;
    uint64_t ended_at; /* wall */
};

/* Webhooks that budgets name and the configuration does not have, of which the log has said so. */
#define ALERTS_MISSING_MAX 64u

struct alerts_counters {
    uint64_t told[ALERT_KIND_COUNT];
    uint64_t delivered, failed, given_up, dropped, waiting;
};

/* A state of the ledger that is told when it lasts, and when it ends. */
struct alert_trouble {
    uint64_t since; /* monotonic; 0: there is none */
    bool told;
    uint64_t began; /* wall */
};
#define ALERT_TROUBLES 2u

/* Networks and teams that are told of, so that each is told once a day and again only after it was
 * over: more than a day has. */
#define ALERT_BOUNCES_MAX 1024u
#define ALERT_NAME_SIZE   160u

struct alert_bouncing {
    char name[ALERT_NAME_SIZE]; /* kind and network or team */
    uint64_t told_at;           /* wall */
    bool lasts;
};

struct alert_bounces {
    uint64_t at;             /* monotonic: when to look again */
    uint64_t imported;       /* records, at the last look */
    uint64_t keys_since;     /* wall: sources of keys that are newer were not looked at */
    uint64_t day, newcomers; /* told of on that day */
    size_t count;
    struct alert_bouncing told[ALERT_BOUNCES_MAX];
};

/* A list of network rules, and since when it says what it says: as store/guard.h has it. */
struct alert_guarded {
    char list[GUARD_LIST_SIZE];
    char says[33]; /* empty: it has no enforced rule */
    uint64_t since, before, told_at, taken_back_at;
    bool seen; /* at the look that is under way */
};

struct alert_guard {
    uint64_t at;         /* monotonic: when to look again */
    int64_t change;      /* of the store, at the last look at the rules, */
    uint64_t generation; /* and of the configuration */
    bool loaded;         /* `lists` are what the store has */
    bool told_full;
    struct alert_guarded *lists; /* by name */
    size_t count, capacity;
};

struct alert_watch {
    uint64_t usage_at, usage_whole_at, ledger_at, forget_at; /* monotonic: when to look again */
    uint64_t imported;                                       /* records, at the last look */
    struct alert_trouble troubles[ALERT_TROUBLES];
};

struct alerts {
    pthread_mutex_t lock;
    /* under the lock */
    struct pending_alert *queue, **queue_end;
    size_t queued; /* in the queue and in `pending` */
    bool dropping; /* the log has said that some are lost */
    bool stopping;
    bool configured; /* `next_config` is to be taken */
    struct config *next_config;
    struct alerts_counters counters;
    /* the thread's */
    pthread_t thread;
    struct ledger *ledger;
    struct webhook_sender *sender;
    struct config *config;
    struct receiver *receivers; /* as many as the configuration's webhooks */
    struct pending_alert *pending;
    struct delivery *deliveries;
    char *missing[ALERTS_MISSING_MAX];
    size_t missing_count;
    char store_path[ALERTS_PATH_SIZE];
    struct store *store; /* NULL: not open */
    struct stat opened;  /* which file `store` is */
    bool was_open;
    uint64_t open_after; /* monotonic */
    struct alert_watch watch;
    struct alert_bounces bounces;
    struct alert_guard guard;
    struct guard *counts; /* the ledger's; NULL: no rule is watched */
    struct alerts_hands hands;
    char data[ALERTS_PATH_SIZE];
};

/* ---- alerts.c ---- */

/* Adds to a counter, under the lock. */
void alerts_count(struct alerts *alerts, uint64_t *counter, uint64_t amount);
/* The line in the log and the count of its type. */
void alerts_tell(struct alerts *alerts, struct pending_alert *pending);
void alerts_free_pending(struct alerts *alerts, struct pending_alert *pending);

/* ---- alert_message.c ---- */

const char *alert_type(enum alert_kind kind);
/* Appends the message as JSON. False when it does not fit; then `body` is of no use. */
must_check bool alert_write_body(const struct alert *alert, uint64_t raised_at,
                                 struct buffer *body);
/* Gives `visit` the alert of a budget that has reached `percent`, without subject and webhook;
 * valid until it returns. */
void alert_visit_budget(const struct policy_budget_state *state, uint16_t percent,
                        void (*visit)(void *context, struct alert *alert), void *context);
/* What tells a budget's alerts apart; `wall` is now. */
void alert_budget_subject(const struct policy_budget_state *state, uint16_t percent, uint64_t wall,
                          char out[ALERT_SUBJECT_MAX]);

/* ---- alert_outbox.c ---- */

/* Whether there is a store to use now. */
must_check bool alert_outbox_open(struct alerts *alerts);
/* Puts what is pending into the outbox, as far as the store takes it. */
void alert_outbox_keep(struct alerts *alerts);
void alert_outbox_close(struct alerts *alerts);

/* ---- alert_delivery.c ---- */

/* After `attempts` failed ones, at least one; `random` is any number. Nanoseconds. */
uint64_t alert_delivery_pause(uint64_t attempts, uint64_t random);
/* Who gets what is for `name`: that webhook, or `default`; NULL: nobody. */
struct receiver *alert_delivery_find(struct alerts *alerts, struct text name);
void alert_delivery_configure(struct alerts *alerts, struct config *config);
/* Tells the store how deliveries went, and begins those that are due. */
void alert_delivery_step(struct alerts *alerts);
/* The sender's `done`. */
void alert_delivery_ended(void *context, void *ticket, const struct webhook_outcome *outcome);
void alert_delivery_close(struct alerts *alerts);

/* ---- alert_watch.c ---- */

void alert_watch_step(struct alerts *alerts);
/* What the ledger's counters say at `now`, monotonic. */
void alert_watch_ledger(struct alerts *alerts, const struct ledger_counters *counters,
                        uint64_t now);

/* ---- alert_bounces.c ---- */

void alert_bounces_step(struct alerts *alerts);
/* What the store says of callers and keys at `wall`, by the configuration's thresholds. */
void alert_bounces_look(struct alerts *alerts, uint64_t wall);

/* ---- alert_guard.c ---- */

void alert_guard_step(struct alerts *alerts);
/* Which rules are in force, at `wall`, and what was counted of them since. */
void alert_guard_look(struct alerts *alerts, uint64_t wall);
void alert_guard_close(struct alerts *alerts);

#endif
