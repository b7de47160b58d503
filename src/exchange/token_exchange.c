/* The control thread makes the key and writes it down (control/key_exchange.h); the call waits for
 * that as it does for whatever may block. */
#include "exchange/token_exchange.h"

#include "base/clock.h"
#include "codec/json.h"
#include "exchange/caller.h"
#include "identity/caller_rules.h"
#include "identity/token_request.h"

#define ANSWER_MAXIMUM 2048u
/* As long as any call may have to wait for the first key of a principal to end: an hour is not
 * worth a header. */
#define RETRY_AFTER_MAX (60 * NANOSECONDS_PER_SECOND)

struct key_wait {
    struct exchange *exchange; /* NULL: nobody waits any more */
    bool told;
    enum key_outcome outcome;
    uint64_t expires_at, most, first_end;
    struct text id; /* in the exchange's arena */
};

void token_exchange_forget(struct exchange *exchange)
{
    struct key_wait *wait = exchange->key_wait;

    if (!wait)
        return;
    wait->exchange = NULL;
    if (wait->told)
        free(wait);
    exchange->key_wait = NULL;
}

/* ---- who calls ---- */

static enum step_result refuse_request(struct exchange *exchange,
                                       const struct token_request *request, enum error error)
{
    if (error == ERROR_MEMORY)
        return exchange_refuse(
            exchange, REFUSAL_MEMORY_LIMIT,
            (struct refusal_context){.limit = exchange->upstreams->config->limits.exchange_memory});
    struct text param = request->param;
    struct text detail = arena_format(&exchange->arena, "%.*s%s%s", TEXT_ARG(param),
                                      param.length > 0 ? ": " : "", request->problem);
    return exchange_refuse(exchange, REFUSAL_EXCHANGE_INVALID,
                           (struct refusal_context){.detail = detail, .param = param});
}

static bool read_request(struct exchange *exchange, struct token_request *request,
                         enum step_result *refused)
{
    enum error error = token_request_read(buffer_text(&exchange->body), exchange->body_urlencoded,
                                          &exchange->arena, request);

    if (error)
        *refused = refuse_request(exchange, request, error);
    return error == ERROR_OK;
}

/* By the body's token, else by the certificate. */
static enum step_result find_caller(struct exchange *exchange, struct text token)
{
    bool certificates = exchange->door->proofs & 1u << PRINCIPAL_CERTIFICATE;
    uint32_t proofs = exchange->door->proofs & ~(1u << PRINCIPAL_KEY);

    if (text_empty(token) && !certificates)
        return exchange_refuse(
            exchange, REFUSAL_EXCHANGE_NOTHING,
            (struct refusal_context){.detail = caller_name_proofs(exchange, proofs)});
    return identify_caller(exchange, token);
}

/* The token that was sent twice must be one. */
static enum step_result compare_tokens(struct exchange *exchange, struct text token)
{
    const struct http1_head *head = http_request_head(exchange->request);
    struct text sent = key_from_authorization(http1_head_value(head, HEADER_AUTHORIZATION));

    if (text_empty(token) || text_equal(token, sent))
        return STEP_NEXT;
    return exchange_refuse(
        exchange, REFUSAL_EXCHANGE_INVALID,
        (struct refusal_context){
            .param = TEXT("subject_token"),
            .detail = TEXT("subject_token: Authorization has another token, and only one of them "
                           "can be exchanged")});
}

enum step_result token_exchange_identify(struct exchange *exchange)
{
    struct token_request request;
    enum step_result result = STEP_NEXT;

    if (!read_request(exchange, &request, &result))
        return result;
    result = exchange->known ? compare_tokens(exchange, request.subject_token)
                             : find_caller(exchange, request.subject_token);
    if (result != STEP_NEXT)
        return result;
    if (!exchange->caller_rule || exchange->record.exchanged_key.length > 0)
        return exchange_refuse(exchange, REFUSAL_EXCHANGE_OF_KEY,
                               (struct refusal_context){.seen = exchange->caller_rule
                                                                    ? exchange->record.exchanged_key
                                                                    : exchange->key_id});
    if (exchange->caller_rule->keys == 0)
        return exchange_refuse(exchange, REFUSAL_EXCHANGE_OFF,
                               (struct refusal_context){.seen = exchange->record.token_subject});
    return STEP_NEXT;
}

/* ---- asking for the key ---- */

static void on_key(void *ticket, const struct key_answer *answer);

static struct principal *copy_caller(const struct exchange *exchange)
{
    const struct record *record = &exchange->record;
    const struct principal principal = {
        .proof = exchange->proof,
        .id = exchange->key_id,
        .name = record->key_name,
        .team = exchange->team,
        .tags = record->tags,
        .issuer = record->token_issuer,
        .subject = record->token_subject,
        .proof_id = record->token_id,
        .expires_at = exchange->proof_expires,
    };

    return principal_copy(&principal);
}

/* A lifetime that the configuration states may be longer than what is left of a token, which many a
 * platform makes for minutes alone; a certificate is never outlived. */
static uint64_t end_of_proof(const struct exchange *exchange)
{
    bool outlives = exchange->proof == PRINCIPAL_TOKEN && exchange->caller_rule->key_outlives;

    return outlives ? 0 : exchange->proof_expires;
}

static uint64_t lifetime(const struct exchange *exchange, const struct token_request *request)
{
    uint64_t most = exchange->caller_rule->key_lifetime;
    uint64_t wanted = request->expires_in;

    return wanted > 0 && wanted < most / NANOSECONDS_PER_SECOND ? wanted * NANOSECONDS_PER_SECOND
                                                                : most;
}

static enum step_result ask(struct exchange *exchange)
{
    const struct worker_services *services = &exchange->worker->services;
    struct token_request request;
    enum step_result refused;

    if (!read_request(exchange, &request, &refused))
        return refused;
    struct key_wait *wait = calloc(1, sizeof(*wait));
    const struct key_wish wish = {
        .principal = copy_caller(exchange),
        .rule = exchange->caller_rule->code,
        .lifetime = lifetime(exchange, &request),
        .ends_by = end_of_proof(exchange),
        .most = exchange->caller_rule->keys,
    };
    if (!wait || !wish.principal) {
        free(wait);
        free(wish.principal);
        return refuse_request(exchange, &request, ERROR_MEMORY);
    }
    wait->exchange = exchange;
    exchange->key_wait = wait;
    services->exchange_key(services->owner, exchange->worker->loop, &wish, on_key, wait);
    return STEP_WAIT;
}

/* ---- telling it ---- */

/* As RFC 8693 section 2.2.1 has it; what begins at key_id is our own. */
static bool write_key(struct exchange *exchange, const struct key_answer *answer)
{
    struct json_writer json;
    char expires[CLOCK_RFC3339_SIZE];
    uint64_t wall = loop_wall(exchange->worker->loop);
    uint64_t left = answer->expires_at > wall ? answer->expires_at - wall : 0;

    buffer_open(&exchange->page, ANSWER_MAXIMUM);
    json_open(&json, &exchange->page);
    json_begin_object(&json);
    json_member_text(&json, "access_token", answer->key);
    json_member_text(&json, "issued_token_type", TEXT(TOKEN_REQUEST_ACCESS_TOKEN));
    json_member_text(&json, "token_type", TEXT("Bearer"));
    json_member_unsigned(&json, "expires_in", left / NANOSECONDS_PER_SECOND);
    json_member_text(&json, "key_id", answer->id);
    json_member_text(&json, "principal", exchange->key_id);
    json_member_text(&json, "expires_at",
                     text_of(expires, clock_format_rfc3339(answer->expires_at, expires)));
    if (!(exchange->door->proofs & 1u << PRINCIPAL_KEY))
        json_member_text(&json, "notice",
                         TEXT("this address of the gateway takes no keys: use the key at one that "
                              "does, or send the token itself here"));
    json_end_object(&json);
    return json_done(&json);
}

static void on_key(void *ticket, const struct key_answer *answer)
{
    struct key_wait *wait = ticket;
    struct exchange *exchange = wait->exchange;

    if (!exchange) { /* a key that nobody has: it ends by itself */
        free(wait);
        return;
    }
    wait->told = true;
    wait->outcome = answer->outcome;
    wait->most = answer->most;
    wait->first_end = answer->first_end;
    if (answer->outcome == KEY_MADE) {
        exchange->key_given = true;
        wait->id = arena_copy(&exchange->arena, answer->id);
        if (!write_key(exchange, answer))
            wait->outcome = KEY_NO_STORE;
    }
    exchange_resume(exchange);
}

struct outcome_row {
    enum refusal refusal;
    const char *detail;
};

static const struct outcome_row outcomes[] = {
    [KEY_TOO_MANY] = {REFUSAL_EXCHANGE_TOO_MANY, NULL},
    [KEY_ALL_GIVEN] = {REFUSAL_EXCHANGE_ALL_GIVEN, NULL},
    [KEY_BUSY] = {REFUSAL_EXCHANGE_UNAVAILABLE, "too many others ask for one"},
    [KEY_NO_STORE] = {REFUSAL_EXCHANGE_UNAVAILABLE, "the gateway cannot write down whose it is"},
};

static enum step_result refuse_key(struct exchange *exchange, const struct key_wait *wait)
{
    const struct outcome_row *row = &outcomes[wait->outcome];
    uint64_t wall = loop_wall(exchange->worker->loop);
    struct refusal_context context = {.detail = text_from(row->detail), .limit = wait->most};
    char end[CLOCK_RFC3339_SIZE];

    if (wait->outcome == KEY_TOO_MANY)
        context.seen = exchange->key_id;
    if (wait->first_end > wall) {
        uint64_t after = wait->first_end - wall;
        context.detail =
            arena_copy(&exchange->arena, text_of(end, clock_format_rfc3339(wait->first_end, end)));
        context.retry_after = after < RETRY_AFTER_MAX ? after : RETRY_AFTER_MAX;
    }
    return exchange_refuse(exchange, row->refusal, context);
}

enum step_result token_exchange_answer(struct exchange *exchange)
{
    const struct key_wait *wait = exchange->key_wait;

    if (!wait)
        return ask(exchange);
    if (!wait->told)
        return STEP_WAIT;
    if (wait->outcome != KEY_MADE)
        return refuse_key(exchange, wait);
    exchange->record.exchanged_key = wait->id;
    return exchange_answer_uncached(exchange, 200, "application/json",
                                    buffer_text(&exchange->page));
}
