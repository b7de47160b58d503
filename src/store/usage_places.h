/* usage_places: in which quarters of an hour there are calls of somebody, by the rollups
 * (store/rollup.h): so that who looks for the calls of one key among millions reads a few quarters
 * of them. It may name a quarter too many, never one too few.
 *
 * One thread, which has the store. Errors as in store/store.h. */
#ifndef STORE_USAGE_PLACES_H
#define STORE_USAGE_PLACES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"
#include "store/store.h"
#include "tables/error.h"

/* Empty: any. */
struct usage_whose {
    struct text team;
    struct text key;   /* its id, or its present name */
    struct text model; /* asked for or asked of the provider; `*` matches any run */
    struct text provider;
    struct text tag; /* of the key, as its JSON has it: "env":"prod" with the quotes */
};

struct usage_places;

/* Whether anything is asked that rollups know. */
bool usage_whose_is_empty(const struct usage_whose *whose);
/* For calls that started in [since, until), wall nanoseconds. NULL in `out` when records of an
 * older Turnpike are not counted yet: then every quarter may have some. */
must_handle enum error usage_places_open(struct store *store, const struct usage_whose *whose,
                                         uint64_t since, uint64_t until, struct usage_places **out);
void usage_places_close(struct usage_places *places); /* NULL is fine */
/* The latest quarter (nanoseconds divided by ROLLUP_QUARTER) that was not told yet; false in
 * `found`: there is none. */
must_handle enum error usage_places_next(struct usage_places *places, int64_t *quarter,
                                         bool *found);

#endif
