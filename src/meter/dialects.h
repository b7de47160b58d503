/* dialects: how each provider's usage object is read; only quantities.c and dialects.c know it.
 * No state: any thread. */
#ifndef METER_DIALECTS_H
#define METER_DIALECTS_H

#include "meter/quantities.h"

/* OpenAI's counters, subsets as OpenAI has them; -1: not said. */
struct counts {
    int64_t input, cached, cache_write;
    int64_t audio_input, image_input, cached_audio, cached_image;
    int64_t output, reasoning, text_output, audio_output, image_output;
    int64_t total, milliseconds, pages;
    bool cached_is_beside;    /* not inside input */
    bool reasoning_is_beside; /* not inside output */
    bool makes_images;        /* the images API */
};

void counts_clear(struct counts *counts);
void counts_settle(struct quantities *quantities, struct counts *counts);

/* The first problem stays. */
void quantities_refuse(struct quantities *quantities, const char *problem);
/* A whole number of at most QUANTITY_MAX; -1 when absent, null or (then refused) wrong. `object`
 * may be NULL. */
int64_t quantities_count(struct quantities *quantities, yyjson_val *object, const char *key);
/* Of the first key that is there; `keys` ends with NULL. */
int64_t quantities_first_count(struct quantities *quantities, yyjson_val *object,
                               const char *const *keys);
/* In milliseconds; fractions of seconds are common. */
int64_t quantities_seconds(struct quantities *quantities, yyjson_val *object, const char *key);

typedef void dialect_reader(struct quantities *quantities, yyjson_val *usage, bool makes_images);
extern dialect_reader *const dialect_readers[DIALECT_COUNT];

#endif
