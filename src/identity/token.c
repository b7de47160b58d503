#include "identity/token.h"

#include "base/clock.h"
#include "identity/claims.h"

static void refuse(struct token_finding *out, enum refusal refusal, const char *detail)
{
    out->refusal = refusal;
    out->detail = detail;
}

static void show(struct token_finding *out, struct text text)
{
    (void)text_copy_to(text, out->seen, sizeof out->seen);
}

/* A JWT-SVID may say by its subject alone whose it is (SPIFFE, "JWT-SVID", section 3). */
static bool is_in_domain(struct text subject, struct text domain)
{
    return text_starts_with(domain, TEXT("spiffe://")) && text_starts_with(subject, domain) &&
           subject.length > domain.length && subject.data[domain.length] == '/';
}

static size_t find_issuer(yyjson_val *claims, const struct token_issuer *issuers, size_t count)
{
    struct text issuer = claims_text(claims, TEXT("iss"));
    struct text subject = claims_text(claims, TEXT("sub"));
    bool says = yyjson_obj_get(claims, "iss") != NULL;

    for (size_t i = 0; i < count; i++) {
        struct text configured = issuers[i].terms->issuer;
        if (says ? text_equal(issuer, configured) : is_in_domain(subject, configured))
            return i;
    }
    return count;
}

/* Whether one of its keys has signed the token. */
static bool check_signature(const struct jwt *jwt, const struct token_issuer *issuer, uint64_t wall,
                            struct token_finding *out)
{
    const struct issuer_terms *terms = issuer->terms;
    struct issuer_keys_view view;

    if (!(terms->algorithms & 1u << jwt->algorithm)) {
        show(out, jwt_algorithm_name(jwt->algorithm));
        refuse(out, REFUSAL_TOKEN_SIGNATURE, "its algorithm is not accepted of its issuer");
        return false;
    }
    issuer_keys_read(issuer->keys, &view);
    out->keys_version = view.version;
    if (!view.set || wall > view.fetched_at + terms->keys_good_for) {
        out->wants_keys = true;
        refuse(out, REFUSAL_TOKEN_KEYS_MISSING, NULL);
        return false;
    }
    switch (jwk_set_verify(view.set, jwt)) {
    case JWK_VERIFIED: return true;
    case JWK_UNKNOWN:
        out->wants_keys = true;
        show(out, jwt->key_id);
        refuse(out, REFUSAL_TOKEN_KEY_UNKNOWN, NULL);
        return false;
    case JWK_WRONG: refuse(out, REFUSAL_TOKEN_SIGNATURE, "its signature is wrong"); return false;
    }
    return false;
}

static bool is_for_us(yyjson_val *claims, const struct issuer_terms *terms)
{
    for (size_t i = 0; i < terms->audience_count; i++) {
        if (claims_contain(claims, TEXT("aud"), terms->audiences[i]))
            return true;
    }
    return false;
}

/* For who asks why: the audience as the token has it. */
static void show_audience(yyjson_val *claims, struct token_finding *out)
{
    yyjson_val *audience = yyjson_obj_get(claims, "aud");

    if (yyjson_is_arr(audience))
        audience = yyjson_arr_get_first(audience);
    if (yyjson_is_str(audience))
        show(out, text_of(yyjson_get_str(audience), yyjson_get_len(audience)));
}

static void show_expiry(uint64_t seconds, struct token_finding *out)
{
    char text[CLOCK_RFC3339_SIZE];

    if (seconds < UINT64_MAX / NANOSECONDS_PER_SECOND)
        show(out, text_of(text, clock_format_rfc3339(seconds * NANOSECONDS_PER_SECOND, text)));
}

/* The claims of a token that is genuine. */
static bool check_claims(yyjson_val *claims, const struct issuer_terms *terms, uint64_t wall,
                         uint64_t *expires, struct token_finding *out)
{
    const struct jwt_terms times = {terms->clock_skew / NANOSECONDS_PER_SECOND,
                                    terms->token_lifetime / NANOSECONDS_PER_SECOND};
    const char *detail;
    enum refusal refusal =
        jwt_check_times(claims, &times, wall / NANOSECONDS_PER_SECOND, expires, &detail);

    if (refusal != REFUSAL_NONE) {
        refuse(out, refusal, detail);
        if (refusal == REFUSAL_TOKEN_EXPIRED)
            show_expiry(*expires, out);
        return false;
    }
    if (!is_for_us(claims, terms)) {
        show_audience(claims, out);
        refuse(out, REFUSAL_TOKEN_AUDIENCE,
               out->seen[0] ? NULL : "it has no \"aud\": it does not say for whom it was made");
        return false;
    }
    if (text_empty(claims_text(claims, TEXT("sub")))) {
        refuse(out, REFUSAL_TOKEN_CLAIMS, "it has no \"sub\": it says of nobody who calls");
        return false;
    }
    return true;
}

static void apply_rules(yyjson_val *claims, const struct issuer_terms *terms, uint64_t expires,
                        struct token_finding *out)
{
    const struct caller_rule *rule = caller_rules_find(&terms->rules, claims);
    const struct caller_facts facts = {
        .proof = PRINCIPAL_TOKEN,
        .issuer = terms->issuer,
        .subject = claims_text(claims, TEXT("sub")),
        .proof_id = claims_text(claims, TEXT("jti")),
        .expires_at = expires * NANOSECONDS_PER_SECOND + terms->clock_skew,
    };

    show(out, facts.subject);
    if (!rule) {
        refuse(out, REFUSAL_CALLER_UNKNOWN, NULL);
        return;
    }
    switch (caller_rule_apply(rule, claims, &facts, &out->principal)) {
    case ERROR_OK: break;
    case ERROR_LIMIT:
        refuse(out, REFUSAL_TOKEN_CLAIMS, "its claims make longer tags than a caller may have");
        break;
    default: refuse(out, REFUSAL_MEMORY_LIMIT, NULL);
    }
}

static void examine(const struct jwt *jwt, const struct token_issuer *issuers, size_t count,
                    uint64_t wall, struct token_finding *out)
{
    uint64_t expires;

    out->issuer = find_issuer(jwt->claims, issuers, count);
    if (out->issuer == count) {
        struct text name = claims_text(jwt->claims, TEXT("iss"));
        show(out, name);
        refuse(out, REFUSAL_TOKEN_ISSUER,
               text_empty(name) ? "it has no \"iss\": it does not say who made it" : NULL);
        return;
    }
    const struct token_issuer *issuer = &issuers[out->issuer];
    if (check_signature(jwt, issuer, wall, out) &&
        check_claims(jwt->claims, issuer->terms, wall, &expires, out))
        apply_rules(jwt->claims, issuer->terms, expires, out);
}

void token_identify(struct text token, const struct token_issuer *issuers, size_t count,
                    uint64_t wall, struct token_finding *out)
{
    struct jwt jwt;
    const char *detail = NULL;

    *out = (struct token_finding){.issuer = count};
    enum refusal refusal = jwt_read(token, &jwt, &detail);
    if (refusal == REFUSAL_NONE)
        examine(&jwt, issuers, count, wall, out);
    else
        refuse(out, refusal, detail);
    jwt_close(&jwt);
}
