/* endpoint: from method and request target to the row of tables/endpoints.def.
 *
 * The path that goes upstream is the one that was classified: ids are decoded once, checked and
 * written again in one canonical form; everything that another reader could take for another path
 * is refused. Any thread. */
#ifndef OPENAI_ENDPOINT_H
#define OPENAI_ENDPOINT_H

#include "base/arena.h"
#include "codec/http1.h"
#include "openai/envelope.h"
#include "tables/endpoints.h"
#include "tables/refusals.h"

#define ENDPOINT_ID_MAX 512u /* ids have some 40 bytes, model names up to 200 */

struct endpoint_match {
    const struct endpoint *endpoint; /* NULL unless found */
    struct text path;   /* behind /v1, canonical, without query: "/responses/resp_1/cancel" */
    struct text query;  /* without '?', as sent; empty without one */
    struct text object; /* the first id in the path, decoded; empty without one */
    const char *allow;  /* for METHOD_NOT_ALLOWED: "GET, POST"; static */
    const char *detail; /* for PATH_MALFORMED: what it has, e.g. "an empty segment"; static */
};

/* REFUSAL_NONE when found, PATH_UNKNOWN, PATH_MALFORMED, PATH_ADMINISTRATIVE, METHOD_NOT_ALLOWED,
 * or MEMORY_LIMIT. `target` is origin-form and must outlive the match, as must the arena. */
enum refusal endpoint_find(enum http1_method method, struct text target, struct arena *arena,
                           struct endpoint_match *match);

/* Whether the answer's `id` is one of a stored object, given the request's body (NULL without). */
bool endpoint_makes_object(const struct endpoint *endpoint, const struct envelope *envelope);

#endif
