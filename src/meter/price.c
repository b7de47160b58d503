/* Pricing one call.
 *
 * The arithmetic of a line is quantity x price x numerator / (per x scale x denominator) in 128
 * bits: a quantity is at most 10^13 (QUANTITY_MAX), a price 10^17 picodollars (CATALOG_PRICE_MAX),
 * the numerators of the multipliers 10^4 together (CATALOG_FACTORS_MAX) and that of a discount 10^4
 * (PRICE_DISCOUNT_WHOLE): 10^38, and 2^127 is 1.7 x 10^38. */
#include "meter/price.h"

#include "base/ensure.h"

struct text price_basis_name(enum price_basis basis)
{
    static const struct text names[] = {
        [PRICE_NONE] = TEXT_INIT("none"),
        [PRICE_REPORTED] = TEXT_INIT("reported"),
        [PRICE_PROVIDER_COST] = TEXT_INIT("provider_cost"),
        [PRICE_ESTIMATED] = TEXT_INIT("estimated"),
        [PRICE_UNPRICED] = TEXT_INIT("unpriced"),
    };
    ensure((size_t)basis < ARRAY_LENGTH(names));
    return names[basis];
}

/* ---- facts ---- */

/* What is known of a call: its own fact, else what its usage tells, else its provider's. */
static struct text fact_of(const struct priced_model *model, const struct price_call *call,
                           enum fact fact)
{
    if (call->facts != NULL && !text_empty(call->facts->values[fact]))
        return call->facts->values[fact];
    if (fact == FACT_INFERENCE_GEO && call->quantities->inference_geo.length > 0)
        return quantity_word_text(&call->quantities->inference_geo);
    if (fact == FACT_SEARCH_CONTEXT_SIZE && call->quantities->search_context_size.length > 0)
        return quantity_word_text(&call->quantities->search_context_size);
    if (fact == FACT_REASONING_MODEL && model->entry != NULL)
        return model->entry->reasoning ? TEXT("true") : TEXT("false");
    return model->facts->values[fact];
}

/* Whether the call itself says something of this fact, so that the provider's word is not enough.
 */
static bool call_knows(const struct facts *facts, const struct quantities *quantities,
                       enum fact fact)
{
    return (facts != NULL && !text_empty(facts->values[fact])) ||
           (fact == FACT_INFERENCE_GEO && quantities->inference_geo.length > 0);
}

static struct ratio multiply(struct ratio a, struct ratio b)
{
    return (struct ratio){a.numerator * b.numerator, a.denominator * b.denominator};
}

static struct ratio reduce(struct ratio ratio)
{
    int64_t a = ratio.numerator, b = ratio.denominator;
    while (b != 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return (struct ratio){ratio.numerator / a, ratio.denominator / a};
}

/* Of tokens; sets the bits of the multipliers that applied. */
static struct ratio token_factor(const struct priced_model *model, const struct price_call *call,
                                 unsigned *applied)
{
    struct ratio factor = model->discount;
    *applied = 0;
    for (size_t i = 0; i < model->multiplier_count; i++) {
        const struct catalog_multiplier *multiplier = model->multipliers[i].multiplier;
        bool holds = model->multipliers[i].applies;
        if (call_knows(call->facts, call->quantities, multiplier->fact))
            holds = catalog_multiplier_holds(multiplier, fact_of(model, call, multiplier->fact));
        if (!holds)
            continue;
        factor = multiply(factor, multiplier->factor);
        *applied |= 1u << i;
    }
    return *applied == 0 ? factor : reduce(factor);
}

/* ---- the card ---- */

static bool card_holds(const struct catalog_card *card, enum price_service service, int64_t at,
                       int64_t prompt_tokens)
{
    return card->service == service && prompt_tokens >= card->least_tokens &&
           prompt_tokens <= card->most_tokens && at >= card->from && at < card->until &&
           (card->window == NULL || catalog_window_holds(card->window, at));
}

/* Of two that hold: a window before none, then the higher threshold, then the later start. */
static bool is_nearer(const struct catalog_card *card, const struct catalog_card *than)
{
    if ((card->window != NULL) != (than->window != NULL))
        return card->window != NULL;
    if (card->least_tokens != than->least_tokens)
        return card->least_tokens > than->least_tokens;
    return card->from > than->from;
}

static const struct priced_card *select_card(const struct priced_model *model,
                                             enum price_service service, int64_t at,
                                             int64_t prompt_tokens)
{
    const struct priced_card *best = NULL;
    for (size_t i = 0; i < model->card_count; i++) {
        const struct priced_card *card = &model->cards[i];
        if (card_holds(&card->card, service, at, prompt_tokens) &&
            (best == NULL || is_nearer(&card->card, &best->card)))
            best = card;
    }
    return best;
}

/* Why there is none. */
static const char *no_card_reason(const struct priced_model *model, enum price_service service,
                                  int64_t at)
{
    bool served = false, in_force = false;
    for (size_t i = 0; i < model->card_count; i++) {
        const struct catalog_card *card = &model->cards[i].card;
        served |= card->service == service;
        in_force |= card->service == service && at >= card->from && at < card->until;
    }
    if (!served)
        return "no price is known for this service of the model";
    return in_force ? "no price is known for this many input tokens"
                    : "no price is known for that time";
}

/* ---- variants and fees ---- */

/* The price of a unit where the call decides; -1: it does not. The variant that asks for more goes
 * before one that asks for less. */
static int64_t variant_price(const struct priced_model *model, const struct price_call *call,
                             enum unit unit)
{
    int64_t price = -1;
    size_t most = 0;
    for (size_t i = 0; i < model->variant_count; i++) {
        const struct catalog_variant *variant = model->variants[i];
        bool holds = variant->unit == unit;
        for (size_t k = 0; k < variant->condition_count && holds; k++)
            holds = variant->conditions[k].fact == FACT_FAMILY ||
                    text_equal(variant->conditions[k].value,
                               fact_of(model, call, variant->conditions[k].fact));
        if (holds && variant->condition_count > most) {
            price = variant->price;
            most = variant->condition_count;
        }
    }
    return price;
}

static int64_t fee_of(const struct priced_model *model, const struct price_call *call)
{
    struct text size = fact_of(model, call, FACT_SEARCH_CONTEXT_SIZE);
    if (text_equal(size, TEXT("high")))
        return model->fees[CATALOG_FEE_HIGH];
    if (text_equal(size, TEXT("medium")))
        return model->fees[CATALOG_FEE_MEDIUM];
    return model->fees[CATALOG_FEE_LOW]; /* the provider's default */
}

/* ---- lines ---- */

/* Quantities with fallbacks merged, and what each is priced at; only units in `set` are filled. */
struct bill {
    uint64_t set;
    int64_t counts[UNIT_COUNT];
    int64_t prices[UNIT_COUNT];
};

static void bill_add(struct bill *bill, enum unit unit, int64_t count, int64_t price)
{
    if ((bill->set & unit_bit(unit)) == 0)
        bill->counts[unit] = 0;
    bill->set |= unit_bit(unit);
    bill->counts[unit] += count;
    bill->prices[unit] = price;
}

static const char *bill_fill(struct bill *bill, const struct priced_model *model,
                             const struct price_call *call, struct price *price)
{
    const struct priced_card *card = price->card;
    for (uint64_t rest = call->quantities->set; rest != 0; rest &= rest - 1) {
        enum unit unit = (enum unit)__builtin_ctzll(rest);
        enum unit billed = card->billed_as[unit];
        int64_t variant = -1, each = -1;
        if (model->variant_count > 0 && (card->own & unit_bit(unit)) == 0)
            variant = variant_price(model, call, unit);
        if (variant >= 0)
            billed = unit;
        if (unit == UNIT_REQUEST && model->fees[CATALOG_FEE_LOW] >= 0)
            variant = fee_of(model, call), billed = unit;
        if (billed == UNIT_NONE) {
            price->unit = unit;
            return "no price is known for a unit that was used";
        }
        each = variant >= 0 ? variant : card->card.prices[billed];
        bill_add(bill, billed, call->quantities->counts[unit], each);
        if (bill->counts[billed] > QUANTITY_MAX)
            return "a quantity is absurdly large";
    }
    if (model->fees[CATALOG_FEE_LOW] >= 0 && (bill->set & unit_bit(UNIT_REQUEST)) == 0)
        bill_add(bill, UNIT_REQUEST, 1, fee_of(model, call));
    return NULL;
}

static int64_t divide_small(uint64_t numerator, uint64_t denominator)
{
    uint64_t quotient = numerator / denominator, rest = numerator % denominator;
    uint64_t above = denominator - rest;
    return (int64_t)(quotient + (rest > above || (rest == above && (quotient & 1) != 0)));
}

/* Nearly every line fits 64 bits, where a division is many times as fast. */
static money line_cost(const struct price_line *line)
{
    const struct unit_row *row = &unit_rows[line->unit];
    money numerator = (money)line->quantity * line->price * line->factor.numerator;
    int64_t denominator = row->per * row->scale * line->factor.denominator;
    if (numerator <= INT64_MAX)
        return divide_small((uint64_t)numerator, (uint64_t)denominator);
    return money_divide(numerator, denominator);
}

static const char *write_lines(const struct bill *bill, const struct priced_model *model,
                               const struct price_call *call, struct price *price)
{
    struct ratio tokens = token_factor(model, call, &price->multipliers);
    uint64_t own = price->card->own, token_set = unit_token_set();
    money total = 0;
    for (uint64_t rest = bill->set; rest != 0; rest &= rest - 1) {
        enum unit unit = (enum unit)__builtin_ctzll(rest);
        struct price_line *line = &price->lines[price->line_count];
        *line = (struct price_line){.unit = unit,
                                    .quantity = bill->counts[unit],
                                    .price = bill->prices[unit],
                                    .factor = model->discount};
        if (own & unit_bit(unit))
            line->factor = (struct ratio){1, 1};
        else if (token_set & unit_bit(unit))
            line->factor = tokens;
        money cost = line_cost(line);
        total += cost;
        if (cost > INT64_MAX || total > INT64_MAX)
            return "it comes to more than one call can cost";
        line->cost = (int64_t)cost;
        price->line_count++;
    }
    price->computed = (int64_t)total;
    return NULL;
}

/* ---- a call ---- */

static enum price_service service_of(const struct price_call *call)
{
    if (call->service != SERVICE_UNKNOWN)
        return call->service;
    return call->quantities->service != SERVICE_UNKNOWN ? call->quantities->service
                                                        : SERVICE_STANDARD;
}

/* NULL when `price->computed` and the lines are there. */
static const char *compute(const struct priced_model *model, const struct price_call *call,
                           struct price *price)
{
    const struct quantities *quantities = call->quantities;
    struct bill bill;
    bill.set = 0;
    if (quantities->state == QUANTITIES_REFUSED)
        return quantities->problem;
    if (model == NULL)
        return "no price is known for this model of this provider";
    price->card = select_card(model, price->service, call->at, quantities->prompt_tokens);
    if (price->card == NULL)
        return no_card_reason(model, price->service, call->at);
    const char *reason = bill_fill(&bill, model, call, price);
    return reason != NULL ? reason : write_lines(&bill, model, call, price);
}

void price_call(const struct priced_model *model, const struct price_call *call,
                struct price *price)
{
    const struct quantities *quantities = call->quantities;
    price->basis = PRICE_NONE;
    price->cost = 0;
    price->computed = -1;
    price->reason = NULL;
    price->unit = UNIT_NONE;
    price->service = service_of(call);
    price->card = NULL;
    price->multipliers = 0;
    price->line_count = 0;
    if (quantities->state == QUANTITIES_NONE)
        return;
    bool used = quantities->set != 0 || quantities->state == QUANTITIES_REFUSED;
    const char *reason = compute(model, call, price);
    if (reason != NULL)
        price->line_count = 0;
    if (quantities->provider_cost >= 0) {
        price->basis = PRICE_PROVIDER_COST;
        price->cost = quantities->provider_cost;
    } else if (reason != NULL && used) {
        price->basis = PRICE_UNPRICED;
        price->reason = reason;
    } else {
        price->basis = quantities->state == QUANTITIES_ESTIMATED ? PRICE_ESTIMATED : PRICE_REPORTED;
        price->computed = price->cost = reason == NULL ? price->computed : 0;
    }
}

/* ---- the rule ---- */

size_t ratio_format(struct ratio ratio, char out[RATIO_TEXT_SIZE])
{
    int64_t rest = ratio.numerator % ratio.denominator;
    int length =
        snprintf(out, RATIO_TEXT_SIZE, "%lld", (long long)(ratio.numerator / ratio.denominator));
    ensure(length > 0 && (size_t)length + RATIO_DECIMALS + 2 < RATIO_TEXT_SIZE);
    size_t end = (size_t)length;
    if (rest != 0)
        out[end++] = '.';
    for (int i = 0; i < RATIO_DECIMALS && rest != 0; i++) {
        money shifted = (money)rest * 10;
        out[end++] = (char)('0' + (int)(shifted / ratio.denominator));
        rest = (int64_t)(shifted % ratio.denominator);
    }
    out[end] = '\0';
    return end;
}

static void rule_append(char *out, size_t *length, struct text name, struct ratio factor)
{
    char text[RATIO_TEXT_SIZE];
    (void)ratio_format(factor, text);
    int more = snprintf(out + *length, PRICE_RULE_SIZE - *length, " %.*s=%s",
                        TEXT_ARG(text_first(name, 32)), text);
    *length += (size_t)more;
    if (*length >= PRICE_RULE_SIZE)
        *length = PRICE_RULE_SIZE - 1; /* cut */
}

/* Own prices are final. */
static bool is_discounted(const struct price *price)
{
    for (size_t i = 0; i < price->line_count; i++) {
        if (!(price->card->own & unit_bit(price->lines[i].unit)))
            return true;
    }
    return price->line_count == 0;
}

size_t price_rule_write(const struct priced_model *model, const struct price *price,
                        char out[PRICE_RULE_SIZE])
{
    size_t length = 0;
    out[0] = '\0';
    if (model == NULL || price->card == NULL)
        return 0;
    length = price->card->rule.length;
    ensure(length < PRICE_RULE_SIZE);
    memcpy(out, price->card->rule.data, length);
    out[length] = '\0';
    for (size_t i = 0; i < model->multiplier_count; i++)
        if (price->multipliers >> i & 1)
            rule_append(out, &length, model->multipliers[i].multiplier->name,
                        model->multipliers[i].multiplier->factor);
    if (model->discount.numerator != model->discount.denominator && is_discounted(price))
        rule_append(out, &length, TEXT("discount"), model->discount);
    return length;
}
