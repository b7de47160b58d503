/* dice: chance that comes out the same again: numbers that a seed decides, and the few shapes of
 * chance that traffic has.
 *
 * For made-up data alone: whoever knows the seed knows all of it, so nothing that must not be
 * guessed comes from here. A value, one thread at a time. */
#ifndef SAMPLE_DICE_H
#define SAMPLE_DICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dice {
    uint64_t state;
};

void dice_open(struct dice *dice, uint64_t seed);
/* 64 bits (SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators"). */
uint64_t dice_roll(struct dice *dice);
/* 0 to bound - 1; `bound` is at least 1. */
uint64_t dice_below(struct dice *dice, uint64_t bound);
/* At least `low`, below `high`. */
double dice_between(struct dice *dice, double low, double high);
/* `share` 0: never, 1: always. */
bool dice_chance(struct dice *dice, double share);
/* Half are below the median; the logarithm is normal with `spread` as its deviation, as lengths of
 * prompts and waits are. */
double dice_lengths(struct dice *dice, double median, double spread);
/* How often what happens `mean` times on average happens (Poisson's distribution). */
unsigned dice_times(struct dice *dice, double mean);

#endif
