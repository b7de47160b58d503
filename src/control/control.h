/* control: the thread beside the road: keys and rules kept in step with the store, look-ups that
 * may block, the ledger's and the keys' metrics.
 *
 * It has a loop of its own and may block; workers may not. Start and stop from the main thread;
 * control_find_object from any. */
#ifndef CONTROL_CONTROL_H
#define CONTROL_CONTROL_H

#include "control/alerts.h"
#include "control/credential_refresher.h"
#include "control/issuer_refresher.h"
#include "control/key_exchange.h"
#include "control/key_refresher.h"
#include "control/policy_refresher.h"
#include "ledger/ledger.h"
#include "net/loop.h"
#include "observe/metrics.h"
#include "tables/error.h"

struct control;

struct control_settings {
    struct ledger *ledger;
    struct key_refresher *keys;
    struct policy_refresher *policy;
    struct alerts *alerts;
    struct credential_refresher *credentials;
    struct issuer_refresher *issuers;
    struct metrics *metrics;
};

must_handle enum error control_start(const struct control_settings *settings, struct control **out);
/* After the workers have stopped. */
void control_stop(struct control *control);

/* For the metrics; copied. Times are wall-clock nanoseconds, 0: never. */
struct control_config_facts {
    uint64_t generation, loaded_at, refused_at, loads, refused;
};
void control_set_config_facts(struct control *control, const struct control_config_facts *facts);

/* Answers on `loop`'s thread. `object` is valid during `done`. */
void control_find_object(struct control *control, struct loop *loop, struct text id,
                         void (*done)(void *ticket, enum error error, const struct object *object),
                         void *ticket);

/* A key in exchange for a token or certificate: see key_exchange_ask. */
void control_exchange_key(struct control *control, const struct key_wish *wish, struct loop *loop,
                          key_answer_taken taken, void *ticket);

#endif
