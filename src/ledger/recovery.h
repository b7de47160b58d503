/* recovery: what was in flight when an earlier process died becomes records that say so.
 *
 * Complete records that were left behind are imported like any others (ledger/importer.c). When all
 * are, begin marks without an end become records with the outcome `interrupted`, and calls that
 * were refused and not yet told become a record. Whatever crash happens on the way, running it
 * again gives the same rows: a record's id is inserted once. Used by the importer alone. */
#ifndef LEDGER_RECOVERY_H
#define LEDGER_RECOVERY_H

#include "ledger/open_set.h"
#include "ledger/rows.h"
#include "ledger/shelf.h"

/* Within the caller's transaction. `open` holds the begin
 * marks without an end; `interrupted` gets how many records were made of such marks. */
must_handle enum error recovery_run(struct store *store, struct row_insert *insert,
                                    struct shelf *shelf, const struct open_set *open,
                                    uint64_t *interrupted);

#endif
