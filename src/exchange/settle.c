/* settle: what happened becomes money and a record; then, and only then, the last bytes go to the
 * caller.
 *
 * Every exchange ends here, once. The reservation made in admit holds the room, so that recording
 * what was served cannot fail; a call refused before that reserves now, and where there is no room
 * the journal counts it. */
#include "base/clock.h"
#include "exchange/bill.h"
#include "exchange/caller.h"
#include "exchange/count.h"
#include "exchange/credentials.h"
#include "exchange/echo.h"
#include "exchange/hedge.h"
#include "exchange/token_exchange.h"

/* Ids that the caller may use from now on: the answer's own, and those it names (a batch's output
 * file). */
static void note_objects(struct exchange *exchange, struct attempt *attempt)
{
    const struct answer_facts *facts = provider_answer_facts(attempt->answer);

    if (attempt->status < 200 || attempt->status > 299)
        return;
    if (!attempt->object_recorded && facts->id.length > 0 &&
        endpoint_makes_object(exchange->match.endpoint, attempt->asked.envelope)) {
        exchange->record.object_id = arena_copy(&exchange->arena, facts->id);
        relay_record_object(exchange, facts->id);
    }
    for (size_t i = 0; i < facts->related_count; i++)
        relay_record_object(exchange, facts->related[i]);
}

static void note_attempt(struct exchange *exchange)
{
    struct attempt *attempt = exchange->attempt;

    if (!attempt)
        return;
    /* A caller who left, or was cut off, leaves an answer without its end: what was seen of it
     * counts. */
    if ((attempt->state == ATTEMPT_ANSWERING || attempt->state == ATTEMPT_WITHHELD) &&
        provider_answer_end(attempt->answer, ERROR_CANCELLED, text_of(NULL, 0), text_of(NULL, 0)) &&
        !provider_answer_facts(attempt->answer)->broken && exchange->ending == ENDING_NONE) {
        /* He left behind the stream's last event, as some clients do: he had all. */
        exchange->record.outcome = RECORD_OUTCOME_SERVED;
        exchange->record.error = text_of(NULL, 0);
    } else if (exchange->record.outcome == RECORD_OUTCOME_CANCELLED &&
               attempt->state == ATTEMPT_ANSWERING && attempt->out.relay == PROVIDER_RELAY_STREAM &&
               provider_answer_facts(attempt->answer)->is_error) {
        /* He left because the provider's error had been told to him, as SDKs do. */
        exchange->record.outcome = RECORD_OUTCOME_FAILED;
    }
    note_objects(exchange, attempt);
    if (exchange->record.outcome == RECORD_OUTCOME_UNKNOWN)
        exchange->record.outcome =
            exchange->ending == ENDING_RELAY ? RECORD_OUTCOME_SERVED : RECORD_OUTCOME_FAILED;
}

static void finish_record(struct exchange *exchange)
{
    struct record *record = &exchange->record;
    struct worker *worker = exchange->worker;
    uint64_t now = loop_now_exact(worker->loop);

    record->duration = (int64_t)(now - exchange->started);
    record->finished_at = record->started_at + (uint64_t)record->duration;
    record->bytes_received = (int64_t)exchange->body_seen;
    if (exchange->ending == ENDING_OWN) {
        record->status = exchange->ending_status;
        record->bytes_sent += (int64_t)exchange->ending_body.length;
    }
    if (exchange->ending == ENDING_RELAY && exchange->request) {
        record->bytes_sent += (int64_t)relay_gathered_length(exchange->attempt);
        if (record->streamed && record->first_token < 0) /* it came in one piece, which goes now */
            record->first_token = record->duration;
    }
    if (exchange->attempts_detail.length > 0) {
        buffer_append_char(&exchange->attempts_detail, ']');
        if (!exchange->attempts_detail.failed)
            record->attempts_detail = buffer_text(&exchange->attempts_detail);
    }
    struct text model = exchange->route ? exchange->route->name : text_of(NULL, 0);
    if (exchange->is_mirror)
        count_part(worker->metrics, record, model);
    else
        count_exchange(worker->metrics, record, model);
}

static void write_record(struct exchange *exchange)
{
    struct journal *journal = exchange->worker->journal;

    if (exchange->unrecorded)
        return;
    if (!exchange->reserved) {
        if (journal_reserve(journal, &exchange->reservation, loop_wall(exchange->worker->loop)) !=
            ERROR_OK)
            return; /* counted by the journal, and recorded as a number when there is room again */
        exchange->reserved = true;
    }
    journal_write_end(journal, &exchange->reservation, &exchange->record);
}

static void send_own(struct exchange *exchange)
{
    if (exchange->answered) { /* a stream of the gateway's own */
        (void)http_request_send(exchange->request, &exchange->ending_body, 1, true);
        exchange->request = NULL;
        return;
    }
    const struct http_answer answer = {
        .status = exchange->ending_status,
        .headers = exchange->ending_lines,
        .has_length = true,
        .length = exchange->ending_body.length,
        .close = exchange->malformed || exchange->body_failed,
    };

    (void)http_request_respond(exchange->request, &answer, &exchange->ending_body, 1, true);
    exchange->request = NULL;
}

static void send_last(struct exchange *exchange)
{
    if (!exchange->request)
        return;
    switch (exchange->ending) {
    case ENDING_OWN: send_own(exchange); break;
    case ENDING_RELAY: relay_send_last(exchange->attempt); break;
    case ENDING_NONE:
    case ENDING_CUT:
        http_request_abort(exchange->request);
        exchange->request = NULL;
        break;
    }
}

static void free_exchange(void *owner)
{
    struct exchange *exchange = owner;
    struct worker *worker = exchange->worker;

    if (exchange->previous)
        exchange->previous->next = exchange->next;
    else
        worker->exchanges = exchange->next;
    if (exchange->next)
        exchange->next->previous = exchange->previous;
    worker->exchange_count--;
    worker->abandoned_count -= exchange->abandoned;
    worker->mirror_count -= exchange->is_mirror;
    metrics_subtract(worker->metrics, METRIC_EXCHANGES, 1);
    if (exchange->stream_counted)
        metrics_subtract(worker->metrics, METRIC_STREAMS, 1);
    if (exchange->form_open)
        multipart_close(&exchange->form);
    buffer_close(&exchange->body);
    if (exchange->key_given)
        secret_wipe(exchange->page.data, exchange->page.length);
    buffer_close(&exchange->page);
    buffer_close(&exchange->attempts_detail);
    upstreams_release(exchange->upstreams);
    struct arena arena = exchange->arena; /* the exchange lies in it */
    arena_close(&arena);
}

enum step_result settle_step(struct exchange *exchange)
{
    loop_timer_clear(exchange->worker->loop, &exchange->pause);
    hedge_drop(exchange);
    struct attempt *attempt = exchange->attempt;
    credentials_forget_wait(exchange);
    caller_forget_wait(exchange);
    echo_close(exchange);
    token_exchange_forget(exchange);
    note_attempt(exchange);
    if (attempt)
        attempt_note(attempt);
    bill_exchange(exchange);
    finish_record(exchange);
    write_record(exchange);
    send_last(exchange);
    if (attempt)
        attempt_close(attempt);
    loop_defer(exchange->worker->loop, &exchange->release, free_exchange, exchange);
    return STEP_NEXT;
}
