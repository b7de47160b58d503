/* forward: one attempt after another, while nothing has been relayed; and the caller's streamed
 * body on its way to it.
 *
 * An attempt that is over without an answer that counts leads to another when the model's rules
 * want that for its class of failure, its request can be sent again (the body is held, or nothing
 * of a streamed body was read), there is a target that may take it, and money and the budget for
 * repetitions are there. All that is decided at once (forward_plan_next), because an answer that is
 * not replaced goes to the caller. When nothing is left he gets that, or the refusal that the last
 * error stands for. */
#include "base/clock.h"
#include "exchange/attempt.h"
#include "exchange/count.h"
#include "exchange/credentials.h"
#include "exchange/failure.h"
#include "exchange/hedge.h"
#include "exchange/left.h"
#include "exchange/mirror.h"
#include "route/choose.h"

struct failure_row {
    enum error error;
    enum refusal refusal;
};

static const struct failure_row failure_rows[] = {
    {ERROR_TLS_HANDSHAKE, REFUSAL_UPSTREAM_TLS},
    {ERROR_TLS_CERTIFICATE, REFUSAL_UPSTREAM_TLS},
    {ERROR_TIMEOUT_NAME, REFUSAL_UPSTREAM_TIMEOUT},
    {ERROR_TIMEOUT_CONNECT, REFUSAL_UPSTREAM_TIMEOUT},
    {ERROR_TIMEOUT_TLS, REFUSAL_UPSTREAM_TIMEOUT},
    {ERROR_TIMEOUT_FIRST_BYTE, REFUSAL_UPSTREAM_TIMEOUT},
    {ERROR_TIMEOUT_IDLE, REFUSAL_UPSTREAM_TIMEOUT},
    {ERROR_TIMEOUT_TOTAL, REFUSAL_UPSTREAM_TIMEOUT},
    {ERROR_TIMEOUT_WRITE, REFUSAL_UPSTREAM_TIMEOUT},
    {ERROR_CLOSED, REFUSAL_UPSTREAM_BROKE_OFF},
    {ERROR_RESET, REFUSAL_UPSTREAM_BROKE_OFF},
    {ERROR_HTTP_TRUNCATED, REFUSAL_UPSTREAM_BROKE_OFF},
    {ERROR_HTTP_SYNTAX, REFUSAL_UPSTREAM_INVALID},
    {ERROR_HTTP_AMBIGUOUS, REFUSAL_UPSTREAM_INVALID},
    {ERROR_HTTP_UNSUPPORTED, REFUSAL_UPSTREAM_INVALID},
    {ERROR_HTTP_HEAD_TOO_LARGE, REFUSAL_UPSTREAM_INVALID},
    {ERROR_UNSUPPORTED, REFUSAL_UPSTREAM_INVALID},
    {ERROR_SYNTAX, REFUSAL_UPSTREAM_INVALID},
    {ERROR_LIMIT, REFUSAL_OVERLOADED},
    {ERROR_MEMORY, REFUSAL_MEMORY_LIMIT},
};

static enum refusal failure_refusal(enum error error)
{
    for (size_t i = 0; i < ARRAY_LENGTH(failure_rows); i++) {
        if (failure_rows[i].error == error)
            return failure_rows[i].refusal;
    }
    return REFUSAL_UPSTREAM_UNREACHABLE;
}

enum refusal forward_refusal(const struct attempt *attempt)
{
    return attempt->credential_refused ? REFUSAL_UPSTREAM_CREDENTIAL
                                       : failure_refusal(attempt->error);
}

/* ---- whether, and where, the call goes on ---- */

/* Of calls that name no model. */
#define RETRY_ON_OTHERS (1u << ROUTE_FAILED_CONNECT | 1u << ROUTE_FAILED_TIMEOUT)
/* Between two tries on one target: twice as long each time, from the first to the last of these,
 * with half of it drawn, so that callers who failed together do not come again together. */
#define PAUSE_FIRST (100 * NANOSECONDS_PER_MILLISECOND)
#define PAUSE_LAST  (2 * NANOSECONDS_PER_SECOND)
/* A target that rests is waited for no longer: the caller can do that himself. */
#define REST_WAITED_FOR (5 * NANOSECONDS_PER_SECOND)

/* A body that was let go cannot be sent again. */
static bool can_send_again(const struct exchange *exchange)
{
    return exchange->request && !exchange->answered && !exchange->abandoned &&
           (exchange->body_kind == BODY_NONE || exchange->body_kind == BODY_JSON ||
            !exchange->streaming_body);
}

static bool may_go_on(const struct exchange *exchange)
{
    return can_send_again(exchange) &&
           (size_t)exchange->record.attempts < exchange->attempts_maximum &&
           loop_now(exchange->worker->loop) < exchange->deadline;
}

bool forward_withholds(const struct attempt *attempt)
{
    const struct exchange *exchange = attempt->exchange;

    if (!exchange->rules || !can_send_again(exchange) ||
        (attempt->out.relay == PROVIDER_RELAY_OPAQUE && attempt->status < 300))
        return false;
    return may_go_on(exchange) || exchange->rival;
}

static bool is_ready(const struct exchange *exchange, size_t index, uint64_t *ready_at)
{
    uint64_t now = loop_now(exchange->worker->loop);

    *ready_at = now;
    return !exchange->rules || route_availability(exchange->rules, exchange->targets[index].place,
                                                  now, ready_at) == ROUTE_IN;
}

static uint64_t draw_pause(struct exchange *exchange)
{
    uint64_t pause = PAUSE_FIRST;

    for (unsigned i = 0; i < exchange->rounds && pause < PAUSE_LAST; i++)
        pause *= 2;
    exchange->rounds++;
    pause = pause < PAUSE_LAST ? pause : PAUSE_LAST;
    return pause / 2 + route_random_below(&exchange->worker->random, pause / 2 + 1);
}

/* The next target in order; behind the last it begins again, after a pause, where that can help. */
static bool find_next(struct exchange *exchange, bool again, size_t *index, uint64_t *pause)
{
    uint64_t now = loop_now(exchange->worker->loop), ready_at, soonest = UINT64_MAX;

    *pause = 0;
    for (size_t i = exchange->target_next; i < exchange->target_count; i++) {
        *index = i;
        if (is_ready(exchange, i, &ready_at))
            return true;
    }
    if (!again || !exchange->rules)
        return false;
    for (size_t i = 0; i < exchange->target_count; i++) {
        if (is_ready(exchange, i, &ready_at)) {
            *index = i;
            *pause = draw_pause(exchange);
            return now + *pause < exchange->deadline;
        }
        if (ready_at < soonest) {
            soonest = ready_at;
            *index = i;
        }
    }
    *pause = soonest - now;
    return *pause <= REST_WAITED_FOR && soonest < exchange->deadline;
}

static bool is_wanted(const struct exchange *exchange, const struct failure *failure)
{
    unsigned on = exchange->route ? exchange->route->rules.retry.on : RETRY_ON_OTHERS;

    return failure->credential || (failure->classed && (on & route_bit(failure->class)));
}

/* The same target would say the same again. */
static bool helps_again(const struct failure *failure)
{
    return !failure->credential && failure->class != ROUTE_FAILED_CONTEXT_LENGTH &&
           failure->class != ROUTE_FAILED_CONTENT_FILTER;
}

static struct route_budget *budget_of(const struct exchange *exchange)
{
    return route_table_model(exchange->upstreams->routes, exchange->route->index)->budget;
}

/* What never left this machine was no load on anybody. */
static bool take_budget(struct exchange *exchange, const struct attempt *attempt)
{
    if (!exchange->rules || attempt->times.sent == 0 ||
        route_budget_take(budget_of(exchange), exchange->rules->retry.budget))
        return true;
    count_retry(exchange, TEXT("budget_exhausted"));
    return false;
}

/* A target that has just been told to rest must be seen as resting. */
static void note_rest(const struct attempt *attempt, const struct failure *failure)
{
    struct route_place *place = attempt->target->place;
    uint64_t now = loop_now(attempt->exchange->worker->loop);

    if (attempt->exchange->rules && place && failure->classed &&
        failure->class == ROUTE_FAILED_RATE_LIMITED)
        route_place_rest(place, now + failure_rest(attempt));
}

static bool plan(struct attempt *attempt)
{
    struct exchange *exchange = attempt->exchange;
    const struct failure failure = failure_find(attempt);
    uint64_t pause;
    size_t index = 0;

    if (can_send_again(exchange) && credentials_switch(attempt)) { /* the same target */
        exchange->target_next = (size_t)(attempt->target - exchange->targets);
        exchange->pause_for = 0;
        return true;
    }
    if (!failure.failed || !is_wanted(exchange, &failure) || !may_go_on(exchange))
        return false;
    note_rest(attempt, &failure);
    if (!find_next(exchange, helps_again(&failure), &index, &pause) ||
        !take_budget(exchange, attempt) || !left_pay(exchange, attempt))
        return false;
    exchange->target_next = index;
    exchange->pause_for = pause;
    count_retry(exchange, failure_name(&failure));
    return true;
}

bool forward_plan_next(struct attempt *attempt)
{
    if (!attempt->decided)
        attempt->exchange->planned = plan(attempt);
    attempt->decided = true;
    return attempt->exchange->planned;
}

/* ---- refusals ---- */

static enum step_result refuse_failure(struct exchange *exchange, struct attempt *attempt)
{
    exchange->record.error = text_from(error_name(attempt->error));
    exchange->record.outcome = RECORD_OUTCOME_FAILED;
    return exchange_refuse(exchange, forward_refusal(attempt),
                           (struct refusal_context){.detail = attempt->detail});
}

static enum step_result refuse_start(struct exchange *exchange, enum error error)
{
    exchange->record.error = text_from(error_name(error));
    if (error == ERROR_REFUSED)
        return credentials_refuse(exchange);
    if (exchange->problem_reason.length > 0)
        return exchange_refuse(exchange, REFUSAL_PARAMETER_UNSUPPORTED,
                               (struct refusal_context){.seen = exchange->model,
                                                        .detail = exchange->problem_reason,
                                                        .param = exchange->problem_param});
    if (error == ERROR_UNSUPPORTED)
        return exchange_refuse(exchange, REFUSAL_ENDPOINT_NOT_OFFERED,
                               (struct refusal_context){.seen = exchange->record.path});
    if (error == ERROR_BUSY) {
        exchange->record.outcome = RECORD_OUTCOME_FAILED;
        return exchange_refuse(exchange, REFUSAL_TARGETS_UNAVAILABLE,
                               (struct refusal_context){.seen = exchange->model,
                                                        .retry_after = NANOSECONDS_PER_SECOND});
    }
    return exchange_refuse(
        exchange, REFUSAL_MEMORY_LIMIT,
        (struct refusal_context){.limit = exchange->upstreams->config->limits.exchange_memory});
}

/* ---- attempts ---- */

static void begin(struct exchange *exchange)
{
    exchange->begun = true;
    if (!exchange->is_mirror)
        metrics_observe(exchange->worker->metrics, METRIC_OVERHEAD,
                        loop_now_exact(exchange->worker->loop) - exchange->started);
    exchange->record.provider = exchange->targets[0].provider->name;
    journal_write_begin(exchange->worker->journal, &exchange->reservation, &exchange->record);
    if (exchange->mirrors)
        mirror_start(exchange);
}

static enum step_result start_next(struct exchange *exchange)
{
    enum error error = ERROR_UNSUPPORTED, first = ERROR_OK;

    if (!exchange->begun)
        begin(exchange);
    while (exchange->target_next < exchange->target_count && error != ERROR_OK) {
        error = attempt_start(exchange, &exchange->targets[exchange->target_next]);
        if (error == ERROR_REFUSED && credentials_wait(exchange))
            return STEP_WAIT;
        exchange->target_next++;
        /* That the others are busy says less than why this one will not do. */
        if (first == ERROR_OK || first == ERROR_BUSY)
            first = error;
        if (error == ERROR_MEMORY)
            break;
    }
    if (error != ERROR_OK)
        return refuse_start(exchange, first);
    hedge_arm(exchange);
    return STEP_WAIT;
}

static void on_pause(void *owner)
{
    struct exchange *exchange = owner;

    exchange->pausing = false;
    exchange_resume(exchange);
}

static enum step_result go_on(struct exchange *exchange, struct attempt *attempt)
{
    attempt_close(attempt);
    exchange->planned = false;
    if (exchange->pause_for == 0)
        return start_next(exchange);
    exchange->pausing = true;
    loop_timer_open(&exchange->pause, on_pause, exchange);
    loop_timer_set(exchange->worker->loop, &exchange->pause, exchange->pause_for);
    return STEP_WAIT;
}

enum step_result forward_step(struct exchange *exchange)
{
    if (exchange->pausing)
        return STEP_WAIT;
    hedge_look(exchange);
    struct attempt *attempt = exchange->attempt;
    if (!attempt)
        return start_next(exchange);
    switch (attempt->state) {
    case ATTEMPT_WAITING:
    case ATTEMPT_WITHHELD: return STEP_WAIT;
    case ATTEMPT_ANSWERING:
    case ATTEMPT_COMPLETE: return STEP_NEXT;
    case ATTEMPT_FAILED: break;
    }
    if (exchange->abandoned) { /* nobody waits for another target's answer, or for a refusal */
        exchange->ending = ENDING_NONE;
        return STEP_END;
    }
    return forward_plan_next(attempt) ? go_on(exchange, attempt)
                                      : refuse_failure(exchange, attempt);
}

/* ---- the streamed body ---- */

/* Sends a piece with its edits; false when the upstream takes no more (the piece is then used up to
 * `piece`). */
static bool send_piece(struct attempt *attempt, struct text *piece)
{
    struct text part;

    while (piece->length > 0) {
        struct splice_cursor before = attempt->cursor;
        struct text rest = *piece;
        if (!splice_cursor_next(&attempt->cursor, piece, &part))
            return true;
        if (!http_call_send(attempt->call, part, false)) {
            attempt->cursor = before;
            *piece = rest;
            return false;
        }
    }
    return true;
}

static void end_body(struct attempt *attempt)
{
    struct text none = text_of(NULL, 0), part;

    while (splice_cursor_next(&attempt->cursor, &none, &part))
        (void)http_call_send(attempt->call, part, false);
    if (!http_call_send(attempt->call, none, true))
        attempt->body_blocked = true; /* on_sendable comes back here */
    else
        attempt->body_sent = true;
}

/* One step of a held body: what a connection's queue takes at once without growing past its high
 * mark. */
#define HELD_STEP CONNECTION_HIGH_MARK

/* True when all that was held has been handed over. */
static bool send_held(struct exchange *exchange, struct attempt *attempt)
{
    while (exchange->body_offset < exchange->body.length) {
        struct text step = text_first(
            text_from_index(buffer_text(&exchange->body), exchange->body_offset), HELD_STEP);
        size_t before = step.length;
        bool all = send_piece(attempt, &step);
        exchange->body_offset += before - step.length;
        if (!all)
            return false;
    }
    buffer_clear(&exchange->body);
    exchange->body_offset = 0;
    return true;
}

/* Held bytes first, then the caller is let go on. */
void forward_pump_body(struct exchange *exchange)
{
    struct attempt *attempt = exchange->attempt;

    if (!attempt || !attempt->call || attempt->body_sent || attempt->state == ATTEMPT_FAILED)
        return;
    exchange->streaming_body = true;
    if (!send_held(exchange, attempt)) {
        attempt->body_blocked = true;
        return;
    }
    if (exchange->body_ended) {
        end_body(attempt);
        return;
    }
    if (exchange->request) {
        http_request_accept_body(exchange->request);
        http_request_resume_body(exchange->request);
    }
}

/* An upload that turns out to be wrong while it is on its way: the provider does not get its end.
 */
static void stop_upload(struct exchange *exchange, enum refusal refusal,
                        struct refusal_context context)
{
    if (!exchange->answered)
        (void)exchange_refuse(exchange, refusal, context);
    exchange_end(exchange, exchange->answered ? ENDING_CUT : ENDING_OWN);
    exchange_resume(exchange);
}

void forward_take_body(struct exchange *exchange, struct text bytes)
{
    struct attempt *attempt = exchange->attempt;
    const struct config_limits *limits = &exchange->upstreams->config->limits;

    if (exchange->body_seen > limits->upload && exchange->step < STEP_SETTLE) {
        stop_upload(exchange, REFUSAL_BODY_TOO_LARGE,
                    (struct refusal_context){.limit = limits->upload});
        return;
    }
    const char *wrong;
    if (exchange->form_open && exchange->step < STEP_SETTLE &&
        read_scan_form(exchange, bytes, &wrong) != ERROR_OK) {
        stop_upload(exchange, REFUSAL_FORM_INVALID,
                    (struct refusal_context){.detail = text_from(wrong)});
        return;
    }
    if (!attempt || !attempt->call)
        return; /* the answer is already here: what still comes is not wanted */
    bool all = exchange->body.length == 0 && send_piece(attempt, &bytes);
    if (all)
        return;
    attempt->body_blocked = true;
    http_request_pause_body(exchange->request);
    if (!buffer_append(&exchange->body, bytes)) {
        attempt->error = ERROR_MEMORY;
        relay_failed(attempt);
    }
}

void forward_end_body(struct exchange *exchange)
{
    struct attempt *attempt = exchange->attempt;

    if (exchange->form_open && exchange->step < STEP_SETTLE &&
        multipart_finish(&exchange->form) != ERROR_OK) {
        stop_upload(exchange, REFUSAL_FORM_INVALID,
                    (struct refusal_context){.detail = text_from(exchange->form.reason)});
        return;
    }
    if (attempt && attempt->call && !attempt->body_blocked)
        end_body(attempt);
}
