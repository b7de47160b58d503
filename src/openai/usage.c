#include "openai/usage.h"

#include "openai/members.h"

/* Where each endpoint family writes a count. A member's value goes to the field at `offset`; those
 * of a details object have tables of their own. Responses and images say input_tokens_details,
 * audio says input_token_details. */
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

struct usage_details {
    struct text key;
    const struct usage_member *members;
    size_t count;
};

#define DETAILS(key, members)                          \
    {                                                  \
        TEXT_INIT(key), members, ARRAY_LENGTH(members) \
    }

static const struct usage_details details[] = {
    DETAILS("prompt_tokens_details", input_details),
    DETAILS("input_tokens_details", input_details),
    DETAILS("input_token_details", input_details),
    DETAILS("completion_tokens_details", output_details),
    DETAILS("output_tokens_details", output_details),
    DETAILS("output_token_details", output_details),
};

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

static bool is_given(const struct member *member)
{
    return member->kind != SCAN_NULL;
}

static void count_set(struct usage *usage, size_t offset, const struct member *member)
{
    if (!is_given(member))
        return;
    int64_t count;
    if (member->kind != SCAN_NUMBER || !scan_whole_number(member->raw, &count)) {
        usage->suspicious = true;
        return;
    }
    memcpy((char *)usage + offset, &count, sizeof count);
    usage->source = USAGE_REPORTED;
}

/* False when the member is none of them. */
static bool member_take(struct usage *usage, const struct member *member,
                        const struct usage_member *members, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!text_equal(members[i].key, member->key))
            continue;
        count_set(usage, members[i].offset, member);
        return true;
    }
    return false;
}

/* Some spell the cached part of the prompt in a way of their own, or divide it further. */
static void note_unread(struct usage *usage, struct text key)
{
    usage->more |= text_find(key, TEXT("cached")) >= 0;
}

static void details_take(struct usage *usage, const struct member *member)
{
    for (size_t i = 0; i < ARRAY_LENGTH(details); i++) {
        if (!text_equal(details[i].key, member->key) || !is_given(member))
            continue;
        usage->suspicious |= member->kind != SCAN_OBJECT;
        struct members inner;
        struct member detail;
        members_open(&inner, member->raw);
        while (members_next(&inner, &detail))
            if (!member_take(usage, &detail, details[i].members, details[i].count))
                note_unread(usage, detail.key);
        return;
    }
    note_unread(usage, member->key);
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

static void seconds_take(struct usage *usage, const struct member *member)
{
    if (!is_given(member))
        return;
    if (member->kind == SCAN_NUMBER && seconds_read(member->raw, &usage->milliseconds))
        usage->source = USAGE_REPORTED;
    else
        usage->suspicious = true;
}

void usage_read(struct usage *usage, struct text raw)
{
    struct members members;
    struct member member;
    usage_clear(usage);
    members_open(&members, raw);
    while (members_next(&members, &member)) {
        if (member_take(usage, &member, plain, ARRAY_LENGTH(plain)))
            continue;
        if (text_equal(member.key, TEXT("seconds")) ||
            text_equal(member.key, TEXT("prompt_audio_seconds"))) /* Mistral */
            seconds_take(usage, &member);
        else
            details_take(usage, &member);
    }
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
