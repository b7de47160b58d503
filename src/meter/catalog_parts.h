/* What catalog.c (holding, finding) and catalog_read.c (reading, checking) share. */
#ifndef METER_CATALOG_PARTS_H
#define METER_CATALOG_PARTS_H

#include <stdatomic.h>

#include "base/arena.h"
#include "meter/catalog.h"

/* A name and what it leads to; open addressing by text_hash of provider and name. */
struct catalog_slot {
    const struct catalog_model *model; /* NULL: free */
    struct text name;
};

struct catalog {
    atomic_uint references;
    struct arena arena;
    char version[CATALOG_VERSION_SIZE];
    struct text as_of;
    struct catalog_provider *providers;
    size_t provider_count;
    struct catalog_window *windows;
    size_t window_count;
    struct catalog_model *models;
    size_t model_count;
    struct catalog_slot *slots;
    size_t slot_count; /* a power of two, at least twice the names */
};

/* With no reference counted yet; NULL without memory. */
struct catalog *catalog_create(void);
/* Makes room for so many names. False without memory. */
must_check bool catalog_index_open(struct catalog *catalog, size_t names);
/* Returns whom the name belongs to already, or NULL and has taken it. */
const struct catalog_model *catalog_index_add(struct catalog *catalog,
                                              const struct catalog_model *model, struct text name);

#endif
