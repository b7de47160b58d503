/* Calls as they finish. */
#include "admin/call.h"
#include "admin/exchange_filter.h"
#include "admin/feed.h"
#include "admin/handlers.h"
#include "base/number.h"

/* The header of a browser that comes back; the parameter is for programs. */
static bool read_last(struct admin_call *call, uint64_t *last)
{
    struct text value = call_query(call, "last_event_id");

    *last = 0;
    if (!value.data)
        value = call->last_event_id;
    return !value.data || number_parse_unsigned(value, last) ||
           call_refuse(call, ADMIN_PROBLEM_INVALID, "last_event_id",
                       "that is no id of an event: give the `id` of the last one seen");
}

/* Longer ones match nothing that a record has. */
static bool fits(const struct history_filter *filter)
{
    return filter->key.length < FEED_TEXT_MAX && filter->team.length < FEED_TEXT_MAX &&
           filter->model.length < FEED_TEXT_MAX;
}

bool handle_events(struct admin_call *call)
{
    struct history_filter filter;
    uint64_t last;

    if (!exchange_filter_read(call, &filter) || !read_last(call, &last))
        return false;
    if (!fits(&filter))
        return call_refuse(call, ADMIN_PROBLEM_INVALID, "",
                           "no team, key or model has a name of %u bytes", FEED_TEXT_MAX);
    if (call->method == HTTP1_HEAD) {
        call->content_type = "text/event-stream";
        return true;
    }
    struct feed_watcher *watcher = feed_watch(call->office->feed, &filter, last);
    if (!watcher)
        return call_refuse(call, ADMIN_PROBLEM_LIMIT, "",
                           "%u others watch already, and no more may: close one",
                           FEED_WATCHERS_MAX);
    return call_go_on(call, &feed_stream_events, watcher);
}
