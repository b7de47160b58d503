#include "app/admin_run.h"

#include "app/admin_view.h"

/* Ends a session that has made, or tried to make, a change. */
static int finish(struct admin_session *session, const struct admin_common *common,
                  enum object_kind kind, bool done, struct operation_result *result)
{
    int exit_code = done ? VERB_OK : admin_session_fail(session);
    if (done)
        admin_view_result(kind, result, common->json);
    secret_free(result->secret);
    admin_session_end(session);
    return exit_code;
}

/* What was said, checked, and the store opened; else the session is ended, with the exit code. */
static bool begin(struct admin_session *session, const struct verb_call *call,
                  const struct admin_common *common, enum object_kind kind, admin_say say,
                  bool creating, struct object_change *change, int *exit_code)
{
    *exit_code = VERB_USAGE;
    admin_session_begin(session, call->verb, common->data);
    object_open(change, kind);
    if (say(session, call->options, change) && admin_session_check(session, change, creating)) {
        *exit_code = VERB_FAILED;
        if (admin_session_open(session, creating))
            return true;
    }
    admin_session_end(session);
    return false;
}

int admin_run_create(const struct verb_call *call, const struct admin_common *common,
                     enum object_kind kind, admin_say say)
{
    struct admin_session session;
    struct object_change wanted;
    struct operation_result result = {0};
    int exit_code;
    if (!begin(&session, call, common, kind, say, true, &wanted, &exit_code))
        return exit_code;
    bool done = operations_create(&session.operations, &wanted, &result);
    return finish(&session, common, kind, done, &result);
}

int admin_run_edit(const struct verb_call *call, const struct admin_common *common,
                   enum object_kind kind, const char *id, admin_say say)
{
    struct admin_session session;
    struct object_change changes;
    struct operation_result result = {0};
    int exit_code;
    if (!begin(&session, call, common, kind, say, false, &changes, &exit_code))
        return exit_code;
    bool done = operations_edit(&session.operations, text_from(id), &changes, &result);
    return finish(&session, common, kind, done, &result);
}

int admin_run_show(const struct verb_call *call, const struct admin_common *common,
                   enum object_kind kind, const char *id)
{
    struct admin_session session;
    struct text json;
    int exit_code = VERB_FAILED;
    admin_session_begin(&session, call->verb, common->data);
    if (admin_session_open(&session, false)) {
        if (operations_show(&session.operations, kind, text_from(id), &json)) {
            admin_view_object(kind, json, NULL, common->json);
            exit_code = VERB_OK;
        } else {
            exit_code = admin_session_fail(&session);
        }
    }
    admin_session_end(&session);
    return exit_code;
}

int admin_run_list(const struct verb_call *call, const struct admin_common *common,
                   enum object_kind kind, const struct operations_filter *filter, const char *hint)
{
    struct admin_session session;
    int exit_code = VERB_FAILED;
    admin_session_begin(&session, call->verb, common->data);
    if (admin_session_open(&session, false))
        exit_code = admin_view_list(&session, kind, filter, common->json, hint);
    admin_session_end(&session);
    return exit_code;
}

int admin_run_delete(const struct verb_call *call, const struct admin_common *common,
                     enum object_kind kind, const char *id,
                     const struct operation_deletion *deletion)
{
    struct admin_session session;
    struct operation_result result = {0};
    int exit_code = VERB_FAILED;
    admin_session_begin(&session, call->verb, common->data);
    if (admin_session_open(&session, false)) {
        if (!operations_delete(&session.operations, kind, text_from(id), deletion, &result))
            exit_code = admin_session_fail(&session);
        else
            exit_code = VERB_OK;
    }
    if (exit_code == VERB_OK && common->json)
        printf("%.*s\n", TEXT_ARG(result.after.data ? result.after : result.before));
    else if (exit_code == VERB_OK)
        printf("The %s %.*s is %s.\n", object_kinds[kind].singular.data, TEXT_ARG(result.id),
               kind == OBJECT_ADMIN_KEY ? "revoked" : "deleted");
    admin_session_end(&session);
    return exit_code;
}
