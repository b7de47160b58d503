/* A call to a model, made by an administrator (admin/playground.h). */
#include "admin/call.h"
#include "admin/handlers.h"
#include "admin/playground.h"

#define ENDPOINT_DEFAULT "/chat/completions"

/* Those that take one JSON body and need no object of before. */
static const struct endpoint *find_endpoint(struct admin_call *call)
{
    struct text pattern = call_query(call, "endpoint");

    if (!pattern.data)
        pattern = TEXT(ENDPOINT_DEFAULT);
    for (unsigned i = 0; i < endpoint_count; i++) {
        const struct endpoint *endpoint = &endpoints[i];
        if (endpoint->method == ENDPOINT_POST && endpoint->body == ENDPOINT_BODY_JSON &&
            text_find_char(pattern, '{') < 0 && text_equal(endpoint->pattern, pattern) &&
            !text_starts_with(pattern, TEXT("/turnpike")))
            return endpoint;
    }
    (void)call_refuse(
        call, ADMIN_PROBLEM_INVALID, "endpoint",
        "that is no endpoint to try: " ENDPOINT_DEFAULT
        ", /responses, /embeddings, /moderations, /images/generations, /audio/speech");
    return NULL;
}

bool handle_playground(struct admin_call *call)
{
    struct text team = call_query(call, "team"), json;
    const struct endpoint *endpoint = find_endpoint(call);

    if (!endpoint || !call_narrow_team(call, &team))
        return false;
    if (!text_empty(team) &&
        !operations_show(&call->office->operations, OBJECT_TEAM, team, &json)) {
        (void)call_refuse_operation(call);
        if (call->problem.code == ADMIN_PROBLEM_NOT_FOUND)
            return call_refuse(call, ADMIN_PROBLEM_INVALID, "team", "there is no such team");
        return false;
    }
    return playground_call(call->office->playground, call, team, endpoint);
}
