/* Signing in to the console, and who is signed in. */
#include "admin/call.h"
#include "admin/console.h"
#include "admin/cookie.h"
#include "admin/handlers.h"
#include "base/note.h"

#define URL_MAX 512u

bool handle_sign_in(struct admin_call *call)
{
    struct buffer url;

    buffer_open(&url, URL_MAX);
    origin_append_url(&url, call->office->config);
    json_begin_object(&call->json);
    json_member_bool(&call->json, "console", console_is_built());
    call_write_text(call, "url", buffer_text(&url));
    call_write_text(call, "sso",
                    call->office->config->sso ? call->office->config->sso->name : TEXT(""));
    json_end_object(&call->json);
    buffer_close(&url);
    return true;
}

/* ---- signing in ---- */

/* Anything wrong with a key is told alike, and like a code that is no more: who has none learns
 * nothing. */
static bool grant_of_key(struct admin_call *call, struct text key, struct sessions_grant *grant)
{
    struct office *office = call->office;
    const struct credential *credential = NULL;

    if (!call_store_answer(call, credentials_refresh(&office->credentials, office->store)))
        return false;
    if (credentials_check(&office->credentials, key, clock_wall(), &credential) != CREDENTIALS_OK)
        return call_refuse(
            call, ADMIN_PROBLEM_BAD_CREDENTIAL, "key",
            "this is no admin key that is good here; they begin with " KEY_ADMIN_PREFIX
            ", and `turnpike admin key create` makes them");
    credentials_note_use(&office->credentials, office->store, credential, clock_wall());
    return sessions_grant_of_key(&office->operations, credential, grant) ||
           call_refuse_operation(call);
}

/* A code is gone when the session is there, and not before. */
static bool begin(struct admin_call *call, struct text code, struct text key,
                  struct secret **secret, struct stored_session *session)
{
    struct operations *operations = &call->office->operations;
    struct sessions_grant grant;

    if (key.data && !grant_of_key(call, key, &grant))
        return false;
    if (!operations_begin(operations))
        return call_refuse_operation(call);
    bool good = key.data || sessions_take_code(operations, code, &grant);
    if (good) {
        grant.source = call->source;
        grant.agent = call->agent;
        operations->actor.who = grant.who;
        good = sessions_begin(operations, &grant, secret, session);
    }
    if (!good) {
        operations_roll_back(operations);
        return call_refuse_operation(call);
    }
    if (operations_commit(operations))
        return true;
    secret_free(*secret);
    *secret = NULL;
    return call_refuse_operation(call);
}

/* Whoever signs in in a browser that is signed in leaves what he was. */
static void end_former(struct admin_call *call)
{
    struct operations *operations = &call->office->operations;
    struct text secret =
        cookie_read(call->cookies, COOKIE_SESSION, call->door, call_is_secure(call));
    struct stored_session former = {.created_at = 0};

    if (!secret.data || sessions_check(call->office->store, &call->arena,
                                       &call->office->credentials, sso_mark(call->office->config),
                                       secret, clock_wall(), &former) != SESSIONS_GOOD)
        return;
    operations->actor.who = former.who;
    if (!sessions_end_one(operations, former.id, NULL))
        note_warning("admin", "session %.*s, which another has taken the place of, goes on: %s",
                     TEXT_ARG(former.id), operations->problem.message);
}

static bool write_me(struct admin_call *call, const struct stored_session *session,
                     const struct secret *secret)
{
    struct json_writer *json = &call->json;

    cookie_append(&call->headers, COOKIE_SESSION, call->door, call_is_secure(call),
                  secret_expose(secret), 0);
    json_begin_object(json);
    json_member_text(json, "id", session->id);
    json_member_text(json, "name", session->name);
    json_member_text(json, "method", session->method);
    json_member_text(json, "role", session->role);
    call_write_text(call, "team", session->team);
    call_write_moment(call, "expires_at", session->expires_at);
    json_end_object(json);
    return true;
}

static bool may_try(struct admin_call *call, uint64_t now)
{
    uint64_t wait = attempts_wait(&call->office->attempts, call->peer, now);
    char seconds[24];

    if (wait == 0)
        return true;
    int length = snprintf(seconds, sizeof(seconds), "%llu",
                          (unsigned long long)(wait / NANOSECONDS_PER_SECOND + 1));
    http1_append_header(&call->headers, TEXT("retry-after"), text_of(seconds, (size_t)length));
    return call_refuse(
        call, ADMIN_PROBLEM_ATTEMPTS, "",
        "too many attempts to sign in from %.*s have failed; try again in %s seconds",
        TEXT_ARG(call->source), seconds);
}

bool handle_session_create(struct admin_call *call)
{
    uint64_t now = clock_monotonic();
    struct secret *secret = NULL;
    struct stored_session session = {.created_at = 0};
    const struct document_node *body = call_read_shape(call, SHAPE_SignIn);

    if (!body)
        return false;
    struct text code = call_member(body, "code"), key = call_member(body, "key");
    if (!code.data == !key.data)
        return call_refuse(call, ADMIN_PROBLEM_MISSING, "code",
                           "send \"code\", of the link that `turnpike console` prints, or \"key\", "
                           "an admin key");
    if (!may_try(call, now))
        return false;
    if (!begin(call, code, key, &secret, &session)) {
        if (admin_problem_status(call->problem.code) == 401)
            attempts_note(&call->office->attempts, call->peer, now);
        return false;
    }
    end_former(call);
    bool good = write_me(call, &session, secret);
    secret_free(secret);
    return good;
}

/* ---- who is signed in ---- */

static void show_one(void *context, struct text json)
{
    struct admin_call *call = context;

    json_raw(&call->json, json);
}

bool handle_session_list(struct admin_call *call)
{
    call_begin_page(call);
    if (!sessions_show(&call->office->operations, show_one, call))
        return call_refuse_operation(call);
    call_end_page(call, TEXT(""));
    return true;
}

bool handle_session_end(struct admin_call *call)
{
    bool current = text_equal(call->id, TEXT("current"));

    if (current && !call->session)
        return call_refuse(call, ADMIN_PROBLEM_NOT_FOUND, "",
                           "an admin key asks, and no session: there is none to end");
    struct text id = current ? call->session->id : call->id;
    if (!sessions_end_one(&call->office->operations, id, NULL))
        return call_refuse_operation(call);
    if (call->session && text_equal(id, call->session->id))
        cookie_append(&call->headers, COOKIE_SESSION, call->door, call_is_secure(call), TEXT(""),
                      0);
    return true;
}
