#include "control/price_list.h"

#include "base/arena.h"
#include "base/number.h"
#include "meter/catalog.h"
#include "meter/money.h"

#define SCRATCH_SIZE (64ull << 20) /* a thousand providers with a thousand prices of their own */

/* The built-in provider is part of the gateway: its calls cost nothing, and that is known. */
static const struct price_own demo_prices[] = {
    {TEXT_INIT("demo"), UNIT_INPUT, 0},
    {TEXT_INIT("demo"), UNIT_OUTPUT, 0},
};

struct making {
    const struct config *config;
    const struct catalog *catalog;
    struct arena arena;
    char *problem;
};

#define SAY(making, ...) \
    ((void)snprintf((making)->problem, PRICE_LIST_PROBLEM_SIZE, __VA_ARGS__), ERROR_ARGUMENT)

static struct text nearest_unit(struct text name)
{
    struct text nearest = text_of(NULL, 0);
    size_t limit = 3;

    for (size_t i = 0; i < UNIT_COUNT; i++) {
        size_t distance = text_edit_distance(name, unit_rows[i].name, limit);
        if (distance < limit) {
            nearest = unit_rows[i].name;
            limit = distance;
        }
    }
    return nearest;
}

static enum error make_price(struct making *making, const struct config_provider *provider,
                             const struct config_own_prices *model, const struct config_price *from,
                             struct price_own *own)
{
    money amount = 0;
    enum money_problem problem = money_parse(from->amount, &amount);

    own->model = model->model;
    own->unit = unit_find(from->unit);
    if (own->unit == UNIT_NONE) {
        struct text nearest = nearest_unit(from->unit);
        return SAY(making,
                   "providers.%.*s.pricing.models.%.*s: there is no unit \"%.*s\"%s%.*s%s "
                   "(docs/reference/units.md has them all)",
                   TEXT_ARG(provider->name), TEXT_ARG(model->model), TEXT_ARG(from->unit),
                   nearest.length > 0 ? "; did you mean \"" : "", TEXT_ARG(nearest),
                   nearest.length > 0 ? "\"?" : "");
    }
    if (problem != MONEY_GOOD || amount > CATALOG_PRICE_MAX)
        return SAY(making, "providers.%.*s.pricing.models.%.*s.%.*s: \"%.*s\" %s",
                   TEXT_ARG(provider->name), TEXT_ARG(model->model), TEXT_ARG(from->unit),
                   TEXT_ARG(from->amount),
                   problem == MONEY_GOOD ? "is more than anything costs"
                                         : money_problem_text(problem));
    own->price = (int64_t)amount;
    return ERROR_OK;
}

static enum error make_own(struct making *making, const struct config_provider *provider,
                           struct price_book_provider *row)
{
    const struct config_pricing *pricing = &provider->pricing;
    size_t count = 0;

    for (size_t i = 0; i < pricing->model_count; i++)
        count += pricing->models[i].price_count;
    if (count == 0 && text_equal(provider->type, TEXT("demo"))) {
        row->own = demo_prices;
        row->own_count = ARRAY_LENGTH(demo_prices);
        return ERROR_OK;
    }
    struct price_own *own = arena_take_zeroed(&making->arena, (count + 1) * sizeof(*own));
    if (!own)
        return ERROR_MEMORY;
    row->own = own;
    for (size_t i = 0; i < pricing->model_count; i++) {
        const struct config_own_prices *model = &pricing->models[i];
        for (size_t j = 0; j < model->price_count; j++) {
            enum error error =
                make_price(making, provider, model, &model->prices[j], &own[row->own_count++]);
            if (error)
                return error;
        }
    }
    return ERROR_OK;
}

/* "12.5%" as 1250; checked when the configuration was read. */
static unsigned read_discount(struct text text)
{
    money part = 0;

    if (text.length < 2)
        return 0;
    text.length--;
    if (money_parse(text, &part) != MONEY_GOOD)
        return 0;
    return (unsigned)(part * 100 / MONEY_DOLLAR);
}

static enum error make_provider(struct making *making, const struct config_provider *provider,
                                struct price_book_provider *row)
{
    const struct config_pricing *pricing = &provider->pricing;
    bool listed = !text_empty(pricing->catalog) &&
                  catalog_find_provider(making->catalog, pricing->catalog) != NULL;

    if (pricing->catalog_stated && !listed)
        return SAY(making,
                   "providers.%.*s.pricing.catalog: the price list has no provider \"%.*s\"",
                   TEXT_ARG(provider->name), TEXT_ARG(pricing->catalog));
    *row = (struct price_book_provider){
        .name = provider->name,
        .catalog = listed ? pricing->catalog : text_of(NULL, 0),
        .discount = read_discount(pricing->discount),
    };
    row->facts.values[FACT_DATA_RESIDENCY] = pricing->data_residency;
    row->facts.values[FACT_DEPLOYMENT] = pricing->deployment;
    row->facts.values[FACT_LOCATION] = pricing->location;
    row->facts.values[FACT_INFERENCE_GEO] = pricing->inference_geo;
    row->facts.values[FACT_ENDPOINT_REGION] = pricing->endpoint_region;
    return make_own(making, provider, row);
}

static enum error make_book(struct making *making, struct catalog *catalog,
                            struct price_book **book)
{
    const struct config *config = making->config;
    size_t culprit;
    struct price_book_provider *rows =
        arena_take_zeroed(&making->arena, config->provider_count * sizeof(*rows));
    enum error error = rows ? ERROR_OK : ERROR_MEMORY;

    for (size_t i = 0; !error && i < config->provider_count; i++)
        error = make_provider(making, &config->providers[i], &rows[i]);
    if (!error)
        error = price_book_create(catalog, rows, config->provider_count, book, &culprit);
    return error;
}

static enum error open_catalog(const struct config *config, struct catalog **catalog, char *problem)
{
    struct catalog_problems problems;

    if (text_empty(config->catalog_path)) {
        *catalog = catalog_shipped();
        return *catalog ? ERROR_OK : ERROR_MEMORY;
    }
    catalog_problems_open(&problems);
    enum error error = catalog_load(config->catalog_path.data, catalog, &problems);
    if (error) {
        struct text rest = buffer_text(&problems.lines);
        struct text first = text_split(&rest, '\n');
        (void)snprintf(problem, PRICE_LIST_PROBLEM_SIZE,
                       "prices.catalog: %.*s: %.*s%s (`turnpike prices check FILE` shows all)",
                       TEXT_ARG(config->catalog_path), TEXT_ARG(first),
                       problems.count > 1 ? ", and more" : "");
    }
    catalog_problems_close(&problems);
    return error;
}

enum error price_list_make(const struct config *config, struct price_book **book,
                           char problem[PRICE_LIST_PROBLEM_SIZE])
{
    struct making making = {.config = config, .problem = problem};
    struct catalog *catalog = NULL;

    problem[0] = '\0';
    enum error error = open_catalog(config, &catalog, problem);
    if (!error) {
        making.catalog = catalog;
        arena_open(&making.arena, NULL, SCRATCH_SIZE);
        error = make_book(&making, catalog, book);
        arena_close(&making.arena);
    }
    catalog_release(catalog);
    if (error && !problem[0])
        (void)snprintf(problem, PRICE_LIST_PROBLEM_SIZE, "the price list: %s",
                       error_meaning(error));
    return error;
}
