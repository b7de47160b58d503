#include "config/memory.h"

struct config_secret {
    struct secret *secret;
    struct config_secret *next;
};

struct config_thing {
    void *thing;
    void (*release)(void *thing);
    struct config_thing *next;
};

struct config_memory *config_memory_create(void)
{
    struct config_memory *memory = calloc(1, sizeof(*memory));
    if (!memory)
        return NULL;
    arena_open(&memory->arena, NULL, CONFIG_MEMORY_MAXIMUM);
    atomic_init(&memory->holders, 1);
    return memory;
}

void config_memory_destroy(struct config_memory *memory)
{
    for (struct config_secret *link = memory->secrets; link; link = link->next)
        secret_free(link->secret);
    for (struct config_thing *link = memory->things; link; link = link->next)
        link->release(link->thing);
    arena_close(&memory->arena);
    free(memory);
}

struct secret *config_memory_secret(struct config_memory *memory, struct text bytes)
{
    struct config_secret *link = arena_take(&memory->arena, sizeof(*link));
    struct secret *secret = link ? secret_make(bytes) : NULL;
    if (!secret)
        return NULL;
    *link = (struct config_secret){secret, memory->secrets};
    memory->secrets = link;
    return secret;
}

bool config_memory_keep(struct config_memory *memory, void *thing, void (*release)(void *thing))
{
    struct config_thing *link = thing ? arena_take(&memory->arena, sizeof(*link)) : NULL;
    if (!link) {
        release(thing);
        return false;
    }
    *link = (struct config_thing){thing, release, memory->things};
    memory->things = link;
    return true;
}

void config_memory_note_file(struct config_memory *memory, const char *path)
{
    struct config_secret_file *file = arena_take(&memory->arena, sizeof(*file));
    if (!file)
        return; /* loading fails for want of memory anyway */
    *file = (struct config_secret_file){path, memory->files};
    memory->files = file;
}
