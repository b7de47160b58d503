/* caller_certificate: see caller.h. Callers with a client certificate.
 *
 * TLS has verified it when the connection was made; here is only who its holder is. That is
 * remembered as it is for tokens, and counts until the certificate ends, also on a connection that
 * lives longer. */
#include "base/clock.h"
#include "exchange/caller.h"
#include "identity/certificate.h"

/* The listener that the call came by, as its configuration has it; the count: it has it no more. */
static size_t find_listener(const struct config *config, struct text name)
{
    size_t i = 0;

    while (i < config->listener_count && !text_equal(config->listeners[i].name, name))
        i++;
    return i;
}

static enum step_result refuse_certificate(struct exchange *exchange, enum refusal refusal,
                                           const char *detail)
{
    exchange->record.identified_by = principal_proof_name(PRINCIPAL_CERTIFICATE);
    return exchange_refuse(exchange, refusal,
                           (struct refusal_context){.detail = text_from(detail)});
}

static enum step_result refuse_holder(struct exchange *exchange,
                                      const struct certificate *certificate)
{
    exchange->record.identified_by = principal_proof_name(PRINCIPAL_CERTIFICATE);
    exchange->record.token_issuer = arena_copy(&exchange->arena, certificate->issuer);
    exchange->record.token_subject = arena_copy(&exchange->arena, certificate->subject);
    return exchange_refuse(exchange, REFUSAL_CALLER_UNKNOWN,
                           (struct refusal_context){.seen = exchange->record.token_subject});
}

/* Who its holder is by the rules of the listener. */
static enum step_result look_up(struct exchange *exchange, const struct certificate *certificate,
                                struct token_remembered *fresh)
{
    const struct config *config = exchange->upstreams->config;
    const struct caller_rule *rule =
        fresh->row < config->listener_count
            ? caller_rules_find(&config->listeners[fresh->row].certificate_callers,
                                certificate->claims)
            : NULL;
    const struct caller_facts facts = {
        .proof = PRINCIPAL_CERTIFICATE,
        .issuer = certificate->issuer,
        .subject = certificate->subject,
        .expires_at = certificate->not_after * NANOSECONDS_PER_SECOND,
    };

    if (facts.expires_at <= loop_wall(exchange->worker->loop))
        return refuse_certificate(exchange, REFUSAL_CERTIFICATE_UNUSABLE, "it has expired");
    if (!rule)
        return refuse_holder(exchange, certificate);
    switch (caller_rule_apply(rule, certificate->claims, &facts, &fresh->principal)) {
    case ERROR_OK: break;
    case ERROR_LIMIT:
        return refuse_certificate(exchange, REFUSAL_CERTIFICATE_UNUSABLE,
                                  "its names make longer tags than a caller may have");
    default: return refuse_certificate(exchange, REFUSAL_MEMORY_LIMIT, NULL);
    }
    return caller_let_in(exchange,
                         token_memory_keep(exchange->worker->token_memory, fresh)->principal);
}

static enum step_result identify(struct exchange *exchange, struct text der)
{
    struct worker *worker = exchange->worker;
    const struct config *config = exchange->upstreams->config;
    struct token_remembered fresh = {
        .code = token_memory_code(worker->token_memory, der),
        .generation = config->generation,
        .row = find_listener(config, exchange->door->name),
    };
    const struct token_remembered *remembered =
        token_memory_find(worker->token_memory, &fresh.code, loop_wall(worker->loop));
    struct certificate certificate;

    if (remembered && remembered->generation == fresh.generation && remembered->row == fresh.row)
        return caller_let_in(exchange, remembered->principal);
    if (certificate_read(der, &certificate) != ERROR_OK)
        return refuse_certificate(exchange, REFUSAL_CERTIFICATE_UNUSABLE,
                                  "its names cannot be read, or it has more than one SPIFFE ID");
    enum step_result result = look_up(exchange, &certificate, &fresh);
    certificate_close(&certificate);
    return result;
}

/* Who asks for a key in exchange has nothing to exchange; a key would be none. */
static enum step_result refuse_missing(struct exchange *exchange)
{
    bool exchanges = exchange->match.endpoint->kind == ENDPOINT_TOKEN;
    uint32_t proofs = exchange->door->proofs & ~(exchanges ? 1u << PRINCIPAL_KEY : 0u);

    return exchange_refuse(
        exchange, exchanges ? REFUSAL_EXCHANGE_NOTHING : REFUSAL_CERTIFICATE_MISSING,
        (struct refusal_context){.detail = caller_name_proofs(exchange, proofs)});
}

enum step_result caller_by_certificate(struct exchange *exchange)
{
    struct buffer der;

    buffer_open(&der, CERTIFICATE_LENGTH_MAX);
    if (!http_request_certificate(exchange->request, &der)) {
        bool too_large = der.failed;
        buffer_close(&der);
        if (too_large)
            return refuse_certificate(exchange, REFUSAL_CERTIFICATE_UNUSABLE,
                                      "it is larger than 16 KiB");
        return refuse_missing(exchange);
    }
    enum step_result result = identify(exchange, buffer_text(&der));
    buffer_close(&der);
    return result;
}
