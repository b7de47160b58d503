/* turnpike route: where calls would go, without making one.
 *
 * With --config the decision is made here, by the code that decides for calls, on a configuration
 * of which nothing is known yet. Without it the running server is asked over its admin socket,
 * which knows latencies, breakers and what is in flight. Both answer with the same JSON. */
#include <curl/curl.h>
#include <stdarg.h>
#include <unistd.h>

#include "app/output.h"
#include "app/paths.h"
#include "app/verb.h"
#include "base/clock.h"
#include "base/number.h"
#include "config/load.h"
#include "control/price_list.h"
#include "exchange/explain.h"

#define ANSWER_MAX       1048576u /* bytes; 64 targets have some 30,000 */
#define PROBLEMS_MAX     1048576u
#define PATIENCE_SECONDS 5L
#define KEY_VARIABLE     "TURNPIKE_ADMIN_KEY"

struct route_options {
    const char *config, *data, *team, *tokens, *output;
    struct option_list tags, needs;
    bool json;
};

static const struct option route_option_rows[] = {
    OPTION_TEXT_ROW("config", struct route_options, config, "FILE",
                    "decide by this configuration, without figures [ask the running server]",
                    OPTION_FILE),
    OPTION_TEXT_ROW("data", struct route_options, data, "DIR",
                    "the running server's data directory [" DATA_DEFAULT "]", OPTION_DIRECTORY),
    OPTION_TEXT_ROW("team", struct route_options, team, "TEAM", "the caller's team", OPTION_ANY),
    OPTION_LIST_ROW("tag", struct route_options, tags, "NAME=VALUE", "a tag of the call"),
    OPTION_TEXT_ROW("tokens", struct route_options, tokens, "NUMBER",
                    "length of the prompt in tokens [0]", OPTION_ANY),
    OPTION_TEXT_ROW("output", struct route_options, output, "NUMBER",
                    "length of the answer in tokens, for comparing prices [500]", OPTION_ANY),
    OPTION_LIST_ROW("needs", struct route_options, needs, "NEED",
                    "what it asks for beyond text: vision, audio, files, tools, structured_output, "
                    "reasoning, logprobs or choices"),
    OPTION_FLAG_ROW("json", struct route_options, json, "print JSON, for programs"),
    OPTION_WIDE_ROW,
    OPTION_END,
};

/* ---- the question ---- */

static void join(const struct option_list *list, struct buffer *out)
{
    for (size_t i = 0; i < list->count; i++)
        buffer_append_format(out, "%s%s", i > 0 ? "," : "", list->values[i]);
}

struct question {
    struct explain_call call;
    struct buffer tags_text, needs_text;
    struct route_tag tags[OPTION_VALUES_MAX];
};

/* VERB_OK, or what verb_misused says. */
static int read_number(const struct verb *verb, const char *option, const char *word, uint64_t *out)
{
    if (!word || number_parse_unsigned(text_from(word), out))
        return VERB_OK;
    return verb_misused(verb, "--%s takes a whole number, not \"%s\"", option, word);
}

/* VERB_OK, or what verb_misused says. */
static int read_question(const struct verb_call *call, struct question *question)
{
    const struct route_options *options = call->options;
    struct explain_call *asked = &question->call;
    struct text wrong;

    *question = (struct question){
        .call = {.model = text_from(call->operands[0]),
                 .call = {.team = text_from(options->team), .tags = question->tags},
                 .output = EXPLAIN_OUTPUT,
                 .now = clock_monotonic(),
                 .wall = (int64_t)(clock_wall() / NANOSECONDS_PER_SECOND)}};
    buffer_open(&question->tags_text, PROBLEMS_MAX);
    buffer_open(&question->needs_text, PROBLEMS_MAX);
    join(&options->tags, &question->tags_text);
    join(&options->needs, &question->needs_text);
    int wrong_number = read_number(call->verb, "tokens", options->tokens, &asked->call.tokens);
    if (wrong_number == VERB_OK)
        wrong_number = read_number(call->verb, "output", options->output, &asked->output);
    if (wrong_number != VERB_OK)
        return wrong_number;
    if (!explain_read_tags(buffer_text(&question->tags_text), question->tags, OPTION_VALUES_MAX,
                           &asked->call.tag_count))
        return verb_misused(call->verb, "--tag takes NAME=VALUE");
    if (!explain_read_needs(buffer_text(&question->needs_text), &asked->call.needs, &wrong))
        return verb_misused(call->verb, "--needs does not know \"%.*s\"", TEXT_ARG(wrong));
    return VERB_OK;
}

static void close_question(struct question *question)
{
    buffer_close(&question->tags_text);
    buffer_close(&question->needs_text);
}

/* ---- by a configuration ---- */

static struct config *load(const char *path)
{
    struct config_problems problems;
    struct config *config = NULL;
    struct buffer out;

    config_problems_open(&problems);
    buffer_open(&out, PROBLEMS_MAX);
    if (config_load(path, &config, &problems) != ERROR_OK) {
        config_problems_write(&problems, isatty(STDERR_FILENO), &out);
        fprintf(stderr, "%.*s", TEXT_ARG(buffer_text(&out)));
        config_release(config);
        config = NULL;
    }
    buffer_close(&out);
    config_problems_close(&problems);
    return config;
}

static bool decide(struct config *config, const struct question *question, struct buffer *out)
{
    char problem[PRICE_LIST_PROBLEM_SIZE];
    struct price_book *book = NULL;
    struct json_writer json;

    if (price_list_make(config, &book, problem) != ERROR_OK) {
        (void)verb_fail("%s", problem);
        return false;
    }
    struct route_table *routes = routing_create(config, NULL);
    const struct explain_subject subject = {config, routes, book};
    json_open(&json, out);
    bool found = routes && explain_write(&subject, &question->call, &json);
    if (!found)
        (void)verb_fail("no model of the configuration answers to \"%.*s\"",
                        TEXT_ARG(question->call.model));
    route_table_release(routes);
    price_book_release(book);
    return found;
}

/* ---- by the running server ---- */

static size_t take(char *bytes, size_t size, size_t count, void *owner)
{
    return buffer_append(owner, text_of(bytes, size * count)) ? size * count : 0;
}

static void add_parameter(CURL *curl, struct buffer *url, const char *name, struct text value)
{
    if (value.length == 0)
        return;
    char *escaped = curl_easy_escape(curl, value.data, (int)value.length);
    buffer_append_format(url, "%c%s=%s", text_find_char(buffer_text(url), '?') < 0 ? '?' : '&',
                         name, escaped ? escaped : "");
    curl_free(escaped);
}

static void write_url(CURL *curl, const struct route_options *options,
                      const struct question *question, struct buffer *url)
{
    buffer_append(url, TEXT("http://localhost/admin/v1/route"));
    add_parameter(curl, url, "model", question->call.model);
    add_parameter(curl, url, "team", text_from(options->team));
    add_parameter(curl, url, "tags", buffer_text(&question->tags_text));
    add_parameter(curl, url, "needs", buffer_text(&question->needs_text));
    add_parameter(curl, url, "tokens", text_from(options->tokens));
    add_parameter(curl, url, "output", text_from(options->output));
    buffer_append_char(url, 0);
}

/* What a problem of the admin API says, or all of it. */
static bool tell_problem(const struct buffer *out)
{
    yyjson_doc *document = yyjson_read(out->data, out->length, 0);
    yyjson_val *problem = NULL;
    struct text message = buffer_text(out);

    if (document &&
        json_get_object(yyjson_doc_get_root(document), "error", &problem) == JSON_PRESENT)
        (void)json_get_text(problem, "message", &message);
    (void)verb_fail("%.*s", TEXT_ARG(message));
    yyjson_doc_free(document);
    return false;
}

static bool ask(CURL *curl, const char *socket, const char *key, const struct buffer *url,
                struct buffer *out)
{
    char line[512];
    long status = 0;

    snprintf(line, sizeof(line), "Authorization: Bearer %s", key);
    struct curl_slist *fields = curl_slist_append(NULL, line);
    (void)curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket);
    (void)curl_easy_setopt(curl, CURLOPT_URL, url->data);
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, fields);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, out);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT, PATIENCE_SECONDS);
    (void)curl_easy_setopt(curl, CURLOPT_PROXY, "");
    CURLcode code = curl_easy_perform(curl);
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(fields);
    secret_wipe(line, sizeof(line));
    if (code != CURLE_OK) {
        (void)verb_fail("no server answers on %s (%s); --config FILE decides without one", socket,
                        curl_easy_strerror(code));
        return false;
    }
    return status == 200 || tell_problem(out);
}

static bool ask_server(const struct route_options *options, const struct question *question,
                       struct buffer *out)
{
    const char *key = getenv(KEY_VARIABLE);
    char socket[PATH_SIZE];
    struct buffer url;

    if (!key || !*key) {
        (void)verb_fail("the running server is asked with an admin key in " KEY_VARIABLE
                        " (turnpike admin key create); --config FILE decides without a server");
        return false;
    }
    if (!data_path(options->data ? options->data : DATA_DEFAULT, "admin.sock", socket))
        return false;
    CURL *curl = curl_easy_init();
    if (!curl)
        return verb_fail("%s", error_meaning(ERROR_MEMORY)) == VERB_OK;
    buffer_open(&url, PROBLEMS_MAX);
    write_url(curl, options, question, &url);
    bool good = !url.failed && ask(curl, socket, key, &url, out);
    buffer_close(&url);
    curl_easy_cleanup(curl);
    return good;
}

/* ---- the answer ---- */

static uint64_t number_of(yyjson_val *object, const char *name)
{
    uint64_t number = 0;

    (void)json_get_unsigned(object, name, &number);
    return number;
}

static struct text text_of_member(yyjson_val *object, const char *name)
{
    struct text text = {NULL, 0};

    (void)json_get_text(object, name, &text);
    return text;
}

static void add_cell(struct output_table *table, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void add_cell(struct output_table *table, const char *format, ...)
{
    char cell[256];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(cell, sizeof(cell), format, arguments);
    va_end(arguments);
    output_table_cell(table, STYLE_PLAIN, text_from(cell));
}

static void add_row(struct output_table *table, yyjson_val *target)
{
    struct text model = text_of_member(target, "target_model");
    struct text cost = text_of_member(target, "cost");
    uint64_t place = number_of(target, "place"), firsts = number_of(target, "firsts_of_1000");
    uint64_t latency = number_of(target, "latency_ms");

    if (place > 0)
        add_cell(table, "%llu", (unsigned long long)place);
    else
        add_cell(table, "-");
    add_cell(table, "%.*s%s%.*s", TEXT_ARG(text_of_member(target, "provider")),
             model.length > 0 ? "/" : "", TEXT_ARG(model));
    add_cell(table, "%llu.%llu%%", (unsigned long long)firsts / 10,
             (unsigned long long)firsts % 10);
    output_table_cell(table, STYLE_PLAIN, text_of_member(target, "breaker"));
    if (latency > 0)
        add_cell(table, "%llums", (unsigned long long)latency);
    else
        add_cell(table, "-");
    add_cell(table, "%llu", (unsigned long long)number_of(target, "in_flight"));
    output_table_cell(table, STYLE_PLAIN, cost.data ? cost : TEXT("-"));
    output_table_cell(table, place > 0 ? STYLE_GOOD : STYLE_DIM, text_of_member(target, "reason"));
}

static void print_table(yyjson_val *root)
{
    static const struct output_column columns[] = {
        {.title = "#", .right = true},       {.title = "TARGET", .shrinks = true},
        {.title = "FIRST", .right = true},   {.title = "BREAKER"},
        {.title = "LATENCY", .right = true}, {.title = "IN FLIGHT", .right = true},
        {.title = "COST", .right = true},    {.title = "WHY", .shrinks = true},
    };
    struct output_table *table = output_table_create(columns, ARRAY_LENGTH(columns));
    yyjson_val *targets = NULL, *target;
    size_t index, count;
    bool unavailable = false;

    (void)json_get_array(root, "targets", &targets);
    (void)json_get_bool(root, "unavailable", &unavailable);
    printf("%.*s: strategy %.*s\n", TEXT_ARG(text_of_member(root, "model")),
           TEXT_ARG(text_of_member(root, "strategy")));
    yyjson_arr_foreach(targets, index, count, target) add_row(table, target);
    output_table_print(table);
    if (unavailable)
        printf("no target can take such a call now; the next in %llu ms\n",
               (unsigned long long)number_of(root, "retry_after_ms"));
}

static bool print_answer(const struct buffer *out, bool json)
{
    if (json) {
        printf("%.*s\n", TEXT_ARG(buffer_text(out)));
        return true;
    }
    yyjson_doc *document = yyjson_read(out->data, out->length, 0);
    if (document)
        print_table(yyjson_doc_get_root(document));
    yyjson_doc_free(document);
    return document != NULL;
}

static int explain_run(const struct verb_call *call)
{
    const struct route_options *options = call->options;
    struct question question;
    struct buffer out;

    if (options->config && options->data)
        return verb_misused(call->verb, "--config and --data exclude each other");
    int read = read_question(call, &question);
    bool good = read == VERB_OK;
    buffer_open(&out, ANSWER_MAX);
    if (good && options->config) {
        struct config *config = load(options->config);
        good = config && decide(config, &question, &out);
        config_release(config);
    } else if (good) {
        good = ask_server(options, &question, &out);
    }
    good = good && print_answer(&out, options->json);
    buffer_close(&out);
    close_question(&question);
    return read != VERB_OK ? read : good ? VERB_OK : VERB_FAILED;
}

static const struct verb route_explain = {
    .name = "explain",
    .summary = "Show where a call would go, and why not elsewhere",
    .operands = "MODEL",
    .operands_min = 1,
    .operands_max = 1,
    .options = route_option_rows,
    .options_size = sizeof(struct route_options),
    .description =
        "No call is made. FIRST is the share of such calls that a target gets first; WHY says what "
        "keeps it out. With --config the decision goes by that file alone; else the running server "
        "is asked, with its latencies, breakers and calls in flight. That takes an admin key in "
        "the environment variable " KEY_VARIABLE ".",
    .examples = "turnpike route explain fast --config turnpike.yaml\n"
                "turnpike route explain fast --tag env=prod --tokens 12000  # the running server\n"
                "turnpike route explain fast --needs vision --json",
    .run = explain_run,
};

static const struct verb *const route_verbs[] = {&route_explain, NULL};

const struct verb verb_route = {
    .name = "route",
    .summary = "Show where calls would go",
    .verbs = route_verbs,
};
