/* identifier: random bytes and the ids made of them. Any thread (state is per thread). */
#ifndef BASE_IDENTIFIER_H
#define BASE_IDENTIFIER_H

#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

/* Cryptographically strong; stops the process if the kernel has none to give. */
void random_bytes(void *out, size_t size);

/* A request id: 48 bits of wall-clock milliseconds, then 80 random bits, so ids sort by time. */
struct identifier {
    uint8_t bytes[16];
};

#define IDENTIFIER_TEXT_LENGTH 36 /* "req_" and 32 lower-case hex digits, as OpenAI writes them */

struct identifier identifier_make(uint64_t wall_nanoseconds);
/* The lowest id of that millisecond, for a search by time. */
struct identifier identifier_lowest(uint64_t wall_nanoseconds);
/* Writes exactly IDENTIFIER_TEXT_LENGTH bytes, no NUL. */
void identifier_format(struct identifier id, char out[IDENTIFIER_TEXT_LENGTH]);
must_check bool identifier_parse(struct text t, struct identifier *out);

#endif
