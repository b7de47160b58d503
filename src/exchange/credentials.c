/* credentials: see credentials.h. */
#include "exchange/credentials.h"

#include "base/clock.h"

/* The whole of what a call waits for tokens, whatever the number of waits. */
#define WAIT_MAX   (12u * NANOSECONDS_PER_SECOND)
#define DETAIL_MAX 1024u

struct credential_wait {
    struct exchange *exchange; /* NULL: nobody waits any more */
};

void credentials_forget_wait(struct exchange *exchange)
{
    if (exchange->credentials.wait)
        exchange->credentials.wait->exchange = NULL;
    exchange->credentials.wait = NULL;
}

static void on_changed(void *ticket)
{
    struct credential_wait *wait = ticket;
    struct exchange *exchange = wait->exchange;

    free(wait);
    if (!exchange)
        return;
    exchange->credentials.wait = NULL;
    exchange_resume(exchange);
}

bool credentials_wait(struct exchange *exchange)
{
    struct exchange_credentials *state = &exchange->credentials;
    const struct worker_services *services = &exchange->worker->services;
    struct loop *loop = exchange->worker->loop;

    if (state->choice != POOL_PENDING)
        return false;
    if (state->wait)
        return true;
    if (state->waits_until == 0)
        state->waits_until = loop_now(loop) + WAIT_MAX;
    if (loop_now(loop) >= state->waits_until)
        return false;
    state->wait = malloc(sizeof(*state->wait));
    if (!state->wait)
        return false;
    state->wait->exchange = exchange;
    services->wait_credential(services->owner, loop, on_changed, state->wait);
    return true;
}

bool credentials_choose(struct attempt *attempt)
{
    struct exchange *exchange = attempt->exchange;
    struct exchange_credentials *state = &exchange->credentials;
    struct upstream *upstream = attempt->upstream;
    struct loop *loop = exchange->worker->loop;

    state->given = &upstream->settings.credential;
    if (!upstream->pool)
        return true;
    if (state->provider != attempt->target->provider) {
        state->provider = attempt->target->provider;
        state->tried.count = 0;
    }
    state->choice =
        credential_pool_choose(upstream->pool, loop_wall(loop), loop_now(loop), &state->tried,
                               &attempt->lease, &state->given, &state->retry_after);
    return state->choice == POOL_CHOSEN;
}

static uint64_t count_tokens(const struct attempt *attempt)
{
    const struct usage *usage;

    if (!attempt->answer)
        return 0;
    usage = &provider_answer_facts(attempt->answer)->usage;
    return (usage->input > 0 ? (uint64_t)usage->input : 0) +
           (usage->output > 0 ? (uint64_t)usage->output : 0);
}

static void report(struct attempt *attempt, enum provider_failure failure, uint64_t retry_after)
{
    const struct pool_report report = {
        .failure = failure, .retry_after = retry_after, .tokens = count_tokens(attempt)};

    credential_pool_report(&attempt->lease, &report, loop_now(attempt->exchange->worker->loop));
}

void credentials_report(struct attempt *attempt, enum provider_failure failure,
                        uint64_t retry_after)
{
    if (attempt->lease.row && failure != PROVIDER_FAILURE_NONE)
        attempt->credential_failed = true;
    report(attempt, failure, retry_after);
}

void credentials_report_end(struct attempt *attempt)
{
    const struct provider_outcome *outcome = provider_answer_outcome(attempt->answer);

    report(attempt, outcome->failure, outcome->retry_after);
}

static bool offers(const struct attempt *attempt, const struct pool_tried *tried)
{
    struct loop *loop = attempt->exchange->worker->loop;

    return attempt->upstream->pool &&
           credential_pool_offers(attempt->upstream->pool, loop_wall(loop), loop_now(loop), tried);
}

bool credentials_have_other(const struct attempt *attempt)
{
    struct pool_tried tried = attempt->exchange->credentials.tried;

    pool_tried_add(&tried, &attempt->lease);
    return tried.count < CREDENTIAL_TRIES_MAX && offers(attempt, &tried);
}

bool credentials_switch(struct attempt *attempt)
{
    struct exchange_credentials *state = &attempt->exchange->credentials;

    if (!attempt->credential_failed || !attempt->upstream->pool)
        return false;
    pool_tried_add(&state->tried, &attempt->lease);
    return state->tried.count < CREDENTIAL_TRIES_MAX && offers(attempt, &state->tried);
}

enum step_result credentials_refuse(struct exchange *exchange)
{
    const struct exchange_credentials *state = &exchange->credentials;
    const struct upstream *upstream = &exchange->upstreams->rows[state->provider->index];
    struct refusal_context context = {0};
    struct buffer detail;

    exchange->record.outcome = RECORD_OUTCOME_FAILED;
    if (state->choice == POOL_LIMITED) {
        context.detail = state->provider->name;
        context.retry_after = state->retry_after;
        return exchange_refuse(exchange, REFUSAL_CREDENTIALS_LIMITED, context);
    }
    buffer_open(&detail, DETAIL_MAX);
    credential_pool_describe(upstream->pool, &detail);
    context.detail = arena_copy(&exchange->arena, buffer_text(&detail));
    buffer_close(&detail);
    return exchange_refuse(exchange, REFUSAL_UPSTREAM_CREDENTIAL, context);
}
