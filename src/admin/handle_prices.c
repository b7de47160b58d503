/* What models cost by the price list in force. */
#include "admin/call.h"
#include "admin/handlers.h"
#include "base/number.h"
#include "meter/catalog_json.h"
#include "meter/price_book.h"

static const struct catalog *list_in_force(const struct admin_call *call)
{
    return price_book_catalog(call->office->book);
}

/* The cursor is the place in the list; one of another version may show a model twice. */
static bool read_place(struct admin_call *call, size_t *place)
{
    struct text cursor;
    uint64_t number = 0;

    if (!call_read_cursor(call, &cursor))
        return false;
    if (cursor.data && !number_parse_unsigned(cursor, &number))
        return call_refuse(call, ADMIN_PROBLEM_INVALID, "cursor", "that is no cursor of this list");
    *place = (size_t)number;
    return true;
}

bool handle_prices(struct admin_call *call)
{
    const struct catalog *catalog = list_in_force(call);
    struct text provider = call_query(call, "provider"), model = call_query(call, "model");
    size_t limit = 0, place = 0, shown = 0, count = catalog_model_count(catalog);
    char digits[NUMBER_DIGITS_MAX];

    if (!call_query_limit(call, &limit) || !read_place(call, &place))
        return false;
    call_begin_page(call);
    for (; place < count; place++) {
        const struct catalog_model *row = catalog_model_at(catalog, place);
        if ((provider.data && !text_equal(provider, row->provider->name)) ||
            (model.data && !text_matches_pattern(row->name, model)))
            continue;
        if (shown++ == limit)
            break;
        catalog_json_line(&call->json, row, catalog_json_today(row));
    }
    size_t length = number_format_unsigned(place, digits);
    call_end_page(call, text_of(digits, place < count ? length : 0));
    return true;
}

bool handle_price(struct admin_call *call)
{
    const struct catalog *catalog = list_in_force(call);
    struct text wanted = call_query(call, "provider");
    size_t shown = 0;

    call_begin_page(call);
    for (size_t i = 0; i < catalog_provider_count(catalog); i++) {
        const struct catalog_provider *provider = catalog_provider_at(catalog, i);
        enum catalog_match match;
        if (wanted.data && !text_equal(wanted, provider->name))
            continue;
        const struct catalog_model *model = catalog_find(catalog, provider, call->id, &match);
        if (!model)
            continue;
        catalog_json_model(&call->json, catalog, model);
        shown++;
    }
    call_end_page(call, TEXT(""));
    return shown > 0 ||
           call_refuse(call, ADMIN_PROBLEM_NOT_FOUND, "", "no price is known for that model%s",
                       wanted.data ? " at that provider" : "");
}
