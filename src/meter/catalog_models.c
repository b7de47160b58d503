/* Reading what a catalog says of models and their cards; catalog_read.c has the method. */
#include "base/ensure.h"
#include "base/instant.h"
#include "meter/catalog_reader.h"

#define CARDS_MAX 256u /* of one model: they are compared pairwise */

/* ---- cards ---- */

static void read_service(struct reading *reading, const struct place *place, yyjson_val *value,
                         void *out)
{
    if (!catalog_want(reading, place, value, yyjson_is_str(value), "a string"))
        return;
    enum price_service service = price_service_find(json_words(value));
    if (service == SERVICE_UNKNOWN)
        catalog_complain(reading, place,
                         "'%.*s' is none of standard, batch, flex, priority, fast, ultrafast",
                         TEXT_ARG(text_first(json_words(value), 40)));
    else
        *(enum price_service *)out = service;
}

static void read_window(struct reading *reading, const struct place *place, yyjson_val *value,
                        void *out)
{
    const struct catalog *catalog = reading->catalog;
    if (!catalog_want(reading, place, value, yyjson_is_str(value), "a string"))
        return;
    for (size_t i = 0; i < catalog->window_count; i++)
        if (text_equal(catalog->windows[i].name, json_words(value))) {
            *(const struct catalog_window **)out = &catalog->windows[i];
            return;
        }
    catalog_complain(reading, place, "there is no window '%.*s'",
                     TEXT_ARG(text_first(json_words(value), 40)));
}

static void read_above(struct reading *reading, const struct place *place, yyjson_val *value,
                       void *out)
{
    struct catalog_card *card = out;
    if (card->comparison != CATALOG_NO_THRESHOLD)
        catalog_complain(reading, place, "goes with no other threshold");
    card->comparison = CATALOG_ABOVE;
    read_tokens(reading, place, value, &card->threshold);
    card->least_tokens = card->threshold + 1;
}

static void read_at_or_above(struct reading *reading, const struct place *place, yyjson_val *value,
                             void *out)
{
    struct catalog_card *card = out;
    if (card->comparison != CATALOG_NO_THRESHOLD)
        catalog_complain(reading, place, "goes with no other threshold");
    card->comparison = CATALOG_AT_OR_ABOVE;
    read_tokens(reading, place, value, &card->threshold);
    card->least_tokens = card->threshold;
}

static const struct member_row card_members[] = {
    {"service", offsetof(struct catalog_card, service), read_service, true},
    {"above_input_tokens", 0, read_above, false},
    {"at_or_above_input_tokens", 0, read_at_or_above, false},
    {"upto_input_tokens", offsetof(struct catalog_card, most_tokens), read_tokens, false},
    {"from", offsetof(struct catalog_card, from), read_instant, false},
    {"until", offsetof(struct catalog_card, until), read_instant, false},
    {"window", offsetof(struct catalog_card, window), read_window, false},
    {"prices", offsetof(struct catalog_card, prices), read_prices, true},
    {"derived", offsetof(struct catalog_card, derived), read_note, false},
};
static const struct member_rows card_rows = MEMBER_ROWS(card_members);

static void read_card(struct reading *reading, const struct place *place, yyjson_val *value,
                      void *out)
{
    struct catalog_card *card = out;
    card->service = SERVICE_UNKNOWN;
    card->most_tokens = INT64_MAX;
    card->from = INT64_MIN;
    card->until = INT64_MAX;
    memset(card->prices, -1, sizeof card->prices);
    catalog_read_object(reading, place, value, &card_rows, card);
    if (card->from >= card->until)
        catalog_complain(reading, place, "`until` is not after `from`");
    if (card->most_tokens < card->least_tokens)
        catalog_complain(reading, place,
                         "`upto_input_tokens` is below its threshold: the card "
                         "would never be used");
}

static bool windows_meet(const struct catalog_window *a, const struct catalog_window *b)
{
    if ((a->weekdays & b->weekdays) == 0)
        return false;
    for (size_t i = 0; i < a->range_count; i++)
        for (size_t k = 0; k < b->range_count; k++)
            if (a->ranges[i].from < b->ranges[k].until && b->ranges[k].from < a->ranges[i].until)
                return true;
    return false;
}

/* Both could be the card of one call, with nothing to choose between them. */
static bool cards_overlap(const struct catalog_card *a, const struct catalog_card *b)
{
    if (a->service != b->service || a->least_tokens != b->least_tokens)
        return false;
    if (a->from >= b->until || b->from >= a->until)
        return false;
    if (a->window == NULL || b->window == NULL)
        return a->window == b->window;
    return windows_meet(a->window, b->window);
}

static void check_overlaps(struct reading *reading, const struct place *place,
                           const struct catalog_card *cards, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i; k++)
            if (cards[i].service != SERVICE_UNKNOWN && cards_overlap(&cards[i], &cards[k])) {
                struct place at = {.above = place, .index = i};
                catalog_complain(reading, &at,
                                 "overlaps cards[%zu]: the same service, tier and window at the "
                                 "same time",
                                 k);
            }
}

static void read_cards(struct reading *reading, const struct place *place, yyjson_val *value,
                       void *out)
{
    struct catalog_model *model = out;
    void *cards = NULL;
    if (yyjson_is_arr(value) &&
        (yyjson_arr_size(value) < 1 || yyjson_arr_size(value) > CARDS_MAX)) {
        catalog_complain(reading, place, "must have 1 to %u cards", CARDS_MAX);
        return;
    }
    model->card_count =
        catalog_read_list(reading, place, value, read_card, sizeof(struct catalog_card), &cards);
    model->cards = cards;
    check_overlaps(reading, place, model->cards, model->card_count);
}

/* ---- the other members of a model ---- */

static void read_aliases(struct reading *reading, const struct place *place, yyjson_val *value,
                         void *out)
{
    struct catalog_model *model = out;
    void *aliases = NULL;
    model->alias_count =
        catalog_read_list(reading, place, value, read_name, sizeof(struct text), &aliases);
    model->aliases = aliases;
}

static void read_one_of(struct reading *reading, const struct place *place, yyjson_val *value,
                        const struct text *words, size_t count, struct text *out)
{
    if (!catalog_want(reading, place, value, yyjson_is_str(value), "a string"))
        return;
    for (size_t i = 0; i < count; i++)
        if (text_equal(words[i], json_words(value))) {
            *out = words[i];
            return;
        }
    catalog_complain(reading, place, "'%.*s' is not known",
                     TEXT_ARG(text_first(json_words(value), 40)));
}

static void read_mode(struct reading *reading, const struct place *place, yyjson_val *value,
                      void *out)
{
    static const struct text modes[] = {
        TEXT_INIT("chat"),          TEXT_INIT("completion"), TEXT_INIT("realtime"),
        TEXT_INIT("transcription"), TEXT_INIT("speech"),     TEXT_INIT("image"),
        TEXT_INIT("video"),         TEXT_INIT("embedding"),  TEXT_INIT("moderation"),
        TEXT_INIT("rerank"),        TEXT_INIT("ocr"),
    };
    read_one_of(reading, place, value, modes, ARRAY_LENGTH(modes), out);
}

static void read_status(struct reading *reading, const struct place *place, yyjson_val *value,
                        void *out)
{
    static const struct text statuses[] = {TEXT_INIT("retired"), TEXT_INIT("deprecated"),
                                           TEXT_INIT("preview")};
    read_one_of(reading, place, value, statuses, ARRAY_LENGTH(statuses), out);
}

static void read_capabilities(struct reading *reading, const struct place *place, yyjson_val *value,
                              void *out)
{
    struct catalog_model *model = out;
    size_t index, count;
    yyjson_val *entry;
    read_joined(reading, place, value, &model->capabilities);
    yyjson_arr_foreach(value, index, count, entry)
    {
        model->reasoning |= text_equal(json_words(entry), TEXT("reasoning"));
    }
}

/* Multipliers name those of the provider, which may stand behind them: resolved with the model. */
static void read_value(struct reading *reading, const struct place *place, yyjson_val *value,
                       void *out)
{
    (void)reading, (void)place;
    *(yyjson_val **)out = value;
}

static void read_variants(struct reading *reading, const struct place *place, yyjson_val *value,
                          void *out)
{
    struct catalog_model *model = out;
    void *variants = NULL;
    model->variant_count = catalog_read_list(reading, place, value, read_variant,
                                             sizeof(struct catalog_variant), &variants);
    model->variants = variants;
}

struct difference {
    struct text source;
    int64_t prices[UNIT_COUNT];
};

static const struct member_row difference_members[] = {
    {"source", offsetof(struct difference, source), read_name, true},
    {"prices", offsetof(struct difference, prices), read_prices, true},
};
static const struct member_rows difference_rows = MEMBER_ROWS(difference_members);

#define DIFFER_MAX 65536u /* bytes: "ll: input 5.00, output 30.00; pk: …" */

/* What other lists say, as one line for people. */
static void read_differ(struct reading *reading, const struct place *place, yyjson_val *value,
                        void *out)
{
    size_t index, count;
    yyjson_val *entry;
    struct buffer line;
    if (!catalog_want(reading, place, value, yyjson_is_arr(value), "a list"))
        return;
    buffer_open(&line, DIFFER_MAX);
    yyjson_arr_foreach(value, index, count, entry)
    {
        struct place at = {.above = place, .index = index};
        struct difference difference = {.source = TEXT_INIT("")};
        const char *separator = " ";
        memset(difference.prices, -1, sizeof difference.prices);
        catalog_read_object(reading, &at, entry, &difference_rows, &difference);
        buffer_append_format(&line, "%s%.*s:", index ? "; " : "", TEXT_ARG(difference.source));
        for (size_t i = 0; i < UNIT_COUNT; i++) {
            char price[MONEY_TEXT_SIZE];
            if (difference.prices[i] < 0)
                continue;
            (void)money_format_price(difference.prices[i], price);
            buffer_append_format(&line, "%s%.*s %s", separator, TEXT_ARG(unit_rows[i].name), price);
            separator = ", ";
        }
    }
    if (line.failed)
        catalog_complain(reading, place, "is longer than %u bytes", DIFFER_MAX);
    else
        *(struct text *)out = catalog_keep(reading, buffer_text(&line));
    buffer_close(&line);
}

/* ---- models ---- */

/* A model while it is read. */
struct draft {
    struct catalog_model model;
    struct text provider;
    yyjson_val *multipliers;
};

#define OF_MODEL(member) offsetof(struct draft, model.member)
#define ITSELF           offsetof(struct draft, model)

static const struct member_row model_members[] = {
    {"provider", offsetof(struct draft, provider), read_name, true},
    {"model", OF_MODEL(name), read_name, true},
    {"aliases", ITSELF, read_aliases, false},
    {"mode", OF_MODEL(mode), read_mode, true},
    {"status", OF_MODEL(status), read_status, false},
    {"context_window", OF_MODEL(context_window), read_tokens, false},
    {"max_output", OF_MODEL(max_output), read_tokens, false},
    {"capabilities", ITSELF, read_capabilities, false},
    {"multipliers", offsetof(struct draft, multipliers), read_value, false},
    {"variants", ITSELF, read_variants, false},
    {"source", OF_MODEL(sources), read_joined, false},
    {"agree", OF_MODEL(agree), read_joined, false},
    {"differ", OF_MODEL(differ), read_differ, false},
    {"notes", OF_MODEL(notes), read_note, false},
    {"cards", ITSELF, read_cards, true},
};
static const struct member_rows model_rows = MEMBER_ROWS(model_members);

static const struct catalog_multiplier *find_multiplier(const struct catalog_provider *provider,
                                                        struct text name)
{
    for (size_t i = 0; i < provider->multiplier_count; i++)
        if (text_equal(provider->multipliers[i].name, name))
            return &provider->multipliers[i];
    return NULL;
}

/* Keeps what a line's arithmetic multiplies with within its bounds (price.c). */
static bool is_too_fine(const struct catalog_model *model)
{
    int64_t numerators = 1, denominators = 1;
    for (size_t i = 0; i < model->multiplier_count; i++) {
        numerators *= model->multipliers[i]->factor.numerator;
        denominators *= model->multipliers[i]->factor.denominator;
        if (numerators > CATALOG_FACTORS_MAX || denominators > CATALOG_FACTORS_MAX)
            return true;
    }
    return false;
}

static void take_multipliers(struct reading *reading, const struct place *place,
                             struct catalog_model *model, yyjson_val *names)
{
    size_t index, count;
    yyjson_val *name;
    if (!catalog_want(reading, place, names, yyjson_is_arr(names), "a list"))
        return;
    if (yyjson_arr_size(names) > CATALOG_MULTIPLIERS_MAX) {
        catalog_complain(reading, place, "has more than %u entries", CATALOG_MULTIPLIERS_MAX);
        return;
    }
    yyjson_arr_foreach(names, index, count, name)
    {
        struct place at = {.above = place, .index = index};
        const struct catalog_multiplier *multiplier =
            find_multiplier(model->provider, json_words(name));
        if (multiplier == NULL)
            catalog_complain(reading, &at, "%.*s has no such multiplier",
                             TEXT_ARG(model->provider->name));
        else
            model->multipliers[model->multiplier_count++] = multiplier;
    }
    if (is_too_fine(model))
        catalog_complain(reading, place, "multiply to a fraction with parts above %d",
                         CATALOG_FACTORS_MAX);
}

static void read_model(struct reading *reading, const struct place *place, yyjson_val *value,
                       struct catalog_model *out)
{
    struct draft draft = {.model.name = TEXT_INIT("")};
    memset(draft.model.fees, -1, sizeof draft.model.fees);
    catalog_read_object(reading, place, value, &model_rows, &draft);
    *out = draft.model;
    if (text_empty(draft.provider))
        return;
    struct place provider = {.above = place, .key = TEXT("provider")};
    out->provider = catalog_find_provider(reading->catalog, draft.provider);
    if (out->provider == NULL)
        catalog_complain(reading, &provider, "there is no provider '%.*s'",
                         TEXT_ARG(draft.provider));
    struct place multipliers = {.above = place, .key = TEXT("multipliers")};
    if (out->provider != NULL && draft.multipliers != NULL)
        take_multipliers(reading, &multipliers, out, draft.multipliers);
}

/* "openai/gpt-5", as far as the entry has it. */
static struct text label_of(yyjson_val *entry, char out[2 * CATALOG_NAME_MAX])
{
    struct text provider = json_words(yyjson_obj_get(entry, "provider"));
    struct text model = json_words(yyjson_obj_get(entry, "model"));
    int length = snprintf(out, 2 * CATALOG_NAME_MAX, "%.*s/%.*s",
                          TEXT_ARG(text_first(provider, CATALOG_NAME_MAX - 2)),
                          TEXT_ARG(text_first(model, CATALOG_NAME_MAX - 2)));
    return text_of(out, (size_t)length);
}

/* ---- names are nobody else's ---- */

static void claim(struct reading *reading, const struct place *place,
                  const struct catalog_model *model, struct text name)
{
    const struct catalog *catalog = reading->catalog;
    if (model->provider == NULL || text_empty(name))
        return; /* told already */
    const struct catalog_model *owner = catalog_index_add(reading->catalog, model, name);
    if (owner != NULL)
        catalog_complain(reading, place, "'%.*s' is a name of models[%zu] %.*s/%.*s already",
                         TEXT_ARG(name), (size_t)(owner - catalog->models),
                         TEXT_ARG(owner->provider->name), TEXT_ARG(owner->name));
}

static void index_models(struct reading *reading, const struct place *place, yyjson_val *models)
{
    struct catalog *catalog = reading->catalog;
    char label[2 * CATALOG_NAME_MAX];
    size_t names = catalog->model_count, index, count;
    yyjson_val *value;
    for (size_t i = 0; i < catalog->model_count; i++)
        names += catalog->models[i].alias_count;
    if (!catalog_index_open(catalog, names)) {
        reading->out_of_memory = true;
        return;
    }
    yyjson_arr_foreach(models, index, count, value)
    {
        const struct catalog_model *model = &catalog->models[index];
        struct place at = {.above = place, .index = index, .label = label_of(value, label)};
        struct place own = {.above = &at, .key = TEXT("model")};
        struct place aliases = {.above = &at, .key = TEXT("aliases")};
        claim(reading, &own, model, model->name);
        for (size_t k = 0; k < model->alias_count; k++) {
            struct place alias = {.above = &aliases, .index = k};
            claim(reading, &alias, model, model->aliases[k]);
        }
    }
}

void catalog_read_models(struct reading *reading, const struct place *place, yyjson_val *models)
{
    struct catalog *catalog = reading->catalog;
    char label[2 * CATALOG_NAME_MAX];
    size_t index, count;
    yyjson_val *value;
    if (!catalog_want(reading, place, models, yyjson_is_arr(models), "a list"))
        return;
    catalog->models = catalog_take(reading, yyjson_arr_size(models), sizeof *catalog->models);
    if (catalog->models == NULL)
        return;
    yyjson_arr_foreach(models, index, count, value)
    {
        struct place at = {.above = place, .index = index, .label = label_of(value, label)};
        read_model(reading, &at, value, &catalog->models[index]);
    }
    catalog->model_count = yyjson_arr_size(models);
    index_models(reading, place, models);
}
