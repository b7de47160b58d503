/* The book is made whole: for each configured provider, a priced model for every entry that the
 * catalog has of it, and one for every name that only its own prices know. */
#include "meter/price_book.h"

#include <stdatomic.h>

#include "base/arena.h"
#include "base/ensure.h"

#define MEMORY_MAX (1u << 30) /* a card takes 700 bytes; the shipped catalog has 750 of them */

struct book_provider {
    struct text name;
    const struct catalog_provider *entry; /* NULL: own prices only */
    struct facts facts;
    struct ratio discount;
    const struct priced_model **entries; /* by index of the catalog's model; NULL: another's */
    struct priced_model *own;            /* names that have prices of their own */
    size_t own_count;
};

struct price_book {
    atomic_uint references;
    struct arena arena;
    struct catalog *catalog;
    struct book_provider *providers;
    size_t provider_count;
};

/* ---- making one model ---- */

/* "gemini-2" is the family of "gemini-2.5-pro", and not of "gemini-20". */
static bool is_of_family(struct text model, struct text family)
{
    if (!text_starts_with(model, family))
        return false;
    struct text rest = text_from_index(model, family.length);
    return text_empty(rest) || rest.data[0] < '0' || rest.data[0] > '9';
}

/* Whether the variant can hold for the model, and whether it then always does. */
static bool variant_concerns(const struct catalog_variant *variant, struct text model, bool *always)
{
    *always = true;
    for (size_t i = 0; i < variant->condition_count; i++) {
        const struct catalog_condition *condition = &variant->conditions[i];
        if (condition->fact != FACT_FAMILY)
            *always = false;
        else if (!is_of_family(model, condition->value))
            return false;
    }
    return true;
}

/* Prices that stand in no card: those of the provider's tools. */
struct tools {
    int64_t prices[UNIT_COUNT];
};

static bool take_variants(struct arena *arena, struct priced_model *model, struct tools *tools)
{
    const struct catalog_model *entry = model->entry;
    const struct catalog_provider *provider = entry->provider;
    size_t count = entry->variant_count + provider->variant_count;
    const struct catalog_variant **variants = arena_take(arena, count * sizeof *variants);
    if (variants == NULL)
        return false;
    memcpy(tools->prices, provider->tools, sizeof tools->prices);
    for (size_t i = 0; i < count; i++) {
        const struct catalog_variant *variant = i < entry->variant_count
                                                    ? &entry->variants[i]
                                                    : &provider->variants[i - entry->variant_count];
        bool always;
        if (!variant_concerns(variant, model->name, &always))
            continue;
        if (always)
            tools->prices[variant->unit] = variant->price;
        else
            variants[model->variant_count++] = variant;
    }
    /* A fee for each request pays for its searches. */
    if (entry->fees[CATALOG_FEE_LOW] >= 0)
        tools->prices[UNIT_WEB_SEARCH] = 0;
    model->variants = variants;
    return true;
}

static void take_dearest(struct priced_card *card, enum unit unit, int64_t price, bool own)
{
    bool in = (unit_input_token_set() & unit_bit(unit)) != 0;
    bool out = (unit_output_token_set() & unit_bit(unit)) != 0;
    int64_t *dearest =
        in ? (own ? &card->own_in : &card->listed_in) : (own ? &card->own_out : &card->listed_out);
    if (!in && !out)
        return;
    if (price > *dearest)
        *dearest = price;
    card->whole &= price % unit_rows[unit].per == 0;
}

/* What follows from a card's prices. */
static void finish_card(struct priced_card *card, const struct priced_model *model)
{
    card->whole = true;
    for (unsigned i = 0; i < UNIT_COUNT; i++) {
        enum unit unit = (enum unit)i, billed = unit;
        while (billed != UNIT_NONE && card->card.prices[billed] < 0)
            billed = unit_rows[billed].fallback;
        card->billed_as[unit] = (uint8_t)billed;
        if (card->card.prices[unit] >= 0)
            take_dearest(card, unit, card->card.prices[unit], (card->own & unit_bit(unit)) != 0);
    }
    for (size_t i = 0; i < model->variant_count; i++)
        take_dearest(card, model->variants[i]->unit, model->variants[i]->price, false);
}

static void lay_over(struct priced_card *card, const struct price_book_provider *provider,
                     struct text name)
{
    for (size_t i = 0; i < provider->own_count; i++) {
        const struct price_own *own = &provider->own[i];
        ensure((unsigned)own->unit < UNIT_COUNT && own->price >= 0 &&
               own->price <= CATALOG_PRICE_MAX);
        if (card->card.service != SERVICE_STANDARD || !text_equal(own->model, name))
            continue;
        card->card.prices[own->unit] = own->price;
        card->own |= unit_bit(own->unit);
    }
}

/* The model's name and the card's key, each cut where it is absurdly long. */
static bool write_rule(struct arena *arena, struct priced_card *card, struct text name)
{
    char key[CATALOG_CARD_KEY_SIZE];
    struct text key_text = text_of(key, catalog_card_key(&card->card, key));

    card->rule = arena_format(arena, "%.*s %.*s", TEXT_ARG(text_first(name, 100)),
                              TEXT_ARG(text_first(key_text, 120)));
    return card->rule.data != NULL;
}

static bool take_cards(struct arena *arena, struct priced_model *model, const struct tools *tools,
                       const struct price_book_provider *provider, struct text own_name)
{
    static const struct catalog_card open_card = {.service = SERVICE_STANDARD,
                                                  .most_tokens = INT64_MAX,
                                                  .from = INT64_MIN,
                                                  .until = INT64_MAX};
    size_t count = model->entry != NULL ? model->entry->card_count : 1;
    struct priced_card *cards = arena_take_zeroed(arena, count * sizeof *cards);
    if (cards == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        cards[i].card = model->entry != NULL ? model->entry->cards[i] : open_card;
        if (model->entry == NULL)
            memset(cards[i].card.prices, -1, sizeof cards[i].card.prices);
        for (size_t k = 0; k < UNIT_COUNT; k++)
            if (cards[i].card.prices[k] < 0)
                cards[i].card.prices[k] = tools->prices[k];
        lay_over(&cards[i], provider, own_name);
        finish_card(&cards[i], model);
        if (!write_rule(arena, &cards[i], own_name))
            return false;
    }
    model->cards = cards;
    model->card_count = count;
    return true;
}

static enum usage_dialect dialect_of(const struct catalog_model *entry, const struct facts *facts)
{
    const struct catalog_provider *provider = entry->provider;
    bool invokes = text_equal(facts->values[FACT_ENDPOINT], TEXT("invoke"));
    for (size_t i = 0; i < provider->dialect_rule_count; i++) {
        const struct catalog_dialect_rule *rule = &provider->dialect_rules[i];
        if ((!rule->invoke || invokes) && text_find(entry->name, rule->part) >= 0)
            return rule->dialect;
    }
    return provider->dialect;
}

/* `own_name` is the name that own prices are looked up by, and the model's. */
static bool make_model(struct price_book *book, const struct book_provider *holder,
                       const struct price_book_provider *provider,
                       const struct catalog_model *entry, struct text own_name,
                       struct priced_model *model)
{
    struct tools tools;
    *model = (struct priced_model){.provider = holder->name,
                                   .name = own_name,
                                   .entry = entry,
                                   .dialect = DIALECT_OPENAI,
                                   .discount = holder->discount,
                                   .facts = &holder->facts};
    memset(tools.prices, -1, sizeof tools.prices);
    memset(model->fees, -1, sizeof model->fees);
    if (entry != NULL) {
        memcpy(model->fees, entry->fees, sizeof model->fees);
        model->dialect = dialect_of(entry, &holder->facts);
        model->multiplier_count = entry->multiplier_count;
        for (size_t i = 0; i < entry->multiplier_count; i++) {
            const struct catalog_multiplier *multiplier = entry->multipliers[i];
            model->multipliers[i].multiplier = multiplier;
            model->multipliers[i].applies =
                catalog_multiplier_holds(multiplier, holder->facts.values[multiplier->fact]);
        }
        if (!take_variants(&book->arena, model, &tools))
            return false;
    }
    return take_cards(&book->arena, model, &tools, provider, own_name);
}

/* ---- making a provider ---- */

static bool keep(struct price_book *book, struct text text, struct text *out)
{
    *out = TEXT("");
    if (!text_empty(text))
        *out = arena_copy(&book->arena, text);
    return out->data != NULL;
}

static bool make_entries(struct price_book *book, struct book_provider *holder,
                         const struct price_book_provider *provider)
{
    const struct catalog *catalog = book->catalog;
    size_t count = catalog_model_count(catalog);
    holder->entries = arena_take_zeroed(&book->arena, count * sizeof *holder->entries);
    if (holder->entries == NULL)
        return false;
    for (size_t i = 0; i < count && holder->entry != NULL; i++) {
        const struct catalog_model *entry = catalog_model_at(catalog, i);
        if (entry->provider != holder->entry)
            continue;
        struct priced_model *model = arena_take(&book->arena, sizeof *model);
        if (model == NULL || !make_model(book, holder, provider, entry, entry->name, model))
            return false;
        holder->entries[i] = model;
    }
    return true;
}

static bool is_first(const struct price_book_provider *provider, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (text_equal(provider->own[i].model, provider->own[index].model))
            return false;
    return true;
}

/* Names with own prices that are not the main name of an entry: with that entry's prices beneath,
 * if the name leads to one. */
static bool make_own(struct price_book *book, struct book_provider *holder,
                     const struct price_book_provider *provider)
{
    holder->own = arena_take(&book->arena, provider->own_count * sizeof *holder->own);
    if (holder->own == NULL)
        return false;
    for (size_t i = 0; i < provider->own_count; i++) {
        enum catalog_match match;
        const struct catalog_model *entry = NULL;
        struct text name;
        if (!is_first(provider, i))
            continue;
        if (holder->entry != NULL)
            entry = catalog_find(book->catalog, holder->entry, provider->own[i].model, &match);
        if (entry != NULL && text_equal(entry->name, provider->own[i].model))
            continue;
        struct priced_model *model = &holder->own[holder->own_count];
        if (!keep(book, provider->own[i].model, &name) ||
            !make_model(book, holder, provider, entry, name, model))
            return false;
        holder->own_count++;
    }
    return true;
}

static struct ratio discount_of(unsigned hundredths)
{
    ensure(hundredths <= PRICE_DISCOUNT_WHOLE);
    int64_t a = PRICE_DISCOUNT_WHOLE - hundredths, b = PRICE_DISCOUNT_WHOLE;
    int64_t numerator = a;
    while (b != 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return (struct ratio){numerator / a, PRICE_DISCOUNT_WHOLE / a};
}

static enum error make_provider(struct price_book *book, const struct price_book_provider *provider,
                                struct book_provider *holder)
{
    if (!text_empty(provider->catalog)) {
        holder->entry = catalog_find_provider(book->catalog, provider->catalog);
        if (holder->entry == NULL)
            return ERROR_NOT_FOUND;
    }
    holder->discount = discount_of(provider->discount);
    bool good = keep(book, provider->name, &holder->name);
    for (size_t i = 0; i < FACT_COUNT; i++)
        good = good && keep(book, provider->facts.values[i], &holder->facts.values[i]);
    return good && make_entries(book, holder, provider) && make_own(book, holder, provider)
               ? ERROR_OK
               : ERROR_MEMORY;
}

/* ---- the book ---- */

enum error price_book_create(struct catalog *catalog, const struct price_book_provider *providers,
                             size_t count, struct price_book **out, size_t *culprit)
{
    struct price_book *book = calloc(1, sizeof *book);
    if (book == NULL)
        return ERROR_MEMORY;
    atomic_init(&book->references, 1);
    arena_open(&book->arena, NULL, MEMORY_MAX);
    book->catalog = catalog_acquire(catalog);
    book->providers = arena_take_zeroed(&book->arena, count * sizeof *book->providers);
    enum error error = book->providers == NULL ? ERROR_MEMORY : ERROR_OK;
    for (; !error && book->provider_count < count; book->provider_count++) {
        *culprit = book->provider_count;
        error = make_provider(book, &providers[*culprit], &book->providers[*culprit]);
    }
    if (error)
        price_book_release(book);
    else
        *out = book;
    return error;
}

struct price_book *price_book_create_plain(struct catalog *catalog)
{
    struct price_book *book = NULL;
    size_t count = catalog_provider_count(catalog), culprit;
    struct price_book_provider *providers = calloc(count ? count : 1, sizeof *providers);
    if (providers == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++)
        providers[i].name = providers[i].catalog = catalog_provider_at(catalog, i)->name;
    enum error error = price_book_create(catalog, providers, count, &book, &culprit);
    free(providers);
    return error ? NULL : book;
}

struct price_book *price_book_acquire(struct price_book *book)
{
    unsigned before = atomic_fetch_add_explicit(&book->references, 1, memory_order_relaxed);
    ensure(before > 0);
    return book;
}

void price_book_release(struct price_book *book)
{
    if (book == NULL || atomic_fetch_sub_explicit(&book->references, 1, memory_order_acq_rel) != 1)
        return;
    catalog_release(book->catalog);
    arena_close(&book->arena);
    free(book);
}

const struct catalog *price_book_catalog(const struct price_book *book)
{
    return book->catalog;
}

const struct priced_model *price_book_find(const struct price_book *book, struct text provider,
                                           struct text model)
{
    enum catalog_match match;
    const struct book_provider *holder = NULL;
    for (size_t i = 0; i < book->provider_count && holder == NULL; i++)
        if (text_equal(book->providers[i].name, provider))
            holder = &book->providers[i];
    if (holder == NULL)
        return NULL;
    for (size_t i = 0; i < holder->own_count; i++)
        if (text_equal(holder->own[i].name, model))
            return &holder->own[i];
    const struct catalog_model *entry =
        holder->entry == NULL ? NULL : catalog_find(book->catalog, holder->entry, model, &match);
    return entry == NULL ? NULL : holder->entries[entry - catalog_model_at(book->catalog, 0)];
}
