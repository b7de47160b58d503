/* price_book: a catalog with the operator's own prices, discounts and facts laid over it, resolved
 * for every configured provider. Immutable once made, reference-counted, any thread.
 *
 * Made when a configuration or a catalog is loaded; a call looks its model up with a hash or two.
 */
#ifndef METER_PRICE_BOOK_H
#define METER_PRICE_BOOK_H

#include "meter/price.h"

struct price_book;

/* `providers.P.prices.MODEL.UNIT`: for the standard service, in every tier and at any time; neither
 * multiplied nor discounted. A model that the catalog does not know has its own prices only. */
struct price_own {
    struct text model;
    enum unit unit;
    int64_t price; /* picodollars for `per` of the unit, 0 to CATALOG_PRICE_MAX */
};

#define PRICE_DISCOUNT_WHOLE 10000u /* of a discount: hundredths of a per cent */

/* All texts are copied. */
struct price_book_provider {
    struct text name;    /* as configured, unique */
    struct text catalog; /* the provider in the catalog; empty: none, own prices only */
    struct facts facts;  /* that hold for all its calls: deployment, location, data_residency … */
    unsigned discount;   /* 1000: ten per cent off the list; at most PRICE_DISCOUNT_WHOLE */
    const struct price_own *own;
    size_t own_count;
};

/* Takes a reference of its own on the catalog. ERROR_MEMORY; ERROR_NOT_FOUND: a provider names one
 * that the catalog does not have (`culprit` says which; its index). */
must_handle enum error price_book_create(struct catalog *catalog,
                                         const struct price_book_provider *providers, size_t count,
                                         struct price_book **book, size_t *culprit);
/* Every provider of the catalog under its own name, nothing laid over. NULL without memory. */
struct price_book *price_book_create_plain(struct catalog *catalog);
struct price_book *price_book_acquire(struct price_book *book);
void price_book_release(struct price_book *book); /* NULL is fine */

const struct catalog *price_book_catalog(const struct price_book *book);
/* NULL: unpriced. Valid as long as the book. */
const struct priced_model *price_book_find(const struct price_book *book, struct text provider,
                                           struct text model);

#endif
