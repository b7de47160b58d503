/* record: what is known of one exchange, as it is journalled, stored, logged and shown.
 *
 * The fields are the rows of tables/ledger_fields.def: read them there. Texts point into memory of
 * whoever filled the record: the exchange's arena, or the bytes it was decoded from. A record owns
 * nothing and may be copied. Pure functions, any thread.
 *
 * Encoding: the id's 16 bytes, then for each known field a key (number * 4 + wire type) and a
 * value, numbers as LEB128. Unknown fields are not written; unknown numbers are skipped by a
 * reader. */
#ifndef STORE_RECORD_H
#define STORE_RECORD_H

#include <stdint.h>

#include "base/identifier.h"
#include "base/text.h"
#include "tables/error.h"

enum record_outcome {
    RECORD_OUTCOME_UNKNOWN,     /* still in flight */
    RECORD_OUTCOME_SERVED,      /* the caller got the upstream's answer, whole */
    RECORD_OUTCOME_REFUSED,     /* Turnpike said no */
    RECORD_OUTCOME_FAILED,      /* no upstream gave a whole answer */
    RECORD_OUTCOME_CANCELLED,   /* the caller left */
    RECORD_OUTCOME_INTERRUPTED, /* in flight when the process died */
    RECORD_OUTCOME_COUNT
};

enum record_usage_source {
    RECORD_USAGE_NONE,
    RECORD_USAGE_REPORTED,  /* by the provider */
    RECORD_USAGE_ESTIMATED, /* by Turnpike, because the provider did not say */
    RECORD_USAGE_COUNT
};

/* An INTEGER, MONEY or DURATION that is not known. TIME: 0. TEXT and JSON: empty. */
#define RECORD_UNKNOWN (-1)

#define RECORD_MEMBER_TIME         uint64_t
#define RECORD_MEMBER_DURATION     int64_t
#define RECORD_MEMBER_INTEGER      int64_t
#define RECORD_MEMBER_MONEY        int64_t
#define RECORD_MEMBER_FLAG         bool
#define RECORD_MEMBER_TEXT         struct text
#define RECORD_MEMBER_JSON         struct text
#define RECORD_MEMBER_OUTCOME      enum record_outcome
#define RECORD_MEMBER_USAGE_SOURCE enum record_usage_source

struct record {
    struct identifier id;
#define FIELD(number, type, name, limit, description) RECORD_MEMBER_##type name;
#include "tables/ledger_fields.def"
#undef FIELD
};

/* Key of up to 3 bytes and a number of up to 10, or a length of up to 3 and the bytes. */
enum {
    RECORD_SIZE_MAX = 16
#define FIELD(number, type, name, limit, description) +(3 + 10 + (limit))
#include "tables/ledger_fields.def"
#undef FIELD
};

enum {
    RECORD_FIELDS = 0
#define FIELD(number, type, name, limit, description) +1
#include "tables/ledger_fields.def"
#undef FIELD
};

enum record_type {
    RECORD_TYPE_TIME,
    RECORD_TYPE_DURATION,
    RECORD_TYPE_INTEGER,
    RECORD_TYPE_MONEY,
    RECORD_TYPE_FLAG,
    RECORD_TYPE_TEXT,
    RECORD_TYPE_JSON,
    RECORD_TYPE_OUTCOME,
    RECORD_TYPE_USAGE_SOURCE
};

struct record_field {
    uint16_t number;
    uint16_t offset; /* of the member in struct record */
    uint16_t limit;
    enum record_type type;
    struct text name;  /* the column in the store */
    struct text shown; /* the key in JSON: `name`, with "_ms" for a DURATION, "_usd" for MONEY */
    const char *description;
};

/* All fields in the order of the table. */
extern const struct record_field record_fields[];
extern const size_t record_field_count;

/* Everything unknown, `calls` 1. */
void record_clear(struct record *record, struct identifier id);

/* Writes at most RECORD_SIZE_MAX bytes and returns how many. Long texts are cut at a character. */
size_t record_encode(const struct record *record, uint8_t *out);
/* Texts point into `bytes`. ERROR_CORRUPT on anything that record_encode would not have written,
 * other than unknown field numbers and enum values, which are skipped. */
must_handle enum error record_decode(struct record *record, const uint8_t *bytes, size_t length);
/* The same of what record_encode wrote behind the id. */
must_handle enum error record_decode_fields(struct record *record, struct identifier id,
                                            const uint8_t *bytes, size_t length);

/* "served"; empty for RECORD_OUTCOME_UNKNOWN. */
struct text record_outcome_name(enum record_outcome outcome);
must_check bool record_outcome_parse(struct text name, enum record_outcome *out);
struct text record_usage_source_name(enum record_usage_source source);
must_check bool record_usage_source_parse(struct text name, enum record_usage_source *out);

#endif
