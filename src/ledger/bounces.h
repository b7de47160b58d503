/* bounces: who is turned away, from the records on their way into the store.
 *
 * Each record that becomes a row is shown here, in the transaction that makes it one, and what
 * changed is written in that transaction: so the counts are those of the records, exactly once,
 * whatever kills the process between. A call counts that was refused, and one that a rule in
 * observe mode would have refused; served calls with a key say which networks get through, so that
 * a network's last good call is known, and
 * where each key is used from (store/key_sources.h). Off the road: the importer's thread
 * (ledger/rows.h).
 *
 * Bounded: the groups by ledger/bounce_groups.h, networks that got through by
 * BOUNCES_NETWORKS_MAX. Errors as in store/store.h. */
#ifndef LEDGER_BOUNCES_H
#define LEDGER_BOUNCES_H

#include "ledger/guard.h"
#include "store/record.h"
#include "store/store.h"
#include "tables/error.h"

/* Networks with good calls that are remembered, a kilobyte each; of more, those that have been
 * quiet longest are forgotten. */
#define BOUNCES_NETWORKS_MAX 4096u
/* Sources in no network that the configuration names are grouped by these. */
#define BOUNCES_V4_BITS 24u
#define BOUNCES_V6_BITS 48u
/* What was last seen so long ago is forgotten: a group into its wider network, that for good. */
#define BOUNCES_MEMORY (90ull * 86400000000000ull)

struct bounces;

/* On the store that the rows go into. Reads nothing yet. `guard` is shown whom the gateway has
 * recognised and outlives it; NULL: there is none. */
must_handle enum error bounces_create(struct store *store, struct guard *guard,
                                      struct bounces **out);
void bounces_destroy(struct bounces *bounces); /* before store_close; NULL is fine */

/* Takes a record that has become a row. */
must_handle enum error bounces_add(struct bounces *bounces, const struct record *record);
/* Writes what changed; before the commit. */
must_handle enum error bounces_flush(struct bounces *bounces);
/* After the commit. */
void bounces_settle(struct bounces *bounces);
/* After a roll-back: everything is read anew. */
void bounces_forget(struct bounces *bounces);

#endif
