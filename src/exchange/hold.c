/* hold: what exchanges and the gate tell each other: the call as the gate is asked about it, and
 * what the caller and the record are told of its answer. */
#include "exchange/hold.h"

#include "base/clock.h"

const struct priced_model *hold_find_price(const struct exchange *exchange,
                                           const struct exchange_target *target)
{
    struct text model = target->model.length > 0 ? target->model : exchange->model;

    return price_book_find(exchange->upstreams->book, target->provider->name, model);
}

/* ---- the call, as the gate is asked about it ---- */

static void read_bounds(struct exchange *exchange)
{
    struct bounds *bounds = &exchange->bounds;

    if (exchange->body_kind == BODY_JSON && exchange->body.length > 0)
        bounds_read(&exchange->envelope, exchange->match.endpoint->kind,
                    buffer_text(&exchange->body), &exchange->references, bounds);
    else
        *bounds = (struct bounds){.input = BOUNDS_UNKNOWN, .output = 0, .choices = 1};
}

int64_t hold_body_size(const struct exchange *exchange)
{
    if (exchange->body_kind == BODY_JSON)
        return (int64_t)exchange->body.length; /* of a copy too, which no caller asked for */
    const struct http1_head *head = exchange_head(exchange);
    return head->has_content_length ? (int64_t)head->content_length
                                    : (int64_t)exchange->upstreams->config->limits.upload;
}

void hold_describe(const struct exchange *exchange, struct gate_call *call)
{
    const struct caller_rule *rule = exchange->caller_rule;
    bool json = exchange->body_kind == BODY_JSON;
    struct text tier = json ? exchange->envelope.service_tier : text_of(NULL, 0);

    *call = (struct gate_call){
        .team = exchange->team,
        .key = exchange->key_id,
        .tags = exchange->record.tags,
        .models = &exchange->models,
        .endpoint = exchange->match.endpoint,
        .model = exchange->model,
        .has_reference = json && exchange->envelope.reference.length > 0,
        .bounds = exchange->bounds,
        .body_size = hold_body_size(exchange),
        .unsized = !json && exchange->body_kind != BODY_NONE &&
                   !exchange_head(exchange)->has_content_length,
        .paid_later = json && exchange->envelope.background,
        .any_service = tier.length > 0 && !text_equal(tier, TEXT("default")) &&
                       !text_equal(tier, TEXT("flex")),
        .own_limits = rule ? rule->limits : NULL,
        .own_limit_count = rule ? rule->limit_count : 0,
        .wall = exchange->record.started_at,
        .now = loop_now(exchange->worker->loop),
    };
    if (exchange->bounds.input == BOUNDS_UNKNOWN)
        call->tools = gate_find_tools(buffer_text(&exchange->body));
}

static void note_words(struct exchange *exchange, const struct gate_call *call)
{
    char words[GATE_ASKED_SIZE];
    size_t length = gate_write_asked(call, words);

    if (length > 0)
        exchange->record.asked = arena_copy(&exchange->arena, text_of(words, length));
}

/* For `turnpike preview`, which asks the gate again. */
static void note_asked(struct exchange *exchange, const struct gate_call *call)
{
    struct record *record = &exchange->record;

    record->admitted = (int64_t)(call->now - exchange->started);
    record->asked_input =
        call->bounds.input == BOUNDS_UNKNOWN ? RECORD_UNKNOWN : call->bounds.input;
    record->asked_output =
        call->bounds.output == BOUNDS_UNKNOWN ? RECORD_UNKNOWN : call->bounds.output;
    note_words(exchange, call);
}

void hold_note_needs(struct exchange *exchange, unsigned needs)
{
    struct gate_call call;

    hold_describe(exchange, &call);
    call.needs_known = true;
    call.needs = needs;
    note_words(exchange, &call);
}

/* ---- what is refused ---- */

/* "team search", "key tpk_…", "the organisation". */
static struct text describe_subject(struct exchange *exchange, const struct policy_subject *subject)
{
    if (subject->scope == POLICY_ORGANISATION)
        return TEXT("the organisation");
    if (subject->scope == POLICY_TAG)
        return arena_format(&exchange->arena, "tag %.*s=%.*s", TEXT_ARG(subject->name),
                            TEXT_ARG(subject->value));
    return arena_format(&exchange->arena, "%s %.*s", policy_scope_name(subject->scope),
                        TEXT_ARG(subject->name));
}

static const char *limit_kind_words(enum policy_limit_kind kind)
{
    switch (kind) {
    case POLICY_INPUT_TOKENS: return "input tokens";
    case POLICY_OUTPUT_TOKENS: return "output tokens";
    default: return policy_limit_kind_name(kind);
    }
}

static struct text describe_limit(struct exchange *exchange, const struct policy_why *why)
{
    struct text subject = describe_subject(exchange, &why->subject);
    char window[HOLD_SPAN_SIZE];

    if (why->kind == POLICY_CONCURRENT)
        return arena_format(&exchange->arena, "%.*s may have %lld call%s at a time, limit %.*s",
                            TEXT_ARG(subject), (long long)why->amount, why->amount == 1 ? "" : "s",
                            TEXT_ARG(why->id));
    hold_write_span(why->window, window);
    struct text held =
        why->held > 0
            ? arena_format(&exchange->arena, ", %lld held by calls under way", (long long)why->held)
            : TEXT("");
    return arena_format(&exchange->arena,
                        "%.*s may use %lld %s in %s, %lld are left%.*s, and this call wants %lld "
                        "at least, limit %.*s",
                        TEXT_ARG(subject), (long long)why->amount, limit_kind_words(why->kind),
                        window, (long long)why->remaining, TEXT_ARG(held), (long long)why->asked,
                        TEXT_ARG(why->id));
}

/* "is $5.00 …" */
static const char *describe_period(enum period_kind period)
{
    switch (period) {
    case PERIOD_DAY: return "for each day";
    case PERIOD_WEEK: return "for each week";
    case PERIOD_MONTH: return "for each month";
    case PERIOD_ROLLING: return "for its rolling period";
    case PERIOD_LIFETIME:
    case PERIOD_KIND_COUNT: break;
    }
    return "for good";
}

static struct text describe_budget(struct exchange *exchange, const struct policy_why *why)
{
    struct text subject = describe_subject(exchange, &why->subject);
    char cap[MONEY_TEXT_SIZE], left[MONEY_TEXT_SIZE], needed[MONEY_TEXT_SIZE];
    char reset[CLOCK_RFC3339_SIZE] = "";
    size_t length =
        why->resets_at == POLICY_FOREVER ? 0 : clock_format_rfc3339(why->resets_at, reset);

    (void)money_format_people(why->cap, cap);
    (void)money_format_people(why->left, left);
    (void)money_format_people(why->needed, needed);
    return arena_format(&exchange->arena,
                        "the budget %.*s of %.*s is %s %s, %s is left and this call may "
                        "cost %s%s%.*s",
                        TEXT_ARG(why->name.length > 0 ? why->name : why->id), TEXT_ARG(subject),
                        cap, describe_period(why->period), left, needed,
                        length > 0 ? "; it resets at " : "", (int)length, reset);
}

/* Whose list of models it is. A caller without a key of somebody's making has it from the
 * configuration. */
static struct text describe_models(struct exchange *exchange, const struct policy_why *why)
{
    const struct record *record = &exchange->record;

    if (why->subject.scope != POLICY_KEY || exchange->proof == PRINCIPAL_KEY)
        return describe_subject(exchange, &why->subject);
    if (record->token_issuer.length > 0)
        return arena_format(&exchange->arena, "the callers of issuer %.*s",
                            TEXT_ARG(record->token_issuer));
    return arena_format(&exchange->arena, "the callers of listener %.*s",
                        TEXT_ARG(exchange->door->name));
}

/* What the refusal is about: the rule's words, or the model that has none. */
static struct refusal_context describe_refusal(struct exchange *exchange,
                                               const struct gate_refusal *refused)
{
    const struct policy_why *why = &refused->why;
    struct refusal_context context = {.seen = exchange->model, .param = TEXT("model")};

    switch (refused->refusal) {
    case REFUSAL_MODEL_NOT_ALLOWED: context.detail = describe_models(exchange, why); break;
    case REFUSAL_MODEL_UNSTATED:
        return (struct refusal_context){.seen = exchange->match.endpoint->pattern};
    case REFUSAL_MODEL_UNPRICED:
        if (exchange->model.length == 0)
            context.seen = exchange->match.endpoint->pattern;
        break;
    case REFUSAL_RATE_LIMITED:
    case REFUSAL_CALL_TOO_LARGE:
        return (struct refusal_context){
            .detail = describe_limit(exchange, why),
            .retry_after = why->retry_after == POLICY_FOREVER ? 0 : why->retry_after};
    case REFUSAL_BUDGET_EXHAUSTED:
        return (struct refusal_context){.detail = describe_budget(exchange, why)};
    default: /* memory */
        return (struct refusal_context){.limit =
                                            exchange->upstreams->config->limits.exchange_memory};
    }
    return context;
}

/* Into the record: the id of the limit or budget, or whose list of models it is. */
static void note_rule(struct exchange *exchange, const struct policy_why *why)
{
    struct text subject = why->reason == POLICY_REASON_MODEL
                              ? describe_models(exchange, why)
                              : describe_subject(exchange, &why->subject);

    static const struct text kinds[] = {
        [POLICY_REASON_MODEL] = TEXT_INIT("models"),
        [POLICY_REASON_LIMIT] = TEXT_INIT("limit"),
        [POLICY_REASON_BUDGET] = TEXT_INIT("budget"),
    };

    exchange->rule = (struct refusal_rule){
        .kind = kinds[why->reason], .id = why->id, .of = subject, .mode = TEXT("enforce")};
    exchange->record.rule =
        why->reason == POLICY_REASON_MODEL
            ? arena_format(&exchange->arena, "models of %.*s", TEXT_ARG(subject))
            : why->id;
}

static enum step_result refuse(struct exchange *exchange, const struct gate_refusal *refused)
{
    if (refused->has_why)
        note_rule(exchange, &refused->why);
    return exchange_refuse(exchange, refused->refusal, describe_refusal(exchange, refused));
}

/* ---- the steps ---- */

enum step_result hold_limits(struct exchange *exchange)
{
    struct gate_refusal refused;
    struct gate_call call;

    read_bounds(exchange);
    hold_describe(exchange, &call);
    note_asked(exchange, &call);
    if (!gate_admit(exchange->worker->policy, &call, &exchange->arena, &exchange->hold, &refused))
        return refuse(exchange, &refused);
    return STEP_NEXT;
}

int64_t hold_estimate(const struct exchange *exchange, const struct exchange_target *target)
{
    struct gate_call call;

    hold_describe(exchange, &call);
    return gate_estimate(&call, hold_find_price(exchange, target));
}

static void find_prices(const struct exchange *exchange,
                        const struct priced_model *models[EXCHANGE_TARGETS_MAXIMUM])
{
    for (size_t i = 0; i < exchange->target_count; i++)
        models[i] = hold_find_price(exchange, &exchange->targets[i]);
}

bool hold_quietly(struct exchange *exchange)
{
    const struct priced_model *models[EXCHANGE_TARGETS_MAXIMUM];
    struct gate_call call;

    hold_describe(exchange, &call);
    find_prices(exchange, models);
    if (!gate_hold_whole(exchange->upstreams->config->unpriced_models, &call, models,
                         exchange->target_count, &exchange->hold, &exchange->grant))
        return false;
    exchange->record.cost_reserved = exchange->grant.cost;
    return true;
}

enum step_result hold_step(struct exchange *exchange)
{
    const struct priced_model *models[EXCHANGE_TARGETS_MAXIMUM];
    struct gate_refusal refused;
    struct gate_call call;

    hold_describe(exchange, &call);
    find_prices(exchange, models);
    if (!gate_hold(exchange->upstreams->config->unpriced_models, &call, models,
                   exchange->target_count, &exchange->hold, &exchange->grant, &refused))
        return refuse(exchange, &refused);
    exchange->record.cost_reserved = exchange->grant.cost;
    if (exchange->grant.output_limit > 0)
        exchange->output_limit = exchange->record.output_clamp = exchange->grant.output_limit;
    return STEP_NEXT;
}

/* ---- what the caller is told ---- */

/* "6m0s", "1.25s", "20ms", as OpenAI writes them. */
size_t hold_write_span(uint64_t nanoseconds, char out[HOLD_SPAN_SIZE])
{
    uint64_t milliseconds =
        nanoseconds / NANOSECONDS_PER_MILLISECOND + (nanoseconds % NANOSECONDS_PER_MILLISECOND > 0);
    uint64_t seconds = milliseconds / 1000, rest = milliseconds % 1000;
    int length;

    if (seconds == 0)
        length = snprintf(out, HOLD_SPAN_SIZE, "%llums", (unsigned long long)rest);
    else if (seconds >= 3600)
        length =
            snprintf(out, HOLD_SPAN_SIZE, "%lluh%llum%llus", (unsigned long long)seconds / 3600,
                     (unsigned long long)seconds / 60 % 60, (unsigned long long)seconds % 60);
    else if (seconds >= 60)
        length = snprintf(out, HOLD_SPAN_SIZE, "%llum%llus", (unsigned long long)seconds / 60,
                          (unsigned long long)seconds % 60);
    else if (rest > 0)
        length = snprintf(out, HOLD_SPAN_SIZE, "%llu.%03llus", (unsigned long long)seconds,
                          (unsigned long long)rest);
    else
        length = snprintf(out, HOLD_SPAN_SIZE, "%llus", (unsigned long long)seconds);
    return (size_t)length;
}

static void write_rate(struct buffer *lines, const char *what, const struct policy_rate *rate)
{
    char reset[HOLD_SPAN_SIZE];

    if (!rate->applies)
        return;
    hold_write_span(rate->reset, reset);
    buffer_append_format(lines,
                         "x-ratelimit-limit-%s: %lld\r\nx-ratelimit-remaining-%s: %lld\r\n"
                         "x-ratelimit-reset-%s: %s\r\n",
                         what, (long long)rate->limit, what, (long long)rate->remaining, what,
                         reset);
}

void hold_write_lines(struct exchange *exchange, struct buffer *lines)
{
    struct policy_rates rates;

    if (exchange->output_limit > 0) {
        buffer_append(lines, TEXT("x-turnpike-output-limit: "));
        buffer_append_unsigned(lines, (uint64_t)exchange->output_limit);
        buffer_append(lines, TEXT("\r\n"));
    }
    if (exchange->tags_left_out > 0) {
        buffer_append(lines, TEXT("x-turnpike-tags-left-out: "));
        buffer_append_unsigned(lines, exchange->tags_left_out);
        buffer_append(lines, TEXT("\r\n"));
    }
    if (!exchange->hold.open)
        return;
    policy_rates(&exchange->hold, loop_now(exchange->worker->loop), &rates);
    write_rate(lines, "requests", &rates.requests);
    write_rate(lines, "tokens", &rates.tokens);
}

/* [{"reason":"limit","id":"lim_…"},{"reason":"limit","id":"lim_…","output_limit":512}] */
void hold_note_observed(struct exchange *exchange)
{
    static const char *const reasons[] = {
        [POLICY_REASON_MODEL] = "model",
        [POLICY_REASON_LIMIT] = "limit",
        [POLICY_REASON_BUDGET] = "budget",
    };
    struct text list = exchange->observed_networks;

    if (list.length > 0)
        list = arena_format(&exchange->arena, "[%.*s", TEXT_ARG(list));
    for (const struct policy_observed *row = exchange->hold.observed; row; row = row->next) {
        struct text limit =
            row->output_tokens > 0
                ? arena_format(&exchange->arena, ",\"output_limit\":%lld",
                               (long long)(row->output_tokens / exchange->bounds.choices))
                : TEXT("");
        list = arena_format(&exchange->arena, "%.*s%s{\"reason\":\"%s\",\"id\":\"%.*s\"%.*s}",
                            TEXT_ARG(list), list.length > 0 ? "," : "[", reasons[row->reason],
                            TEXT_ARG(row->id), TEXT_ARG(limit));
    }
    if (list.length > 0)
        exchange->record.observed = arena_format(&exchange->arena, "%.*s]", TEXT_ARG(list));
}
