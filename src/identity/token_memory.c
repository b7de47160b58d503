/* A table in which each code has one place, that its own bits tell. An empty place has no
 * principal.
 */
#include "identity/token_memory.h"

#include <stdlib.h>

#include "base/identifier.h"
#include "base/secret.h"

/* Tokens in use at a time, in one worker; beyond them some are verified again. 64 KiB, and some 400
 * bytes more for each in use. A power of two. */
#define PLACES 1024u

struct token_memory {
    struct siphash_seed seed;
    struct token_remembered places[PLACES];
};

struct token_memory *token_memory_create(void)
{
    struct token_memory *memory = calloc(1, sizeof *memory);

    if (memory != NULL)
        random_bytes(&memory->seed, sizeof memory->seed);
    return memory;
}

void token_memory_destroy(struct token_memory *memory)
{
    if (memory == NULL)
        return;
    for (size_t i = 0; i < PLACES; i++)
        free(memory->places[i].principal);
    secret_wipe(memory, sizeof *memory);
    free(memory);
}

struct siphash_code token_memory_code(const struct token_memory *memory, struct text sent)
{
    return siphash(&memory->seed, sent);
}

static size_t place_of(const struct siphash_code *code)
{
    return (size_t)(code->words[0] % PLACES);
}

const struct token_remembered *token_memory_find(const struct token_memory *memory,
                                                 const struct siphash_code *code, uint64_t wall)
{
    const struct token_remembered *place = &memory->places[place_of(code)];

    if (place->principal == NULL || !siphash_code_equal(&place->code, code) ||
        wall >= place->principal->expires_at)
        return NULL;
    return place;
}

const struct token_remembered *token_memory_keep(struct token_memory *memory,
                                                 const struct token_remembered *found)
{
    struct token_remembered *place = &memory->places[place_of(&found->code)];

    free(place->principal);
    *place = *found;
    return place;
}
