/* repricing: what a recorded call costs by a price list at hand: to explain it, and to find what a
 * corrected list changes.
 *
 * A record keeps what was billed, by unit, so nothing has to be read again from a provider's own
 * words. Pure, any thread; texts of the result point into the record. */
#ifndef LEDGER_REPRICING_H
#define LEDGER_REPRICING_H

#include "meter/price_book.h"
#include "store/record.h"

struct repricing {
    const struct priced_model *model; /* NULL: the list does not have it */
    struct quantities quantities;
    struct facts facts;
    struct price price;
};

/* Why a record is not priced again; NULL: it can be. Static. */
const char *repricing_obstacle(const struct record *record);
/* Of a record without an obstacle. */
void repricing_make(const struct record *record, const struct price_book *book,
                    struct repricing *repricing);

#endif
