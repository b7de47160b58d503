#include "preview/callers.h"

static const struct config_listener *find_listener(const struct config *config, struct text name)
{
    for (size_t i = 0; i < config->listener_count; i++) {
        if (text_equal(config->listeners[i].name, name))
            return &config->listeners[i];
    }
    return NULL;
}

static const struct caller_rules *find_issuer(const struct config *config, struct text issuer)
{
    for (size_t i = 0; i < config->issuer_count; i++) {
        if (text_equal(config->issuers[i].terms.issuer, issuer))
            return &config->issuers[i].terms.rules;
    }
    return NULL;
}

enum match { NO, MAYBE, YES };

/* Of the claims the record has one: the subject of a token. */
static enum match match_rule(const struct caller_rule *rule, bool token, struct text subject)
{
    enum match match = YES;

    for (size_t i = 0; i < rule->claim_count; i++) {
        const struct caller_pair *claim = &rule->claims[i];
        if (!token || !text_equal(claim->name, TEXT("sub")))
            match = MAYBE;
        else if (!text_matches_pattern(subject, claim->value))
            return NO;
    }
    return match;
}

/* The first rule that matches decides, so none behind one that surely does. Where several may, it
 * is the one whose team the caller had. */
static void choose_rule(const struct caller_rules *rules, bool token, const struct record *record,
                        struct callers_finding *out)
{
    const struct caller_rule *only = NULL;
    size_t possible = 0, of_team = 0;
    enum match match = NO;

    for (size_t i = 0; i < rules->count && match != YES; i++) {
        const struct caller_rule *rule = &rules->rows[i];
        match = match_rule(rule, token, record->token_subject);
        if (match == NO)
            continue;
        possible++;
        if (possible == 1 && match == YES) /* nothing else can be meant */
            only = rule;
        if (!text_equal(rule->team, record->team))
            continue;
        if (of_team++ == 0)
            out->rule = rule;
    }
    if (only)
        out->rule = only;
    else if (possible == 0)
        out->refusal = REFUSAL_CALLER_UNKNOWN;
    else if (of_team != 1)
        out->unknown = "which rule of the configuration lets its caller in: his claims were not "
                       "recorded";
    if (out->unknown || out->refusal)
        out->rule = NULL;
}

/* Whether the listener takes what was sent. */
static bool is_taken(const struct config *config, const struct record *record, bool token)
{
    const struct config_listener *listener = find_listener(config, record->listener);
    bool key = record->identified_by.length == 0 || record->exchanged_key.length > 0;
    enum principal_proof proof = key     ? PRINCIPAL_KEY
                                 : token ? PRINCIPAL_TOKEN
                                         : PRINCIPAL_CERTIFICATE;

    return !listener || (listener->proofs & 1u << proof) != 0;
}

void callers_find(const struct config *config, const struct record *record,
                  struct callers_finding *out)
{
    bool token = text_equal(record->identified_by, principal_proof_name(PRINCIPAL_TOKEN));
    bool of_key = record->identified_by.length == 0;

    *out = (struct callers_finding){0};
    if (record->key_id.length == 0) /* he was not known, so nothing here was asked */
        return;
    /* A token that was exchanged has the key in its record too, and was not sent as one. */
    bool exchange = text_equal(record->endpoint, TEXT("/turnpike/v1/token"));
    bool sent_token = token && (exchange || record->exchanged_key.length == 0);
    if (sent_token && config->issuer_count == 0) { /* as of a key, then: exchange/identify.c */
        out->refusal = REFUSAL_KEY_MALFORMED;
        return;
    }
    if (!exchange && !is_taken(config, record, token)) {
        out->refusal = REFUSAL_PROOF_NOT_ACCEPTED;
        return;
    }
    if (of_key)
        return;
    const struct config_listener *listener = find_listener(config, record->listener);
    const struct caller_rules *rules = token      ? find_issuer(config, record->token_issuer)
                                       : listener ? &listener->certificate_callers
                                                  : NULL;
    bool outdated = record->exchanged_key.length > 0 && !exchange;
    if (rules)
        choose_rule(rules, token, record, out);
    else if (token)
        out->refusal = REFUSAL_TOKEN_ISSUER;
    else
        out->unknown = "which listener its client certificate would be shown to";
    if (out->refusal && outdated)
        out->refusal = REFUSAL_EXCHANGED_KEY_OUTDATED;
}
