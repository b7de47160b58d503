/* admit: may this caller do this, and is there room to record it? The first rule that says no
 * decides. */
#include "exchange/exchange.h"
#include "exchange/hold.h"
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

/* Calls whose models stand in a file or in something stored, whatever the body says beside. */
static const struct text works_hidden[] = {
    TEXT_INIT("/batches"),
    TEXT_INIT("/evals"),
    TEXT_INIT("/evals/{id}/runs"),
    TEXT_INIT("/videos/{id}/remix"),
};
/* Calls that work without naming a model. */
static const struct text works_unnamed[] = {
    TEXT_INIT("/moderations"),
    TEXT_INIT("/fine_tuning/jobs"),
};

static bool is_among(struct text pattern, const struct text *patterns, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (text_equal(pattern, patterns[i]))
            return true;
    }
    return false;
}

static bool is_restricted(const struct exchange *exchange)
{
    return model_rules_restrict(&exchange->models) ||
           policy_restricts_models(exchange->worker->policy, exchange->team, exchange->key_id);
}

/* A key with a list of models must not reach others by not naming them. */
static bool hides_model(const struct exchange *exchange)
{
    const struct endpoint *endpoint = exchange->match.endpoint;

    if (endpoint->method != ENDPOINT_POST || !is_restricted(exchange))
        return false;
    if (is_among(endpoint->pattern, works_hidden, ARRAY_LENGTH(works_hidden)))
        return true;
    if (exchange->model.length > 0)
        return false;
    if (endpoint->routing == ENDPOINT_BY_MODEL) /* what it builds on may name one */
        return exchange->body_kind == BODY_JSON && exchange->envelope.reference.length > 0;
    return is_among(endpoint->pattern, works_unnamed, ARRAY_LENGTH(works_unnamed));
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

enum step_result admit_step(struct exchange *exchange)
{
    note_request(exchange);
    if (note_tags(exchange) == STEP_END)
        return STEP_END;
    if (exchange->worker->draining)
        return exchange_refuse(exchange, REFUSAL_DRAINING, (struct refusal_context){0});
    if (exchange->body_kind == BODY_NONE && body_needed(exchange))
        return exchange_refuse(exchange, REFUSAL_BODY_MISSING, (struct refusal_context){0});
    if (exchange->body_kind == BODY_JSON && exchange->body.length == 0 && body_needed(exchange))
        return exchange_refuse(exchange, REFUSAL_BODY_MISSING, (struct refusal_context){0});
    /* The lists of team and organisation are policy_admit's, which says whose they are. */
    if (exchange->model.length > 0 && !model_rules_allow(&exchange->models, exchange->model))
        return exchange_refuse(
            exchange, REFUSAL_MODEL_NOT_ALLOWED,
            (struct refusal_context){.seen = exchange->model, .param = TEXT("model")});
    if (hides_model(exchange))
        return exchange_refuse(exchange, REFUSAL_MODEL_UNSTATED,
                               (struct refusal_context){.seen = exchange->match.endpoint->pattern});
    enum step_result limited = hold_limits(exchange);
    if (limited != STEP_NEXT)
        return limited;
    if (journal_reserve(exchange->worker->journal, &exchange->reservation,
                        loop_wall(exchange->worker->loop)) != ERROR_OK) {
        exchange->unrecorded = true; /* the journal has counted it */
        return exchange_refuse(exchange, REFUSAL_LEDGER_UNAVAILABLE, (struct refusal_context){0});
    }
    exchange->reserved = true;
    return STEP_NEXT;
}
