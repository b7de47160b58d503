/* What calls to a provider cost: which part of the price list is its own, discount, own prices. The
 * prices' texts are checked as decimals here; their units when the price list is at hand. */
#include "config/build.h"
#include "tables/providers.h"

struct catalog_row {
    const char *domain; /* the base URL's host, or what stands behind its last dots */
    const char *catalog;
};

/* The price list's name of who answers at a host. */
static const struct catalog_row catalog_rows[] = {
    {"api.openai.com", "openai"},
    {"openai.azure.com", "azure"},
    {"services.ai.azure.com", "azure"},
    {"api.anthropic.com", "anthropic"},
    {"generativelanguage.googleapis.com", "google"},
    {"aiplatform.googleapis.com", "vertex"},
    {"amazonaws.com", "bedrock"},
    {"api.mistral.ai", "mistral"},
    {"api.cohere.com", "cohere"},
    {"api.cohere.ai", "cohere"},
    {"api.groq.com", "groq"},
    {"api.deepseek.com", "deepseek"},
    {"api.x.ai", "xai"},
    {"api.together.xyz", "together"},
    {"api.together.ai", "together"},
    {"api.fireworks.ai", "fireworks"},
    {"api.perplexity.ai", "perplexity"},
    {"api.voyageai.com", "voyage"},
    {"api.moonshot.ai", "moonshot"},
    {"api.cerebras.ai", "cerebras"},
};

static bool is_within(struct text host, struct text domain)
{
    size_t before = host.length - domain.length;

    return text_ends_with(host, domain) && (before == 0 || host.data[before - 1] == '.');
}

static struct text find_catalog(const struct config_provider *provider)
{
    struct text host = provider->endpoint.host;

    const struct provider_type *type = provider_type_find(provider->type);
    if (type != NULL && !text_empty(type->catalog))
        return type->catalog;
    for (size_t i = 0; i < ARRAY_LENGTH(catalog_rows); i++) {
        if (is_within(host, text_from(catalog_rows[i].domain)))
            return text_from(catalog_rows[i].catalog);
    }
    /* A gateway or proxy in front of OpenAI, or a server of one's own: that has models of other
     * names, which have no price there. */
    return TEXT("openai");
}

/* Digits, at most one dot with digits on both sides. */
static bool is_decimal(struct text text)
{
    size_t dots = 0;

    for (size_t i = 0; i < text.length; i++) {
        bool dot = text.data[i] == '.';
        dots += dot;
        if (!dot && (text.data[i] < '0' || text.data[i] > '9'))
            return false;
    }
    return text.length > 0 && dots <= 1 && text.data[0] != '.' && text.data[text.length - 1] != '.';
}

static void check_discount(struct settings_reader *reader, const struct settings_value *value)
{
    struct text number = value->text;

    if (text_empty(number))
        return;
    bool percent = text_ends_with(number, TEXT("%"));
    if (percent)
        number.length--;
    ptrdiff_t dot = text_find_char(number, '.');
    size_t whole = dot < 0 ? number.length : (size_t)dot;
    bool below_hundred = whole <= 2;
    if (!percent || !is_decimal(number) || !below_hundred || number.length - whole > 3)
        report_error(reader->report, settings_place(value, NULL),
                     "%s is no discount: \"12.5%%\", from 0%% to less than 100%%, at most 2 "
                     "decimals",
                     report_quote(value->text));
}

static void check_price(struct settings_reader *reader, const struct settings_text *price)
{
    struct text amount = price->value.text;
    ptrdiff_t dot = text_find_char(amount, '.');
    size_t whole = dot < 0 ? amount.length : (size_t)dot;

    if (text_empty(amount))
        return;
    if (!is_decimal(amount) || whole > 7 || amount.length - whole > 7)
        report_error(reader->report, settings_place(&price->value, NULL),
                     "%s is no price: a decimal of dollars such as \"0.25\", below 10,000,000, "
                     "with at most 6 decimals",
                     report_quote(amount));
}

static void build_own_prices(struct settings_reader *reader, const struct settings_own_prices *from,
                             struct config_own_prices *own)
{
    struct config_price *prices = build_array(reader, from->price_count, sizeof(*prices));
    if (!prices)
        return;
    own->model = arena_copy(&reader->memory->arena, from->entry.name);
    own->prices = prices;
    own->price_count = from->price_count;
    if (text_find_char(own->model, '*') >= 0)
        report_error(reader->report, settings_place(NULL, &from->entry),
                     "%s is a pattern, and own prices are for one model of the provider: write a "
                     "row for each",
                     report_quote(own->model));
    for (size_t i = 0; i < from->price_count; i++) {
        size_t mark = report_enter(reader->report, from->prices[i].entry.name);
        check_price(reader, &from->prices[i]);
        prices[i].unit = arena_copy(&reader->memory->arena, from->prices[i].entry.name);
        prices[i].amount = from->prices[i].value.text;
        report_leave(reader->report, mark);
    }
}

/* The price list knows three kinds of places of Vertex AI. */
static struct text location_kind(struct text location)
{
    if (text_empty(location))
        return location;
    if (text_equal(location, TEXT("global")))
        return TEXT("global");
    return text_equal(location, TEXT("us")) || text_equal(location, TEXT("eu"))
               ? TEXT("multi_region")
               : TEXT("regional");
}

void build_pricing(struct settings_reader *reader, const struct settings_pricing *from,
                   struct config_provider *provider)
{
    struct config_pricing *pricing = &provider->pricing;
    struct config_own_prices *models = build_array(reader, from->model_count, sizeof(*models));
    size_t top = report_enter(reader->report, TEXT("pricing"));

    pricing->catalog = from->catalog.text;
    pricing->catalog_stated = !text_empty(pricing->catalog);
    if (!pricing->catalog_stated)
        pricing->catalog = find_catalog(provider);
    check_discount(reader, &from->discount);
    pricing->discount = from->discount.text;
    pricing->data_residency = from->data_residency.text;
    pricing->deployment = from->deployment.text;
    pricing->location = text_empty(from->location.text) ? location_kind(provider->google_location)
                                                        : from->location.text;
    pricing->inference_geo = from->inference_geo.text;
    pricing->endpoint_region = from->endpoint_region.text;
    pricing->models = models;
    pricing->model_count = models ? from->model_count : 0;
    size_t list = report_enter(reader->report, TEXT("models"));
    for (size_t i = 0; models && i < from->model_count; i++) {
        size_t mark = report_enter(reader->report, from->models[i].entry.name);
        build_own_prices(reader, &from->models[i], &models[i]);
        report_leave(reader->report, mark);
    }
    report_leave(reader->report, list);
    report_leave(reader->report, top);
}
