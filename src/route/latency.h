/* latency: how long a target takes to begin its answer: one figure for choosing, a histogram for
 * hedges.
 *
 * The figure is a peak-sensitive moving average (after Finagle's "Peak EWMA" balancer): it jumps up
 * at once and comes down over seconds, so that a target that became slow is left at the next call,
 * not after a hundred. It decays while nothing is measured too, so that a target left is tried
 * again. The histogram forgets by halving.
 *
 * Shared by all workers: one worker alone sees too few calls to learn a 95th percentile. Atomics;
 * where two threads meet, one measurement may be lost, which is no matter. Nanoseconds. */
#ifndef ROUTE_LATENCY_H
#define ROUTE_LATENCY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define ROUTE_LATENCY_BUCKETS 80u

struct route_latency {
    _Atomic uint64_t average; /* 0: nothing is known */
    _Atomic uint64_t measured_at;
    _Atomic uint32_t total;
    _Atomic uint32_t buckets[ROUTE_LATENCY_BUCKETS];
};

void route_latency_observe(struct route_latency *latency, uint64_t took, uint64_t now);
/* An attempt that failed after `took`: quick failures must not make a target look quick. */
void route_latency_observe_failure(struct route_latency *latency, uint64_t took, uint64_t now);
/* As of now; 0: nothing is known. */
uint64_t route_latency_average(const struct route_latency *latency, uint64_t now);
/* The time within which 95 of 100 calls began their answer, rounded up by at most a fifth; 0: too
 * few were measured. */
uint64_t route_latency_p95(const struct route_latency *latency);

#endif
