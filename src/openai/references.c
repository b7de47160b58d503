#include "openai/references.h"

#include "base/attributes.h"

/* Words of bodies whose prompt is larger than they are: each stands in a key, a type or an id. A
 * word in somebody's text only makes the bound wider than need be. */
struct reference_word {
    struct text before, after; /* of its first `_` */
};

static const struct reference_word words[] = {
    {TEXT_INIT("image"), TEXT_INIT("url")},    {TEXT_INIT("input"), TEXT_INIT("image")},
    {TEXT_INIT("input"), TEXT_INIT("audio")},  {TEXT_INIT("file"), TEXT_INIT("id")},
    {TEXT_INIT("file"), TEXT_INIT("url")},     {TEXT_INIT("file"), TEXT_INIT("search")},
    {TEXT_INIT("file"), TEXT_INIT("data")}, /* compressed */
    {TEXT_INIT("vector"), TEXT_INIT("store")}, {TEXT_INIT("web"), TEXT_INIT("search")},
    {TEXT_INIT("code"), TEXT_INIT("inter")},   {TEXT_INIT("computer"), TEXT_INIT("use")},
    {TEXT_INIT("server"), TEXT_INIT("label")}, {TEXT_INIT("pmpt"), TEXT_INIT("")},
};

static bool is_reference(struct text before, struct text after)
{
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
        if (text_starts_with(after, words[i].after) && text_ends_with(before, words[i].before))
            return true;
    }
    return false;
}

/* Their characters on both sides of the `_`: source code has one in each name. */
static bool may_be_reference(struct text before, struct text after)
{
    static const bool last[256] = {['e'] = true, ['t'] = true, ['r'] = true, ['b'] = true};
    static const bool first[256] = {
        ['u'] = true, ['i'] = true, ['a'] = true, ['s'] = true, ['d'] = true, ['l'] = true};
    if (before.length == 0 || !last[(unsigned char)before.data[before.length - 1]])
        return false;
    return text_ends_with(before, TEXT("pmpt")) ||
           (after.length > 0 && first[(unsigned char)after.data[0]]);
}

/* The longest text behind a `_` that is looked at. */
#define AFTER_MAXIMUM 8u

/* Looks for the rare character that all of them have in what was not searched yet up to `end`. */
static void search_to(struct references *references, struct text body, size_t end)
{
    while (!references->found && references->searched < end) {
        struct text rest = text_from_index(text_first(body, end), references->searched);
        ptrdiff_t at = text_find_char(rest, '_');
        if (at < 0) {
            references->searched = end;
            return;
        }
        size_t place = references->searched + (size_t)at;
        struct text before = text_first(body, place), after = text_from_index(body, place + 1);
        references->found = may_be_reference(before, after) && is_reference(before, after);
        references->searched = place + 1;
    }
}

void references_search(struct references *references, struct text body)
{
    if (body.length > AFTER_MAXIMUM)
        search_to(references, body, body.length - AFTER_MAXIMUM);
}

bool references_finish(struct references *references, struct text body)
{
    search_to(references, body, body.length);
    return references->found;
}
