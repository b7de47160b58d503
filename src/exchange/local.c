/* local: what the gateway answers itself: its own pages, and the list of models. */
#include "codec/json.h"
#include "exchange/exchange.h"

#define PAGE_MAXIMUM METRICS_PAGE_MAX

/* Prometheus on this host scrapes without a key; nobody else sees figures. A proxy on this host
 * gives itself away by what it adds. */
static bool may_see_metrics(const struct exchange *exchange)
{
    static const enum header_id from_a_proxy[] = {HEADER_X_FORWARDED_FOR, HEADER_FORWARDED,
                                                  HEADER_X_REAL_IP, HEADER_VIA,
                                                  HEADER_X_FORWARDED_HOST};
    const struct http1_head *head = http_request_head(exchange->request);

    if (exchange->door->metrics == CONFIG_METRICS_OFF ||
        !address_is_loopback(http_request_peer(exchange->request)))
        return false;
    for (size_t i = 0; i < ARRAY_LENGTH(from_a_proxy); i++) {
        if (http1_head_find(head, from_a_proxy[i]))
            return false;
    }
    return true;
}

static enum step_result page_metrics(struct exchange *exchange)
{
    const struct worker_services *services = &exchange->worker->services;

    if (!may_see_metrics(exchange))
        return exchange_refuse(exchange, REFUSAL_PATH_UNKNOWN,
                               (struct refusal_context){.seen = exchange->record.path});
    buffer_open(&exchange->page, PAGE_MAXIMUM);
    if (!services->write_metrics(services->owner, &exchange->page))
        return exchange_refuse(
            exchange, REFUSAL_INTERNAL,
            (struct refusal_context){.detail = TEXT("the metrics page is too large")});
    return exchange_answer(exchange, 200, METRICS_CONTENT_TYPE, buffer_text(&exchange->page));
}

static enum step_result page_health(struct exchange *exchange)
{
    return exchange_answer(exchange, 200, "text/plain; charset=utf-8", TEXT("ok\n"));
}

static enum step_result page_ready(struct exchange *exchange)
{
    const struct worker_services *services = &exchange->worker->services;
    struct text why_not = TEXT("");

    if (services->is_ready(services->owner, &why_not))
        return exchange_answer(exchange, 200, "text/plain; charset=utf-8", TEXT("ready\n"));
    return exchange_answer(exchange, 503, "text/plain; charset=utf-8",
                           arena_format(&exchange->arena, "not ready: %.*s\n", TEXT_ARG(why_not)));
}

struct page {
    struct text path;
    enum step_result (*run)(struct exchange *exchange);
};

static const struct page pages[] = {
    {TEXT_INIT("/healthz"), page_health},
    {TEXT_INIT("/readyz"), page_ready},
    {TEXT_INIT("/metrics"), page_metrics},
};

bool local_page(struct exchange *exchange, struct text path, enum step_result *result)
{
    enum http1_method method = http_request_head(exchange->request)->method;

    if (text_starts_with(path, TEXT("/v1/")))
        return false;
    for (size_t i = 0; i < ARRAY_LENGTH(pages); i++) {
        if (!text_equal(path, pages[i].path))
            continue;
        exchange->unrecorded = true;
        if (method == HTTP1_GET || method == HTTP1_HEAD) {
            *result = pages[i].run(exchange);
        } else {
            exchange->match.allow = "GET, HEAD";
            *result = exchange_refuse(exchange, REFUSAL_METHOD_NOT_ALLOWED,
                                      (struct refusal_context){.seen = exchange->record.method,
                                                               .detail = TEXT("GET, HEAD")});
        }
        return true;
    }
    return false;
}

/* ---- models ---- */

/* {"id":"fast","object":"model","created":0,"owned_by":"up"}: what the SDKs' types require.
 * `created` is not known here; 0 is what servers without the fact send. */
static void write_model(struct json_writer *json, struct text name,
                        const struct config_model *model)
{
    json_begin_object(json);
    json_member_text(json, "id", name);
    json_member_text(json, "object", TEXT("model"));
    json_member_unsigned(json, "created", 0);
    json_member_text(json, "owned_by", model->targets[0].provider->name);
    json_end_object(json);
}

static void write_names(struct exchange *exchange, struct json_writer *json,
                        const struct config_model *model)
{
    if (!model->pattern && admit_allows_model(exchange, model->name))
        write_model(json, model->name, model);
    for (size_t i = 0; i < model->alias_count; i++) {
        if (admit_allows_model(exchange, model->aliases[i]))
            write_model(json, model->aliases[i], model);
    }
}

/* The names that the configuration knows and the key may use. A pattern is not a name: what stands
 * behind it is the provider's to know. */
static enum step_result list_models(struct exchange *exchange)
{
    const struct config *config = exchange->upstreams->config;
    struct json_writer json;

    buffer_open(&exchange->page, PAGE_MAXIMUM);
    json_open(&json, &exchange->page);
    json_begin_object(&json);
    json_member_text(&json, "object", TEXT("list"));
    json_key(&json, TEXT("data"));
    json_begin_array(&json);
    for (size_t i = 0; i < config->model_count; i++)
        write_names(exchange, &json, &config->models[i]);
    json_end_array(&json);
    json_end_object(&json);
    if (exchange->page.failed)
        return exchange_refuse(exchange, REFUSAL_MEMORY_LIMIT,
                               (struct refusal_context){.limit = PAGE_MAXIMUM});
    return exchange_answer(exchange, 200, "application/json", buffer_text(&exchange->page));
}

static enum step_result get_model(struct exchange *exchange)
{
    struct text name = exchange->match.object;
    const struct config_model *model = config_find_model(exchange->upstreams->config, name);
    struct json_writer json;

    exchange->record.model = name;
    if (!model || !admit_allows_model(exchange, name))
        return exchange_refuse(exchange, REFUSAL_MODEL_NOT_FOUND,
                               (struct refusal_context){.seen = name, .param = TEXT("model")});
    buffer_open(&exchange->page, PAGE_MAXIMUM);
    json_open(&json, &exchange->page);
    write_model(&json, name, model);
    if (exchange->page.failed)
        return exchange_refuse(exchange, REFUSAL_MEMORY_LIMIT,
                               (struct refusal_context){.limit = PAGE_MAXIMUM});
    return exchange_answer(exchange, 200, "application/json", buffer_text(&exchange->page));
}

enum step_result local_models(struct exchange *exchange)
{
    return exchange->match.endpoint->kind == ENDPOINT_MODELS_GET ? get_model(exchange)
                                                                 : list_models(exchange);
}
