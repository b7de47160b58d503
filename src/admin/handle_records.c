/* What was recorded: calls, and what administrators changed. Both the newest first, page by page.
 */
#include "admin/call.h"
#include "admin/exchange_filter.h"
#include "admin/handlers.h"
#include "base/number.h"
#include "ledger/history.h"
#include "ledger/record_json.h"
#include "store/audit.h"

/* ---- calls ---- */

/* Rows that one page looks at, half a second of work: where few of them match, a page may be short,
 * or empty, and others follow. */
#define LOOK_MAX 100000u

static bool read_filter(struct admin_call *call, struct history_filter *filter,
                        struct identifier *before)
{
    struct text cursor;

    if (!exchange_filter_read(call, filter) || !call_query_limit(call, &filter->limit) ||
        !call_read_cursor(call, &cursor))
        return false;
    if (!cursor.data)
        return true;
    filter->before = before;
    return identifier_parse(cursor, before) ||
           call_refuse(call, ADMIN_PROBLEM_INVALID, "cursor", "that is no cursor of this list");
}

/* Rows come in the order of their ids and are shown the other way round. */
struct gathered {
    struct admin_call *call;
    struct text *rows;
    size_t count, limit;
    bool failed;  /* memory was short */
    bool stopped; /* there was too much to look at: the next page goes on behind this id */
    char stopped_at[IDENTIFIER_TEXT_LENGTH];
    struct record_json format;
    char line[RECORD_JSON_MAX];
};

static bool gather(void *context, const struct record *record)
{
    struct gathered *gathered = context;
    size_t length = record_json_write(&gathered->format, record, RECORD_JSON_ALL, gathered->line);
    struct text row =
        arena_copy(&gathered->call->arena, text_trim(text_of(gathered->line, length - 1)));

    gathered->failed = !row.data;
    if (gathered->failed || gathered->count == gathered->limit)
        return false;
    gathered->rows[gathered->count++] = row;
    return true;
}

static bool read_history(struct admin_call *call, const struct history_filter *filter,
                         struct gathered *gathered)
{
    struct history *history;
    char problem[HISTORY_PROBLEM_SIZE];

    *gathered = (struct gathered){.call = call, .limit = filter->limit};
    gathered->rows = arena_take(&call->arena, filter->limit * sizeof(*gathered->rows));
    if (!gathered->rows)
        return call_refuse(call, ADMIN_PROBLEM_STORE, "", "%s", error_meaning(ERROR_MEMORY));
    enum error error = history_open(call->office->settings.data, filter, &history, problem);
    if (error == ERROR_OK) {
        struct identifier at;
        error = history_read(history, gather, gathered, problem);
        gathered->stopped = history_stopped(history, &at);
        identifier_format(at, gathered->stopped_at);
        history_close(history);
    }
    if (gathered->failed)
        return call_refuse(call, ADMIN_PROBLEM_ANSWER_TOO_LARGE, "limit", "ask for less at a time");
    return error == ERROR_OK || call_refuse(call, ADMIN_PROBLEM_STORE, "", "%s", problem);
}

/* The id stands first in a row's JSON: {"id":"req_…". */
static struct text id_of_row(struct text row)
{
    return text_first(text_from_index(row, sizeof("{\"id\":\"") - 1), IDENTIFIER_TEXT_LENGTH);
}

bool handle_exchanges(struct admin_call *call)
{
    struct history_filter filter;
    struct identifier before;
    struct gathered gathered;

    if (!read_filter(call, &filter, &before))
        return false;
    size_t limit = filter.limit++; /* one more shows that there is more */
    filter.look_max = LOOK_MAX;
    if (!read_history(call, &filter, &gathered))
        return false;
    bool more = gathered.count > limit;
    call_begin_page(call);
    for (size_t i = gathered.count; i > (more ? 1u : 0u); i--)
        json_raw(&call->json, gathered.rows[i - 1]);
    struct text stopped =
        text_of(gathered.stopped_at, gathered.stopped ? IDENTIFIER_TEXT_LENGTH : 0);
    call_end_page(call, more ? id_of_row(gathered.rows[1]) : stopped);
    return true;
}

bool handle_exchange(struct admin_call *call)
{
    struct identifier id;
    struct history_filter filter = {.only = &id, .limit = 1};
    struct gathered gathered;

    if (!call_narrow_team(call, &filter.team))
        return false;
    bool well_formed = identifier_parse(call->id, &id);
    if (well_formed && !read_history(call, &filter, &gathered))
        return false;
    if (!well_formed || gathered.count == 0)
        return call_refuse(call, ADMIN_PROBLEM_NOT_FOUND, "",
                           "there is no record of such a call; ids look like req_… and are in the "
                           "answer's header x-request-id");
    json_raw(&call->json, gathered.rows[0]);
    return true;
}

/* ---- changes ---- */

struct audit_page {
    struct admin_call *call;
    size_t shown, limit;
    int64_t last;
    bool more;
};

static void write_state(struct json_writer *json, const char *name, struct text state)
{
    json_key(json, text_from(name));
    if (text_empty(state))
        json_null(json);
    else
        json_raw(json, state);
}

static bool show_change(void *context, const struct audit_entry *entry)
{
    struct audit_page *page = context;
    struct json_writer *json = &page->call->json;

    page->more = page->shown == page->limit;
    if (page->more)
        return false;
    page->shown++;
    page->last = entry->number;
    json_begin_object(json);
    json_member_signed(json, "number", entry->number);
    call_write_moment(page->call, "time", entry->time);
    json_member_text(json, "who", entry->who);
    json_member_text(json, "via", entry->via);
    json_member_text(json, "action", entry->action);
    json_member_text(json, "kind", entry->object_kind);
    call_write_text(page->call, "object", entry->object_id);
    write_state(json, "before", entry->before);
    write_state(json, "after", entry->after);
    json_end_object(json);
    return true;
}

bool handle_audit(struct admin_call *call)
{
    struct audit_filter filter = {.object_kind = call_query(call, "kind"),
                                  .object_id = call_query(call, "object"),
                                  .who = call_query(call, "who")};
    struct audit_page page = {.call = call};
    struct text cursor;
    uint64_t number = 0;

    if (!call_query_moment(call, "since", &filter.since) ||
        !call_query_moment(call, "until", &filter.until) || !call_query_limit(call, &page.limit) ||
        !call_read_cursor(call, &cursor))
        return false;
    if (cursor.data && (!number_parse_unsigned(cursor, &number) || number > INT64_MAX))
        return call_refuse(call, ADMIN_PROBLEM_INVALID, "cursor", "that is no cursor of this list");
    filter.before_number = (int64_t)number;
    filter.limit = page.limit + 1;
    call_begin_page(call);
    if (!call_store_answer(call, audit_list(call->office->store, &filter, show_change, &page)))
        return false;
    char digits[NUMBER_DIGITS_MAX];
    size_t length = number_format_unsigned((uint64_t)page.last, digits);
    call_end_page(call, text_of(digits, page.more ? length : 0));
    return true;
}
