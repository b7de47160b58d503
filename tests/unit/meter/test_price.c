#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/attributes.h"
#include "base/clock.h"
#include "meter/price_book.h"

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

/* A provider "mine" over the list of `from`. */
static struct price_book *book_of(struct text from, unsigned discount, const struct price_own *own,
                                  size_t own_count, struct facts facts)
{
    struct price_book *book = NULL;
    size_t culprit;
    struct price_book_provider provider = {.name = TEXT_INIT("mine"),
                                           .catalog = from,
                                           .discount = discount,
                                           .own = own,
                                           .own_count = own_count,
                                           .facts = facts};
    assert_int_equal(price_book_create(catalog, &provider, 1, &book, &culprit), ERROR_OK);
    return book;
}

static struct price cost_of(const struct price_book *book, const char *name, int64_t in,
                            int64_t out, enum price_service service)
{
    struct price price;
    struct quantities quantities;
    quantities_clear(&quantities);
    quantities_add(&quantities, UNIT_INPUT, in);
    quantities_add(&quantities, UNIT_OUTPUT, out);
    price_call(
        price_book_find(book, TEXT("mine"), text_from(name)),
        &(struct price_call){.at = 1795348800, .service = service, .quantities = &quantities},
        &price);
    return price;
}

static void assert_cost(const struct price_book *book, const char *name, enum price_service service,
                        const char *dollars)
{
    char text[MONEY_TEXT_SIZE];
    struct price price = cost_of(book, name, 1000000, 1000000, service);
    assert_int_equal(price.basis, PRICE_REPORTED);
    (void)money_format_price(price.cost, text);
    assert_string_equal(text, dollars);
}

static const struct facts no_facts;

static void a_discount_is_for_every_line(void **state)
{
    struct price_book *book = book_of(TEXT("openai"), 1000, NULL, 0, no_facts);
    char rule[PRICE_RULE_SIZE];
    assert_cost(book, "gpt-5-mini", SERVICE_STANDARD, "2.025"); /* 2.25 less ten per cent */
    struct price price = cost_of(book, "gpt-5-mini", 1, 1, SERVICE_STANDARD);
    (void)price_rule_write(price_book_find(book, TEXT("mine"), TEXT("gpt-5-mini")), &price, rule);
    assert_string_equal(rule, "gpt-5-mini standard discount=0.9");
    price_book_release(book);
}

/* Own prices are final, and the rule names no discount that was not taken off. */
static void own_prices_have_no_discount(void **state)
{
    const struct price_own own[] = {{TEXT("gpt-5-mini"), UNIT_INPUT, 250000000000},
                                    {TEXT("gpt-5-mini"), UNIT_OUTPUT, 2000000000000}};
    struct price_book *book = book_of(TEXT("openai"), 1000, own, 2, no_facts);
    char rule[PRICE_RULE_SIZE];
    struct price price = cost_of(book, "gpt-5-mini", 1, 1, SERVICE_STANDARD);
    (void)price_rule_write(price_book_find(book, TEXT("mine"), TEXT("gpt-5-mini")), &price, rule);
    assert_null(strstr(rule, "discount"));
    price_book_release(book);
    book = book_of(TEXT("openai"), 1000, own, 1, no_facts); /* the output is the list's */
    price = cost_of(book, "gpt-5-mini", 1, 1, SERVICE_STANDARD);
    (void)price_rule_write(price_book_find(book, TEXT("mine"), TEXT("gpt-5-mini")), &price, rule);
    assert_non_null(strstr(rule, "discount=0.9"));
    price_book_release(book);
}

static void a_discount_of_all_is_free(void **state)
{
    struct price_book *book = book_of(TEXT("openai"), PRICE_DISCOUNT_WHOLE, NULL, 0, no_facts);
    assert_cost(book, "gpt-5-mini", SERVICE_STANDARD, "0.00");
    price_book_release(book);
}

static void own_prices_go_before_the_list(void **state)
{
    const struct price_own own[] = {
        {TEXT_INIT("gpt-5-mini"), UNIT_INPUT, 100000000000}, /* 0.10 */
        {TEXT_INIT("llama-at-home"), UNIT_INPUT, 0},         /* free */
        {TEXT_INIT("llama-at-home"), UNIT_OUTPUT, 0},        /* free */
        {TEXT_INIT("gpt-5-2025-08-07"), UNIT_OUTPUT, 0},     /* of this name alone */
        {TEXT_INIT("halved"), UNIT_INPUT, 500000000000},     /* no output: unpriced */
    };
    struct price_book *book = book_of(TEXT("openai"), 1000, own, ARRAY_LENGTH(own), no_facts);
    assert_cost(book, "gpt-5-mini", SERVICE_STANDARD, "1.90"); /* 0.10 + 2.00 less ten per cent */
    assert_cost(book, "gpt-5-mini-2025-08-07", SERVICE_STANDARD, "1.90");
    assert_cost(book, "gpt-5-mini", SERVICE_BATCH, "1.0125"); /* the list's, less ten per cent */
    assert_cost(book, "llama-at-home", SERVICE_STANDARD, "0.00");
    assert_cost(book, "gpt-5-2025-08-07", SERVICE_STANDARD, "1.125");
    assert_cost(book, "gpt-5", SERVICE_STANDARD, "10.125");
    assert_int_equal(cost_of(book, "llama-at-home", 1, 1, SERVICE_BATCH).basis, PRICE_UNPRICED);
    struct price price = cost_of(book, "halved", 1, 1, SERVICE_STANDARD);
    assert_int_equal(price.basis, PRICE_UNPRICED);
    assert_int_equal(price.unit, UNIT_OUTPUT);
    price_book_release(book);
}

static void a_provider_without_a_list(void **state)
{
    const struct price_own own[] = {{TEXT_INIT("m"), UNIT_INPUT, 1000000000000}};
    struct price_book *book = book_of(TEXT(""), 0, own, 1, no_facts);
    assert_non_null(price_book_find(book, TEXT("mine"), TEXT("m")));
    assert_null(price_book_find(book, TEXT("mine"), TEXT("gpt-5")));
    assert_null(price_book_find(book, TEXT("yours"), TEXT("m")));
    price_book_release(book);
}

static void facts_of_the_provider_multiply(void **state)
{
    struct facts facts = {.values[FACT_DATA_RESIDENCY] = TEXT_INIT("eu")};
    struct price_book *book = book_of(TEXT("openai"), 0, NULL, 0, facts);
    assert_cost(book, "gpt-5.4-mini", SERVICE_STANDARD, "5.775"); /* (0.75 + 4.50) x 1.1 */
    assert_cost(book, "gpt-5-mini", SERVICE_STANDARD, "2.25");    /* has no such multiplier */
    price_book_release(book);
}

static void an_unknown_list_is_an_error(void **state)
{
    struct price_book *book = NULL;
    size_t culprit = 9;
    const struct price_book_provider providers[] = {
        {.name = TEXT_INIT("a"), .catalog = TEXT_INIT("openai")},
        {.name = TEXT_INIT("b"), .catalog = TEXT_INIT("opnai")},
    };
    assert_int_equal(price_book_create(catalog, providers, 2, &book, &culprit), ERROR_NOT_FOUND);
    assert_int_equal(culprit, 1);
    assert_null(book);
}

static void estimates_say_so(void **state)
{
    struct price_book *book = book_of(TEXT("openai"), 0, NULL, 0, no_facts);
    struct usage usage;
    struct quantities quantities;
    struct price price;
    usage_estimate(&usage, 400, 800);
    quantities_take(&quantities, DIALECT_OPENAI, &usage, TEXT(""), NULL);
    price_call(price_book_find(book, TEXT("mine"), TEXT("gpt-5-mini")),
               &(struct price_call){.at = 1795348800, .quantities = &quantities}, &price);
    assert_int_equal(price.basis, PRICE_ESTIMATED);
    assert_int_equal(price.cost, 100 * 250000 + 200 * 2000000);
    price_book_release(book);
}

/* The largest that may be asked of one line, and what is more than a call can cost. */
static void the_edge_of_the_arithmetic(void **state)
{
    const struct price_own own[] = {
        {TEXT_INIT("dear"), UNIT_INPUT, (int64_t)CATALOG_PRICE_MAX},
        {TEXT_INIT("dear"), UNIT_OUTPUT, (int64_t)CATALOG_PRICE_MAX},
    };
    struct price_book *book = book_of(TEXT(""), 0, own, 2, no_facts);
    money bound;
    struct price_ask ask = {.services = PRICE_ALL_SERVICES,
                            .input_tokens = QUANTITY_MAX,
                            .output_tokens = QUANTITY_MAX};
    struct price price = cost_of(book, "dear", QUANTITY_MAX, 0, SERVICE_STANDARD);
    assert_int_equal(price.basis, PRICE_UNPRICED);
    price = cost_of(book, "dear", 92233720, 0, SERVICE_STANDARD); /* 9,223,372 dollars */
    assert_int_equal(price.basis, PRICE_REPORTED);
    assert_int_equal(price.cost, 92233720 * (CATALOG_PRICE_MAX / 1000000));
    price = cost_of(book, "dear", 92233721, 0, SERVICE_STANDARD);
    assert_int_equal(price.basis, PRICE_UNPRICED);
    assert_true(price_bound(price_book_find(book, TEXT("mine"), TEXT("dear")), &ask, &bound));
    assert_true(bound == 2 * (money)QUANTITY_MAX * (CATALOG_PRICE_MAX / 1000000));
    price_book_release(book);
}

static void a_window_ends_on_the_second(void **state)
{
    const struct priced_model *model;
    struct price_book *book = book_of(TEXT("deepseek"), 0, NULL, 0, no_facts);
    struct quantities quantities;
    struct price price;
    model = price_book_find(book, TEXT("mine"), TEXT("deepseek-flash"));
    quantities_clear(&quantities);
    quantities_add(&quantities, UNIT_INPUT, 1);
    const int64_t monday = 1795392000; /* 2026-11-23T00:00:00Z */
    const int64_t seconds[] = {3599, 3600, 14399, 14400, 21599, 21600, 35999, 36000};
    for (size_t i = 0; i < ARRAY_LENGTH(seconds); i++) {
        for (int day = 0; day < 7; day++) {
            bool peak = i % 4 == 1 || i % 4 == 2;
            price_call(model,
                       &(struct price_call){.at = monday + day * 86400 + seconds[i],
                                            .quantities = &quantities},
                       &price);
            assert_int_equal(price.cost, peak && day < 5 ? 300000 : 150000);
        }
    }
    price_book_release(book);
}

/* A bound that holds under any sanitizer; a build for release needs about 100 ns. */
static void pricing_is_quick(void **state)
{
    struct price_book *book = book_of(TEXT("openai"), 0, NULL, 0, no_facts);
    const struct priced_model *model = price_book_find(book, TEXT("mine"), TEXT("gpt-5-mini"));
    struct quantities quantities;
    struct price price;
    quantities_clear(&quantities);
    quantities_add(&quantities, UNIT_INPUT, 176);
    quantities_add(&quantities, UNIT_CACHED_INPUT, 1024);
    quantities_add(&quantities, UNIT_OUTPUT, 345);
    uint64_t before = clock_monotonic();
    for (int i = 0; i < 100000; i++)
        price_call(model, &(struct price_call){.at = i, .quantities = &quantities}, &price);
    uint64_t each = (clock_monotonic() - before) / 100000;
    print_message("%llu ns a call\n", (unsigned long long)each);
    assert_true(each < 20000);
    price_book_release(book);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_discount_is_for_every_line),
        cmocka_unit_test(own_prices_have_no_discount),
        cmocka_unit_test(a_discount_of_all_is_free),
        cmocka_unit_test(own_prices_go_before_the_list),
        cmocka_unit_test(a_provider_without_a_list),
        cmocka_unit_test(facts_of_the_provider_multiply),
        cmocka_unit_test(an_unknown_list_is_an_error),
        cmocka_unit_test(estimates_say_so),
        cmocka_unit_test(the_edge_of_the_arithmetic),
        cmocka_unit_test(a_window_ends_on_the_second),
        cmocka_unit_test(pricing_is_quick),
    };
    return cmocka_run_group_tests(tests, open_catalog, close_catalog);
}
