/* left: see left.h. */
#include "exchange/left.h"

#include "base/clock.h"
#include "exchange/bill.h"
#include "exchange/count.h"

static bool open_for(struct exchange *exchange, struct left *left, money amount)
{
    const struct policy_ask ask = {.input = amount};
    struct policy_grant grant;
    struct policy_why why;

    policy_open_extra(&exchange->hold, &exchange->arena, &left->hold);
    if (exchange->hold.reserved &&
        policy_reserve(&left->hold, &ask, &grant, &why) != POLICY_ALLOWED) {
        policy_settle(&left->hold, &(struct policy_actual){.state = POLICY_COST_NONE});
        return false;
    }
    if (journal_reserve(exchange->worker->journal, &left->room,
                        loop_wall(exchange->worker->loop)) != ERROR_OK) {
        policy_settle(&left->hold, &(struct policy_actual){.state = POLICY_COST_NONE});
        return false;
    }
    left->open = true;
    return true;
}

bool left_open(struct exchange *exchange, struct left *left)
{
    return open_for(exchange, left, exchange->grant.amount);
}

void left_close(struct exchange *exchange, struct left *left)
{
    if (!left->open)
        return;
    journal_release(exchange->worker->journal, &left->room);
    policy_settle(&left->hold, &(struct policy_actual){.state = POLICY_COST_NONE});
    left->open = false;
}

/* What is true of the call as a whole stays; what its answer said does not. */
static void describe(struct exchange *exchange, struct attempt *attempt, struct text part,
                     struct record *record)
{
    const struct exchange_target *target = attempt->target;

    *record = exchange->record;
    /* Who looks for calls of a time goes by ids, and this one may have taken long. */
    record->id = identifier_make(record->started_at);
    record->part_of = text_of(exchange->id_text, IDENTIFIER_TEXT_LENGTH);
    record->part = part;
    record->calls = 0;
    record->provider = target->provider->name;
    record->target_model = target->model.length > 0 ? target->model : exchange->model;
    record->finished_at = loop_wall(exchange->worker->loop);
    record->duration = record->forwarded = record->first_token = RECORD_UNKNOWN;
    record->attempts = 1;
    record->attempts_detail = record->refusal = record->object_id = record->observed =
        text_of(NULL, 0);
    record->status = record->bytes_received = record->bytes_sent = RECORD_UNKNOWN;
    record->cost_reserved = record->output_clamp = RECORD_UNKNOWN;
    record->upstream_status = attempt->status ? (int64_t)attempt->status : RECORD_UNKNOWN;
    record->error =
        attempt->error != ERROR_OK ? text_from(error_name(attempt->error)) : text_of(NULL, 0);
    record->outcome = RECORD_OUTCOME_FAILED;
    record->cost_state = record->price_rule = record->units = record->catalog =
        record->price_service = text_of(NULL, 0);
    record->cost = RECORD_UNKNOWN;
}

static void write(struct exchange *exchange, const struct record *record, enum price_basis basis,
                  struct left *left)
{
    journal_write_end(exchange->worker->journal, &left->room, record);
    bill_settle(&left->hold, record, basis);
    left->open = false;
    count_part(exchange->worker->metrics, record,
               exchange->route ? exchange->route->name : text_of(NULL, 0));
}

void left_write(struct exchange *exchange, struct attempt *attempt, struct left *left,
                struct text part)
{
    struct record record;

    if (!left->open)
        return;
    describe(exchange, attempt, part, &record);
    enum price_basis basis = bill_attempt(exchange, attempt, &record);
    attempt->cost = record.cost;
    if (basis == PRICE_NONE)
        left_close(exchange, left);
    else
        write(exchange, &record, basis, left);
}

bool left_pay(struct exchange *exchange, struct attempt *attempt)
{
    struct record record;
    struct left left = {0};

    describe(exchange, attempt, TEXT("retry"), &record);
    enum price_basis basis = bill_attempt(exchange, attempt, &record);
    attempt->cost = basis == PRICE_NONE ? 0 : record.cost;
    if (basis == PRICE_NONE)
        return true;
    money amount = basis == PRICE_UNPRICED ? exchange->grant.amount : (money)record.cost;
    if (!open_for(exchange, &left, amount))
        return false;
    write(exchange, &record, basis, &left);
    return true;
}
