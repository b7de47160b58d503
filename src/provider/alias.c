#include "provider/alias.h"

#include <stdint.h>

static bool fits(char c, const struct alias_rule *rule)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr(rule->marks, c) != NULL);
}

bool alias_fits(struct text name, const struct alias_rule *rule)
{
    if (text_empty(name) || name.length > rule->maximum)
        return false;
    for (size_t i = 0; i < name.length; i++)
        if (!fits(name.data[i], rule))
            return false;
    return true;
}

/* FNV-1a (RFC 9923), which needs no key and is the same everywhere. */
static uint64_t hash(struct text name)
{
    uint64_t value = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < name.length; i++)
        value = (value ^ (unsigned char)name.data[i]) * UINT64_C(0x100000001b3);
    return value;
}

struct text alias_make(struct arena *arena, struct text name, const struct alias_rule *rule)
{
    if (alias_fits(name, rule))
        return name;
    char *out = arena_take(arena, rule->maximum + 1);
    if (out == NULL)
        return text_of(NULL, 0);
    size_t length = 0;
    for (; length < name.length && length < rule->maximum - ALIAS_HASH_LENGTH; length++)
        out[length] = fits(name.data[length], rule) ? name.data[length] : '_';
    static const char digits[] = "0123456789abcdef";
    uint64_t rest = hash(name);
    out[length++] = '_';
    for (size_t i = 0; i < ALIAS_HASH_LENGTH - 1; i++, rest <<= 4)
        out[length++] = digits[rest >> 60];
    return text_of(out, length);
}

struct text alias_restore(struct arena *arena, const struct conversation *conversation,
                          struct text name, const struct alias_rule *rule)
{
    for (size_t i = 0; i < conversation->tool_count; i++) {
        struct text own = conversation->tools[i].name;
        if (!alias_fits(own, rule) && text_equal(alias_make(arena, own, rule), name))
            return own;
    }
    return name;
}
