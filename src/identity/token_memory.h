/* token_memory: who the holders of tokens and certificates are that were let in before, so that one
 * in use costs no signature at every call.
 *
 * Under a 128-bit code of what was sent, as in identity/key_memory.h, stands the principal that it
 * proved, with what that rests on: the configuration's generation, and the version of the issuer's
 * keys. Who asks compares both with what is in force and the expiry with the time, so a rule that
 * has changed, a key that the issuer took back, and a token that has ended count at once. Only what
 * was let in is remembered: strangers push nobody out.
 *
 * One thread, its owner. */
#ifndef IDENTITY_TOKEN_MEMORY_H
#define IDENTITY_TOKEN_MEMORY_H

#include "base/siphash.h"
#include "identity/principal.h"

struct token_memory;

struct token_remembered {
    struct siphash_code code;
    struct principal *principal; /* its memory's */
    uint64_t generation;         /* of the configuration */
    size_t row;                  /* there: of the issuer; of a certificate the listener's */
    uint64_t keys_version;       /* of the issuer */
};

/* NULL when memory is short. */
must_check struct token_memory *token_memory_create(void);
void token_memory_destroy(struct token_memory *memory); /* NULL is fine */

struct siphash_code token_memory_code(const struct token_memory *memory, struct text sent);
/* What was remembered, until the next token_memory_keep; NULL: nothing, or it ended at `wall`. */
const struct token_remembered *token_memory_find(const struct token_memory *memory,
                                                 const struct siphash_code *code, uint64_t wall);
/* Takes the principal over; another may be forgotten for it. Returns what is now remembered. */
const struct token_remembered *token_memory_keep(struct token_memory *memory,
                                                 const struct token_remembered *found);

#endif
