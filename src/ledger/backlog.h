/* backlog: how many calls the journals of a data directory hold that the store does not have yet.
 *
 * With a server at work these are the calls of some tenths of a second. There are more when the
 * store does not take them, or when a server was killed and none has started since. Read-only; any
 * process, one thread. */
#ifndef LEDGER_BACKLOG_H
#define LEDGER_BACKLOG_H

#include <stdint.h>

#include "store/store.h"
#include "tables/error.h"

/* Calls in `data`/journal that ended before `time` (wall nanoseconds) and are behind what `store`
 * has taken of their segments. What cannot be read is passed over, as the importer will. */
must_handle enum error backlog_count(const char *data, struct store *store, uint64_t time,
                                     uint64_t *calls);

#endif
