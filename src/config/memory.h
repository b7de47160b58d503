/* memory: what a snapshot owns: one arena, its secrets, and how many hold it. Within config/ only.
 */
#ifndef CONFIG_MEMORY_H
#define CONFIG_MEMORY_H

#include <stdatomic.h>

#include "base/arena.h"
#include "base/secret.h"
#include "config/snapshot.h"

/* 10,000 models with aliases and targets take about 5 MB. */
#define CONFIG_MEMORY_MAXIMUM 268435456u

struct config_memory {
    struct arena arena;
    struct config_secret *secrets;
    struct config_thing *things;            /* that are not in the arena */
    const struct config_secret_file *files; /* that secrets came from */
    atomic_size_t holders;
};

must_check struct config_memory *config_memory_create(void); /* with one holder */
void config_memory_destroy(struct config_memory *memory);
/* Remembers that a secret was read from the file, whose path lies in the arena. */
void config_memory_note_file(struct config_memory *memory, const char *path);
/* `thing` is given to `release` when the snapshot is freed, and at once when memory is short: false
 * then. */
must_check bool config_memory_keep(struct config_memory *memory, void *thing,
                                   void (*release)(void *thing));
/* A secret that is freed with the snapshot; NULL when memory is short. */
must_check struct secret *config_memory_secret(struct config_memory *memory, struct text bytes);

#endif
