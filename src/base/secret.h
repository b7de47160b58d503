/* secret: bytes that must not be seen.
 *
 * No function prints one; the bytes are wiped when it is freed. Whoever needs them to send them
 * (an Authorization header) asks by a name that is easy to search for: secret_expose. One owner,
 * one thread at a time. */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include "base/text.h"

struct secret;

/* A copy of `bytes` in memory of its own, kept out of core dumps; NULL when memory is short.
 * The caller still owns, and should wipe, what it passed. */
must_check struct secret *secret_make(struct text bytes);
void secret_free(struct secret *secret); /* wipes; NULL is fine */
/* The bytes, valid while the secret is. Never log, format or store what this returns. */
struct text secret_expose(const struct secret *secret);
/* Takes the same time wherever the two differ; length may leak. */
bool secret_equal(const struct secret *secret, struct text candidate);
/* Overwrites memory in a way the compiler keeps. */
void secret_wipe(void *bytes, size_t size);

#endif
