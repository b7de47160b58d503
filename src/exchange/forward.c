/* forward: one attempt after another, while nothing has been relayed; and the caller's streamed
 * body on its way to it.
 *
 * A failed attempt leads to the next target when its request can be sent again: the body is held,
 * or nothing of a streamed body was read. Otherwise, and when no target is left, the caller gets
 * the refusal that the last error stands for. */
#include "base/clock.h"
#include "exchange/attempt.h"

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

/* Another place may do better where the fault is the road to this one; a body that was let go
 * cannot be sent again. */
static bool may_try_next(const struct exchange *exchange)
{
    return exchange->request && exchange->target_next < exchange->target_count &&
           !exchange->answered &&
           (exchange->body_kind == BODY_NONE || exchange->body_kind == BODY_JSON ||
            !exchange->streaming_body);
}

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
    if (exchange->problem_reason.length > 0)
        return exchange_refuse(exchange, REFUSAL_PARAMETER_UNSUPPORTED,
                               (struct refusal_context){.seen = exchange->model,
                                                        .detail = exchange->problem_reason,
                                                        .param = exchange->problem_param});
    if (error == ERROR_UNSUPPORTED)
        return exchange_refuse(exchange, REFUSAL_ENDPOINT_NOT_OFFERED,
                               (struct refusal_context){.seen = exchange->record.path});
    return exchange_refuse(
        exchange, REFUSAL_MEMORY_LIMIT,
        (struct refusal_context){.limit = exchange->upstreams->config->limits.exchange_memory});
}

static enum step_result start_next(struct exchange *exchange)
{
    enum error error = ERROR_UNSUPPORTED;

    if (!exchange->begun) {
        exchange->begun = true;
        metrics_observe(exchange->worker->metrics, METRIC_OVERHEAD,
                        loop_now_exact(exchange->worker->loop) - exchange->started);
        exchange->record.provider = exchange->targets[0].provider->name;
        journal_write_begin(exchange->worker->journal, &exchange->reservation, &exchange->record);
    }
    while (exchange->target_next < exchange->target_count && error != ERROR_OK) {
        error = attempt_start(exchange, &exchange->targets[exchange->target_next++]);
        if (error == ERROR_MEMORY)
            break;
    }
    return error == ERROR_OK ? STEP_WAIT : refuse_start(exchange, error);
}

enum step_result forward_step(struct exchange *exchange)
{
    struct attempt *attempt = exchange->attempt;

    if (!attempt)
        return start_next(exchange);
    switch (attempt->state) {
    case ATTEMPT_WAITING: return STEP_WAIT;
    case ATTEMPT_ANSWERING:
    case ATTEMPT_COMPLETE: return STEP_NEXT;
    case ATTEMPT_FAILED: break;
    }
    if (exchange->abandoned) { /* nobody waits for another target's answer, or for a refusal */
        exchange->ending = ENDING_NONE;
        return STEP_END;
    }
    if (!may_try_next(exchange))
        return refuse_failure(exchange, attempt);
    attempt_close(attempt);
    return start_next(exchange);
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
