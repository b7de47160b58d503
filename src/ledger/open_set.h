/* open_set: which exchanges have begun and not ended, by id, with the place of their begin mark.
 *
 * A hash table with linear probing; ids are random enough to be their own hash. Grows by doubling
 * to OPEN_SET_MAX entries. Belongs to the importer. */
#ifndef LEDGER_OPEN_SET_H
#define LEDGER_OPEN_SET_H

#include "base/identifier.h"

/* More calls than could be in flight in one process; at 40 bytes each. */
#define OPEN_SET_MAX (1u << 20)

struct shelf_segment;

struct open_entry {
    struct identifier id;
    struct shelf_segment *segment; /* NULL: a free place */
    size_t position;
};

struct open_set {
    struct open_entry *entries;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
};

void open_set_close(struct open_set *set);
/* Nothing happens when the id is there already. False when the set is full. */
must_check bool open_set_add(struct open_set *set, const struct open_entry *entry);
/* False when the id is not there. */
bool open_set_remove(struct open_set *set, struct identifier id);
/* The next entry whose mark lies in `segment`, from `cursor` (0 at first) on; NULL at the end. */
const struct open_entry *open_set_next(const struct open_set *set,
                                       const struct shelf_segment *segment, size_t *cursor);

#endif
