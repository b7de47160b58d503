#include "store/histogram.h"

#include <stdlib.h>
#include <string.h>

#include "base/ensure.h"
#include "store/varint.h"

#define STEPS_BITS 4u /* 16 buckets for each power of two */
#define STEPS      (1u << STEPS_BITS)
#define TIME_MAX   ((UINT64_C(1) << 36) - 1) /* microseconds: 19 hours */

unsigned histogram_bucket(uint64_t microseconds)
{
    if (microseconds < STEPS)
        return (unsigned)microseconds;
    if (microseconds > TIME_MAX)
        microseconds = TIME_MAX;
    unsigned shift = 63u - (unsigned)__builtin_clzll(microseconds) - STEPS_BITS;
    return shift * STEPS + (unsigned)(microseconds >> shift);
}

uint64_t histogram_middle(unsigned bucket)
{
    if (bucket < STEPS)
        return bucket;
    unsigned shift = bucket / STEPS - 1;
    uint64_t low = (uint64_t)(bucket % STEPS + STEPS) << shift;
    return low + (UINT64_C(1) << shift) / 2;
}

/* ---- a few buckets ---- */

static bool make_room(struct histogram_parts *to)
{
    if (to->count < to->capacity)
        return true;
    size_t capacity = to->capacity ? 2 * to->capacity : 4;
    struct histogram_part *parts = realloc(to->parts, capacity * sizeof *parts);
    if (parts == NULL)
        return false;
    to->parts = parts;
    to->capacity = capacity;
    return true;
}

enum error histogram_parts_add(struct histogram_parts *to, uint32_t bucket, uint32_t count)
{
    size_t at =
        to->count; /* calls of one kind take alike: the place is near the end or soon found */
    ensure(bucket < HISTOGRAM_BUCKETS);
    while (at > 0 && to->parts[at - 1].bucket > bucket)
        at--;
    if (at > 0 && to->parts[at - 1].bucket == bucket) {
        struct histogram_part *part = &to->parts[at - 1];
        part->count = part->count > UINT32_MAX - count ? UINT32_MAX : part->count + count;
        return ERROR_OK;
    }
    if (!make_room(to))
        return ERROR_MEMORY;
    memmove(&to->parts[at + 1], &to->parts[at], (to->count - at) * sizeof *to->parts);
    to->parts[at] = (struct histogram_part){bucket, count};
    to->count++;
    return ERROR_OK;
}

enum error histogram_parts_add_all(struct histogram_parts *to, const struct histogram_parts *from)
{
    enum error error = ERROR_OK;
    for (size_t i = 0; !error && i < from->count; i++)
        error = histogram_parts_add(to, from->parts[i].bucket, from->parts[i].count);
    return error;
}

void histogram_parts_free(struct histogram_parts *parts)
{
    free(parts->parts);
    *parts = (struct histogram_parts){0};
}

size_t histogram_parts_encode(const struct histogram_parts *parts, uint8_t out[HISTOGRAM_SIZE_MAX])
{
    uint8_t *at = out;
    uint32_t next = 0;
    for (size_t i = 0; i < parts->count; i++) {
        at = varint_write(at, parts->parts[i].bucket - next);
        at = varint_write(at, parts->parts[i].count);
        next = parts->parts[i].bucket + 1;
    }
    return (size_t)(at - out);
}

/* ---- sums ---- */

static void add_count(int64_t *to, int64_t count)
{
    if (__builtin_add_overflow(*to, count, to) || *to > HISTOGRAM_COUNT_MAX)
        *to = HISTOGRAM_COUNT_MAX;
}

bool histogram_add(struct histogram *to, struct text encoded, int sign)
{
    if (encoded.length == 0) /* then it may lie nowhere, and nothing is added to NULL */
        return true;
    const uint8_t *at = (const uint8_t *)encoded.data;
    const uint8_t *end = at + encoded.length;
    uint64_t next = 0, further, count;
    while (at < end) {
        if (!varint_read(&at, end, &further) || !varint_read(&at, end, &count) ||
            further >= HISTOGRAM_BUCKETS - next || count > (uint64_t)HISTOGRAM_COUNT_MAX)
            return false;
        add_count(&to->counts[next + further], sign * (int64_t)count);
        next += further + 1;
        if (next == HISTOGRAM_BUCKETS && at < end)
            return false;
    }
    return true;
}

void histogram_add_time(struct histogram *to, uint64_t microseconds, int sign)
{
    add_count(&to->counts[histogram_bucket(microseconds)], sign);
}

size_t histogram_encode(const struct histogram *from, uint8_t out[HISTOGRAM_SIZE_MAX])
{
    uint8_t *at = out;
    unsigned next = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        if (from->counts[i] <= 0)
            continue;
        at = varint_write(at, i - next);
        at = varint_write(at, (uint64_t)from->counts[i]);
        next = i + 1;
    }
    return (size_t)(at - out);
}

int64_t histogram_count(const struct histogram *of)
{
    int64_t count = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        add_count(&count, of->counts[i] > 0 ? of->counts[i] : 0);
    return count;
}

uint64_t histogram_percentile(const struct histogram *of, unsigned of_1000)
{
    int64_t count = histogram_count(of), seen = 0;
    /* The nearest rank: so many are to be within it, rounded up; never none. */
    int64_t wanted = (int64_t)(((__int128)count * of_1000 + 999) / 1000);
    if (wanted < 1)
        wanted = 1;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        add_count(&seen, of->counts[i] > 0 ? of->counts[i] : 0);
        if (seen >= wanted)
            return histogram_middle(i);
    }
    return 0;
}
