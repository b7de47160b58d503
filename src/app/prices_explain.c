/* turnpike prices explain REQUEST_ID: why a call cost what its record says, line by line.
 *
 * The record keeps what was billed and the rule; the arithmetic is done again by the prices at hand
 * and compared. */
#include "app/output.h"
#include "app/paths.h"
#include "app/price_book_option.h"
#include "app/prices.h"
#include "base/clock.h"
#include "base/ensure.h"
#include "control/price_list.h"
#include "ledger/history.h"
#include "ledger/repricing.h"
#include "store/adjustments.h"

#define JSON_MAX (1u << 20)
#define PATIENCE 2000u /* milliseconds for another process's lock */

struct explain_options {
    const char *data, *config, *catalog;
    bool json;
};

struct explaining {
    const struct explain_options *options;
    const struct price_book *book;
    struct price_book *guess; /* for the record's provider, when `book` knows none of that name */
    struct store *store;      /* NULL: there is none, or it cannot be read */
    bool found;
};

/* ---- what was corrected later ---- */

static void print_adjustment(void *context, const struct adjustment *adjustment)
{
    char when[CLOCK_RFC3339_SIZE], after[MONEY_TEXT_SIZE];

    (void)clock_format_rfc3339(adjustment->time, when);
    (void)money_format_exact(adjustment->after, after);
    printf("corrected  %s on %.10s by %.*s (price list %.*s)\n", after, when,
           TEXT_ARG(adjustment->who), TEXT_ARG(adjustment->catalog));
}

static void write_adjustment(void *context, const struct adjustment *adjustment)
{
    struct json_writer *writer = context;
    char when[CLOCK_RFC3339_SIZE];

    json_begin_object(writer);
    json_member_text(writer, "time", text_of(when, clock_format_rfc3339(adjustment->time, when)));
    json_member_text(writer, "who", adjustment->who);
    json_member_text(writer, "catalog", adjustment->catalog);
    if (adjustment->before >= 0)
        price_json_exact(writer, "before_usd", adjustment->before);
    price_json_exact(writer, "after_usd", adjustment->after);
    json_end_object(writer);
}

static void visit_adjustments(const struct explaining *explaining, const struct record *record,
                              adjustments_found found, void *context)
{
    if (explaining->store &&
        adjustments_of(explaining->store, record->id, found, context) != ERROR_OK)
        (void)verb_fail("later corrections cannot be read: %s", store_problem(explaining->store));
}

/* ---- JSON ---- */

static void write_record(struct json_writer *writer, const struct record *record)
{
    char id[IDENTIFIER_TEXT_LENGTH], when[CLOCK_RFC3339_SIZE];

    identifier_format(record->id, id);
    json_member_text(writer, "id", text_of(id, sizeof(id)));
    json_member_text(writer, "at", text_of(when, clock_format_rfc3339(record->started_at, when)));
    json_member_text(writer, "provider", record->provider);
    json_member_text(writer, "model", record->target_model);
    json_member_text(writer, "cost_state", record->cost_state);
    if (record->cost >= 0)
        price_json_exact(writer, "recorded_cost_usd", record->cost);
    json_member_text(writer, "recorded_rule", record->price_rule);
    json_member_text(writer, "recorded_catalog", record->catalog);
}

static void explain_json(const struct explaining *explaining, const struct record *record,
                         const char *obstacle, const struct repricing *repricing)
{
    struct buffer out;
    struct json_writer writer;
    char rule[PRICE_RULE_SIZE];

    buffer_open(&out, JSON_MAX);
    json_open(&writer, &out);
    json_begin_object(&writer);
    write_record(&writer, record);
    if (obstacle) {
        json_member_text(&writer, "not_priced_again", text_from(obstacle));
    } else {
        price_json_cost(&writer, "cost_usd", &repricing->price);
        price_json_lines(&writer, &repricing->price);
        if (price_rule_write(repricing->model, &repricing->price, rule) > 0)
            json_member_text(&writer, "rule", text_from(rule));
        json_member_text(&writer, "catalog", catalog_version(price_book_catalog(explaining->book)));
    }
    json_key(&writer, TEXT("adjustments"));
    json_begin_array(&writer);
    visit_adjustments(explaining, record, write_adjustment, &writer);
    json_end_array(&writer);
    json_end_object(&writer);
    prices_print(&out);
    buffer_close(&out);
}

/* ---- for people ---- */

static void print_record(const struct record *record)
{
    char id[IDENTIFIER_TEXT_LENGTH], when[CLOCK_RFC3339_SIZE], cost[MONEY_TEXT_SIZE];

    identifier_format(record->id, id);
    (void)clock_format_rfc3339(record->started_at, when);
    printf("%s%.*s%s  %.19sZ\n", output_style_begin(STYLE_BOLD), (int)sizeof(id), id,
           output_style_end(STYLE_BOLD), when);
    printf("asked for  %.*s, of %.*s: %.*s\n", TEXT_ARG(record->model), TEXT_ARG(record->provider),
           TEXT_ARG(record->target_model));
    if (record->cost >= 0) {
        (void)money_format_exact(record->cost, cost);
        printf("recorded   %s US dollars (%.*s)\n", cost, TEXT_ARG(record->cost_state));
    } else {
        printf("recorded   %.*s\n", TEXT_ARG(record->cost_state));
    }
    if (record->price_rule.length > 0)
        printf("rule       %.*s\n", TEXT_ARG(record->price_rule));
    if (record->catalog.length > 0)
        printf("list       %.*s\n", TEXT_ARG(record->catalog));
}

/* What the lines below come to, beside what was recorded. */
static void print_sum(const struct explaining *explaining, const struct record *record,
                      const struct price *price)
{
    char text[MONEY_TEXT_SIZE];
    struct text version = catalog_version(price_book_catalog(explaining->book));

    if (price->basis == PRICE_UNPRICED) {
        printf("By price list %.*s it is unpriced: %s%s\n", TEXT_ARG(version), price->reason,
               explaining->options->config
                   ? ""
                   : "; --config FILE goes by the server's providers, prices and discounts");
        return;
    }
    (void)money_format_exact(price->cost, text);
    printf("%s US dollars", text);
    if (price->cost == record->cost)
        printf(", as recorded\n");
    else
        printf(" by price list %.*s, which is not what was recorded\n", TEXT_ARG(version));
}

static void explain_text(const struct explaining *explaining, const struct record *record,
                         const char *obstacle, const struct repricing *repricing)
{
    print_record(record);
    visit_adjustments(explaining, record, print_adjustment, NULL);
    putchar('\n');
    if (obstacle) {
        printf("Not priced line by line: %s.\n", obstacle);
        return;
    }
    prices_print_lines(&repricing->price);
    print_sum(explaining, record, &repricing->price);
}

/* The list knows providers by its own names, a configuration gives them others. Without one: what
 * a server takes for a provider of no known host (config/build_pricing.c), and the built-in one. */
static struct price_book *guess_book(const struct explaining *explaining,
                                     const struct record *record)
{
    struct text type =
        text_equal(record->target_model, TEXT("demo")) ? TEXT("demo") : TEXT("openai");
    const struct config_provider provider = {
        .name = record->provider, .type = type, .pricing = {.catalog = type}};
    const char *catalog = explaining->options->catalog;
    const struct config config = {.providers = &provider,
                                  .provider_count = 1,
                                  .catalog_path = text_from(catalog ? catalog : "")};
    struct price_book *book = NULL;
    char problem[PRICE_LIST_PROBLEM_SIZE];

    return price_list_make(&config, &book, problem) == ERROR_OK ? book : NULL;
}

/* A guess counts only where it comes to what was recorded: then these were the prices. */
static void price_again(struct explaining *explaining, const struct record *record,
                        struct repricing *repricing)
{
    struct repricing guessed;

    repricing_make(record, explaining->book, repricing);
    if (explaining->options->config || repricing->price.basis != PRICE_UNPRICED || record->cost < 0)
        return;
    explaining->guess = guess_book(explaining, record);
    if (!explaining->guess)
        return;
    repricing_make(record, explaining->guess, &guessed);
    if (guessed.price.basis != PRICE_UNPRICED && guessed.price.cost == record->cost)
        *repricing = guessed;
}

static bool explain(void *context, const struct record *record)
{
    struct explaining *explaining = context;
    struct repricing repricing;
    const char *obstacle = repricing_obstacle(record);

    explaining->found = true;
    if (!obstacle)
        price_again(explaining, record, &repricing);
    if (explaining->options->json)
        explain_json(explaining, record, obstacle, &repricing);
    else
        explain_text(explaining, record, obstacle, &repricing);
    return false;
}

static int read_record(const struct verb_call *call, struct explaining *explaining,
                       const char *data)
{
    struct identifier id;
    struct history *history;
    char problem[HISTORY_PROBLEM_SIZE];

    if (!identifier_parse(text_from(call->operands[0]), &id))
        return verb_misused(call->verb,
                            "'%.60s' is no request id: it is what x-request-id says, req_ and 32 "
                            "hexadecimal digits",
                            call->operands[0]);
    const struct history_filter filter = {.only = &id};
    if (history_open(data, &filter, &history, problem) != ERROR_OK)
        return verb_fail("%s", problem);
    enum error error = history_read(history, explain, explaining, problem);
    history_close(history);
    if (explaining->found)
        return VERB_OK;
    return error ? verb_fail("%s", problem)
                 : verb_fail("%s has no record of %s", data, call->operands[0]);
}

static int explain_run(const struct verb_call *call)
{
    const struct explain_options *options = call->options;
    const char *data = options->data ? options->data : DATA_DEFAULT;
    struct explaining explaining = {.options = options};
    char path[PATH_SIZE], problem[STORE_PROBLEM_SIZE];
    struct price_book *book = price_book_option_open(options->config, options->catalog);

    if (!book)
        return VERB_FAILED;
    explaining.book = book;
    if (data_path(data, STORE_FILE, path) &&
        store_open(path, STORE_READ, PATIENCE, &explaining.store, problem) != ERROR_OK)
        explaining.store =
            NULL; /* the journals may have the record, and nothing is corrected yet */
    int code = read_record(call, &explaining, data);
    store_close(explaining.store);
    price_book_release(explaining.guess);
    price_book_release(book);
    return code;
}

static const struct option explain_options[] = {
    OPTION_TEXT_ROW("data", struct explain_options, data, "DIR",
                    "data directory of the server [" DATA_DEFAULT "]", OPTION_DIRECTORY),
    PRICE_BOOK_CONFIG_ROW(struct explain_options),
    PRICE_BOOK_CATALOG_ROW(struct explain_options),
    OPTION_FLAG_ROW("json", struct explain_options, json, "print JSON, for programs"),
    OPTION_WIDE_ROW,
    OPTION_END,
};

const struct verb prices_explain = {
    .name = "explain",
    .summary = "Show why a call cost what it did, line by line",
    .operands = "REQUEST_ID",
    .operands_min = 1,
    .operands_max = 1,
    .options = explain_options,
    .options_size = sizeof(struct explain_options),
    .description =
        "The id is what the answer's x-request-id said. The record keeps what was "
        "billed; here it is "
        "multiplied again by the prices at hand, and compared with what was recorded. Later "
        "corrections (`turnpike ledger reprice`) are shown beside it.",
    .examples =
        "turnpike prices explain req_01a205500dc2d91cc7460d2d001b4f35\n"
        "turnpike prices explain req_01a205500dc2d91cc7460d2d001b4f35 --config turnpike.yaml\n",
    .run = explain_run,
};
