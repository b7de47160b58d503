#include "meter/price_json.h"

#include "meter/catalog_json.h"

struct text price_json_quantity(const struct price_line *line, char out[MONEY_TEXT_SIZE])
{
    int64_t scale = unit_rows[line->unit].scale;
    struct ratio ratio = {line->quantity, scale};
    return text_of(out, ratio_format(ratio, out));
}

_Static_assert(RATIO_TEXT_SIZE <= MONEY_TEXT_SIZE, "one place for both");

void price_json_exact(struct json_writer *writer, const char *key, money amount)
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
    json_raw(writer, price_json_quantity(line, text));
    catalog_json_amount(writer, "price", line->price);
    json_member_signed(writer, "per", unit_rows[line->unit].per);
    json_member_text(writer, "factor", text_of(text, ratio_format(line->factor, text)));
    price_json_exact(writer, "cost", line->cost);
    json_end_object(writer);
}

static void write_reason(struct json_writer *writer, const struct price *price)
{
    json_member_text(writer, "reason", text_from(price->reason));
    if (price->unit != UNIT_NONE)
        json_member_text(writer, "class", unit_rows[price->unit].name);
}

void price_json_list(struct json_writer *writer, const struct price *price)
{
    json_key(writer, TEXT("lines"));
    json_begin_array(writer);
    for (size_t i = 0; i < price->line_count; i++)
        write_line(writer, &price->lines[i]);
    json_end_array(writer);
}

void price_json_lines(struct json_writer *writer, const struct price *price)
{
    price_json_list(writer, price);
    json_member_text(writer, "basis", price_basis_name(price->basis));
    if (price->basis == PRICE_UNPRICED)
        write_reason(writer, price);
    if (price->basis == PRICE_PROVIDER_COST && price->computed >= 0)
        price_json_exact(writer, "computed_usd", price->computed);
}

void price_json_cost(struct json_writer *writer, const char *key, const struct price *price)
{
    if (price->basis != PRICE_UNPRICED) {
        price_json_exact(writer, key, price->cost);
        return;
    }
    json_key(writer, text_from(key));
    json_null(writer);
}
