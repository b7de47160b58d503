/* knock: connections to a door that end before there is a call, for `turnpike bounces`. They have
 * no exchange and no record. The worker's thread only. */
#ifndef EXCHANGE_KNOCK_H
#define EXCHANGE_KNOCK_H

#include "exchange/worker.h"
#include "ledger/knocks.h"

/* Tells the ledger of one that came from `source`. */
void knock_note(const struct worker_door *door, const struct address *source,
                enum knock_reason reason);
/* on_no_tls of exchange_server_events. */
void knock_on_no_tls(void *door, const struct address *peer, enum tls_trouble trouble);

#endif
