/* turnpike prices diff: what another price list changes. */
#include "app/output.h"
#include "app/prices.h"
#include "base/ensure.h"
#include "base/instant.h"
#include "meter/catalog_json.h"

#define JSON_MAX (1u << 20) /* one line */

enum change_kind { ADDED, REMOVED, CHANGED };

/* One line of the answer; texts are the catalogs'. Added and removed models have no card. */
struct change {
    enum change_kind kind;
    const struct catalog_model *model;
    const struct catalog_card *card; /* NULL: the model as a whole */
    enum unit unit;                  /* UNIT_NONE: the card as a whole */
    int64_t before, after;           /* -1: none */
};

struct comparison {
    bool json;
    size_t count;
};

/* "standard>272000 from 2026-08-21". */
static void append_card(struct buffer *out, const struct catalog_card *card)
{
    char key[CATALOG_CARD_KEY_SIZE], instant[INSTANT_SIZE];
    (void)catalog_card_key(card, key);
    buffer_append(out, text_from(key));
    if (card->from != INT64_MIN) {
        (void)instant_format(card->from, instant);
        buffer_append_format(out, " from %s", instant);
    }
    if (card->until != INT64_MAX) {
        (void)instant_format(card->until, instant);
        buffer_append_format(out, " until %s", instant);
    }
}

static void print_json(const struct change *change)
{
    static const char *const kinds[] = {"added", "removed", "changed"};
    struct buffer out;
    struct json_writer writer;
    buffer_open(&out, JSON_MAX);
    json_open(&writer, &out);
    json_begin_object(&writer);
    json_member_text(&writer, "change", text_from(kinds[change->kind]));
    json_member_text(&writer, "provider", change->model->provider->name);
    json_member_text(&writer, "model", change->model->name);
    if (change->card != NULL) {
        json_key(&writer, TEXT("card"));
        json_begin_object(&writer);
        catalog_json_card(&writer, change->card);
        json_end_object(&writer);
    }
    if (change->unit != UNIT_NONE) {
        json_member_text(&writer, "class", unit_rows[change->unit].name);
        if (change->before >= 0)
            catalog_json_amount(&writer, "before", change->before);
        if (change->after >= 0)
            catalog_json_amount(&writer, "after", change->after);
    }
    json_end_object(&writer);
    prices_print(&out);
    buffer_close(&out);
}

static void append_price(struct buffer *out, int64_t price)
{
    char text[MONEY_TEXT_SIZE] = "none";
    if (price >= 0)
        (void)money_format_price(price, text);
    buffer_append(out, text_from(text));
}

static void print_text(const struct change *change)
{
    static const char signs[] = {'+', '-', '~'};
    static const enum output_style styles[] = {STYLE_GOOD, STYLE_BAD, STYLE_WARNING};
    struct buffer out;
    buffer_open(&out, JSON_MAX);
    buffer_append_format(&out, "%s%c%s %.*s/%.*s", output_style_begin(styles[change->kind]),
                         signs[change->kind], output_style_end(styles[change->kind]),
                         TEXT_ARG(change->model->provider->name), TEXT_ARG(change->model->name));
    if (change->card != NULL) {
        buffer_append_char(&out, ' ');
        append_card(&out, change->card);
    }
    if (change->unit != UNIT_NONE) {
        buffer_append_format(&out, ": %.*s ", TEXT_ARG(unit_rows[change->unit].name));
        append_price(&out, change->before);
        buffer_append(&out, TEXT(" -> "));
        append_price(&out, change->after);
    } else if (change->card != NULL) {
        buffer_append(&out, TEXT(": "));
        prices_append(&out, change->card->prices, 0);
    }
    prices_print(&out);
    buffer_close(&out);
}

static void report(struct comparison *comparison, struct change change)
{
    comparison->count++;
    if (comparison->json)
        print_json(&change);
    else
        print_text(&change);
}

static bool same_place(const struct catalog_card *a, const struct catalog_card *b)
{
    struct text none = TEXT("");
    return a->service == b->service && a->least_tokens == b->least_tokens &&
           a->most_tokens == b->most_tokens && a->from == b->from && a->until == b->until &&
           text_equal(a->window ? a->window->name : none, b->window ? b->window->name : none);
}

static const struct catalog_card *find_card(const struct catalog_model *model,
                                            const struct catalog_card *wanted)
{
    for (size_t i = 0; i < model->card_count; i++)
        if (same_place(&model->cards[i], wanted))
            return &model->cards[i];
    return NULL;
}

static void compare_models(struct comparison *comparison, const struct catalog_model *before,
                           const struct catalog_model *after)
{
    for (size_t i = 0; i < before->card_count; i++) {
        const struct catalog_card *old = &before->cards[i], *new = find_card(after, old);
        if (new == NULL)
            report(comparison, (struct change){REMOVED, before, old, UNIT_NONE, -1, -1});
        for (unsigned unit = 0; unit < UNIT_COUNT && new != NULL; unit++)
            if (old->prices[unit] != new->prices[unit])
                report(comparison, (struct change){CHANGED, after, new, (enum unit)unit,
                                                   old->prices[unit], new->prices[unit]});
    }
    for (size_t i = 0; i < after->card_count; i++)
        if (find_card(before, &after->cards[i]) == NULL)
            report(comparison, (struct change){ADDED, after, &after->cards[i], UNIT_NONE, -1, -1});
}

/* The entry with the same main name of the same provider. */
static const struct catalog_model *counterpart(const struct catalog *catalog,
                                               const struct catalog_model *model)
{
    enum catalog_match match;
    const struct catalog_provider *provider = catalog_find_provider(catalog, model->provider->name);
    if (provider == NULL)
        return NULL;
    const struct catalog_model *found = catalog_find(catalog, provider, model->name, &match);
    return found != NULL && text_equal(found->name, model->name) ? found : NULL;
}

static void compare(struct comparison *comparison, const struct catalog *before,
                    const struct catalog *after)
{
    for (size_t i = 0; i < catalog_model_count(before); i++) {
        const struct catalog_model *old = catalog_model_at(before, i);
        const struct catalog_model *new = counterpart(after, old);
        if (new == NULL)
            report(comparison, (struct change){REMOVED, old, NULL, UNIT_NONE, -1, -1});
        else
            compare_models(comparison, old, new);
    }
    for (size_t i = 0; i < catalog_model_count(after); i++) {
        const struct catalog_model *new = catalog_model_at(after, i);
        if (counterpart(before, new) == NULL)
            report(comparison, (struct change){ADDED, new, NULL, UNIT_NONE, -1, -1});
    }
}

static int diff_run(const struct verb_call *call)
{
    const struct prices_options *options = call->options;
    struct comparison comparison = {.json = options->json};
    struct catalog *before = prices_open(call);
    struct catalog *after = before == NULL ? NULL : prices_load(call->operands[0]);
    if (after != NULL) {
        compare(&comparison, before, after);
        if (!options->json)
            printf("%s%zu change%s: %.*s -> %.*s\n", comparison.count ? "\n" : "", comparison.count,
                   comparison.count == 1 ? "" : "s", TEXT_ARG(catalog_version(before)),
                   TEXT_ARG(catalog_version(after)));
    }
    catalog_release(before);
    catalog_release(after);
    return after != NULL ? VERB_OK : VERB_FAILED;
}

static const struct option diff_options[] = {PRICES_CATALOG_ROW, PRICES_JSON_ROW, OPTION_END};

const struct verb prices_diff = {
    .name = "diff",
    .summary = "Show what another price list changes",
    .operands = "FILE",
    .operands_min = 1,
    .operands_max = 1,
    .options = diff_options,
    .options_size = sizeof(struct prices_options),
    .description =
        "Compares the shipped list, or that of --catalog, with FILE: models that FILE adds "
        "(+) or no\n"
        "longer has (-), cards likewise, and prices that differ (~). With --json, one "
        "change a line.",
    .examples = "turnpike prices diff prices.json\n"
                "turnpike prices diff --catalog old.json new.json --json",
    .run = diff_run,
};
