/* A table in which each code has one place, that its own bits tell. An empty place has the code
 * zero, which a text has as seldom as any other. */
#include "identity/key_memory.h"

#include <stdlib.h>

#include "base/identifier.h"
#include "base/secret.h"

/* Keys in use at a time; beyond them some are hashed again. 48 KiB. A power of two. */
#define PLACES 1024u

struct place {
    struct siphash_code code;
    struct key_hash hash;
};

struct key_memory {
    struct siphash_seed seed;
    struct place places[PLACES];
};

struct key_memory *key_memory_create(void)
{
    struct key_memory *memory = calloc(1, sizeof *memory);

    if (memory != NULL)
        random_bytes(&memory->seed, sizeof memory->seed);
    return memory;
}

void key_memory_destroy(struct key_memory *memory)
{
    if (memory == NULL)
        return;
    secret_wipe(memory, sizeof *memory);
    free(memory);
}

struct siphash_code key_memory_code(const struct key_memory *memory, struct text key)
{
    return siphash(&memory->seed, key);
}

static size_t place_of(const struct siphash_code *code)
{
    return (size_t)(code->words[0] % PLACES);
}

const struct key_hash *key_memory_find(const struct key_memory *memory,
                                       const struct siphash_code *code)
{
    const struct place *place = &memory->places[place_of(code)];

    return siphash_code_equal(&place->code, code) ? &place->hash : NULL;
}

void key_memory_keep(struct key_memory *memory, const struct siphash_code *code,
                     const struct key_hash *hash)
{
    memory->places[place_of(code)] = (struct place){*code, *hash};
}
