/* attempt: see attempt.h. */
#include "exchange/attempt.h"

#include "base/clock.h"
#include "exchange/count.h"
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
    const struct http1_head *head = http_request_head(exchange->request);

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

    attempt->asked = (struct provider_call){
        .settings = &attempt->upstream->settings,
        .credential = &attempt->upstream->settings.credential,
        .match = &exchange->match,
        .head = http_request_head(exchange->request),
        .envelope = exchange->body_kind == BODY_JSON && exchange->body.length > 0
                        ? &exchange->envelope
                        : NULL,
        .body = buffer_text(&exchange->body),
        .model = attempt->target->model,
        .request_id = text_of(exchange->id_text, IDENTIFIER_TEXT_LENGTH),
        .output_limit = exchange->output_limit,
        .own_rates = exchange->hold.limit_count > 0,
        .arena = &exchange->arena,
    };
    if (provider_translates(attempt->upstream->settings.provider))
        add_for_translator(attempt);
}

/* The request as the provider wants it, and who reads its answer. */
static enum error prepare(struct attempt *attempt, struct http_call_request *request)
{
    if (!open_tools(attempt))
        return ERROR_MEMORY;
    enum error error = write_lines(attempt, &request->headers);
    if (error != ERROR_OK)
        return error;
    attempt->sent_lines = request->headers;
    attempt->sink = (struct provider_sink){.write = relay_sink, .owner = attempt};
    return provider_answer_open(&attempt->asked, &attempt->request, &attempt->sink,
                                &attempt->answer);
}

static void begin(struct attempt *attempt, struct http_call_request *request)
{
    struct exchange *exchange = attempt->exchange;
    const struct exchange_target *target = attempt->target;

    describe_body(attempt, request);
    request->method = attempt->request.method;
    request->target = attempt->request.target;
    request->timeouts = attempt->upstream->timeouts;
    exchange->record.attempts++;
    exchange->record.provider = target->provider->name;
    exchange->record.target_model = target->model.length > 0 ? target->model : exchange->model;
    attempt->call = http_call_start(attempt->upstream->origin, request, &call_events, attempt);
}

enum error attempt_start(struct exchange *exchange, const struct exchange_target *target)
{
    struct attempt *attempt = arena_take_zeroed(&exchange->arena, sizeof(*attempt));
    struct http_call_request request = {0};

    if (!attempt)
        return ERROR_MEMORY;
    attempt->exchange = exchange;
    attempt->target = target;
    attempt->upstream = &exchange->upstreams->rows[target->provider->index];
    describe_call(attempt);
    enum error error = prepare(attempt, &request);
    if (error == ERROR_OK)
        begin(attempt, &request);
    if (attempt->call) {
        exchange->attempt = attempt;
        return ERROR_OK;
    }
    exchange->problem_param = attempt->request.problem_param;
    exchange->problem_reason = attempt->request.problem_reason;
    release(attempt);
    return error == ERROR_OK ? ERROR_MEMORY : error;
}

/* {"provider":"up","model":"m","status":200,"error":null,"ms":12} and what says that the connection
 * was new or lost. */
static void write_detail(struct attempt *attempt)
{
    struct exchange *exchange = attempt->exchange;
    struct buffer *out = &exchange->attempts_detail;
    const struct http_call_times *times = &attempt->times;
    uint64_t ended = loop_now(exchange->worker->loop);
    uint64_t took = ended > times->started ? ended - times->started : 0;

    buffer_append(out, out->length ? TEXT(",{\"provider\":\"") : TEXT("[{\"provider\":\""));
    buffer_append(out, attempt->target->provider->name);
    buffer_append(out, TEXT("\",\"status\":"));
    buffer_append_unsigned(out, attempt->status);
    if (attempt->error == ERROR_OK)
        buffer_append(out, TEXT(",\"error\":null"));
    else
        buffer_append_format(out, ",\"error\":\"%s\"", error_name(attempt->error));
    buffer_append(out, TEXT(",\"ms\":"));
    buffer_append_unsigned(out, took / NANOSECONDS_PER_MILLISECOND);
    buffer_append(out, times->reused ? TEXT(",\"reused\":true") : TEXT(",\"reused\":false"));
    buffer_append(out, times->resent ? TEXT(",\"resent\":true}") : TEXT(",\"resent\":false}"));
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
    record->upstream_status = attempt->status ? (int64_t)attempt->status : RECORD_UNKNOWN;
}

void attempt_note(struct attempt *attempt)
{
    if (attempt->noted)
        return;
    attempt->noted = true;
    if (attempt->call) {
        attempt->times = *http_call_times(attempt->call);
        http_call_cancel(attempt->call);
        attempt->call = NULL;
    }
    note_times(attempt);
    count_attempt(attempt->exchange->worker->metrics, attempt);
    /* One plain attempt says no more than the record's own fields. */
    if (attempt->error != ERROR_OK || attempt->times.resent ||
        attempt->exchange->record.attempts > 1)
        write_detail(attempt);
}

void attempt_close(struct attempt *attempt)
{
    attempt_note(attempt);
    release(attempt);
    attempt->exchange->attempt = NULL;
}
