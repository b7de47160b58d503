#include "exchange/scene.h"

/* A name of a host as long as DNS has them, and a port. */
#define HOST_MAXIMUM 262u

/* The caller's own word for this gateway goes back to him alone; a strange one is no address. */
static bool is_host(struct text host)
{
    for (size_t i = 0; i < host.length; i++) {
        char c = host.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') && c != '.' && c != '-' && c != ':' && c != '[' &&
            c != ']')
            return false;
    }
    return host.length > 0 && host.length <= HOST_MAXIMUM;
}

/* Where the code is explained: as configured, else by this gateway itself. */
static struct text find_page(struct exchange *exchange, struct text code)
{
    struct text base = exchange->upstreams->config->errors_documentation;
    const struct http1_head *head =
        exchange->malformed || !exchange->request ? NULL : exchange_head(exchange);

    if (base.length > 0)
        return arena_format(&exchange->arena, "%.*s%.*s", TEXT_ARG(base), TEXT_ARG(code));
    struct text host = head ? http1_head_value(head, HEADER_HOST) : TEXT("");
    if (!is_host(host))
        return arena_format(&exchange->arena, "%s/%.*s", LOCAL_ERRORS_PATH, TEXT_ARG(code));
    return arena_format(&exchange->arena, "%s://%.*s%s/%.*s",
                        exchange->door->tls ? "https" : "http", TEXT_ARG(host), LOCAL_ERRORS_PATH,
                        TEXT_ARG(code));
}

struct text scene_contact(struct exchange *exchange)
{
    struct text contact = exchange->known ? policy_find_contact(exchange->worker->policy,
                                                                exchange->team, &exchange->arena)
                                          : text_of(NULL, 0);

    return contact.length > 0 ? contact : exchange->upstreams->config->contact;
}

/* Who can change the rule: the team's own people what is about the team, those of the gateway what
 * is the organisation's or stands in the configuration. */
static struct text find_contact(struct exchange *exchange)
{
    bool own = !text_starts_with(exchange->rule.of, TEXT("the "));

    return own ? scene_contact(exchange) : exchange->upstreams->config->contact;
}

void scene_describe(struct exchange *exchange, enum refusal refusal, struct refusal_scene *out)
{
    const struct record *record = &exchange->record;

    *out = (struct refusal_scene){
        .documentation = find_page(exchange, refusal_row(refusal)->code),
        .contact = find_contact(exchange),
        .listener = record->listener,
        .source = record->source,
        .key = record->key_id,
    };
    if (!exchange->known)
        return;
    out->network = record->network;
    out->forwarder = record->forwarder;
    out->team = exchange->team;
    out->rule = exchange->rule;
}
