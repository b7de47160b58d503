/* turnpike prices: what models cost, by the price list that is part of the program or by a file.
 * app/prices_diff.c compares two lists, app/prices_cost.c prices calls. */
#include "app/prices.h"

#include "app/output.h"
#include "base/clock.h"
#include "base/ensure.h"
#include "base/instant.h"
#include "meter/catalog_json.h"

#define JSON_MAX    (1u << 20) /* one model's description has some kilobytes */
#define UNREADABLE  2          /* exit code: there was nothing to check */
#define WORDS_MAX   16u        /* that a model must have */
#define CLASSES_MAX 11u        /* columns of prices; the table has five others at most */

/* ------------------------------------------------------------------ what is shared */

struct catalog *prices_load(const char *path)
{
    struct catalog *catalog = NULL;
    struct catalog_problems problems;
    catalog_problems_open(&problems);
    enum error error = catalog_load(path, &catalog, &problems);
    if (error && problems.count == 0)
        verb_fail("%s: %s", path, error_meaning(error));
    else if (error)
        verb_fail("%s is no good price list:\n%.*s`turnpike prices check %s` tells all", path,
                  TEXT_ARG(text_first(buffer_text(&problems.lines), 1024)), path);
    catalog_problems_close(&problems);
    return catalog;
}

struct catalog *prices_open(const struct verb_call *call)
{
    const struct prices_options *options = call->options;
    return options->catalog != NULL ? prices_load(options->catalog)
                                    : ensure_memory(catalog_shipped());
}

void prices_print(const struct buffer *out)
{
    ensure(!out->failed);
    (void)fwrite(out->data, 1, out->length, stdout); /* a failure is noticed at the end */
    putchar('\n');
}

void prices_append(struct buffer *out, const int64_t prices[UNIT_COUNT], uint64_t without)
{
    const char *separator = "";
    for (unsigned i = 0; i < UNIT_COUNT; i++) {
        char price[MONEY_TEXT_SIZE];
        if (prices[i] < 0 || without & unit_bit((enum unit)i))
            continue;
        (void)money_format_price(prices[i], price);
        buffer_append_format(out, "%s%.*s %s", separator, TEXT_ARG(unit_rows[i].name), price);
        separator = ", ";
    }
}

static void print_model_json(const struct catalog *catalog, const struct catalog_model *model)
{
    struct buffer out;
    struct json_writer writer;
    buffer_open(&out, JSON_MAX);
    json_open(&writer, &out);
    catalog_json_model(&writer, catalog, model);
    prices_print(&out);
    buffer_close(&out);
}

/* ------------------------------------------------------------------ list */

static bool has_word(const struct catalog_model *model, const char *word)
{
    char pattern[2 * CATALOG_NAME_MAX], lowered[2 * CATALOG_NAME_MAX];
    struct text texts[] = {model->provider->name, model->name, model->mode, model->capabilities,
                           model->status};
    (void)snprintf(pattern, sizeof pattern, "*%s*", word);
    for (char *c = pattern; *c != '\0'; c++)
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c | 0x20 : *c);
    for (size_t i = 0; i < ARRAY_LENGTH(texts) + model->alias_count; i++) {
        struct text text =
            i < ARRAY_LENGTH(texts) ? texts[i] : model->aliases[i - ARRAY_LENGTH(texts)];
        (void)text_copy_to(text, lowered, sizeof lowered);
        for (char *c = lowered; *c != '\0'; c++)
            *c = (char)(*c >= 'A' && *c <= 'Z' ? *c | 0x20 : *c);
        if (text_matches_pattern(text_from(lowered), text_from(pattern)))
            return true;
    }
    return false;
}

static bool is_listed(const struct verb_call *call, const struct catalog_model *model)
{
    const struct prices_options *options = call->options;
    if (options->provider && !text_equal(model->provider->name, text_from(options->provider)))
        return false;
    if (options->mode && !text_equal(model->mode, text_from(options->mode)))
        return false;
    if (!options->retired && text_equal(model->status, TEXT("retired")))
        return false;
    for (size_t i = 0; i < call->operand_count; i++)
        if (!has_word(model, call->operands[i]))
            return false;
    return true;
}

static void price_cell(struct output_table *table, const struct catalog_card *card, enum unit unit)
{
    char price[MONEY_TEXT_SIZE] = "";
    if (card != NULL && card->prices[unit] >= 0)
        (void)money_format_price(card->prices[unit], price);
    output_table_cell(table, STYLE_PLAIN, text_from(price));
}

static void print_row(struct output_table *table, const struct catalog_model *model)
{
    const struct catalog_card *card = catalog_json_today(model);
    struct buffer others;
    char context[24] = "";
    buffer_open(&others, JSON_MAX);
    if (card != NULL)
        prices_append(&others, card->prices,
                      unit_bit(UNIT_INPUT) | unit_bit(UNIT_CACHED_INPUT) | unit_bit(UNIT_OUTPUT));
    if (model->context_window > 0)
        (void)snprintf(context, sizeof context, "%lld", (long long)model->context_window);
    output_table_cell(table, STYLE_PLAIN, model->provider->name);
    output_table_cell(table, STYLE_PLAIN, model->name);
    output_table_cell(table, STYLE_PLAIN, model->mode);
    price_cell(table, card, UNIT_INPUT);
    price_cell(table, card, UNIT_CACHED_INPUT);
    price_cell(table, card, UNIT_OUTPUT);
    output_table_cell(table, STYLE_PLAIN, text_from(context));
    output_table_cell(table, STYLE_PLAIN, buffer_text(&others));
    buffer_close(&others);
}

static void print_line_json(const struct catalog_model *model)
{
    struct buffer out;
    struct json_writer writer;
    buffer_open(&out, JSON_MAX);
    json_open(&writer, &out);
    catalog_json_line(&writer, model, catalog_json_today(model));
    prices_print(&out);
    buffer_close(&out);
}

static int list_run(const struct verb_call *call)
{
    static const struct output_column columns[] = {
        {"PROVIDER", false, false}, {"MODEL", false, true},  {"MODE", false, false},
        {"INPUT", true, false},     {"CACHED", true, false}, {"OUTPUT", true, false},
        {"CONTEXT", true, false},   {"OTHERS", false, true},
    };
    const struct prices_options *options = call->options;
    struct catalog *catalog = prices_open(call);
    size_t listed = 0;
    if (catalog == NULL)
        return VERB_FAILED;
    struct output_table *table =
        options->json ? NULL : output_table_create(columns, ARRAY_LENGTH(columns));
    for (size_t i = 0; i < catalog_model_count(catalog); i++) {
        const struct catalog_model *model = catalog_model_at(catalog, i);
        if (!is_listed(call, model))
            continue;
        listed++;
        if (table != NULL)
            print_row(table, model);
        else
            print_line_json(model);
    }
    if (table != NULL) {
        output_table_print(table);
        printf(
            "\n%zu of %zu models, as of %.*s. US dollars for 1,000,000 tokens, standard service, "
            "today.\n",
            listed, catalog_model_count(catalog), TEXT_ARG(catalog_as_of(catalog)));
    }
    catalog_release(catalog);
    return VERB_OK;
}

static const struct option list_options[] = {
    PRICES_CATALOG_ROW,
    OPTION_TEXT_ROW("provider", struct prices_options, provider, "NAME", "only of this provider",
                    OPTION_ANY),
    OPTION_TEXT_ROW("mode", struct prices_options, mode, "MODE",
                    "only this kind: chat, embedding, image, transcription", OPTION_ANY),
    OPTION_FLAG_ROW("retired", struct prices_options, retired, "retired models too"),
    PRICES_JSON_ROW,
    OPTION_WIDE_ROW,
    OPTION_END,
};

static const struct verb prices_list = {
    .name = "list",
    .summary = "List models and their prices of today",
    .operands = "[WORD...]",
    .operands_max = WORDS_MAX,
    .options = list_options,
    .options_size = sizeof(struct prices_options),
    .description = "Lists the models whose provider, name, mode or capabilities have each WORD in "
                   "them. With\n"
                   "--json, one object a line.",
    .examples = "turnpike prices list\n"
                "turnpike prices list claude sonnet\n"
                "turnpike prices list --provider openai --mode embedding --json",
    .run = list_run,
};

/* ------------------------------------------------------------------ show */

static void print_fact(const char *title, struct text value)
{
    if (!text_empty(value))
        printf("%s%-13s%s %.*s\n", output_style_begin(STYLE_DIM), title,
               output_style_end(STYLE_DIM), TEXT_ARG(value));
}

static void print_number(const char *title, int64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%lld tokens", (long long)value);
    if (value > 0)
        print_fact(title, text_from(text));
}

static void print_names(const struct catalog_model *model)
{
    struct buffer line;
    buffer_open(&line, JSON_MAX);
    for (size_t i = 0; i < model->alias_count; i++)
        buffer_append_format(&line, "%s%.*s", i ? ", " : "", TEXT_ARG(model->aliases[i]));
    print_fact("also", buffer_text(&line));
    buffer_close(&line);
}

static void print_multipliers(const struct catalog_model *model)
{
    for (size_t i = 0; i < model->multiplier_count; i++) {
        const struct catalog_multiplier *multiplier = model->multipliers[i];
        struct buffer line;
        char factor[RATIO_TEXT_SIZE];
        (void)ratio_format(multiplier->factor, factor);
        buffer_open(&line, JSON_MAX);
        buffer_append_format(&line, "%.*s: tokens x %s where %.*s is", TEXT_ARG(multiplier->name),
                             factor, TEXT_ARG(fact_name(multiplier->fact)));
        for (size_t k = 0; k < multiplier->value_count; k++)
            buffer_append_format(&line, "%s %.*s", k ? "," : "", TEXT_ARG(multiplier->values[k]));
        print_fact("multiplier", buffer_text(&line));
        buffer_close(&line);
    }
}

static void print_variants(const struct catalog_model *model)
{
    for (size_t i = 0; i < model->variant_count; i++) {
        const struct catalog_variant *variant = &model->variants[i];
        struct buffer line;
        char price[MONEY_TEXT_SIZE];
        (void)money_format_price(variant->price, price);
        buffer_open(&line, JSON_MAX);
        buffer_append_format(&line, "%.*s %s where", TEXT_ARG(unit_rows[variant->unit].name),
                             price);
        for (size_t k = 0; k < variant->condition_count; k++)
            buffer_append_format(&line, "%s %.*s is %.*s", k ? "," : "",
                                 TEXT_ARG(fact_name(variant->conditions[k].fact)),
                                 TEXT_ARG(variant->conditions[k].value));
        print_fact("variant", buffer_text(&line));
        buffer_close(&line);
    }
}

static void instant_cell(struct output_table *table, int64_t instant)
{
    char text[INSTANT_SIZE] = "";
    if (instant != INT64_MIN && instant != INT64_MAX)
        (void)instant_format(instant, text);
    output_table_cell(table, STYLE_PLAIN, text_from(text));
}

static void card_row(struct output_table *table, const struct catalog_card *card, uint64_t units)
{
    char key[CATALOG_CARD_KEY_SIZE], most[40] = "";
    size_t length = catalog_card_key(card, key);
    if (card->most_tokens != INT64_MAX)
        (void)snprintf(most, sizeof most, "%lld", (long long)card->most_tokens);
    output_table_cell(table, STYLE_PLAIN, text_of(key, length));
    output_table_cell(table, STYLE_PLAIN, text_from(most));
    instant_cell(table, card->from);
    instant_cell(table, card->until);
    for (uint64_t rest = units; rest != 0; rest &= rest - 1)
        price_cell(table, card, (enum unit)__builtin_ctzll(rest));
}

/* A column for each class that some card prices; what is beyond CLASSES_MAX is in --json. */
static void print_cards(const struct catalog_model *model)
{
    struct output_column columns[OUTPUT_COLUMNS_MAX] = {
        {"CARD", false, false},
        {"UP TO", true, false},
        {"FROM", false, false},
        {"UNTIL", false, false},
    };
    size_t count = 4;
    uint64_t units = 0;
    for (unsigned i = 0; i < UNIT_COUNT && count < 4 + CLASSES_MAX; i++) {
        bool priced = false;
        for (size_t k = 0; k < model->card_count; k++)
            priced |= model->cards[k].prices[i] >= 0;
        if (!priced)
            continue;
        units |= unit_bit((enum unit)i);
        columns[count++] = (struct output_column){unit_rows[i].name.data, true, false};
    }
    struct output_table *table = output_table_create(columns, count);
    for (size_t k = 0; k < model->card_count; k++)
        card_row(table, &model->cards[k], units);
    output_table_print(table);
    for (uint64_t rest = units & ~unit_token_set(); rest != 0; rest &= rest - 1) {
        const struct unit_row *row = &unit_rows[__builtin_ctzll(rest)];
        printf("%.*s: US dollars for %lld x %.*s\n", TEXT_ARG(row->name), (long long)row->per,
               TEXT_ARG(row->measure));
    }
    if (units & unit_token_set())
        printf("Tokens: US dollars for 1,000,000.\n");
}

static void print_model(const struct catalog *catalog, const struct catalog_model *model)
{
    printf("%s%.*s/%.*s%s\n", output_style_begin(STYLE_BOLD), TEXT_ARG(model->provider->name),
           TEXT_ARG(model->name), output_style_end(STYLE_BOLD));
    print_names(model);
    print_fact("mode", model->mode);
    print_fact("status", model->status);
    print_number("context", model->context_window);
    print_number("output", model->max_output);
    print_fact("capabilities", model->capabilities);
    print_multipliers(model);
    print_variants(model);
    print_fact("source", model->sources);
    print_fact("agree", model->agree);
    print_fact("differ", model->differ);
    print_fact("notes", model->notes);
    print_fact("catalog", catalog_version(catalog));
    putchar('\n');
    print_cards(model);
}

static int show_run(const struct verb_call *call)
{
    const struct prices_options *options = call->options;
    struct text name = text_from(call->operands[0]);
    struct catalog *catalog = prices_open(call);
    size_t shown = 0;
    if (catalog == NULL)
        return VERB_FAILED;
    for (size_t i = 0; i < catalog_provider_count(catalog); i++) {
        const struct catalog_provider *provider = catalog_provider_at(catalog, i);
        enum catalog_match match;
        if (options->provider && !text_equal(provider->name, text_from(options->provider)))
            continue;
        const struct catalog_model *model = catalog_find(catalog, provider, name, &match);
        if (model == NULL)
            continue;
        if (shown++ > 0 && !options->json)
            putchar('\n');
        if (options->json)
            print_model_json(catalog, model);
        else
            print_model(catalog, model);
    }
    catalog_release(catalog);
    return shown > 0 ? VERB_OK
                     : verb_fail("no price is known for '%.100s'; `turnpike prices list WORD` "
                                 "searches",
                                 call->operands[0]);
}

static const struct option show_options[] = {
    PRICES_CATALOG_ROW,
    OPTION_TEXT_ROW("provider", struct prices_options, provider, "NAME", "only of this provider",
                    OPTION_ANY),
    PRICES_JSON_ROW,
    OPTION_WIDE_ROW,
    OPTION_END,
};

static const struct verb prices_show = {
    .name = "show",
    .summary = "Show all prices of a model, and where they come from",
    .operands = "MODEL",
    .operands_min = 1,
    .operands_max = 1,
    .options = show_options,
    .options_size = sizeof(struct prices_options),
    .description = "MODEL is a name as a provider knows it; the same name at several providers is "
                   "shown for each. A price is US dollars for 1,000,000 tokens, or for as many as "
                   "docs/reference/units.md says of its unit.",
    .examples = "turnpike prices show gpt-5.5\n"
                "turnpike prices show us.anthropic.claude-opus-4-8 --json",
    .run = show_run,
};

/* ------------------------------------------------------------------ check */

static size_t count_cards(const struct catalog *catalog)
{
    size_t cards = 0;
    for (size_t i = 0; i < catalog_model_count(catalog); i++)
        cards += catalog_model_at(catalog, i)->card_count;
    return cards;
}

static void print_check_json(const char *path, const struct catalog *catalog,
                             const struct catalog_problems *problems)
{
    struct text rest = buffer_text(&problems->lines);
    struct buffer out;
    struct json_writer writer;
    buffer_open(&out, JSON_MAX);
    json_open(&writer, &out);
    json_begin_object(&writer);
    json_member_text(&writer, "file", text_from(path));
    json_member_bool(&writer, "good", catalog != NULL);
    if (catalog != NULL)
        json_member_text(&writer, "version", catalog_version(catalog));
    json_member_unsigned(&writer, "problem_count", problems->count);
    json_key(&writer, TEXT("problems"));
    json_begin_array(&writer);
    while (!text_empty(rest))
        json_text(&writer, text_split(&rest, '\n'));
    json_end_array(&writer);
    json_end_object(&writer);
    prices_print(&out);
    buffer_close(&out);
}

static void print_check(const char *path, const struct catalog *catalog,
                        const struct catalog_problems *problems)
{
    if (catalog != NULL) {
        printf("%s: good (%zu models of %zu providers, %zu cards, %.*s)\n", path,
               catalog_model_count(catalog), catalog_provider_count(catalog), count_cards(catalog),
               TEXT_ARG(catalog_version(catalog)));
        return;
    }
    printf("%.*s", TEXT_ARG(buffer_text(&problems->lines)));
    printf("%s: %zu problem%s", path, problems->count, problems->count == 1 ? "" : "s");
    if (problems->count > CATALOG_PROBLEMS_MAX)
        printf(", of which the first %u are told", CATALOG_PROBLEMS_MAX);
    putchar('\n');
}

static int check_run(const struct verb_call *call)
{
    const struct prices_options *options = call->options;
    const char *path = call->operands[0];
    struct catalog *catalog = NULL;
    struct catalog_problems problems;
    catalog_problems_open(&problems);
    enum error error = catalog_load(path, &catalog, &problems);
    int exit_code = error ? VERB_FAILED : VERB_OK;
    if (error && error != ERROR_SYNTAX) {
        struct text rest = buffer_text(&problems.lines), line = text_split(&rest, '\n');
        (void)verb_fail("%.*s; name a price list, as docs/prices.md describes them",
                        TEXT_ARG(line));
        exit_code = UNREADABLE;
    } else if (options->json) {
        print_check_json(path, catalog, &problems);
    } else {
        print_check(path, catalog, &problems);
    }
    catalog_release(catalog);
    catalog_problems_close(&problems);
    return exit_code;
}

static const struct option check_options[] = {PRICES_JSON_ROW, OPTION_END};

static const struct verb prices_check = {
    .name = "check",
    .summary = "Check a price list of your own",
    .operands = "FILE",
    .operands_min = 1,
    .operands_max = 1,
    .options = check_options,
    .options_size = sizeof(struct prices_options),
    .description =
        "Reads the whole of FILE and tells every problem with its place, such as\n"
        "  models[17] openai/gpt-5: cards[2].prices.input: '1e3' has an exponent\n"
        "Exits with 0 when the file is good, 1 when it is not, 2 when it cannot be read.",
    .examples = "turnpike prices check prices.json",
    .run = check_run,
};

static const struct verb *const prices_verbs[] = {
    &prices_list, &prices_show, &prices_check, &prices_diff, &prices_cost, &prices_explain, NULL,
};

const struct verb verb_prices = {
    .name = "prices",
    .summary = "Show, check and compare price lists, and price calls",
    .description = "The price list is part of the program; --catalog FILE reads another one in the "
                   "same form. What a server goes by is in its configuration: prices.catalog, and "
                   "providers.NAME.pricing for discounts and prices of your own.",
    .verbs = prices_verbs,
};
