/* document: YAML text as a small tree that knows where each part stands.
 *
 * The subset that a configuration needs: one document of mappings, sequences and scalars. Anchors,
 * aliases, tags, merge keys, repeated keys and further documents are refused with a reason, and
 * size, depth and number of nodes are bounded. Nodes live in the arena that is passed. One thread.
 */
#ifndef CONFIG_DOCUMENT_H
#define CONFIG_DOCUMENT_H

#include <stdbool.h>

#include "base/arena.h"
#include "config/report.h"

#define DOCUMENT_BYTES_MAXIMUM  8388608u /* 10,000 models with 8 targets each */
#define DOCUMENT_NODES_MAXIMUM  500000u  /* the same, with room; about 60 MB */
#define DOCUMENT_DEPTH_MAXIMUM  16u      /* the schema's deepest key is 5 down */
#define DOCUMENT_SCALAR_MAXIMUM 8192u    /* bytes of one value; a path or URL is at most half */
#define DOCUMENT_KEY_MAXIMUM    256u     /* bytes of one key or name */

enum document_kind { DOCUMENT_SCALAR, DOCUMENT_SEQUENCE, DOCUMENT_MAPPING };

struct document_node {
    enum document_kind kind;
    bool plain; /* a scalar without quotes: may be a number or null */
    struct report_place place;
    struct report_place key_place; /* where its key stands, in a mapping */
    struct text key;               /* empty outside mappings */
    struct text scalar;
    struct document_node *first, *last, *next; /* children, and the next of the same parent */
    size_t count;
};

/* The root mapping; NULL, after reporting why, when there is no sound tree. Repeated keys are
 * reported and both are in the tree. An empty file is an empty mapping. */
must_check struct document_node *document_read(struct text yaml, struct arena *arena,
                                               struct report *report);
/* The child with that key, or NULL. */
const struct document_node *document_find(const struct document_node *mapping, struct text key);
/* null, ~ or nothing at all: what "key:" without a value gives. */
bool document_is_null(const struct document_node *node);

#endif
