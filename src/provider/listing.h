/* listing: which models a provider says that it has, asked page by page.
 *
 *     listing_create()
 *     provider_list_ask(&ask)          path and header lines of a GET; of the first page, or the
 * next provider_list_read(…, body)      what a page has; listing->next says whether there is
 * another listing_hold, listing_release
 *
 * Only names with which a call can be made are taken, as far as the provider tells. No sockets, as
 * in provider.h: exchange/model_lists.c asks. A listing owns its texts; it is filled by one thread,
 * and never changes once others hold it. Sources: the providers' references, "List models"; said
 * with each family. */
#ifndef PROVIDER_LISTING_H
#define PROVIDER_LISTING_H

#include <yyjson.h>

#include "provider/provider.h"

/* The longest lists have some hundreds of models; what stands behind the limits is left out, and
 * `cut` says so. */
#define LISTING_MODELS_MAX 10000u
#define LISTING_MEMORY_MAX (4u << 20)
#define LISTING_PAGES_MAX  50u
/* Bytes of one page: OpenRouter, with a description and prices for each of its models, has some
 * hundreds of KiB. */
#define LISTING_PAGE_MAX (4u << 20)

struct listing_model {
    struct text id;  /* as a call names it */
    int64_t created; /* seconds since 1970; 0: not said */
};

struct listing {
    struct listing_model *models;
    size_t count, capacity;
    struct text next; /* what the family asks the next page with; data NULL: there is none */
    unsigned pages;
    bool cut; /* there was more than may be held */
    struct arena arena;
    _Atomic unsigned holders;
};

/* Held once by the caller. NULL: memory is short. */
must_check struct listing *listing_create(void);
struct listing *listing_hold(struct listing *listing); /* NULL is fine */
void listing_release(struct listing *listing);         /* NULL is fine */
/* Whether the name is listed, and with what. NULL: it is not. */
const struct listing_model *listing_find(const struct listing *listing, struct text id);

struct listing_ask {
    const struct provider_settings *settings;
    const struct provider_credential *credential;
    struct text page;      /* listing->next; empty: the first */
    int64_t now;           /* seconds since 1970 */
    struct buffer *target; /* path and query */
    struct buffer *lines;  /* header lines; with the credential: whoever owns it wipes it */
};

/* Whether the family tells what it has. */
bool provider_lists(const struct provider_settings *settings);
/* The host that is asked, where it is another than that of calls (of the same port and path):
 * appends it to `out` and returns true. */
bool provider_list_host(const struct provider_settings *settings, struct buffer *out);
/* ERROR_UNSUPPORTED: the family does not tell; ERROR_MEMORY. */
must_handle enum error provider_list_ask(const struct listing_ask *ask);
/* A page that came with the status 200. ERROR_SYNTAX: it is not what was expected. */
must_handle enum error provider_list_read(const struct provider_settings *settings,
                                          struct listing *listing, struct text body);

/* ---- for families ---- */

struct lister {
    /* Appends path and query to `target` (the base path of the settings included) and the
     * credential to `lines`; last of all, so that it may sign. */
    enum error (*ask)(const struct listing_ask *ask);
    enum error (*read)(struct listing *listing, yyjson_val *root);
    /* "bedrock.us-east-1.amazonaws.com"; NULL: that of calls. */
    bool (*host)(const struct provider_settings *settings, struct buffer *out);
};

/* Copies; an id that is empty is left out. */
void listing_add(struct listing *listing, struct text id, int64_t created);
/* The token with which the next page is asked. Empty: there is none. */
void listing_set_next(struct listing *listing, struct text token);
/* "&name=value" with the value percent-encoded (RFC 3986, section 2.3). */
void listing_append_parameter(struct buffer *target, const char *name, struct text value);
/* A string of an object, else an empty text. */
struct text listing_text(yyjson_val *object, const char *key);
/* Whether the array has one of the words (NULL ends them); also where there is no array. */
bool listing_has_word(yyjson_val *array, const char *const *words);

#endif
