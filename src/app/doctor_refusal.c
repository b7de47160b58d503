/* What a refusal on the way to the gateway, or by it, says of its cause. */
#include "app/doctor_remote.h"
#include "codec/json.h"
#include "identity/key.h"

/* ------------------------------------------------------------------ reading */

/* What the gateway says of the request in its message stands there in quotes, cut at some length.
 */
static struct text quoted(struct text message)
{
    (void)text_split(&message, '"');
    return text_split(&message, '"');
}

struct doctor_refusal doctor_read_refusal(struct doctor *doctor)
{
    struct doctor_refusal refusal = {.code = {NULL, 0}};
    yyjson_doc *document = NULL;
    yyjson_val *error = NULL;
    if (json_parse(buffer_text(&doctor->call.answer), &document) != ERROR_OK)
        return refusal;
    if (json_get_object(yyjson_doc_get_root(document), "error", &error) == JSON_PRESENT) {
        (void)json_get_text(error, "code", &refusal.code);
        (void)json_get_text(error, "message", &refusal.message);
        refusal.code = arena_copy(&doctor->arena, refusal.code);
        refusal.message = arena_copy(&doctor->arena, refusal.message);
        refusal.quoted = quoted(refusal.message);
    }
    yyjson_doc_free(document);
    return refusal;
}

/* ------------------------------------------------------------------ the path */

bool doctor_tell_rewritten(struct doctor *doctor, const char *check, const char *method,
                           const char *path, const struct doctor_refusal *refusal)
{
    static const char fix[] =
        "let paths pass as they are (nginx: proxy_pass without a path, no rewrite; HAProxy: no "
        "http-request replace-path or set-path)";
    bool another_endpoint = text_equal(refusal->code, TEXT("method_not_allowed")) &&
                            text_equal(refusal->quoted, text_from(method));
    bool none = text_equal(refusal->code, TEXT("unknown_url")) && !text_empty(refusal->quoted) &&
                !text_equal(refusal->quoted, text_from(path));
    if (none)
        doctor_say(&doctor->report, DOCTOR_FAIL, check, fix,
                   "the path was rewritten on the way: %s %s arrives as %.*s", method, path,
                   TEXT_ARG(refusal->quoted));
    if (another_endpoint)
        doctor_say(&doctor->report, DOCTOR_FAIL, check, fix,
                   "the path was rewritten on the way: %s %s arrives at another endpoint, which "
                   "takes no %s",
                   method, path, method);
    return none || another_endpoint;
}

/* ------------------------------------------------------------------ the key */

static bool is_token(struct text key)
{
    return text_starts_with(key, TEXT("eyJ"));
}

struct text doctor_describe_key(struct doctor *doctor)
{
    struct text key = text_from(doctor->key), shown = key_visible_part(key);
    if (is_token(key))
        return arena_format(&doctor->arena, "the token in %s", doctor->key_source);
    return arena_format(&doctor->arena, "%.*s… of %s", TEXT_ARG(shown), doctor->key_source);
}

/* Whether the gateway speaks of something else than what was sent: a balancer with a sign-on of its
 * own puts its credential in place of the caller's. */
static bool is_replaced(struct text key, const struct doctor_refusal *refusal)
{
    bool token = is_token(key), ours = text_starts_with(key, TEXT("tpk_"));
    bool of_token = text_find(refusal->code, TEXT("token")) >= 0;
    bool of_key = text_ends_with(refusal->code, TEXT("_api_key"));
    bool not_ours = text_find(refusal->message, TEXT("is not a Turnpike key")) >= 0;
    return (ours && (of_token || not_ours)) || (token && of_key);
}

static void tell_replaced(struct doctor *doctor, const struct doctor_refusal *refusal)
{
    doctor_say(&doctor->report, DOCTOR_FAIL, "identity",
               "let the header Authorization pass as it is there (nginx: no proxy_set_header "
               "Authorization; HAProxy: no http-request set-header Authorization; no sign-on "
               "that puts its own into it)",
               "%.*s was sent, and something else arrived: the header Authorization was replaced "
               "on the way (%.*s): %.*s",
               TEXT_ARG(doctor_describe_key(doctor)), TEXT_ARG(refusal->code),
               TEXT_ARG(refusal->message));
}

static const char *advice_on_key(const struct doctor *doctor)
{
    if (doctor->call.status == 403)
        return "the message says which rule it was and who can change it";
    if (doctor->call.status >= 500)
        return "this is no fault of the key: try again; who runs the gateway finds the reason in "
               "its log";
    if (is_token(text_from(doctor->key)))
        return "fetch a new token from its issuer and send it whole; who runs the gateway sees "
               "which issuers, audiences and callers it takes in its configuration (issuers)";
    return "take the key that was issued for this workload; who issues keys can look at this one "
           "with `turnpike key show`";
}

void doctor_tell_refused_key(struct doctor *doctor, const char *path)
{
    struct doctor_refusal refusal = doctor_read_refusal(doctor);
    if (text_empty(refusal.code))
        doctor_say(&doctor->report, DOCTOR_FAIL, "identity",
                   "something between here and the gateway refuses: a balancer or a proxy with "
                   "rules of its own",
                   "%ld, and not in the gateway's words", doctor->call.status);
    else if (doctor_tell_rewritten(doctor, "identity", "GET", path, &refusal))
        return;
    else if (text_equal(refusal.code, TEXT("missing_api_key")))
        doctor_say(&doctor->report, DOCTOR_FAIL, "identity",
                   "something in between takes the header Authorization away: let it pass there",
                   "a key was sent, and the gateway saw none");
    else if (is_replaced(text_from(doctor->key), &refusal))
        tell_replaced(doctor, &refusal);
    else if (doctor->call.status == 401 || doctor->call.status == 403)
        doctor_say(&doctor->report, DOCTOR_FAIL, "identity", advice_on_key(doctor),
                   "%.*s: the gateway refuses it (%.*s): %.*s",
                   TEXT_ARG(doctor_describe_key(doctor)), TEXT_ARG(refusal.code),
                   TEXT_ARG(refusal.message));
    else
        doctor_say(&doctor->report, DOCTOR_FAIL, "identity",
                   doctor->call.status >= 500
                       ? advice_on_key(doctor)
                       : "docs/errors.md says for each code what to do, and who can",
                   "GET %s: %ld %.*s: %.*s", path, doctor->call.status, TEXT_ARG(refusal.code),
                   TEXT_ARG(refusal.message));
}
