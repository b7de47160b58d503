/* Any bytes as a price list: a catalog that can be looked up, priced by and bounded, or problems.
 */
#include "base/ensure.h"
#include "meter/price_book.h"
#include "pieces.h"

static void price_with(const struct priced_model *model, const struct catalog_card *card)
{
    struct quantities quantities;
    struct price price;
    money bound;
    char rule[PRICE_RULE_SIZE];
    struct price_ask ask = {.at = card->from == INT64_MIN ? 0 : card->from,
                            .services = PRICE_ALL_SERVICES,
                            .input_tokens = card->least_tokens + 1000,
                            .output_tokens = 1000};
    quantities_clear(&quantities);
    quantities_add(&quantities, UNIT_CACHED_AUDIO_INPUT, card->least_tokens);
    quantities_add(&quantities, UNIT_CACHE_WRITE, 999);
    quantities_add(&quantities, UNIT_REASONING_OUTPUT, 1000);
    price_call(
        model,
        &(struct price_call){.at = ask.at, .service = card->service, .quantities = &quantities},
        &price);
    (void)price_rule_write(model, &price, rule);
    if (price.basis != PRICE_REPORTED)
        return;
    ensure(price_bound(model, &ask, &bound) && price.cost <= bound);
}

static void check_catalog(struct catalog *catalog)
{
    struct price_book *book = price_book_create_plain(catalog);
    ensure(book != NULL);
    for (size_t i = 0; i < catalog_model_count(catalog); i++) {
        const struct catalog_model *entry = catalog_model_at(catalog, i);
        enum catalog_match match;
        ensure(catalog_find(catalog, entry->provider, entry->name, &match) == entry);
        const struct priced_model *model =
            price_book_find(book, entry->provider->name, entry->name);
        ensure(model != NULL && model->card_count == entry->card_count);
        for (size_t k = 0; k < entry->card_count; k++)
            price_with(model, &entry->cards[k]);
    }
    price_book_release(book);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct catalog *catalog = NULL;
    struct catalog_problems problems;
    catalog_problems_open(&problems);
    enum error error = catalog_read(text_of((const char *)data, size), &catalog, &problems);
    ensure((error == ERROR_OK) == (catalog != NULL));
    ensure((error == ERROR_SYNTAX) == (problems.count > 0));
    ensure(!problems.lines.failed);
    if (catalog != NULL)
        check_catalog(catalog);
    catalog_release(catalog);
    catalog_problems_close(&problems);
    return 0;
}
