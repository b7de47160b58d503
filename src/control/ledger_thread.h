/* ledger_thread: the threads that do the ledger's work beside the road.
 *
 * Three: one keeps prepared segments ready and syncs them to disk, one imports into the store, one
 * writes the access log. Each may block without holding up the others or any worker. Start and stop
 * from one thread. */
#ifndef CONTROL_LEDGER_THREAD_H
#define CONTROL_LEDGER_THREAD_H

#include <stdint.h>

#include "ledger/ledger.h"
#include "tables/error.h"

struct ledger_thread;

struct ledger_thread_options {
    int access_log;             /* a descriptor that stays the caller's; -1: no access log */
    bool access_log_brief;      /* short lines for people instead of JSON */
    uint64_t access_log_behind; /* bytes of journal held for a slow reader of the access log before
                                   lines are skipped and counted; 0: ACCESS_LOG_BEHIND */
};

/* Before ledger_thread_start: imports what an earlier process left in its journals, and what was in
 * flight when it died. False when the store did not take it (it is tried again beside the road):
 * what was spent before is then not known yet. */
bool ledger_thread_catch_up(struct ledger *ledger);

must_handle enum error ledger_thread_start(struct ledger *ledger,
                                           const struct ledger_thread_options *options,
                                           struct ledger_thread **out);
/* Call after the workers have stopped: imports and logs what they wrote, waiting at most `patience`
 * nanoseconds for a store or a reader that does not take it, then ends the threads and frees. What
 * the store did not take is imported at the next start. */
void ledger_thread_stop(struct ledger_thread *thread, uint64_t patience);

#endif
