/* lookup: names and aliases to models, patterns by precedence. Made once with a snapshot, in its
 * arena; afterwards only read. Within config/ only; the rest asks config_find_model. */
#ifndef CONFIG_LOOKUP_H
#define CONFIG_LOOKUP_H

#include "base/arena.h"
#include "config/snapshot.h"

struct config_index_slot {
    struct text name; /* data NULL: free */
    const struct config_model *model;
};

struct config_index {
    struct config_index_slot *slots; /* a power of two, at least twice what is in it */
    size_t slot_count;
    const struct config_model **patterns; /* in the order in which they are tried */
    size_t pattern_count;
};

/* Room for `names` names and aliases and `patterns` patterns; NULL when memory is short. */
must_check struct config_index *lookup_create(struct arena *arena, size_t names, size_t patterns);
/* The model that already has this name, or NULL after adding it. */
const struct config_model *lookup_add_name(struct config_index *index, struct text name,
                                           const struct config_model *model);
void lookup_add_pattern(struct config_index *index, const struct config_model *model);
/* After the last pattern. */
void lookup_finish(struct config_index *index);

#endif
