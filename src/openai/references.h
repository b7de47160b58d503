/* references: whether a body's prompt is larger than the body: it names pictures and files by
 * address or id, an earlier response, tools that the provider runs.
 *
 * A body is searched while it arrives, each part while it is still in the processor's cache: that
 * of a large one would have to be fetched once more. No memory of its own; one thread at a time. */
#ifndef OPENAI_REFERENCES_H
#define OPENAI_REFERENCES_H

#include <stdbool.h>

#include "base/text.h"

/* All zero: nothing was searched yet. */
struct references {
    size_t searched; /* bytes of the body, from its start */
    bool found;
};

/* `body` is all of it that has come so far, and may lie elsewhere each time. */
void references_search(struct references *references, struct text body);
/* The same for a body that is complete, whatever was searched before. True when it refers. */
bool references_finish(struct references *references, struct text body);

#endif
