/* importer: carries what the journals hold into the store, exactly once.
 *
 * One user at a time (control/ledger_thread.c; tests). May block on the store for its patience. */
#ifndef LEDGER_IMPORTER_H
#define LEDGER_IMPORTER_H

#include "ledger/guard.h"
#include "ledger/knocks.h"
#include "ledger/shelf.h"
#include "store/store.h"

struct importer;

#define IMPORTER_BATCH    4096u /* entries in a transaction: some 20 ms of work */
#define IMPORTER_ROWS     64u   /* records made rows by one statement: with more little is gained */
#define IMPORTER_PATIENCE 100u  /* milliseconds that a step waits for another process's lock */
#define IMPORTER_BACKOFF_MIN                                            \
    100000000ull /* nanoseconds between attempts at a store that failed \
                  */
#define IMPORTER_BACKOFF_MAX 5000000000ull

/* `store_path` is copied, `guard` outlives it. Opens nothing yet. */
struct importer *importer_open(struct shelf *shelf, const char *store_path, struct guard *guard);
/* Takes them too, from the next step on; they outlive it. One for each worker. */
void importer_watch_knocks(struct importer *importer, struct knocks *knocks, unsigned count);
void importer_close(struct importer *importer);

enum importer_state {
    IMPORTER_IDLE,   /* nothing left to import */
    IMPORTER_MORE,   /* a batch was imported, more is waiting (or old records are to be counted) */
    IMPORTER_FAILING /* the store did not take it; call again after importer_backoff */
};

/* One batch. */
enum importer_state importer_step(struct importer *importer);
uint64_t importer_backoff(const struct importer *importer); /* nanoseconds */
/* Steps until all that was written before the call is in the store. False when the store failed. */
must_check bool importer_flush(struct importer *importer);

/* Looks in the journals that are not imported, then in the store. */
must_handle enum error importer_find_object(struct importer *importer, struct text id,
                                            struct object_copy *out);

struct importer_counters {
    _Atomic uint64_t imported;
    _Atomic uint64_t duplicates;
    _Atomic uint64_t settled; /* records of this process that the store holds */
    _Atomic uint64_t failures;
    _Atomic uint64_t caught_up; /* wall: all that was written until then has been read; it begins
                                   with the opening */
    _Atomic bool working;
};
const struct importer_counters *importer_read_counters(const struct importer *importer);

#endif
