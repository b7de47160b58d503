/* Each dialect fills the quantities from its own counters; what they have in common (the parts of a
 * prompt and of an answer that OpenAI's object tells apart) goes through struct counts. A counter
 * that is absent or null is -1; in sums it stands for 0. The first thing wrong is kept as
 * `problem` and makes the result QUANTITIES_REFUSED. */
#include "meter/quantities.h"

#include <math.h>

#include "base/ensure.h"
#include "codec/json.h"
#include "meter/dialects.h"

/* ---- words ---- */

static const struct text service_names[SERVICE_COUNT] = {
    [SERVICE_STANDARD] = TEXT_INIT("standard"), [SERVICE_BATCH] = TEXT_INIT("batch"),
    [SERVICE_FLEX] = TEXT_INIT("flex"),         [SERVICE_PRIORITY] = TEXT_INIT("priority"),
    [SERVICE_FAST] = TEXT_INIT("fast"),         [SERVICE_ULTRAFAST] = TEXT_INIT("ultrafast"),
};

struct text price_service_name(enum price_service service)
{
    ensure((unsigned)service < SERVICE_COUNT);
    return service_names[service];
}

enum price_service price_service_find(struct text name)
{
    for (unsigned i = 0; i < SERVICE_COUNT; i++)
        if (text_equal(service_names[i], name))
            return (enum price_service)i;
    return SERVICE_UNKNOWN;
}

enum price_service price_service_reported(struct text tier)
{
    /* What providers call what catalogs call otherwise: OpenAI and Bedrock, Groq, Vertex. */
    static const struct {
        struct text word;
        enum price_service service;
    } words[] = {
        {TEXT_INIT("default"), SERVICE_STANDARD},
        {TEXT_INIT("on_demand"), SERVICE_STANDARD},
        {TEXT_INIT("on_demand_priority"), SERVICE_PRIORITY},
        {TEXT_INIT("on_demand_flex"), SERVICE_FLEX},
    };
    for (unsigned i = 0; i < SERVICE_COUNT; i++)
        if (text_equal_ignoring_case(service_names[i], tier))
            return (enum price_service)i;
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++)
        if (text_equal_ignoring_case(words[i].word, tier))
            return words[i].service;
    return SERVICE_UNKNOWN;
}

static const struct text dialect_names[DIALECT_COUNT] = {
    [DIALECT_OPENAI] = TEXT_INIT("openai"),         [DIALECT_ANTHROPIC] = TEXT_INIT("anthropic"),
    [DIALECT_GEMINI] = TEXT_INIT("gemini"),         [DIALECT_BEDROCK] = TEXT_INIT("bedrock"),
    [DIALECT_DEEPSEEK] = TEXT_INIT("deepseek"),     [DIALECT_XAI] = TEXT_INIT("xai"),
    [DIALECT_PERPLEXITY] = TEXT_INIT("perplexity"), [DIALECT_COHERE] = TEXT_INIT("cohere"),
};

enum usage_dialect usage_dialect_find(struct text name)
{
    for (unsigned i = 0; i < DIALECT_COUNT; i++)
        if (text_equal(dialect_names[i], name))
            return (enum usage_dialect)i;
    return DIALECT_COUNT;
}

/* ---- filling ---- */

void quantities_clear(struct quantities *quantities)
{
    *quantities = (struct quantities){.provider_cost = -1, .service = SERVICE_UNKNOWN};
}

void quantities_refuse(struct quantities *quantities, const char *problem)
{
    if (quantities->state != QUANTITIES_REFUSED)
        quantities->problem = problem;
    quantities->state = QUANTITIES_REFUSED;
}

void quantities_add(struct quantities *quantities, enum unit unit, int64_t count)
{
    ensure((unsigned)unit < UNIT_COUNT);
    int64_t *total = &quantities->counts[unit];
    if (count < 0)
        quantities_refuse(quantities, "the counters contradict each other: a part is greater than "
                                      "the whole that it is said to be of");
    else if (count > QUANTITY_MAX - *total)
        quantities_refuse(quantities, "a counter is absurdly large");
    if (quantities->state == QUANTITIES_REFUSED)
        return;
    if (quantities->state == QUANTITIES_NONE)
        quantities->state = QUANTITIES_REPORTED;
    *total += count;
    if (count > 0)
        quantities->set |= unit_bit(unit);
    if (unit_input_token_set() & unit_bit(unit))
        quantities->prompt_tokens += count;
}

/* ---- reading counters ---- */

#define NOT_WHOLE "a counter is negative, fractional or no number"

int64_t quantities_count(struct quantities *quantities, yyjson_val *object, const char *key)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    uint64_t count = 0;
    if (value == NULL || yyjson_is_null(value))
        return -1;
    if (yyjson_is_uint(value)) {
        count = yyjson_get_uint(value);
    } else if (yyjson_is_real(value) && yyjson_get_real(value) >= 0 &&
               yyjson_get_real(value) <= (double)QUANTITY_MAX &&
               floor(yyjson_get_real(value)) == yyjson_get_real(value)) {
        count = (uint64_t)yyjson_get_real(value); /* "3.0": exact, far below 2^53 */
    } else {
        quantities_refuse(quantities, NOT_WHOLE);
        return -1;
    }
    if (count > QUANTITY_MAX) {
        quantities_refuse(quantities, "a counter is absurdly large");
        return -1;
    }
    return (int64_t)count;
}

int64_t quantities_first_count(struct quantities *quantities, yyjson_val *object,
                               const char *const *keys)
{
    for (; *keys != NULL; keys++) {
        int64_t count = quantities_count(quantities, object, *keys);
        if (count >= 0)
            return count;
    }
    return -1;
}

int64_t quantities_seconds(struct quantities *quantities, yyjson_val *object, const char *key)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    if (value == NULL || yyjson_is_null(value))
        return -1;
    double seconds = yyjson_get_num(value);
    if (!yyjson_is_num(value) || !(seconds >= 0) || seconds * 1000 > (double)QUANTITY_MAX) {
        quantities_refuse(quantities, "a duration is negative, absurd or no number");
        return -1;
    }
    return yyjson_is_real(value) ? (int64_t)(seconds * 1000 + 0.5)
                                 : (int64_t)yyjson_get_uint(value) * 1000;
}

/* ---- OpenAI's object, from JSON or read in passing ---- */

static int64_t known(int64_t count)
{
    return count < 0 ? 0 : count;
}

/* The prompt: details partition it by modality, the cached part is counted again by modality, and
 * where that is not said it is text. */
static void add_input(struct quantities *quantities, const struct counts *counts)
{
    int64_t cached_text =
        known(counts->cached) - known(counts->cached_audio) - known(counts->cached_image);
    int64_t audio = known(counts->audio_input) - known(counts->cached_audio);
    int64_t image = known(counts->image_input) - known(counts->cached_image);
    int64_t text = known(counts->input) - known(counts->audio_input) - known(counts->image_input) -
                   known(counts->cache_write) - (counts->cached_is_beside ? 0 : cached_text);
    quantities_add(quantities, UNIT_INPUT, text);
    quantities_add(quantities, UNIT_CACHED_INPUT, cached_text);
    quantities_add(quantities, UNIT_CACHE_WRITE, known(counts->cache_write));
    quantities_add(quantities, UNIT_AUDIO_INPUT, audio);
    quantities_add(quantities, UNIT_CACHED_AUDIO_INPUT, known(counts->cached_audio));
    quantities_add(quantities, UNIT_IMAGE_INPUT, image);
    quantities_add(quantities, UNIT_CACHED_IMAGE_INPUT, known(counts->cached_image));
}

static void add_output(struct quantities *quantities, const struct counts *counts)
{
    int64_t image = counts->image_output;
    /* The images API tells no details of what it generated: it is all images. */
    if (image < 0 && counts->makes_images)
        image = known(counts->output) - known(counts->text_output);
    int64_t rest = known(counts->output) - known(counts->audio_output) - known(image);
    if (!counts->reasoning_is_beside)
        rest -= known(counts->reasoning);
    quantities_add(quantities, UNIT_OUTPUT, rest);
    quantities_add(quantities, UNIT_REASONING_OUTPUT, known(counts->reasoning));
    quantities_add(quantities, UNIT_AUDIO_OUTPUT, known(counts->audio_output));
    quantities_add(quantities, UNIT_IMAGE_OUTPUT, known(image));
}

void counts_clear(struct counts *counts)
{
    memset(counts, -1, sizeof *counts);
    counts->cached_is_beside = counts->reasoning_is_beside = counts->makes_images = false;
}

void counts_settle(struct quantities *quantities, struct counts *counts)
{
    /* Embedders and rerankers may say nothing but the total. */
    if (counts->input < 0 && counts->output < 0 && counts->total >= 0)
        counts->input = counts->total;
    if (counts->input >= 0 || counts->cached >= 0 || counts->cache_write >= 0)
        add_input(quantities, counts);
    if (counts->output >= 0 || counts->reasoning >= 0)
        add_output(quantities, counts);
    if (counts->milliseconds >= 0)
        quantities_add(quantities, UNIT_AUDIO_SECONDS_IN, counts->milliseconds);
    if (counts->pages >= 0)
        quantities_add(quantities, UNIT_PAGE, counts->pages);
}

/* ---- entries ---- */

static bool has(yyjson_val *usage, const char *key)
{
    return yyjson_obj_get(usage, key) != NULL;
}

/* Some providers serve several makers' models, each with its own object, and our own translators
 * write OpenAI's. Names of counters that only one dialect has tell. */
static enum usage_dialect dialect_of(enum usage_dialect expected, yyjson_val *usage)
{
    bool openai = has(usage, "prompt_tokens") || has(usage, "input_tokens_details") ||
                  (has(usage, "total_tokens") && !has(usage, "total_input_tokens"));
    switch (expected) {
    case DIALECT_ANTHROPIC:
    case DIALECT_GEMINI:
    case DIALECT_COHERE:
    case DIALECT_BEDROCK:
        if (openai && !has(usage, "billed_units"))
            return DIALECT_OPENAI;
        if (expected == DIALECT_BEDROCK && has(usage, "input_tokens"))
            return DIALECT_ANTHROPIC;
        return expected;
    /* OpenAI's models on Bedrock, through Converse. */
    case DIALECT_OPENAI: return has(usage, "inputTokens") ? DIALECT_BEDROCK : expected;
    default: return expected;
    }
}

static bool serves_images(const struct facts *facts)
{
    return facts != NULL && text_equal(facts->values[FACT_ENDPOINT], TEXT("images"));
}

void quantities_read(struct quantities *quantities, enum usage_dialect dialect, yyjson_val *usage,
                     const struct facts *facts)
{
    quantities_clear(quantities);
    if (usage == NULL || yyjson_is_null(usage))
        return;
    if (!yyjson_is_obj(usage)) {
        quantities_refuse(quantities, "the usage is no object");
        return;
    }
    ensure((unsigned)dialect < DIALECT_COUNT);
    dialect_reader *reader = dialect_readers[dialect_of(dialect, usage)];
    reader(quantities, usage, serves_images(facts));
}

void quantities_read_text(struct quantities *quantities, enum usage_dialect dialect,
                          struct text usage, const struct facts *facts)
{
    quantities_clear(quantities);
    if (text_empty(usage))
        return;
    yyjson_doc *document;
    if (json_parse(usage, &document) != ERROR_OK) {
        quantities_refuse(quantities, "the usage is no JSON");
        return;
    }
    quantities_read(quantities, dialect, yyjson_doc_get_root(document), facts);
    yyjson_doc_free(document);
}

static void take_counts(struct quantities *quantities, const struct usage *usage, bool images)
{
    struct counts counts;
    counts_clear(&counts);
    counts.input = usage->input;
    counts.cached = usage->cached_input;
    counts.cache_write = usage->cache_write;
    counts.audio_input = usage->audio_input;
    counts.image_input = usage->image_input;
    counts.output = usage->output;
    counts.reasoning = usage->reasoning;
    counts.audio_output = usage->audio_output;
    counts.image_output = usage->image_output;
    counts.total = usage->total;
    counts.milliseconds = usage->milliseconds;
    counts.makes_images = images;
    counts_settle(quantities, &counts);
}

/* Whether the raw object has counters that struct usage does not: Mistral's and Moonshot's
 * spellings of the cached part, the cached part by modality, and the text beside generated images.
 */
static bool says_more(const struct usage *usage)
{
    return usage->more || (usage->output > 0 && usage->image_output < 0 && usage->image_input >= 0);
}

void quantities_take(struct quantities *quantities, enum usage_dialect dialect,
                     const struct usage *usage, struct text raw, const struct facts *facts)
{
    quantities_clear(quantities);
    if (usage->source == USAGE_ESTIMATED) {
        take_counts(quantities, usage, serves_images(facts));
        if (quantities->state == QUANTITIES_REPORTED)
            quantities->state = QUANTITIES_ESTIMATED;
    } else if (!text_empty(raw) && (dialect != DIALECT_OPENAI || usage->suspicious ||
                                    usage->source == USAGE_NONE || says_more(usage))) {
        quantities_read_text(quantities, dialect, raw, facts);
    } else if (usage->suspicious) {
        quantities_refuse(quantities, NOT_WHOLE);
    } else if (usage->source == USAGE_REPORTED) {
        take_counts(quantities, usage, serves_images(facts));
    }
}
