/* The second half: the worst case of the call is held in every limit of tokens and in every budget
 * that it counts in, before it is sent.
 *
 * What it can use at most: the input is no more tokens than the body has bytes (or than the model
 * reads at all), the output no more than the caller allows (or than the model writes); what that
 * can cost: at the dearest of the targets. When the smallest remainder has or buys less output,
 * that becomes the limit that is sent upstream. A call without a price cannot be bounded in money:
 * prices.unpriced_models says who may make it. */
#include "gate/parts.h"

#include <string.h>

#include "base/clock.h"

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

/* The call and the prices of its targets. */
struct weighing {
    const struct gate_call *call;
    const struct priced_model *const *models;
    size_t count;
};

static bool is_paid_later(const struct gate_call *call)
{
    return call->endpoint->bills == ENDPOINT_BILLS_LATER || call->paid_later;
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
static bool count_others(const struct gate_call *call, const struct priced_model *model,
                         int64_t others[UNIT_COUNT])
{
    static const enum unit tools[GATE_TOOL_COUNT] = {
        [GATE_WEB_SEARCH] = UNIT_WEB_SEARCH,
        [GATE_FILE_SEARCH] = UNIT_FILE_SEARCH,
        [GATE_CODE_INTERPRETER] = UNIT_CODE_SESSION,
    };

    if (call->endpoint->bills == ENDPOINT_BILLS_TOKENS && call->bounds.input != BOUNDS_UNKNOWN)
        return false;
    memset(others, 0, UNIT_COUNT * sizeof(*others));
    switch (call->endpoint->bills) {
    case ENDPOINT_BILLS_IMAGES: others[UNIT_IMAGE] = call->bounds.choices; break;
    case ENDPOINT_BILLS_SPEECH: others[UNIT_CHAR_INPUT] = call->body_size; break;
    case ENDPOINT_BILLS_AUDIO:
        others[UNIT_AUDIO_SECONDS_IN] =
            call->body_size / AUDIO_BYTES_A_SECOND * unit_rows[UNIT_AUDIO_SECONDS_IN].scale;
        break;
    default: break;
    }
    for (unsigned i = 0; call->bounds.input == BOUNDS_UNKNOWN && i < GATE_TOOL_COUNT; i++) {
        if (call->tools & 1u << i)
            others[tools[i]] = TOOL_CALLS;
    }
    keep_priced(model, others);
    return true;
}

static int64_t most_input(const struct gate_call *call, const struct catalog_model *model)
{
    int64_t window = model && model->context_window > 0 ? model->context_window : INPUT_UNKNOWN;
    int64_t input = call->bounds.input;

    if (call->endpoint->bills == ENDPOINT_BILLS_AUDIO)
        return call->body_size / AUDIO_BYTES_A_SECOND * AUDIO_TOKENS_A_SECOND;
    return input == BOUNDS_UNKNOWN || input > window ? window : input;
}

/* Of all choices together. */
static int64_t most_output(const struct gate_call *call, const struct catalog_model *model)
{
    const struct bounds *bounds = &call->bounds;
    int64_t most = model && model->max_output > 0 ? model->max_output : OUTPUT_UNKNOWN;

    switch (call->endpoint->bills) {
    case ENDPOINT_BILLS_IMAGES: return IMAGE_TOKENS * bounds->choices;
    case ENDPOINT_BILLS_AUDIO:
        return call->body_size / AUDIO_BYTES_A_SECOND * AUDIO_TOKENS_A_SECOND;
    case ENDPOINT_BILLS_SPEECH: return most;
    default: break;
    }
    int64_t output =
        bounds->output == BOUNDS_UNKNOWN || bounds->output > most ? most : bounds->output;
    return output > INT64_MAX / bounds->choices ? INT64_MAX : output * bounds->choices;
}

/* The services that the provider may serve the call on. An unstated tier is the account's own,
 * which is the standard one unless somebody changed that at the provider. */
static unsigned services_of(const struct gate_call *call)
{
    return call->any_service ? PRICE_ALL_SERVICES : 1u << SERVICE_STANDARD | 1u << SERVICE_FLEX;
}

/* Adds one target's worst case to what was asked so far: each part is the largest of all. */
static bool add_worst(const struct gate_call *call, const struct priced_model *model,
                      struct policy_ask *ask)
{
    int64_t others[UNIT_COUNT];
    money input, whole, price = 0;

    struct price_ask question = {
        .at = (int64_t)(call->wall / NANOSECONDS_PER_SECOND),
        .services = services_of(call),
        .input_tokens = most_input(call, model->entry),
        .others = count_others(call, model, others) ? others : NULL,
    };
    int64_t output = most_output(call, model->entry);
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

int64_t gate_estimate(const struct gate_call *call, const struct priced_model *model)
{
    struct policy_ask ask = {0};

    if (is_paid_later(call) || !model || !add_worst(call, model, &ask))
        return -1;
    money cost = ask.input + ask.output_price * ask.output_tokens;
    return cost <= INT64_MAX ? (int64_t)cost : INT64_MAX;
}

static bool find_worst(const struct weighing *weighing, struct policy_ask *ask)
{
    const struct gate_call *call = weighing->call;
    bool priced = !is_paid_later(call);

    *ask = (struct policy_ask){.useful_minimum = POLICY_USEFUL_OUTPUT * call->bounds.choices};
    for (size_t i = 0; priced && i < weighing->count; i++)
        priced = weighing->models[i] && add_worst(call, weighing->models[i], ask);
    return priced;
}

/* Only what has a limit that we can set may be clamped; all else is all or nothing. */
static bool can_clamp(const struct gate_call *call)
{
    return call->endpoint->bills == ENDPOINT_BILLS_TOKENS &&
           call->endpoint->kind != ENDPOINT_EMBEDDINGS && call->bounds.output != 0;
}

static bool output_is_known(const struct weighing *weighing)
{
    bool known = weighing->call->bounds.output != BOUNDS_UNKNOWN;

    for (size_t i = 0; !known && i < weighing->count; i++) {
        const struct priced_model *model = weighing->models[i];
        if (!model || !model->entry || model->entry->max_output == 0)
            return false;
    }
    return true;
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
static void add_unclamped(const struct gate_call *call, const struct priced_model *model,
                          struct policy_tokens *tokens)
{
    const struct catalog_model *entry = model ? model->entry : NULL;
    bool by_size = call->endpoint->bills == ENDPOINT_BILLS_AUDIO;
    int64_t window = entry && entry->context_window > 0 ? entry->context_window : INPUT_UNKNOWN;

    if (!has_tokens(model))
        return;
    int64_t input = most_input(call, entry), output = most_output(call, entry);
    if (call->endpoint->bills == ENDPOINT_BILLS_SPEECH)
        output = 0; /* its answers tell no usage */
    if (by_size && entry && entry->max_output > 0 && output > entry->max_output)
        output = entry->max_output;
    input = input > window ? window : input;
    tokens->input = input > tokens->input ? input : tokens->input;
    tokens->output = output > tokens->output ? output : tokens->output;
    tokens->output_least = tokens->output;
    tokens->input_hidden = !by_size && call->bounds.input == BOUNDS_UNKNOWN;
}

static void add_clamped(const struct gate_call *call, const struct priced_model *model,
                        struct policy_tokens *tokens)
{
    const struct catalog_model *entry = model ? model->entry : NULL;
    int64_t input = most_input(call, entry), output = most_output(call, entry);

    tokens->input = input > tokens->input ? input : tokens->input;
    tokens->output = output > tokens->output ? output : tokens->output;
    tokens->input_hidden = call->bounds.input == BOUNDS_UNKNOWN;
}

static void find_tokens(const struct weighing *weighing, struct policy_tokens *tokens)
{
    const struct gate_call *call = weighing->call;
    bool by_token = call->endpoint->bills == ENDPOINT_BILLS_TOKENS;

    *tokens = (struct policy_tokens){0};
    for (size_t i = 0; i < weighing->count; i++) {
        if (by_token)
            add_clamped(call, weighing->models[i], tokens);
        else
            add_unclamped(call, weighing->models[i], tokens);
    }
    tokens->output_clamp = tokens->output;
    if (!can_clamp(call)) {
        tokens->output_least = tokens->output;
        return;
    }
    tokens->output_least = POLICY_USEFUL_OUTPUT * call->bounds.choices;
    if (call->bounds.output == BOUNDS_UNKNOWN)
        tokens->output_usual = OUTPUT_USUAL * call->bounds.choices;
    if (!output_is_known(weighing))
        tokens->output_clamp = CLAMP_UNKNOWN * call->bounds.choices;
}

/* `*output`: what the limits of tokens leave of `*asked`. */
static bool hold_tokens(const struct weighing *weighing, struct policy_hold *hold, int64_t *asked,
                        int64_t *output, struct gate_refusal *refusal)
{
    struct policy_tokens tokens;

    *asked = *output = INT64_MAX;
    if (!hold->counts_tokens)
        return true;
    find_tokens(weighing, &tokens);
    *asked = tokens.output;
    return gate_limits_allow(policy_hold_tokens(hold, &tokens, output, &refusal->why), refusal);
}

/* ---- money ---- */

/* Where nobody knows how much the model writes, it is all of what it might or a clamp that every
 * model takes: what lies between would be held for nothing, or refused by the provider. */
static enum policy_verdict reserve(const struct weighing *weighing, const struct policy_ask *ask,
                                   struct policy_hold *hold, struct policy_grant *grant,
                                   struct policy_why *why)
{
    const struct gate_call *call = weighing->call;
    struct policy_ask one = *ask;

    if (!can_clamp(call))
        one.useful_minimum = ask->output_tokens;
    if (!can_clamp(call) || output_is_known(weighing) ||
        ask->output_tokens <= CLAMP_UNKNOWN * call->bounds.choices)
        return policy_reserve(hold, &one, grant, why);
    one.useful_minimum = ask->output_tokens;
    enum policy_verdict verdict = policy_reserve(hold, &one, grant, why);
    if (verdict != POLICY_REFUSED)
        return verdict;
    one.output_tokens = CLAMP_UNKNOWN * call->bounds.choices;
    one.useful_minimum = ask->useful_minimum;
    return policy_reserve(hold, &one, grant, why);
}

static void take_grant(const struct policy_grant *from, struct gate_grant *grant)
{
    grant->amount = from->amount;
    grant->cost = from->amount <= INT64_MAX ? (int64_t)from->amount : -1;
}

static bool may_go_unpriced(enum config_unpriced unpriced, struct policy_hold *hold)
{
    switch (unpriced) {
    case CONFIG_UNPRICED_ALLOW: return true;
    case CONFIG_UNPRICED_REFUSE: return false;
    case CONFIG_UNPRICED_REFUSE_UNDER_BUDGET: break;
    }
    return !policy_is_capped(hold);
}

static bool hold_money(const struct weighing *weighing, const struct policy_ask *ask,
                       struct policy_hold *hold, struct policy_grant *granted,
                       struct gate_refusal *refusal)
{
    enum policy_verdict verdict = reserve(weighing, ask, hold, granted, &refusal->why);

    refusal->has_why = verdict == POLICY_REFUSED;
    if (verdict == POLICY_ALLOWED)
        return true;
    refusal->refusal = refusal->has_why ? REFUSAL_BUDGET_EXHAUSTED : REFUSAL_MEMORY_LIMIT;
    return false;
}

/* ---- the decision ---- */

/* What is held in tokens and money; `priced` says whether `ask` is known. */
static bool hold_all(const struct weighing *weighing, struct policy_ask *ask, bool priced,
                     struct policy_hold *hold, struct gate_grant *grant,
                     struct gate_refusal *refusal)
{
    const struct gate_call *call = weighing->call;
    int64_t asked, output;

    if (!hold_tokens(weighing, hold, &asked, &output, refusal))
        return false;
    if (priced) {
        struct policy_grant granted;
        asked = ask->output_tokens;
        if (can_clamp(call) && output < asked)
            ask->output_tokens = output;
        if (!hold_money(weighing, ask, hold, &granted, refusal))
            return false;
        take_grant(&granted, grant);
        output = granted.output_tokens;
    }
    if (can_clamp(call) && output < asked)
        grant->output_limit = output / call->bounds.choices;
    return true;
}

bool gate_hold(enum config_unpriced unpriced, const struct gate_call *call,
               const struct priced_model *const models[], size_t count, struct policy_hold *hold,
               struct gate_grant *grant, struct gate_refusal *refusal)
{
    const enum endpoint_bills bills = call->endpoint->bills;
    const struct weighing weighing = {call, models, count};
    struct policy_ask ask;

    *grant = (struct gate_grant){.cost = -1};
    refusal->has_why = false;
    refusal->refusal = REFUSAL_NONE;
    if (bills == ENDPOINT_BILLS_NOTHING || bills == ENDPOINT_BILLS_REPORTED) {
        grant->cost = 0;
        return true;
    }
    bool priced = find_worst(&weighing, &ask);
    if (!priced && !may_go_unpriced(unpriced, hold)) {
        refusal->refusal = REFUSAL_MODEL_UNPRICED;
        return false;
    }
    return hold_all(&weighing, &ask, priced, hold, grant, refusal);
}

bool gate_hold_whole(enum config_unpriced unpriced, const struct gate_call *call,
                     const struct priced_model *const models[], size_t count,
                     struct policy_hold *hold, struct gate_grant *grant)
{
    const struct weighing weighing = {call, models, count};
    struct policy_grant granted;
    struct policy_ask ask;
    struct policy_why why;

    *grant = (struct gate_grant){.cost = -1};
    if (!find_worst(&weighing, &ask))
        return may_go_unpriced(unpriced, hold);
    ask.useful_minimum = ask.output_tokens;
    if (policy_reserve(hold, &ask, &granted, &why) != POLICY_ALLOWED)
        return false;
    take_grant(&granted, grant);
    return true;
}
