/* The arithmetic of one call, as lines for people and for programs. */
#include "app/output.h"
#include "app/prices.h"
#include "meter/catalog_json.h"

/* "37" or "12.345". */
static struct text quantity_text(const struct price_line *line, char out[MONEY_TEXT_SIZE])
{
    int64_t scale = unit_rows[line->unit].scale;
    struct ratio ratio = {line->quantity, scale};
    return text_of(out, ratio_format(ratio, out));
}

_Static_assert(RATIO_TEXT_SIZE <= MONEY_TEXT_SIZE, "one place for both");

void prices_write_exact(struct json_writer *writer, const char *key, money amount)
{
    char text[MONEY_TEXT_SIZE];
    json_member_text(writer, key, text_of(text, money_format_exact(amount, text)));
}

static void write_line(struct json_writer *writer, const struct price_line *line)
{
    char text[MONEY_TEXT_SIZE];
    json_begin_object(writer);
    json_member_text(writer, "class", unit_rows[line->unit].name);
    json_key(writer, TEXT("quantity"));
    json_raw(writer, quantity_text(line, text));
    catalog_json_amount(writer, "price", line->price);
    json_member_signed(writer, "per", unit_rows[line->unit].per);
    json_member_text(writer, "factor", text_of(text, ratio_format(line->factor, text)));
    prices_write_exact(writer, "cost", line->cost);
    json_end_object(writer);
}

static void write_reason(struct json_writer *writer, const struct price *price)
{
    json_member_text(writer, "reason", text_from(price->reason));
    if (price->unit != UNIT_NONE)
        json_member_text(writer, "class", unit_rows[price->unit].name);
}

void prices_write_lines(struct json_writer *writer, const struct price *price)
{
    json_key(writer, TEXT("lines"));
    json_begin_array(writer);
    for (size_t i = 0; i < price->line_count; i++)
        write_line(writer, &price->lines[i]);
    json_end_array(writer);
    json_member_text(writer, "basis", price_basis_name(price->basis));
    if (price->basis == PRICE_UNPRICED)
        write_reason(writer, price);
    if (price->basis == PRICE_PROVIDER_COST && price->computed >= 0)
        prices_write_exact(writer, "computed_usd", price->computed);
}

void prices_write_cost(struct json_writer *writer, const char *key, const struct price *price)
{
    if (price->basis != PRICE_UNPRICED) {
        prices_write_exact(writer, key, price->cost);
        return;
    }
    json_key(writer, text_from(key));
    json_null(writer);
}

void prices_print_lines(const struct price *price)
{
    static const struct output_column columns[] = {
        {"CLASS", false, false}, {"QUANTITY", true, false}, {"PRICE", true, false},
        {"PER", true, false},    {"FACTOR", true, false},   {"COST", true, false},
    };
    char text[MONEY_TEXT_SIZE];

    if (price->line_count == 0)
        return;
    struct output_table *table = output_table_create(columns, ARRAY_LENGTH(columns));
    for (size_t i = 0; i < price->line_count; i++) {
        const struct price_line *line = &price->lines[i];
        output_table_cell(table, STYLE_PLAIN, unit_rows[line->unit].name);
        output_table_cell(table, STYLE_PLAIN, quantity_text(line, text));
        output_table_cell(table, STYLE_PLAIN, text_of(text, money_format_price(line->price, text)));
        (void)snprintf(text, sizeof text, "%lld", (long long)unit_rows[line->unit].per);
        output_table_cell(table, STYLE_PLAIN, text_from(text));
        output_table_cell(table, STYLE_PLAIN, text_of(text, ratio_format(line->factor, text)));
        output_table_cell(table, STYLE_PLAIN, text_of(text, money_format_exact(line->cost, text)));
    }
    output_table_print(table);
}
