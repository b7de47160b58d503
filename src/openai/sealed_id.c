#include "openai/sealed_id.h"

static const struct text separator = TEXT_INIT("__thought__");

struct text sealed_id_join(struct arena *arena, struct text id, struct text seal)
{
    if (text_empty(seal))
        return id;
    size_t length = id.length + separator.length + seal.length;
    char *bytes = arena_take(arena, length + 1);
    if (bytes == NULL)
        return text_of(NULL, 0);
    char *at = (char *)mempcpy(bytes, id.data, id.length);
    at = (char *)mempcpy(at, separator.data, separator.length);
    at = (char *)mempcpy(at, seal.data, seal.length);
    *at = '\0';
    return text_of(bytes, length);
}

struct text sealed_id_split(struct text *id)
{
    ptrdiff_t at = text_find(*id, separator);
    if (at <= 0)
        return TEXT("");
    struct text seal = text_from_index(*id, (size_t)at + separator.length);
    *id = text_first(*id, (size_t)at);
    return seal;
}
