/* journal_supply: the inside of a journal, and how it gets its segments.
 *
 * For the shelf (ledger/shelf.c), which makes segments ahead of need and hands them over through a
 * ring with one producer (the shelf's keeper) and one consumer (the worker). */
#ifndef LEDGER_JOURNAL_SUPPLY_H
#define LEDGER_JOURNAL_SUPPLY_H

#include <stdatomic.h>

#include "ledger/journal.h"
#include "ledger/segment.h"

/* Segments made ahead. One is enough for the rate; more back the reservations of many open streams:
 * 64 of 16 MiB hold for over 200,000. A power of two. */
#define JOURNAL_READY_MAX 64u

struct journal {
    /* The worker's own. */
    struct segment *current;
    uint8_t scratch[RECORD_SIZE_MAX > OBJECT_SIZE_MAX ? RECORD_SIZE_MAX : OBJECT_SIZE_MAX];
    unsigned worker;
    size_t segment_size;
    /* Written by the worker, read by others. */
    _Alignas(64) _Atomic uint64_t reserved; /* bytes held by reservations */
    _Atomic uint64_t left;                  /* bytes not written in the current segment */
    _Atomic uint32_t taken;                 /* ready segments consumed since the start */
    _Atomic uint64_t records;               /* end records written */
    _Atomic uint64_t refused;               /* reservations that failed */
    /* Written by the keeper. */
    _Alignas(64) _Atomic uint32_t supplied; /* ready segments produced since the start */
    struct segment *ready[JOURNAL_READY_MAX];
};

/* `first` is written to until it is full; segments stay the shelf's. */
void journal_open(struct journal *journal, unsigned worker, struct segment *first);

/* The keeper: whether one more segment should be made, and handing it over (it must be wanted). */
must_check bool journal_wants_segment(const struct journal *journal);
void journal_supply_segment(struct journal *journal, struct segment *segment);
/* Whether a reservation would succeed. Any thread; true a moment ago. */
must_check bool journal_has_room(const struct journal *journal);

/* The record of the calls that a segment's header counts as refused. */
#define JOURNAL_REFUSED_CODE   "ledger_unavailable"
#define JOURNAL_REFUSED_STATUS 503
void journal_describe_refused(const struct segment *segment, struct record *record);

#endif
