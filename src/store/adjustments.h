/* adjustments: corrections of what a recorded call costs. A recorded cost is never edited: what a
 * call costs now is its recorded cost and the differences of its adjustments.
 *
 * adjustments_add belongs into a transaction of the caller: it also brings the rollups up to date
 * (store/usage.h). Amounts are picodollars. Errors and threads as in store/store.h. */
#ifndef STORE_ADJUSTMENTS_H
#define STORE_ADJUSTMENTS_H

#include <stdint.h>

#include "base/identifier.h"
#include "base/text.h"
#include "store/store.h"
#include "tables/error.h"

#define ADJUSTMENTS_UNPRICED (-1) /* a cost that is not known */

struct adjustment {
    int64_t number;             /* given by adjustments_add */
    struct identifier exchange; /* whose cost is corrected */
    uint64_t time;              /* wall-clock nanoseconds */
    struct text who;
    struct text catalog; /* version of the price list that it was priced by */
    struct text rule;    /* as the record's price_rule */
    int64_t before;      /* what the call cost until now, or ADJUSTMENTS_UNPRICED */
    int64_t after;       /* what it costs from now on: never unpriced */
};

/* ERROR_NOT_FOUND when there is no such call; ERROR_ARGUMENT when `before` is not what the call
 * costs now (somebody else was faster), or `after` is negative; ERROR_BUSY when the call is of an
 * old store that is still being counted (rollup_progress). */
must_handle enum error adjustments_add(struct store *store, struct adjustment *adjustment);
/* What the call costs now: its recorded cost and its adjustments. ADJUSTMENTS_UNPRICED when it has
 * no price. ERROR_NOT_FOUND. */
must_handle enum error adjustments_cost(struct store *store, struct identifier exchange,
                                        int64_t *cost);

typedef void (*adjustments_found)(void *context, const struct adjustment *adjustment);

/* Those of one call, in order; texts are valid until `found` returns. */
must_handle enum error adjustments_of(struct store *store, struct identifier exchange,
                                      adjustments_found found, void *context);

#endif
