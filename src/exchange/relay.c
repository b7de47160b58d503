/* relay: the answer to the caller as it comes.
 *
 * The provider's answer object looks at the bytes in passing and says what goes on; that is
 * gathered until what was read is used up, and goes out in one write with the answer's head where
 * that is still due. The last bytes are not sent here: they wait for settle, because the record
 * comes first.
 *
 * Gathered texts are slices of the loop's read buffer, or copies in the worker's scratch: both live
 * until the flush, which comes before control returns to the loop. */
#include "exchange/attempt.h"
#include "exchange/credentials.h"
#include "exchange/failure.h"
#include "exchange/filtered.h"
#include "exchange/hedge.h"
#include "exchange/hold.h"

#include "base/ensure.h"

static bool in_read_buffer(const struct worker *worker, struct text bytes)
{
    const char *start = loop_read_buffer(worker->loop);

    return bytes.data >= start && bytes.data < start + LOOP_READ_BUFFER_SIZE;
}

/* Frames held back by the provider's answer are not valid for long: copied. */
static struct text make_lasting(struct worker *worker, struct text bytes)
{
    if (in_read_buffer(worker, bytes))
        return bytes;
    char *place = buffer_reserve(&worker->scratch, bytes.length);
    if (!place)
        return text_of(NULL, 0);
    memcpy(place, bytes.data, bytes.length);
    worker->scratch.length += bytes.length;
    return text_of(place, bytes.length);
}

static void send_gathered(struct attempt *attempt, bool last);

static bool scratch_has_room(const struct worker *worker, size_t length)
{
    return length <= worker->scratch.capacity - worker->scratch.length;
}

void relay_sink(void *owner, struct text bytes)
{
    struct attempt *attempt = owner;
    struct worker *worker = attempt->exchange->worker;

    if (bytes.length == 0 || exchange_is_settling(attempt->exchange))
        return;
    if (attempt->state == ATTEMPT_WITHHELD) {
        if (attempt->held.length + bytes.length <= ATTEMPT_HELD_MAXIMUM &&
            buffer_append(&attempt->held, bytes))
            return;
        attempt_release(attempt); /* too much to hold: relay_bytes tells the others */
    }
    bool lasting = in_read_buffer(worker, bytes);
    if (attempt->part_count == ATTEMPT_PARTS_MAXIMUM ||
        (!lasting && !scratch_has_room(worker, bytes.length)))
        send_gathered(attempt, false);
    if (!lasting && !scratch_has_room(worker, bytes.length)) {
        /* A frame larger than the scratch: it goes out by itself, now. */
        attempt->parts[attempt->part_count++] = bytes;
        send_gathered(attempt, false);
        return;
    }
    attempt->parts[attempt->part_count++] = make_lasting(worker, bytes);
}

/* ---- to the caller ---- */

size_t relay_gathered_length(const struct attempt *attempt)
{
    size_t total = 0;

    for (size_t i = 0; i < attempt->part_count; i++)
        total += attempt->parts[i].length;
    return total;
}

/* With the fields that an answer which held its head back knows only now. */
static struct text answer_lines(struct attempt *attempt)
{
    if (attempt->out.late_lines.length == 0)
        return attempt->lines;
    return arena_format(&attempt->exchange->arena, "%.*s%.*s", TEXT_ARG(attempt->lines),
                        TEXT_ARG(attempt->out.late_lines));
}

static bool respond(struct attempt *attempt, bool last)
{
    struct exchange *exchange = attempt->exchange;
    struct http_answer answer = {
        .status = attempt->out.status,
        .headers = answer_lines(attempt),
        .has_length = attempt->has_length,
        .length = attempt->length,
    };

    if (!answer.has_length && last && attempt->out.relay != PROVIDER_RELAY_STREAM) {
        answer.has_length = true;
        answer.length = relay_gathered_length(attempt);
    }
    exchange->answered = true;
    return http_request_respond(exchange->request, &answer, attempt->parts, attempt->part_count,
                                last);
}

/* A stored object's id may be used by the caller as soon as he sees it. */
static void record_object(struct attempt *attempt)
{
    struct exchange *exchange = attempt->exchange;
    const struct answer_facts *facts = provider_answer_facts(attempt->answer);

    if (attempt->object_recorded || facts->id.length == 0 || attempt->status >= 300 ||
        !endpoint_makes_object(exchange->match.endpoint, attempt->asked.envelope))
        return;
    attempt->object_recorded = true;
    exchange->record.object_id = arena_copy(&exchange->arena, facts->id);
    relay_record_object(exchange, facts->id);
}

void relay_record_object(struct exchange *exchange, struct text id)
{
    const struct object object = {
        .id = id,
        .provider = exchange->attempt->target->provider->name,
        .team = exchange->team,
        .key_id = exchange->key_id,
        .kind = exchange->match.endpoint->pattern,
        .created_at = loop_wall(exchange->worker->loop),
    };

    if (journal_write_object(exchange->worker->journal, &exchange->reservation, &object) !=
        ERROR_OK)
        exchange->record.error = TEXT("object_not_recorded");
}

/* Of a stream whose only piece is its last, settle notes when that goes. */
static void note_piece(struct attempt *attempt)
{
    struct exchange *exchange = attempt->exchange;
    struct record *record = &exchange->record;

    record->bytes_sent += (int64_t)relay_gathered_length(attempt);
    if (attempt->part_count > 0 && record->first_token < 0 &&
        attempt->out.relay == PROVIDER_RELAY_STREAM)
        record->first_token = (int64_t)(loop_now(exchange->worker->loop) - exchange->started);
}

/* Everything but the last bytes goes through here; with `last`, from settle. */
static void send_gathered(struct attempt *attempt, bool last)
{
    struct exchange *exchange = attempt->exchange;
    bool sent;
    bool idle = attempt->part_count == 0 && (exchange->answered || attempt->out.held);

    if (!exchange->request || (idle && !last)) {
        attempt->part_count = 0;
        return;
    }
    if (attempt->out.relay == PROVIDER_RELAY_STREAM)
        record_object(attempt);
    if (!last) /* the last bytes are in the record already */
        note_piece(attempt);
    if (!exchange->answered)
        sent = respond(attempt, last);
    else
        sent = http_request_send(exchange->request, attempt->parts, attempt->part_count, last);
    attempt->part_count = 0;
    buffer_clear(&exchange->worker->scratch);
    if (!sent || last)
        exchange->request = NULL;
}

void relay_send_last(struct attempt *attempt)
{
    send_gathered(attempt, true);
}

/* ---- events of the answer ---- */

static void fail(struct attempt *attempt, enum error error, struct text detail)
{
    if (attempt->call) {
        attempt->times = *http_call_times(attempt->call);
        http_call_cancel(attempt->call);
        attempt->call = NULL;
    }
    attempt->error = error;
    attempt->detail = detail;
    relay_failed(attempt);
}

/* The provider refuses the gateway's key, not the caller's; and its message quotes part of the key.
 */
static void refuse_credential(struct attempt *attempt)
{
    attempt->credential_refused = true;
    credentials_report(attempt, PROVIDER_FAILURE_CREDENTIAL, 0);
    fail(attempt, ERROR_REFUSED, TEXT("the provider refused the gateway's credential"));
}

/* The provider has enough of one credential, and another one is ready: the answer is not the
 * caller's. */
static bool switch_limited(struct attempt *attempt)
{
    const struct provider_outcome *outcome = provider_answer_outcome(attempt->answer);

    if ((outcome->failure != PROVIDER_FAILURE_RATE_LIMITED &&
         outcome->failure != PROVIDER_FAILURE_QUOTA) ||
        attempt->exchange->answered || attempt->exchange->streaming_body ||
        !credentials_have_other(attempt))
        return false;
    credentials_report(attempt, outcome->failure, outcome->retry_after);
    fail(attempt, ERROR_REFUSED, TEXT("the provider limits the gateway's credential"));
    return true;
}

/* What the caller gets; of an answer that holds its head back it is final when that goes out. */
static void note_status(struct attempt *attempt)
{
    struct exchange *exchange = attempt->exchange;
    bool streamed = attempt->out.relay == PROVIDER_RELAY_STREAM;

    exchange->record.status = attempt->out.status;
    exchange->record.streamed = streamed;
    if (streamed == exchange->stream_counted)
        return;
    exchange->stream_counted = streamed;
    if (streamed)
        metrics_add(exchange->worker->metrics, METRIC_STREAMS, 1);
    else
        metrics_subtract(exchange->worker->metrics, METRIC_STREAMS, 1);
}

/* A model's name as a field's value: what does not belong there is replaced. */
static void append_visible(struct buffer *lines, struct text name)
{
    for (size_t i = 0; i < name.length; i++) {
        unsigned char c = (unsigned char)name.data[i];
        buffer_append_char(lines, c > ' ' && c < 0x7f ? (char)c : '?');
    }
}

/* From here on it is this attempt's answer that the caller gets. */
static void begin_answer(struct attempt *attempt)
{
    attempt_release(attempt);
    hedge_win(attempt);
    note_status(attempt);
    exchange_resume(attempt->exchange);
}

/* For people who look at an answer: who gave it, and after how many tries. */
static void write_target_lines(const struct attempt *attempt, struct buffer *lines)
{
    const struct exchange_target *target = attempt->target;

    if (!target->row)
        return;
    buffer_append(lines, TEXT("x-turnpike-target: "));
    buffer_append(lines, target->provider->name);
    if (target->model.length > 0) {
        buffer_append_char(lines, '/');
        append_visible(lines, target->model);
    }
    buffer_append(lines, TEXT("\r\nx-turnpike-attempts: "));
    buffer_append_unsigned(lines, (uint64_t)attempt->exchange->record.attempts);
    buffer_append(lines, TEXT("\r\n"));
}

/* A stream's first token has a time-out of its own, where the model says so. */
static void set_patience(struct attempt *attempt)
{
    struct exchange *exchange = attempt->exchange;
    struct loop *loop = exchange->worker->loop;
    uint64_t now = loop_now(loop);
    uint64_t first = attempt->target->row ? exchange->route->rules.timeouts.first_token : 0;
    uint64_t wait = attempt->state == ATTEMPT_WITHHELD ? ATTEMPT_PATIENCE : UINT64_MAX;

    if (attempt->out.relay != PROVIDER_RELAY_STREAM)
        return;
    attempt->token_due = first > 0 ? http_call_times(attempt->call)->sent + first : 0;
    if (attempt->token_due > 0 && attempt->token_due < now + wait)
        wait = attempt->token_due > now ? attempt->token_due - now : 1;
    if (wait != UINT64_MAX)
        loop_timer_set(loop, &attempt->patience, wait);
}

void relay_head(struct attempt *attempt, const struct http1_head *head)
{
    struct exchange *exchange = attempt->exchange;
    struct buffer *lines = &exchange->worker->lines;

    attempt->status = head->status;
    attempt->upstream_request_id =
        arena_copy(&exchange->arena, http1_head_value(head, HEADER_X_REQUEST_ID));
    if (head->status == 401) {
        refuse_credential(attempt);
        return;
    }
    if (head->status >= 300 && head->status < 400 && head->status != 304) {
        /* The SDKs follow: the caller would send the call again, to somewhere else, past the gate.
         */
        fail(attempt, ERROR_HTTP_UNSUPPORTED, TEXT("it redirects to another address"));
        return;
    }
    buffer_clear(lines);
    enum error error = provider_answer_head(attempt->answer, head, lines, &attempt->out);
    if (error == ERROR_OK)
        http1_append_header(lines, TEXT("x-request-id"),
                            text_of(exchange->id_text, IDENTIFIER_TEXT_LENGTH));
    if (attempt->out.request_id.length > 0)
        attempt->upstream_request_id = arena_copy(&exchange->arena, attempt->out.request_id);
    hold_write_lines(exchange, lines);
    write_target_lines(attempt, lines);
    attempt->lines = arena_copy(&exchange->arena, buffer_text(lines));
    if (error != ERROR_OK || lines->failed || !attempt->lines.data) {
        fail(attempt, error == ERROR_OK ? ERROR_MEMORY : error,
             TEXT("its headers cannot be passed on"));
        return;
    }
    if (switch_limited(attempt))
        return;
    attempt->has_length = attempt->out.length_kept && head->has_content_length;
    attempt->length = head->content_length;
    attempt->state = forward_withholds(attempt) ? ATTEMPT_WITHHELD : ATTEMPT_ANSWERING;
    set_patience(attempt);
    if (attempt->state == ATTEMPT_ANSWERING)
        begin_answer(attempt);
}

/* Whether a held call may be read to its end: it has been sent whole, and its end tells what it
 * costs. */
static bool may_finish(const struct exchange *exchange)
{
    const struct attempt *attempt = exchange->attempt;
    const struct worker *worker = exchange->worker;

    return exchange->upstreams->config->abandoned_calls == CONFIG_ABANDONED_FINISH && attempt &&
           attempt->call && exchange->body_kind == BODY_JSON &&
           exchange->match.endpoint->bills == ENDPOINT_BILLS_TOKENS && !worker->draining &&
           worker->abandoned_count < WORKER_ABANDONED_MAXIMUM &&
           (attempt->state == ATTEMPT_WAITING || attempt->state == ATTEMPT_ANSWERING);
}

bool relay_abandoned(struct exchange *exchange)
{
    if (exchange->abandoned)
        return true;
    if (!may_finish(exchange))
        return false;
    struct attempt *attempt = exchange->attempt;
    hedge_drop(exchange);
    exchange->abandoned = true;
    exchange->worker->abandoned_count++;
    attempt->asked.head = NULL; /* the caller's, gone with him */
    if (exchange->record.outcome == RECORD_OUTCOME_UNKNOWN) {
        exchange->record.outcome = RECORD_OUTCOME_CANCELLED;
        exchange->record.error = text_from(error_name(ERROR_LIMIT));
    }
    if (attempt->paused) { /* nobody is there any more to be waited for */
        attempt->paused = false;
        http_call_resume(attempt->call);
    }
    return true;
}

/* The caller is gone, and with him the reason for going on. */
static bool has_left(struct exchange *exchange)
{
    return !exchange->request && !relay_abandoned(exchange);
}

/* The caller took so little that he was cut off while something was sent to him: as if he had left.
 */
static void leave(struct attempt *attempt)
{
    struct exchange *exchange = attempt->exchange;

    exchange->record.error = text_from(error_name(ERROR_LIMIT));
    exchange->record.outcome = RECORD_OUTCOME_CANCELLED;
    exchange_end(exchange, ENDING_NONE);
    exchange_resume(exchange);
}

/* A call whose caller has left stays one that he cancelled. */
static void note_failed(struct exchange *exchange, struct text refusal)
{
    if (exchange->abandoned)
        return;
    exchange->record.refusal = refusal;
    exchange->record.outcome = RECORD_OUTCOME_FAILED;
}

/* Only who has somewhere else to go looks. */
static bool looks_for_filters(const struct attempt *attempt)
{
    const struct config_model *route = attempt->exchange->route;

    return route && (route->rules.retry.on & route_bit(ROUTE_FAILED_CONTENT_FILTER)) &&
           provider_answer_outcome(attempt->answer)->failure == PROVIDER_FAILURE_NONE;
}

/* An answer that was withheld to its end: true when another attempt is made, or under way, in its
 * place. */
static bool is_left(struct attempt *attempt)
{
    struct exchange *exchange = attempt->exchange;

    attempt->filtered =
        looks_for_filters(attempt) &&
        filtered_answer(buffer_text(&attempt->held), attempt->out.relay == PROVIDER_RELAY_STREAM);
    const struct failure failure = failure_find(attempt);
    if (!(failure.failed && exchange->rival) && !forward_plan_next(attempt)) {
        attempt->filtered = false; /* it is the answer: there is no better one */
        return false;
    }
    attempt->state = ATTEMPT_FAILED;
    attempt->part_count = 0;
    exchange_resume(exchange);
    return true;
}

static void complete(struct attempt *attempt)
{
    struct exchange *exchange = attempt->exchange;
    bool withheld = attempt->state == ATTEMPT_WITHHELD;
    bool whole = provider_answer_end(attempt->answer, ERROR_OK, TEXT("upstream_broke_off"),
                                     TEXT("The provider ended its stream before it was complete."));

    if (!exchange->answered &&
        provider_answer_outcome(attempt->answer)->failure == PROVIDER_FAILURE_CREDENTIAL) {
        refuse_credential(attempt);
        return;
    }
    if (switch_limited(attempt))
        return;
    if (provider_answer_facts(attempt->answer)->broken)
        attempt->error = ERROR_HTTP_TRUNCATED;
    if (withheld && is_left(attempt))
        return;
    attempt_release(attempt);
    if (!exchange->answered) {
        hedge_win(attempt);
        note_status(attempt);
    }
    attempt->state = ATTEMPT_COMPLETE;
    exchange->ending = whole ? ENDING_RELAY : ENDING_CUT;
    if (attempt->error == ERROR_HTTP_TRUNCATED) {
        exchange->record.error = text_from(error_name(attempt->error));
        note_failed(exchange, refusal_row(REFUSAL_UPSTREAM_BROKE_OFF)->code);
    }
    exchange_resume(exchange);
}

/* What was withheld and is still coming: does it count by now? */
static void look_at_withheld(struct attempt *attempt)
{
    bool stream = attempt->out.relay == PROVIDER_RELAY_STREAM;

    if (attempt->state == ATTEMPT_ANSWERING ||
        (stream && provider_answer_has_content(attempt->answer))) {
        begin_answer(attempt);
        return;
    }
    if (!stream || !provider_answer_facts(attempt->answer)->is_error)
        return;
    /* An error in the place of an answer: nothing else will come that counts. */
    if (!attempt->exchange->rival && !forward_plan_next(attempt)) {
        begin_answer(attempt);
        return;
    }
    attempt_stop(attempt);
    relay_failed(attempt);
}

void relay_bytes(struct attempt *attempt, struct text bytes, bool last)
{
    bool withheld = attempt->state == ATTEMPT_WITHHELD;

    if (attempt->state != ATTEMPT_ANSWERING && !withheld)
        return;
    if (attempt->tools)
        tool_calls_feed(attempt->tools, bytes);
    enum error error = bytes.length > 0 ? provider_answer_bytes(attempt->answer, bytes) : ERROR_OK;
    if (has_left(attempt->exchange))
        leave(attempt);
    else if (error != ERROR_OK)
        fail(attempt, error, text_from(error_meaning(error)));
    else if (last)
        complete(attempt);
    else if (withheld)
        look_at_withheld(attempt);
}

/* Its time without a token is over: the answer's, or that for withholding it. */
void relay_patience(struct attempt *attempt)
{
    struct exchange *exchange = attempt->exchange;
    uint64_t now = loop_now(exchange->worker->loop);

    if ((attempt->state != ATTEMPT_WITHHELD && attempt->state != ATTEMPT_ANSWERING) ||
        provider_answer_has_content(attempt->answer))
        return;
    if (attempt->token_due > 0 && now >= attempt->token_due) {
        fail(attempt, ERROR_TIMEOUT_FIRST_BYTE, text_from(error_meaning(ERROR_TIMEOUT_FIRST_BYTE)));
        return;
    }
    if (attempt->token_due > 0)
        loop_timer_set(exchange->worker->loop, &attempt->patience, attempt->token_due - now);
    if (attempt->state == ATTEMPT_WITHHELD && !exchange->rival) {
        begin_answer(attempt);
        relay_flush(attempt);
    }
}

void relay_flush(struct attempt *attempt)
{
    struct exchange *exchange = attempt->exchange;

    if (attempt->state != ATTEMPT_ANSWERING)
        return;
    send_gathered(attempt, false);
    if (has_left(exchange))
        leave(attempt);
    else if (exchange->request && http_request_is_congested(exchange->request) && attempt->call) {
        attempt->paused = true;
        http_call_pause(attempt->call);
    }
}

void relay_caller_drained(struct exchange *exchange)
{
    struct attempt *attempt = exchange->attempt;

    if (!attempt || !attempt->paused || !attempt->call)
        return;
    attempt->paused = false;
    http_call_resume(attempt->call);
}

/* Before anything was relayed another attempt may follow; after that the caller is told in the
 * stream, or by a cut. */
void relay_failed(struct attempt *attempt)
{
    struct exchange *exchange = attempt->exchange;

    if (attempt->state == ATTEMPT_FAILED || attempt->state == ATTEMPT_COMPLETE)
        return;
    if (!exchange->answered) {
        /* What it did say may have cost something: the answer is closed for its counts, nothing of
         * it is sent. */
        if (attempt->state == ATTEMPT_ANSWERING || attempt->state == ATTEMPT_WITHHELD)
            (void)provider_answer_end(attempt->answer, ERROR_CANCELLED, text_of(NULL, 0),
                                      text_of(NULL, 0));
        attempt->state = ATTEMPT_FAILED;
        attempt->part_count = 0;
        exchange_resume(exchange);
        return;
    }
    const struct refusal_row *row = refusal_row(forward_refusal(attempt));
    bool told = provider_answer_end(attempt->answer, attempt->error, row->code,
                                    text_from(error_meaning(attempt->error)));
    attempt->state = ATTEMPT_FAILED;
    exchange->record.error = text_from(error_name(attempt->error));
    note_failed(exchange, row->code);
    exchange->ending = told ? ENDING_RELAY : ENDING_CUT;
    exchange_resume(exchange);
}

enum step_result relay_step(struct exchange *exchange)
{
    struct attempt *attempt = exchange->attempt;

    switch (attempt->state) {
    case ATTEMPT_WAITING:
    case ATTEMPT_WITHHELD: break;
    case ATTEMPT_ANSWERING: return STEP_WAIT;
    case ATTEMPT_COMPLETE: return STEP_END;
    case ATTEMPT_FAILED:
        if (exchange->answered)
            return STEP_END;
        /* Its head was here but nothing of it had been sent on: the caller has seen nothing. */
        exchange->record.error = text_from(error_name(attempt->error));
        if (exchange->abandoned) {
            exchange->ending = ENDING_NONE;
            return STEP_END;
        }
        exchange->record.outcome = RECORD_OUTCOME_FAILED;
        return exchange_refuse(exchange, forward_refusal(attempt),
                               (struct refusal_context){.detail = attempt->detail});
    }
    ensure(false); /* relay before an answer */
    return STEP_END;
}
