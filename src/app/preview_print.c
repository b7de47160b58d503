#include "app/preview_print.h"

#include "app/output.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/ensure.h"
#include "codec/json.h"

#define ROWS_SHOWN  10u          /* of each table: the whole is in the JSON */
#define JSON_BYTES  (256u << 20) /* a million keys, each with its examples */
#define NUMBER_SIZE 40u

static const struct {
    const char *title, *json, *when_none;
} kinds[TALLY_KINDS] = {
    [TALLY_NEWLY_REFUSED] = {"Would be refused, and are not now", "newly_refused",
                             "Nobody would be refused who is not now."},
    [TALLY_NEWLY_ALLOWED] = {"Would be let through, and are refused now", "newly_allowed",
                             "Nobody would be let through who is refused now."},
    [TALLY_UNKNOWN] = {"Not known: the record does not tell", "unknown", NULL},
};

static const struct {
    const char *title, *json;
} groups[TALLY_GROUPS] = {
    [TALLY_BY_KEY] = {"KEY", "keys"},
    [TALLY_BY_TEAM] = {"TEAM", "teams"},
    [TALLY_BY_NETWORK] = {"NETWORK", "networks"},
    [TALLY_BY_REASON] = {"WHY", "reasons"},
};

/* ------------------------------------------------------------------ for people */

static struct text write_count(uint64_t number, char out[NUMBER_SIZE])
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)number);
    size_t used = 0;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            out[used++] = ',';
        out[used++] = digits[i];
    }
    return text_of(out, used);
}

static void add_count(struct output_table *table, uint64_t number)
{
    char digits[NUMBER_SIZE];
    output_table_cell(table, STYLE_PLAIN, write_count(number, digits));
}

static void add_money(struct output_table *table, money amount)
{
    char out[MONEY_TEXT_SIZE];
    output_table_cell(table, STYLE_PLAIN, text_of(out, money_format_people(amount, out)));
}

/* "checkout (tpk_…)", "rate_limit_exceeded, lim_…", or in words what is not known. */
static void add_label(struct output_table *table, enum tally_group group,
                      const struct tally_row *row)
{
    struct buffer label;
    struct text name = row->name ? row->name->text : text_of(NULL, 0);
    struct text detail = row->detail ? row->detail->text : text_of(NULL, 0);
    buffer_open(&label, 1024);
    if (row->words != NULL)
        buffer_append(&label, text_from(row->words));
    else if (group == TALLY_BY_KEY && detail.length > 0)
        buffer_append_format(&label, "%.*s (%.*s)", TEXT_ARG(detail), TEXT_ARG(name));
    else if (detail.length > 0)
        buffer_append_format(&label, "%.*s: %.*s", TEXT_ARG(name), TEXT_ARG(detail));
    else
        buffer_append(&label, name.length > 0 ? name : TEXT("(none)"));
    output_table_cell(table, STYLE_PLAIN, buffer_text(&label));
    buffer_close(&label);
}

static void print_group(enum tally_group group, const struct tally_rows *rows)
{
    const struct output_column columns[] = {{groups[group].title, false, true},
                                            {"CALLS", true, false},
                                            {"COST", true, false},
                                            {"FIRST", false, false}};
    struct output_table *table = output_table_create(columns, ARRAY_LENGTH(columns));
    size_t shown = rows->count < ROWS_SHOWN ? rows->count : ROWS_SHOWN;
    for (size_t i = 0; i < shown; i++) {
        char id[IDENTIFIER_TEXT_LENGTH];
        identifier_format(rows->rows[i].examples[0], id);
        add_label(table, group, &rows->rows[i]);
        add_count(table, rows->rows[i].calls);
        add_money(table, rows->rows[i].cost);
        output_table_cell(table, STYLE_DIM, text_of(id, sizeof id));
    }
    output_table_print(table);
    if (rows->count > shown)
        printf("and %zu more: --json has them all\n", rows->count - shown);
    printf("\n");
}

static void print_kind(const struct tally *tally, enum tally_kind kind, uint64_t calls)
{
    char digits[NUMBER_SIZE];
    if (calls == 0) {
        if (kinds[kind].when_none != NULL)
            printf("%s\n\n", kinds[kind].when_none);
        return;
    }
    printf("%s%s: %.*s call%s%s\n", output_style_begin(STYLE_BOLD), kinds[kind].title,
           TEXT_ARG(write_count(calls, digits)), calls == 1 ? "" : "s",
           output_style_end(STYLE_BOLD));
    for (size_t group = 0; group < TALLY_GROUPS; group++)
        print_group((enum tally_group)group, &tally->groups[kind][group]);
}

static struct text name_of(const struct name *name)
{
    return name != NULL && name->text.length > 0 ? name->text : TEXT("-");
}

static void print_routes(const struct tally *tally)
{
    static const struct output_column columns[] = {
        {"MODEL", false, true},    {"WENT TO", false, true}, {"WOULD GO TO", false, true},
        {"CALLS", true, false},    {"COST", true, false},    {"WOULD COST", true, false},
        {"UNPRICED", true, false},
    };
    size_t changed = 0;
    while (changed < tally->route_count && tally->routes[changed].from != tally->routes[changed].to)
        changed++;
    if (changed == 0) {
        printf("Every call that passes would go to where it went.\n\n");
        return;
    }
    struct output_table *table = output_table_create(columns, ARRAY_LENGTH(columns));
    size_t shown = changed < ROWS_SHOWN ? changed : ROWS_SHOWN;
    for (size_t i = 0; i < shown; i++) {
        const struct tally_route *route = &tally->routes[i];
        output_table_cell(table, STYLE_PLAIN, name_of(route->model));
        output_table_cell(table, STYLE_PLAIN, name_of(route->from));
        output_table_cell(table, STYLE_PLAIN, name_of(route->to));
        add_count(table, route->calls);
        add_money(table, route->cost_then);
        add_money(table, route->cost_now);
        add_count(table, route->unpriced);
    }
    output_table_print(table);
    if (changed > shown)
        printf("and %zu more: --json has them all\n", changed - shown);
    printf("\n");
}

static void print_money(const struct tally *tally)
{
    char then[MONEY_TEXT_SIZE], now[MONEY_TEXT_SIZE], refused[MONEY_TEXT_SIZE];
    char digits[NUMBER_SIZE];
    (void)money_format_people(tally->cost_then, then);
    (void)money_format_people(tally->cost_now, now);
    printf("Calls that pass then and now cost %s and would cost %s", then, now);
    if (tally->cost_unknown > 0)
        printf("; of %.*s more one of the two is not known",
               TEXT_ARG(write_count(tally->cost_unknown, digits)));
    printf(".\n");
    if (tally->newly_refused > 0) {
        (void)money_format_people(tally->cost_refused, refused);
        printf("Calls that would be refused have cost %s.\n", refused);
    }
    if (tally->held_worst > 0)
        printf("%.*s of the calls that would be let through cost nobody knows what: in budgets and "
               "limits they count at the most that they could have used.\n",
               TEXT_ARG(write_count(tally->held_worst, digits)));
}

void preview_print_text(const struct tally *tally, const struct preview_facts *facts)
{
    char calls[NUMBER_SIZE], then[NUMBER_SIZE], now[NUMBER_SIZE], apart[NUMBER_SIZE];
    char since[CLOCK_RFC3339_SIZE];
    (void)clock_format_rfc3339(facts->since, since);
    struct text all = write_count(tally->calls, calls);
    struct text before = write_count(tally->refused_then, then);
    struct text after = write_count(tally->refused_now, now);
    printf("%.*s calls since %s: refused then %.*s, now %.*s.\n", TEXT_ARG(all), since,
           TEXT_ARG(before), TEXT_ARG(after));
    if (tally->apart > 0)
        printf("%.*s more ended by what no rule decides: they are left out.\n",
               TEXT_ARG(write_count(tally->apart, apart)));
    printf("\n");
    print_kind(tally, TALLY_NEWLY_REFUSED, tally->newly_refused);
    print_kind(tally, TALLY_NEWLY_ALLOWED, tally->newly_allowed);
    print_kind(tally, TALLY_UNKNOWN, tally->unknown);
    print_routes(tally);
    print_money(tally);
    if (facts->condition != NULL)
        printf("\n%s%s: %s%s\n", output_style_begin(facts->failed ? STYLE_BAD : STYLE_GOOD),
               facts->condition, facts->failed ? "it holds" : "it does not hold",
               output_style_end(facts->failed ? STYLE_BAD : STYLE_GOOD));
}

/* ------------------------------------------------------------------ for programs */

static void member_money(struct json_writer *json, const char *key, money amount)
{
    char out[MONEY_TEXT_SIZE];
    json_member_text(json, key, text_of(out, money_format_exact(amount, out)));
}

static void member_name(struct json_writer *json, const char *key, const struct name *name)
{
    json_key(json, text_from(key));
    if (name == NULL || name->text.length == 0)
        json_raw(json, TEXT("null"));
    else
        json_text(json, name->text);
}

static void member_time(struct json_writer *json, const char *key, uint64_t wall)
{
    char time[CLOCK_RFC3339_SIZE];
    json_member_text(json, key, text_of(time, clock_format_rfc3339(wall, time)));
}

static void write_label(struct json_writer *json, enum tally_group group,
                        const struct tally_row *row)
{
    switch (group) {
    case TALLY_BY_KEY:
        member_name(json, "id", row->name);
        member_name(json, "name", row->detail);
        break;
    case TALLY_BY_REASON:
        if (row->words != NULL) {
            json_member_text(json, "unknown", text_from(row->words));
            break;
        }
        member_name(json, "code", row->name);
        member_name(json, "rule", row->detail);
        break;
    default: member_name(json, "name", row->name); break;
    }
}

static void write_row(struct json_writer *json, enum tally_group group, const struct tally_row *row)
{
    json_begin_object(json);
    write_label(json, group, row);
    json_member_unsigned(json, "calls", row->calls);
    member_money(json, "cost_usd", row->cost);
    json_key(json, TEXT("examples"));
    json_begin_array(json);
    for (size_t i = 0; i < row->example_count; i++) {
        char id[IDENTIFIER_TEXT_LENGTH];
        identifier_format(row->examples[i], id);
        json_text(json, text_of(id, sizeof id));
    }
    json_end_array(json);
    json_end_object(json);
}

static void write_kind(struct json_writer *json, const struct tally *tally, enum tally_kind kind)
{
    char key[64];
    (void)snprintf(key, sizeof key, "%s_by", kinds[kind].json);
    json_key(json, text_from(key));
    json_begin_object(json);
    for (size_t group = 0; group < TALLY_GROUPS; group++) {
        const struct tally_rows *rows = &tally->groups[kind][group];
        json_key(json, text_from(groups[group].json));
        json_begin_array(json);
        for (size_t i = 0; i < rows->count; i++)
            write_row(json, (enum tally_group)group, &rows->rows[i]);
        json_end_array(json);
    }
    json_end_object(json);
}

static void write_routes(struct json_writer *json, const struct tally *tally)
{
    json_key(json, TEXT("routes"));
    json_begin_array(json);
    for (size_t i = 0; i < tally->route_count; i++) {
        const struct tally_route *route = &tally->routes[i];
        json_begin_object(json);
        member_name(json, "model", route->model);
        member_name(json, "then", route->from);
        member_name(json, "now", route->to);
        json_member_bool(json, "changed", route->from != route->to);
        json_member_unsigned(json, "calls", route->calls);
        json_member_unsigned(json, "calls_without_both_costs", route->unpriced);
        member_money(json, "cost_then_usd", route->cost_then);
        member_money(json, "cost_now_usd", route->cost_now);
        json_end_object(json);
    }
    json_end_array(json);
}

static void write_figures(struct json_writer *json, const struct tally *tally)
{
    json_member_unsigned(json, "calls", tally->calls);
    json_member_unsigned(json, "apart", tally->apart);
    json_member_unsigned(json, "refused_then", tally->refused_then);
    json_member_unsigned(json, "refused_now", tally->refused_now);
    json_member_unsigned(json, "newly_refused", tally->newly_refused);
    json_member_unsigned(json, "newly_allowed", tally->newly_allowed);
    json_member_unsigned(json, "unknown", tally->unknown);
    json_member_unsigned(json, "counted_at_worst_case", tally->held_worst);
    member_money(json, "cost_then_usd", tally->cost_then);
    member_money(json, "cost_now_usd", tally->cost_now);
    member_money(json, "cost_change_usd", tally->cost_now - tally->cost_then);
    json_member_unsigned(json, "calls_without_both_costs", tally->cost_unknown);
    member_money(json, "cost_newly_refused_usd", tally->cost_refused);
}

void preview_print_json(const struct tally *tally, const struct preview_facts *facts)
{
    struct buffer out;
    struct json_writer json;
    buffer_open(&out, JSON_BYTES);
    json_open(&json, &out);
    json_begin_object(&json);
    member_time(&json, "since", facts->since);
    member_time(&json, "until", facts->until);
    member_time(&json, "replayed_from", facts->begins);
    json_member_unsigned(&json, "records", facts->records);
    write_figures(&json, tally);
    if (facts->condition != NULL) {
        json_member_text(&json, "fail_on", text_from(facts->condition));
        json_member_bool(&json, "failed", facts->failed);
    }
    for (size_t kind = 0; kind < TALLY_KINDS; kind++)
        write_kind(&json, tally, (enum tally_kind)kind);
    write_routes(&json, tally);
    json_end_object(&json);
    ensure(json_done(&json));
    printf("%.*s\n", TEXT_ARG(buffer_text(&out)));
    buffer_close(&out);
}
