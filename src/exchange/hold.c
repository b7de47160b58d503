/* hold: the worst case of the call is held in every limit of tokens and in every budget that it
 * counts in, before it is sent.
 *
 * What it can use at most: the input is no more tokens than the body has bytes (or than the model
 * reads at all), the output no more than the caller allows (or than the model writes); what that
 * can cost: at the dearest of the targets. When the smallest remainder has or buys less output,
 * that becomes the limit that is sent upstream, and the caller is told so in a header. A call
 * without a price cannot be bounded in money: prices.unpriced_models says who may make it. */
#include "exchange/hold.h"
#include "base/clock.h"
#include "openai/bounds.h"

/* Tokens that stand in where neither body, configuration nor price list says a number: as much as
 * the largest current models read and write. */
#define INPUT_UNKNOWN  1048576
#define OUTPUT_UNKNOWN 131072
/* A clamp for a model of which it is not known how much it writes: every current one takes that. */
#define CLAMP_UNKNOWN 4096
/* The least that a call gets of a limit of tokens when it states no limit of its output: most
 * answers of a chat are shorter. Who has less left is told to come again. */
#define OUTPUT_USUAL 512
/* What one picture costs at most in tokens: the largest at the highest quality has 6,240. */
#define IMAGE_TOKENS 8192
/* Speech in the narrowest coding that is sent, Opus at 6 kbit/s: bytes a second, rounded down. */
#define AUDIO_BYTES_A_SECOND  700
#define AUDIO_TOKENS_A_SECOND 12 /* heard; spoken words are fewer */
/* Calls of one tool of the provider's own that one answer may make: 119 were seen in 58 calls. */
#define TOOL_CALLS 32

const struct priced_model *hold_find_price(const struct exchange *exchange,
                                           const struct exchange_target *target)
{
    struct text model = target->model.length > 0 ? target->model : exchange->model;

    return price_book_find(exchange->upstreams->book, target->provider->name, model);
}

static bool is_paid_later(const struct exchange *exchange)
{
    return exchange->match.endpoint->bills == ENDPOINT_BILLS_LATER ||
           (exchange->body_kind == BODY_JSON && exchange->envelope.background);
}

/* ---- limits ---- */

static void read_bounds(struct exchange *exchange)
{
    struct bounds *bounds = &exchange->bounds;

    if (exchange->body_kind == BODY_JSON && exchange->body.length > 0)
        bounds_read(&exchange->envelope, exchange->match.endpoint->kind,
                    buffer_text(&exchange->body), bounds);
    else
        *bounds = (struct bounds){.input = BOUNDS_UNKNOWN, .output = 0, .choices = 1};
}

static enum refusal limit_refusal(const struct policy_why *why)
{
    if (why->reason == POLICY_REASON_MODEL)
        return REFUSAL_MODEL_NOT_ALLOWED;
    return why->retry_after == POLICY_FOREVER ? REFUSAL_CALL_TOO_LARGE : REFUSAL_RATE_LIMITED;
}

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

/* Into the record: the id of the limit or budget, or whose list of models it is. */
static void note_rule(struct exchange *exchange, const struct policy_why *why)
{
    struct text subject = describe_subject(exchange, &why->subject);

    exchange->record.rule =
        why->reason == POLICY_REASON_MODEL
            ? arena_format(&exchange->arena, "models of %.*s", TEXT_ARG(subject))
            : why->id;
}

static enum step_result refuse_limit(struct exchange *exchange, const struct policy_why *why)
{
    struct refusal_context context = {.seen = exchange->model, .param = TEXT("model")};

    note_rule(exchange, why);
    if (why->reason == POLICY_REASON_MODEL)
        context.detail = describe_subject(exchange, &why->subject);
    if (why->reason == POLICY_REASON_LIMIT)
        context = (struct refusal_context){
            .detail = describe_limit(exchange, why),
            .retry_after = why->retry_after == POLICY_FOREVER ? 0 : why->retry_after};
    return exchange_refuse(exchange, limit_refusal(why), context);
}

static enum step_result refuse_memory(struct exchange *exchange)
{
    return exchange_refuse(
        exchange, REFUSAL_MEMORY_LIMIT,
        (struct refusal_context){.limit = exchange->upstreams->config->limits.exchange_memory});
}

static enum step_result end_of(struct exchange *exchange, enum policy_verdict verdict,
                               const struct policy_why *why)
{
    switch (verdict) {
    case POLICY_ALLOWED: return STEP_NEXT;
    case POLICY_REFUSED: return refuse_limit(exchange, why);
    case POLICY_NO_MEMORY: break;
    }
    return refuse_memory(exchange);
}

enum step_result hold_limits(struct exchange *exchange)
{
    struct loop *loop = exchange->worker->loop;
    struct policy_why why;

    read_bounds(exchange);
    const struct policy_call call = {
        .team = exchange->team,
        .key = exchange->key_id,
        .tags = exchange->record.tags,
        .model = exchange->model,
        .wall = exchange->record.started_at,
        .now = loop_now(loop),
    };
    return end_of(
        exchange,
        policy_admit(exchange->worker->policy, &call, &exchange->arena, &exchange->hold, &why),
        &why);
}

/* ---- the worst case ---- */

/* A unit without a price is not asked for: if the answer has it, the call is unpriced. */
static void keep_priced(const struct priced_model *model, int64_t others[UNIT_COUNT])
{
    uint64_t priced = 0;

    for (size_t i = 0; i < model->card_count; i++) {
        for (unsigned unit = 0; unit < UNIT_COUNT; unit++)
            priced |= model->cards[i].billed_as[unit] != UNIT_NONE ? unit_bit((enum unit)unit) : 0;
    }
    for (unsigned unit = 0; unit < UNIT_COUNT; unit++) {
        if (!(priced & unit_bit((enum unit)unit)))
            others[unit] = 0;
    }
}

/* Counts beside tokens, each the most that the call can have. False when there are none. */
static bool count_others(const struct exchange *exchange, const struct priced_model *model,
                         int64_t others[UNIT_COUNT])
{
    const struct bounds *bounds = &exchange->bounds;
    struct text body = buffer_text(&exchange->body);
    static const struct {
        struct text word;
        enum unit unit;
    } tools[] = {
        {TEXT_INIT("web_search"), UNIT_WEB_SEARCH},
        {TEXT_INIT("file_search"), UNIT_FILE_SEARCH},
        {TEXT_INIT("code_interpreter"), UNIT_CODE_SESSION},
    };

    if (exchange->match.endpoint->bills == ENDPOINT_BILLS_TOKENS && bounds->input != BOUNDS_UNKNOWN)
        return false;
    memset(others, 0, UNIT_COUNT * sizeof(*others));
    switch (exchange->match.endpoint->bills) {
    case ENDPOINT_BILLS_IMAGES: others[UNIT_IMAGE] = bounds->choices; break;
    case ENDPOINT_BILLS_SPEECH: others[UNIT_CHAR_INPUT] = (int64_t)body.length; break;
    case ENDPOINT_BILLS_AUDIO:
        others[UNIT_AUDIO_SECONDS_IN] = hold_body_size(exchange) / AUDIO_BYTES_A_SECOND *
                                        unit_rows[UNIT_AUDIO_SECONDS_IN].scale;
        break;
    default: break;
    }
    for (size_t i = 0; bounds->input == BOUNDS_UNKNOWN && i < ARRAY_LENGTH(tools); i++) {
        if (text_find(body, tools[i].word) >= 0)
            others[tools[i].unit] = TOOL_CALLS;
    }
    keep_priced(model, others);
    return true;
}

int64_t hold_body_size(const struct exchange *exchange)
{
    const struct http1_head *head = http_request_head(exchange->request);

    if (exchange->body_kind == BODY_JSON)
        return (int64_t)exchange->body.length;
    return head->has_content_length ? (int64_t)head->content_length
                                    : (int64_t)exchange->upstreams->config->limits.upload;
}

static int64_t most_input(const struct exchange *exchange, const struct catalog_model *model)
{
    const enum endpoint_bills bills = exchange->match.endpoint->bills;
    int64_t window = model && model->context_window > 0 ? model->context_window : INPUT_UNKNOWN;
    int64_t input = exchange->bounds.input;

    if (bills == ENDPOINT_BILLS_AUDIO)
        return hold_body_size(exchange) / AUDIO_BYTES_A_SECOND * AUDIO_TOKENS_A_SECOND;
    return input == BOUNDS_UNKNOWN || input > window ? window : input;
}

/* Of all choices together. */
static int64_t most_output(const struct exchange *exchange, const struct catalog_model *model)
{
    const struct bounds *bounds = &exchange->bounds;
    int64_t most = model && model->max_output > 0 ? model->max_output : OUTPUT_UNKNOWN;

    switch (exchange->match.endpoint->bills) {
    case ENDPOINT_BILLS_IMAGES: return IMAGE_TOKENS * bounds->choices;
    case ENDPOINT_BILLS_AUDIO:
        return hold_body_size(exchange) / AUDIO_BYTES_A_SECOND * AUDIO_TOKENS_A_SECOND;
    case ENDPOINT_BILLS_SPEECH: return most;
    default: break;
    }
    int64_t output =
        bounds->output == BOUNDS_UNKNOWN || bounds->output > most ? most : bounds->output;
    return output > INT64_MAX / bounds->choices ? INT64_MAX : output * bounds->choices;
}

/* The services that the provider may serve the call on. An unstated tier is the account's own,
 * which is the standard one unless somebody changed that at the provider. */
static unsigned services_of(const struct exchange *exchange)
{
    struct text tier =
        exchange->body_kind == BODY_JSON ? exchange->envelope.service_tier : text_of(NULL, 0);
    unsigned services = 1u << SERVICE_STANDARD | 1u << SERVICE_FLEX;

    if (tier.length == 0 || text_equal(tier, TEXT("default")) || text_equal(tier, TEXT("flex")))
        return services;
    return PRICE_ALL_SERVICES;
}

/* Adds one target's worst case to what was asked so far: each part is the largest of all. */
static bool add_worst(const struct exchange *exchange, const struct priced_model *model,
                      struct policy_ask *ask)
{
    int64_t others[UNIT_COUNT];
    money input, whole, price = 0;

    struct price_ask question = {
        .at = (int64_t)(exchange->record.started_at / NANOSECONDS_PER_SECOND),
        .services = services_of(exchange),
        .input_tokens = most_input(exchange, model->entry),
        .others = count_others(exchange, model, others) ? others : NULL,
    };
    int64_t output = most_output(exchange, model->entry);
    if (!price_bound(model, &question, &input))
        return false;
    question.output_tokens = output;
    if (!price_bound(model, &question, &whole))
        return false;
    /* The bound is convex in the output: a line through both ends lies above it everywhere. */
    if (output > 0)
        price = (whole - input + output - 1) / output;
    ask->input = input > ask->input ? input : ask->input;
    ask->output_price = price > ask->output_price ? price : ask->output_price;
    ask->output_tokens = output > ask->output_tokens ? output : ask->output_tokens;
    return true;
}

int64_t hold_estimate(const struct exchange *exchange, const struct exchange_target *target)
{
    const struct priced_model *model = hold_find_price(exchange, target);
    struct policy_ask ask = {0};

    if (is_paid_later(exchange) || !model || !add_worst(exchange, model, &ask))
        return -1;
    money cost = ask.input + ask.output_price * ask.output_tokens;
    return cost <= INT64_MAX ? (int64_t)cost : INT64_MAX;
}

static bool find_worst(const struct exchange *exchange, struct policy_ask *ask)
{
    bool priced = !is_paid_later(exchange);

    *ask = (struct policy_ask){.useful_minimum = POLICY_USEFUL_OUTPUT * exchange->bounds.choices};
    for (size_t i = 0; priced && i < exchange->target_count; i++) {
        const struct priced_model *model = hold_find_price(exchange, &exchange->targets[i]);
        priced = model && add_worst(exchange, model, ask);
    }
    return priced;
}

/* Only what has a limit that we can set may be clamped; all else is all or nothing. */
static bool can_clamp(const struct exchange *exchange)
{
    return exchange->match.endpoint->bills == ENDPOINT_BILLS_TOKENS &&
           exchange->match.endpoint->kind != ENDPOINT_EMBEDDINGS && exchange->bounds.output != 0;
}

static bool output_is_known(const struct exchange *exchange)
{
    bool known = exchange->bounds.output != BOUNDS_UNKNOWN;

    for (size_t i = 0; !known && i < exchange->target_count; i++) {
        const struct priced_model *model = hold_find_price(exchange, &exchange->targets[i]);
        if (!model || !model->entry || model->entry->max_output == 0)
            return false;
    }
    return true;
}

/* Where nobody knows how much the model writes, it is all of what it might or a clamp that every
 * model takes: what lies between would be held for nothing, or refused by the provider. */
static enum policy_verdict reserve(struct exchange *exchange, const struct policy_ask *ask,
                                   struct policy_why *why)
{
    struct policy_ask one = *ask;

    if (!can_clamp(exchange))
        one.useful_minimum = ask->output_tokens;
    if (!can_clamp(exchange) || output_is_known(exchange) ||
        ask->output_tokens <= CLAMP_UNKNOWN * exchange->bounds.choices)
        return policy_reserve(&exchange->hold, &one, &exchange->grant, why);
    one.useful_minimum = ask->output_tokens;
    enum policy_verdict verdict = policy_reserve(&exchange->hold, &one, &exchange->grant, why);
    if (verdict != POLICY_REFUSED)
        return verdict;
    one.output_tokens = CLAMP_UNKNOWN * exchange->bounds.choices;
    one.useful_minimum = ask->useful_minimum;
    return policy_reserve(&exchange->hold, &one, &exchange->grant, why);
}

static void clamp(struct exchange *exchange, int64_t output)
{
    exchange->output_limit = output / exchange->bounds.choices;
    exchange->record.output_clamp = exchange->output_limit;
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

static enum step_result refuse_unpriced(struct exchange *exchange)
{
    return exchange_refuse(exchange, REFUSAL_MODEL_UNPRICED,
                           (struct refusal_context){.seen = exchange->model.length > 0
                                                                ? exchange->model
                                                                : exchange->match.endpoint->pattern,
                                                    .param = TEXT("model")});
}

static bool may_go_unpriced(struct exchange *exchange)
{
    switch (exchange->upstreams->config->unpriced_models) {
    case CONFIG_UNPRICED_ALLOW: return true;
    case CONFIG_UNPRICED_REFUSE: return false;
    case CONFIG_UNPRICED_REFUSE_UNDER_BUDGET: break;
    }
    return !policy_is_capped(&exchange->hold);
}

/* ---- tokens ---- */

/* Whether its usage is in tokens at all: pictures may be billed each, speech by the second. */
static bool has_tokens(const struct priced_model *model)
{
    for (size_t i = 0; model && i < model->card_count; i++) {
        const struct priced_card *card = &model->cards[i];
        if (card->listed_in + card->listed_out + card->own_in + card->own_out > 0)
            return true;
    }
    return false;
}

/* What a call to one target can use, where no limit of its answer can be set. */
static void add_unclamped(const struct exchange *exchange, const struct priced_model *model,
                          struct policy_tokens *tokens)
{
    const struct catalog_model *entry = model ? model->entry : NULL;
    bool by_size = exchange->match.endpoint->bills == ENDPOINT_BILLS_AUDIO;
    int64_t window = entry && entry->context_window > 0 ? entry->context_window : INPUT_UNKNOWN;

    if (!has_tokens(model))
        return;
    int64_t input = most_input(exchange, entry), output = most_output(exchange, entry);
    if (exchange->match.endpoint->bills == ENDPOINT_BILLS_SPEECH)
        output = 0; /* its answers tell no usage */
    if (by_size && entry && entry->max_output > 0 && output > entry->max_output)
        output = entry->max_output;
    input = input > window ? window : input;
    tokens->input = input > tokens->input ? input : tokens->input;
    tokens->output = output > tokens->output ? output : tokens->output;
    tokens->output_least = tokens->output;
    tokens->input_hidden = !by_size && exchange->bounds.input == BOUNDS_UNKNOWN;
}

static void add_clamped(const struct exchange *exchange, const struct priced_model *model,
                        struct policy_tokens *tokens)
{
    const struct catalog_model *entry = model ? model->entry : NULL;
    int64_t input = most_input(exchange, entry), output = most_output(exchange, entry);

    tokens->input = input > tokens->input ? input : tokens->input;
    tokens->output = output > tokens->output ? output : tokens->output;
    tokens->input_hidden = exchange->bounds.input == BOUNDS_UNKNOWN;
}

static void find_tokens(const struct exchange *exchange, struct policy_tokens *tokens)
{
    const struct bounds *bounds = &exchange->bounds;
    bool by_token = exchange->match.endpoint->bills == ENDPOINT_BILLS_TOKENS;

    *tokens = (struct policy_tokens){0};
    for (size_t i = 0; i < exchange->target_count; i++) {
        const struct priced_model *model = hold_find_price(exchange, &exchange->targets[i]);
        if (by_token)
            add_clamped(exchange, model, tokens);
        else
            add_unclamped(exchange, model, tokens);
    }
    tokens->output_clamp = tokens->output;
    if (!can_clamp(exchange)) {
        tokens->output_least = tokens->output;
        return;
    }
    tokens->output_least = POLICY_USEFUL_OUTPUT * bounds->choices;
    if (bounds->output == BOUNDS_UNKNOWN)
        tokens->output_usual = OUTPUT_USUAL * bounds->choices;
    if (!output_is_known(exchange))
        tokens->output_clamp = CLAMP_UNKNOWN * bounds->choices;
}

/* `*output`: what the limits of tokens leave of it. */
static enum step_result hold_tokens(struct exchange *exchange, int64_t *asked, int64_t *output)
{
    struct policy_tokens tokens;
    struct policy_why why;

    *asked = *output = INT64_MAX;
    if (!exchange->hold.counts_tokens)
        return STEP_NEXT;
    find_tokens(exchange, &tokens);
    *asked = tokens.output;
    return end_of(exchange, policy_hold_tokens(&exchange->hold, &tokens, output, &why), &why);
}

/* ---- the step ---- */

static enum step_result hold_money(struct exchange *exchange, const struct policy_ask *ask)
{
    struct policy_why why;

    switch (reserve(exchange, ask, &why)) {
    case POLICY_ALLOWED: break;
    case POLICY_REFUSED:
        note_rule(exchange, &why);
        return exchange_refuse(exchange, REFUSAL_BUDGET_EXHAUSTED,
                               (struct refusal_context){.detail = describe_budget(exchange, &why)});
    case POLICY_NO_MEMORY: return refuse_memory(exchange);
    }
    if (exchange->grant.amount <= INT64_MAX)
        exchange->record.cost_reserved = (int64_t)exchange->grant.amount;
    return STEP_NEXT;
}

bool hold_quietly(struct exchange *exchange)
{
    struct policy_ask ask;
    struct policy_why why;

    if (!find_worst(exchange, &ask))
        return may_go_unpriced(exchange);
    ask.useful_minimum = ask.output_tokens;
    if (policy_reserve(&exchange->hold, &ask, &exchange->grant, &why) != POLICY_ALLOWED)
        return false;
    if (exchange->grant.amount <= INT64_MAX)
        exchange->record.cost_reserved = (int64_t)exchange->grant.amount;
    return true;
}

enum step_result hold_step(struct exchange *exchange)
{
    const enum endpoint_bills bills = exchange->match.endpoint->bills;
    struct policy_ask ask;
    int64_t asked, output;

    if (bills == ENDPOINT_BILLS_NOTHING || bills == ENDPOINT_BILLS_REPORTED) {
        exchange->record.cost_reserved = 0;
        return STEP_NEXT;
    }
    bool priced = find_worst(exchange, &ask);
    if (!priced && !may_go_unpriced(exchange))
        return refuse_unpriced(exchange);
    enum step_result result = hold_tokens(exchange, &asked, &output);
    if (result != STEP_NEXT)
        return result;
    if (priced) {
        int64_t wanted = ask.output_tokens;
        if (can_clamp(exchange) && output < wanted)
            ask.output_tokens = output;
        result = hold_money(exchange, &ask);
        if (result != STEP_NEXT)
            return result;
        output = exchange->grant.output_tokens;
        asked = wanted;
    }
    if (can_clamp(exchange) && output < asked)
        clamp(exchange, output);
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
    struct text list = text_of(NULL, 0);

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
