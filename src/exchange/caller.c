/* caller: see caller.h. Who is let in, and callers with a key. What a key or rule says is copied,
 * because both may be replaced while the exchange lives. */
#include "exchange/caller.h"

#include "base/clock.h"
#include "exchange/networks.h"

static bool copy_patterns(struct arena *arena, const struct text **patterns, size_t count)
{
    if (count == 0)
        return true;
    struct text *copies = arena_take(arena, count * sizeof(*copies));
    if (!copies)
        return false;
    for (size_t i = 0; i < count; i++) {
        copies[i] = arena_copy(arena, (*patterns)[i]);
        if (!copies[i].data)
            return false;
    }
    *patterns = copies;
    return true;
}

/* For the record of calls without a key of somebody's making. */
static void copy_proof(struct exchange *exchange, const struct principal *principal)
{
    struct arena *arena = &exchange->arena;
    struct record *record = &exchange->record;

    record->identified_by = principal_proof_name(principal->proof);
    record->token_issuer = arena_copy(arena, principal->issuer);
    record->token_subject = arena_copy(arena, principal->subject);
    record->token_id = arena_copy(arena, principal->proof_id);
    record->exchanged_key = arena_copy(arena, principal->exchanged_key);
}

/* Where memory for the copies is short the caller must not become somebody else: all or nothing. */
static bool copy_principal(struct exchange *exchange, const struct principal *principal)
{
    struct arena *arena = &exchange->arena;
    struct record *record = &exchange->record;

    exchange->key_id = arena_copy(arena, principal->id);
    exchange->team = arena_copy(arena, principal->team);
    record->key_name = arena_copy(arena, principal->name);
    record->tags = arena_copy(arena, principal->tags);
    record->key_id = exchange->key_id;
    record->team = exchange->team;
    exchange->proof = principal->proof;
    exchange->proof_expires = principal->expires_at;
    exchange->caller_rule = principal->rule;
    if (principal->proof != PRINCIPAL_KEY)
        copy_proof(exchange, principal);
    if (!exchange->key_id.data || !exchange->team.data || !record->key_name.data)
        return false;
    exchange->models = principal->models;
    return copy_patterns(arena, &exchange->models.allowed, principal->models.allowed_count) &&
           copy_patterns(arena, &exchange->models.denied, principal->models.denied_count);
}

void caller_note(struct exchange *exchange, const struct principal *principal)
{
    (void)copy_principal(exchange, principal);
}

enum step_result caller_let_in(struct exchange *exchange, const struct principal *principal)
{
    /* An administrator gives a key to a team that there is; a rule names one, and it may be gone.
     */
    bool homeless = principal->proof != PRINCIPAL_KEY &&
                    !policy_has_team(exchange->worker->policy, principal->team);

    if (!copy_principal(exchange, principal))
        return exchange_refuse(
            exchange, REFUSAL_MEMORY_LIMIT,
            (struct refusal_context){.limit = exchange->upstreams->config->limits.exchange_memory});
    if (homeless)
        return exchange_refuse(exchange, REFUSAL_CALLER_WITHOUT_TEAM,
                               (struct refusal_context){.seen = exchange->record.token_subject});
    exchange->known = true;
    return networks_judge_principal(exchange);
}

/* ---- keys ---- */

/* The rule that let the one in to whom the key was given: it says what he may now, and may be gone.
 */
static const struct caller_rule *find_rule(const struct exchange *exchange,
                                           const struct key_exchanged *exchanged)
{
    const struct config *config = exchange->upstreams->config;
    const struct caller_rule *rule = NULL;

    for (size_t i = 0; i < config->issuer_count && !rule; i++)
        rule = caller_rules_find_code(&config->issuers[i].terms.rules, &exchanged->rule);
    for (size_t i = 0; i < config->listener_count && !rule; i++)
        rule = caller_rules_find_code(&config->listeners[i].certificate_callers, &exchanged->rule);
    return rule;
}

/* As he would be with what he was given the key for, but that the key ends when it ends. */
static struct principal principal_of_exchanged(const struct key *key,
                                               const struct caller_rule *rule)
{
    const struct key_exchanged *exchanged = key->exchanged;

    return (struct principal){
        .proof = exchanged->proof,
        .id = exchanged->principal,
        .name = key->name,
        .team = key->team,
        .tags = key->tags,
        .models = rule ? rule->models : (struct model_rules){.listed = true},
        .issuer = exchanged->issuer,
        .subject = exchanged->subject,
        .proof_id = exchanged->proof_id,
        .expires_at = key->expires_at,
        .exchanged_key = key->id,
        .rule = rule,
    };
}

static struct principal principal_of(const struct exchange *exchange, const struct key *key)
{
    if (key->exchanged)
        return principal_of_exchanged(key, find_rule(exchange, key->exchanged));
    return (struct principal){
        .proof = PRINCIPAL_KEY,
        .id = key->id,
        .name = key->name,
        .team = key->team,
        .tags = key->tags,
        .models = key->models,
        .expires_at = key->expires_at,
    };
}

/* Until when an expired key was good, for its owner: where the key itself still is, its old secret
 * was sent. */
static struct text expiry(struct exchange *exchange, const struct key *key)
{
    char text[CLOCK_RFC3339_SIZE];
    bool expired = key->expires_at > 0 && key->expires_at <= loop_wall(exchange->worker->loop);
    uint64_t until = expired ? key->expires_at : key->previous_until;

    return arena_copy(&exchange->arena, text_of(text, clock_format_rfc3339(until, text)));
}

static enum step_result refuse_key(struct exchange *exchange, enum refusal refusal,
                                   struct text sent, const struct key *key)
{
    struct refusal_context context = {.seen = arena_copy(&exchange->arena, key_visible_part(sent))};

    exchange->record.key_id = context.seen;
    if (key) {
        const struct principal principal = principal_of(exchange, key);
        caller_note(exchange, &principal);
        context.seen = key->id;
        if (refusal == REFUSAL_KEY_EXPIRED)
            context.detail = expiry(exchange, key);
        if (key->exchanged && refusal == REFUSAL_KEY_REVOKED)
            refusal = REFUSAL_EXCHANGED_KEY_REVOKED;
        if (key->exchanged && refusal == REFUSAL_KEY_EXPIRED)
            refusal = REFUSAL_EXCHANGED_KEY_EXPIRED;
    } else if (refusal == REFUSAL_KEY_MISSING) {
        context.detail = caller_describe_unread(exchange);
    }
    return exchange_refuse(exchange, refusal, context);
}

void caller_note_key(struct exchange *exchange, struct text sent)
{
    const struct worker *worker = exchange->worker;
    const struct key *key = NULL;

    if (key_table_identify(worker->keys, worker->key_memory, sent, loop_wall(worker->loop), &key) !=
        REFUSAL_NONE)
        return;
    const struct principal principal = principal_of(exchange, key);
    caller_note(exchange, &principal);
}

enum step_result caller_by_key(struct exchange *exchange, struct text sent)
{
    const struct worker *worker = exchange->worker;
    const struct key *key = NULL;
    enum refusal refusal =
        key_table_identify(worker->keys, worker->key_memory, sent, loop_wall(worker->loop), &key);

    if (refusal != REFUSAL_NONE)
        return refuse_key(exchange, refusal, sent, key);
    const struct principal principal = principal_of(exchange, key);
    if (key->exchanged && !principal.rule)
        return refuse_key(exchange, REFUSAL_EXCHANGED_KEY_OUTDATED, sent, key);
    return caller_let_in(exchange, &principal);
}
