/* turnpike prices cost: prices calls that are described in JSON, as the worked examples are.
 *
 * The input is one value after another: objects, or lists of them, on lines of their own or not. A
 * value that is no JSON ends its line, and reading goes on with the next. */
#include <stdarg.h>
#include <unistd.h>

#include "app/output.h"
#include "app/prices.h"
#include "base/clock.h"
#include "base/ensure.h"
#include "base/instant.h"

#define INPUT_MAX (64u << 20) /* bytes of standard input */
#define READ_SIZE 65536u
#define JSON_MAX  (4u << 20) /* one answer; an id may be long */

struct costing {
    const struct prices_options *options;
    const struct price_book *book;
    size_t line;  /* where the value at hand begins, from 1 */
    bool in_list; /* the value is a list, and this the entry */
    size_t index;
    size_t wrong; /* inputs */
};

/* One input object, read. */
struct described_call {
    struct text provider, model, id;
    struct facts facts;
    struct quantities quantities;
    struct price_call call;
    const struct priced_model *priced;
};

/* ------------------------------------------------------------------ wrong input */

/* Tells of an input that is not answered; returns false. */
static bool refuse(struct costing *costing, const char *format, ...) format_like(2, 3);
static bool refuse(struct costing *costing, const char *format, ...)
{
    char message[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    costing->wrong++;
    if (!costing->options->json) {
        (void)verb_fail("line %zu: %s", costing->line, message);
        return false;
    }
    struct buffer out;
    struct json_writer writer;
    buffer_open(&out, JSON_MAX);
    json_open(&writer, &out);
    json_begin_object(&writer);
    json_key(&writer, TEXT("error"));
    json_begin_object(&writer);
    json_member_unsigned(&writer, "line", costing->line);
    if (costing->in_list)
        json_member_unsigned(&writer, "index", costing->index);
    json_member_text(&writer, "message", text_from(message));
    json_end_object(&writer);
    json_end_object(&writer);
    prices_print(&out);
    buffer_close(&out);
    return false;
}

/* ------------------------------------------------------------------ reading one */

static bool read_text(struct costing *costing, yyjson_val *object, const char *key, bool required,
                      struct text *out)
{
    switch (json_get_text(object, key, out)) {
    case JSON_PRESENT:
        return !required || !text_empty(*out) || refuse(costing, "`%s` is empty", key);
    case JSON_ABSENT: return !required || refuse(costing, "`%s` is missing", key);
    default: return refuse(costing, "`%s` must be a string", key);
    }
}

static bool read_service(struct costing *costing, yyjson_val *object, enum price_service *out)
{
    struct text service = TEXT("auto");
    *out = SERVICE_UNKNOWN;
    if (!read_text(costing, object, "service", false, &service))
        return false;
    *out = price_service_reported(service);
    if (*out == SERVICE_UNKNOWN && !text_equal(service, TEXT("auto")))
        return refuse(costing,
                      "`service` is '%.*s', and none of standard, batch, flex, priority, "
                      "fast, ultrafast",
                      TEXT_ARG(text_first(service, 40)));
    return true;
}

static bool read_moment(struct costing *costing, yyjson_val *object, int64_t *at)
{
    struct text text = TEXT("");
    *at = (int64_t)(clock_wall() / NANOSECONDS_PER_SECOND);
    if (!read_text(costing, object, "at", false, &text))
        return false;
    if (!text_empty(text) && !instant_parse(text, at))
        return refuse(costing, "`at` is '%.*s', and no moment such as 2026-11-22T12:00:00Z",
                      TEXT_ARG(text_first(text, 40)));
    return true;
}

/* What is not a fact of ours is of no matter here. */
static bool read_facts(struct costing *costing, yyjson_val *context, struct facts *facts)
{
    for (unsigned i = 0; i < FACT_COUNT; i++) {
        struct text name = fact_name((enum fact)i);
        yyjson_val *value = yyjson_obj_get(context, name.data);
        if (value == NULL || yyjson_is_null(value))
            continue;
        if (yyjson_is_bool(value))
            facts->values[i] = yyjson_get_bool(value) ? TEXT("true") : TEXT("false");
        else if (yyjson_is_str(value))
            facts->values[i] = text_of(yyjson_get_str(value), yyjson_get_len(value));
        else
            return refuse(costing, "`context.%s` must be a string", name.data);
    }
    return true;
}

/* Quantities that the usage does not carry: whole ones, or decimals of what is counted in parts. */
static bool read_extra(struct costing *costing, yyjson_val *extra, struct quantities *quantities)
{
    size_t index, count;
    yyjson_val *key, *value;
    if (extra == NULL || yyjson_is_null(extra))
        return true;
    if (!yyjson_is_obj(extra))
        return refuse(costing, "`context.extra` must be an object");
    yyjson_obj_foreach(extra, index, count, key, value)
    {
        struct text name = text_of(yyjson_get_str(key), yyjson_get_len(key));
        enum unit unit = unit_find(name);
        if (unit == UNIT_NONE)
            return refuse(costing, "`context.extra.%.*s` is no class of units",
                          TEXT_ARG(text_first(name, 40)));
        int64_t scale = unit_rows[unit].scale;
        double number = yyjson_get_num(value), scaled = number * (double)scale;
        if (!yyjson_is_num(value) || !(scaled >= 0) || scaled > (double)QUANTITY_MAX ||
            (yyjson_is_real(value) && scale == 1 && number != (double)(int64_t)number))
            return refuse(costing, "`context.extra.%.*s` is no quantity", TEXT_ARG(name));
        quantities_add(quantities, unit,
                       yyjson_is_uint(value) ? (int64_t)yyjson_get_uint(value) * scale
                                             : (int64_t)(scaled + 0.5));
    }
    return true;
}

static enum usage_dialect dialect_of(const struct costing *costing,
                                     const struct described_call *described)
{
    if (described->priced != NULL)
        return described->priced->dialect;
    const struct catalog_provider *provider =
        catalog_find_provider(price_book_catalog(costing->book), described->provider);
    return provider != NULL ? provider->dialect : DIALECT_OPENAI;
}

static bool read_call(struct costing *costing, yyjson_val *object, struct described_call *described)
{
    yyjson_val *context = yyjson_obj_get(object, "context");
    yyjson_val *usage = yyjson_obj_get(object, "usage");
    *described = (struct described_call){.id = {NULL, 0}};
    if (!yyjson_is_obj(object))
        return refuse(costing, "it must be an object, or a list of objects");
    if (!read_text(costing, object, "provider", true, &described->provider) ||
        !read_text(costing, object, "model", true, &described->model) ||
        !read_service(costing, object, &described->call.service) ||
        !read_moment(costing, object, &described->call.at))
        return false;
    if (context != NULL && !yyjson_is_null(context) && !yyjson_is_obj(context))
        return refuse(costing, "`context` must be an object");
    if (usage != NULL && !yyjson_is_null(usage) && !yyjson_is_obj(usage))
        return refuse(costing, "`usage` must be an object");
    (void)json_get_text(object, "id", &described->id);
    if (!read_facts(costing, context, &described->facts))
        return false;
    described->priced = price_book_find(costing->book, described->provider, described->model);
    quantities_read(&described->quantities, dialect_of(costing, described), usage,
                    &described->facts);
    described->call.quantities = &described->quantities;
    described->call.facts = &described->facts;
    return read_extra(costing, yyjson_obj_get(context, "extra"), &described->quantities);
}

/* ------------------------------------------------------------------ writing one */

static void print_json(const struct costing *costing, const struct described_call *described,
                       const struct price *price)
{
    struct buffer out;
    struct json_writer writer;
    char rule[PRICE_RULE_SIZE];
    buffer_open(&out, JSON_MAX);
    json_open(&writer, &out);
    json_begin_object(&writer);
    if (described->id.data != NULL)
        json_member_text(&writer, "id", described->id);
    price_json_cost(&writer, "cost_usd", price);
    price_json_lines(&writer, price);
    json_member_text(&writer, "service", price_service_name(price->service));
    json_member_signed(&writer, "tier_basis_tokens", described->quantities.prompt_tokens);
    if (price_rule_write(described->priced, price, rule) > 0)
        json_member_text(&writer, "rule", text_from(rule));
    json_member_text(&writer, "catalog", catalog_version(price_book_catalog(costing->book)));
    json_end_object(&writer);
    prices_print(&out);
    buffer_close(&out);
}

static void print_text(const struct described_call *described, const struct price *price)
{
    char text[MONEY_TEXT_SIZE], rule[PRICE_RULE_SIZE];
    printf("%s%.*s/%.*s%s", output_style_begin(STYLE_BOLD), TEXT_ARG(described->provider),
           TEXT_ARG(described->model), output_style_end(STYLE_BOLD));
    if (price_rule_write(described->priced, price, rule) > 0)
        printf(" by %s", rule);
    putchar('\n');
    prices_print_lines(price);
    if (price->basis == PRICE_UNPRICED) {
        printf("unpriced: %s%s%s\n", price->reason, price->unit != UNIT_NONE ? ": " : "",
               price->unit != UNIT_NONE ? unit_rows[price->unit].name.data : "");
        return;
    }
    (void)money_format_exact(price->cost, text);
    printf("%s US dollars (%s)\n", text, price_basis_name(price->basis).data);
}

static void price_one(struct costing *costing, yyjson_val *object)
{
    struct described_call described;
    struct price price;
    if (!read_call(costing, object, &described))
        return;
    price_call(described.priced, &described.call, &price);
    if (costing->options->json)
        print_json(costing, &described, &price);
    else
        print_text(&described, &price);
}

/* ------------------------------------------------------------------ all of them */

static void price_value(struct costing *costing, yyjson_val *value)
{
    size_t count;
    yyjson_val *entry;
    costing->in_list = yyjson_is_arr(value);
    if (!costing->in_list) {
        price_one(costing, value);
        return;
    }
    yyjson_arr_foreach(value, costing->index, count, entry)
    {
        price_one(costing, entry);
    }
    costing->in_list = false;
}

static size_t lines_in(struct text text)
{
    size_t lines = 0;
    for (size_t i = 0; i < text.length; i++)
        lines += text.data[i] == '\n';
    return lines;
}

/* Moves behind `length` bytes of the rest. */
static void pass(struct costing *costing, struct text *rest, size_t length)
{
    costing->line += lines_in(text_first(*rest, length));
    *rest = text_from_index(*rest, length);
}

static void pass_space(struct costing *costing, struct text *rest)
{
    size_t length = 0;
    while (length < rest->length && strchr(" \t\r\n", rest->data[length]) != NULL &&
           rest->data[length] != '\0')
        length++;
    pass(costing, rest, length);
}

/* How long the value is that stands in front: to its closing bracket; to the end when there is
 * none; anything else to the end of its line. */
static size_t value_length(struct text rest)
{
    size_t depth = 0;
    bool in_string = false;
    if (rest.data[0] != '{' && rest.data[0] != '[') {
        ptrdiff_t end = text_find_char(rest, '\n');
        return end < 0 ? rest.length : (size_t)end;
    }
    for (size_t i = 0; i < rest.length; i++) {
        char c = rest.data[i];
        if (in_string) {
            i += c == '\\';
            in_string = c != '"';
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if ((c == '}' || c == ']') && --depth == 0) {
            return i + 1;
        }
    }
    return rest.length;
}

static int price_all(struct costing *costing, struct text rest)
{
    costing->line = 1;
    pass_space(costing, &rest);
    while (!text_empty(rest)) {
        yyjson_read_err error;
        size_t length = value_length(rest);
        yyjson_doc *document =
            yyjson_read_opts((char *)(uintptr_t)rest.data, length, 0, NULL, &error);
        if (document == NULL) {
            costing->line += lines_in(text_first(rest, error.pos));
            (void)refuse(costing, "no JSON: %s", error.msg);
            costing->line -= lines_in(text_first(rest, error.pos));
            struct text broken = text_from_index(rest, error.pos);
            ptrdiff_t end = text_find_char(broken, '\n');
            pass(costing, &rest, end < 0 ? rest.length : error.pos + (size_t)end + 1);
        } else {
            price_value(costing, yyjson_doc_get_root(document));
            yyjson_doc_free(document);
            pass(costing, &rest, length);
        }
        pass_space(costing, &rest);
    }
    return costing->wrong == 0 ? VERB_OK : VERB_FAILED;
}

static bool read_input(struct buffer *input)
{
    for (;;) {
        char *room = buffer_reserve(input, READ_SIZE);
        if (room == NULL) {
            (void)verb_fail("standard input is larger than %u MiB", INPUT_MAX >> 20);
            return false;
        }
        ssize_t got = read(STDIN_FILENO, room, READ_SIZE);
        if (got < 0) {
            (void)verb_fail("standard input cannot be read");
            return false;
        }
        if (got == 0)
            return true;
        input->length += (size_t)got;
    }
}

static int cost_run(const struct verb_call *call)
{
    struct costing costing = {.options = call->options};
    struct catalog *catalog = prices_open(call);
    struct buffer input;
    if (catalog == NULL)
        return VERB_FAILED;
    struct price_book *book = ensure_memory(price_book_create_plain(catalog));
    costing.book = book;
    buffer_open(&input, INPUT_MAX);
    int exit_code = VERB_FAILED;
    if (read_input(&input))
        exit_code = price_all(&costing, buffer_text(&input));
    buffer_close(&input);
    price_book_release(book);
    catalog_release(catalog);
    return exit_code;
}

static const struct option cost_options[] = {PRICES_CATALOG_ROW, PRICES_JSON_ROW, OPTION_WIDE_ROW,
                                             OPTION_END};

const struct verb prices_cost = {
    .name = "cost",
    .summary = "Say what calls cost, line by line",
    .options = cost_options,
    .options_size = sizeof(struct prices_options),
    .description =
        "Reads JSON objects from standard input, one after another or in a list, each a call:\n"
        "  provider, model  as in the price list\n"
        "  usage            the provider's own usage object\n"
        "  service          standard (default), batch, flex, priority, fast, ultrafast\n"
        "  at               when it began, 2026-11-22T12:00:00Z [now]\n"
        "  context          what usage does not say: data_residency, inference_geo, deployment,\n"
        "                   location, endpoint_region, endpoint, size, quality, resolution, tool,\n"
        "                   search_context_size, and `extra`, quantities by class of units\n"
        "Other members are passed over. With --json, prints an object a line for each, with "
        "cost_usd,\n"
        "lines and basis; cost_usd is null where the basis is unpriced. What cannot be read gives "
        "an\n"
        "object with `error`, and exit code 1.",
    .examples = "echo '{\"provider\":\"openai\",\"model\":\"gpt-5-mini\",\"usage\":"
                "{\"prompt_tokens\":1200,\"completion_tokens\":345}}' | turnpike prices cost",
    .run = cost_run,
};
