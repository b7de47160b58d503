#include "base/siphash.h"

#include <string.h>

struct state {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate(uint64_t word, unsigned bits)
{
    return word << bits | word >> (64 - bits);
}

static inline void mix(struct state *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 = rotate(s->v0, 32) + s->v3;
    s->v2 += s->v1;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 = rotate(s->v2, 32);
}

static inline void take(struct state *s, uint64_t word)
{
    s->v3 ^= word;
    mix(s);
    mix(s);
    s->v0 ^= word;
}

static inline uint64_t finish(struct state *s)
{
    for (unsigned i = 0; i < 4; i++)
        mix(s);
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

/* Words are read as they lie: little-endian machines alone give the published codes. */
struct siphash_code siphash(const struct siphash_seed *seed, struct text text)
{
    struct state s = {
        seed->words[0] ^ 0x736f6d6570736575,
        seed->words[1] ^ 0x646f72616e646f6d ^ 0xee,
        seed->words[0] ^ 0x6c7967656e657261,
        seed->words[1] ^ 0x7465646279746573,
    };
    size_t rest = text.length % sizeof(uint64_t), whole = text.length - rest;
    struct siphash_code code;
    uint64_t word, last = 0;

    for (size_t i = 0; i < whole; i += sizeof word) {
        memcpy(&word, text.data + i, sizeof word);
        take(&s, word);
    }
    if (rest > 0)
        memcpy(&last, text.data + whole, rest);
    take(&s, last | (uint64_t)text.length << 56);
    s.v2 ^= 0xee;
    code.words[0] = finish(&s);
    s.v1 ^= 0xdd;
    code.words[1] = finish(&s);
    return code;
}
