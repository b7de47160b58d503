/* tags: what a caller says a call is for, as one small JSON object of strings.
 *
 * From the header x-turnpike-tags ("feature=search, run=42") and from the body's `metadata`. Such
 * tags are for reports; nothing that allows or bills goes by them. Pure, any thread. */
#ifndef OPENAI_TAGS_H
#define OPENAI_TAGS_H

#include "base/arena.h"
#include "base/text.h"

#define TAGS_MAX        32u  /* names in one call */
#define TAGS_NAME_MAX   64u  /* bytes, as OpenAI's metadata */
#define TAGS_VALUE_MAX  256u /* bytes; longer ones are text, not tags */
#define TAGS_LENGTH_MAX 480u /* of the object: a record holds 512 */

/* What is wrong with the header's value, for a person; NULL when it is good (or empty). */
const char *tags_header_problem(struct text header);
/* The object in `arena`; empty when there is no tag. `header` is good; `metadata` is a raw JSON
 * object, checked by a scan, or empty. The header's come first and win; of the metadata those
 * members that are strings of at most TAGS_VALUE_MAX and that still fit; `*left_out`: how many of
 * both were no tags or did not fit. */
struct text tags_make(struct text header, struct text metadata, struct arena *arena,
                      size_t *left_out);

#endif
