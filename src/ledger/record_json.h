/* record_json: a record as one line of JSON, for the access log and `turnpike log --json`.
 *
 * Keys are "id" and the `shown` names of tables/ledger_fields.def. Times are RFC 3339 with
 * microseconds, durations milliseconds as numbers. Bytes that are not UTF-8 become U+FFFD. One
 * formatter per thread: it remembers the last second's date. */
#ifndef LEDGER_RECORD_JSON_H
#define LEDGER_RECORD_JSON_H

#include "base/clock.h"
#include "store/record.h"

/* A byte of text becomes six at most ("\u0001"); keys are below 40 bytes, other values below 32. */
enum {
    RECORD_JSON_MAX = 96
#define FIELD(number, type, name, limit, description) +(40 + 32 + 6 * (limit))
#include "tables/ledger_fields.def"
#undef FIELD
};

enum record_json_style {
    RECORD_JSON_KNOWN, /* what is not known is left out: short lines for the access log */
    RECORD_JSON_ALL    /* every key, null for what is not known */
};

struct record_json {
    uint64_t second; /* of `date`; 0 at first */
    char date[CLOCK_RFC3339_SIZE];
};

/* Writes at most RECORD_JSON_MAX bytes, newline included, and returns how many. The record's texts
 * must keep to their limits, as decoded ones do. */
size_t record_json_write(struct record_json *json, const struct record *record,
                         enum record_json_style style, char *out);

#endif
