/* Every worked example to the last picodollar, by the calls that the gateway makes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>

#include "base/attributes.h"
#include "base/instant.h"
#include "meter/price_book.h"

static struct price_book *book;

static int open_book(void **state)
{
    struct catalog *catalog = catalog_shipped();
    book = catalog != NULL ? price_book_create_plain(catalog) : NULL;
    catalog_release(catalog);
    return book == NULL;
}

static int close_book(void **state)
{
    price_book_release(book);
    return 0;
}

static struct text words(yyjson_val *object, const char *key)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    return text_of(yyjson_get_str(value), yyjson_get_len(value));
}

static void assert_line(const struct price_line *line, yyjson_val *wanted)
{
    char text[MONEY_TEXT_SIZE];
    assert_true(text_equal(unit_rows[line->unit].name, words(wanted, "class")));
    assert_int_equal(line->quantity, yyjson_get_sint(yyjson_obj_get(wanted, "quantity")) *
                                         unit_rows[line->unit].scale);
    (void)money_format_price(line->price, text);
    assert_true(text_equal(text_from(text), words(wanted, "price")));
    (void)ratio_format(line->factor, text);
    assert_true(text_equal(text_from(text), words(wanted, "factor")));
    (void)money_format_exact(line->cost, text);
    assert_true(text_equal(text_from(text), words(wanted, "cost")));
}

static void read_context(yyjson_val *context, struct facts *facts)
{
    for (unsigned i = 0; i < FACT_COUNT; i++)
        facts->values[i] = words(context, fact_name((enum fact)i).data);
}

static void add_extra(yyjson_val *extra, struct quantities *quantities)
{
    size_t index, count;
    yyjson_val *key, *value;
    if (extra == NULL)
        return;
    yyjson_obj_foreach(extra, index, count, key, value)
    {
        enum unit unit = unit_find(text_from(yyjson_get_str(key)));
        quantities_add(quantities, unit, yyjson_get_sint(value) * unit_rows[unit].scale);
    }
}

static void assert_example(yyjson_val *example)
{
    struct facts facts = {0};
    struct quantities quantities;
    struct price price;
    struct price_call call = {.quantities = &quantities, .facts = &facts};
    char text[MONEY_TEXT_SIZE];
    yyjson_val *context = yyjson_obj_get(example, "context");
    const struct priced_model *model =
        price_book_find(book, words(example, "provider"), words(example, "model"));
    assert_non_null(model);
    read_context(context, &facts);
    quantities_read(&quantities, model->dialect, yyjson_obj_get(example, "usage"), &facts);
    add_extra(yyjson_obj_get(context, "extra"), &quantities);
    call.service = price_service_find(words(example, "service"));
    assert_true(instant_parse(words(example, "at"), &call.at));
    price_call(model, &call, &price);
    assert_int_equal(price.basis, PRICE_REPORTED);
    (void)money_format_exact(price.cost, text);
    assert_true(text_equal(text_from(text), words(example, "cost_usd")));
    assert_int_equal(quantities.prompt_tokens,
                     yyjson_get_sint(yyjson_obj_get(example, "tier_basis_tokens")));
    yyjson_val *lines = yyjson_obj_get(example, "lines");
    assert_int_equal(price.line_count, yyjson_arr_size(lines));
    for (size_t i = 0; i < price.line_count; i++)
        assert_line(&price.lines[i], yyjson_arr_get(lines, i));
}

static void every_example(void **state)
{
    size_t index, count;
    yyjson_val *example;
    yyjson_doc *document = yyjson_read_file(EXAMPLES, 0, NULL, NULL);
    assert_non_null(document);
    yyjson_val *examples = yyjson_obj_get(yyjson_doc_get_root(document), "examples");
    assert_true(yyjson_arr_size(examples) >= 22);
    yyjson_arr_foreach(examples, index, count, example)
    {
        print_message("%s\n", yyjson_get_str(yyjson_obj_get(example, "id")));
        assert_example(example);
    }
    yyjson_doc_free(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_example)};
    return cmocka_run_group_tests(tests, open_book, close_book);
}
