/* price_book_option: which prices a verb goes by: those of a server's configuration, or of a price
 * list alone. Main thread. */
#ifndef APP_PRICE_BOOK_OPTION_H
#define APP_PRICE_BOOK_OPTION_H

#include "meter/price_book.h"

#define PRICE_BOOK_CONFIG_ROW(type)                                                 \
    OPTION_TEXT_ROW("config", type, config, "FILE",                                 \
                    "go by the prices and discounts of the server's configuration " \
                    "[the price list alone]",                                       \
                    OPTION_FILE)
#define PRICE_BOOK_CATALOG_ROW(type)                                                   \
    OPTION_TEXT_ROW("catalog", type, catalog, "FILE",                                  \
                    "go by this price list [the configuration's, or the shipped one]", \
                    OPTION_FILE)

/* Either may be NULL. NULL when it has printed what is wrong. The caller releases it. */
struct price_book *price_book_option_open(const char *config, const char *catalog);

#endif
