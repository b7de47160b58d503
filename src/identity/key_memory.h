/* key_memory: the hashes of keys that were let in before, so that a key in use is not hashed with
 * SHA-256 at every call.
 *
 * Under a 128-bit code of the whole text that was sent (base/siphash.h, with a random seed of this
 * memory's own) stands its hash (key_compute_hash): no secret is kept, and nothing that the key
 * table does not have. Why that is sound:
 *
 * - It answers one question only, what the hash of a key is, and the answer never changes. The
 *   key is looked up in the table as it is now each time and compared with that hash: a revoked,
 *   expired, rotated or deleted key is refused at once, whatever is remembered.
 * - Another text has the same code by chance alone, once in 2^128: the seed never leaves this
 *   memory, so nobody can look for one, and codes are compared in constant time.
 * - Only keys that were let in are remembered: who has none cannot push others out.
 *
 * One thread, its owner. */
#ifndef IDENTITY_KEY_MEMORY_H
#define IDENTITY_KEY_MEMORY_H

#include "base/siphash.h"
#include "identity/key.h"

struct key_memory;

/* NULL when memory is short. */
must_check struct key_memory *key_memory_create(void);
/* NULL is fine. */
void key_memory_destroy(struct key_memory *memory);

/* What `key` (the whole text, of any form) is remembered by. */
struct siphash_code key_memory_code(const struct key_memory *memory, struct text key);
/* The hash of the key of that code; NULL when it is not remembered. Until the next
 * key_memory_keep. */
const struct key_hash *key_memory_find(const struct key_memory *memory,
                                       const struct siphash_code *code);
/* Remembers the hash of a key that was let in; another one may be forgotten for it. */
void key_memory_keep(struct key_memory *memory, const struct siphash_code *code,
                     const struct key_hash *hash);

#endif
