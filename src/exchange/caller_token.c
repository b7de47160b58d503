/* caller_token: see caller.h. Callers with a token of an issuer.
 *
 * A token that was let in before is remembered by its worker, so that the next call with it costs
 * what one with a key does. One whose key is not known makes the issuer be asked again, by the
 * thread that does that; the call waits for its answer, for as long as any such call may. */
#include "base/clock.h"
#include "exchange/caller.h"

/* The whole of what a call waits for keys, whatever the number of waits. */
#define WAIT_MAX (5u * NANOSECONDS_PER_SECOND)

/* ---- waiting for keys ---- */

struct caller_wait {
    struct exchange *exchange; /* NULL: nobody waits any more */
};

void caller_forget_wait(struct exchange *exchange)
{
    if (exchange->caller_wait)
        exchange->caller_wait->exchange = NULL;
    exchange->caller_wait = NULL;
}

static void on_keys(void *ticket)
{
    struct caller_wait *wait = ticket;
    struct exchange *exchange = wait->exchange;

    free(wait);
    if (!exchange)
        return;
    exchange->caller_wait = NULL;
    exchange_resume(exchange);
}

/* False when waiting would bring nothing. */
static bool wait_for_keys(struct exchange *exchange, size_t issuer)
{
    const struct worker_services *services = &exchange->worker->services;
    struct loop *loop = exchange->worker->loop;
    uint64_t now = loop_now(loop);

    if (exchange->caller_wait)
        return true;
    if (exchange->caller_waits_until == 0)
        exchange->caller_waits_until = now + WAIT_MAX;
    if (now >= exchange->caller_waits_until ||
        !issuer_keys_want(exchange->upstreams->issuers[issuer].keys, now))
        return false;
    exchange->caller_wait = malloc(sizeof(*exchange->caller_wait));
    if (!exchange->caller_wait)
        return false;
    exchange->caller_wait->exchange = exchange;
    if (!exchange->body_ended)
        http_request_pause_body(exchange->request);
    services->wait_issuer_keys(services->owner, loop, on_keys, exchange->caller_wait);
    return true;
}

/* ---- what is remembered ---- */

/* Whether what a remembered token rests on is still in force. */
static bool is_current(const struct exchange *exchange, const struct token_remembered *remembered)
{
    const struct upstreams *upstreams = exchange->upstreams;
    struct issuer_keys_view view;

    if (remembered->generation != upstreams->config->generation)
        return false;
    const struct token_issuer *issuer = &upstreams->issuers[remembered->row];
    issuer_keys_read(issuer->keys, &view);
    return view.version == remembered->keys_version &&
           loop_wall(exchange->worker->loop) <= view.fetched_at + issuer->terms->keys_good_for;
}

/* ---- the call ---- */

static enum step_result refuse_token(struct exchange *exchange, const struct token_finding *found)
{
    struct refusal_context context = {
        .seen = arena_copy(&exchange->arena, text_from(found->seen)),
        .detail = text_from(found->detail),
    };

    exchange->record.identified_by = principal_proof_name(PRINCIPAL_TOKEN);
    if (found->issuer < exchange->upstreams->config->issuer_count)
        exchange->record.token_issuer =
            arena_copy(&exchange->arena, exchange->upstreams->issuers[found->issuer].terms->issuer);
    if (found->refusal == REFUSAL_CALLER_UNKNOWN) /* genuine: its subject is true */
        exchange->record.token_subject = context.seen;
    if (found->refusal == REFUSAL_TOKEN_KEY_UNKNOWN)
        context.retry_after = ISSUER_KEYS_PAUSE;
    return exchange_refuse(exchange, found->refusal, context);
}

enum step_result caller_by_token(struct exchange *exchange, struct text sent)
{
    struct worker *worker = exchange->worker;
    const struct upstreams *upstreams = exchange->upstreams;
    uint64_t wall = loop_wall(worker->loop);
    const struct siphash_code code = token_memory_code(worker->token_memory, sent);
    const struct token_remembered *remembered =
        token_memory_find(worker->token_memory, &code, wall);
    struct token_finding found;

    if (remembered && is_current(exchange, remembered))
        return caller_let_in(exchange, remembered->principal);
    token_identify(sent, upstreams->issuers, upstreams->config->issuer_count, wall, &found);
    if (found.wants_keys && wait_for_keys(exchange, found.issuer))
        return STEP_WAIT;
    if (found.refusal != REFUSAL_NONE)
        return refuse_token(exchange, &found);
    const struct token_remembered fresh = {
        .code = code,
        .principal = found.principal,
        .generation = upstreams->config->generation,
        .row = found.issuer,
        .keys_version = found.keys_version,
    };
    return caller_let_in(exchange, token_memory_keep(worker->token_memory, &fresh)->principal);
}
