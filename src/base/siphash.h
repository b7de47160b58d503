/* siphash: SipHash-2-4 with 128 bits (Aumasson and Bernstein, "SipHash: a fast short-input PRF",
 * 2012, and the authors' reference code): a message authentication code for short texts that costs
 * less than a tenth of a cryptographic hash. Who does not know the seed can neither foretell the
 * code of a text nor find two texts of one code. Pure, any thread. */
#ifndef BASE_SIPHASH_H
#define BASE_SIPHASH_H

#include <stdint.h>

#include "base/text.h"

struct siphash_seed {
    uint64_t words[2]; /* random and kept secret */
};

struct siphash_code {
    uint64_t words[2];
};

struct siphash_code siphash(const struct siphash_seed *seed, struct text text);

/* Takes the same time wherever the two differ. */
static inline bool siphash_code_equal(const struct siphash_code *a, const struct siphash_code *b)
{
    return ((a->words[0] ^ b->words[0]) | (a->words[1] ^ b->words[1])) == 0;
}

#endif
