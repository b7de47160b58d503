#include "meter/dialects.h"

#include "base/attributes.h"

static int64_t known(int64_t count)
{
    return count < 0 ? 0 : count;
}

static struct text word(yyjson_val *object, const char *key)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    return text_of(yyjson_get_str(value), yyjson_get_len(value));
}

static void keep_word(struct quantity_word *out, yyjson_val *object, const char *key)
{
    struct text text = word(object, key);
    if (text_empty(text) || text.length > QUANTITY_WORD_MAX)
        return;
    memcpy(out->bytes, text.data, text.length);
    out->length = (unsigned char)text.length;
}

/* The first that is there; `keys` ends with NULL. */
static yyjson_val *first_object(yyjson_val *object, const char *const *keys)
{
    for (; *keys != NULL; keys++) {
        yyjson_val *value = yyjson_obj_get(object, *keys);
        if (yyjson_is_obj(value))
            return value;
    }
    return NULL;
}

/* ---- openai: chat, completions, responses, embeddings, images, audio; and who speaks like it ----
 */

static const char *const input_keys[] = {"prompt_tokens", "input_tokens", NULL};
static const char *const output_keys[] = {"completion_tokens", "output_tokens", NULL};
/* "prompt_token_details" is one of Mistral's spellings. */
static const char *const input_details[] = {"prompt_tokens_details", "input_tokens_details",
                                            "input_token_details", "prompt_token_details", NULL};
static const char *const output_details[] = {"completion_tokens_details", "output_tokens_details",
                                             "output_token_details", NULL};
/* Beside the details: Mistral, Moonshot. */
static const char *const cached_keys[] = {"num_cached_tokens", "cached_tokens", NULL};

static void read_counts(struct quantities *quantities, yyjson_val *usage, struct counts *counts)
{
    yyjson_val *in = first_object(usage, input_details), *out = first_object(usage, output_details);
    yyjson_val *cached = yyjson_obj_get(in, "cached_tokens_details");
    counts_clear(counts);
    counts->input = quantities_first_count(quantities, usage, input_keys);
    counts->cached = quantities_count(quantities, in, "cached_tokens");
    if (counts->cached < 0)
        counts->cached = quantities_first_count(quantities, usage, cached_keys);
    counts->cache_write = quantities_count(quantities, in, "cache_write_tokens");
    counts->audio_input = quantities_count(quantities, in, "audio_tokens");
    counts->image_input = quantities_count(quantities, in, "image_tokens");
    counts->cached_audio = quantities_count(quantities, cached, "audio_tokens");
    counts->cached_image = quantities_count(quantities, cached, "image_tokens");
    counts->output = quantities_first_count(quantities, usage, output_keys);
    counts->reasoning = quantities_count(quantities, out, "reasoning_tokens");
    counts->text_output = quantities_count(quantities, out, "text_tokens");
    counts->audio_output = quantities_count(quantities, out, "audio_tokens");
    counts->image_output = quantities_count(quantities, out, "image_tokens");
    counts->total = quantities_count(quantities, usage, "total_tokens");
    counts->milliseconds = quantities_seconds(quantities, usage, "seconds");
    if (counts->milliseconds < 0)
        counts->milliseconds = quantities_seconds(quantities, usage, "prompt_audio_seconds");
    counts->pages = quantities_count(quantities, usage, "pages_processed");
}

static void read_openai(struct quantities *quantities, yyjson_val *usage, bool makes_images)
{
    struct counts counts;
    read_counts(quantities, usage, &counts);
    counts.makes_images = makes_images;
    counts_settle(quantities, &counts);
}

/* ---- xai: reasoning beside the completion in chat, inside the output in responses ---- */

#define PICODOLLARS_PER_TICK 100 /* 1 USD is 10^10 ticks */

static void read_xai(struct quantities *quantities, yyjson_val *usage, bool makes_images)
{
    struct counts counts;
    yyjson_val *ticks = yyjson_obj_get(usage, "cost_in_usd_ticks");
    read_counts(quantities, usage, &counts);
    counts.makes_images = makes_images;
    counts.reasoning_is_beside = yyjson_obj_get(usage, "completion_tokens") != NULL;
    counts.cached_is_beside = counts.cached > counts.input;
    counts_settle(quantities, &counts);
    if (ticks == NULL || yyjson_is_null(ticks))
        return;
    if (!yyjson_is_uint(ticks) || yyjson_get_uint(ticks) > INT64_MAX / PICODOLLARS_PER_TICK)
        quantities_refuse(quantities, "cost_in_usd_ticks is no whole number of ticks");
    else
        quantities->provider_cost = (int64_t)yyjson_get_uint(ticks) * PICODOLLARS_PER_TICK;
    if (quantities->state == QUANTITIES_NONE)
        quantities->state = QUANTITIES_REPORTED;
}

/* ---- deepseek: hits and misses make up the prompt ---- */

static void read_deepseek(struct quantities *quantities, yyjson_val *usage, bool makes_images)
{
    struct counts counts;
    int64_t hit = quantities_count(quantities, usage, "prompt_cache_hit_tokens");
    int64_t miss = quantities_count(quantities, usage, "prompt_cache_miss_tokens");
    read_counts(quantities, usage, &counts);
    counts.makes_images = makes_images;
    if (hit >= 0)
        counts.cached = hit;
    if (counts.input < 0 && miss >= 0)
        counts.input = miss + known(hit);
    if (miss >= 0 && counts.input - known(counts.cached) != miss)
        quantities_refuse(quantities, "cache hits and misses do not add up to the prompt's tokens");
    counts_settle(quantities, &counts);
}

/* ---- perplexity: reasoning and citations beside the completion ---- */

static void read_perplexity(struct quantities *quantities, yyjson_val *usage, bool makes_images)
{
    struct counts counts;
    int64_t reasoning = quantities_count(quantities, usage, "reasoning_tokens");
    int64_t citations = quantities_count(quantities, usage, "citation_tokens");
    int64_t searches = quantities_count(quantities, usage, "num_search_queries");
    read_counts(quantities, usage, &counts);
    counts.makes_images = makes_images;
    counts.reasoning_is_beside = true;
    if (reasoning >= 0)
        counts.reasoning = reasoning;
    counts_settle(quantities, &counts);
    keep_word(&quantities->search_context_size, usage, "search_context_size");
    if (citations > 0)
        quantities_add(quantities, UNIT_CITATION_OUTPUT, citations);
    if (searches > 0)
        quantities_add(quantities, UNIT_WEB_SEARCH, searches);
}

/* ---- cohere: what is billed is said apart from what was counted ---- */

static void read_cohere(struct quantities *quantities, yyjson_val *usage, bool makes_images)
{
    static const struct {
        const char *key;
        enum unit unit;
    } members[] = {
        {"input_tokens", UNIT_INPUT},       {"output_tokens", UNIT_OUTPUT},
        {"image_tokens", UNIT_IMAGE_INPUT}, {"search_units", UNIT_SEARCH_UNIT},
        {"images", UNIT_INPUT_IMAGE_EACH},
    };
    yyjson_val *billed = yyjson_obj_get(usage, "billed_units");
    (void)makes_images;
    for (size_t i = 0; i < ARRAY_LENGTH(members); i++) {
        int64_t count = quantities_count(quantities, billed, members[i].key);
        if (count >= 0)
            quantities_add(quantities, members[i].unit, count);
    }
}

/* ---- anthropic: cache reads and writes beside input_tokens ---- */

/* Adds one set of counters; returns whether there were any. */
static bool add_anthropic(struct quantities *quantities, yyjson_val *usage)
{
    yyjson_val *split = yyjson_obj_get(usage, "cache_creation");
    int64_t input = quantities_count(quantities, usage, "input_tokens");
    int64_t read = quantities_count(quantities, usage, "cache_read_input_tokens");
    int64_t written = quantities_count(quantities, usage, "cache_creation_input_tokens");
    int64_t brief = quantities_count(quantities, split, "ephemeral_5m_input_tokens");
    int64_t hour = quantities_count(quantities, split, "ephemeral_1h_input_tokens");
    int64_t output = quantities_count(quantities, usage, "output_tokens");
    int64_t thinking = quantities_count(quantities, yyjson_obj_get(usage, "output_tokens_details"),
                                        "thinking_tokens");
    if (input < 0 && read < 0 && written < 0 && output < 0)
        return false;
    if (brief >= 0 && hour >= 0 && written >= 0 && brief + hour != written)
        quantities_refuse(quantities, "the parts of cache_creation do not add up to "
                                      "cache_creation_input_tokens");
    if (written < 0)
        written = known(brief) + known(hour);
    quantities_add(quantities, UNIT_INPUT, known(input));
    quantities_add(quantities, UNIT_CACHED_INPUT, known(read));
    quantities_add(quantities, UNIT_CACHE_WRITE, written - known(hour));
    quantities_add(quantities, UNIT_CACHE_WRITE_1H, known(hour));
    quantities_add(quantities, UNIT_OUTPUT, known(output) - known(thinking));
    quantities_add(quantities, UNIT_REASONING_OUTPUT, known(thinking));
    return true;
}

/* The top-level counters leave compaction passes out: then the entries are the truth, and the tier
 * is that of each; the highest is taken for all. False: the top level says it all. */
static bool add_iterations(struct quantities *quantities, yyjson_val *iterations)
{
    bool compacted = false;
    int64_t largest = 0;
    yyjson_val *entry;
    size_t index, count;
    yyjson_arr_foreach(iterations, index, count, entry)
    {
        struct text type = word(entry, "type");
        if (text_equal(type, TEXT("fallback_message")))
            return false;
        if (text_equal(type, TEXT("advisor_message")))
            quantities_refuse(quantities,
                              "part of the answer is another model's (advisor_message)");
        compacted |= text_equal(type, TEXT("compaction"));
    }
    if (!compacted)
        return false;
    yyjson_arr_foreach(iterations, index, count, entry)
    {
        struct text type = word(entry, "type");
        int64_t before = quantities->prompt_tokens;
        if (text_equal(type, TEXT("message")) || text_equal(type, TEXT("compaction")))
            (void)add_anthropic(quantities, entry);
        if (quantities->prompt_tokens - before > largest)
            largest = quantities->prompt_tokens - before;
    }
    quantities->prompt_tokens = largest;
    return true;
}

static void read_anthropic(struct quantities *quantities, yyjson_val *usage, bool makes_images)
{
    yyjson_val *tools = yyjson_obj_get(usage, "server_tool_use");
    int64_t searches = quantities_count(quantities, tools, "web_search_requests");
    int64_t fetches = quantities_count(quantities, tools, "web_fetch_requests");
    struct text tier = word(usage, "service_tier");
    (void)makes_images;
    if (!add_iterations(quantities, yyjson_obj_get(usage, "iterations")))
        (void)add_anthropic(quantities, usage);
    if (searches > 0)
        quantities_add(quantities, UNIT_WEB_SEARCH, searches);
    if (fetches > 0)
        quantities_add(quantities, UNIT_WEB_FETCH, fetches);
    keep_word(&quantities->inference_geo, usage, "inference_geo");
    /* Priority capacity is bought by contract: the list price of standard is what it is worth. */
    quantities->service =
        text_equal(tier, TEXT("priority")) ? SERVICE_STANDARD : price_service_reported(tier);
    if (text_equal(word(usage, "speed"), TEXT("fast")))
        quantities->service = SERVICE_FAST;
}

/* ---- bedrock Converse: as Anthropic, in other words ---- */

/* Tokens written to the cache for an hour, of `written`. */
static int64_t hour_writes(struct quantities *quantities, yyjson_val *details, int64_t written)
{
    int64_t hour = 0, all = 0;
    yyjson_val *entry;
    size_t index, count;
    yyjson_arr_foreach(details, index, count, entry)
    {
        int64_t tokens = known(quantities_count(quantities, entry, "inputTokens"));
        all += tokens;
        if (text_equal(word(entry, "ttl"), TEXT("1h")))
            hour += tokens;
        if (all > written) {
            quantities_refuse(quantities, "cacheDetails tell of more than cacheWriteInputTokens");
            return 0;
        }
    }
    return hour;
}

static void read_bedrock(struct quantities *quantities, yyjson_val *usage, bool makes_images)
{
    int64_t input = quantities_count(quantities, usage, "inputTokens");
    int64_t read = quantities_count(quantities, usage, "cacheReadInputTokens");
    int64_t written = known(quantities_count(quantities, usage, "cacheWriteInputTokens"));
    int64_t output = quantities_count(quantities, usage, "outputTokens");
    int64_t hour = hour_writes(quantities, yyjson_obj_get(usage, "cacheDetails"), written);
    (void)makes_images;
    if (input < 0 && output < 0 && read < 0)
        return;
    quantities_add(quantities, UNIT_INPUT, known(input));
    quantities_add(quantities, UNIT_CACHED_INPUT, known(read));
    quantities_add(quantities, UNIT_CACHE_WRITE, written - hour);
    quantities_add(quantities, UNIT_CACHE_WRITE_1H, hour);
    quantities_add(quantities, UNIT_OUTPUT, known(output));
}

/* ---- gemini: thoughts beside candidates; details by modality; two APIs, two spellings ---- */

enum modality { MODALITY_AUDIO, MODALITY_IMAGE, MODALITY_VIDEO, MODALITY_COUNT };

/* Adds what a list of {modality, tokenCount} says; text is what is left over. */
static void add_modalities(struct quantities *quantities, yyjson_val *list,
                           int64_t counts[MODALITY_COUNT])
{
    static const struct {
        struct text name;
        enum modality modality;
    } names[] = {
        {TEXT_INIT("audio"), MODALITY_AUDIO},
        {TEXT_INIT("image"), MODALITY_IMAGE},
        {TEXT_INIT("document"), MODALITY_IMAGE},
        {TEXT_INIT("video"), MODALITY_VIDEO},
    };
    static const char *const keys[] = {"tokenCount", "tokens", NULL};
    yyjson_val *entry;
    size_t index, count;
    yyjson_arr_foreach(list, index, count, entry)
    {
        int64_t tokens = known(quantities_first_count(quantities, entry, keys));
        for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
            if (text_equal_ignoring_case(names[i].name, word(entry, "modality")) &&
                counts[names[i].modality] <= QUANTITY_MAX)
                counts[names[i].modality] += tokens;
    }
}

struct gemini_keys {
    const char *prompt, *tool_prompt, *cached, *candidates, *thoughts, *total;
    const char *prompt_details, *tool_details, *cached_details, *candidates_details;
};

static const struct gemini_keys generate_keys = {
    .prompt = "promptTokenCount",
    .tool_prompt = "toolUsePromptTokenCount",
    .cached = "cachedContentTokenCount",
    .candidates = "candidatesTokenCount",
    .thoughts = "thoughtsTokenCount",
    .total = "totalTokenCount",
    .prompt_details = "promptTokensDetails",
    .tool_details = "toolUsePromptTokensDetails",
    .cached_details = "cacheTokensDetails",
    .candidates_details = "candidatesTokensDetails",
};

static const struct gemini_keys interaction_keys = {
    .prompt = "total_input_tokens",
    .tool_prompt = "total_tool_use_tokens",
    .cached = "total_cached_tokens",
    .candidates = "total_output_tokens",
    .thoughts = "total_thought_tokens",
    .total = "total_tokens",
    .prompt_details = "input_tokens_by_modality",
    .tool_details = "tool_use_tokens_by_modality",
    .cached_details = "cached_tokens_by_modality",
    .candidates_details = "output_tokens_by_modality",
};

static void add_gemini_input(struct quantities *quantities, yyjson_val *usage,
                             const struct gemini_keys *keys)
{
    int64_t all[MODALITY_COUNT] = {0}, cached[MODALITY_COUNT] = {0};
    int64_t prompt = known(quantities_count(quantities, usage, keys->prompt)) +
                     known(quantities_count(quantities, usage, keys->tool_prompt));
    int64_t read = known(quantities_count(quantities, usage, keys->cached));
    add_modalities(quantities, yyjson_obj_get(usage, keys->prompt_details), all);
    add_modalities(quantities, yyjson_obj_get(usage, keys->tool_details), all);
    add_modalities(quantities, yyjson_obj_get(usage, keys->cached_details), cached);
    int64_t fresh_audio = all[MODALITY_AUDIO] - cached[MODALITY_AUDIO];
    int64_t fresh_image = all[MODALITY_IMAGE] - cached[MODALITY_IMAGE];
    int64_t fresh_video = all[MODALITY_VIDEO] - cached[MODALITY_VIDEO];
    quantities_add(quantities, UNIT_INPUT, prompt - read - fresh_audio - fresh_image - fresh_video);
    /* Cached video has no unit of its own. */
    quantities_add(quantities, UNIT_CACHED_INPUT,
                   read - cached[MODALITY_AUDIO] - cached[MODALITY_IMAGE]);
    quantities_add(quantities, UNIT_AUDIO_INPUT, fresh_audio);
    quantities_add(quantities, UNIT_CACHED_AUDIO_INPUT, cached[MODALITY_AUDIO]);
    quantities_add(quantities, UNIT_IMAGE_INPUT, fresh_image);
    quantities_add(quantities, UNIT_CACHED_IMAGE_INPUT, cached[MODALITY_IMAGE]);
    quantities_add(quantities, UNIT_VIDEO_INPUT, fresh_video);
}

/* Some answers of Vertex counted the thoughts among the candidates already: the total tells. */
static bool thoughts_are_within(struct quantities *quantities, yyjson_val *usage,
                                const struct gemini_keys *keys)
{
    int64_t thoughts = known(quantities_count(quantities, usage, keys->thoughts));
    int64_t candidates = known(quantities_count(quantities, usage, keys->candidates));
    int64_t before = known(quantities_count(quantities, usage, keys->prompt)) +
                     known(quantities_count(quantities, usage, keys->tool_prompt));
    int64_t total = quantities_count(quantities, usage, keys->total);
    return thoughts > 0 && candidates >= thoughts && total == before + candidates;
}

/* Beside what Google counts, the gateway's reader puts here what an answer tells elsewhere: how
 * many searches it made (webSearchQueries), or the characters that an embedding is billed by. */
static void read_gemini(struct quantities *quantities, yyjson_val *usage, bool makes_images)
{
    const struct gemini_keys *keys =
        yyjson_obj_get(usage, interaction_keys.prompt) ? &interaction_keys : &generate_keys;
    int64_t made[MODALITY_COUNT] = {0};
    int64_t characters = quantities_count(quantities, usage, "billableCharacterCount");
    (void)makes_images;
    if (characters >= 0)
        quantities_add(quantities, UNIT_CHAR_INPUT, characters);
    if (yyjson_obj_get(usage, keys->prompt) == NULL &&
        yyjson_obj_get(usage, keys->candidates) == NULL)
        return;
    add_gemini_input(quantities, usage, keys);
    add_modalities(quantities, yyjson_obj_get(usage, keys->candidates_details), made);
    int64_t thoughts = known(quantities_count(quantities, usage, keys->thoughts));
    quantities_add(quantities, UNIT_OUTPUT,
                   known(quantities_count(quantities, usage, keys->candidates)) -
                       (thoughts_are_within(quantities, usage, keys) ? thoughts : 0) -
                       made[MODALITY_AUDIO] - made[MODALITY_IMAGE] - made[MODALITY_VIDEO]);
    quantities_add(quantities, UNIT_REASONING_OUTPUT, thoughts);
    quantities_add(quantities, UNIT_WEB_SEARCH,
                   known(quantities_count(quantities, usage, "webSearchQueries")));
    quantities_add(quantities, UNIT_AUDIO_OUTPUT, made[MODALITY_AUDIO]);
    quantities_add(quantities, UNIT_IMAGE_OUTPUT, made[MODALITY_IMAGE]);
    quantities_add(quantities, UNIT_VIDEO_OUTPUT, made[MODALITY_VIDEO]);
    quantities->service = price_service_reported(word(usage, "serviceTier"));
    if (quantities->service == SERVICE_UNKNOWN)
        quantities->service = price_service_reported(word(usage, "trafficType"));
}

dialect_reader *const dialect_readers[DIALECT_COUNT] = {
    [DIALECT_OPENAI] = read_openai,         [DIALECT_ANTHROPIC] = read_anthropic,
    [DIALECT_GEMINI] = read_gemini,         [DIALECT_BEDROCK] = read_bedrock,
    [DIALECT_DEEPSEEK] = read_deepseek,     [DIALECT_XAI] = read_xai,
    [DIALECT_PERPLEXITY] = read_perplexity, [DIALECT_COHERE] = read_cohere,
};
