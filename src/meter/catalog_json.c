#include "meter/catalog_json.h"

#include "base/clock.h"
#include "base/instant.h"
#include "meter/money.h"
#include "meter/price.h"

void catalog_json_amount(struct json_writer *writer, const char *key, int64_t picodollars)
{
    char text[MONEY_TEXT_SIZE];
    size_t length = money_format_price(picodollars, text);
    json_member_text(writer, key, text_of(text, length));
}

static void write_instant(struct json_writer *writer, const char *key, int64_t instant)
{
    char text[INSTANT_SIZE];
    if (instant != INT64_MIN && instant != INT64_MAX)
        json_member_text(writer, key, text_of(text, instant_format(instant, text)));
}

void catalog_json_card(struct json_writer *writer, const struct catalog_card *card)
{
    static const char *const thresholds[] = {
        [CATALOG_ABOVE] = "above_input_tokens",
        [CATALOG_AT_OR_ABOVE] = "at_or_above_input_tokens",
    };
    json_member_text(writer, "service", price_service_name(card->service));
    if (card->comparison != CATALOG_NO_THRESHOLD)
        json_member_signed(writer, thresholds[card->comparison], card->threshold);
    if (card->most_tokens != INT64_MAX)
        json_member_signed(writer, "upto_input_tokens", card->most_tokens);
    write_instant(writer, "from", card->from);
    write_instant(writer, "until", card->until);
    if (card->window != NULL)
        json_member_text(writer, "window", card->window->name);
    if (!text_empty(card->derived))
        json_member_text(writer, "derived", card->derived);
}

static void write_prices(struct json_writer *writer, const int64_t prices[UNIT_COUNT])
{
    json_key(writer, TEXT("prices"));
    json_begin_object(writer);
    for (unsigned i = 0; i < UNIT_COUNT; i++)
        if (prices[i] >= 0)
            catalog_json_amount(writer, unit_rows[i].name.data, prices[i]);
    json_end_object(writer);
}

static void write_some(struct json_writer *writer, const char *key, struct text value)
{
    if (!text_empty(value))
        json_member_text(writer, key, value);
}

static void write_description(struct json_writer *writer, const struct catalog_model *model)
{
    json_member_text(writer, "provider", model->provider->name);
    json_member_text(writer, "model", model->name);
    json_key(writer, TEXT("aliases"));
    json_begin_array(writer);
    for (size_t i = 0; i < model->alias_count; i++)
        json_text(writer, model->aliases[i]);
    json_end_array(writer);
    json_member_text(writer, "mode", model->mode);
    write_some(writer, "status", model->status);
    if (model->context_window > 0)
        json_member_signed(writer, "context_window", model->context_window);
    if (model->max_output > 0)
        json_member_signed(writer, "max_output", model->max_output);
}

static void write_variants(struct json_writer *writer, const struct catalog_model *model)
{
    if (model->variant_count == 0)
        return;
    json_key(writer, TEXT("variants"));
    json_begin_array(writer);
    for (size_t i = 0; i < model->variant_count; i++) {
        const struct catalog_variant *variant = &model->variants[i];
        json_begin_object(writer);
        json_member_text(writer, "class", unit_rows[variant->unit].name);
        json_key(writer, TEXT("match"));
        json_begin_object(writer);
        for (size_t k = 0; k < variant->condition_count; k++)
            json_member_text(writer, fact_name(variant->conditions[k].fact).data,
                             variant->conditions[k].value);
        json_end_object(writer);
        catalog_json_amount(writer, "price", variant->price);
        json_end_object(writer);
    }
    json_end_array(writer);
}

static void write_multipliers(struct json_writer *writer, const struct catalog_model *model)
{
    if (model->multiplier_count == 0)
        return;
    json_key(writer, TEXT("multipliers"));
    json_begin_array(writer);
    for (size_t i = 0; i < model->multiplier_count; i++) {
        const struct catalog_multiplier *multiplier = model->multipliers[i];
        char factor[RATIO_TEXT_SIZE];
        json_begin_object(writer);
        json_member_text(writer, "name", multiplier->name);
        json_member_text(writer, "when", fact_name(multiplier->fact));
        json_key(writer, TEXT("values"));
        json_begin_array(writer);
        for (size_t k = 0; k < multiplier->value_count; k++)
            json_text(writer, multiplier->values[k]);
        json_end_array(writer);
        json_member_text(writer, "factor",
                         text_of(factor, ratio_format(multiplier->factor, factor)));
        json_end_object(writer);
    }
    json_end_array(writer);
}

void catalog_json_model(struct json_writer *writer, const struct catalog *catalog,
                        const struct catalog_model *model)
{
    json_begin_object(writer);
    write_description(writer, model);
    write_some(writer, "capabilities", model->capabilities);
    write_multipliers(writer, model);
    write_variants(writer, model);
    json_key(writer, TEXT("cards"));
    json_begin_array(writer);
    for (size_t i = 0; i < model->card_count; i++) {
        json_begin_object(writer);
        catalog_json_card(writer, &model->cards[i]);
        write_prices(writer, model->cards[i].prices);
        json_end_object(writer);
    }
    json_end_array(writer);
    write_some(writer, "source", model->sources);
    write_some(writer, "agree", model->agree);
    write_some(writer, "differ", model->differ);
    write_some(writer, "notes", model->notes);
    json_member_text(writer, "catalog", catalog_version(catalog));
    json_end_object(writer);
}

const struct catalog_card *catalog_json_today(const struct catalog_model *model)
{
    int64_t now = (int64_t)(clock_wall() / NANOSECONDS_PER_SECOND);
    for (size_t i = 0; i < model->card_count; i++) {
        const struct catalog_card *card = &model->cards[i];
        if (card->service == SERVICE_STANDARD && card->least_tokens == 0 && card->window == NULL &&
            now >= card->from && now < card->until)
            return card;
    }
    return NULL;
}

void catalog_json_line(struct json_writer *writer, const struct catalog_model *model,
                       const struct catalog_card *card)
{
    static const int64_t none[UNIT_COUNT] = {[0 ... UNIT_COUNT - 1] = -1};
    json_begin_object(writer);
    write_description(writer, model);
    write_prices(writer, card != NULL ? card->prices : none);
    json_end_object(writer);
}
