/* journal: where a worker records its exchanges without waiting for anything.
 *
 * A journal belongs to one worker thread; every function here is for that thread alone. What is
 * written lies in a memory-mapped, preallocated file (ledger/segment.h): it survives SIGKILL at
 * once and a power failure after at most the sync interval. There is no system call and no lock.
 *
 * Room for everything that an exchange will have to record is reserved before it is admitted, so
 * that recording what was served can never fail. When a reservation fails the road answers 503; the
 * journal counts those calls and records how many there were and when, as soon as it has room. */
#ifndef LEDGER_JOURNAL_H
#define LEDGER_JOURNAL_H

#include <stdint.h>

#include "ledger/object.h"
#include "store/record.h"
#include "tables/error.h"

struct journal;

/* What is held for one exchange. Zeroed: nothing is held. Lives in the exchange. */
struct journal_reservation {
    uint32_t begin;  /* bytes, 0 when the mark was written or is not wanted */
    uint32_t end;    /* bytes */
    uint32_t object; /* bytes, for the first object */
};

/* Holds room for a begin mark, an end record and one object. `wall` is now, in nanoseconds.
 * ERROR_DISK_FULL when the journal has no room: nothing is held, and the call is counted as
 * refused. */
must_handle enum error journal_reserve(struct journal *journal,
                                       struct journal_reservation *reservation, uint64_t wall);
/* The mark that a call is about to leave for an upstream. At most once per reservation. */
void journal_write_begin(struct journal *journal, struct journal_reservation *reservation,
                         const struct record *record);
/* The exchange's record; the reservation is used up. Exactly once per reservation. Must be called
 * before the last byte of the answer is handed to the kernel. */
void journal_write_end(struct journal *journal, struct journal_reservation *reservation,
                       const struct record *record);
/* Call before the bytes that name the object are handed to the kernel. The first object of an
 * exchange always fits; ERROR_DISK_FULL for a later one when there is no room, ERROR_ARGUMENT for
 * an id that cannot be recorded. */
must_handle enum error journal_write_object(struct journal *journal,
                                            struct journal_reservation *reservation,
                                            const struct object *object);
/* Gives a reservation back unused (the caller's connection died before there was a request). */
void journal_release(struct journal *journal, struct journal_reservation *reservation);

#endif
