#include "route/latency.h"

#include "base/clock.h"

/* How fast the average comes down: after that time a measurement counts half. */
#define HALF_LIFE (10 * NANOSECONDS_PER_SECOND)
/* A failure counts as so slow at least, and twice as slow as the target is known for. */
#define FAILURE_LEAST NANOSECONDS_PER_SECOND
/* What nothing is worse than: an hour is what a call may take. */
#define LONGEST (3600 * NANOSECONDS_PER_SECOND)

/* Buckets: four in each doubling, from 2^20 ns (a millisecond) to 2^40 ns (18 minutes). */
#define FIRST_BIT     20u
#define STEPS_BITS    2u
#define LEARNED_LEAST 20u   /* measurements before a percentile says anything */
#define REMEMBERED    1024u /* measurements, roughly: then all are halved */
#define P95_PER_MILLE 950u

static uint64_t decayed(uint64_t average, uint64_t measured_at, uint64_t now)
{
    uint64_t age = now > measured_at ? now - measured_at : 0;
    /* A hyperbola is as good as an exponential here, and needs no floats. */
    return (uint64_t)((unsigned __int128)average * HALF_LIFE / (HALF_LIFE + age));
}

static void take(struct route_latency *latency, uint64_t took, uint64_t now)
{
    uint64_t before = atomic_load_explicit(&latency->average, memory_order_relaxed);
    uint64_t at = atomic_load_explicit(&latency->measured_at, memory_order_relaxed);
    uint64_t age = now > at ? now - at : 0;
    uint64_t next = took > 0 ? took : 1;
    /* What was known keeps a share that falls with its age, and never all: many calls at one
     * moment must bring the figure down too. */
    if (took < before) {
        unsigned __int128 kept = (unsigned __int128)(before - took) * HALF_LIFE / (HALF_LIFE + age);
        next = took + (uint64_t)(kept * 15 / 16);
    }
    atomic_store_explicit(&latency->average, next < LONGEST ? next : LONGEST, memory_order_relaxed);
    atomic_store_explicit(&latency->measured_at, now, memory_order_relaxed);
}

static unsigned bucket_of(uint64_t took)
{
    if (took >> FIRST_BIT == 0)
        return 0;
    unsigned bit = 63u - (unsigned)__builtin_clzll(took);
    unsigned step = (unsigned)(took >> (bit - STEPS_BITS)) & ((1u << STEPS_BITS) - 1);
    unsigned bucket = ((bit - FIRST_BIT) << STEPS_BITS) + step;
    return bucket < ROUTE_LATENCY_BUCKETS ? bucket : ROUTE_LATENCY_BUCKETS - 1;
}

/* The upper end. */
static uint64_t bucket_end(unsigned bucket)
{
    unsigned next = bucket + 1;
    unsigned bit = FIRST_BIT + (next >> STEPS_BITS);
    uint64_t step = next & ((1u << STEPS_BITS) - 1);
    return (1ull << bit) + (step << (bit - STEPS_BITS));
}

static void halve(struct route_latency *latency)
{
    uint32_t sum = 0;
    for (unsigned i = 0; i < ROUTE_LATENCY_BUCKETS; i++) {
        uint32_t count = atomic_load_explicit(&latency->buckets[i], memory_order_relaxed) / 2;
        atomic_store_explicit(&latency->buckets[i], count, memory_order_relaxed);
        sum += count;
    }
    atomic_store_explicit(&latency->total, sum, memory_order_relaxed);
}

void route_latency_observe(struct route_latency *latency, uint64_t took, uint64_t now)
{
    take(latency, took, now);
    atomic_fetch_add_explicit(&latency->buckets[bucket_of(took)], 1, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&latency->total, 1, memory_order_relaxed) + 1 == REMEMBERED)
        halve(latency);
}

void route_latency_observe_failure(struct route_latency *latency, uint64_t took, uint64_t now)
{
    uint64_t known = route_latency_average(latency, now) * 2;
    uint64_t least = known > FAILURE_LEAST ? known : FAILURE_LEAST;
    take(latency, took > least ? took : least, now);
}

uint64_t route_latency_average(const struct route_latency *latency, uint64_t now)
{
    return decayed(atomic_load_explicit(&latency->average, memory_order_relaxed),
                   atomic_load_explicit(&latency->measured_at, memory_order_relaxed), now);
}

uint64_t route_latency_p95(const struct route_latency *latency)
{
    uint64_t total = 0, seen = 0;
    uint32_t counts[ROUTE_LATENCY_BUCKETS];
    for (unsigned i = 0; i < ROUTE_LATENCY_BUCKETS; i++) {
        counts[i] = atomic_load_explicit(&latency->buckets[i], memory_order_relaxed);
        total += counts[i];
    }
    if (total < LEARNED_LEAST)
        return 0;
    for (unsigned i = 0; i < ROUTE_LATENCY_BUCKETS; i++) {
        seen += counts[i];
        if (seen * 1000 >= total * P95_PER_MILLE)
            return bucket_end(i);
    }
    return bucket_end(ROUTE_LATENCY_BUCKETS - 1);
}
