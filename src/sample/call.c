#include "sample/call.h"

#include <math.h>

#include "base/clock.h"
#include "openai/usage.h"
#include "sample/trouble.h"

#define WORKERS          4u
#define BYTES_PER_TOKEN  4.1
#define STREAM_PER_TOKEN 210.0 /* bytes of a stream for a token: the frame around it */
#define SECOND           1e9
#define MOST_INPUT       180000.0
#define MOST_OUTPUT      24000.0
#define GPT_CACHE_BLOCK  128 /* tokens: OpenAI's prompt cache counts in steps of it */

/* ------------------------------------------------------------------ who asks, and for what */

static struct text keep(char *out, size_t size, int length)
{
    return text_of(out, length > 0 && (size_t)length < size ? (size_t)length : 0);
}

/* 48 bits of milliseconds, then what is random elsewhere and here is the dice's. */
static struct identifier make_id(struct dice *dice, uint64_t at)
{
    struct identifier id = identifier_lowest(at);
    uint64_t low = dice_roll(dice);
    uint16_t high = (uint16_t)dice_roll(dice);
    memcpy(id.bytes + 6, &high, sizeof high);
    memcpy(id.bytes + 8, &low, sizeof low);
    return id;
}

/* A key is at home on a few machines of its network. */
static void note_place(struct call_maker *maker, struct call *call, enum cast_place place,
                       unsigned home)
{
    const struct cast_place_row *row = &cast_places[place];
    unsigned machine = (unsigned)dice_below(&maker->dice, 5);
    call->record.network = row->network;
    call->record.source =
        keep(call->source, sizeof call->source,
             snprintf(call->source, sizeof call->source, "%u.%u.%u.%u", row->first, row->second,
                      home % 12, 10 + (home * 7 + machine) % 240));
}

static void note_key(struct call *call, const struct cast_key *row, const struct past_key *key)
{
    struct record *record = &call->record;
    record->key_id = text_from(key->id);
    record->key_name = row->name;
    record->team = row->team;
    record->tags =
        keep(call->tags, sizeof call->tags,
             snprintf(call->tags, sizeof call->tags, "{\"env\":\"%.*s\",\"feature\":\"%.*s\"}",
                      TEXT_ARG(row->environment), TEXT_ARG(row->feature)));
}

static const struct text paths[CAST_WORK_COUNT] = {
#define WORK(name, endpoint, ...) [CAST_WORK_##name] = TEXT_INIT("/v1" endpoint),
#include "sample/cast.def"
};

static struct text choose_model(struct call_maker *maker, const struct cast_key *row)
{
    bool other = !text_empty(row->other_model) && dice_chance(&maker->dice, row->other_share);
    return other ? row->other_model : row->model;
}

static void note_request(struct call_maker *maker, const struct visit *visit, struct call *call)
{
    const struct cast_key *row = &cast_keys[visit->key];
    struct record *record = &call->record;
    record_clear(record, make_id(&maker->dice, visit->at));
    record->started_at = visit->at;
    record->worker = (int64_t)dice_below(&maker->dice, WORKERS);
    record->listener = TEXT("main");
    record->method = TEXT("POST");
    record->endpoint = cast_works[row->work].endpoint;
    record->path = paths[row->work];
    record->user_agent = cast_user_agents[row->client];
    record->attempts = 0;
    record->usage_source = RECORD_USAGE_NONE;
}

/* ------------------------------------------------------------------ what is read and written */

static void note_sizes(struct call_maker *maker, const struct cast_work_row *work,
                       struct record *record)
{
    struct dice *dice = &maker->dice;
    double input = fmin(dice_lengths(dice, work->input, work->input_spread), MOST_INPUT);
    double output = fmin(dice_lengths(dice, work->output, work->output_spread), MOST_OUTPUT);
    record->input_tokens = (int64_t)input + 8;
    record->output_tokens = work->output > 0 ? (int64_t)output + 1 : 0;
    record->bytes_received = (int64_t)(input * BYTES_PER_TOKEN) + 120;
    record->asked_input = record->bytes_received;
    record->admitted = (int64_t)dice_lengths(dice, 60e3, 0.4);
    record->streamed = dice_chance(dice, work->streamed);
}

/* A conversation's beginning is in the cache from its second call on. */
static void note_cache(struct call_maker *maker, const struct cast_work_row *work,
                       const struct cast_model *model, struct record *record)
{
    struct dice *dice = &maker->dice;
    bool hit = dice_chance(dice, work->cached);
    double share = hit ? dice_between(dice, 0.6, 0.97) : 0;
    bool writes = text_equal(model->provider, TEXT("anthropic")) && work->cached > 0;
    record->cached_input_tokens =
        (int64_t)((double)record->input_tokens * share) / GPT_CACHE_BLOCK * GPT_CACHE_BLOCK;
    if (writes)
        record->cache_write_tokens = (record->input_tokens - record->cached_input_tokens) / 2;
    if (work->reasoning > 0)
        record->reasoning_tokens =
            (int64_t)((double)record->output_tokens * work->reasoning * dice_between(dice, 0.5, 1));
}

/* A long prompt takes longer to read; the busy hours are slower. */
static void note_times(struct call_maker *maker, const struct cast_model *model,
                       struct record *record)
{
    struct dice *dice = &maker->dice;
    unsigned hour = (unsigned)(record->started_at / (3600 * NANOSECONDS_PER_SECOND) % 24);
    double busy = hour >= 8 && hour <= 17 ? 1.18 : 1.0;
    double reading = (double)(record->input_tokens - record->cached_input_tokens) * 9e3;
    double first = dice_lengths(dice, model->first_token, 0.35) * busy + reading;
    double writing = (double)record->output_tokens * dice_lengths(dice, model->each_token, 0.2);
    /* An answer in one piece begins when all of it is written. */
    record->first_byte = (int64_t)(record->streamed ? first : first + writing);
    record->forwarded = record->admitted + (int64_t)dice_lengths(dice, 90e3, 0.3);
    record->duration = record->forwarded + (int64_t)(first + writing);
    record->first_token =
        record->streamed ? record->forwarded + record->first_byte : RECORD_UNKNOWN;
    record->connect = dice_chance(dice, 0.04) ? (int64_t)dice_lengths(dice, 21e6, 0.3) : 0;
    record->bytes_sent = (int64_t)((double)record->output_tokens *
                                   (record->streamed ? STREAM_PER_TOKEN : BYTES_PER_TOKEN)) +
                         (text_equal(record->endpoint, TEXT("/embeddings")) ? 20600 : 640);
}

static void note_answer(struct call_maker *maker, const struct cast_model *model, struct call *call)
{
    struct record *record = &call->record;
    unsigned long long number = dice_roll(&maker->dice);
    record->provider = model->provider;
    record->target_model = model->target;
    record->attempts = 1;
    record->status = record->upstream_status = 200;
    record->outcome = RECORD_OUTCOME_SERVED;
    record->usage_source = RECORD_USAGE_REPORTED;
    record->service_tier = TEXT("default");
    record->upstream_request_id =
        keep(call->request_id, sizeof call->request_id,
             snprintf(call->request_id, sizeof call->request_id, "req_%016llx", number));
    if (text_equal(record->endpoint, TEXT("/responses")))
        record->object_id =
            keep(call->object_id, sizeof call->object_id,
                 snprintf(call->object_id, sizeof call->object_id, "resp_%016llx", ~number));
}

/* ------------------------------------------------------------------ what it costs */

static struct text write_units(const struct quantities *quantities, struct call *call)
{
    size_t length = 0;
    for (uint64_t set = quantities->set; set != 0; set &= set - 1) {
        enum unit unit = (enum unit)__builtin_ctzll(set);
        int wrote = snprintf(call->units + length, sizeof call->units - length, "%c\"%.*s\":%lld",
                             length == 0 ? '{' : ',', TEXT_ARG(unit_rows[unit].name),
                             (long long)quantities->counts[unit]);
        if (wrote < 0 || length + (size_t)wrote + 2 > sizeof call->units)
            return text_of(NULL, 0);
        length += (size_t)wrote;
    }
    if (length == 0)
        return text_of(NULL, 0);
    call->units[length++] = '}';
    return text_of(call->units, length);
}

static const struct text state_names[] = {
    [PRICE_NONE] = TEXT_INIT("none"),
    [PRICE_REPORTED] = TEXT_INIT("priced"),
    [PRICE_PROVIDER_COST] = TEXT_INIT("priced"),
    [PRICE_ESTIMATED] = TEXT_INIT("estimated"),
    [PRICE_UNPRICED] = TEXT_INIT("unpriced"),
};

static void take_usage(const struct record *record, struct quantities *quantities)
{
    struct usage usage;
    usage_clear(&usage);
    usage.source = record->usage_source == RECORD_USAGE_ESTIMATED  ? USAGE_ESTIMATED
                   : record->usage_source == RECORD_USAGE_REPORTED ? USAGE_REPORTED
                                                                   : USAGE_NONE;
    usage.input = record->input_tokens;
    usage.cached_input = record->cached_input_tokens;
    usage.cache_write = record->cache_write_tokens;
    usage.output = record->output_tokens;
    usage.reasoning = record->reasoning_tokens;
    quantities_clear(quantities);
    quantities_take(quantities, DIALECT_OPENAI, &usage, text_of(NULL, 0), NULL);
}

static void note_price(const struct call_maker *maker, struct call *call)
{
    struct record *record = &call->record;
    struct quantities quantities;
    struct price price;
    take_usage(record, &quantities);
    const struct priced_model *model =
        price_book_find(maker->book, record->provider, record->target_model);
    const struct price_call asked = {.at = (int64_t)(record->started_at / NANOSECONDS_PER_SECOND),
                                     .service = SERVICE_STANDARD,
                                     .quantities = &quantities};
    price_call(model, &asked, &price);
    record->cost_state = state_names[price.basis];
    record->units = write_units(&quantities, call);
    if (price.basis == PRICE_NONE) {
        record->cost = 0;
        return;
    }
    record->catalog = catalog_version(price_book_catalog(maker->book));
    record->price_service = price_service_name(price.service);
    if (price.basis == PRICE_UNPRICED) {
        record->price_rule = text_from(price.reason ? price.reason : "");
        return;
    }
    record->cost = record->cost_reserved = price.cost;
    record->cost_reserved += price.cost / 3; /* the worst case that was held was more */
    record->price_rule =
        text_of(call->price_rule, price_rule_write(model, &price, call->price_rule));
}

/* A day's budget of a key: what it does not cover is refused. */
static bool covered_by_sandbox(struct call_maker *maker, const struct visit *visit,
                               const struct record *record)
{
    uint64_t day = visit->at / (86400 * NANOSECONDS_PER_SECOND);
    if (maker->past->rules.sandbox_budget[0] == '\0' ||
        !text_equal(cast_keys[visit->key].name, TEXT(PAST_SANDBOX_KEY)))
        return true;
    if (day != maker->sandbox_day)
        maker->sandbox_spent = 0;
    maker->sandbox_day = day;
    if (maker->sandbox_spent + record->cost > PAST_SANDBOX_DAY)
        return false;
    maker->sandbox_spent += record->cost > 0 ? record->cost : 0;
    return true;
}

/* ------------------------------------------------------------------ the whole of it */

static void serve(struct call_maker *maker, const struct visit *visit, struct call *call)
{
    const struct cast_work_row *work = &cast_works[cast_keys[visit->key].work];
    const struct cast_model *model = cast_find_model(call->record.model);
    note_cache(maker, work, model, &call->record);
    note_times(maker, model, &call->record);
    note_answer(maker, model, call);
    trouble_befall(maker, model, call);
    note_price(maker, call);
    if (!covered_by_sandbox(maker, visit, &call->record))
        trouble_refuse_budget(maker, call);
    trouble_watch(maker, visit, call);
}

void call_make(struct call_maker *maker, const struct visit *visit, struct call *call)
{
    const struct cast_key *row = &cast_keys[visit->key];
    struct record *record = &call->record;
    note_request(maker, visit, call);
    if (visit->visitor != VISITOR_STRANGER) {
        note_key(call, row, &maker->past->keys[visit->key]);
        note_place(maker, call, row->place, visit->key);
        note_sizes(maker, &cast_works[row->work], record);
        record->model = choose_model(maker, row);
    }
    if (!trouble_turn_away(maker, visit, call))
        serve(maker, visit, call);
    uint64_t killed = timeline_moment(&maker->past->timeline, PAST_KILLED);
    uint64_t finished = record->started_at + (uint64_t)record->duration;
    if (record->started_at < killed && finished >= killed && record->attempts > 0)
        trouble_interrupt(call);
    else
        record->finished_at = finished;
}
