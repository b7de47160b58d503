/* Where calls would go, and how the targets of models are. */
#include "admin/call.h"
#include "admin/handlers.h"
#include "base/clock.h"
#include "exchange/explain.h"

/* Tags that a question may have; a call has no more. */
#define TAGS_MAXIMUM 64u
/* Tokens of a prompt or an answer: more than any model takes. */
#define TOKENS_MAXIMUM 1000000000u

static struct explain_subject subject_of(const struct admin_call *call)
{
    return (struct explain_subject){call->office->config, call->office->routes, call->office->book};
}

bool handle_targets(struct admin_call *call)
{
    const struct explain_subject subject = subject_of(call);

    json_begin_object(&call->json);
    json_key(&call->json, TEXT("items"));
    explain_write_states(&subject, clock_monotonic(), &call->json);
    json_end_object(&call->json);
    return true;
}

static bool read_question(struct admin_call *call, struct route_tag *tags,
                          struct explain_call *question)
{
    struct text wrong = {NULL, 0}, list = call_query(call, "tags");
    uint64_t output = EXPLAIN_OUTPUT;

    *question = (struct explain_call){
        .model = call_query(call, "model"),
        .call = {.team = call_query(call, "team"), .tags = tags},
        .now = clock_monotonic(),
        .wall = (int64_t)(clock_wall() / NANOSECONDS_PER_SECOND),
    };
    question->call.affinity = question->now;
    if (question->model.length == 0)
        return call_refuse(call, ADMIN_PROBLEM_INVALID, "model", "say which model");
    if (!call_query_count(call, "tokens", 0, TOKENS_MAXIMUM, &question->call.tokens) ||
        !call_query_count(call, "output", 0, TOKENS_MAXIMUM, &output))
        return false;
    question->output = output;
    if (!explain_read_tags(list, tags, TAGS_MAXIMUM, &question->call.tag_count))
        return call_refuse(call, ADMIN_PROBLEM_INVALID, "tags",
                           "tags are written name=value,name=value");
    if (!explain_read_needs(call_query(call, "needs"), &question->call.needs, &wrong))
        return call_refuse(call, ADMIN_PROBLEM_INVALID, "needs", "\"%.*s\" is nothing to need",
                           TEXT_ARG(text_first(wrong, 60)));
    return true;
}

bool handle_route(struct admin_call *call)
{
    const struct explain_subject subject = subject_of(call);
    struct route_tag tags[TAGS_MAXIMUM];
    struct explain_call question;

    if (!read_question(call, tags, &question))
        return false;
    if (explain_write(&subject, &question, &call->json))
        return true;
    struct text near = config_nearest_model(subject.config, question.model);
    return call_refuse(
        call, ADMIN_PROBLEM_NOT_FOUND, "model", "no model answers to that name%s%.*s%s",
        near.length > 0 ? "; did you mean \"" : "", TEXT_ARG(near), near.length > 0 ? "\"?" : "");
}
