#include "tables/units.h"

const struct unit_row unit_rows[UNIT_COUNT] = {
#define UNIT(unit, name, per, measure, side, fallback, scale, what) \
    {TEXT_INIT(name), per,   TEXT_INIT(measure), UNIT_SIDE_##side,  \
     UNIT_##fallback, scale, TEXT_INIT(what)},
#include "tables/units.def"
#undef UNIT
};

/* Made before main, so that every thread only ever reads. */
static uint64_t tokens, input_tokens, output_tokens;

__attribute__((constructor)) static void make_sets(void)
{
    for (unsigned i = 0; i < UNIT_COUNT; i++) {
        if (!text_equal(unit_rows[i].measure, TEXT("token")))
            continue;
        tokens |= unit_bit((enum unit)i);
        if (unit_rows[i].side == UNIT_SIDE_IN)
            input_tokens |= unit_bit((enum unit)i);
        if (unit_rows[i].side == UNIT_SIDE_OUT)
            output_tokens |= unit_bit((enum unit)i);
    }
}

enum unit unit_find(struct text name)
{
    for (unsigned i = 0; i < UNIT_COUNT; i++)
        if (text_equal(unit_rows[i].name, name))
            return (enum unit)i;
    return UNIT_NONE;
}

uint64_t unit_token_set(void)
{
    return tokens;
}

uint64_t unit_input_token_set(void)
{
    return input_tokens;
}

uint64_t unit_output_token_set(void)
{
    return output_tokens;
}
