/* units: what a price can be for, from tables/units.def. Constant, any thread. */
#ifndef TABLES_UNITS_H
#define TABLES_UNITS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

enum unit {
#define UNIT(unit, name, per, measure, side, fallback, scale, what) UNIT_##unit,
#include "tables/units.def"
#undef UNIT
    UNIT_COUNT,
    UNIT_NONE = UNIT_COUNT /* where a unit may be missing */
};

_Static_assert(UNIT_COUNT <= 64, "sets of units are 64-bit masks");

enum unit_side { UNIT_SIDE_IN, UNIT_SIDE_OUT, UNIT_SIDE_TOOL, UNIT_SIDE_STORAGE };

struct unit_row {
    struct text name; /* "cached_input" */
    int64_t per;      /* one price buys so much of the measure */
    struct text measure;
    enum unit_side side;
    enum unit fallback; /* what a quantity without a price of its own is billed as; UNIT_NONE */
    int64_t scale;      /* quantities count 1/scale of the measure */
    struct text what;
};

extern const struct unit_row unit_rows[UNIT_COUNT];

/* UNIT_NONE when there is none of that name. */
enum unit unit_find(struct text name);
/* Sets, a bit each: tokens (which multipliers apply to), and those of one side (what makes up a
 * prompt, and an answer). */
uint64_t unit_token_set(void);
uint64_t unit_input_token_set(void);
uint64_t unit_output_token_set(void);

static inline uint64_t unit_bit(enum unit unit)
{
    return 1ull << unit;
}

#endif
