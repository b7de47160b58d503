/* random: the draws of routing: quick, and repeatable where a test gives the seed. Not for secrets.
 *
 * splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014). One for
 * each worker, whose thread alone uses it. */
#ifndef ROUTE_RANDOM_H
#define ROUTE_RANDOM_H

#include <stdint.h>

struct route_random {
    uint64_t state; /* the seed; any value will do */
};

static inline uint64_t route_mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static inline uint64_t route_random_next(struct route_random *random)
{
    random->state += 0x9e3779b97f4a7c15u;
    return route_mix(random->state);
}

/* From 0 to below `bound`, which is not 0. */
static inline uint64_t route_random_below(struct route_random *random, uint64_t bound)
{
    return (uint64_t)(((unsigned __int128)route_random_next(random) * bound) >> 64);
}

#endif
