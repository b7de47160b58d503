/* access_log: one line of JSON per call on a descriptor, made from the journals.
 *
 * Runs on a thread of its own (control/ledger_thread.c): a reader that does not read holds up
 * nobody. While it does not, journal segments wait up to a bound; then lines are skipped, counted
 * (ledger_counters.lines_skipped) and, when it flows again, that is said on stderr. */
#ifndef OBSERVE_ACCESS_LOG_H
#define OBSERVE_ACCESS_LOG_H

#include "ledger/ledger.h"

struct access_log;

#define ACCESS_LOG_BEHIND (64ull << 20) /* some 80,000 calls: seconds of a stalled log shipper */

/* Writes to `descriptor`, which stays the caller's and is not changed. `behind` is in bytes of
 * journal, 0 for ACCESS_LOG_BEHIND. */
struct access_log *access_log_open(struct ledger *ledger, int descriptor, uint64_t behind);
/* From now on one short line per call, for eyes and not for programs; before the first step. */
void access_log_set_brief(struct access_log *log);
void access_log_close(struct access_log *log);

/* Writes what is there, waiting at most `patience` nanoseconds for the reader. True when there is
 * more to write: it does not read, or there was more than one turn takes. */
bool access_log_step(struct access_log *log, uint64_t patience);

#endif
