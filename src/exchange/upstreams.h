/* upstreams: the providers of one configuration snapshot as one worker reaches them.
 *
 * Made from a snapshot, which it holds; counted, because exchanges that began under an older
 * configuration finish under it. The worker's thread only. */
#ifndef EXCHANGE_UPSTREAMS_H
#define EXCHANGE_UPSTREAMS_H

#include "config/snapshot.h"
#include "http/client.h"
#include "identity/token.h"
#include "meter/price_book.h"
#include "provider/credential_pool.h"
#include "route/place.h"

/* What the process shares for reaching one provider: made once per configuration by the main
 * thread. */
struct upstream_trust {
    struct tls_context *tls;      /* NULL: plain */
    struct credential_pool *pool; /* NULL: it has one key of its own, or none */
};

struct upstream {
    const struct config_provider *config;
    struct provider_settings settings;
    struct credential_pool *pool; /* held; NULL: settings.credential is all there is */
    struct http_origin *origin;
    struct http_origin *list_origin; /* who tells what models it has; NULL: the same */
    struct http_timeouts timeouts;
};

struct upstreams {
    struct config *config;
    struct price_book *book;    /* what their models cost; held */
    struct route_table *routes; /* what is known of their models' targets; held */
    struct upstream *rows;      /* as many as config->provider_count, same order */
    struct secret **extra;      /* backs settings.extra_lines */
    /* Whose tokens say who calls: as many as config->issuer_count, same order; keys held. */
    struct token_issuer *issuers;
    size_t holders;
};

/* `trust` has a row for each provider; contexts, pools, `book` and `routes` are held.
 * `open_internal` makes a connection to the built-in provider. NULL when out of memory. */
must_check struct upstreams *upstreams_create(struct loop *loop, struct resolver *resolver,
                                              struct config *config, struct price_book *book,
                                              struct route_table *routes,
                                              const struct upstream_trust *trust,
                                              int (*open_internal)(void *owner), void *open_owner);
/* The keys of the configuration's issuers, a row for each, held here too. Before the first call.
 * False when out of memory. */
must_check bool upstreams_set_issuers(struct upstreams *upstreams, struct issuer_keys *const *keys);
struct upstreams *upstreams_hold(struct upstreams *upstreams);
void upstreams_release(struct upstreams *upstreams);

#endif
