#include "admin/usage_filter.h"

#include "admin/call.h"

static struct usage_list list_of(const struct text *value)
{
    return (struct usage_list){value, text_empty(*value) ? 0 : 1};
}

bool usage_filter_read(struct admin_call *call, struct usage_filter *filter,
                       struct usage_request *request)
{
    struct text tag = call_query(call, "tag");

    *filter = (struct usage_filter){.team = call_query(call, "team"),
                                    .key = call_query(call, "key"),
                                    .model = call_query(call, "model"),
                                    .provider = call_query(call, "provider")};
    if (!call_narrow_team(call, &filter->team))
        return false;
    *request = (struct usage_request){.teams = list_of(&filter->team),
                                      .keys = list_of(&filter->key),
                                      .models = list_of(&filter->model),
                                      .providers = list_of(&filter->provider),
                                      .tags = &filter->tag};
    if (!tag.data)
        return true;
    filter->tag.name = text_split(&tag, '=');
    filter->tag.value = tag;
    request->tag_count = 1;
    return (tag.data && !text_empty(filter->tag.name)) ||
           call_refuse(call, ADMIN_PROBLEM_INVALID, "tag", "write NAME=VALUE");
}
