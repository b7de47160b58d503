#include "sample/trouble.h"

#include "base/clock.h"
#include "tables/refusals.h"

#define HOUR          (3600 * NANOSECONDS_PER_SECOND)
#define OUTAGE_LENGTH (160 * 60 * NANOSECONDS_PER_SECOND)
/* Until then each call finds out for itself; after that the breaker keeps most from trying. */
#define OUTAGE_NOTICED     (6 * 60 * NANOSECONDS_PER_SECOND)
#define TRIED_ALL_THE_SAME 0.04

/* ------------------------------------------------------------------ turned away */

static void refuse(struct call_maker *maker, struct call *call, enum refusal refusal)
{
    const struct refusal_row *row = refusal_row(refusal);
    struct record *record = &call->record;
    record->refusal = row->code;
    record->status = row->status;
    record->outcome = RECORD_OUTCOME_REFUSED;
    record->duration = (int64_t)dice_lengths(&maker->dice, 140e3, 0.4);
    record->bytes_sent = (int64_t)dice_between(&maker->dice, 560, 760);
    record->cost = 0;
    record->cost_state = TEXT("none");
}

/* Of a refusal before the call was looked at. */
static void forget_sizes(struct record *record)
{
    record->input_tokens = record->output_tokens = RECORD_UNKNOWN;
    record->asked_input = record->admitted = RECORD_UNKNOWN;
    record->streamed = false;
}

/* Of a refusal after it was known what is asked for. */
static void forget_usage(struct record *record)
{
    record->input_tokens = record->output_tokens = RECORD_UNKNOWN;
    record->cached_input_tokens = record->cache_write_tokens = RECORD_UNKNOWN;
    record->reasoning_tokens = record->first_byte = record->connect = RECORD_UNKNOWN;
    record->forwarded = record->first_token = RECORD_UNKNOWN;
    record->upstream_status = RECORD_UNKNOWN;
    record->usage_source = RECORD_USAGE_NONE;
    record->provider = record->target_model = record->service_tier = TEXT("");
    record->upstream_request_id = record->object_id = record->units = TEXT("");
    record->catalog = record->price_rule = record->price_service = TEXT("");
    record->cost_reserved = RECORD_UNKNOWN;
    record->attempts = 0;
}

static void come_from(struct call *call, unsigned a, unsigned b, unsigned c, uint64_t host)
{
    int length = snprintf(call->source, sizeof call->source, "%u.%u.%u.%llu", a, b, c,
                          (unsigned long long)host);
    call->record.source = text_of(call->source, (size_t)length);
    call->record.network = TEXT("");
}

static void turn_away_stranger(struct call_maker *maker, struct call *call)
{
    static const struct text claims[] = {TEXT_INIT("sk-p"), TEXT_INIT("sk-a"), TEXT_INIT("test"),
                                         TEXT_INIT("")};
    struct text claim = claims[dice_below(&maker->dice, ARRAY_LENGTH(claims))];
    come_from(call, 203, 0, 113, 4 + dice_below(&maker->dice, 9));
    call->record.user_agent = TEXT("python-requests/2.34.0");
    call->record.key_id = claim;
    refuse(maker, call, text_empty(claim) ? REFUSAL_KEY_MISSING : REFUSAL_KEY_MALFORMED);
}

/* What the key's rules leave to a thief: not what the team may not use. */
static bool turn_away_thief(struct call_maker *maker, const struct visit *visit, struct call *call)
{
    uint64_t revoked = maker->past->keys[visit->key].revoked_at;
    come_from(call, 198, 51, 100, 20 + dice_below(&maker->dice, 6));
    call->record.user_agent = TEXT("python-requests/2.34.0");
    if (revoked > 0 && visit->at >= revoked) {
        forget_sizes(&call->record);
        call->record.model = TEXT("");
        refuse(maker, call, REFUSAL_KEY_REVOKED);
        return true;
    }
    if (dice_chance(&maker->dice, 0.2)) {
        call->record.model = TEXT("claude-opus-5");
        call->record.rule = TEXT("models of team growth");
        refuse(maker, call, REFUSAL_MODEL_NOT_ALLOWED);
        forget_usage(&call->record);
        return true;
    }
    call->record.model = TEXT("gpt-5.6-sol");
    return false;
}

/* Their cluster has moved, and the rule of the team knows the old place alone. */
static void turn_away_moved(struct call_maker *maker, const struct visit *visit, struct call *call)
{
    come_from(call, cast_places[CAST_PLACE_NEW_CLUSTER].first,
              cast_places[CAST_PLACE_NEW_CLUSTER].second, 4, 10 + dice_below(&maker->dice, 24));
    int length = snprintf(call->rule, sizeof call->rule, "networks of team %.*s",
                          TEXT_ARG(cast_keys[visit->key].team));
    call->record.rule = text_of(call->rule, (size_t)length);
    forget_sizes(&call->record);
    call->record.model = TEXT("");
    refuse(maker, call, REFUSAL_NETWORK_NOT_ALLOWED);
}

/* A limit of calls in a minute is met at night, when everything is sent at once. */
static bool meets_nightly_limit(struct call_maker *maker, const struct visit *visit)
{
    uint64_t hour = visit->at / HOUR % 24;
    return maker->past->rules.nightly_limit[0] != '\0' && (hour <= 2 || hour >= 23) &&
           text_equal(cast_keys[visit->key].name, TEXT(PAST_NIGHTLY_KEY)) &&
           dice_chance(&maker->dice, 0.05);
}

/* The slips of a good caller. */
static bool turn_away_holder(struct call_maker *maker, const struct visit *visit, struct call *call)
{
    double slip = dice_between(&maker->dice, 0, 1);
    if (meets_nightly_limit(maker, visit)) {
        call->record.rule = text_from(maker->past->rules.nightly_limit);
        refuse(maker, call, REFUSAL_RATE_LIMITED);
    } else if (slip < 0.0006) {
        call->record.model = TEXT("gpt-5-mini-latest");
        refuse(maker, call, REFUSAL_MODEL_NOT_FOUND);
    } else if (slip < 0.0009) {
        refuse(maker, call, REFUSAL_JSON_INVALID);
    } else if (slip < 0.0010) {
        call->record.bytes_received = 33 << 20;
        refuse(maker, call, REFUSAL_BODY_TOO_LARGE);
    } else {
        return false;
    }
    forget_usage(&call->record);
    return true;
}

bool trouble_turn_away(struct call_maker *maker, const struct visit *visit, struct call *call)
{
    switch (visit->visitor) {
    case VISITOR_STRANGER: turn_away_stranger(maker, call); return true;
    case VISITOR_THIEF: return turn_away_thief(maker, visit, call);
    case VISITOR_MOVED: turn_away_moved(maker, visit, call); return true;
    case VISITOR_FORGOTTEN:
        forget_sizes(&call->record);
        call->record.model = TEXT("");
        refuse(maker, call, REFUSAL_KEY_EXPIRED);
        return true;
    case VISITOR_HOLDER: break;
    }
    return turn_away_holder(maker, visit, call);
}

void trouble_refuse_budget(struct call_maker *maker, struct call *call)
{
    forget_usage(&call->record);
    call->record.rule = text_from(maker->past->rules.sandbox_budget);
    refuse(maker, call, REFUSAL_BUDGET_EXHAUSTED);
}

/* ------------------------------------------------------------------ providers that fail */

/* An attempt that was left, as the road tells of it. */
struct failed {
    struct text provider, model;
    int status;
    const char *error; /* NULL: it answered */
    const char *left;
    int64_t took; /* nanoseconds */
};

static void begin_attempts(struct call *call, const struct failed *failed)
{
    char error[32];
    const char *quote = failed->error ? "\"" : "";
    (void)snprintf(error, sizeof error, "%s%s%s", quote, failed->error ? failed->error : "null",
                   quote);
    int length = snprintf(
        call->attempts, sizeof call->attempts,
        "[{\"provider\":\"%.*s\",\"model\":\"%.*s\",\"status\":%d,\"error\":%s,\"left\":\"%s\","
        "\"ms\":%lld,\"reused\":true,\"resent\":false}",
        TEXT_ARG(failed->provider), TEXT_ARG(failed->model), failed->status, error, failed->left,
        (long long)(failed->took / (int64_t)NANOSECONDS_PER_MILLISECOND));
    call->record.attempts_detail = text_of(call->attempts, (size_t)length);
}

/* The attempt that ended the call. */
static void end_attempts(struct call *call, int64_t took)
{
    struct record *record = &call->record;
    size_t length = record->attempts_detail.length;
    int more = snprintf(
        call->attempts + length, sizeof call->attempts - length,
        ",{\"provider\":\"%.*s\",\"model\":\"%.*s\",\"status\":%lld,\"error\":null,\"ms\":%lld,"
        "\"reused\":true,\"resent\":false}]",
        TEXT_ARG(record->provider), TEXT_ARG(record->target_model), (long long)record->status,
        (long long)(took / (int64_t)NANOSECONDS_PER_MILLISECOND));
    record->attempts_detail = text_of(call->attempts, length + (size_t)more);
    record->attempts = 2;
}

static void go_elsewhere(struct call *call, const struct cast_model *model)
{
    call->record.provider = model->other_provider;
    call->record.target_model = model->other_target;
}

/* Left after `took`, and answered well by the other target, or by the same one at last. */
static void recover(struct call *call, const struct cast_model *model, struct failed failed)
{
    struct record *record = &call->record;
    failed.provider = model->provider;
    failed.model = model->target;
    begin_attempts(call, &failed);
    if (!text_empty(model->other_provider))
        go_elsewhere(call, model);
    end_attempts(call, record->duration - record->forwarded);
    record->duration += failed.took;
    record->forwarded += failed.took;
    record->first_token += record->streamed ? failed.took : 0;
}

static void answer_with_error(struct call_maker *maker, struct call *call, int status)
{
    struct record *record = &call->record;
    struct text provider = record->provider, target = record->target_model;
    struct text request_id = record->upstream_request_id;
    int64_t forwarded = record->forwarded;
    forget_usage(record);
    record->provider = provider;
    record->target_model = target;
    record->upstream_request_id = request_id;
    record->attempts = 1;
    record->status = record->upstream_status = status;
    record->first_byte = (int64_t)dice_lengths(&maker->dice, 380e6, 0.5);
    record->forwarded = forwarded;
    record->duration = forwarded + record->first_byte;
    record->bytes_sent = (int64_t)dice_between(&maker->dice, 180, 420);
}

static void fail(struct call_maker *maker, struct call *call, enum refusal refusal,
                 const char *error, double seconds)
{
    const struct refusal_row *row = refusal_row(refusal);
    struct record *record = &call->record;
    answer_with_error(maker, call, 0);
    record->upstream_status = record->first_byte = RECORD_UNKNOWN;
    record->upstream_request_id = TEXT("");
    record->status = row->status;
    record->refusal = row->code;
    record->error = text_from(error);
    record->outcome = RECORD_OUTCOME_FAILED;
    record->duration = record->forwarded + (int64_t)(seconds * (double)NANOSECONDS_PER_SECOND);
}

/* The begin mark is all that is left of a call, and what was held for it is what it costs: as
 * ledger/recovery.c settles it. */
void trouble_interrupt(struct call *call)
{
    struct record *record = &call->record;
    int64_t held = record->cost_reserved;
    struct text provider = record->provider;
    forget_usage(record);
    record->provider = provider;
    record->attempts_detail = TEXT("");
    record->outcome = RECORD_OUTCOME_INTERRUPTED;
    record->status = record->duration = record->bytes_sent = RECORD_UNKNOWN;
    record->cost = record->cost_reserved = held;
    record->cost_state = held < 0 ? TEXT("unpriced") : TEXT("estimated");
    record->price_rule = TEXT("worst case: the gateway stopped during the call");
}

/* What was seen of the answer counts, as an estimate. */
static void leave_early(struct call_maker *maker, struct call *call, enum record_outcome outcome,
                        const char *error)
{
    struct record *record = &call->record;
    double part = dice_between(&maker->dice, 0.1, 0.9);
    record->outcome = outcome;
    if (outcome == RECORD_OUTCOME_FAILED)
        record->refusal = refusal_row(REFUSAL_UPSTREAM_BROKE_OFF)->code;
    record->error = text_from(error);
    record->usage_source = RECORD_USAGE_ESTIMATED;
    record->output_tokens = (int64_t)((double)record->output_tokens * part);
    record->cached_input_tokens = record->cache_write_tokens = RECORD_UNKNOWN;
    record->reasoning_tokens = RECORD_UNKNOWN;
    record->bytes_sent = (int64_t)((double)record->bytes_sent * part);
    record->duration =
        record->first_byte + (int64_t)((double)(record->duration - record->first_byte) * part);
}

static bool in_outage(const struct call_maker *maker, const struct record *record)
{
    uint64_t began = timeline_moment(&maker->past->timeline, PAST_OUTAGE);
    return text_equal(record->provider, TEXT("anthropic")) && record->started_at >= began &&
           record->started_at < began + OUTAGE_LENGTH;
}

/* The other target takes the calls; some are too many for it. */
static void befall_outage(struct call_maker *maker, const struct cast_model *model,
                          struct call *call)
{
    uint64_t since = call->record.started_at - timeline_moment(&maker->past->timeline, PAST_OUTAGE);
    bool tried = since < OUTAGE_NOTICED || dice_chance(&maker->dice, TRIED_ALL_THE_SAME);
    bool silent = dice_chance(&maker->dice, 0.3);
    struct failed failed = {
        .status = silent ? 0 : 529,
        .error = silent ? "timeout_first_byte" : NULL,
        .left = silent ? "timeout" : "server_error",
        .took = silent ? 30000000000 : (int64_t)dice_lengths(&maker->dice, 900e6, 0.6),
    };
    if (!tried)
        go_elsewhere(call, model);
    else if (dice_chance(&maker->dice, 0.12))
        answer_with_error(maker, call, 529);
    else
        recover(call, model, failed);
}

void trouble_befall(struct call_maker *maker, const struct cast_model *model, struct call *call)
{
    double luck = dice_between(&maker->dice, 0, 1);
    struct record *record = &call->record;
    const struct failed limited = {.status = 429, .left = "rate_limited", .took = 210000000};
    const struct failed broken = {.status = 500, .left = "server_error", .took = 640000000};
    if (in_outage(maker, record))
        befall_outage(maker, model, call);
    else if (luck < 0.0045)
        recover(call, model, limited);
    else if (luck < 0.0070)
        recover(call, model, broken);
    else if (luck < 0.0092)
        answer_with_error(maker, call, 400);
    else if (luck < 0.0108)
        answer_with_error(maker, call, 429);
    else if (luck < 0.0120)
        answer_with_error(maker, call, 500);
    else if (luck < 0.0128)
        fail(maker, call, REFUSAL_UPSTREAM_TIMEOUT, "timeout_first_byte", 60);
    else if (luck < 0.0132)
        fail(maker, call, REFUSAL_UPSTREAM_UNREACHABLE, "refused", 0.02);
    else if (record->streamed && luck < 0.0145)
        leave_early(maker, call, RECORD_OUTCOME_FAILED, "reset");
    else if (record->streamed && luck < 0.0230)
        leave_early(maker, call, RECORD_OUTCOME_CANCELLED, "closed");
}

/* ------------------------------------------------------------------ rules that watch */

/* "networks of team coding": no rule of the list has the source. */
static bool is_watched_network(const struct call_maker *maker, const struct visit *visit)
{
    const struct cast_key *row = &cast_keys[visit->key];
    return text_equal(row->team, TEXT(PAST_WATCHED_TEAM)) && row->place == CAST_PLACE_CI &&
           visit->at >= timeline_moment(&maker->past->timeline, PAST_CODING_WATCHED);
}

void trouble_watch(struct call_maker *maker, const struct visit *visit, struct call *call)
{
    const struct cast_key *row = &cast_keys[visit->key];
    uint64_t hour = visit->at / HOUR % 24;
    const char *reason = NULL, *id = NULL;
    if (is_watched_network(maker, visit)) {
        reason = "network";
        id = "networks of team " PAST_WATCHED_TEAM;
    } else if (maker->past->rules.search_limit[0] != '\0' &&
               text_equal(row->team, TEXT("search")) && hour >= 9 && hour <= 11 &&
               dice_chance(&maker->dice, 0.015)) {
        reason = "limit";
        id = maker->past->rules.search_limit;
    }
    if (reason == NULL)
        return;
    int length = snprintf(call->observed, sizeof call->observed,
                          "[{\"reason\":\"%s\",\"id\":\"%s\"}]", reason, id);
    call->record.observed = text_of(call->observed, (size_t)length);
}
