/* Who would be refused by a rule about a network, before it is saved: recorded calls of its team or
 * key, replayed with the rule in force (preview/replay.h).
 *
 * The rule is made, read and taken back in one transaction, so all is checked as when it is saved,
 * and nobody ever sees it. Limits and budgets are replayed with a part of the calls, so nothing is
 * said of them: only of what the networks decide. */
#include "admin/call.h"
#include "admin/handlers.h"
#include "admin/object_change.h"
#include "base/clock.h"
#include "base/ensure.h"
#include "identity/reader.h"
#include "preview/feed.h"
#include "preview/replay.h"
#include "store/usage.h"

#define DAY           ROLLUP_DAY
#define SINCE_DEFAULT (7 * DAY)
#define SINCE_MAX     (90 * DAY)
/* Records that are read: some seconds, for which the admin API answers nobody else. */
#define RECORDS_MAX 1000000
#define QUARTERS    (2 * 96u) /* the last two days are measured that finely, the others by day */
#define EDGES_MAX   (QUARTERS + SINCE_MAX / DAY + 2)
#define ROWS_MAX    100u /* told apart of each list */

struct effect_row {
    const struct name *key, *key_name, *team, *network;
    uint64_t calls, last_at;
    struct identifier last;
};

struct effect_list {
    uint64_t calls;
    struct effect_row rows[ROWS_MAX]; /* what comes when it is full is in `calls` alone */
    size_t count;
};

struct effect {
    struct admin_call *call;
    struct object_change change;
    struct text rule; /* that is edited; data NULL: it is a new one */
    struct text team, key;
    uint64_t now, since, asked_since;
    uint64_t left_out, calls, unknown;
    struct effect_list refused, allowed;
    struct preview_rules rules;
    struct replay *replay;
};

/* ---- what is asked ---- */

static bool read_question(struct effect *effect)
{
    struct admin_call *call = effect->call;

    effect->now = clock_wall();
    effect->since = effect->now - SINCE_DEFAULT;
    effect->rule = call_query(call, "rule");
    if (!object_change_read(call, &effect->change) ||
        !call_query_moment(call, "since", &effect->since))
        return false;
    if (effect->since >= effect->now)
        return call_refuse(call, ADMIN_PROBLEM_INVALID, "since", "it lies ahead");
    if (effect->since < effect->now - SINCE_MAX)
        return call_refuse(
            call, ADMIN_PROBLEM_INVALID, "since",
            "at most 90 days are looked back at here; turnpike preview has no limit");
    effect->asked_since = effect->since;
    effect->change.values[OBJECT_NETWORK_RULE_mode] =
        (struct object_value){.presence = OBJECT_SET, .text = TEXT("enforce")};
    return true;
}

/* ---- the rule, made and taken back ---- */

/* Whose it is, from what the operation made of it: {"team":…} or {"key":…}. */
static bool read_scope(struct effect *effect, struct text json)
{
    struct admin_call *call = effect->call;
    yyjson_doc *document;
    struct text value;

    if (json_parse(json, &document) != ERROR_OK)
        return call_refuse(call, ADMIN_PROBLEM_STORE, "", "%s", error_meaning(ERROR_MEMORY));
    if (json_get_text(yyjson_doc_get_root(document), "team", &value) == JSON_PRESENT)
        effect->team = arena_copy(&call->arena, value);
    if (json_get_text(yyjson_doc_get_root(document), "key", &value) == JSON_PRESENT)
        effect->key = arena_copy(&call->arena, value);
    yyjson_doc_free(document);
    return true;
}

static bool make_rule(struct effect *effect)
{
    struct admin_call *call = effect->call;
    struct operations *operations = &call->office->operations;
    struct operation_result result;
    bool made = effect->rule.data
                    ? operations_edit(operations, effect->rule, &effect->change, &result)
                    : operations_create(operations, &effect->change, &result);

    if (!made)
        return object_change_refuse(call, &effect->change);
    return read_scope(effect, result.after);
}

static bool read_rules(struct effect *effect)
{
    struct admin_call *call = effect->call;
    struct operations *operations = &call->office->operations;
    char problem[PREVIEW_PROBLEM_SIZE] = "";

    if (!preview_rules_open(&effect->rules, call->office->config, call->office->store, problem))
        return call_refuse(call, ADMIN_PROBLEM_STORE, "", "%s", problem);
    if (!operations_begin(operations))
        return call_refuse_operation(call);
    bool good = make_rule(effect);
    if (good && !preview_rules_read(&effect->rules, effect->since, problem))
        good = call_refuse(call, ADMIN_PROBLEM_STORE, "", "%s", problem);
    operations_roll_back(operations);
    return good;
}

/* ---- how far back ---- */

struct volume {
    uint64_t calls[EDGES_MAX];
};

static bool take_volume(void *context, const struct usage_row *row)
{
    struct volume *volume = context;

    volume->calls[row->interval] = (uint64_t)row->sums->counters.calls;
    return true;
}

/* From the back: the step in which there would be too many is not looked at, nor what is before. */
static bool find_since(struct effect *effect)
{
    struct admin_call *call = effect->call;
    struct volume volume = {0};
    uint64_t edges[EDGES_MAX], end = effect->now - effect->now % ROLLUP_QUARTER + ROLLUP_QUARTER;
    uint64_t fine = end - end % DAY - DAY, at = effect->since - effect->since % ROLLUP_QUARTER;
    size_t count = 0;

    for (; at < end; at = at >= fine ? at + ROLLUP_QUARTER : at - at % DAY + DAY)
        edges[count++] = at;
    edges[count++] = end;
    const struct usage_request request = {.edges = edges, .edge_count = count};
    if (!call_store_answer(call, usage_query(call->office->store, &request, take_volume, &volume)))
        return false;
    uint64_t records = 0;
    for (size_t i = count - 1; i > 0; i--) {
        records += volume.calls[i - 1];
        if (records > RECORDS_MAX && i < count - 1 && edges[i] > effect->since) {
            effect->since = edges[i];
            for (size_t j = 0; j < i; j++)
                effect->left_out += volume.calls[j];
            return true;
        }
    }
    return true;
}

/* ---- replaying ---- */

static void add_row(struct effect_list *list, const struct preview_verdict *verdict)
{
    struct effect_row *row = list->rows, *end = row + list->count;

    list->calls++;
    while (row < end && (row->key != verdict->key || row->network != verdict->network))
        row++;
    if (row == end && list->count == ROWS_MAX)
        return;
    if (row == end) {
        list->count++;
        *row = (struct effect_row){.key = verdict->key, .network = verdict->network};
    }
    row->key_name = verdict->key_name;
    row->team = verdict->team;
    row->calls++;
    row->last_at = verdict->started_at;
    row->last = verdict->id;
}

static void take_verdict(void *context, const struct preview_verdict *verdict)
{
    struct effect *effect = context;
    static const char code[] = "network_not_allowed";

    effect->calls++;
    if (verdict->now == PREVIEW_UNKNOWN)
        effect->unknown++;
    else if (verdict->then == PREVIEW_ALLOWED && verdict->refusal == REFUSAL_NETWORK_NOT_ALLOWED)
        add_row(&effect->refused, verdict);
    else if (verdict->then == PREVIEW_REFUSED && verdict->now == PREVIEW_ALLOWED &&
             verdict->code_then && text_equal(verdict->code_then->text, text_from(code)))
        add_row(&effect->allowed, verdict);
}

static void take_record(void *context, const struct record *record)
{
    struct effect *effect = context;

    replay_take(effect->replay, record);
}

static bool replay(struct effect *effect)
{
    struct admin_call *call = effect->call;
    const struct history_filter filter = {
        .since = effect->since, .until = effect->now, .team = effect->team, .key = effect->key};
    char problem[HISTORY_PROBLEM_SIZE] = "";

    preview_rules_begin(&effect->rules);
    effect->replay = replay_create(&effect->rules, effect->since, take_verdict, effect);
    enum error error = feed_run(call->office->settings.data, &filter, take_record, effect, problem);
    replay_finish(effect->replay);
    return error == ERROR_OK || call_refuse(call, ADMIN_PROBLEM_STORE, "", "%s", problem);
}

/* ---- the answer ---- */

static int compare_rows(const void *left, const void *right)
{
    const struct effect_row *a = left, *b = right;

    return (a->calls < b->calls) - (a->calls > b->calls);
}

static struct text name_of(const struct name *name)
{
    return name ? name->text : TEXT("");
}

static void write_list(struct admin_call *call, const char *name, struct effect_list *list)
{
    struct json_writer *json = &call->json;

    qsort(list->rows, list->count, sizeof(*list->rows), compare_rows);
    json_key(json, text_from(name));
    json_begin_array(json);
    for (size_t i = 0; i < list->count; i++) {
        const struct effect_row *row = &list->rows[i];
        char id[IDENTIFIER_TEXT_LENGTH];
        identifier_format(row->last, id);
        json_begin_object(json);
        call_write_text(call, "key", name_of(row->key));
        call_write_text(call, "key_name", name_of(row->key_name));
        call_write_text(call, "team", name_of(row->team));
        call_write_text(call, "network", name_of(row->network));
        json_member_unsigned(json, "calls", row->calls);
        call_write_moment(call, "last_at", row->last_at);
        json_member_text(json, "example", text_of(id, sizeof(id)));
        json_end_object(json);
    }
    json_end_array(json);
}

static bool write_answer(struct effect *effect)
{
    struct admin_call *call = effect->call;
    struct json_writer *json = &call->json;

    json_begin_object(json);
    call_write_moment(call, "since", effect->since);
    call_write_moment(call, "until", effect->now);
    call_write_moment(call, "asked_since", effect->asked_since);
    json_member_unsigned(json, "calls_left_out", effect->left_out);
    json_member_unsigned(json, "calls", effect->calls);
    json_member_unsigned(json, "unknown", effect->unknown);
    json_member_unsigned(json, "newly_refused", effect->refused.calls);
    json_member_unsigned(json, "newly_allowed", effect->allowed.calls);
    write_list(call, "refused", &effect->refused);
    write_list(call, "allowed", &effect->allowed);
    json_end_object(json);
    return true;
}

bool handle_rule_preview(struct admin_call *call)
{
    struct effect *effect = ensure_memory(calloc(1, sizeof(*effect)));

    effect->call = call;
    reader_register();
    bool good = read_question(effect) && find_since(effect) && read_rules(effect) &&
                replay(effect) && write_answer(effect);
    replay_destroy(effect->replay);
    preview_rules_close(&effect->rules);
    reader_unregister();
    free(effect);
    return good;
}
