#include "admin/exchange_filter.h"

#include "admin/call.h"
#include "base/number.h"

#define TAG_MAX 4096u /* bytes of one in JSON; all of a key have 512 */

/* 429, or 4xx. */
static bool read_status(struct admin_call *call, struct history_filter *filter)
{
    struct text value = call_query(call, "status");
    bool class = value.length == 3 && text_ends_with(value, TEXT("xx"));
    uint64_t number;

    if (!value.data)
        return true;
    if (!number_parse_unsigned(class ? text_first(value, 1) : value, &number) ||
        number * (class ? 100 : 1) < 100 || number * (class ? 100 : 1) > 599)
        return call_refuse(call, ADMIN_PROBLEM_INVALID, "status",
                           "that is no status: 429, or 4xx for all of a class");
    filter->status_low = (int64_t)(class ? 100 * number : number);
    filter->status_high = filter->status_low + (class ? 99 : 0);
    return true;
}

/* NAME=VALUE as the JSON of a key's tags has it. */
static bool read_tag(struct admin_call *call, struct text *out)
{
    struct text value = call_query(call, "tag"), name;
    struct buffer json;

    if (!value.data)
        return true;
    name = text_split(&value, '=');
    if (!value.data || text_empty(name))
        return call_refuse(call, ADMIN_PROBLEM_INVALID, "tag", "write NAME=VALUE");
    buffer_open(&json, TAG_MAX);
    bool good = json_append_text(&json, name) && buffer_append_char(&json, ':') &&
                json_append_text(&json, value);
    *out = good ? arena_copy(&call->arena, buffer_text(&json)) : text_of(NULL, 0);
    buffer_close(&json);
    return out->data || call_refuse(call, ADMIN_PROBLEM_INVALID, "tag", "no tag is that long");
}

bool exchange_filter_read(struct admin_call *call, struct history_filter *filter)
{
    struct text outcome = call_query(call, "outcome");

    *filter = (struct history_filter){.key = call_query(call, "key"),
                                      .team = call_query(call, "team"),
                                      .model = call_query(call, "model"),
                                      .provider = call_query(call, "provider")};
    if (outcome.data && !record_outcome_parse(outcome, &filter->outcome))
        return call_refuse(call, ADMIN_PROBLEM_INVALID, "outcome",
                           "that is no outcome: served, refused, failed, cancelled or interrupted");
    return call_query_moment(call, "since", &filter->since) &&
           call_query_moment(call, "until", &filter->until) && read_status(call, filter) &&
           read_tag(call, &filter->tag) && call_narrow_team(call, &filter->team);
}
