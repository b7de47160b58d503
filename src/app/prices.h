/* prices: what the files of `turnpike prices` share. Main thread. */
#ifndef APP_PRICES_H
#define APP_PRICES_H

#include "app/verb.h"
#include "codec/json.h"
#include "meter/price_book.h"
#include "meter/price_json.h"

struct prices_options {
    const char *catalog, *provider, *mode;
    bool json, retired;
};

#define PRICES_CATALOG_ROW                                             \
    OPTION_TEXT_ROW("catalog", struct prices_options, catalog, "FILE", \
                    "read this price list instead of the shipped one", OPTION_FILE)
#define PRICES_JSON_ROW \
    OPTION_FLAG_ROW("json", struct prices_options, json, "print JSON, for programs")

/* The list that --catalog names, else the shipped one. NULL when it is not good: that has been
 * told.
 */
struct catalog *prices_open(const struct verb_call *call);
/* From a file, telling its problems on stderr when there are any; NULL then. */
struct catalog *prices_load(const char *path);

/* "input 2.00, output 8.00" of a card's own prices; `without`: units to leave out. */
void prices_append(struct buffer *out, const int64_t prices[UNIT_COUNT], uint64_t without);
/* Writes the buffer, a JSON object or a text, on stdout as a line. */
void prices_print(const struct buffer *out);

/* The lines as a table on stdout; nothing without any. */
void prices_print_lines(const struct price *price);

extern const struct verb prices_diff, prices_cost, prices_explain;

#endif
