/* identify: who calls. One way in: a Turnpike key as Bearer token. What the key says is copied,
 * because the key may be replaced while the exchange lives. */
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

/* Where memory for the copies is short the caller must not become somebody else: all or nothing. */
static bool copy_principal(struct exchange *exchange, const struct key *key)
{
    struct arena *arena = &exchange->arena;
    struct record *record = &exchange->record;

    exchange->key_id = arena_copy(arena, key->id);
    exchange->team = arena_copy(arena, key->team);
    record->key_name = arena_copy(arena, key->name);
    record->tags = arena_copy(arena, key->tags);
    record->key_id = exchange->key_id;
    record->team = exchange->team;
    if (!exchange->key_id.data || !exchange->team.data || !record->key_name.data)
        return false;
    exchange->models = key->models;
    return copy_patterns(arena, &exchange->models.allowed, key->models.allowed_count) &&
           copy_patterns(arena, &exchange->models.denied, key->models.denied_count);
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
        (void)copy_principal(exchange, key);
        context.seen = key->id;
        if (refusal == REFUSAL_KEY_EXPIRED)
            context.detail = expiry(exchange, key);
    }
    return exchange_refuse(exchange, refusal, context);
}

enum step_result identify_step(struct exchange *exchange)
{
    const struct worker *worker = exchange->worker;
    const struct http1_head *head = http_request_head(exchange->request);
    struct text sent = key_from_authorization(http1_head_value(head, HEADER_AUTHORIZATION));
    const struct key *key = NULL;

    if (exchange->door->network_rules &&
        networks_judge_listener(exchange, key_visible_part(sent)) == STEP_END)
        return STEP_END;
    enum refusal refusal =
        key_table_identify(worker->keys, worker->key_memory, sent, loop_wall(worker->loop), &key);

    if (refusal != REFUSAL_NONE)
        return refuse_key(exchange, refusal, sent, key);
    if (!copy_principal(exchange, key))
        return exchange_refuse(
            exchange, REFUSAL_MEMORY_LIMIT,
            (struct refusal_context){.limit = exchange->upstreams->config->limits.exchange_memory});
    exchange->known = true;
    return networks_judge_principal(exchange);
}
