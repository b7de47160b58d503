/* catalog_json: what a price list says, as JSON: for `turnpike prices` and the admin API. Pure, any
 * thread. */
#ifndef METER_CATALOG_JSON_H
#define METER_CATALOG_JSON_H

#include "codec/json.h"
#include "meter/catalog.h"

/* Decimal of picodollars for a price, "0.0625". */
void catalog_json_amount(struct json_writer *writer, const char *key, int64_t picodollars);
/* {"service": …, "above_input_tokens": …, "from": …}, without prices; members only, no braces. */
void catalog_json_card(struct json_writer *writer, const struct catalog_card *card);
/* The card of an ordinary short call now; NULL when nothing is in force. */
const struct catalog_card *catalog_json_today(const struct catalog_model *model);
/* An object of a list: what the model is, and the prices of one card (NULL: none). */
void catalog_json_line(struct json_writer *writer, const struct catalog_model *model,
                       const struct catalog_card *card);
/* An object with all that is known. */
void catalog_json_model(struct json_writer *writer, const struct catalog *catalog,
                        const struct catalog_model *model);

#endif
