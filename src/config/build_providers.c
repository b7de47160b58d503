#include "config/build.h"
#include "config/endpoint.h"
#include "config/proxy.h"
#include "tables/config.h"
#include "tables/headers.h"
#include "tables/providers.h"

/* Numbers that the provider does not set are the defaults'. */
static void inherit(uint64_t *values, const uint64_t *defaults, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (values[i] == SETTINGS_UNSET)
            values[i] = defaults[i];
}

_Static_assert(sizeof(struct config_provider_timeouts) == 5 * sizeof(uint64_t) &&
                   sizeof(struct config_provider_limits) == 3 * sizeof(uint64_t),
               "inherit() takes them for arrays of numbers");

static void build_numbers(const struct settings_defaults *defaults,
                          const struct settings_provider *settings,
                          struct config_provider *provider)
{
    provider->timeouts = settings->timeouts;
    provider->limits = settings->limits;
    inherit(&provider->timeouts.connect, &defaults->timeouts.connect,
            sizeof(provider->timeouts) / sizeof(uint64_t));
    inherit(&provider->limits.connections, &defaults->limits.connections,
            sizeof(provider->limits) / sizeof(uint64_t));
}

/* Fields that the road makes itself: a second one would contradict it. */
static const char *find_header_fault(const struct config_provider *provider, struct text name)
{
    enum header_id id = header_find(name);
    if (id == HEADER_HOST || id == HEADER_CONTENT_LENGTH || id == HEADER_CONTENT_TYPE ||
        id == HEADER_CONTENT_ENCODING || id == HEADER_X_REQUEST_ID || header_is_hop_by_hop(id))
        return "this field is made for every request and cannot be set";
    if (id == HEADER_AUTHORIZATION && provider->api_key)
        return "this field is made from api_key; write one of the two";
    if (id == HEADER_AUTHORIZATION && provider->credential_count > 0)
        return "this field is made from credentials; write one of the two";
    if (id == HEADER_OPENAI_ORGANIZATION && !text_empty(provider->organization))
        return "this field is made from organization; write one of the two";
    if (id == HEADER_OPENAI_PROJECT && !text_empty(provider->project))
        return "this field is made from project; write one of the two";
    return NULL;
}

static void check_header(struct settings_reader *reader, const struct config_provider *provider,
                         const struct settings_header *settings)
{
    struct text name = settings->entry.name;
    const char *fault = find_header_fault(provider, name);
    bool secret_name = header_flags(header_find(name)) & HEADER_FLAG_SECRET;
    if (fault)
        report_error(reader->report, settings->entry.node->key_place, "%s", fault);
    else if (!text_empty(settings->value.text) &&
             (secret_name || report_may_be_secret(settings->value.text)))
        report_error(reader->report, settings_place(&settings->value, NULL),
                     "a secret must not stand in the configuration, where backups and logs would "
                     "carry it; write \"env:NAME\" or \"file:/path\"");
}

static void build_headers(struct settings_reader *reader, const struct settings_provider *settings,
                          struct config_provider *provider)
{
    struct config_header *headers = build_array(reader, settings->header_count, sizeof(*headers));
    if (!headers)
        return;
    size_t top = report_enter(reader->report, TEXT("headers"));
    for (size_t i = 0; i < settings->header_count; i++) {
        const struct settings_header *from = &settings->headers[i];
        size_t mark = report_enter(reader->report, from->entry.name);
        check_header(reader, provider, from);
        for (size_t j = 0; j < i; j++)
            if (text_equal_ignoring_case(settings->headers[j].entry.name, from->entry.name))
                report_error(reader->report, from->entry.node->key_place,
                             "this field is there already; case makes no difference");
        report_leave(reader->report, mark);
        headers[i].name = arena_copy(&reader->memory->arena, from->entry.name);
        headers[i].value = from->value.text;
        headers[i].secret = from->value.secret;
    }
    report_leave(reader->report, top);
    provider->headers = headers;
    provider->header_count = settings->header_count;
}

/* Where providers of this type are, when nothing else is written. Empty: nowhere, which is
 * reported.
 */
static struct text usual_url(struct settings_reader *reader, struct report_place place,
                             const struct config_provider *provider)
{
    static const struct text variable = TEXT_INIT("{region}");
    const struct provider_type *type = provider_type_find(provider->type);
    struct text none = {NULL, 0};
    if (type == NULL) /* which was reported */
        return none;
    if (text_equal(provider->type, TEXT("vertex")))
        return build_vertex_url(reader, provider);
    ptrdiff_t at = text_find(type->base_url, variable);
    if (text_empty(type->base_url))
        report_error(reader->report, place,
                     "\"base_url\" is missing: %.*s has no address of its own",
                     TEXT_ARG(provider->type));
    if (at < 0)
        return type->base_url;
    if (text_empty(provider->aws_region)) {
        report_error(reader->report, place,
                     "\"base_url\" is missing, and so is \"aws.region\", which would tell it");
        return none;
    }
    return arena_format(&reader->memory->arena, "%.*s%.*s%.*s",
                        TEXT_ARG(text_first(type->base_url, (size_t)at)),
                        TEXT_ARG(provider->aws_region),
                        TEXT_ARG(text_from_index(type->base_url, (size_t)at + variable.length)));
}

static void build_endpoint(struct settings_reader *reader, const struct settings_provider *settings,
                           struct config_provider *provider)
{
    struct text url = settings->base_url.text;
    struct report_place place = settings_place(&settings->base_url, &settings->entry);
    if (!settings->base_url.node)
        url = usual_url(reader, place, provider);
    if (text_empty(url))
        return;
    size_t mark = report_enter(reader->report, TEXT("base_url"));
    const char *fault = endpoint_parse(url, &reader->memory->arena, &provider->endpoint);
    if (fault)
        report_error(reader->report, place, "not a base URL: %s", fault);
    else if (!provider->endpoint.tls && (provider->api_key || provider->credential_count > 0) &&
             !endpoint_is_local(provider->endpoint.host))
        report_warning(reader->report, place,
                       "the key travels unencrypted to %.*s; prefer https://",
                       TEXT_ARG(provider->endpoint.host));
    report_leave(reader->report, mark);
}

static void build_client_tls(struct settings_reader *reader,
                             const struct settings_provider *settings,
                             struct config_provider *provider)
{
    const struct settings_client_tls *tls = &settings->tls;
    const struct settings_value *any = tls->authority.node     ? &tls->authority
                                       : tls->certificate.node ? &tls->certificate
                                                               : &tls->key;
    provider->tls.authority_path = tls->authority.text.data;
    provider->tls.certificate_path = tls->certificate.text.data;
    provider->tls.key_path = tls->key.text.data;
    size_t mark = report_enter(reader->report, TEXT("tls"));
    if (any->node && provider->endpoint.text.data && !provider->endpoint.tls)
        report_error(reader->report, settings_place(any, NULL),
                     "base_url does not begin with https://");
    else if (!tls->certificate.node != !tls->key.node)
        report_error(reader->report,
                     settings_place(tls->key.node ? &tls->key : &tls->certificate, NULL),
                     "\"certificate\" and \"key\" are written together or not at all");
    report_leave(reader->report, mark);
}

/* The built-in provider answers by itself: what is written about a network is a mistake. */
static void check_demo(struct settings_reader *reader, const struct settings_provider *settings)
{
    const struct document_node *child = settings->entry.node->first;
    for (; child; child = child->next)
        if (!text_equal(child->key, TEXT("type")) && !text_equal(child->key, TEXT("pricing")))
            report_error(reader->report, child->key_place,
                         "\"%.*s\" means nothing to the built-in demo provider",
                         TEXT_ARG(child->key));
}

static void build_provider(struct settings_reader *reader, const struct settings *settings,
                           size_t index, struct config_provider *provider)
{
    const struct settings_provider *from = &settings->providers[index];
    provider->name = arena_copy(&reader->memory->arena, from->entry.name);
    provider->index = index;
    provider->type = from->type.text;
    provider->api_key = from->api_key.secret;
    provider->organization = from->organization.text;
    provider->quirks = from->quirks.text;
    provider->azure_api_version = from->azure.api_version.text;
    provider->project = from->project.text;
    build_numbers(&settings->defaults, from, provider);
    if (text_equal(provider->type, TEXT("demo"))) {
        check_demo(reader, from);
        build_pricing(reader, &from->pricing, provider);
        return;
    }
    build_credentials(reader, from, provider);
    if (text_equal(provider->type, TEXT("vertex")))
        build_vertex(reader, from, provider);
    build_headers(reader, from, provider);
    build_endpoint(reader, from, provider);
    build_client_tls(reader, from, provider);
    build_pricing(reader, &from->pricing, provider);
    build_health(reader, from, provider);
    size_t mark = report_enter(reader->report, TEXT("proxy"));
    provider->proxy = proxy_resolve(reader, from, &provider->endpoint);
    report_leave(reader->report, mark);
}

void build_providers(struct settings_reader *reader, const struct settings *settings,
                     struct config *config)
{
    struct config_provider *providers =
        build_array(reader, settings->provider_count, sizeof(*providers));
    if (!providers)
        return;
    config->providers = providers;
    config->provider_count = settings->provider_count;
    size_t top = report_enter(reader->report, TEXT("providers"));
    for (size_t i = 0; i < settings->provider_count; i++) {
        size_t mark = report_enter(reader->report, settings->providers[i].entry.name);
        build_provider(reader, settings, i, &providers[i]);
        report_leave(reader->report, mark);
    }
    report_leave(reader->report, top);
}

static struct text find_nearest(const struct config *config, struct text name)
{
    struct text nearest = {0};
    size_t limit = config_near_limit(name);
    for (size_t i = 0; i < config->provider_count; i++) {
        size_t distance = text_edit_distance(name, config->providers[i].name, limit);
        if (distance < limit || (distance == limit && text_empty(nearest))) {
            nearest = config->providers[i].name;
            limit = distance;
        }
    }
    return nearest;
}

const struct config_provider *build_find_provider(struct settings_reader *reader,
                                                  const struct config *config,
                                                  const struct settings_value *reference)
{
    /* Without any provider that has been said already. */
    if (text_empty(reference->text) || config->provider_count == 0)
        return NULL;
    const struct config_provider *provider = config_find_provider(config, reference->text);
    if (provider)
        return provider;
    struct text nearest = find_nearest(config, reference->text);
    if (text_empty(nearest))
        report_error(reader->report, settings_place(reference, NULL), "no provider has the name %s",
                     report_quote(reference->text));
    else
        report_error(reader->report, settings_place(reference, NULL),
                     "no provider has the name %s; did you mean \"%.*s\"?",
                     report_quote(reference->text), TEXT_ARG(nearest));
    return NULL;
}
