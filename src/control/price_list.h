/* price_list: what the calls of a configuration cost: the price list with the configuration's own
 * prices, discounts and facts laid over it. Made by the main thread at each load; the book may be
 * shared by all. */
#ifndef CONTROL_PRICE_LIST_H
#define CONTROL_PRICE_LIST_H

#include "config/snapshot.h"
#include "meter/price_book.h"
#include "tables/error.h"

#define PRICE_LIST_PROBLEM_SIZE 1024u

/* Reads prices.catalog, or takes the list that is built in. ERROR_SYNTAX, ERROR_NOT_FOUND,
 * ERROR_SYSTEM, ERROR_ARGUMENT (a unit or provider that the list does not have), ERROR_MEMORY, with
 * what and where in `problem`. The caller releases the book. */
must_handle enum error price_list_make(const struct config *config, struct price_book **book,
                                       char problem[PRICE_LIST_PROBLEM_SIZE]);

#endif
