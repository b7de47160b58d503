/* exchange: see exchange.h. The table of steps, the one place where the step moves, and the events
 * that resume it.
 *
 *   RECEIVE -> IDENTIFY -> READ -> ADMIT -> ROUTE -> HOLD -> FORWARD -> RELAY -> SETTLE -> OVER
 *      \________\__________\_______\________\_______\________\________\_______^
 *
 * Invariants:
 *   - `step` is changed by move_to() only, which checks that the move is legal: forward by one, or
 * to SETTLE.
 *   - Every exchange passes through SETTLE exactly once, whatever ended it; the record is in the
 * journal before the last byte is handed to the kernel.
 *   - `request` is used only while not NULL; on_gone clears it before anything else happens.
 *   - The memory goes at the end of the turn (an event may still be on the stack). */
#include "exchange/exchange.h"

#include "base/clock.h"
#include "base/ensure.h"
#include "exchange/attempt.h"
#include "exchange/hold.h"
#include "exchange/knock.h"
#include "exchange/scene.h"

struct step {
    const char *name;
    enum step_result (*run)(struct exchange *exchange);
};

static const struct step steps[STEP_COUNT] = {
    [STEP_RECEIVE] = {"receive", receive_step}, [STEP_IDENTIFY] = {"identify", identify_step},
    [STEP_READ] = {"read", read_step},          [STEP_ADMIT] = {"admit", admit_step},
    [STEP_ROUTE] = {"route", route_step},       [STEP_HOLD] = {"hold", hold_step},
    [STEP_FORWARD] = {"forward", forward_step}, [STEP_RELAY] = {"relay", relay_step},
    [STEP_SETTLE] = {"settle", settle_step},    [STEP_OVER] = {"over", NULL},
};

static void describe(const void *work, char *out, size_t size)
{
    const struct exchange *exchange = work;

    snprintf(out, size, "exchange %.*s in step %s", IDENTIFIER_TEXT_LENGTH, exchange->id_text,
             steps[exchange->step].name);
}

static void move_to(struct exchange *exchange, enum exchange_step step)
{
    ensure(step == exchange->step + 1 || (step == STEP_SETTLE && exchange->step < STEP_SETTLE));
    exchange->step = step;
}

void exchange_resume(struct exchange *exchange)
{
    if (exchange->advancing) {
        exchange->resumed = true;
        return;
    }
    exchange->advancing = true;
    ensure_set_work(describe, exchange);
    while (exchange->step != STEP_OVER) {
        exchange->resumed = false;
        enum step_result result = steps[exchange->step].run(exchange);
        if (result == STEP_END)
            move_to(exchange, STEP_SETTLE);
        else if (result == STEP_NEXT)
            move_to(exchange, exchange->step + 1);
        else if (!exchange->resumed)
            break;
    }
    ensure_set_work(NULL, NULL);
    exchange->advancing = false;
}

void exchange_end(struct exchange *exchange, enum exchange_ending ending)
{
    if (exchange->step >= STEP_SETTLE)
        return;
    exchange->ending = ending;
    move_to(exchange, STEP_SETTLE);
}

/* ---- opening ---- */

static struct exchange *open_exchange(struct worker_door *door, struct http_request *request)
{
    struct worker *worker = door->worker;
    const struct config_limits *limits = &worker->upstreams->config->limits;
    struct arena arena;

    arena_open(&arena, &worker->arena_pool, limits->exchange_memory);
    struct exchange *exchange = arena_take_zeroed_to(&arena, sizeof(*exchange), EXCHANGE_ZEROED);
    if (!exchange)
        return NULL;
    exchange->arena = arena;
    exchange->worker = worker;
    exchange->door = door;
    exchange->request = request;
    exchange->upstreams = upstreams_hold(worker->upstreams);
    exchange->started = loop_now(worker->loop);
    exchange->id = identifier_make(loop_wall(worker->loop));
    identifier_format(exchange->id, exchange->id_text);
    envelope_open(&exchange->envelope, &exchange->arena);
    buffer_open(&exchange->body, limits->json_body);
    buffer_open(&exchange->attempts_detail, EXCHANGE_DETAIL_MAXIMUM);
    record_clear(&exchange->record, exchange->id);
    exchange->record.attempts = 0;
    exchange->record.bytes_sent = 0;
    exchange->next = worker->exchanges;
    if (exchange->next)
        exchange->next->previous = exchange;
    worker->exchanges = exchange;
    worker->exchange_count++;
    metrics_add(worker->metrics, METRIC_EXCHANGES, 1);
    http_request_set_owner(request, exchange);
    return exchange;
}

/* Without memory for an exchange the caller still gets a word, and the connection closes. */
static void refuse_without_memory(struct http_request *request)
{
    static const struct text body = TEXT_INIT(
        "{\"error\":{\"message\":\"The gateway is out of memory. Try again in a moment.\","
        "\"type\":\"server_error\",\"param\":null,\"code\":\"overloaded\"}}");
    const struct http_answer answer = {
        .status = 503,
        .headers = TEXT("content-type: application/json\r\nretry-after: 1\r\n"),
        .has_length = true,
        .length = body.length,
        .close = true,
    };

    (void)http_request_respond(request, &answer, &body, 1, true);
}

static void on_request(void *owner, struct http_request *request)
{
    struct exchange *exchange = open_exchange(owner, request);

    if (!exchange) {
        refuse_without_memory(request);
        return;
    }
    exchange_resume(exchange);
}

/* ---- events of the caller's side ---- */

struct malformed_row {
    enum error error;
    enum refusal refusal;
};

static const struct malformed_row malformed_rows[] = {
    {ERROR_HTTP_HEAD_TOO_LARGE, REFUSAL_HEAD_TOO_LARGE},
    {ERROR_HTTP_BODY_TOO_LARGE, REFUSAL_BODY_TOO_LARGE},
    {ERROR_HTTP_EXPECTATION, REFUSAL_EXPECTATION_UNSUPPORTED},
    {ERROR_TIMEOUT_IDLE, REFUSAL_RECEIVE_TIMEOUT},
    {ERROR_MEMORY, REFUSAL_MEMORY_LIMIT},
};

static enum refusal malformed_refusal(enum error error)
{
    for (size_t i = 0; i < ARRAY_LENGTH(malformed_rows); i++) {
        if (malformed_rows[i].error == error)
            return malformed_rows[i].refusal;
    }
    return REFUSAL_HTTP_MALFORMED;
}

static void refuse_malformed(struct exchange *exchange, enum error error, const char *reason)
{
    struct refusal_context context = {.detail = text_from(reason)};
    enum refusal refusal = malformed_refusal(error);

    if (refusal == REFUSAL_HEAD_TOO_LARGE)
        context.limit = exchange->upstreams->config->limits.head;
    if (refusal == REFUSAL_RECEIVE_TIMEOUT)
        context.limit = exchange->upstreams->config->timeouts.head / NANOSECONDS_PER_SECOND;
    (void)exchange_refuse(exchange, refusal, context);
    move_to(exchange, STEP_SETTLE);
    exchange_resume(exchange);
}

static void on_malformed(void *owner, struct http_request *request, enum error error,
                         const char *reason)
{
    struct exchange *exchange = open_exchange(owner, request);

    if (!exchange) {
        refuse_without_memory(request);
        return;
    }
    exchange->malformed = true;
    receive_note_caller(exchange);
    refuse_malformed(exchange, error, reason);
}

static void on_body(void *owner, struct text bytes)
{
    struct exchange *exchange = owner;

    exchange->body_seen += bytes.length;
    if (exchange->streaming_body)
        forward_take_body(exchange, bytes);
    else if (exchange->step < STEP_SETTLE)
        read_take(exchange, bytes);
}

static char *on_body_room(void *owner, size_t *size)
{
    struct exchange *exchange = owner;

    return exchange->step == STEP_READ && !exchange->streaming_body ? read_room(exchange, size)
                                                                    : NULL;
}

static void on_body_end(void *owner)
{
    struct exchange *exchange = owner;

    exchange->body_ended = true;
    if (exchange->streaming_body)
        forward_end_body(exchange);
    else if (exchange->step < STEP_SETTLE)
        read_end(exchange);
}

static void on_body_failed(void *owner, enum error error, const char *reason)
{
    struct exchange *exchange = owner;

    if (exchange->step >= STEP_SETTLE)
        return;
    exchange->body_failed = true;
    if (exchange->answered) {
        exchange->record.error = text_from(error_name(error));
        exchange->record.outcome = RECORD_OUTCOME_CANCELLED;
        exchange_end(exchange, ENDING_CUT);
        exchange_resume(exchange);
        return;
    }
    refuse_malformed(exchange, error, reason);
}

static void on_drained(void *owner)
{
    relay_caller_drained(owner);
}

static void on_gone(void *owner, enum error error)
{
    struct exchange *exchange = owner;

    exchange->request = NULL;
    if (exchange->step >= STEP_SETTLE)
        return;
    exchange->record.error = text_from(error_name(error));
    exchange->record.outcome = RECORD_OUTCOME_CANCELLED;
    if (relay_abandoned(exchange))
        return;
    route_forget_lookup(exchange);
    models_forget_wait(exchange);
    exchange_end(exchange, ENDING_NONE);
    exchange_resume(exchange);
}

const struct http_server_events exchange_server_events = {
    .on_request = on_request,
    .on_malformed = on_malformed,
    .on_no_tls = knock_on_no_tls,
    .on_body = on_body,
    .on_body_room = on_body_room,
    .on_body_end = on_body_end,
    .on_body_failed = on_body_failed,
    .on_drained = on_drained,
    .on_gone = on_gone,
};

void exchange_cut_all(struct worker *worker)
{
    for (struct exchange *exchange = worker->exchanges, *next; exchange; exchange = next) {
        next = exchange->next;
        if (exchange->step >= STEP_SETTLE)
            continue;
        exchange->record.error = text_from(error_name(ERROR_DRAINING));
        route_forget_lookup(exchange);
        models_forget_wait(exchange);
        if (exchange->answered)
            exchange_end(exchange, ENDING_CUT);
        else if (exchange_refuse(exchange, REFUSAL_DRAINING, (struct refusal_context){0}) ==
                 STEP_END)
            move_to(exchange, STEP_SETTLE);
        exchange_resume(exchange);
    }
}

/* ---- answers of the gateway's own ---- */

/* Where memory has run out the caller gets at least this. */
static const struct text last_resort = TEXT_INIT(
    "{\"error\":{\"message\":\"The call needs more memory than one call may have.\",\"type\":"
    "\"server_error\",\"param\":null,\"code\":\"memory_limit\"}}");

/* Room for the lines that an answer of the gateway's own may have. */
#define OWN_LINES_MAXIMUM 2048u

/* The SDKs wait for as long as retry-after-ms says, and take retry-after where they do not know
 * that. */
static void write_retry(struct buffer *lines, enum refusal_retry retry, uint64_t after)
{
    static const struct text should[] = {
        [RETRY_UNSAID] = TEXT_INIT(""),
        [RETRY_YES] = TEXT_INIT("x-should-retry: true\r\n"),
        [RETRY_NO] = TEXT_INIT("x-should-retry: false\r\n"),
    };
    uint64_t milliseconds = (after + NANOSECONDS_PER_MILLISECOND - 1) / NANOSECONDS_PER_MILLISECOND;

    buffer_append(lines, should[retry]);
    if (after > 0)
        buffer_append_format(lines, "retry-after-ms: %llu\r\nretry-after: %llu\r\n",
                             (unsigned long long)milliseconds,
                             (unsigned long long)(milliseconds + 999) / 1000);
    else if (retry == RETRY_YES)
        buffer_append(lines, TEXT("retry-after: 1\r\n"));
}

static struct text copy_or(struct arena *arena, struct text t, struct text otherwise)
{
    struct text copy = arena_copy(arena, t);

    return copy.data ? copy : otherwise;
}

/* The lines every answer of the gateway's own begins with. */
static struct text own_lines(struct exchange *exchange, const char *content_type, struct text more)
{
    char date[CLOCK_HTTP_SIZE];
    clock_format_http(loop_wall(exchange->worker->loop), date);
    struct text lines =
        arena_format(&exchange->arena, "content-type: %s\r\ndate: %s\r\nx-request-id: %.*s\r\n%.*s",
                     content_type, date, IDENTIFIER_TEXT_LENGTH, exchange->id_text, TEXT_ARG(more));

    return lines.data ? lines : TEXT("content-type: application/json\r\n");
}

enum step_result exchange_refuse(struct exchange *exchange, enum refusal refusal,
                                 struct refusal_context context)
{
    const struct refusal_row *row = refusal_row(refusal);
    char memory[REFUSAL_BODY_MAX];
    struct buffer body = {.data = memory, .capacity = sizeof(memory), .maximum = sizeof(memory)};
    char lines_memory[OWN_LINES_MAXIMUM];
    struct buffer more = {
        .data = lines_memory, .capacity = sizeof(lines_memory), .maximum = sizeof(lines_memory)};

    struct refusal_scene scene;

    scene_describe(exchange, refusal, &scene);
    context.scene = &scene;
    context.request_id = text_of(exchange->id_text, IDENTIFIER_TEXT_LENGTH);
    bool written = refusal_write(&body, refusal, &context);
    if (context.seen.length > 0 && refusal == REFUSAL_METHOD_NOT_ALLOWED)
        buffer_append_format(&more, "allow: %s\r\n", exchange->match.allow);
    write_retry(&more, row->retry, context.retry_after);
    if (exchange->record.attempts == 0) /* nothing was sent: nothing will be used */
        policy_release_tokens(&exchange->hold);
    hold_write_lines(exchange, &more);
    exchange->ending = ENDING_OWN;
    exchange->ending_status = row->status;
    exchange->ending_body =
        written ? copy_or(&exchange->arena, buffer_text(&body), last_resort) : last_resort;
    exchange->ending_lines = own_lines(exchange, "application/json", buffer_text(&more));
    exchange->record.refusal = row->code;
    if (exchange->record.outcome == RECORD_OUTCOME_UNKNOWN)
        exchange->record.outcome = RECORD_OUTCOME_REFUSED;
    return STEP_END;
}

static enum step_result answer(struct exchange *exchange, unsigned status, const char *content_type,
                               struct text body, struct text line)
{
    char lines_memory[OWN_LINES_MAXIMUM];
    struct buffer more = {
        .data = lines_memory, .capacity = sizeof(lines_memory), .maximum = sizeof(lines_memory)};

    buffer_append(&more, line);
    hold_write_lines(exchange, &more);
    exchange->ending = ENDING_OWN;
    exchange->ending_status = status;
    exchange->ending_lines = own_lines(exchange, content_type, buffer_text(&more));
    exchange->ending_body = body;
    exchange->record.outcome = RECORD_OUTCOME_SERVED;
    return STEP_END;
}

enum step_result exchange_answer(struct exchange *exchange, unsigned status,
                                 const char *content_type, struct text body)
{
    return answer(exchange, status, content_type, body, TEXT(""));
}

enum step_result exchange_answer_uncached(struct exchange *exchange, unsigned status,
                                          const char *content_type, struct text body)
{
    return answer(exchange, status, content_type, body, TEXT("cache-control: no-store\r\n"));
}
