/* histogram: how long calls took, as numbers of calls in buckets that grow with the time, so that
 * those of many keys and quarters of an hour can be added up and percentiles read of the sum.
 *
 * Each power of two of microseconds has 16 buckets, so what is read is at most 1/32 (3.2 %) off,
 * from 16 microseconds to 19 hours; what is longer counts as that. Kept in the store as pairs of
 * LEB128 numbers (how many buckets further, how many calls): some 3 bytes a bucket that is not
 * empty. Pure functions, any thread; nothing owns memory but a histogram_parts. */
#ifndef STORE_HISTOGRAM_H
#define STORE_HISTOGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "tables/error.h"

#define HISTOGRAM_BUCKETS   528u
#define HISTOGRAM_SIZE_MAX  (HISTOGRAM_BUCKETS * (2u + 10u)) /* bytes, encoded */
#define HISTOGRAM_ERROR     0.032 /* at most so far off, of the time itself */
#define HISTOGRAM_COUNT_MAX (INT64_C(1) << 62)

/* To add up in. */
struct histogram {
    int64_t counts[HISTOGRAM_BUCKETS];
};

/* A few buckets, ascending, while records are counted. Zeroed: empty. */
struct histogram_parts {
    struct histogram_part {
        uint32_t bucket;
        uint32_t count;
    } * parts;
    size_t count, capacity;
};

unsigned histogram_bucket(uint64_t microseconds);
/* The middle of a bucket, in microseconds. */
uint64_t histogram_middle(unsigned bucket);

/* ERROR_MEMORY. */
must_handle enum error histogram_parts_add(struct histogram_parts *to, uint32_t bucket,
                                           uint32_t count);
must_handle enum error histogram_parts_add_all(struct histogram_parts *to,
                                               const struct histogram_parts *from);
void histogram_parts_free(struct histogram_parts *parts);
/* At most `size` bytes are written (parts of a batch never have more); returns how many. */
size_t histogram_parts_encode(const struct histogram_parts *parts, uint8_t out[HISTOGRAM_SIZE_MAX]);

/* Adds (sign 1) or takes away (-1) what is encoded; false when it is damaged: what came before the
 * damage is added. */
must_check bool histogram_add(struct histogram *to, struct text encoded, int sign);
void histogram_add_time(struct histogram *to, uint64_t microseconds, int sign);
size_t histogram_encode(const struct histogram *from, uint8_t out[HISTOGRAM_SIZE_MAX]);
int64_t histogram_count(const struct histogram *of);
/* The time within which so many of 1,000 are, in microseconds; 0 when there is none. */
uint64_t histogram_percentile(const struct histogram *of, unsigned of_1000);

#endif
