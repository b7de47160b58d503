/* shelf: all segments of a data directory, from the one being written to those left behind.
 *
 * Its users run beside the road, each on its own thread: the keeper makes segments and syncs them,
 * the importer and the access log read them. A lock guards the lists and is never held across I/O;
 * whoever works on a segment holds it by a count instead. Workers touch none of this.
 *
 * There is a lane per worker, in the order of writing, and one for what earlier processes left. */
#ifndef LEDGER_SHELF_H
#define LEDGER_SHELF_H

#include <pthread.h>

#include "ledger/journal_supply.h"
#include "ledger/segment.h"

struct shelf_segment {
    struct segment segment;
    struct shelf_segment *next; /* written after this one, in the same lane */
    unsigned lane;
    bool left_behind; /* by an earlier process */
    /* Under the shelf's lock. */
    unsigned holders;
    size_t log_position; /* the access log has read up to here */
    bool log_missed;     /* it goes although the access log has not read all of it */
    bool imported;       /* all of it is in the store */
    /* The importer's own. */
    size_t import_position;  /* what the store holds */
    size_t batch_position;   /* what it will hold when the present transaction commits */
    size_t skip_ends_before; /* end records that the store held when this process began */
    uint64_t batch_damaged;  /* bytes passed over in the present transaction */
    bool batch_ended;        /* and with it the segment is read to its end */
    bool damaged;            /* the file is kept aside instead of removed */
    /* The keeper's own. */
    size_t synced;
    size_t populated;
};

struct shelf_lane {
    struct shelf_segment *oldest;
    struct shelf_segment *newest;
};

struct shelf {
    pthread_mutex_t lock;
    int directory;
    unsigned lanes_count; /* workers + 1; the last is for what was left behind */
    struct shelf_lane *lanes;
    struct journal *journals; /* one per worker */
    uint64_t first_number;    /* of this process: what is below was left behind */
    uint64_t last_number;
    size_t segment_size;
    uint64_t sync_interval;
    uint64_t limit;
    bool logging;        /* an access log reads: segments wait for it */
    uint64_t log_behind; /* bytes of imported segments that may wait for the access log */
    /* The keeper's own. */
    uint64_t next_sync;
    uint64_t next_attempt; /* monotonic time before which no segment is made after a failure */
    enum error last_failure;
    /* For counters. */
    _Atomic uint64_t bytes;
    _Atomic uint64_t lines_skipped;
    _Atomic uint64_t damaged;
};

/* Takes notice of the files in `directory` (which becomes the shelf's) and makes each worker's
 * first segment. */
must_handle enum error shelf_open(struct shelf *shelf, int directory, unsigned workers,
                                  size_t segment_size, uint64_t limit, uint64_t sync_interval);
/* Closes the mappings; files with entries stay. */
void shelf_close(struct shelf *shelf);
/* No worker writes and no keeper works any more: all segments are complete. */
void shelf_finish(struct shelf *shelf);

/* The keeper's turn: makes segments that are wanted, faults in pages ahead of the writers, syncs at
 * the interval. May block. Call about every SHELF_TURN. */
#define SHELF_TURN                                                                 \
    20000000ull /* nanoseconds; a worker would have to write 2 MiB in it to notice \
                 */
void shelf_keep(struct shelf *shelf);

/* The first segment of a lane, or the one behind `previous` (held by the caller, let go here);
 * held. NULL when there is none. */
struct shelf_segment *shelf_hold_first(struct shelf *shelf, unsigned lane);
struct shelf_segment *shelf_hold_next(struct shelf *shelf, struct shelf_segment *previous);
void shelf_let_go(struct shelf *shelf, struct shelf_segment *segment);

/* How far a reader may read: what is committed, or all of one that was left behind. */
size_t shelf_limit(const struct shelf_segment *segment);
/* Whether `position` is the end for good. */
must_check bool shelf_ended(const struct shelf_segment *segment, size_t position);

/* The importer: the store holds all of the segment. It goes as soon as nobody needs it. */
void shelf_mark_imported(struct shelf *shelf, struct shelf_segment *segment);
/* The importer: removes the files that are imported and needed by nobody. */
void shelf_retire(struct shelf *shelf);

/* The access log begins to read what is written from now on, and stops. */
void shelf_start_log(struct shelf *shelf, uint64_t behind);
void shelf_stop_log(struct shelf *shelf);

#endif
