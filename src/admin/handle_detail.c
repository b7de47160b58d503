/* The story of one call, told from its record and what belongs to it: what there is no record of is
 * null and not made up. */
#include "admin/call.h"
#include "admin/handlers.h"
#include "base/clock.h"
#include "ledger/history.h"
#include "ledger/record_json.h"
#include "ledger/repricing.h"
#include "meter/price_json.h"
#include "openai/refusal.h"
#include "store/adjustments.h"

/* Lines of a call that takes longer are looked for among those of so much of it. */
#define PARTS_WITHIN (600 * NANOSECONDS_PER_SECOND)
#define PARTS_MAX    64u /* of one call: as many attempts as there can be, and its copies */
#define MESSAGE_MAX  REFUSAL_BODY_MAX

struct detail {
    struct admin_call *call;
    struct identifier id;
    bool found;
    size_t parts;
    struct record_json format;
    char line[RECORD_JSON_MAX];
};

static void write_null(struct json_writer *json, const char *name)
{
    json_key(json, text_from(name));
    json_null(json);
}

static void write_text(struct detail *detail, const char *name, struct text value)
{
    call_write_text(detail->call, name, value);
}

static void write_record(struct detail *detail, const struct record *record)
{
    size_t length = record_json_write(&detail->format, record, RECORD_JSON_ALL, detail->line);

    json_raw(&detail->call->json, text_trim(text_of(detail->line, length)));
}

/* ---- steps ---- */

static void write_milliseconds(struct json_writer *json, const char *name, int64_t nanoseconds)
{
    char text[40];
    int length = snprintf(text, sizeof(text), "%lld.%03lld", (long long)(nanoseconds / 1000000),
                          (long long)(nanoseconds / 1000 % 1000));

    json_key(json, text_from(name));
    json_raw(json, text_of(text, (size_t)length));
}

/* One that lies between two known moments; what is not known is not a step. */
static void write_step(struct json_writer *json, const char *name, struct text what, int64_t from,
                       int64_t until)
{
    if (from < 0 || until < from)
        return;
    json_begin_object(json);
    json_member_text(json, "name", text_from(name));
    json_member_text(json, "text", what);
    write_milliseconds(json, "from_ms", from);
    write_milliseconds(json, "until_ms", until);
    json_end_object(json);
}

/* Of a call that limits and budgets were not asked about. */
static struct text describe_early_end(struct detail *detail, const struct record *record)
{
    struct arena *arena = &detail->call->arena;
    struct text told = {NULL, 0};

    if (!text_empty(record->rule))
        told = arena_format(arena, "%.*s refused it (%.*s), before limits and budgets were asked",
                            TEXT_ARG(record->rule), TEXT_ARG(record->refusal));
    else if (!text_empty(record->refusal))
        told = arena_format(arena, "it was refused (%.*s), before rules and budgets were asked",
                            TEXT_ARG(record->refusal));
    return told.data ? told : TEXT("it ended before there was a decision about it");
}

static void write_steps(struct detail *detail, const struct record *record)
{
    struct json_writer *json = &detail->call->json;
    int64_t decided = record->admitted, sent = record->forwarded, end = record->duration;
    int64_t answered = sent >= 0 && record->first_byte >= 0 ? sent + record->first_byte : -1;
    bool refused = record->outcome == RECORD_OUTCOME_REFUSED;

    json_key(json, TEXT("steps"));
    json_begin_array(json);
    if (sent < 0 && decided < 0)
        write_step(json, "refuse", describe_early_end(detail, record), 0, end);
    write_step(json, "decide", TEXT("who calls, from where, and whether rules and budgets let it"),
               0, decided);
    if (sent < 0)
        write_step(json, refused ? "refuse" : "send",
                   refused ? TEXT("the refusal went out") : TEXT("nothing was sent to a provider"),
                   decided, end);
    write_step(json, "send",
               record->attempts > 1 ? TEXT("the attempts before the last, and its connection")
                                    : TEXT("a target was chosen and connected to"),
               decided, sent);
    write_step(json, "wait", TEXT("until the first byte of the provider's answer"), sent,
               answered >= 0 ? answered : end);
    write_step(json, "relay", TEXT("the answer went to the caller"), answered, end);
    json_end_array(json);
}

/* ---- attempts and rules: JSON of ours, written again with every member ---- */

enum member_type { MEMBER_TEXT, MEMBER_NUMBER, MEMBER_FLAG };

struct member_row {
    const char *name;
    enum member_type type;
};

static const struct member_row attempt_members[] = {
    {"provider", MEMBER_TEXT}, {"model", MEMBER_TEXT},  {"status", MEMBER_NUMBER},
    {"error", MEMBER_TEXT},    {"left", MEMBER_TEXT},   {"ms", MEMBER_NUMBER},
    {"reused", MEMBER_FLAG},   {"resent", MEMBER_FLAG}, {"cost_usd", MEMBER_TEXT},
};

static const struct member_row observed_members[] = {
    {"reason", MEMBER_TEXT}, {"id", MEMBER_TEXT}, {"output_limit", MEMBER_NUMBER}};

static void write_member(struct json_writer *json, yyjson_val *object, const struct member_row *row)
{
    struct text text;
    uint64_t number;
    bool flag;

    if (row->type == MEMBER_TEXT && json_get_text(object, row->name, &text) == JSON_PRESENT)
        json_member_text(json, row->name, text);
    else if (row->type == MEMBER_NUMBER &&
             json_get_unsigned(object, row->name, &number) == JSON_PRESENT)
        json_member_unsigned(json, row->name, number);
    else if (row->type == MEMBER_FLAG && json_get_bool(object, row->name, &flag) == JSON_PRESENT)
        json_member_bool(json, row->name, flag);
    else
        write_null(json, row->name);
}

static void write_list(struct json_writer *json, struct text list, const struct member_row *rows,
                       size_t count)
{
    yyjson_doc *document;
    yyjson_arr_iter each;
    yyjson_val *object;

    if (text_empty(list) || json_parse(list, &document) != ERROR_OK)
        return;
    yyjson_arr_iter_init(yyjson_doc_get_root(document), &each);
    while ((object = yyjson_arr_iter_next(&each)) != NULL) {
        json_begin_object(json);
        for (size_t i = 0; i < count; i++)
            write_member(json, object, &rows[i]);
        json_end_object(json);
    }
    yyjson_doc_free(document);
}

/* Of one plain attempt the record's own fields say all. */
static void write_plain_attempt(struct detail *detail, const struct record *record)
{
    struct json_writer *json = &detail->call->json;

    json_begin_object(json);
    write_text(detail, "provider", record->provider);
    write_text(detail, "model", record->target_model);
    if (record->upstream_status >= 0)
        json_member_signed(json, "status", record->upstream_status);
    else
        write_null(json, "status");
    write_text(detail, "error", record->error);
    write_null(json, "left");
    if (record->forwarded >= 0 && record->duration >= record->forwarded)
        write_milliseconds(json, "ms", record->duration - record->forwarded);
    else
        write_null(json, "ms");
    if (record->connect >= 0)
        json_member_bool(json, "reused", record->connect == 0);
    else
        write_null(json, "reused");
    json_member_bool(json, "resent", false);
    write_null(json, "cost_usd");
    json_end_object(json);
}

static void write_attempts(struct detail *detail, const struct record *record)
{
    struct json_writer *json = &detail->call->json;

    json_key(json, TEXT("attempts"));
    json_begin_array(json);
    if (text_empty(record->attempts_detail) && record->attempts == 1)
        write_plain_attempt(detail, record);
    write_list(json, record->attempts_detail, attempt_members, ARRAY_LENGTH(attempt_members));
    json_end_array(json);
    json_key(json, TEXT("observed"));
    json_begin_array(json);
    write_list(json, record->observed, observed_members, ARRAY_LENGTH(observed_members));
    json_end_array(json);
}

/* ---- the error ---- */

static const struct refusal_row *find_refusal(const struct record *record, enum refusal *out)
{
    for (unsigned i = REFUSAL_NONE + 1; i < REFUSAL_COUNT; i++) {
        const struct refusal_row *row = refusal_row((enum refusal)i);
        *out = (enum refusal)i;
        if (text_equal(row->code, record->refusal) && (int64_t)row->status == record->status)
            return row;
    }
    return NULL;
}

static void write_message(struct detail *detail, enum refusal refusal)
{
    char id[IDENTIFIER_TEXT_LENGTH];
    const struct refusal_context context = {.request_id = text_of(id, sizeof(id))};
    struct buffer message;

    identifier_format(detail->id, id);
    buffer_open(&message, MESSAGE_MAX);
    if (refusal_write_message(&message, refusal, &context))
        write_text(detail, "message", buffer_text(&message));
    else
        write_null(&detail->call->json, "message");
    buffer_close(&message);
}

static void write_error(struct detail *detail, const struct record *record)
{
    struct json_writer *json = &detail->call->json;
    bool own = !text_empty(record->refusal);
    enum refusal refusal;
    const struct refusal_row *row = own ? find_refusal(record, &refusal) : NULL;

    json_key(json, TEXT("error"));
    if (!own && text_empty(record->error) && record->status < 400) {
        json_null(json);
        return;
    }
    json_begin_object(json);
    json_member_text(json, "from", own ? TEXT("turnpike") : TEXT("provider"));
    if (record->status >= 0)
        json_member_signed(json, "status", record->status);
    else
        write_null(json, "status");
    write_text(detail, "code", own ? record->refusal : record->error);
    write_text(detail, "type", row ? row->type : TEXT(""));
    if (row)
        write_message(detail, refusal);
    else
        write_null(json, "message");
    write_text(detail, "rule", record->rule);
    json_end_object(json);
}

/* ---- the cost ---- */

static void write_adjustment(void *context, const struct adjustment *adjustment)
{
    struct detail *detail = context;
    struct json_writer *json = &detail->call->json;

    json_begin_object(json);
    call_write_moment(detail->call, "time", adjustment->time);
    json_member_text(json, "who", adjustment->who);
    json_member_text(json, "catalog", adjustment->catalog);
    if (adjustment->before >= 0)
        price_json_exact(json, "before_usd", adjustment->before);
    else
        write_null(json, "before_usd");
    price_json_exact(json, "after_usd", adjustment->after);
    json_end_object(json);
}

static void write_lines(struct detail *detail, const struct record *record)
{
    struct json_writer *json = &detail->call->json;
    const struct price_book *book = detail->call->office->book;
    struct repricing repricing;

    repricing_make(record, book, &repricing);
    const struct price *price = &repricing.price;
    write_null(json, "not_priced_again");
    price_json_cost(json, "cost_usd", price);
    json_member_text(json, "catalog", catalog_version(price_book_catalog(book)));
    json_member_text(json, "basis", price_basis_name(price->basis));
    write_text(detail, "reason",
               price->basis == PRICE_UNPRICED ? text_from(price->reason) : TEXT(""));
    price_json_list(json, price);
}

static void write_no_lines(struct detail *detail, const char *obstacle)
{
    static const char *const nothing[] = {"cost_usd", "catalog", "basis", "reason"};
    struct json_writer *json = &detail->call->json;

    json_member_text(json, "not_priced_again", text_from(obstacle));
    for (size_t i = 0; i < ARRAY_LENGTH(nothing); i++)
        write_null(json, nothing[i]);
    json_key(json, TEXT("lines"));
    json_begin_array(json);
    json_end_array(json);
}

static enum error write_cost(struct detail *detail, const struct record *record)
{
    struct json_writer *json = &detail->call->json;
    const char *obstacle = repricing_obstacle(record);

    json_key(json, TEXT("cost"));
    json_begin_object(json);
    write_text(detail, "state", record->cost_state);
    if (record->cost >= 0)
        price_json_exact(json, "recorded_usd", record->cost);
    else
        write_null(json, "recorded_usd");
    write_text(detail, "recorded_rule", record->price_rule);
    write_text(detail, "recorded_catalog", record->catalog);
    if (obstacle)
        write_no_lines(detail, obstacle);
    else
        write_lines(detail, record);
    json_key(json, TEXT("adjustments"));
    json_begin_array(json);
    enum error error =
        adjustments_of(detail->call->office->store, record->id, write_adjustment, detail);
    json_end_array(json);
    json_end_object(json);
    return error;
}

/* ---- the whole ---- */

struct telling {
    struct detail *detail;
    enum error error;
    uint64_t started, finished; /* wall */
};

static bool tell(void *context, const struct record *record)
{
    struct telling *telling = context;
    struct detail *detail = telling->detail;
    struct json_writer *json = &detail->call->json;

    detail->found = true;
    telling->started = record->started_at;
    telling->finished = record->finished_at;
    json_begin_object(json);
    json_key(json, TEXT("call"));
    write_record(detail, record);
    write_steps(detail, record);
    write_attempts(detail, record);
    write_error(detail, record);
    telling->error = write_cost(detail, record);
    return false;
}

static bool tell_part(void *context, const struct record *record)
{
    struct detail *detail = context;

    write_record(detail, record);
    return ++detail->parts < PARTS_MAX;
}

static enum error read(struct detail *detail, const struct history_filter *filter,
                       history_visit visit, void *context, char problem[HISTORY_PROBLEM_SIZE])
{
    struct history *history;
    enum error error = history_open(detail->call->office->settings.data, filter, &history, problem);

    if (error != ERROR_OK)
        return error;
    error = history_read(history, visit, context, problem);
    history_close(history);
    return error;
}

/* Lines of a call have ids of the time in which it ran. */
static enum error read_parts(struct detail *detail, const struct telling *telling,
                             char problem[HISTORY_PROBLEM_SIZE])
{
    char id[IDENTIFIER_TEXT_LENGTH];
    uint64_t end = telling->started + PARTS_WITHIN;
    struct history_filter filter = {.since = telling->started,
                                    .until = telling->finished < end ? telling->finished : end,
                                    .part_of = text_of(id, sizeof(id))};

    identifier_format(detail->id, id);
    json_key(&detail->call->json, TEXT("parts"));
    json_begin_array(&detail->call->json);
    enum error error = read(detail, &filter, tell_part, detail, problem);
    json_end_array(&detail->call->json);
    return error;
}

static bool answer(struct detail *detail)
{
    struct admin_call *call = detail->call;
    struct history_filter filter = {.only = &detail->id};
    struct telling telling = {.detail = detail};
    char problem[HISTORY_PROBLEM_SIZE];

    if (!call_narrow_team(call, &filter.team))
        return false;
    enum error error = identifier_parse(call->id, &detail->id)
                           ? read(detail, &filter, tell, &telling, problem)
                           : ERROR_OK;
    if (error != ERROR_OK)
        return call_refuse(call, ADMIN_PROBLEM_STORE, "", "%s", problem);
    if (!detail->found)
        return call_refuse(call, ADMIN_PROBLEM_NOT_FOUND, "",
                           "there is no record of such a call; ids look like req_… and are in the "
                           "answer's header x-request-id");
    if (!call_store_answer(call, telling.error))
        return false;
    if (read_parts(detail, &telling, problem) != ERROR_OK)
        return call_refuse(call, ADMIN_PROBLEM_STORE, "", "%s", problem);
    json_end_object(&call->json);
    return true;
}

bool handle_exchange_detail(struct admin_call *call)
{
    struct detail *detail = calloc(1, sizeof(*detail));

    if (!detail)
        return call_refuse(call, ADMIN_PROBLEM_STORE, "", "%s", error_meaning(ERROR_MEMORY));
    detail->call = call;
    bool good = answer(detail);
    free(detail);
    return good;
}
