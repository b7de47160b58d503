/* price_json: what a call costs, line by line, as JSON: for `turnpike prices` and the admin API.
 * Pure, any thread. */
#ifndef METER_PRICE_JSON_H
#define METER_PRICE_JSON_H

#include "codec/json.h"
#include "meter/money.h"
#include "meter/price.h"

/* "37" or "12.345": the quantity in its unit's measure. */
struct text price_json_quantity(const struct price_line *line, char out[MONEY_TEXT_SIZE]);
/* Exact dollars, "0.000759600000". */
void price_json_exact(struct json_writer *writer, const char *key, money amount);
/* null when unpriced. */
void price_json_cost(struct json_writer *writer, const char *key, const struct price *price);
/* The member `lines` alone. */
void price_json_list(struct json_writer *writer, const struct price *price);
/* Members `lines`, `basis` and what explains it. */
void price_json_lines(struct json_writer *writer, const struct price *price);

#endif
