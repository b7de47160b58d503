/* admit: may this caller do this, and is there room to record it? The first rule that says no
 * decides. */
#include "exchange/echo.h"
#include "exchange/hold.h"
#include "exchange/token_exchange.h"
#include "exchange/whoami.h"
#include "openai/tags.h"

bool admit_allows_model(const struct exchange *exchange, struct text model)
{
    return model_rules_allow(&exchange->models, model) &&
           policy_allows_model(exchange->worker->policy, exchange->team, exchange->key_id, model);
}

static void note_request(struct exchange *exchange)
{
    struct record *record = &exchange->record;

    if (exchange->body_kind == BODY_JSON) {
        exchange->model = exchange->envelope.model;
        record->caller_user = exchange->envelope.user;
        record->streamed = exchange->envelope.stream;
    } else {
        exchange->model = exchange->form_model;
    }
    record->model = exchange->model;
}

static bool body_needed(const struct exchange *exchange)
{
    enum endpoint_routing routing = exchange->match.endpoint->routing;

    return routing == ENDPOINT_BY_MODEL || routing == ENDPOINT_BY_FORM_MODEL ||
           routing == ENDPOINT_BY_REFERENCE;
}

/* Tags of the caller's own making: for reports. */
static enum step_result note_tags(struct exchange *exchange)
{
    const struct http1_head *head = http_request_head(exchange->request);
    struct text header = http1_head_value(head, HEADER_X_TURNPIKE_TAGS);
    const char *problem = tags_header_problem(header);
    struct text metadata =
        exchange->body_kind == BODY_JSON ? exchange->envelope.metadata : text_of(NULL, 0);

    if (problem)
        return exchange_refuse(exchange, REFUSAL_TAGS_INVALID,
                               (struct refusal_context){.detail = text_from(problem)});
    exchange->record.request_tags =
        tags_make(header, metadata, &exchange->arena, &exchange->tags_left_out);
    return STEP_NEXT;
}

static enum step_result reserve_record(struct exchange *exchange)
{
    if (journal_reserve(exchange->worker->journal, &exchange->reservation,
                        loop_wall(exchange->worker->loop)) != ERROR_OK) {
        exchange->unrecorded = true; /* the journal has counted it */
        return exchange_refuse(exchange, REFUSAL_LEDGER_UNAVAILABLE, (struct refusal_context){0});
    }
    exchange->reserved = true;
    return STEP_NEXT;
}

/* Asked for as often as a call is. */
static enum step_result admit_token_exchange(struct exchange *exchange)
{
    if (!exchange->reserved) {
        enum step_result result = token_exchange_identify(exchange);
        if (result == STEP_NEXT)
            result = hold_limits(exchange);
        if (result == STEP_NEXT)
            result = reserve_record(exchange);
        if (result != STEP_NEXT)
            return result;
    }
    return token_exchange_answer(exchange);
}

enum step_result admit_step(struct exchange *exchange)
{
    note_request(exchange);
    if (note_tags(exchange) == STEP_END)
        return STEP_END;
    if (exchange->worker->draining)
        return exchange_refuse(exchange, REFUSAL_DRAINING, (struct refusal_context){0});
    if (exchange->match.endpoint->kind == ENDPOINT_TOKEN)
        return admit_token_exchange(exchange);
    if (exchange->match.endpoint->kind == ENDPOINT_WHOAMI)
        return whoami_answer(exchange);
    if (exchange->match.endpoint->kind == ENDPOINT_ECHO)
        return echo_answer(exchange);
    if (exchange->body_kind == BODY_NONE && body_needed(exchange))
        return exchange_refuse(exchange, REFUSAL_BODY_MISSING, (struct refusal_context){0});
    if (exchange->body_kind == BODY_JSON && exchange->body.length == 0 && body_needed(exchange))
        return exchange_refuse(exchange, REFUSAL_BODY_MISSING, (struct refusal_context){0});
    enum step_result limited = hold_limits(exchange);
    if (limited != STEP_NEXT)
        return limited;
    return reserve_record(exchange);
}
