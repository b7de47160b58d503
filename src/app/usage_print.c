#include "app/output.h"
#include "app/usage_answer.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/ensure.h"
#include "codec/json.h"
#include "meter/money.h"

#define NOTE_SIZE 160u
#define JSON_MAX  (1u << 20) /* of one row, whose texts have some kilobytes */

static struct text column_value(const struct usage_answer *answer, const struct answer_row *row,
                                const struct usage_column *column, char label[USAGE_LABEL_SIZE])
{
    if (column->group == USAGE_TIME)
        return text_of(label, usage_answer_label(answer, row->interval, label));
    return row->values[column->group];
}

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
            output_table_cell(table, STYLE_PLAIN,
                              shown_value(answer, &answer->columns[c],
                                          column_value(answer, row, &answer->columns[c], label)));
        add_sums(table, STYLE_PLAIN, &row->sums);
    }
    if (answer->column_count > 0 && answer->row_count > 1) {
        for (size_t c = 0; c < answer->column_count; c++)
            output_table_cell(table, STYLE_BOLD, c == 0 ? TEXT("total") : TEXT(""));
        add_sums(table, STYLE_BOLD, &answer->total);
    }
    output_table_print(table);
}

/* ------------------------------------------------------------------ CSV */

void usage_print_csv_cell(struct text text)
{
    static const char formula[] = "=+-@\t\r";
    bool guarded = text.length > 0 && memchr(formula, text.data[0], sizeof formula - 1) != NULL;
    bool quoted = guarded;
    for (size_t i = 0; !quoted && i < text.length; i++)
        quoted = text.data[i] == ',' || text.data[i] == '"' || text.data[i] == '\n' ||
                 text.data[i] == '\r';
    if (!quoted) {
        (void)fwrite(text.data ? text.data : "", 1, text.length, stdout);
        return;
    }
    (void)fputs(guarded ? "\"'" : "\"", stdout);
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] == '"')
            putchar('"');
        putchar(text.data[i]);
    }
    putchar('"');
}

void usage_print_csv(const struct usage_answer *answer)
{
    char label[USAGE_LABEL_SIZE], amount[MONEY_TEXT_SIZE];
    for (size_t c = 0; c < answer->column_count; c++) {
        usage_print_csv_cell(answer->columns[c].name);
        (void)fputs(answer->columns[c].is_key ? ",key_name," : ",", stdout);
    }
#define COUNTER(name, description) (void)fputs(#name ",", stdout);
#include "tables/usage_counters.def"
#undef COUNTER
    (void)fputs("cost_usd,adjusted_usd\r\n", stdout);
    for (size_t i = 0; i < answer->row_count; i++) {
        const struct answer_row *row = &answer->rows[i];
        for (size_t c = 0; c < answer->column_count; c++) {
            struct text value = column_value(answer, row, &answer->columns[c], label);
            usage_print_csv_cell(value);
            putchar(',');
            if (answer->columns[c].is_key) {
                usage_print_csv_cell(usage_answer_key_name(answer, value));
                putchar(',');
            }
        }
#define COUNTER(name, description) printf("%lld,", (long long)row->sums.counters.name);
#include "tables/usage_counters.def"
#undef COUNTER
        (void)money_format_exact(row->sums.cost + row->sums.adjusted, amount);
        printf("%s,", usage_answer_has_cost(&row->sums) ? amount : "");
        (void)money_format_exact(row->sums.adjusted, amount);
        printf("%s\r\n", amount);
    }
}

/* ------------------------------------------------------------------ JSON */

static void write_time(struct json_writer *json, const char *key, uint64_t time)
{
    char text[CLOCK_RFC3339_SIZE];
    json_member_text(json, key,
                     time == 0 || time == UINT64_MAX
                         ? text_of(NULL, 0)
                         : text_of(text, clock_format_rfc3339(time, text)));
}

static void write_money(struct json_writer *json, const char *key, bool known, money amount)
{
    char text[MONEY_TEXT_SIZE];
    json_member_text(json, key,
                     known ? text_of(text, money_format_exact(amount, text)) : text_of(NULL, 0));
}

/* `cost_usd` has the adjustments in it. */
static void write_sums(struct json_writer *json, const struct usage_sums *sums)
{
#define COUNTER(name, description) json_member_signed(json, #name, sums->counters.name);
#include "tables/usage_counters.def"
#undef COUNTER
    write_money(json, "cost_usd", usage_answer_has_cost(sums), sums->cost + sums->adjusted);
    write_money(json, "adjusted_usd", true, sums->adjusted);
}

static void write_row(struct json_writer *json, const struct usage_answer *answer,
                      const struct answer_row *row)
{
    char label[USAGE_LABEL_SIZE];
    json_begin_object(json);
    for (size_t c = 0; c < answer->column_count; c++) {
        const struct usage_column *column = &answer->columns[c];
        struct text value = column_value(answer, row, column, label);
        json_key(json, column->name);
        json_text(json, value);
        if (column->is_key) {
            struct text name = usage_answer_key_name(answer, value);
            json_member_text(json, "key_name", text_empty(name) ? text_of(NULL, 0) : name);
        }
    }
    if (answer->step != USAGE_STEP_NONE) {
        write_time(json, "start", answer->edges[row->interval]);
        write_time(json, "end", answer->edges[row->interval + 1]);
    }
    write_sums(json, &row->sums);
    json_end_object(json);
}

static void print_object(struct buffer *out, const char *before)
{
    ensure(!out->failed);
    printf("%s%.*s", before, TEXT_ARG(buffer_text(out)));
    buffer_clear(out);
}

/* Row by row, so that a long answer is not held twice. */
void usage_print_json(const struct usage_answer *answer)
{
    struct json_writer json;
    struct buffer out;
    buffer_open(&out, JSON_MAX);
    json_open(&json, &out);
    json_begin_object(&json);
    write_time(&json, "since", answer->since);
    write_time(&json, "until", answer->until);
    json_member_text(&json, "timezone",
                     text_empty(answer->timezone) ? TEXT("UTC") : answer->timezone);
    json_key(&json, TEXT("total"));
    json_begin_object(&json);
    write_sums(&json, &answer->total);
    json_end_object(&json);
    json_end_object(&json);
    ensure(json_done(&json) && out.length > 0);
    out.length--; /* its brace comes at the end */
    print_object(&out, "");
    printf(",\"rows\":[");
    for (size_t i = 0; i < answer->row_count; i++) {
        json_open(&json, &out);
        write_row(&json, answer, &answer->rows[i]);
        ensure(json_done(&json));
        print_object(&out, i > 0 ? ",\n" : "\n");
    }
    printf("]}\n");
    buffer_close(&out);
}
