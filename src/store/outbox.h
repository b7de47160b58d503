/* outbox: alerts that are to be delivered, until they are. Kept in the store, so that a restart
 * loses none and repeats none.
 *
 * The thread of control/alerts.h takes what is due, and says how it went. Errors as in
 * store/store.h. */
#ifndef STORE_OUTBOX_H
#define STORE_OUTBOX_H

#include <stdint.h>

#include "base/text.h"
#include "store/store.h"
#include "tables/error.h"

/* Times are wall-clock nanoseconds, 0: none. */
struct outbox_message {
    struct text id;   /* what makes it one: "budget BUDGET-ID PERIOD-START PERCENTAGE" */
    struct text kind; /* budget_threshold, unpriced_model, … */
    struct text body; /* JSON */
    struct text url;  /* where to: a webhook's name */
    int64_t attempts; /* so far */
    uint64_t created_at;
    uint64_t next_at;      /* when it is to be sent; 0: given up */
    uint64_t delivered_at; /* 0: not yet */
    struct text problem;   /* why the last attempt failed */
};

/* Nothing happens when there was such an id before, delivered or not; `added` says so. */
must_handle enum error outbox_add(struct store *store, const struct outbox_message *message,
                                  bool *added);

/* Texts are valid until it returns. */
typedef void (*outbox_found)(void *context, const struct outbox_message *message);

/* What is due at `now`: of each `url` the longest waiting, so that one receiver that takes nothing
 * hides none of the others. */
must_handle enum error outbox_due(struct store *store, uint64_t now, outbox_found found,
                                  void *context);
/* The last `limit` messages, the newest first. */
must_handle enum error outbox_list(struct store *store, uint64_t limit, outbox_found found,
                                   void *context);
/* How many messages are neither delivered nor given up. */
must_handle enum error outbox_count_waiting(struct store *store, uint64_t *count);
/* ERROR_NOT_FOUND. */
must_handle enum error outbox_delivered(struct store *store, struct text id, uint64_t time);
/* One more attempt has failed; `next_at` 0 gives up. ERROR_NOT_FOUND. */
must_handle enum error outbox_failed(struct store *store, struct text id, struct text problem,
                                     uint64_t next_at);
/* Removes what was delivered or given up and made before `time`, but for ids that begin with
 * `spared` (not empty; no `*`, `?` or `[` in it). */
must_handle enum error outbox_forget(struct store *store, uint64_t time, struct text spared);

#endif
