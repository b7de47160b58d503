#include "ledger/open_set.h"

#include <stdint.h>

#include "base/ensure.h"

#define FIRST_CAPACITY 256u

void open_set_close(struct open_set *set)
{
    free(set->entries);
    *set = (struct open_set){0};
}

/* The place where the search for an id begins: of its random part. */
static size_t home(const struct open_set *set, struct identifier id)
{
    uint64_t random;
    memcpy(&random, id.bytes + sizeof(id.bytes) - sizeof(random), sizeof(random));
    return (size_t)random & (set->capacity - 1);
}

/* The id's place, or the free one where it would stand. */
static struct open_entry *find(const struct open_set *set, struct identifier id)
{
    size_t at = home(set, id);
    while (set->entries[at].segment && memcmp(&set->entries[at].id, &id, sizeof(id)) != 0)
        at = (at + 1) & (set->capacity - 1);
    return &set->entries[at];
}

static void grow(struct open_set *set)
{
    struct open_set larger = {.capacity = set->capacity ? set->capacity * 2 : FIRST_CAPACITY,
                              .count = set->count};
    larger.entries = ensure_memory(calloc(larger.capacity, sizeof(*larger.entries)));
    for (size_t i = 0; i < set->capacity; i++) {
        if (set->entries[i].segment)
            *find(&larger, set->entries[i].id) = set->entries[i];
    }
    free(set->entries);
    *set = larger;
}

bool open_set_add(struct open_set *set, const struct open_entry *entry)
{
    if (set->count * 2 >= set->capacity) { /* half full at most: probes stay short */
        if (set->count >= OPEN_SET_MAX)
            return false;
        grow(set);
    }
    struct open_entry *place = find(set, entry->id);
    if (!place->segment) {
        *place = *entry;
        set->count++;
    }
    return true;
}

bool open_set_remove(struct open_set *set, struct identifier id)
{
    if (set->count == 0)
        return false;
    struct open_entry *place = find(set, id);
    if (!place->segment)
        return false;
    set->count--;
    /* Entries behind the hole move up when their search would otherwise stop at it. */
    size_t mask = set->capacity - 1;
    size_t hole = (size_t)(place - set->entries);
    for (size_t at = (hole + 1) & mask; set->entries[at].segment; at = (at + 1) & mask) {
        size_t wanted = home(set, set->entries[at].id);
        if (((at - wanted) & mask) >= ((at - hole) & mask)) {
            set->entries[hole] = set->entries[at];
            hole = at;
        }
    }
    set->entries[hole].segment = NULL;
    return true;
}

const struct open_entry *open_set_next(const struct open_set *set,
                                       const struct shelf_segment *segment, size_t *cursor)
{
    while (*cursor < set->capacity) {
        const struct open_entry *entry = &set->entries[(*cursor)++];
        if (entry->segment == segment)
            return entry;
    }
    return NULL;
}
