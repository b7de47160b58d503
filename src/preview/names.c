#include "preview/names.h"

#include <stdlib.h>

#include "base/ensure.h"
#include "base/identifier.h"

#define BUCKETS_FIRST 1024u

void names_open(struct names *names)
{
    *names = (struct names){.mask = BUCKETS_FIRST - 1};
    arena_open(&names->arena, NULL, NAMES_BYTES_MAX);
    random_bytes(&names->seed, sizeof names->seed);
    names->buckets = ensure_memory(calloc(BUCKETS_FIRST, sizeof *names->buckets));
}

void names_close(struct names *names)
{
    arena_close(&names->arena);
    free(names->buckets);
    *names = (struct names){0};
}

static void grow(struct names *names)
{
    size_t mask = names->mask * 2 + 1;
    struct name **buckets = ensure_memory(calloc(mask + 1, sizeof *buckets));
    for (size_t i = 0; i <= names->mask; i++) {
        struct name *name = names->buckets[i], *next;
        for (; name != NULL; name = next) {
            next = name->next;
            name->next = buckets[name->code & mask];
            buckets[name->code & mask] = name;
        }
    }
    free(names->buckets);
    names->buckets = buckets;
    names->mask = mask;
}

static struct name *find(const struct names *names, struct text text, uint64_t code)
{
    struct name *name = names->buckets[code & names->mask];
    while (name != NULL && (name->code != code || !text_equal(name->text, text)))
        name = name->next;
    return name;
}

struct name *names_find(const struct names *names, struct text text)
{
    return find(names, text, siphash(&names->seed, text).words[0]);
}

struct name *names_take(struct names *names, struct text text)
{
    uint64_t code = siphash(&names->seed, text).words[0];
    struct name *name = find(names, text, code);
    if (name != NULL)
        return name;
    if (names->count > names->mask)
        grow(names);
    name = ensure_memory(arena_take_zeroed(&names->arena, sizeof *name));
    name->text = arena_copy(&names->arena, text);
    ensure_memory((void *)(uintptr_t)name->text.data);
    name->code = code;
    name->number = names->count++;
    name->next = names->buckets[code & names->mask];
    names->buckets[code & names->mask] = name;
    return name;
}
