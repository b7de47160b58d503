/* An answer as CSV and as JSON. */
#include "admin/usage_answer.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/ensure.h"
#include "codec/json.h"
#include "meter/money.h"

#define JSON_MAX (1u << 20) /* of one row, whose texts have some kilobytes */

struct text usage_answer_value(const struct usage_answer *answer, const struct answer_row *row,
                               const struct usage_column *column, char label[USAGE_LABEL_SIZE])
{
    if (column->group == USAGE_TIME)
        return text_of(label, usage_answer_label(answer, row->interval, label));
    return row->values[column->group];
}

/* ------------------------------------------------------------------ CSV */

void usage_write_csv_cell(struct text text, FILE *out)
{
    static const char formula[] = "=+-@\t\r";
    bool guarded = text.length > 0 && memchr(formula, text.data[0], sizeof formula - 1) != NULL;
    bool quoted = guarded;
    for (size_t i = 0; !quoted && i < text.length; i++)
        quoted = text.data[i] == ',' || text.data[i] == '"' || text.data[i] == '\n' ||
                 text.data[i] == '\r';
    if (!quoted) {
        (void)fwrite(text.data ? text.data : "", 1, text.length, out);
        return;
    }
    (void)fputs(guarded ? "\"'" : "\"", out);
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] == '"')
            putc('"', out);
        putc(text.data[i], out);
    }
    putc('"', out);
}

void usage_write_csv(const struct usage_answer *answer, FILE *out)
{
    char label[USAGE_LABEL_SIZE], amount[MONEY_TEXT_SIZE];
    for (size_t c = 0; c < answer->column_count; c++) {
        usage_write_csv_cell(answer->columns[c].name, out);
        (void)fputs(answer->columns[c].is_key ? ",key_name," : ",", out);
    }
#define COUNTER(name, description) (void)fputs(#name ",", out);
#include "tables/usage_counters.def"
#undef COUNTER
    (void)fputs("cost_usd,adjusted_usd\r\n", out);
    for (size_t i = 0; i < answer->row_count; i++) {
        const struct answer_row *row = &answer->rows[i];
        for (size_t c = 0; c < answer->column_count; c++) {
            struct text value = usage_answer_value(answer, row, &answer->columns[c], label);
            usage_write_csv_cell(value, out);
            putc(',', out);
            if (answer->columns[c].is_key) {
                usage_write_csv_cell(usage_answer_key_name(answer, value), out);
                putc(',', out);
            }
        }
#define COUNTER(name, description) fprintf(out, "%lld,", (long long)row->sums.counters.name);
#include "tables/usage_counters.def"
#undef COUNTER
        (void)money_format_exact(row->sums.cost + row->sums.adjusted, amount);
        fprintf(out, "%s,", usage_answer_has_cost(&row->sums) ? amount : "");
        (void)money_format_exact(row->sums.adjusted, amount);
        fprintf(out, "%s\r\n", amount);
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

void usage_write_sums(struct json_writer *json, const struct usage_sums *sums)
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
        struct text value = usage_answer_value(answer, row, column, label);
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
    usage_write_sums(json, &row->sums);
    json_end_object(json);
}

static void write_object(struct buffer *out, const char *before, FILE *file)
{
    ensure(!out->failed);
    fprintf(file, "%s%.*s", before, TEXT_ARG(buffer_text(out)));
    buffer_clear(out);
}

/* Row by row, so that a long answer is not held twice. */
void usage_write_json(const struct usage_answer *answer, FILE *file)
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
    usage_write_sums(&json, &answer->total);
    json_end_object(&json);
    json_end_object(&json);
    ensure(json_done(&json) && out.length > 0);
    out.length--; /* its brace comes at the end */
    write_object(&out, "", file);
    fprintf(file, ",\"rows\":[");
    for (size_t i = 0; i < answer->row_count; i++) {
        json_open(&json, &out);
        write_row(&json, answer, &answer->rows[i]);
        ensure(json_done(&json));
        write_object(&out, i > 0 ? ",\n" : "\n", file);
    }
    fprintf(file, "]}\n");
    buffer_close(&out);
}
