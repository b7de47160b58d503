#include "admin/identify.h"

#include "admin/cookie.h"

#define SESSION_MEMORY 16384u /* bytes: the texts of one, which have some hundreds each */

/* ---- which name ---- */

/* Who shows a key is asked by no page, and may call us what he likes. */
bool identify_host(struct admin_call *call, const struct http1_head *head)
{
    struct text host = http1_head_value(head, HEADER_HOST);

    if (http1_head_has(head, HEADER_AUTHORIZATION) ||
        origin_knows_host(call->door, &call->office->config->console, host))
        return true;
    return call_refuse(call, ADMIN_PROBLEM_HOST, "",
                       "this gateway is not known by the name \"%.*s\": use its address, or "
                       "write the name into admin.url of the configuration",
                       TEXT_ARG(text_first(host, 120)));
}

/* ---- by a key ---- */

struct verdict_row {
    enum admin_problem_code code;
    const char *message;
};

static const struct verdict_row verdict_rows[] = {
    [CREDENTIALS_MISSING] = {ADMIN_PROBLEM_NO_CREDENTIAL,
                             "no admin key was sent: send \"Authorization: Bearer tpa_…\""},
    [CREDENTIALS_NOT_OURS] = {ADMIN_PROBLEM_BAD_CREDENTIAL,
                              "what was sent is no admin key: those begin with " KEY_ADMIN_PREFIX
                              ", and `turnpike admin key create` makes them"},
    [CREDENTIALS_CALLER] = {ADMIN_PROBLEM_CALLER_CREDENTIAL,
                            "a caller's key (" KEY_PREFIX
                            "…) opens no administration: an admin key (" KEY_ADMIN_PREFIX
                            "…) is wanted, and `turnpike admin key create` makes it"},
    [CREDENTIALS_MISTYPED] = {ADMIN_PROBLEM_BAD_CREDENTIAL,
                              "the admin key fails its own checksum: a character is missing or "
                              "wrong; copy it again"},
    [CREDENTIALS_UNKNOWN] = {ADMIN_PROBLEM_BAD_CREDENTIAL, "the admin key is not known here"},
    [CREDENTIALS_REVOKED] = {ADMIN_PROBLEM_REVOKED_CREDENTIAL, "the admin key was revoked"},
    [CREDENTIALS_EXPIRED] = {ADMIN_PROBLEM_EXPIRED_CREDENTIAL, "the admin key has expired"},
};

/* A copy: an answer may go on longer than the keys in memory stay as they are. */
static bool take_key(struct admin_call *call, const struct credential *found)
{
    struct credential *credential = arena_take_zeroed(&call->arena, sizeof(*credential));

    if (credential) {
        *credential = *found;
        credential->id = arena_copy(&call->arena, found->id);
        credential->name = arena_copy(&call->arena, found->name);
        credential->team = arena_copy(&call->arena, found->team);
    }
    if (!credential || !credential->id.data || !credential->name.data || !credential->team.data)
        return call_refuse(call, ADMIN_PROBLEM_STORE, "", "%s", error_meaning(ERROR_MEMORY));
    call->credential = credential;
    return true;
}

/* With the store away, those last read are good. */
static bool by_key(struct admin_call *call, struct text authorization, uint64_t now)
{
    struct office *office = call->office;
    const struct credential *found = NULL;
    enum credentials_verdict verdict =
        credentials_check(&office->credentials, key_from_authorization(authorization), now, &found);

    if (verdict != CREDENTIALS_OK)
        return call_refuse(call, verdict_rows[verdict].code, "", "%s",
                           verdict_rows[verdict].message);
    if (office->store)
        credentials_note_use(&office->credentials, office->store, found, now);
    return take_key(call, found);
}

/* ---- by a session ---- */

/* A cookie comes along whoever made the browser ask. That the console's page did is told by the
 * browser, and by a header that no page of another origin can send without being allowed to. */
static bool check_page(struct admin_call *call, const struct http1_head *head)
{
    bool reading = call->method == HTTP1_GET || call->method == HTTP1_HEAD;

    if (!origin_is_ours(call->door, &call->office->config->console, head))
        return call_refuse(call, ADMIN_PROBLEM_FOREIGN_PAGE, "",
                           "a page of another address than this gateway's asked; the console is "
                           "the only one that may");
    return reading || http1_head_has(head, HEADER_X_TURNPIKE_CONSOLE) ||
           call_refuse(call, ADMIN_PROBLEM_FOREIGN_PAGE, "",
                       "who changes something with a session's cookie sends \"" CONSOLE_FIELD
                       ": 1\" too, which no other page can; programs send an admin key");
}

static bool refuse_ended(struct admin_call *call, const char *message)
{
    cookie_append(&call->headers, COOKIE_SESSION, call->door, call_is_secure(call), TEXT(""), 0);
    return call_refuse(call, ADMIN_PROBLEM_SESSION_ENDED, "", "%s", message);
}

/* What the rest of the API knows of who asks is made for keys; a session is one for its time. */
static bool take_session(struct admin_call *call, const struct stored_session *session)
{
    struct credential *credential = arena_take_zeroed(&call->arena, sizeof(*credential));
    enum admin_role role;

    if (!credential)
        return call_refuse(call, ADMIN_PROBLEM_STORE, "", "%s", error_meaning(ERROR_MEMORY));
    /* A role of a later Turnpike: no rights are better than wrong ones. */
    if (!admin_role_from(session->role, &role))
        return refuse_ended(call, "the session has a role that is not known here: sign in anew");
    *credential = (struct credential){
        .id = session->id,
        .name = session->name,
        .team = session->team,
        .role = role,
        .expires_at = session->expires_at,
    };
    call->credential = credential;
    call->session = session;
    return true;
}

static bool by_session(struct admin_call *call, struct text secret, uint64_t now)
{
    struct office *office = call->office;
    struct stored_session *session = arena_take_zeroed(&call->arena, sizeof(*session));
    enum sessions_verdict verdict = SESSIONS_AWAY;

    if (session && office->store)
        verdict = sessions_check(office->store, &call->arena, &office->credentials,
                                 sso_mark(office->config), secret, now, session);
    switch (verdict) {
    case SESSIONS_GOOD: return take_session(call, session);
    case SESSIONS_UNKNOWN:
        return refuse_ended(call,
                            "the session has ended, or was not used for an hour: sign in anew");
    case SESSIONS_UNBOUND:
        return refuse_ended(call, "what the session was begun with, an admin key or single "
                                  "sign-on, is no longer good: sign in anew");
    case SESSIONS_AWAY: break;
    }
    return call_refuse(call, ADMIN_PROBLEM_STORE, "", "sessions cannot be read from the store: %s",
                       office->store ? store_problem(office->store) : office->problem);
}

/* ---- the whole ---- */

static bool is_open(const struct admin_call *call)
{
    struct text query = call->target, id;
    unsigned allowed;
    const struct route *route = routes_find(call->method, text_split(&query, '?'), &id, &allowed);

    return route && route->who == ROUTE_WHO_OPEN;
}

/* Keys that were read once are good with the store away. */
static bool read_keys(struct admin_call *call)
{
    struct office *office = call->office;
    enum error error = ERROR_STORE;

    if (office_enter(office))
        error = credentials_refresh(&office->credentials, office->store);
    return error == ERROR_OK || office->credentials.count > 0 ||
           call_refuse(call, ADMIN_PROBLEM_STORE, "",
                       "admin keys cannot be read from the store: %s",
                       office->store ? store_problem(office->store) : office->problem);
}

bool identify_call(struct admin_call *call, const struct http1_head *head, uint64_t now)
{
    bool has_key = http1_head_has(head, HEADER_AUTHORIZATION);
    struct text cookie =
        cookie_read(call->cookies, COOKIE_SESSION, call->door, call_is_secure(call));

    /* Who signs in is nobody yet, whatever he was before. */
    if (is_open(call))
        return call->method == HTTP1_GET || check_page(call, head);
    if (!read_keys(call))
        return false;
    if (has_key || !cookie.data)
        return by_key(call, http1_head_value(head, HEADER_AUTHORIZATION), now);
    return check_page(call, head) && by_session(call, cookie, now);
}

static bool session_holds(struct admin_call *call, uint64_t now)
{
    struct text secret =
        cookie_read(call->cookies, COOKIE_SESSION, call->door, call_is_secure(call));
    struct stored_session session;
    struct arena scratch;

    arena_open(&scratch, NULL, SESSION_MEMORY);
    enum sessions_verdict verdict =
        sessions_look(call->office->store, &scratch, &call->office->credentials,
                      sso_mark(call->office->config), secret, now, &session);
    arena_close(&scratch);
    return verdict == SESSIONS_GOOD || verdict == SESSIONS_AWAY;
}

bool identify_still(struct admin_call *call, uint64_t now)
{
    struct office *office = call->office;

    if (!call->credential || !office_enter(office) ||
        credentials_refresh(&office->credentials, office->store) != ERROR_OK)
        return true;
    if (call->session)
        return session_holds(call, now);
    const struct credential *key = credentials_find(&office->credentials, call->credential->id);
    return key && !key->revoked_at && (!key->expires_at || key->expires_at > now);
}
