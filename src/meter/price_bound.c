/* What a call can cost at most.
 *
 * Every token of the prompt is taken for the dearest kind of input that a card prices, of the
 * answer for the dearest kind of output, on the dearest of the cards that could be selected. */
#include "base/ensure.h"
#include "meter/price.h"

#define PER_MILLION 1000000

/* A card's bound: fixed + output * slope / divisor. */
struct line {
    money fixed;
    money slope; /* 0: output costs nothing */
    money divisor;
};

static money divide_up(money numerator, money denominator)
{
    return (numerator + denominator - 1) / denominator;
}

/* The greatest that the factor of tokens can become. */
static struct ratio greatest_factor(const struct priced_model *model, const struct price_ask *ask)
{
    struct ratio factor = model->discount;
    for (size_t i = 0; i < model->multiplier_count; i++) {
        const struct catalog_multiplier *multiplier = model->multipliers[i].multiplier;
        bool applies = model->multipliers[i].applies;
        if (ask->facts != NULL && !text_empty(ask->facts->values[multiplier->fact]))
            applies = catalog_multiplier_holds(multiplier, ask->facts->values[multiplier->fact]);
        else if (multiplier->fact == FACT_INFERENCE_GEO) /* the answer says it */
            applies = multiplier->factor.numerator > multiplier->factor.denominator;
        if (!applies)
            continue;
        factor.numerator *= multiplier->factor.numerator;
        factor.denominator *= multiplier->factor.denominator;
    }
    return factor;
}

/* The dearest price of a unit beside tokens; -1: none. Own prices are final. */
static int64_t dearest_of(const struct priced_model *model, const struct priced_card *card,
                          enum unit unit)
{
    enum unit billed = card->billed_as[unit];
    int64_t price = billed == UNIT_NONE ? -1 : card->card.prices[billed];
    if (card->own & unit_bit(unit))
        return price;
    for (size_t i = 0; i < model->variant_count; i++)
        if (model->variants[i]->unit == unit && model->variants[i]->price > price)
            price = model->variants[i]->price;
    return price;
}

static int64_t dearest_fee(const struct priced_model *model)
{
    int64_t fee = -1;
    for (size_t i = 0; i < CATALOG_FEE_COUNT; i++)
        if (model->fees[i] > fee)
            fee = model->fees[i];
    return fee;
}

/* Adds `count` of a unit; false when it has no price. */
static bool add_other(const struct priced_model *model, const struct priced_card *card,
                      enum unit unit, int64_t count, money *sum)
{
    const struct unit_row *row = &unit_rows[unit];
    int64_t fee = unit == UNIT_REQUEST ? dearest_fee(model) : -1;
    int64_t price = fee >= 0 ? fee : dearest_of(model, card, unit);
    bool own = fee < 0 && (card->own & unit_bit(unit)) != 0;
    if (price < 0)
        return false;
    struct ratio factor = own ? (struct ratio){1, 1} : model->discount;
    *sum += divide_up((money)count * price * factor.numerator,
                      (money)row->per * row->scale * factor.denominator);
    return true;
}

static bool add_others(const struct priced_model *model, const struct priced_card *card,
                       const struct price_ask *ask, money *sum)
{
    bool has_fee = dearest_fee(model) >= 0;
    for (unsigned i = 0; i < UNIT_COUNT && ask->others != NULL; i++) {
        if (ask->others[i] <= 0)
            continue;
        if (ask->others[i] > QUANTITY_MAX ||
            !add_other(model, card, (enum unit)i, ask->others[i], sum))
            return false;
        has_fee &= i != UNIT_REQUEST;
    }
    return !has_fee || add_other(model, card, UNIT_REQUEST, 1, sum);
}

static money dearer(money a, money b)
{
    return a > b ? a : b;
}

static bool could_be_selected(const struct catalog_card *card, const struct price_ask *ask)
{
    return (ask->services >> card->service & 1) != 0 && card->least_tokens <= ask->input_tokens &&
           ask->at >= card->from && ask->at < card->until &&
           (card->window == NULL || catalog_window_holds(card->window, ask->at));
}

static bool line_of(const struct priced_model *model, const struct priced_card *card,
                    const struct price_ask *ask, struct line *line)
{
    struct ratio factor = greatest_factor(model, ask);
    money in =
        dearer((money)card->listed_in * factor.numerator, (money)card->own_in * factor.denominator);
    line->divisor = (money)PER_MILLION * factor.denominator;
    line->slope = dearer((money)card->listed_out * factor.numerator,
                         (money)card->own_out * factor.denominator);
    line->fixed = divide_up(in * ask->input_tokens, line->divisor);
    /* Each line of a cost may be rounded up by half a picodollar. */
    if (!card->whole || factor.numerator != factor.denominator)
        line->fixed += UNIT_COUNT;
    return add_others(model, card, ask, &line->fixed);
}

bool price_bound(const struct priced_model *model, const struct price_ask *ask, money *bound)
{
    bool any = false;
    money most = 0;
    if (model == NULL || ask->input_tokens > QUANTITY_MAX || ask->output_tokens > QUANTITY_MAX)
        return false;
    ensure(ask->input_tokens >= 0 && ask->output_tokens >= 0);
    for (size_t i = 0; i < model->card_count; i++) {
        struct line line;
        if (!could_be_selected(&model->cards[i].card, ask))
            continue;
        if (!line_of(model, &model->cards[i], ask, &line))
            return false;
        most = dearer(most, line.fixed + divide_up(line.slope * ask->output_tokens, line.divisor));
        any = true;
    }
    if (any)
        *bound = most;
    return any;
}
