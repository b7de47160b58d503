#include "openai/bounds.h"

#include "openai/members.h"

/* More than any answer has; small enough to be multiplied by the tokens of one. */
#define CHOICES_MAX (INT64_C(1) << 40)

/* The members that limit what one choice may have, by endpoint, the one to put in first. */
struct limit_members {
    enum envelope_field fields[2];
    size_t count;
};

static const struct limit_members *find_members(enum endpoint_kind kind)
{
    static const struct limit_members chat = {{ENVELOPE_MAX_COMPLETION_TOKENS, ENVELOPE_MAX_TOKENS},
                                              2};
    static const struct limit_members completions = {{ENVELOPE_MAX_TOKENS}, 1};
    static const struct limit_members responses = {{ENVELOPE_MAX_OUTPUT_TOKENS}, 1};

    switch (kind) {
    case ENDPOINT_CHAT: return &chat;
    case ENDPOINT_COMPLETIONS: return &completions;
    case ENDPOINT_RESPONSES: return &responses;
    default: return NULL;
    }
}

/* False when the member is absent or null, and so says nothing. A `value` that is no whole number
 * is BOUNDS_UNKNOWN: readers behind us may make anything of it. */
static bool read_limit(const struct envelope *envelope, enum envelope_field field, int64_t *value)
{
    const struct scan_value *member = &envelope->values[field];

    if (member->kind == SCAN_ABSENT || member->kind == SCAN_NULL)
        return false;
    if (member->kind != SCAN_NUMBER || !scan_whole_number(envelope_raw(envelope, field), value))
        *value = BOUNDS_UNKNOWN;
    return true;
}

/* Whether a letter or `_` is written as an escape, which only somebody does who hides it. */
static bool hides_letters(struct text body)
{
    struct text rest = body;

    for (ptrdiff_t at; (at = text_find_char(rest, '\\')) >= 0;) {
        rest = text_from_index(rest, (size_t)at + 1);
        if (text_starts_with(rest, TEXT("u00")) && rest.length > 3 && rest.data[3] >= '4' &&
            rest.data[3] <= '7')
            return true;
    }
    return false;
}

/* An array of texts, or of arrays of tokens, is as many prompts; one of tokens is a single one. */
static int64_t count_prompts(struct text array)
{
    int64_t count = 1, depth = 0;
    bool in_string = false, one = true;

    for (size_t i = 0; i < array.length; i++) {
        char c = array.data[i];
        if (in_string) {
            i += c == '\\';
            in_string = c != '"';
        } else if (c == '"') {
            in_string = true;
            one = false;
        } else if (c == '[' || c == '{') {
            one = one && depth == 0;
            depth++;
        } else if (c == ']' || c == '}') {
            depth--;
        } else if (c == ',' && depth == 1) {
            count++;
        }
    }
    return one ? 1 : count;
}

/* How many answers the model writes (completions): for each prompt, `best_of` of which `n` are
 * handed out. A key that is spelled with escapes may be any. */
static int64_t count_written(struct text body, int64_t choices)
{
    struct members members;
    struct member member;
    int64_t prompts = 1, value;

    members_open(&members, body);
    while (members_next(&members, &member)) {
        bool hidden = text_find_char(member.key, '\\') >= 0;
        if ((hidden || text_equal(member.key, TEXT("best_of"))) && member.kind == SCAN_NUMBER &&
            scan_whole_number(member.raw, &value) && value > choices)
            choices = value; /* what is no whole number the provider takes no more than we do */
        if ((hidden || text_equal(member.key, TEXT("prompt"))) && member.kind == SCAN_ARRAY &&
            (value = count_prompts(member.raw)) > prompts)
            prompts = value;
    }
    return choices > CHOICES_MAX / prompts ? CHOICES_MAX : choices * prompts;
}

void bounds_read(const struct envelope *envelope, enum endpoint_kind kind, struct text body,
                 struct references *references, struct bounds *bounds)
{
    const struct limit_members *members = find_members(kind);
    bool stated = false;

    *bounds = (struct bounds){
        .input = (int64_t)body.length, .output = 0, .choices = envelope->n > 1 ? envelope->n : 1};
    if (bounds->choices > CHOICES_MAX)
        bounds->choices = CHOICES_MAX;
    for (size_t i = 0; members && i < members->count; i++) {
        int64_t value;
        if (!read_limit(envelope, members->fields[i], &value))
            continue;
        stated = true;
        if (value == BOUNDS_UNKNOWN || bounds->output == BOUNDS_UNKNOWN)
            bounds->output = BOUNDS_UNKNOWN;
        else if (value > bounds->output)
            bounds->output = value;
    }
    if (members && !stated)
        bounds->output = BOUNDS_UNKNOWN;
    if (kind == ENDPOINT_COMPLETIONS)
        bounds->choices = count_written(body, bounds->choices);
    if (envelope->reference.length > 0 || references_finish(references, body) ||
        (envelope->scan.escapes && hides_letters(body)))
        bounds->input = BOUNDS_UNKNOWN;
}

static struct text put_in(const struct envelope *envelope, enum envelope_field field, int64_t limit,
                          struct arena *arena)
{
    return arena_format(arena, "\"%.*s\":%lld%s", TEXT_ARG(envelope_field_name(field)),
                        (long long)limit, envelope->scan.object_empty ? "" : ",");
}

enum error bounds_clamp(const struct envelope *envelope, enum endpoint_kind kind, int64_t limit,
                        struct arena *arena, struct splices *splices)
{
    const struct limit_members *members = find_members(kind);
    struct text number = arena_format(arena, "%lld", (long long)limit);
    bool stated = false;

    if (!members)
        return ERROR_UNSUPPORTED;
    if (!number.data)
        return ERROR_MEMORY;
    for (size_t i = 0; i < members->count; i++) {
        const struct scan_value *member = &envelope->values[members->fields[i]];
        int64_t value;
        if (!read_limit(envelope, members->fields[i], &value))
            continue;
        stated = true;
        if (value == BOUNDS_UNKNOWN || value > limit)
            splices_add(splices, member->offset, member->length, number);
    }
    if (stated)
        return ERROR_OK;
    const struct scan_value *null_member = &envelope->values[members->fields[0]];
    if (null_member->kind == SCAN_NULL) {
        splices_add(splices, null_member->offset, null_member->length, number);
        return ERROR_OK;
    }
    struct text member = put_in(envelope, members->fields[0], limit, arena);
    if (!member.data)
        return ERROR_MEMORY;
    splices_add(splices, envelope->scan.object_open + 1, 0, member);
    return ERROR_OK;
}

/* Of a raw JSON string: an escape is one character, a pair of surrogates too, and of UTF-8 every
 * byte that begins one. */
static int64_t count_string(struct text raw)
{
    int64_t count = 0;

    for (size_t i = 1; i + 1 < raw.length; i++) {
        unsigned char c = (unsigned char)raw.data[i];
        if (c == '\\') {
            bool unicode = raw.data[i + 1] == 'u' && i + 5 < raw.length;
            /* \uDC00 to \uDFFF end a pair that was counted. */
            bool second = unicode && (raw.data[i + 2] | 0x20) == 'd' &&
                          ((raw.data[i + 3] | 0x20) >= 'c' && (raw.data[i + 3] | 0x20) <= 'f');
            count += !second;
            i += unicode ? 5 : 1;
        } else {
            count += (c & 0xc0) != 0x80;
        }
    }
    return count;
}

int64_t bounds_count_characters(struct text body, struct text name)
{
    struct members members;
    struct member member;

    members_open(&members, body);
    while (members_next(&members, &member)) {
        if (text_equal(member.key, name))
            return member.kind == SCAN_STRING ? count_string(member.raw) : BOUNDS_UNKNOWN;
    }
    return BOUNDS_UNKNOWN;
}
