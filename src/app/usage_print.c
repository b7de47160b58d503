#include "app/usage_print.h"
#include "admin/usage_answer.h"
#include "app/output.h"
#include "base/buffer.h"
#include "base/ensure.h"
#include "meter/money.h"

/* ------------------------------------------------------------------ for people */

/* "1,234,567" */
static struct text group_digits(int64_t number, char out[32])
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%lld", (long long)number);
    size_t used = 0;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            out[used++] = ',';
        out[used++] = digits[i];
    }
    return text_of(out, used);
}

static void add_number(struct output_table *table, enum output_style style, int64_t number)
{
    char digits[32];
    output_table_cell(table, style, number == 0 ? TEXT("-") : group_digits(number, digits));
}

static void add_cost(struct output_table *table, enum output_style style,
                     const struct usage_sums *sums)
{
    char amount[MONEY_TEXT_SIZE];
    money cost = sums->cost + sums->adjusted;
    if (!usage_answer_has_cost(sums))
        output_table_cell(table, STYLE_WARNING, TEXT("unpriced"));
    else if (cost == 0)
        output_table_cell(table, style, TEXT("-"));
    else
        output_table_cell(table, style, text_of(amount, money_format_people(cost, amount)));
}

static void add_remark(struct buffer *out, int64_t count, const char *what)
{
    char digits[32];
    if (count <= 0)
        return;
    struct text number = group_digits(count, digits);
    buffer_append_format(out, "%s%.*s call%s %s", out->length > 0 ? ", " : "", TEXT_ARG(number),
                         count == 1 ? "" : "s", what);
}

static void add_remarks(struct output_table *table, const struct usage_sums *sums)
{
    struct buffer remarks;
    buffer_open(&remarks, 512);
    add_remark(&remarks, sums->counters.unpriced, "unpriced");
    add_remark(&remarks, sums->counters.estimated, "estimated");
    add_remark(&remarks, sums->counters.refused, "refused");
    enum output_style style = sums->counters.unpriced > 0 ? STYLE_WARNING : STYLE_DIM;
    output_table_cell(table, style, buffer_text(&remarks));
    buffer_close(&remarks);
}

static void add_sums(struct output_table *table, enum output_style style,
                     const struct usage_sums *sums)
{
    add_number(table, style, sums->counters.calls);
    add_number(table, style, sums->counters.input_tokens);
    add_number(table, style, sums->counters.cached_input_tokens);
    add_number(table, style, sums->counters.output_tokens);
    add_cost(table, style, sums);
    add_remarks(table, sums);
}

static struct text shown_value(const struct usage_answer *answer, const struct usage_column *column,
                               struct text value)
{
    struct text name = column->is_key ? usage_answer_key_name(answer, value) : TEXT("");
    if (!text_empty(name))
        return name;
    return text_empty(value) ? TEXT("-") : value;
}

static size_t describe_columns(const struct usage_answer *answer,
                               struct output_column columns[OUTPUT_COLUMNS_MAX])
{
    static const struct output_column numbers[] = {{"CALLS", true, false},  {"INPUT", true, false},
                                                   {"CACHED", true, false}, {"OUTPUT", true, false},
                                                   {"COST", true, false},   {"NOTE", false, true}};
    size_t count = 0;
    _Static_assert(USAGE_COLUMNS_MAX + ARRAY_LENGTH(numbers) <= OUTPUT_COLUMNS_MAX, "they fit");
    for (size_t i = 0; i < answer->column_count; i++)
        columns[count++] = (struct output_column){answer->columns[i].title, false,
                                                  answer->columns[i].group != USAGE_TIME};
    for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++)
        columns[count++] = numbers[i];
    return count;
}

void usage_print_table(const struct usage_answer *answer)
{
    struct output_column columns[OUTPUT_COLUMNS_MAX];
    char label[USAGE_LABEL_SIZE];
    struct output_table *table = output_table_create(columns, describe_columns(answer, columns));
    for (size_t i = 0; i < answer->row_count; i++) {
        const struct answer_row *row = &answer->rows[i];
        for (size_t c = 0; c < answer->column_count; c++)
            output_table_cell(
                table, STYLE_PLAIN,
                shown_value(answer, &answer->columns[c],
                            usage_answer_value(answer, row, &answer->columns[c], label)));
        add_sums(table, STYLE_PLAIN, &row->sums);
    }
    if (answer->column_count > 0 && answer->row_count > 1) {
        for (size_t c = 0; c < answer->column_count; c++)
            output_table_cell(table, STYLE_BOLD, c == 0 ? TEXT("total") : TEXT(""));
        add_sums(table, STYLE_BOLD, &answer->total);
    }
    output_table_print(table);
}
