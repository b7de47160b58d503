#include "admin/object_change.h"

#include "admin/call.h"
#include "config/report.h"

/* The first of several problems, with the member that it is about, and how many there are. */
static bool refuse_report(struct admin_call *call, const struct config_problems *problems)
{
    const struct config_problem *first = &problems->items[0];
    struct text rest = first->path;
    struct text member = text_split(&rest, '.');
    char field[ADMIN_PROBLEM_FIELD_SIZE], more[64] = "";
    bool known = object_find_member(call->route->kind, member) != NULL;

    (void)text_copy_to(known ? member : TEXT(""), field, sizeof(field));
    if (problems->error_count > 1)
        (void)snprintf(more, sizeof(more), " (and %zu more problems)", problems->error_count - 1);
    return call_refuse(call, known ? ADMIN_PROBLEM_INVALID : ADMIN_PROBLEM_UNKNOWN_MEMBER, field,
                       "%.*s%s", TEXT_ARG(first->message), more);
}

bool object_change_read(struct admin_call *call, struct object_change *change)
{
    struct config_problems problems;
    struct report report;
    const struct document_node *body = call_read_body(call);

    if (!body)
        return false;
    config_problems_open(&problems);
    report_open(&report, &problems, TEXT(""));
    bool good = object_read(change, call->route->kind, body, &call->arena, &report);
    if (!good)
        (void)refuse_report(call, &problems);
    report_close(&report);
    config_problems_close(&problems);
    return good;
}

/* What the body names and is not there is a wrong value: a 404 would blame the URL. */
bool object_change_refuse(struct admin_call *call, const struct object_change *change)
{
    const struct admin_problem *problem = &call->office->operations.problem;
    const struct object_member_row *row =
        object_find_member(change->kind, text_from(problem->field));

    (void)call_refuse_operation(call);
    if (problem->code == ADMIN_PROBLEM_NOT_FOUND && row &&
        object_says(change, (enum object_member)(row - object_members)))
        call->problem.code = ADMIN_PROBLEM_INVALID;
    return false;
}
