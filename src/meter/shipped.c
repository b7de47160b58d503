/* The price list that is part of the program: data/prices.json, made into C by the build. */
#include "meter/catalog.h"

extern const unsigned char shipped_prices[];
extern const size_t shipped_prices_size;

struct text catalog_shipped_text(void)
{
    return text_of((const char *)shipped_prices, shipped_prices_size);
}
