/* receive: the head is here: which endpoint is meant, what may its body be, and the first facts of
 * the record. */
#include "codec/traceparent.h"
#include "exchange/echo.h"
#include "identity/token_request.h"

static struct text host_of(struct exchange *exchange, const struct address *address)
{
    char host[ADDRESS_TEXT_SIZE];

    return arena_copy(&exchange->arena, text_of(host, address_format_host(address, host)));
}

static size_t find_lines(const struct http1_head *head, enum source_field field,
                         struct text lines[SOURCE_HOPS_MAX])
{
    enum header_id wanted =
        field == SOURCE_FIELD_FORWARDED ? HEADER_FORWARDED : HEADER_X_FORWARDED_FOR;
    size_t count = 0;

    for (size_t i = 0; i < head->header_count; i++) {
        if (head->headers[i].id != wanted)
            continue;
        if (count == SOURCE_HOPS_MAX) /* the last ones are the nearest */
            memmove(lines, lines + 1, --count * sizeof(*lines));
        lines[count++] = head->headers[i].value;
    }
    return count;
}

/* What the configuration calls where the address is; empty: nothing. */
static struct text name_network(struct exchange *exchange, const struct address *address)
{
    if (!network_of(address, &exchange->source))
        return address->length > 0 ? TEXT(CONFIG_NETWORK_UNIX) : text_of(NULL, 0);
    const struct config_network *network =
        config_network_of(exchange->upstreams->config, &exchange->source);
    return network ? network->name : text_of(NULL, 0);
}

/* Where the call truly comes from, and who brought it where that was somebody else. */
static void note_source(struct exchange *exchange)
{
    const struct worker_door *door = exchange->door;
    const struct address *peer = http_request_peer(exchange->request);
    struct text lines[SOURCE_HOPS_MAX];
    struct source source = {.address = *peer};

    if (door->source_field != SOURCE_FIELD_NONE && !exchange->malformed) {
        size_t count = find_lines(http_request_head(exchange->request), door->source_field, lines);
        source_find(peer, door->source_field, lines, count, door->forwarders, door->trusts_local,
                    &source);
    }
    exchange->record.source = host_of(exchange, &source.address);
    if (source.hops > 0 || source.unreadable)
        exchange->record.forwarder = host_of(exchange, peer);
    exchange->record.network = name_network(exchange, &source.address);
}

void receive_note_caller(struct exchange *exchange)
{
    struct record *record = &exchange->record;
    const struct http1_head *head = http_request_head(exchange->request);
    struct text trace_id;

    note_source(exchange);
    record->worker = exchange->worker->index;
    record->listener = exchange->door->name;
    record->started_at = loop_wall(exchange->worker->loop);
    if (exchange->malformed)
        return;
    struct text target = head->target;
    ptrdiff_t query = text_find_char(target, '?');
    record->method = http1_method_text(head->method);
    record->path =
        arena_copy(&exchange->arena, query < 0 ? target : text_first(target, (size_t)query));
    record->user_agent = arena_copy(&exchange->arena, http1_head_value(head, HEADER_USER_AGENT));
    if (traceparent_parse(http1_head_value(head, HEADER_TRACEPARENT), &trace_id))
        record->trace_id = arena_copy(&exchange->arena, trace_id);
}

static bool is_type(struct text content_type, struct text wanted)
{
    ptrdiff_t end = text_find_char(content_type, ';');

    if (end >= 0)
        content_type = text_first(content_type, (size_t)end);
    return text_equal_ignoring_case(text_trim(content_type), wanted);
}

/* "application/json" and "application/anything+json"; a missing type is taken for JSON, as OpenAI
 * does. */
static bool is_json(struct text content_type)
{
    ptrdiff_t end = text_find_char(content_type, ';');
    struct text type = text_trim(end < 0 ? content_type : text_first(content_type, (size_t)end));

    return type.length == 0 || text_equal_ignoring_case(type, TEXT("application/json")) ||
           text_ends_with(type, TEXT("+json"));
}

/* Bodies are read as UTF-8. An upstream that goes by a `charset` (aiohttp does for JSON, Starlette
 * for the names in a form) would read another `model` than we do: in UTF-7 "+AG0-odel" is "model".
 */
static bool is_utf8(struct text content_type)
{
    static const char word[] = "charset";

    while (content_type.length >= sizeof word - 1) {
        bool found =
            (content_type.data[0] | 0x20) == word[0] &&
            text_equal_ignoring_case(text_first(content_type, sizeof word - 1), TEXT("charset"));
        content_type = text_from_index(content_type, found ? sizeof word - 1 : 1);
        if (!found)
            continue;
        struct text rest = content_type;
        struct text value = text_trim(text_split(&rest, ';'));
        if (!text_equal_ignoring_case(value, TEXT("=utf-8")) &&
            !text_equal_ignoring_case(value, TEXT("=\"utf-8\"")) &&
            !text_equal_ignoring_case(value, TEXT("=utf8")) &&
            !text_equal_ignoring_case(value, TEXT("=us-ascii")))
            return false;
    }
    return true;
}

static const char *const accepted_types[] = {
    [ENDPOINT_BODY_NONE] = "none",
    [ENDPOINT_BODY_JSON] = "application/json, in UTF-8",
    [ENDPOINT_BODY_MULTIPART] = "multipart/form-data, in UTF-8",
    [ENDPOINT_BODY_JSON_OR_MULTIPART] = "application/json or multipart/form-data, in UTF-8",
    [ENDPOINT_BODY_JSON_OR_URLENCODED] =
        "application/json or application/x-www-form-urlencoded, in UTF-8",
    [ENDPOINT_BODY_ANY] = "anything",
    [ENDPOINT_BODY_HASHED] = "anything",
};

/* How the body will be held; false when the endpoint does not take its type. */
static bool choose_body(struct exchange *exchange)
{
    const struct endpoint *endpoint = exchange->match.endpoint;
    struct text type = http1_head_value(http_request_head(exchange->request), HEADER_CONTENT_TYPE);
    bool form = is_type(type, TEXT("multipart/form-data"));

    exchange->body_kind = BODY_NONE;
    if (!http_request_has_body(exchange->request))
        return true;
    switch (endpoint->body) {
    case ENDPOINT_BODY_NONE: return false;
    case ENDPOINT_BODY_ANY: exchange->body_kind = BODY_STREAM; return true;
    case ENDPOINT_BODY_HASHED: exchange->body_kind = BODY_HASHED; return true;
    case ENDPOINT_BODY_JSON: exchange->body_kind = BODY_JSON; return is_json(type);
    case ENDPOINT_BODY_MULTIPART: exchange->body_kind = BODY_FORM; return form;
    case ENDPOINT_BODY_JSON_OR_MULTIPART:
        exchange->body_kind = form ? BODY_FORM : BODY_JSON;
        return form || is_json(type);
    case ENDPOINT_BODY_JSON_OR_URLENCODED:
        exchange->body_kind = BODY_SMALL;
        exchange->body.maximum = TOKEN_REQUEST_MAX;
        exchange->body_urlencoded = is_type(type, TEXT("application/x-www-form-urlencoded"));
        return exchange->body_urlencoded || is_json(type);
    }
    return false;
}

static enum step_result check_body(struct exchange *exchange)
{
    const struct http1_head *head = http_request_head(exchange->request);
    const struct config_limits *limits = &exchange->upstreams->config->limits;
    struct text encoding = http1_head_value(head, HEADER_CONTENT_ENCODING);
    struct text type = http1_head_value(head, HEADER_CONTENT_TYPE);

    /* There are servers that take the body of a GET for the next request (RFC 9110 section 9.3.1).
     */
    if (exchange->match.endpoint->body == ENDPOINT_BODY_NONE &&
        http_request_has_body(exchange->request))
        return exchange_refuse(exchange, REFUSAL_BODY_UNEXPECTED,
                               (struct refusal_context){.seen = exchange->record.method});
    bool fits = choose_body(exchange);
    bool hashed = exchange->body_kind == BODY_HASHED; /* what it says it is does not matter */
    if (!fits || (!hashed && !is_utf8(type)))
        return exchange_refuse(
            exchange, REFUSAL_CONTENT_TYPE_UNSUPPORTED,
            (struct refusal_context){
                .seen = type, .detail = text_from(accepted_types[exchange->match.endpoint->body])});
    if (exchange->body_kind == BODY_NONE)
        return STEP_NEXT;
    if (!hashed && encoding.length > 0 && !text_equal_ignoring_case(encoding, TEXT("identity")))
        return exchange_refuse(exchange, REFUSAL_CONTENT_ENCODING_UNSUPPORTED,
                               (struct refusal_context){.seen = encoding});
    bool held = exchange->body_kind == BODY_JSON || exchange->body_kind == BODY_SMALL;
    uint64_t limit = hashed ? ECHO_BODY_MAXIMUM : held ? exchange->body.maximum : limits->upload;
    if (head->has_content_length && head->content_length > limit)
        return exchange_refuse(exchange, REFUSAL_BODY_TOO_LARGE,
                               (struct refusal_context){.limit = limit});
    return STEP_NEXT;
}

enum step_result receive_step(struct exchange *exchange)
{
    const struct http1_head *head = http_request_head(exchange->request);
    enum step_result result;

    receive_note_caller(exchange);
    if (local_page(exchange, exchange->record.path, &result))
        return result;
    if (head->upgrade)
        return exchange_refuse(
            exchange, REFUSAL_UPGRADE_UNSUPPORTED,
            (struct refusal_context){.seen = http1_head_value(head, HEADER_UPGRADE)});
    enum refusal refusal =
        endpoint_find(head->method, head->target, &exchange->arena, &exchange->match);
    if (refusal != REFUSAL_NONE)
        return exchange_refuse(
            exchange, refusal,
            (struct refusal_context){.seen = refusal == REFUSAL_METHOD_NOT_ALLOWED
                                                 ? exchange->record.method
                                                 : exchange->record.path,
                                     .detail = text_from(refusal == REFUSAL_METHOD_NOT_ALLOWED
                                                             ? exchange->match.allow
                                                             : exchange->match.detail)});
    exchange->record.endpoint = exchange->match.endpoint->pattern;
    exchange->record.object_id = exchange->match.object;
    return check_body(exchange);
}
