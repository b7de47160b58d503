/* identify: who calls. By what stands in Authorization: a key of the gateway, or a token of an
 * issuer; where nothing does, by the client certificate. So a certificate that only opens the
 * connection is in nobody's way, and who has both is who the narrower one says. What proves it is
 * the listener's to choose (listeners.*.identify). */
#include "exchange/caller.h"
#include "exchange/networks.h"

struct text caller_name_proofs(struct exchange *exchange, uint32_t proofs)
{
    static const char *const names[PRINCIPAL_PROOF_COUNT] = {
        [PRINCIPAL_KEY] = "a key (tpk_...)",
        [PRINCIPAL_TOKEN] = "a token (JWT) of an issuer",
        [PRINCIPAL_CERTIFICATE] = "a client certificate",
    };
    char memory[128];
    struct buffer out = {.data = memory, .capacity = sizeof(memory), .maximum = sizeof(memory)};

    for (unsigned i = 0; i < PRINCIPAL_PROOF_COUNT; i++) {
        if (!(proofs & 1u << i))
            continue;
        if (out.length > 0)
            buffer_append(&out, TEXT(" or "));
        buffer_append(&out, text_from(names[i]));
    }
    return arena_copy(&exchange->arena, buffer_text(&out));
}

static enum step_result refuse_proof(struct exchange *exchange, enum principal_proof proof)
{
    return exchange_refuse(
        exchange, REFUSAL_PROOF_NOT_ACCEPTED,
        (struct refusal_context){.seen = principal_proof_name(proof),
                                 .detail = caller_name_proofs(exchange, exchange->door->proofs)});
}

/* "Basic": the word in front, where it is one of those that clients know. */
static struct text scheme_of(struct text value)
{
    static const struct text schemes[] = {TEXT_INIT("Basic"),     TEXT_INIT("Digest"),
                                          TEXT_INIT("Negotiate"), TEXT_INIT("Token"),
                                          TEXT_INIT("ApiKey"),    TEXT_INIT("AWS4-HMAC-SHA256")};
    struct text rest = text_trim(value), word = text_split(&rest, ' ');

    for (size_t i = 0; i < ARRAY_LENGTH(schemes); i++) {
        if (text_equal_ignoring_case(word, schemes[i]))
            return schemes[i];
    }
    return text_of(NULL, 0);
}

struct text caller_describe_unread(struct exchange *exchange)
{
    static const struct {
        enum header_id header;
        const char *name;
    } others[] = {{HEADER_X_API_KEY, "x-api-key"},
                  {HEADER_API_KEY, "api-key"},
                  {HEADER_X_GOOG_API_KEY, "x-goog-api-key"}};
    const struct http1_head *head = http_request_head(exchange->request);
    struct text value = text_trim(http1_head_value(head, HEADER_AUTHORIZATION));
    struct text scheme = scheme_of(value);

    if (!text_empty(key_from_authorization(value)))
        return text_of(NULL, 0);
    if (text_equal_ignoring_case(value, TEXT("Bearer")))
        return TEXT("Authorization has the word Bearer with nothing behind it");
    if (!text_empty(scheme))
        return arena_format(&exchange->arena,
                            "Authorization was sent with the scheme %.*s, and only Bearer is read",
                            TEXT_ARG(scheme));
    if (!text_empty(value))
        return TEXT("Authorization was sent without the word Bearer in front");
    for (size_t i = 0; i < ARRAY_LENGTH(others); i++) {
        if (!text_empty(http1_head_value(head, others[i].header)))
            return arena_format(&exchange->arena,
                                "The header %s was sent, and only Authorization is read",
                                others[i].name);
    }
    return text_of(NULL, 0);
}

/* Nothing was sent to a listener that takes no keys, or nothing in a form that is read. */
static enum step_result refuse_nothing(struct exchange *exchange)
{
    struct text detail = caller_describe_unread(exchange);

    return exchange_refuse(exchange, REFUSAL_TOKEN_MISSING,
                           (struct refusal_context){.detail = detail});
}

/* The SDKs insist on a key: this word in its place stands for none. */
static bool is_nothing(struct text sent)
{
    return text_empty(sent) || text_equal(sent, TEXT("certificate"));
}

/* Who wants a key in exchange for a token may have it in the body, as RFC 8693 does: then he is
 * asked for when that has come (exchange/token_exchange.c). */
static bool may_say_later(const struct exchange *exchange, struct text sent)
{
    return exchange->match.endpoint->kind == ENDPOINT_TOKEN && is_nothing(sent);
}

enum step_result identify_step(struct exchange *exchange)
{
    const struct http1_head *head = http_request_head(exchange->request);
    struct text sent = key_from_authorization(http1_head_value(head, HEADER_AUTHORIZATION));
    bool again =
        exchange->caller_waits_until > 0; /* it has waited for keys, and was judged before */

    if (exchange->door->network_rules && !again &&
        networks_judge_listener(exchange, key_visible_part(sent)) == STEP_END) {
        /* For the record: whether a rule cuts off somebody who used to get through. */
        caller_note_key(exchange, sent);
        return STEP_END;
    }
    if (may_say_later(exchange, sent))
        return STEP_NEXT;
    return identify_caller(exchange, sent);
}

enum step_result identify_caller(struct exchange *exchange, struct text sent)
{
    uint32_t proofs = exchange->door->proofs;

    if (jwt_is_meant(sent) && exchange->upstreams->config->issuer_count > 0)
        return proofs & 1u << PRINCIPAL_TOKEN ? caller_by_token(exchange, sent)
                                              : refuse_proof(exchange, PRINCIPAL_TOKEN);
    if (proofs & 1u << PRINCIPAL_CERTIFICATE && is_nothing(sent))
        return caller_by_certificate(exchange);
    if (proofs & 1u << PRINCIPAL_KEY)
        return caller_by_key(exchange, sent);
    return text_empty(sent) ? refuse_nothing(exchange) : refuse_proof(exchange, PRINCIPAL_KEY);
}
