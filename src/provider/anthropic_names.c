/* Ids and names as the API allows them. What it does not allow is made into something that it does,
 * by a rule that gives the same for the same: a call and its result stay together, and a prompt
 * that is sent again is the same prompt. */
#include "provider/anthropic_parts.h"

#include "base/siphash.h"

#define NAME_MAX_LENGTH 64u
#define HASH_LENGTH     8u /* hexadecimal digits: names of one request meet once in 65,000 names */

static bool is_allowed(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

static bool is_name(struct text text)
{
    if (text_empty(text) || text.length > NAME_MAX_LENGTH)
        return false;
    for (size_t i = 0; i < text.length; i++)
        if (!is_allowed(text.data[i]))
            return false;
    return true;
}

struct text anthropic_identifier(struct arena *arena, struct text id)
{
    /* No secret: nobody is kept out by it, and every process must come to the same. */
    static const struct siphash_seed seed = {
        {UINT64_C(0x7475726e70696b65), UINT64_C(0x616e7468726f7069)}};
    char prefix[NAME_MAX_LENGTH - HASH_LENGTH - 1];
    if (is_name(id))
        return id;
    size_t length = id.length < sizeof prefix ? id.length : sizeof prefix;
    for (size_t i = 0; i < length; i++)
        prefix[i] = (char)(is_allowed(id.data[i]) ? id.data[i] : '_');
    uint32_t hash = (uint32_t)siphash(&seed, id).words[0];
    return arena_format(arena, "%.*s_%08x", (int)length, prefix, hash);
}

const struct tool *anthropic_find_tool(const struct conversation *conversation, struct text name,
                                       struct arena *arena)
{
    for (size_t i = 0; i < conversation->tool_count; i++)
        if (text_equal(conversation->tools[i].name, name))
            return &conversation->tools[i];
    for (size_t i = 0; i < conversation->tool_count; i++) {
        const struct tool *tool = &conversation->tools[i];
        if (!is_name(tool->name) && text_equal(anthropic_identifier(arena, tool->name), name))
            return tool;
    }
    return NULL;
}
