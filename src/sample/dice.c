#include "sample/dice.h"

#include <math.h>

#define TURN 6.283185307179586
/* Above this the normal distribution stands in for Poisson's: nobody sees the difference. */
#define MANY 40.0

void dice_open(struct dice *dice, uint64_t seed)
{
    dice->state = seed;
}

uint64_t dice_roll(struct dice *dice)
{
    uint64_t mixed = dice->state += 0x9e3779b97f4a7c15ull;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9ull;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebull;
    return mixed ^ (mixed >> 31);
}

uint64_t dice_below(struct dice *dice, uint64_t bound)
{
    return (uint64_t)(((unsigned __int128)dice_roll(dice) * bound) >> 64);
}

/* 53 bits, as many as a double has; never 1. */
static double part_of_one(struct dice *dice)
{
    return (double)(dice_roll(dice) >> 11) * 0x1p-53;
}

double dice_between(struct dice *dice, double low, double high)
{
    return low + (high - low) * part_of_one(dice);
}

bool dice_chance(struct dice *dice, double share)
{
    return part_of_one(dice) < share;
}

/* One of the two numbers of Box and Muller. */
static double normal(struct dice *dice)
{
    double length = sqrt(-2.0 * log(1.0 - part_of_one(dice)));
    return length * cos(TURN * part_of_one(dice));
}

double dice_lengths(struct dice *dice, double median, double spread)
{
    return median * exp(spread * normal(dice));
}

unsigned dice_times(struct dice *dice, double mean)
{
    double left = part_of_one(dice), chance = exp(-mean);
    unsigned times = 0;
    if (mean > MANY) {
        double about = mean + sqrt(mean) * normal(dice) + 0.5;
        return about > 0 ? (unsigned)about : 0;
    }
    while (left > chance && chance > 0) {
        left -= chance;
        chance *= mean / ++times;
    }
    return times;
}
