#include "provider/listing.h"

#include <stdatomic.h>

#include "codec/json.h"
#include "provider/family.h"

#define MODELS_AT_FIRST 64u

/* ---- listings ---- */

struct listing *listing_create(void)
{
    struct listing *listing = calloc(1, sizeof(*listing));
    if (listing == NULL)
        return NULL;
    arena_open(&listing->arena, NULL, LISTING_MEMORY_MAX);
    atomic_init(&listing->holders, 1);
    return listing;
}

struct listing *listing_hold(struct listing *listing)
{
    if (listing != NULL)
        atomic_fetch_add_explicit(&listing->holders, 1, memory_order_relaxed);
    return listing;
}

void listing_release(struct listing *listing)
{
    if (listing == NULL ||
        atomic_fetch_sub_explicit(&listing->holders, 1, memory_order_acq_rel) != 1)
        return;
    free(listing->models);
    arena_close(&listing->arena);
    free(listing);
}

const struct listing_model *listing_find(const struct listing *listing, struct text id)
{
    for (size_t i = 0; i < listing->count; i++)
        if (text_equal(listing->models[i].id, id))
            return &listing->models[i];
    return NULL;
}

static bool make_room(struct listing *listing)
{
    if (listing->count < listing->capacity)
        return true;
    size_t capacity = listing->capacity == 0 ? MODELS_AT_FIRST : 2 * listing->capacity;
    struct listing_model *models = realloc(listing->models, capacity * sizeof(*models));
    if (models == NULL)
        return false;
    listing->models = models;
    listing->capacity = capacity;
    return true;
}

void listing_add(struct listing *listing, struct text id, int64_t created)
{
    if (text_empty(id))
        return;
    struct text kept = listing->count < LISTING_MODELS_MAX && make_room(listing)
                           ? arena_copy(&listing->arena, id)
                           : text_of(NULL, 0);
    if (kept.data == NULL) {
        listing->cut = true;
        return;
    }
    listing->models[listing->count++] = (struct listing_model){kept, created < 0 ? 0 : created};
}

void listing_set_next(struct listing *listing, struct text token)
{
    listing->next = text_of(NULL, 0);
    if (text_empty(token))
        return;
    if (listing->pages < LISTING_PAGES_MAX && !listing->cut)
        listing->next = arena_copy(&listing->arena, token);
    listing->cut |= listing->next.data == NULL;
}

/* ---- helpers of families ---- */

void listing_append_parameter(struct buffer *target, const char *name, struct text value)
{
    buffer_append_char(target, '&');
    buffer_append(target, text_from(name));
    buffer_append_char(target, '=');
    for (size_t i = 0; i < value.length; i++) {
        unsigned char c = (unsigned char)value.data[i];
        bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
        if (letter || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '~')
            buffer_append_char(target, (char)c);
        else
            buffer_append_format(target, "%%%02X", c);
    }
}

struct text listing_text(yyjson_val *object, const char *key)
{
    struct text text = TEXT("");
    (void)json_get_text(object, key, &text);
    return text;
}

bool listing_has_word(yyjson_val *array, const char *const *words)
{
    yyjson_val *entry;
    size_t index, count;
    if (!yyjson_is_arr(array))
        return true;
    yyjson_arr_foreach(array, index, count, entry)
    {
        for (size_t i = 0; words[i] != NULL; i++)
            if (yyjson_equals_str(entry, words[i]))
                return true;
    }
    return false;
}

/* ---- a family's lister ---- */

bool provider_lists(const struct provider_settings *settings)
{
    return settings->provider->lister != NULL;
}

bool provider_list_host(const struct provider_settings *settings, struct buffer *out)
{
    const struct lister *lister = settings->provider->lister;
    return lister != NULL && lister->host != NULL && lister->host(settings, out);
}

enum error provider_list_ask(const struct listing_ask *ask)
{
    const struct lister *lister = ask->settings->provider->lister;
    if (lister == NULL)
        return ERROR_UNSUPPORTED;
    buffer_append(ask->lines, TEXT("accept: application/json\r\naccept-encoding: identity\r\n"));
    buffer_append(ask->lines, ask->settings->extra_lines);
    enum error error = lister->ask(ask);
    if (error == ERROR_OK && (ask->target->failed || ask->lines->failed))
        error = ERROR_MEMORY;
    return error;
}

enum error provider_list_read(const struct provider_settings *settings, struct listing *listing,
                              struct text body)
{
    yyjson_doc *document;
    listing->next = text_of(NULL, 0);
    listing->pages++;
    enum error error = json_parse(body, &document);
    if (error != ERROR_OK)
        return error;
    error = settings->provider->lister->read(listing, yyjson_doc_get_root(document));
    yyjson_doc_free(document);
    return error;
}
