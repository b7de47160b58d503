#include "openai/prompt.h"

#include "base/siphash.h"
#include "openai/brackets.h"

/* Of one part of a beginning: providers cache from 1,024 tokens on, some 4 KiB, and two prompts
 * that agree for so long mostly agree further. */
#define PART_MAXIMUM 8192u
/* Messages that are looked at: a system prompt is one, seldom more. */
#define MESSAGES_MAXIMUM 8u

/* Known to all: several gateways must send one prompt to one target. */
static const struct siphash_seed public_seed = {{0x7475726e70696b65u, 0x70726f6d70740001u}};

/* ---- needs ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* Whether `at` is where the value of a member "type" begins. */
static bool is_type_at(struct text raw, size_t at)
{
    static const struct text key = TEXT_INIT("\"type\"");
    while (at > 0 && is_blank(raw.data[at - 1]))
        at--;
    if (at == 0 || raw.data[at - 1] != ':')
        return false;
    at--;
    while (at > 0 && is_blank(raw.data[at - 1]))
        at--;
    return text_ends_with(text_first(raw, at), key);
}

/* Whether something in `raw` has that type; `quoted` has its quotes. In a text of the prompt the
 * quotes would have backslashes. */
static bool has_type(struct text raw, struct text quoted)
{
    size_t from = 0;
    for (;;) {
        ptrdiff_t found = text_find(text_from_index(raw, from), quoted);
        if (found < 0)
            return false;
        from += (size_t)found;
        if (is_type_at(raw, from))
            return true;
        from += quoted.length;
    }
}

static unsigned bit(enum prompt_need need)
{
    return 1u << need;
}

static unsigned needs_of_parts(struct text raw)
{
    static const struct {
        struct text type;
        enum prompt_need need;
    } parts[] = {
        {TEXT_INIT("\"image_url\""), PROMPT_VISION},  {TEXT_INIT("\"input_image\""), PROMPT_VISION},
        {TEXT_INIT("\"input_audio\""), PROMPT_AUDIO}, {TEXT_INIT("\"file\""), PROMPT_FILES},
        {TEXT_INIT("\"input_file\""), PROMPT_FILES},
    };
    unsigned needs = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(parts); i++)
        if (!(needs & bit(parts[i].need)) && has_type(raw, parts[i].type))
            needs |= bit(parts[i].need);
    return needs;
}

static bool is_stated(const struct member *member)
{
    return member->kind != SCAN_NULL && member->kind != SCAN_FALSE;
}

static bool is_filled(const struct member *member)
{
    return member->kind == SCAN_ARRAY && text_find_char(member->raw, '{') >= 0;
}

static unsigned need_of_member(const struct member *member)
{
    struct text key = member->key;
    if (text_equal(key, TEXT("messages")) || text_equal(key, TEXT("input")))
        return member->kind == SCAN_ARRAY ? needs_of_parts(member->raw) : 0;
    if (text_equal(key, TEXT("tools")) || text_equal(key, TEXT("functions")))
        return is_filled(member) ? bit(PROMPT_TOOLS) : 0;
    if (text_equal(key, TEXT("response_format")) || text_equal(key, TEXT("text")))
        return has_type(member->raw, TEXT("\"json_schema\"")) ? bit(PROMPT_STRUCTURE) : 0;
    if (text_equal(key, TEXT("reasoning_effort")) || text_equal(key, TEXT("reasoning")))
        return is_stated(member) ? bit(PROMPT_REASONING) : 0;
    if (text_equal(key, TEXT("logprobs")) || text_equal(key, TEXT("top_logprobs")))
        return is_stated(member) ? bit(PROMPT_LOGPROBS) : 0;
    if (text_equal(key, TEXT("modalities")))
        return text_find(member->raw, TEXT("\"audio\"")) >= 0 ? bit(PROMPT_AUDIO) : 0;
    if (text_equal(key, TEXT("n")))
        return member->kind == SCAN_NUMBER && !text_equal(member->raw, TEXT("1"))
                   ? bit(PROMPT_CHOICES)
                   : 0;
    return 0;
}

unsigned prompt_needs(struct text body)
{
    struct members members;
    struct member member;
    unsigned needs = 0;
    members_open(&members, body);
    while (members_next(&members, &member))
        needs |= need_of_member(&member);
    return needs;
}

/* ---- the beginning ---- */

static bool is_of_system(struct text message)
{
    struct members members;
    struct member member;
    members_open(&members, message);
    while (members_next(&members, &member))
        if (text_equal(member.key, TEXT("role")))
            return text_equal(member.raw, TEXT("\"system\"")) ||
                   text_equal(member.raw, TEXT("\"developer\""));
    return false;
}

/* The messages of the system and the first other one, as they stand side by side. */
static struct text first_messages(struct text raw)
{
    const char *start = raw.data, *end = raw.data + raw.length, *p = start + 1;
    for (size_t i = 0; i < MESSAGES_MAXIMUM; i++) {
        while (p < end && (is_blank(*p) || *p == ','))
            p++;
        if (p == end || *p != '{')
            break;
        struct brackets brackets = {.open = 1};
        const char *message = p;
        p = brackets_pass(&brackets, p + 1, end);
        if (!is_of_system(text_of(message, (size_t)(p - message))))
            break;
    }
    return text_of(start, (size_t)(p - start));
}

static uint64_t hash_of(struct text part)
{
    return siphash(&public_seed, text_first(part, PART_MAXIMUM)).words[0];
}

uint64_t prompt_beginning(struct text body)
{
    struct members members;
    struct member member;
    uint64_t sum = 0; /* of the parts: their order in the body does not matter */
    members_open(&members, body);
    while (members_next(&members, &member)) {
        struct text key = member.key;
        if (text_equal(key, TEXT("prompt_cache_key")) && member.kind == SCAN_STRING)
            return hash_of(member.raw);
        if (text_equal(key, TEXT("messages")) || text_equal(key, TEXT("input")))
            sum += hash_of(member.kind == SCAN_ARRAY ? first_messages(member.raw) : member.raw);
        else if (text_equal(key, TEXT("prompt")) || text_equal(key, TEXT("instructions")))
            sum += 3 * hash_of(member.raw);
        else if (text_equal(key, TEXT("tools")) || text_equal(key, TEXT("functions")))
            sum += 5 * hash_of(member.raw);
    }
    return sum;
}
