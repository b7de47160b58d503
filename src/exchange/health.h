/* health: asks providers from time to time whether they are there, so that a call need not find
 * out.
 *
 * A GET without the credential, below the provider's base URL (providers.NAME.health): an answer
 * below 500, a 401 too, says that somebody is there; anything else counts against it. One worker
 * asks for the process; what it finds is shared (route/place.h). At most one question to a provider
 * is under way. The worker's thread only. */
#ifndef EXCHANGE_HEALTH_H
#define EXCHANGE_HEALTH_H

#include "exchange/worker.h"

struct health;

/* Asks the providers of worker->upstreams, in the place of those that `before` (may be NULL) asked.
 * NULL where none is to be asked, or memory is short: then calls find out. */
struct health *health_begin(struct worker *worker, struct health *before);
/* Breaks off what is under way. NULL is fine. */
void health_end(struct health *health);

#endif
