/* segment: one preallocated, memory-mapped file of a journal, and how its entries are read.
 *
 * The file, named WORKER-NUMBER.journal, is a header page and then entries, each on 8 bytes:
 *
 *     checksum  4 bytes   CRC-32C over the segment's number, the entry's position, the next word
 *                         and the payload: nothing that lies elsewhere or is older passes for it
 *     length    3 bytes   of the payload; 0 is never written
 *     kind      1 byte
 *     payload
 *
 * A process's death loses nothing that was written, because the pages belong to the kernel. After a
 * power failure any page may be old: a reader of a segment left behind trusts checksums only, and
 * goes on behind a damaged place. A reader beside the writer trusts `committed`. Bytes are in the
 * machine's order: the file does not travel.
 *
 * The number is unique in the data directory for ever. The writer is one thread (journal.c); any
 * number of threads and processes read. */
#ifndef LEDGER_SEGMENT_H
#define LEDGER_SEGMENT_H

#include <stdatomic.h>
#include <stdint.h>

#include "ledger/object.h"
#include "store/record.h"
#include "tables/error.h"

#define SEGMENT_HEADER_SIZE 4096u /* a page, so that entries begin on one */
#define SEGMENT_NAME_SIZE   48u
#define SEGMENT_SIZE_MIN    (64u << 10)  /* some entries of the largest size */
#define SEGMENT_SIZE_MAX    (1ull << 31) /* positions are 32 bits in the importer's tables */

enum entry_kind { ENTRY_BEGIN = 1, ENTRY_END, ENTRY_OBJECT };

#define ENTRY_HEAD_SIZE    8u
#define ENTRY_SIZE(length) ((ENTRY_HEAD_SIZE + (size_t)(length) + 7) & ~(size_t)7)
#define ENTRY_LENGTH_MAX   65536u /* of any writer to come; a longer one is taken for damage */
/* The largest entries written today: every bound in the journal is counted in these. */
#define ENTRY_RECORD_MAX ENTRY_SIZE(RECORD_SIZE_MAX)
#define ENTRY_OBJECT_MAX ENTRY_SIZE(OBJECT_SIZE_MAX)

struct segment_header {
    char magic[8];
    uint64_t number;
    uint64_t size;
    uint32_t worker;
    uint32_t checksum;                       /* of the four above */
    _Alignas(64) _Atomic uint64_t committed; /* position behind the last entry */
    _Atomic uint32_t closed;                 /* nothing will follow `committed` */
    _Alignas(64) _Atomic uint64_t
        refused_from; /* calls refused for want of room, not yet recorded */
    _Atomic uint64_t refused_until;
    _Atomic uint64_t refused_count;
    uint8_t refused_id[16]; /* of the record that will tell; valid when refused_count is not 0 */
};

struct segment {
    uint8_t *map;
    size_t size;
    uint64_t number;
    unsigned worker;
    bool sound; /* the header's fixed part is as it was written */
};

/* "0003-18d0c5b2f7a1e000.journal" */
void segment_name(unsigned worker, uint64_t number, char out[SEGMENT_NAME_SIZE]);
must_check bool segment_parse_name(const char *name, unsigned *worker, uint64_t *number);

/* Makes the file with all its space and maps it. ERROR_DISK_FULL, ERROR_SYSTEM; no file stays. */
must_handle enum error segment_create(struct segment *segment, int directory, unsigned worker,
                                      uint64_t number, size_t size);
/* Maps a file to be read. ERROR_NOT_FOUND, ERROR_CORRUPT when it is too short to be one. */
must_handle enum error segment_open(struct segment *segment, int directory, const char *name);
void segment_close(struct segment *segment);

static inline struct segment_header *segment_header_of(const struct segment *segment)
{
    return (struct segment_header *)(void *)segment->map;
}

static inline uint64_t segment_committed(const struct segment *segment)
{
    return atomic_load_explicit(&segment_header_of(segment)->committed, memory_order_acquire);
}

static inline bool segment_closed(const struct segment *segment)
{
    return atomic_load_explicit(&segment_header_of(segment)->closed, memory_order_acquire) != 0;
}

/* Appends at the committed position; there must be room. The writer only. */
void segment_append(struct segment *segment, enum entry_kind kind, const uint8_t *payload,
                    size_t length);

struct entry {
    enum entry_kind kind;
    const uint8_t *payload;
    size_t length;
    size_t position;
};

/* Where the first entry stands. */
#define SEGMENT_START SEGMENT_HEADER_SIZE

/* The next entry at or behind `position`, which moves behind it; false when there is none before
 * `limit`: of a live segment what segment_committed gave, of one left behind its size. Passes over
 * bytes that are no entry; those that are not zero are added to `damaged`. Kinds and fields that a
 * newer writer knows come out as they are. */
must_check bool segment_next(const struct segment *segment, size_t *position, size_t limit,
                             struct entry *out, uint64_t *damaged);

#endif
