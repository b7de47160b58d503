/* upstreams: see upstreams.h. */
#include "exchange/upstreams.h"

#include "base/buffer.h"
#include "provider/listing.h"

/* Calls that may wait for a connection to one provider, in one worker: with 1,000 connections busy,
 * waiting longer than for as many again is no service. */
#define WAITING_CALLS_MAXIMUM 1024u
#define EXTRA_LINES_MAXIMUM   (64u * 1024u)
#define HOST_MAXIMUM          512u

static bool make_extra_lines(const struct config_provider *provider, struct secret **out)
{
    struct buffer lines;

    *out = NULL;
    if (provider->header_count == 0)
        return true;
    buffer_open(&lines, EXTRA_LINES_MAXIMUM);
    for (size_t i = 0; i < provider->header_count; i++) {
        const struct config_header *header = &provider->headers[i];
        http1_append_header(&lines, header->name,
                            header->secret ? secret_expose(header->secret) : header->value);
    }
    if (!lines.failed)
        *out = secret_make(buffer_text(&lines));
    secret_wipe(lines.data, lines.length);
    buffer_close(&lines);
    return *out != NULL;
}

static struct http_origin *make_origin(struct loop *loop, struct resolver *resolver,
                                       const struct config_provider *provider,
                                       const struct upstream_trust *trust,
                                       int (*open_internal)(void *owner), void *open_owner)
{
    const struct config_endpoint *endpoint = &provider->endpoint;
    const struct config_proxy *proxy = provider->proxy;
    bool internal = endpoint->host.length == 0;
    struct http_origin_settings settings = {
        .host = endpoint->host,
        .port = endpoint->port,
        .authority = internal ? TEXT("demo") : endpoint->host_header,
        .tls = trust->tls,
        .server_name = endpoint->host.data,
        .connections = provider->limits.connections,
        .waiting = WAITING_CALLS_MAXIMUM,
        .idle_connections = provider->limits.idle_connections,
        .idle_time = provider->limits.idle_time,
        .limits = http1_limits_default,
        .open_internal = internal ? open_internal : NULL,
        .open_owner = open_owner,
    };

    if (proxy) {
        settings.proxy_host = proxy->host;
        settings.proxy_port = proxy->port;
        settings.proxy_authorization =
            proxy->authorization ? secret_expose(proxy->authorization) : text_of(NULL, 0);
    }
    return http_origin_create(loop, resolver, &settings);
}

/* A name of the same provider beside the one that calls go to. False: memory is short. */
static bool make_list_origin(struct upstream *row, struct loop *loop, struct resolver *resolver,
                             const struct upstream_trust *trust)
{
    struct config_provider provider = *row->config;
    struct buffer header;
    char name[HOST_MAXIMUM];
    bool good = true;

    buffer_open(&header, HOST_MAXIMUM);
    if (provider_list_host(&row->settings, &header)) {
        struct text rest = buffer_text(&header);
        struct text host = text_split(&rest, ':'); /* without a port, where one is said */
        provider.endpoint.host_header = buffer_text(&header);
        provider.endpoint.host = text_of(name, host.length);
        good = !header.failed && text_copy_to(host, name, sizeof(name));
        if (good)
            row->list_origin = make_origin(loop, resolver, &provider, trust, NULL, NULL);
        good = row->list_origin != NULL;
    }
    buffer_close(&header);
    return good;
}

static const struct quirks *find_quirks(const struct config_provider *provider)
{
    if (!text_equal(provider->type, TEXT("openai")))
        return NULL;
    return provider_find_quirks(provider->quirks, provider->endpoint.host, provider->endpoint.port);
}

static bool fill_row(struct upstream *row, struct secret **extra,
                     const struct config_provider *provider)
{
    const struct config_provider_timeouts *timeouts = &provider->timeouts;

    if (!make_extra_lines(provider, extra))
        return false;
    row->config = provider;
    row->settings = (struct provider_settings){
        .provider = provider_find(provider->type),
        .base_path = provider->endpoint.path,
        .host = provider->endpoint.host_header,
        .credential = {.secret = provider->api_key},
        .region = provider->aws_region,
        .cloud_project = provider->google_project,
        .cloud_location = provider->google_location,
        .quirks = find_quirks(provider),
        .api_version = provider->azure_api_version,
        .organization = provider->organization,
        .project = provider->project,
        .extra_lines = *extra ? secret_expose(*extra) : text_of(NULL, 0),
    };
    row->timeouts = (struct http_timeouts){timeouts->connect, timeouts->tls, timeouts->first_byte,
                                           timeouts->idle, timeouts->total};
    return row->settings.provider != NULL;
}

struct upstreams *upstreams_create(struct loop *loop, struct resolver *resolver,
                                   struct config *config, struct price_book *book,
                                   struct route_table *routes, const struct upstream_trust *trust,
                                   int (*open_internal)(void *owner), void *open_owner)
{
    struct upstreams *upstreams = calloc(1, sizeof(*upstreams));

    if (!upstreams)
        return NULL;
    upstreams->config = config_hold(config);
    upstreams->book = price_book_acquire(book);
    upstreams->routes = route_table_hold(routes);
    upstreams->holders = 1;
    upstreams->rows = calloc(config->provider_count, sizeof(*upstreams->rows));
    upstreams->extra = calloc(config->provider_count, sizeof(struct secret *));
    bool complete = upstreams->rows && upstreams->extra;
    for (size_t i = 0; complete && i < config->provider_count; i++) {
        const struct config_provider *provider = &config->providers[i];
        complete = fill_row(&upstreams->rows[i], &upstreams->extra[i], provider);
        upstreams->rows[i].pool = credential_pool_hold(trust[i].pool);
        if (complete)
            upstreams->rows[i].origin =
                make_origin(loop, resolver, provider, &trust[i], open_internal, open_owner);
        complete = complete && upstreams->rows[i].origin &&
                   make_list_origin(&upstreams->rows[i], loop, resolver, &trust[i]);
    }
    if (complete)
        return upstreams;
    upstreams_release(upstreams);
    return NULL;
}

bool upstreams_set_issuers(struct upstreams *upstreams, struct issuer_keys *const *keys)
{
    const struct config *config = upstreams->config;

    upstreams->issuers = calloc(config->issuer_count + 1, sizeof(*upstreams->issuers));
    for (size_t i = 0; upstreams->issuers && i < config->issuer_count; i++)
        upstreams->issuers[i] =
            (struct token_issuer){&config->issuers[i].terms, issuer_keys_hold(keys[i])};
    return upstreams->issuers != NULL;
}

struct upstreams *upstreams_hold(struct upstreams *upstreams)
{
    upstreams->holders++;
    return upstreams;
}

void upstreams_release(struct upstreams *upstreams)
{
    if (!upstreams || --upstreams->holders > 0)
        return;
    for (size_t i = 0; i < upstreams->config->provider_count; i++) {
        if (upstreams->rows && upstreams->rows[i].origin)
            http_origin_release(upstreams->rows[i].origin);
        if (upstreams->rows && upstreams->rows[i].list_origin)
            http_origin_release(upstreams->rows[i].list_origin);
        if (upstreams->rows)
            credential_pool_release(upstreams->rows[i].pool);
        if (upstreams->extra)
            secret_free(upstreams->extra[i]);
    }
    for (size_t i = 0; upstreams->issuers && i < upstreams->config->issuer_count; i++)
        issuer_keys_release(upstreams->issuers[i].keys);
    free(upstreams->issuers);
    free(upstreams->rows);
    free(upstreams->extra);
    price_book_release(upstreams->book);
    route_table_release(upstreams->routes);
    config_release(upstreams->config);
    free(upstreams);
}
