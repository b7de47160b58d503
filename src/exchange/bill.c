/* bill: what the call cost goes into its record, and what was held for it is settled.
 *
 *   refused, or no provider was reached          nothing
 *   the provider answered with an error          nothing, unless it reported usage
 *   the provider's usage                         its price
 *   a stream or answer that broke off            an estimate, of what was asked and relayed
 *   no price, or work that is billed later       unpriced; in a budget what was held counts
 */
#include "exchange/bill.h"
#include "base/clock.h"
#include "base/number.h"
#include "exchange/hold.h"
#include "openai/bounds.h"
#include "openai/members.h"

/* What the body says that a price goes by; in the body's own words. */
static struct text member_of(const struct exchange *exchange, struct text name)
{
    struct members members;
    struct member member;

    if (exchange->body_kind != BODY_JSON || exchange->body.length == 0)
        return text_of(NULL, 0);
    members_open(&members, buffer_text(&exchange->body));
    while (members_next(&members, &member)) {
        if (text_equal(member.key, name) && member.kind == SCAN_STRING && member.raw.length > 2)
            return text_of(member.raw.data + 1, member.raw.length - 2);
    }
    return text_of(NULL, 0);
}

/* What images are made like when nobody says, where the price goes by it; as OpenAI's reference of
 * images/generations has it. `usual` is in quotes, as what a body states is. */
static struct text stated_or(const struct exchange *exchange, const struct priced_model *model,
                             struct text name, struct text usual)
{
    struct text stated = member_of(exchange, name);

    if (!model || model->variant_count == 0 ||
        (stated.length > 0 && !text_equal(stated, TEXT("auto"))))
        return stated;
    return text_of(usual.data + 1, usual.length - 2);
}

static void read_facts(const struct exchange *exchange, const struct priced_model *model,
                       struct facts *facts)
{
    *facts = (struct facts){0};
    if (exchange->match.endpoint->bills != ENDPOINT_BILLS_IMAGES)
        return;
    facts->values[FACT_ENDPOINT] = TEXT("images");
    facts->values[FACT_SIZE] = stated_or(exchange, model, TEXT("size"), TEXT("\"1024x1024\""));
    facts->values[FACT_QUALITY] = stated_or(exchange, model, TEXT("quality"), TEXT("\"standard\""));
}

/* What a usage object does not say, where there is none. */
static void add_asked(const struct exchange *exchange, struct quantities *quantities)
{
    int64_t characters;

    if (quantities->state != QUANTITIES_NONE)
        return;
    switch (exchange->match.endpoint->bills) {
    case ENDPOINT_BILLS_IMAGES:
        quantities_add(quantities, UNIT_IMAGE, exchange->bounds.choices);
        break;
    case ENDPOINT_BILLS_SPEECH:
        characters = bounds_count_characters(buffer_text(&exchange->body), TEXT("input"));
        if (characters >= 0)
            quantities_add(quantities, UNIT_CHAR_INPUT, characters);
        break;
    default: return;
    }
    if (quantities->state == QUANTITIES_NONE)
        quantities->state = QUANTITIES_REPORTED;
}

/* The provider's own tools, of which its usage says nothing. */
static void add_tools(const struct attempt *attempt, struct quantities *quantities)
{
    static const enum unit units[TOOL_CALL_COUNT] = {
        [TOOL_CALL_WEB_SEARCH] = UNIT_WEB_SEARCH,
        [TOOL_CALL_FILE_SEARCH] = UNIT_FILE_SEARCH,
        [TOOL_CALL_CONTAINER] = UNIT_CODE_SESSION,
    };

    for (size_t i = 0; attempt->tools && i < TOOL_CALL_COUNT; i++) {
        if (attempt->tools->counts[i] > 0 && quantities->counts[units[i]] == 0)
            quantities_add(quantities, units[i], attempt->tools->counts[i]);
    }
    if (attempt->tools && attempt->tools->full) /* there were more than could be counted */
        quantities->state = QUANTITIES_ESTIMATED;
}

static bool was_sent(const struct attempt *attempt)
{
    return attempt && attempt->times.sent > 0;
}

static bool was_served(const struct attempt *attempt)
{
    return attempt && attempt->status >= 200 && attempt->status <= 299;
}

/* The call may have been worked on and nothing says how much: at least its prompt was read. */
static void estimate(struct exchange *exchange, struct quantities *quantities)
{
    struct usage usage;

    usage_clear(&usage);
    usage_estimate(&usage, (int64_t)exchange->body.length, 0);
    exchange->record.usage_source = RECORD_USAGE_ESTIMATED;
    exchange->record.input_tokens = usage.input;
    exchange->record.output_tokens = usage.output;
    quantities_take(quantities, DIALECT_OPENAI, &usage, text_of(NULL, 0), NULL);
}

#define UNITS_SIZE    512u /* the field's limit */
#define FACT_SIZE_MAX 64u  /* "1024x1536", "high"; longer ones are nothing that a price goes by */

/* What was billed, as JSON that is being written. */
struct units_text {
    char memory[UNITS_SIZE];
    size_t length;
    bool full;
};

/* A member; `value` is JSON. */
static void add_member(struct units_text *units, struct text name, struct text value)
{
    size_t room = sizeof(units->memory) - units->length;
    char *out = units->memory + units->length;

    if (name.length + value.length + 5 > room) { /* with the closing bracket */
        units->full = true;
        return;
    }
    *out++ = units->length == 0 ? '{' : ',';
    *out++ = '"';
    out = (char *)mempcpy(out, name.data, name.length);
    *out++ = '"';
    *out++ = ':';
    out = (char *)mempcpy(out, value.data, value.length);
    units->length = (size_t)(out - units->memory);
}

/* A text of the body, as it stands there between its quotes. */
static void add_fact(struct units_text *units, enum fact fact, struct text value)
{
    if (value.length > 0 && value.length <= FACT_SIZE_MAX)
        add_member(units, fact_name(fact), text_of(value.data - 1, value.length + 2));
}

/* {"input":176,"output":345}: the counts that are not zero, and what else the price goes by: so the
 * call can be priced again. */
static struct text write_units(struct exchange *exchange, const struct quantities *quantities,
                               const struct facts *facts)
{
    struct units_text units;

    units.length = 0;
    units.full = false;
    for (uint64_t set = quantities->set; set != 0; set &= set - 1) {
        enum unit unit = (enum unit)__builtin_ctzll(set);
        char digits[NUMBER_DIGITS_MAX];
        size_t count = number_format_unsigned((uint64_t)quantities->counts[unit], digits);
        add_member(&units, unit_rows[unit].name, text_of(digits, count));
    }
    add_fact(&units, FACT_SIZE, facts->values[FACT_SIZE]);
    add_fact(&units, FACT_QUALITY, facts->values[FACT_QUALITY]);
    if (units.length == 0 || units.full)
        return text_of(NULL, 0);
    units.memory[units.length++] = '}';
    return arena_copy(&exchange->arena, text_of(units.memory, units.length));
}

static const struct text state_names[] = {
    [PRICE_NONE] = TEXT_INIT("none"),
    [PRICE_REPORTED] = TEXT_INIT("priced"),
    [PRICE_PROVIDER_COST] = TEXT_INIT("priced"),
    [PRICE_ESTIMATED] = TEXT_INIT("estimated"),
    [PRICE_UNPRICED] = TEXT_INIT("unpriced"),
};

static void note_price(struct exchange *exchange, const struct priced_model *model,
                       const struct quantities *quantities, const struct facts *facts,
                       const struct price *price, struct record *record)
{
    char rule[PRICE_RULE_SIZE];

    record->cost_state = state_names[price->basis];
    record->units = write_units(exchange, quantities, facts);
    if (price->basis == PRICE_NONE) {
        record->cost = 0;
        return;
    }
    record->catalog = catalog_version(price_book_catalog(exchange->upstreams->book));
    record->price_service = price_service_name(price->service);
    if (price->basis == PRICE_UNPRICED) {
        record->price_rule = text_from(price->reason ? price->reason : "");
        return;
    }
    record->cost = price->cost;
    if (price->basis == PRICE_PROVIDER_COST) {
        record->price_rule = TEXT(PRICE_RULE_PROVIDER);
        return;
    }
    record->price_rule =
        arena_copy(&exchange->arena, text_of(rule, price_rule_write(model, price, rule)));
}

/* A translator has the provider's own usage object; else the price list says how it counts. */
static enum usage_dialect dialect_of(const struct answer_facts *answer,
                                     const struct priced_model *model)
{
    if (answer->usage_dialect.length > 0)
        return usage_dialect_find(answer->usage_dialect);
    return model ? model->dialect : DIALECT_OPENAI;
}

static enum price_basis price_attempt(struct exchange *exchange, struct attempt *attempt,
                                      struct record *record)
{
    const struct answer_facts *answer = provider_answer_facts(attempt->answer);
    const struct priced_model *model = hold_find_price(exchange, attempt->target);
    struct quantities quantities;
    struct facts facts;
    struct price price;

    read_facts(exchange, model, &facts);
    quantities_clear(&quantities);
    quantities_take(&quantities, dialect_of(answer, model), &answer->usage, answer->usage_raw,
                    &facts);
    if (quantities.state == QUANTITIES_NONE && was_served(attempt))
        add_asked(exchange, &quantities);
    if (quantities.state == QUANTITIES_NONE && was_sent(attempt) && !attempt->status &&
        exchange->match.endpoint->bills == ENDPOINT_BILLS_TOKENS)
        estimate(exchange, &quantities);
    add_tools(attempt, &quantities);
    const struct price_call call = {
        .at = (int64_t)(exchange->record.started_at / NANOSECONDS_PER_SECOND),
        .service = price_service_reported(answer->service_tier),
        .quantities = &quantities,
        .facts = &facts,
    };
    price_call(model, &call, &price);
    note_price(exchange, model, &quantities, &facts, &price, record);
    return price.basis;
}

/* Served, of a kind that costs, and nothing tells how much. An error in the place of an answer, as
 * the first event of a stream, is none; what comes before an error was estimated. */
static bool is_unaccounted(const struct exchange *exchange, const struct attempt *attempt,
                           enum price_basis basis)
{
    const enum endpoint_bills bills = exchange->match.endpoint->bills;

    return basis == PRICE_NONE && was_served(attempt) &&
           !provider_answer_facts(attempt->answer)->is_error && bills != ENDPOINT_BILLS_NOTHING &&
           bills != ENDPOINT_BILLS_REPORTED;
}

static void note_usage(struct exchange *exchange, struct attempt *attempt, struct record *record)
{
    const struct answer_facts *facts = provider_answer_facts(attempt->answer);
    const struct usage *usage = &facts->usage;

    record->upstream_request_id = attempt->upstream_request_id;
    record->service_tier = arena_copy(&exchange->arena, facts->service_tier);
    record->usage_source = usage->source == USAGE_REPORTED    ? RECORD_USAGE_REPORTED
                           : usage->source == USAGE_ESTIMATED ? RECORD_USAGE_ESTIMATED
                                                              : RECORD_USAGE_NONE;
    record->input_tokens = usage->input;
    record->cached_input_tokens = usage->cached_input;
    record->cache_write_tokens = usage->cache_write;
    record->output_tokens = usage->output;
    record->reasoning_tokens = usage->reasoning;
    record->audio_input_tokens = usage->audio_input;
    record->audio_output_tokens = usage->audio_output;
    record->image_input_tokens = usage->image_input;
    record->image_output_tokens = usage->image_output;
}

enum price_basis bill_attempt(struct exchange *exchange, struct attempt *attempt,
                              struct record *record)
{
    note_usage(exchange, attempt, record);
    enum price_basis basis = price_attempt(exchange, attempt, record);
    if (is_unaccounted(exchange, attempt, basis)) {
        basis = PRICE_UNPRICED;
        record->cost_state = state_names[basis];
        record->cost = RECORD_UNKNOWN;
        record->price_rule = TEXT("the answer tells no usage");
    }
    return basis;
}

void bill_settle(struct policy_hold *hold, const struct record *record, enum price_basis basis)
{
    struct policy_actual actual = {
        .state = basis == PRICE_NONE       ? POLICY_COST_NONE
                 : basis == PRICE_UNPRICED ? POLICY_COST_UNKNOWN
                                           : POLICY_COST_KNOWN,
        .cost = record->cost > 0 ? record->cost : 0,
        .tokens_known =
            record->input_tokens >= 0 || record->output_tokens >= 0 || basis == PRICE_NONE,
        .input_tokens = record->input_tokens > 0 ? record->input_tokens : 0,
        .output_tokens = record->output_tokens > 0 ? record->output_tokens : 0,
    };

    policy_settle(hold, &actual);
}

void bill_exchange(struct exchange *exchange)
{
    struct record *record = &exchange->record;
    enum price_basis basis = PRICE_NONE;

    if (!exchange->match.endpoint || exchange->unrecorded) {
        policy_settle(&exchange->hold, &(struct policy_actual){.state = POLICY_COST_NONE});
        return;
    }
    if (exchange->attempt)
        basis = bill_attempt(exchange, exchange->attempt, record);
    if (basis == PRICE_NONE) {
        record->cost = 0;
        record->cost_state = state_names[PRICE_NONE];
    }
    hold_note_observed(exchange);
    bill_settle(&exchange->hold, record, basis);
}
