/* A bound is a bound: whatever is used within it, on whatever card, never costs more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/attributes.h"
#include "base/instant.h"
#include "meter/price_book.h"

#define ROUNDS 60000

static uint64_t seed = 88172645463325252u;

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static int64_t below(int64_t limit)
{
    return (int64_t)(next_random() % (uint64_t)limit);
}

static struct catalog *catalog;

static int open_catalog(void **state)
{
    catalog = catalog_shipped();
    return catalog == NULL;
}

static int close_catalog(void **state)
{
    catalog_release(catalog);
    return 0;
}

/* Splits at most `tokens` over the units of a set. */
static int64_t spend(struct quantities *quantities, uint64_t units, int64_t tokens)
{
    int64_t used = 0;
    for (uint64_t rest = units; rest != 0; rest &= rest - 1) {
        int64_t part = below(4) != 0 ? 0 : below(tokens - used + 1);
        if (below(5) == 0)
            part = tokens - used;
        quantities_add(quantities, (enum unit)__builtin_ctzll(rest), part);
        used += part;
    }
    return used;
}

static int64_t some_tokens(void)
{
    static const int64_t edges[] = {0,      1,      100000, 100001, 128000,
                                    200000, 200001, 272000, 272001, 10000000000000};
    return below(3) == 0 ? edges[below(ARRAY_LENGTH(edges))] : below(400000);
}

static int64_t some_moment(void)
{
    int64_t at;
    assert_true(instant_parse(TEXT("2026-07-01"), &at));
    return at + below(300 * 86400);
}

static void others(int64_t counts[UNIT_COUNT], struct quantities *quantities)
{
    static const enum unit units[] = {UNIT_IMAGE,        UNIT_WEB_SEARCH,
                                      UNIT_CHAR_INPUT,   UNIT_AUDIO_SECONDS_IN,
                                      UNIT_VIDEO_SECOND, UNIT_FILE_SEARCH};
    memset(counts, 0, UNIT_COUNT * sizeof *counts);
    if (below(3) != 0)
        return;
    enum unit unit = units[below(ARRAY_LENGTH(units))];
    counts[unit] = 1 + below(10000);
    quantities_add(quantities, unit, below(counts[unit] + 1));
}

static void facts_of_call(struct facts *facts)
{
    static const struct {
        enum fact fact;
        struct text value;
    } rows[] = {
        {FACT_SIZE, TEXT_INIT("1792x1024")},
        {FACT_QUALITY, TEXT_INIT("hd")},
        {FACT_RESOLUTION, TEXT_INIT("4k")},
        {FACT_TOOL, TEXT_INIT("attachment_search")},
        {FACT_SEARCH_CONTEXT_SIZE, TEXT_INIT("high")},
        {FACT_INFERENCE_GEO, TEXT_INIT("us")},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (below(2) == 0)
            facts->values[rows[i].fact] = rows[i].value;
}

static bool has_unused(const int64_t counts[UNIT_COUNT], const struct quantities *quantities)
{
    for (size_t i = 0; i < UNIT_COUNT; i++)
        if (counts[i] > 0 && quantities->counts[i] == 0)
            return true;
    return false;
}

static size_t check_one(const struct priced_model *model)
{
    struct quantities quantities;
    struct price price;
    struct facts facts = {0};
    int64_t counts[UNIT_COUNT];
    money bound;
    struct price_ask ask = {.at = some_moment(),
                            .services = PRICE_ALL_SERVICES,
                            .input_tokens = some_tokens(),
                            .output_tokens = some_tokens(),
                            .others = counts};
    quantities_clear(&quantities);
    (void)spend(&quantities, unit_input_token_set(), ask.input_tokens);
    (void)spend(&quantities, unit_output_token_set(), ask.output_tokens);
    others(counts, &quantities);
    facts_of_call(&facts);
    price_call(model,
               &(struct price_call){.at = ask.at,
                                    .service = (enum price_service)below(SERVICE_COUNT),
                                    .quantities = &quantities,
                                    .facts = &facts},
               &price);
    if (price.basis != PRICE_REPORTED || price.card == NULL)
        return 0;
    /* It cannot be said where something without a price may be used, which was not. */
    if (!price_bound(model, &ask, &bound)) {
        assert_true(has_unused(counts, &quantities));
        return 0;
    }
    assert_true(price.cost <= bound);
    return 1;
}

static void check_book(const struct price_book *book, struct text provider)
{
    size_t priced = 0;
    for (int i = 0; i < ROUNDS; i++) {
        const struct catalog_model *entry =
            catalog_model_at(catalog, (size_t)below((int64_t)catalog_model_count(catalog)));
        const struct priced_model *model = price_book_find(
            book, text_empty(provider) ? entry->provider->name : provider, entry->name);
        if (model == NULL)
            continue;
        priced += check_one(model);
    }
    print_message("%zu calls priced\n", priced);
    assert_true(priced > ROUNDS / 100);
}

static void a_bound_holds_on_the_list(void **state)
{
    struct price_book *book = price_book_create_plain(catalog);
    assert_non_null(book);
    check_book(book, TEXT(""));
    price_book_release(book);
}

static void a_bound_holds_with_own_prices_discount_and_facts(void **state)
{
    static const struct price_own own[] = {
        {TEXT_INIT("claude-opus-5"), UNIT_INPUT, 7777777},
        {TEXT_INIT("claude-opus-5"), UNIT_OUTPUT, 99999999999999},
        {TEXT_INIT("claude-haiku-5-5"), UNIT_CACHED_INPUT, 123456789},
    };
    const struct price_book_provider providers[] = {
        {.name = TEXT_INIT("mine"),
         .catalog = TEXT_INIT("anthropic"),
         .discount = 1234,
         .facts.values[FACT_INFERENCE_GEO] = TEXT_INIT("us"),
         .own = own,
         .own_count = ARRAY_LENGTH(own)},
    };
    struct price_book *book;
    size_t culprit;
    assert_int_equal(price_book_create(catalog, providers, 1, &book, &culprit), ERROR_OK);
    check_book(book, TEXT("mine"));
    price_book_release(book);
}

static void nothing_priced_has_no_bound(void **state)
{
    money bound;
    struct price_ask ask = {.services = PRICE_ALL_SERVICES, .input_tokens = 1, .output_tokens = 1};
    struct price_book *book = price_book_create_plain(catalog);
    assert_false(price_bound(NULL, &ask, &bound));
    /* Its prices begin in 2026. */
    const struct priced_model *model =
        price_book_find(book, TEXT("deepseek"), TEXT("deepseek-flash"));
    assert_false(price_bound(model, &ask, &bound));
    price_book_release(book);
}

/* 1,000 in and 2,000 out of gpt-5-mini on the standard service: exactly, with no margin. */
static void a_plain_bound_is_exact(void **state)
{
    money bound;
    struct price_book *book = price_book_create_plain(catalog);
    const struct priced_model *model = price_book_find(book, TEXT("openai"), TEXT("gpt-5-mini"));
    struct price_ask ask = {.at = some_moment(),
                            .services = 1u << SERVICE_STANDARD,
                            .input_tokens = 1000,
                            .output_tokens = 2000};
    assert_true(price_bound(model, &ask, &bound));
    assert_true(bound == 1000 * 250000 + 2000 * (money)2000000);
    price_book_release(book);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bound_holds_on_the_list),
        cmocka_unit_test(a_bound_holds_with_own_prices_discount_and_facts),
        cmocka_unit_test(nothing_priced_has_no_bound),
        cmocka_unit_test(a_plain_bound_is_exact),
    };
    return cmocka_run_group_tests(tests, open_catalog, close_catalog);
}
