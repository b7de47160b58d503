#include "admin/exchange_filter.h"

#include "admin/call.h"
#include "base/number.h"

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

bool exchange_filter_read(struct admin_call *call, struct history_filter *filter)
{
    struct text outcome = call_query(call, "outcome");

    *filter = (struct history_filter){.key = call_query(call, "key"),
                                      .team = call_query(call, "team"),
                                      .model = call_query(call, "model")};
    if (outcome.data && !record_outcome_parse(outcome, &filter->outcome))
        return call_refuse(call, ADMIN_PROBLEM_INVALID, "outcome",
                           "that is no outcome: served, refused, failed, cancelled or interrupted");
    return call_query_moment(call, "since", &filter->since) &&
           call_query_moment(call, "until", &filter->until) && read_status(call, filter) &&
           call_narrow_team(call, &filter->team);
}
