/* attempt: see attempt.h. */
#include "exchange/attempt.h"

#include "base/clock.h"
#include "codec/json.h"
#include "exchange/count.h"
#include "exchange/credentials.h"
#include "exchange/failure.h"
#include "exchange/hold.h"

static void on_call_head(void *owner, const struct http1_head *head)
{
    relay_head(owner, head);
}

static void on_call_body(void *owner, struct text bytes, bool last)
{
    struct attempt *attempt = owner;

    if (last) {
        attempt->times = *http_call_times(attempt->call);
        attempt->call = NULL;
    }
    relay_bytes(attempt, bytes, last);
}

static void on_call_flush(void *owner)
{
    relay_flush(owner);
}

static void on_call_failed(void *owner, enum error error, struct text detail)
{
    struct attempt *attempt = owner;

    attempt->times = *http_call_times(attempt->call);
    attempt->call = NULL;
    attempt->error = error;
    attempt->detail = arena_copy(&attempt->exchange->arena, detail);
    relay_failed(attempt);
}

static void on_call_sendable(void *owner)
{
    struct attempt *attempt = owner;

    attempt->body_blocked = false;
    forward_pump_body(attempt->exchange);
}

static const struct http_call_events call_events = {
    .on_head = on_call_head,
    .on_body = on_call_body,
    .on_flush = on_call_flush,
    .on_sendable = on_call_sendable,
    .on_failed = on_call_failed,
};

/* ---- what its target learns ---- */

/* Whether it may go: the breaker lets it, and it counts from now on. */
static bool enter(struct attempt *attempt)
{
    struct exchange *exchange = attempt->exchange;
    struct route_place *place = attempt->target->place;

    if (!place)
        return true;
    attempt->entered_at = loop_now(exchange->worker->loop);
    attempt->pass =
        exchange->rules
            ? route_breaker_enter(&place->breaker, &exchange->rules->breaker, attempt->entered_at)
            : ROUTE_PASS_CALL;
    if (attempt->pass == ROUTE_PASS_REFUSED)
        return false;
    attempt->entered = true;
    atomic_fetch_add_explicit(&place->in_flight, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&place->calls, 1, memory_order_relaxed);
    return true;
}

/* The call itself was never made. */
static void leave_unused(struct attempt *attempt)
{
    struct route_place *place = attempt->target->place;

    if (!attempt->entered)
        return;
    attempt->entered = false;
    atomic_fetch_sub_explicit(&place->in_flight, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&place->calls, 1, memory_order_relaxed);
    route_breaker_forget(&place->breaker, attempt->pass);
}

static void learn(struct attempt *attempt, const struct failure *failure)
{
    struct route_place *place = attempt->target->place;
    const struct http_call_times *times = &attempt->times;
    uint64_t now = loop_now(attempt->exchange->worker->loop);

    if (failure->classed)
        atomic_fetch_add_explicit(&place->failures[failure->class], 1, memory_order_relaxed);
    if (failure->blames)
        route_latency_observe_failure(&place->latency, now - attempt->entered_at, now);
    else if (!failure->failed && times->first_byte > times->sent && times->sent > 0)
        route_latency_observe(&place->latency, times->first_byte - times->sent, now);
}

/* Whether it says anything about the target: a caller who left before an answer does not. */
static bool has_result(const struct attempt *attempt)
{
    return attempt->state == ATTEMPT_FAILED || attempt->status > 0;
}

static void leave(struct attempt *attempt, const struct failure *failure)
{
    struct exchange *exchange = attempt->exchange;
    struct route_place *place = attempt->target->place;
    const struct route_breaker *rules = exchange->rules ? &exchange->rules->breaker : NULL;
    uint64_t now = loop_now(exchange->worker->loop);

    if (!attempt->entered)
        return;
    attempt->entered = false;
    atomic_fetch_sub_explicit(&place->in_flight, 1, memory_order_relaxed);
    if (!has_result(attempt)) {
        route_breaker_forget(&place->breaker, attempt->pass);
        return;
    }
    learn(attempt, failure);
    if (!rules)
        return;
    if (failure->classed && failure->class == ROUTE_FAILED_RATE_LIMITED)
        route_place_rest(place, now + failure_rest(attempt));
    if (failure->blames)
        route_breaker_fail(&place->breaker, rules, attempt->pass, now);
    else
        route_breaker_succeed(&place->breaker, rules, attempt->pass, now);
}

/* ---- withholding ---- */

static void on_patience(void *owner)
{
    struct attempt *attempt = owner;

    relay_patience(attempt);
}

void attempt_release(struct attempt *attempt)
{
    if (attempt->state != ATTEMPT_WITHHELD)
        return;
    attempt->state = ATTEMPT_ANSWERING;
    attempt->part_count = 0;
    if (attempt->held.length > 0)
        attempt->parts[attempt->part_count++] = buffer_text(&attempt->held);
}

/* ---- the request ---- */

/* The provider's header lines and the configured ones, in the arena (they are needed until the
 * answer's head). */
static enum error write_lines(struct attempt *attempt, struct text *lines)
{
    struct exchange *exchange = attempt->exchange;
    struct buffer *scratch = &exchange->worker->lines;

    buffer_clear(scratch);
    enum error error = provider_prepare(&attempt->asked, scratch, &attempt->request);
    if (error != ERROR_OK)
        return error;
    if (scratch->failed)
        return ERROR_MEMORY;
    *lines = arena_copy(&exchange->arena, buffer_text(scratch));
    secret_wipe(scratch->data, scratch->length);
    return lines->data ? ERROR_OK : ERROR_MEMORY;
}

static void describe_body(struct attempt *attempt, struct http_call_request *request)
{
    struct exchange *exchange = attempt->exchange;
    const struct http1_head *head = exchange_head(exchange);

    if (exchange->body_kind == BODY_NONE) {
        request->held = true;
    } else if (exchange->body_kind == BODY_JSON) {
        request->held = true;
        request->body = attempt->body_parts;
        if (attempt->request.translated) {
            attempt->body_parts[0] = buffer_text(&attempt->request.body);
            request->body_count = 1;
            return;
        }
        request->body_count = splices_apply(&attempt->request.edits, buffer_text(&exchange->body),
                                            attempt->body_parts);
    } else {
        if (attempt->target->model.length > 0 && exchange->form_model.length > 0)
            splices_add(&attempt->request.edits, exchange->form_model_offset,
                        exchange->form_model.length, attempt->target->model);
        request->has_body = true;
        request->has_length = head->has_content_length;
        if (head->has_content_length)
            request->length = splices_result_length(&attempt->request.edits, head->content_length);
        attempt->cursor = (struct splice_cursor){.splices = &attempt->request.edits};
    }
}

/* What the provider runs for the model is billed by the call, and told by the answer alone. Without
 * memory for counting the call is not made: it would cost more than is seen. */
static bool open_tools(struct attempt *attempt)
{
    struct exchange *exchange = attempt->exchange;

    if (exchange->match.endpoint->kind != ENDPOINT_RESPONSES ||
        exchange->bounds.input != BOUNDS_UNKNOWN)
        return true;
    attempt->tools = arena_take(&exchange->arena, sizeof(*attempt->tools));
    if (attempt->tools)
        tool_calls_open(attempt->tools);
    return attempt->tools != NULL;
}

static void release(struct attempt *attempt)
{
    provider_answer_close(attempt->answer);
    provider_request_close(&attempt->request);
    if (attempt->sent_lines.length > 0) /* its block is used again, by others */
        secret_wipe((char *)(uintptr_t)attempt->sent_lines.data, attempt->sent_lines.length);
}

/* What a translator needs to know beside the request itself. */
static void add_for_translator(struct attempt *attempt)
{
    struct exchange *exchange = attempt->exchange;
    const struct priced_model *model = hold_find_price(exchange, attempt->target);

    attempt->asked.output_largest = model && model->entry ? model->entry->max_output : 0;
    attempt->asked.now = (int64_t)(loop_wall(exchange->worker->loop) / NANOSECONDS_PER_SECOND);
    attempt->asked.body_maximum = exchange->upstreams->config->limits.exchange_memory;
}

static void describe_call(struct attempt *attempt)
{
    struct exchange *exchange = attempt->exchange;
    const struct config_target *row = attempt->target->row;

    attempt->asked = (struct provider_call){
        .settings = &attempt->upstream->settings,
        .credential = exchange->credentials.given,
        .match = &exchange->match,
        .head = exchange_head(exchange),
        .envelope = exchange->body_kind == BODY_JSON && exchange->body.length > 0
                        ? &exchange->envelope
                        : NULL,
        .body = buffer_text(&exchange->body),
        .model = attempt->target->model,
        .drop = row ? row->drop : NULL,
        .drop_count = row ? row->drop_count : 0,
        .request_id = text_of(exchange->id_text, IDENTIFIER_TEXT_LENGTH),
        .output_limit = exchange->output_limit,
        .own_rates = exchange->hold.limit_count > 0,
        .arena = &exchange->arena,
    };
    if (provider_makes_bodies(&attempt->upstream->settings))
        add_for_translator(attempt);
}

/* The request as the provider wants it, and who reads its answer. */
static enum error prepare(struct attempt *attempt, struct http_call_request *request)
{
    if (!open_tools(attempt))
        return ERROR_MEMORY;
    enum error error = write_lines(attempt, &request->headers);
    attempt->asked.credential = NULL; /* its token may be replaced from now on */
    if (error != ERROR_OK)
        return error;
    attempt->sent_lines = request->headers;
    attempt->sink = (struct provider_sink){.write = relay_sink, .owner = attempt};
    return provider_answer_open(&attempt->asked, &attempt->request, &attempt->sink,
                                &attempt->answer);
}

/* The model's own where it has them, and nothing beyond the end of the call as a whole. */
static void set_timeouts(struct attempt *attempt, struct http_timeouts *timeouts)
{
    struct exchange *exchange = attempt->exchange;
    const struct config_model *model = attempt->target->row ? exchange->route : NULL;
    uint64_t now = loop_now(exchange->worker->loop);

    *timeouts = attempt->upstream->timeouts;
    if (!model)
        return;
    const struct route_timeouts *own = &model->rules.timeouts;
    if (own->connect > 0)
        timeouts->connect = timeouts->tls = own->connect;
    if (own->first_token > 0)
        timeouts->first_byte = own->first_token;
    if (own->between_tokens > 0)
        timeouts->idle = own->between_tokens;
    if (exchange->deadline == UINT64_MAX)
        return;
    timeouts->total = exchange->deadline > now ? exchange->deadline - now : 1;
}

static void begin(struct attempt *attempt, struct http_call_request *request)
{
    struct exchange *exchange = attempt->exchange;
    const struct exchange_target *target = attempt->target;

    describe_body(attempt, request);
    request->method = attempt->request.method;
    request->target = attempt->request.target;
    set_timeouts(attempt, &request->timeouts);
    exchange->record.attempts++;
    exchange->record.provider = target->provider->name;
    exchange->record.target_model = target->model.length > 0 ? target->model : exchange->model;
    attempt->call = http_call_start(attempt->upstream->origin, request, &call_events, attempt);
}

enum error attempt_start(struct exchange *exchange, const struct exchange_target *target)
{
    struct attempt *attempt =
        arena_take_zeroed_to(&exchange->arena, sizeof(*attempt), ATTEMPT_ZEROED);
    struct http_call_request request = {0};

    if (!attempt)
        return ERROR_MEMORY;
    attempt->exchange = exchange;
    attempt->target = target;
    attempt->upstream = &exchange->upstreams->rows[target->provider->index];
    attempt->cost = RECORD_UNKNOWN;
    loop_timer_open(&attempt->patience, on_patience, attempt);
    buffer_open(&attempt->held, ATTEMPT_HELD_MAXIMUM);
    if (!credentials_choose(attempt))
        return ERROR_REFUSED;
    if (!enter(attempt)) {
        credentials_report(attempt, PROVIDER_FAILURE_NONE, 0);
        return ERROR_BUSY;
    }
    describe_call(attempt);
    enum error error = prepare(attempt, &request);
    if (error == ERROR_OK)
        begin(attempt, &request);
    if (attempt->call) {
        if (exchange->is_mirror)
            attempt->asked.head = NULL; /* the caller's, who may be gone before the answer comes */
        exchange->attempt = attempt;
        return ERROR_OK;
    }
    exchange->problem_param = attempt->request.problem_param;
    exchange->problem_reason = attempt->request.problem_reason;
    leave_unused(attempt);
    credentials_report(attempt, PROVIDER_FAILURE_NONE, 0);
    release(attempt);
    return error == ERROR_OK ? ERROR_MEMORY : error;
}

/* ---- the record ---- */

/* Room that one attempt takes in the detail at most. */
#define DETAIL_ROOM 512u
#define DETAIL_NAME 128u /* bytes of a model's name that are shown */

static void write_result(struct json_writer *writer, const struct attempt *attempt,
                         const struct failure *failure)
{
    char cost[MONEY_TEXT_SIZE];

    json_member_unsigned(writer, "status", attempt->status);
    json_member_text(writer, "error",
                     attempt->error == ERROR_OK ? text_of(NULL, 0)
                                                : text_from(error_name(attempt->error)));
    if (failure->failed)
        json_member_text(writer, "left", failure_name(failure));
    if (attempt->cost > 0)
        json_member_text(writer, "cost_usd",
                         text_of(cost, money_format_exact((money)attempt->cost, cost)));
}

/* {"provider":"up","model":"m","status":429,"error":null,"left":"rate_limited","ms":12} and what
 * says that the connection was new or lost. Further ones than fit are known by number alone. */
static void write_detail(struct attempt *attempt, const struct failure *failure)
{
    struct exchange *exchange = attempt->exchange;
    struct buffer *out = &exchange->attempts_detail;
    const struct http_call_times *times = &attempt->times;
    const struct exchange_target *target = attempt->target;
    uint64_t ended = loop_now(exchange->worker->loop);
    uint64_t took = ended > times->started ? ended - times->started : 0;
    struct json_writer writer;

    if (out->length + DETAIL_ROOM > out->maximum)
        return;
    buffer_append_char(out, out->length > 0 ? ',' : '[');
    json_open(&writer, out);
    json_begin_object(&writer);
    json_member_text(&writer, "provider", target->provider->name);
    if (target->row && target->model.length > 0)
        json_member_text(&writer, "model", text_first(target->model, DETAIL_NAME));
    write_result(&writer, attempt, failure);
    json_member_unsigned(&writer, "ms", took / NANOSECONDS_PER_MILLISECOND);
    json_member_bool(&writer, "reused", times->reused);
    json_member_bool(&writer, "resent", times->resent);
    json_end_object(&writer);
}

static int64_t span(uint64_t from, uint64_t to)
{
    return from && to >= from ? (int64_t)(to - from) : RECORD_UNKNOWN;
}

static void note_times(struct attempt *attempt)
{
    struct record *record = &attempt->exchange->record;
    const struct http_call_times *times = &attempt->times;
    uint64_t ready = times->secured ? times->secured : times->connected;

    record->connect = times->reused ? 0 : span(times->started, ready);
    record->first_byte = span(times->sent, times->first_byte);
    record->forwarded = span(attempt->exchange->started, times->sent);
    record->upstream_status = attempt->status ? (int64_t)attempt->status : RECORD_UNKNOWN;
}

void attempt_stop(struct attempt *attempt)
{
    loop_timer_clear(attempt->exchange->worker->loop, &attempt->patience);
    if (!attempt->call)
        return;
    attempt->times = *http_call_times(attempt->call);
    http_call_cancel(attempt->call);
    attempt->call = NULL;
}

void attempt_note(struct attempt *attempt)
{
    if (attempt->noted)
        return;
    attempt->noted = true;
    attempt_stop(attempt);
    const struct failure failure = failure_find(attempt);
    leave(attempt, &failure);
    credentials_report_end(attempt);
    note_times(attempt);
    count_attempt(attempt->exchange->worker->metrics, attempt, &failure);
    /* One plain attempt says no more than the record's own fields. */
    if (attempt->error != ERROR_OK || attempt->times.resent ||
        attempt->exchange->record.attempts > 1 || attempt->exchange->planned)
        write_detail(attempt, &failure);
}

void attempt_close(struct attempt *attempt)
{
    attempt_note(attempt);
    release(attempt);
    buffer_close(&attempt->held);
    if (attempt->exchange->attempt == attempt)
        attempt->exchange->attempt = NULL;
}
