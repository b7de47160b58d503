/* ledger: the record of everything that passed the gate, as one object.
 *
 * It owns the data directory's lock, the journals and their segments, and the importer into the
 * store. Its work beside the road (preparing segments, importing, syncing) is done by the threads
 * of control/ledger_thread.h; the access log reads through ledger/tail.h. Open and close on one
 * thread with no other user; what else may be called where is said at each function. */
#ifndef LEDGER_LEDGER_H
#define LEDGER_LEDGER_H

#include <stdint.h>

#include "ledger/guard.h"
#include "ledger/journal.h"
#include "ledger/knocks.h"
#include "ledger/object.h"
#include "tables/error.h"

#define LEDGER_PROBLEM_SIZE 512u

struct ledger_options {
    const char *data;       /* the data directory; made if missing (mode 0700) */
    unsigned workers;       /* journals to open, at most LEDGER_WORKERS_MAX */
    uint64_t segment_size;  /* bytes; 0: LEDGER_SEGMENT_SIZE */
    uint64_t journal_limit; /* bytes of all segments; 0: LEDGER_JOURNAL_LIMIT */
    uint64_t sync_interval; /* nanoseconds between syncs to disk; 0: LEDGER_SYNC_INTERVAL */
};

#define LEDGER_WORKERS_MAX 1024u
#define LEDGER_SEGMENT_SIZE \
    (16ull << 20) /* about 20,000 calls: fallocate is rare, a scan is short */
#define LEDGER_JOURNAL_LIMIT (1ull << 30) /* over a million calls while the store is away */
#define LEDGER_SYNC_INTERVAL \
    1000000000ull /* what a power failure may take; SIGKILL takes nothing */

struct ledger;

/* Locks the data directory, notices what an earlier process left behind (it is imported beside the
 * road) and opens a journal for each worker. ERROR_BUSY when another server runs on the directory;
 * `problem` then says so for a person, as for every error. The store need not be in order: it is
 * opened by the importer, which tries until it is. */
must_handle enum error ledger_open(const struct ledger_options *options, struct ledger **out,
                                   char problem[LEDGER_PROBLEM_SIZE]);
/* After the workers and the ledger's threads have stopped. What is not imported by then stays in
 * the journal for the next start. */
void ledger_close(struct ledger *ledger);

/* The journal of worker 0 … workers - 1, for that worker's thread. */
struct journal *ledger_journal(struct ledger *ledger, unsigned worker);

/* The same for connections that end before there is a call. */
struct knocks *ledger_knocks(struct ledger *ledger, unsigned worker);

/* What rules on watch do to those who got through before; lives as long as the ledger. Any thread.
 */
struct guard *ledger_guard(struct ledger *ledger);

/* Which provider keeps the object. Sees everything written by any worker before the call, imported
 * or not. May block on the store: not for workers. ERROR_NOT_FOUND; ERROR_STORE when the store is
 * needed and cannot answer. Any other thread. */
must_handle enum error ledger_find_object(struct ledger *ledger, struct text id,
                                          struct object_copy *out);

/* For metrics and readiness. Any thread. */
struct ledger_counters {
    uint64_t records_written;  /* end records journalled since start */
    uint64_t records_imported; /* rows put into the store since start */
    uint64_t calls_refused;    /* no room to record them */
    uint64_t duplicates;       /* second records for one id: a fault in the program */
    uint64_t damaged_bytes;    /* bytes of segments that failed their checksum */
    uint64_t store_failures;   /* batches the store did not take (they are tried again) */
    uint64_t lines_written;    /* of the access log */
    uint64_t lines_skipped;    /* of the access log: its reader was too slow */
    uint64_t journal_bytes;    /* of all segments now */
    uint64_t journal_limit;    /* at most */
    uint64_t records_waiting;  /* journalled and not yet in the store, now */
    uint64_t caught_up_at;     /* wall: all calls that ended before are in the store */
    bool accepting;            /* every worker has room for another call */
    bool store_working;        /* the last batch was taken */
};
void ledger_read_counters(struct ledger *ledger, struct ledger_counters *out);

#endif
