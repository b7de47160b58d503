#include "openai/members.h"

#include "openai/brackets.h"

static inline const char *skip_blank(const char *p, const char *end)
{
    while (p < end && (unsigned char)*p <= ' ' &&
           (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    return p;
}

static const char *behind_string(const char *p, const char *end)
{
    p = scan_string_close(p + 1, end);
    return p < end ? p + 1 : end;
}

static const char *behind_brackets(const char *p, const char *end)
{
    struct brackets brackets = {.open = 1};
    return brackets_pass(&brackets, p + 1, end);
}

static const char *behind_word(const char *p, const char *end)
{
    while (p < end && *p != ',' && *p != '}' && (unsigned char)*p > ' ')
        p++;
    return p;
}

static enum scan_kind kind_of(char first)
{
    switch (first) {
    case '"': return SCAN_STRING;
    case '{': return SCAN_OBJECT;
    case '[': return SCAN_ARRAY;
    case 't': return SCAN_TRUE;
    case 'f': return SCAN_FALSE;
    case 'n': return SCAN_NULL;
    default: return SCAN_NUMBER;
    }
}

static const char *behind_value(enum scan_kind kind, const char *p, const char *end)
{
    if (kind == SCAN_STRING)
        return behind_string(p, end);
    return kind == SCAN_OBJECT || kind == SCAN_ARRAY ? behind_brackets(p, end)
                                                     : behind_word(p, end);
}

void members_open(struct members *members, struct text object)
{
    *members = (struct members){object.data, object.data};
    if (object.length > 1 && object.data[0] == '{')
        *members = (struct members){object.data + 1, object.data + object.length};
}

bool members_next(struct members *members, struct member *member)
{
    const char *end = members->end, *p = skip_blank(members->at, end);
    if (p < end && *p == ',')
        p = skip_blank(p + 1, end);
    members->at = end;
    if (p == end || *p != '"')
        return false;
    const char *key_end = scan_string_close(p + 1, end);
    member->key = text_of(p + 1, (size_t)(key_end - p - 1));
    p = skip_blank(key_end < end ? key_end + 1 : end, end);
    if (p == end || *p != ':')
        return false;
    p = skip_blank(p + 1, end);
    if (p == end)
        return false;
    member->kind = kind_of(*p);
    members->at = behind_value(member->kind, p, end);
    member->raw = text_of(p, (size_t)(members->at - p));
    return true;
}
