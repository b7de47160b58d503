/* What the files that read a catalog share: catalog_read.c (values, the file), catalog_providers.c,
 * catalog_models.c. */
#ifndef METER_CATALOG_READER_H
#define METER_CATALOG_READER_H

#include <yyjson.h>

#include "base/attributes.h"
#include "meter/catalog_parts.h"

struct reading {
    struct catalog *catalog; /* being made */
    struct catalog_problems *problems;
    bool out_of_memory;
};

/* Where in the file: a chain from the member up to the top, whose `above` is NULL. */
struct place {
    const struct place *above;
    struct text key;   /* of an object's member; data NULL: an entry of a list */
    size_t index;      /* in the list */
    struct text label; /* told after it: "openai/gpt-5"; empty: none */
};

void catalog_complain(struct reading *reading, const struct place *place, const char *format, ...)
    format_like(3, 4);
/* Complains that it must be `wanted` unless `good`, which is returned. */
bool catalog_want(struct reading *reading, const struct place *place, yyjson_val *value, bool good,
                  const char *wanted);
/* Zeroed, from the catalog's arena; NULL sets out_of_memory. */
void *catalog_take(struct reading *reading, size_t count, size_t size);
struct text catalog_keep(struct reading *reading, struct text text);
struct text json_words(yyjson_val *value);

typedef void member_reader(struct reading *reading, const struct place *place, yyjson_val *value,
                           void *out);

struct member_row {
    const char *key;
    size_t offset; /* of what is read to, in the object's struct */
    member_reader *read;
    bool required;
};

struct member_rows {
    const struct member_row *rows;
    size_t count; /* at most 64 */
};

#define MEMBER_ROWS(rows)        \
    {                            \
        rows, ARRAY_LENGTH(rows) \
    }

void catalog_read_object(struct reading *reading, const struct place *place, yyjson_val *object,
                         const struct member_rows *rows, void *out);
/* `out` becomes an array of `size` bytes each; returns how many. */
size_t catalog_read_list(struct reading *reading, const struct place *place, yyjson_val *list,
                         member_reader *read, size_t size, void **out);
/* For objects whose keys are names: an object of not too many members. */
bool catalog_want_few(struct reading *reading, const struct place *place, yyjson_val *object);
/* Whether the key stands in front of member `index` too. */
bool catalog_is_repeated(yyjson_val *object, struct text name, size_t index);
bool catalog_check_name(struct reading *reading, const struct place *place, struct text name);

/* Into a struct text. */
member_reader read_name, read_note, read_joined;
/* Into an int64_t; prices into UNIT_COUNT of them. */
member_reader read_tokens, read_instant, read_price, read_prices;
/* Into a struct ratio. */
member_reader read_factor;

void catalog_read_windows(struct reading *reading, const struct place *place, yyjson_val *windows);
void catalog_read_providers(struct reading *reading, const struct place *place,
                            yyjson_val *providers);
void catalog_read_models(struct reading *reading, const struct place *place, yyjson_val *models);
/* request_fee of the providers, once the models are there. */
void catalog_read_fees(struct reading *reading, const struct place *place, yyjson_val *providers);
/* {"size": "1024x1024", ...} into a struct catalog_variant; `out` likewise. */
member_reader read_match, read_variant;

#endif
