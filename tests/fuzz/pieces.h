/* Cuts an input into pieces whose sizes depend on nothing but the input, so that a finding can be
 * repeated while seeds stay readable. */
#ifndef TESTS_FUZZ_PIECES_H
#define TESTS_FUZZ_PIECES_H

#include <stdint.h>

#include "base/text.h"

struct pieces {
    struct text rest;
    uint64_t random;
    size_t largest; /* a piece has 1 to this many bytes; SIZE_MAX makes one piece of any input */
};

static inline struct pieces pieces_of(struct text input, size_t largest)
{
    return (struct pieces){.rest = input, .random = text_hash(input) | 1, .largest = largest};
}

static inline bool pieces_next(struct pieces *pieces, struct text *piece)
{
    if (pieces->rest.length == 0)
        return false;
    pieces->random ^= pieces->random << 13; /* xorshift64 */
    pieces->random ^= pieces->random >> 7;
    pieces->random ^= pieces->random << 17;
    *piece = text_first(pieces->rest, 1 + (size_t)(pieces->random % pieces->largest));
    pieces->rest = text_from_index(pieces->rest, piece->length);
    return true;
}

/* Libfuzzer's entry, declared because the house warns about functions without a declaration. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
