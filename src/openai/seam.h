/* seam: text that comes in pieces, cut where a character was not complete.
 *
 * Providers stream what a model writes token by token. A character may be cut between two pieces,
 * in its bytes or, where JSON wrote it as a pair of surrogates, between the two halves (each then
 * three bytes, as codec/json.h reads them). What is incomplete at the end of a piece waits for the
 * next one. By value, no memory. One thread at a time. */
#ifndef OPENAI_SEAM_H
#define OPENAI_SEAM_H

#include "base/buffer.h"

#define SEAM_HELD_MAX 3u

struct seam {
    unsigned char length;
    char held[SEAM_HELD_MAX];
};

/* The piece with what was held before it and without what is now held: a slice of `piece`, or, when
 * something was held, of `joined` (cleared first; `failed` when it has no room). */
struct text seam_join(struct seam *seam, struct text piece, struct buffer *joined);
/* What is still held when no more comes: incomplete, which JSON writes as U+FFFD. Valid until the
 * next call. */
struct text seam_rest(struct seam *seam);

#endif
