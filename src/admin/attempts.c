/* What an address has left is kept as one moment: each failure puts off, by an interval, when all
 * of its attempts are there again. A row whose moment has passed is free. */
#include "admin/attempts.h"

#define V4_BITS 32u
#define V6_BITS 64u

/* Of a unix socket there is one, of length 0. */
static struct network source_of(const struct address *address)
{
    struct network network;

    if (!network_of(address, &network))
        return (struct network){.length = 0};
    return network_around(&network, V4_BITS, V6_BITS);
}

static bool same(const struct network *a, const struct network *b)
{
    return a->length == b->length && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static const struct attempts_source *find(const struct attempts *attempts,
                                          const struct network *network, uint64_t now)
{
    for (size_t i = 0; i < ATTEMPTS_SOURCES; i++) {
        const struct attempts_source *source = &attempts->sources[i];
        if (source->full_at > now && same(&source->network, network))
            return source;
    }
    return NULL;
}

uint64_t attempts_wait(const struct attempts *attempts, const struct address *source, uint64_t now)
{
    struct network network = source_of(source);
    const struct attempts_source *found = find(attempts, &network, now);
    const uint64_t most = (ATTEMPTS_AT_ONCE - 1) * ATTEMPTS_INTERVAL;

    if (!found || found->full_at - now <= most)
        return 0;
    return found->full_at - now - most;
}

void attempts_note(struct attempts *attempts, const struct address *source, uint64_t now)
{
    struct network network = source_of(source);
    struct attempts_source *chosen = &attempts->sources[0];

    for (size_t i = 0; i < ATTEMPTS_SOURCES; i++) {
        struct attempts_source *row = &attempts->sources[i];
        if (row->full_at > now && same(&row->network, &network)) {
            row->full_at += ATTEMPTS_INTERVAL;
            return;
        }
        if (row->full_at < chosen->full_at)
            chosen = row;
    }
    *chosen = (struct attempts_source){network, now + ATTEMPTS_INTERVAL};
}
