#include "admin/object_page.h"

#include "base/ensure.h"
#include "codec/json.h"

void object_page_open(struct object_page *page, enum object_kind kind, struct text after,
                      size_t limit)
{
    *page = (struct object_page){.kind = kind, .after = after, .limit = limit};
    page->rows = ensure_memory(calloc(limit + 2, sizeof(*page->rows)));
}

static void release(struct object_page_row *row)
{
    free((void *)(uintptr_t)row->key.data);
    free((void *)(uintptr_t)row->json.data);
}

void object_page_close(struct object_page *page)
{
    for (size_t i = 0; i < page->count; i++)
        release(&page->rows[i]);
    free(page->rows);
}

/* Moments are written with equally many digits, so that their texts are in their own order. */
static bool comes_before(const struct object_page *page, struct text a, struct text b)
{
    int order = text_compare(a, b);

    return page->kind == OBJECT_TEAM ? order < 0 : order > 0;
}

static struct text copy(struct text text)
{
    char *bytes = ensure_memory(malloc(text.length + 1));

    memcpy(bytes, text.data, text.length);
    return text_of(bytes, text.length);
}

static void insert(struct object_page *page, struct text key, struct text json)
{
    size_t at = page->count;

    while (at > 0 && comes_before(page, key, page->rows[at - 1].key))
        at--;
    if (at > page->limit)
        return;
    memmove(&page->rows[at + 1], &page->rows[at], (page->count - at) * sizeof(*page->rows));
    page->rows[at] = (struct object_page_row){copy(key), copy(json)};
    if (page->count == page->limit + 1)
        release(&page->rows[page->count]);
    else
        page->count++;
}

void object_page_offer(void *context, struct text json)
{
    struct object_page *page = context;
    yyjson_doc *document = yyjson_read(json.data, json.length, 0);
    yyjson_val *object = yyjson_doc_get_root(document);
    struct text created = {0}, id = {0};
    char key[512];

    ensure_memory(document);
    if (page->kind == OBJECT_TEAM) {
        (void)json_get_text(object, "name", &id);
    } else {
        (void)json_get_text(object, "created_at", &created);
        (void)json_get_text(object, "id", &id);
    }
    int length = snprintf(key, sizeof(key), "%.*s%.*s", TEXT_ARG(created), TEXT_ARG(id));
    ensure(length > 0 && (size_t)length < sizeof(key));
    struct text text = text_of(key, (size_t)length);
    if (text_empty(page->after) || comes_before(page, page->after, text))
        insert(page, text, json);
    yyjson_doc_free(document);
}
