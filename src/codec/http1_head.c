/* Looking into a head, and the small grammars of its values: the part of http1.h without state. */
#include "base/ensure.h"
#include "codec/http1.h"

static const struct text method_names[HTTP1_METHOD_COUNT] = {
    [HTTP1_GET] = TEXT_INIT("GET"),         [HTTP1_HEAD] = TEXT_INIT("HEAD"),
    [HTTP1_POST] = TEXT_INIT("POST"),       [HTTP1_PUT] = TEXT_INIT("PUT"),
    [HTTP1_DELETE] = TEXT_INIT("DELETE"),   [HTTP1_PATCH] = TEXT_INIT("PATCH"),
    [HTTP1_OPTIONS] = TEXT_INIT("OPTIONS"), [HTTP1_CONNECT] = TEXT_INIT("CONNECT"),
};

const struct http1_header *http1_head_find(const struct http1_head *head, enum header_id id)
{
    if (!http1_head_has(head, id))
        return NULL;
    for (size_t i = 0; i < head->header_count; i++)
        if (head->headers[i].id == id)
            return &head->headers[i];
    return NULL;
}

struct text http1_head_value(const struct http1_head *head, enum header_id id)
{
    const struct http1_header *header = http1_head_find(head, id);
    return header != NULL ? header->value : text_of(NULL, 0);
}

const struct http1_header *http1_head_find_name(const struct http1_head *head, struct text name)
{
    for (size_t i = 0; i < head->header_count; i++)
        if (text_equal_ignoring_case(head->headers[i].name, name))
            return &head->headers[i];
    return NULL;
}

bool http1_list_next(struct text *list, struct text *member)
{
    while (list->length > 0) {
        *member = text_trim(text_split(list, ','));
        if (member->length > 0)
            return true;
    }
    return false;
}

struct text http1_method_text(enum http1_method method)
{
    ensure((unsigned)method < HTTP1_METHOD_COUNT);
    return method_names[method];
}

bool http1_method_find(struct text name, enum http1_method *out)
{
    for (unsigned i = 0; i < HTTP1_METHOD_COUNT; i++)
        if (text_equal(name, method_names[i])) {
            *out = (enum http1_method)i;
            return true;
        }
    return false;
}
