/* local: the gateway's own pages. */
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

/* What the codes of refusals mean: the same for everybody, and without a key, because who needs it
 * may have none. */
static enum step_result page_errors(struct exchange *exchange, struct text path)
{
    struct text code = text_from_index(path, sizeof(LOCAL_ERRORS_PATH) - 1);
    struct text contact = exchange->upstreams->config->contact;

    buffer_open(&exchange->page, PAGE_MAXIMUM);
    if (code.length <= 1)
        refusal_list(&exchange->page);
    else if (!refusal_explain(&exchange->page, text_from_index(code, 1)))
        return exchange_refuse(exchange, REFUSAL_PATH_UNKNOWN,
                               (struct refusal_context){.seen = path});
    buffer_append_format(&exchange->page, "\nAll codes: %s\n", LOCAL_ERRORS_PATH);
    if (contact.length > 0)
        buffer_append_format(&exchange->page, "Who runs this gateway: %.*s\n", TEXT_ARG(contact));
    return exchange_answer(exchange, 200, "text/plain; charset=utf-8",
                           buffer_text(&exchange->page));
}

static bool is_errors_path(struct text path)
{
    struct text beginning = TEXT(LOCAL_ERRORS_PATH);

    return text_starts_with(path, beginning) &&
           (path.length == beginning.length || path.data[beginning.length] == '/');
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

static enum step_result answer_page(struct exchange *exchange, struct text path,
                                    const struct page *page)
{
    enum http1_method method = http_request_head(exchange->request)->method;

    exchange->unrecorded = true;
    if (method == HTTP1_GET || method == HTTP1_HEAD)
        return page ? page->run(exchange) : page_errors(exchange, path);
    exchange->match.allow = "GET, HEAD";
    return exchange_refuse(
        exchange, REFUSAL_METHOD_NOT_ALLOWED,
        (struct refusal_context){.seen = exchange->record.method, .detail = TEXT("GET, HEAD")});
}

bool local_page(struct exchange *exchange, struct text path, enum step_result *result)
{
    const struct page *page = NULL;

    if (text_starts_with(path, TEXT("/v1/")))
        return false;
    for (size_t i = 0; i < ARRAY_LENGTH(pages) && !page; i++) {
        if (text_equal(path, pages[i].path))
            page = &pages[i];
    }
    if (!page && !is_errors_path(path))
        return false;
    *result = answer_page(exchange, path, page);
    return true;
}
