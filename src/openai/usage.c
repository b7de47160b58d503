#include "openai/usage.h"

#include "openai/scan.h"

/* Where each endpoint family writes a count. A member's value goes to the field at `offset`; a
 * member of a details object is looked up in a table of its own. Responses and images say
 * input_tokens_details, audio says input_token_details. */
struct usage_member {
    struct text key;
    size_t offset;
};

#define COUNT(key, field)                             \
    {                                                 \
        TEXT_INIT(key), offsetof(struct usage, field) \
    }

static const struct usage_member plain[] = {
    COUNT("prompt_tokens", input),      COUNT("input_tokens", input),
    COUNT("completion_tokens", output), COUNT("output_tokens", output),
    COUNT("total_tokens", total),
};

static const struct usage_member input_details[] = {
    COUNT("cached_tokens", cached_input),
    COUNT("cache_write_tokens", cache_write),
    COUNT("audio_tokens", audio_input),
    COUNT("image_tokens", image_input),
};

static const struct usage_member output_details[] = {
    COUNT("reasoning_tokens", reasoning),
    COUNT("audio_tokens", audio_output),
    COUNT("image_tokens", image_output),
};

enum { WATCH_SECONDS = ARRAY_LENGTH(plain), WATCH_DETAILS };

/* Behind the members of `plain`: seconds, then the details objects, input ones first. */
static const struct scan_watch watches[] = {
    {TEXT_INIT("prompt_tokens"), 0},         {TEXT_INIT("input_tokens"), 0},
    {TEXT_INIT("completion_tokens"), 0},     {TEXT_INIT("output_tokens"), 0},
    {TEXT_INIT("total_tokens"), 0},          {TEXT_INIT("seconds"), 0},
    {TEXT_INIT("prompt_tokens_details"), 0}, {TEXT_INIT("input_tokens_details"), 0},
    {TEXT_INIT("input_token_details"), 0},   {TEXT_INIT("completion_tokens_details"), 0},
    {TEXT_INIT("output_tokens_details"), 0}, {TEXT_INIT("output_token_details"), 0},
};

#define INPUT_DETAILS_COUNT 3u

void usage_clear(struct usage *usage)
{
    *usage = (struct usage){
        .source = USAGE_NONE,
        .input = -1,
        .cached_input = -1,
        .cache_write = -1,
        .output = -1,
        .reasoning = -1,
        .audio_input = -1,
        .audio_output = -1,
        .image_input = -1,
        .image_output = -1,
        .total = -1,
        .milliseconds = -1,
    };
}

static void count_set(struct usage *usage, const struct usage_member *member,
                      const struct scan_value *value)
{
    if (value->kind == SCAN_ABSENT || value->kind == SCAN_NULL)
        return;
    int64_t count;
    if (value->kind != SCAN_NUMBER || !scan_whole_number(value->raw, &count)) {
        usage->suspicious = true;
        return;
    }
    memcpy((char *)usage + member->offset, &count, sizeof count);
    usage->source = USAGE_REPORTED;
}

static void details_read(struct usage *usage, const struct scan_value *details,
                         const struct usage_member *members, size_t count)
{
    if (details->kind == SCAN_ABSENT || details->kind == SCAN_NULL)
        return;
    struct scan_watch keys[SCAN_WATCH_MAX];
    struct scan_value values[SCAN_WATCH_MAX];
    struct scan scan;
    for (size_t i = 0; i < count; i++)
        keys[i] = (struct scan_watch){members[i].key, 0};
    if (scan_text(&scan, SCAN_LENIENT, details->raw, keys, values, count) != ERROR_OK) {
        usage->suspicious = true;
        return;
    }
    for (size_t i = 0; i < count; i++)
        count_set(usage, &members[i], &values[i]);
}

/* "12.5" to 12500; false when it is negative, absurd (over 2^40 seconds) or written with an
 * exponent, which nobody does for a duration. */
static bool seconds_read(struct text raw, int64_t *milliseconds)
{
    struct text fraction = raw;
    int64_t whole, value;
    if (!scan_whole_number(text_split(&fraction, '.'), &whole) || whole > 1ll << 40)
        return false;
    value = whole * 1000;
    int64_t weight = 100;
    for (size_t i = 0; i < fraction.length; i++, weight /= 10) {
        if (fraction.data[i] < '0' || fraction.data[i] > '9')
            return false;
        value += (fraction.data[i] - '0') * weight;
    }
    *milliseconds = value;
    return true;
}

void usage_read(struct usage *usage, struct text raw)
{
    struct scan scan;
    struct scan_value values[ARRAY_LENGTH(watches)];
    usage_clear(usage);
    if (scan_text(&scan, SCAN_LENIENT, raw, watches, values, ARRAY_LENGTH(watches)) != ERROR_OK)
        return;
    for (size_t i = 0; i < ARRAY_LENGTH(plain); i++)
        count_set(usage, &plain[i], &values[i]);
    for (size_t i = WATCH_DETAILS; i < ARRAY_LENGTH(watches); i++)
        if (i < WATCH_DETAILS + INPUT_DETAILS_COUNT)
            details_read(usage, &values[i], input_details, ARRAY_LENGTH(input_details));
        else
            details_read(usage, &values[i], output_details, ARRAY_LENGTH(output_details));
    const struct scan_value *seconds = &values[WATCH_SECONDS];
    if (seconds->kind == SCAN_ABSENT || seconds->kind == SCAN_NULL)
        return;
    if (seconds->kind == SCAN_NUMBER && seconds_read(seconds->raw, &usage->milliseconds))
        usage->source = USAGE_REPORTED;
    else
        usage->suspicious = true;
}

static int64_t tokens_of(int64_t bytes)
{
    return bytes < 0 ? -1 : bytes / 4 + (bytes % 4 != 0);
}

void usage_estimate(struct usage *usage, int64_t input_bytes, int64_t output_bytes)
{
    usage_clear(usage);
    usage->source = USAGE_ESTIMATED;
    usage->input = tokens_of(input_bytes);
    usage->output = tokens_of(output_bytes);
    if (usage->input >= 0 && usage->output >= 0)
        usage->total = usage->input + usage->output;
}
