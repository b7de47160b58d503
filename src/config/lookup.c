#include "config/lookup.h"

#include "base/ensure.h"
#include "identity/network.h"
#include "tables/config.h"

/* A wrong name must not cost more than a right call: with more names the suggestion may be missing.
 */
#define NEAREST_NAMES_MAXIMUM 1000u

struct config_index *lookup_create(struct arena *arena, size_t names, size_t patterns)
{
    struct config_index *index = arena_take_zeroed(arena, sizeof(*index));
    if (!index)
        return NULL;
    index->slot_count = 16;
    while (index->slot_count < names * 2)
        index->slot_count *= 2;
    index->slots = arena_take_zeroed(arena, index->slot_count * sizeof(*index->slots));
    index->patterns = arena_take_zeroed(arena, patterns * sizeof(*index->patterns));
    return index->slots && index->patterns ? index : NULL;
}

/* The slot that has the name, or the free one where it would be. */
static struct config_index_slot *find_slot(const struct config_index *index, struct text name)
{
    size_t slot = (size_t)text_hash(name) & (index->slot_count - 1);
    while (index->slots[slot].name.data && !text_equal(index->slots[slot].name, name))
        slot = (slot + 1) & (index->slot_count - 1);
    return &index->slots[slot];
}

const struct config_model *lookup_add_name(struct config_index *index, struct text name,
                                           const struct config_model *model)
{
    struct config_index_slot *slot = find_slot(index, name);
    if (slot->name.data)
        return slot->model;
    *slot = (struct config_index_slot){name, model};
    return NULL;
}

void lookup_add_pattern(struct config_index *index, const struct config_model *model)
{
    index->patterns[index->pattern_count++] = model;
}

static int compare_patterns(const void *a, const void *b)
{
    const struct config_model *left = *(const struct config_model *const *)a;
    const struct config_model *right = *(const struct config_model *const *)b;
    ptrdiff_t left_literal = text_find_char(left->name, '*');
    ptrdiff_t right_literal = text_find_char(right->name, '*');
    if (left_literal != right_literal)
        return left_literal > right_literal ? -1 : 1;
    if (left->name.length != right->name.length)
        return left->name.length > right->name.length ? -1 : 1;
    return left->index < right->index ? -1 : 1;
}

void lookup_finish(struct config_index *index)
{
    if (index->pattern_count > 1)
        qsort(index->patterns, index->pattern_count, sizeof(*index->patterns), compare_patterns);
}

const struct config_model *config_find_model(const struct config *config, struct text name)
{
    const struct config_index *index = config->index;
    const struct config_index_slot *slot = find_slot(index, name);
    if (slot->name.data)
        return slot->model;
    for (size_t i = 0; i < index->pattern_count; i++)
        if (text_matches_pattern(name, index->patterns[i]->name))
            return index->patterns[i];
    return NULL;
}

const struct config_network *config_network_of(const struct config *config,
                                               const struct network *address)
{
    uint32_t index = network_table_find(config->network_table, address);
    return index == NETWORK_NONE ? NULL : &config->networks[index];
}

const struct config_network *config_find_network(const struct config *config, struct text name)
{
    for (size_t i = 0; i < config->network_count; i++)
        if (text_equal(config->networks[i].name, name))
            return &config->networks[i];
    return NULL;
}

struct text config_nearest_network(const struct config *config, struct text name)
{
    struct text nearest = {0};
    size_t limit = config_near_limit(name);
    for (size_t i = 0; i < config->network_count; i++) {
        size_t distance = text_edit_distance(name, config->networks[i].name, limit);
        if (distance <= limit && (text_empty(nearest) || distance < limit)) {
            nearest = config->networks[i].name;
            limit = distance;
        }
    }
    return nearest;
}

struct text config_nearest_model(const struct config *config, struct text name)
{
    struct text nearest = {0};
    size_t limit = config_near_limit(name);
    size_t seen = 0;
    for (size_t i = 0; i < config->index->slot_count && seen < NEAREST_NAMES_MAXIMUM; i++) {
        struct text candidate = config->index->slots[i].name;
        if (!candidate.data)
            continue;
        seen++;
        size_t distance = text_edit_distance(name, candidate, limit);
        bool better = distance < limit || text_empty(nearest) ||
                      (distance == limit && text_compare(candidate, nearest) < 0);
        if (distance <= limit && better) {
            nearest = candidate;
            limit = distance;
        }
    }
    return nearest;
}
