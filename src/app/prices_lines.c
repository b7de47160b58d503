/* The arithmetic of one call, as lines for people. */
#include "app/output.h"
#include "app/prices.h"
#include "meter/price_json.h"

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
        output_table_cell(table, STYLE_PLAIN, price_json_quantity(line, text));
        output_table_cell(table, STYLE_PLAIN, text_of(text, money_format_price(line->price, text)));
        (void)snprintf(text, sizeof text, "%lld", (long long)unit_rows[line->unit].per);
        output_table_cell(table, STYLE_PLAIN, text_from(text));
        output_table_cell(table, STYLE_PLAIN, text_of(text, ratio_format(line->factor, text)));
        output_table_cell(table, STYLE_PLAIN, text_of(text, money_format_exact(line->cost, text)));
    }
    output_table_print(table);
}
