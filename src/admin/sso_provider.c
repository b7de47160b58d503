#include "admin/sso_provider.h"

#include <stdarg.h>

#include "base/clock.h"
#include "codec/base64.h"
#include "control/fetch.h"
#include "identity/claims.h"
#include "identity/jwk_set.h"

#define DISCOVERY_PATH "/.well-known/openid-configuration"
#define BODY_MAX       16384u /* a code, an address and some words */
#define BASIC_MAX      4096u

/* Providers' clocks are kept by NTP; an ID token is read as soon as it is made, and one that would
 * hold for longer than a day is of no sign-in. */
#define CLOCK_SKEW_SECONDS 60u
#define LIFETIME_SECONDS   (25u * 3600u)

static bool fail(char problem[SSO_PROBLEM_SIZE], const char *format, ...) format_like(2, 3);

static bool fail(char problem[SSO_PROBLEM_SIZE], const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(problem, SSO_PROBLEM_SIZE, format, arguments);
    va_end(arguments);
    for (char *c = problem; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    }
    return false;
}

static struct text member(yyjson_val *object, const char *name)
{
    yyjson_val *value = yyjson_obj_get(object, name);

    return text_of(yyjson_get_str(value), yyjson_get_len(value));
}

/* True with an answer of status 200 (or, where `any`, of any status) that is to be closed. */
static bool ask(const struct config_sso *sso, struct fetch_request *request, const bool *stop,
                bool any, struct fetch_answer *answer, char problem[SSO_PROBLEM_SIZE])
{
    char words[FETCH_PROBLEM_SIZE] = "", host[FETCH_HOST_SIZE];

    request->authority = text_empty(sso->authority) ? NULL : sso->authority.data;
    request->stop = stop;
    *answer = (struct fetch_answer){0};
    if (fetch(request, answer, words) != ERROR_OK) {
        fetch_close(answer);
        return fail(problem, "%.400s", words);
    }
    if (any || answer->status == 200)
        return true;
    fetch_show_host(request->url, host);
    fetch_close(answer);
    return fail(problem, "%s answered %u", host, answer->status);
}

/* ---- what it says of itself ---- */

/* People are sent there with their browser, and secrets go there: not in clear. */
static bool take_url(yyjson_val *root, const char *name, char out[SSO_URL_MAX],
                     char problem[SSO_PROBLEM_SIZE])
{
    struct text url = member(root, name);

    if (text_empty(url) || !text_copy_to(url, out, SSO_URL_MAX) || !fetch_is_safe(url))
        return fail(problem, "its discovery document has no usable %s", name);
    return true;
}

static bool has_method(yyjson_val *root, const char *method)
{
    yyjson_val *methods = yyjson_obj_get(root, "token_endpoint_auth_methods_supported");

    return claims_contain(root, TEXT("token_endpoint_auth_methods_supported"), text_from(method)) &&
           yyjson_is_arr(methods);
}

static bool take_document(const struct config_sso *sso, yyjson_val *root, struct sso_endpoints *out,
                          char problem[SSO_PROBLEM_SIZE])
{
    if (!root)
        return fail(problem, "its discovery document is no JSON object");
    if (!text_equal(member(root, "issuer"), sso->issuer))
        return fail(problem, "its discovery document is of another issuer: \"%.200s\"",
                    member(root, "issuer").data ? member(root, "issuer").data : "");
    /* Where nothing is said, it is Basic (section 3 of Discovery). */
    out->secret_in_body =
        has_method(root, "client_secret_post") && !has_method(root, "client_secret_basic");
    return take_url(root, "authorization_endpoint", out->authorization, problem) &&
           take_url(root, "token_endpoint", out->token, problem) &&
           take_url(root, "jwks_uri", out->keys, problem);
}

bool sso_discover(const struct config_sso *sso, const bool *stop, struct sso_endpoints *out,
                  char problem[SSO_PROBLEM_SIZE])
{
    char url[SSO_URL_MAX];
    struct text base = sso->issuer;
    struct fetch_answer answer;

    if (text_ends_with(base, TEXT("/")))
        base.length--;
    int length = snprintf(url, sizeof(url), "%.*s" DISCOVERY_PATH, TEXT_ARG(base));
    if ((size_t)length >= sizeof(url))
        return fail(problem, "the issuer's URL is too long");
    struct fetch_request request = {.method = "GET",
                                    .url = text_from(url),
                                    .fields = {{"Accept", TEXT_INIT("application/json")}}};
    if (!ask(sso, &request, stop, false, &answer, problem))
        return false;
    bool good = take_document(sso, fetch_parse(&answer), out, problem);
    fetch_close(&answer);
    return good;
}

/* ---- the code for a token ---- */

/* RFC 6749 section 2.3.1: both encoded as in a form before they are joined. */
static bool append_basic(const struct config_sso *sso, struct buffer *out)
{
    struct buffer pair, part;

    buffer_open(&pair, BASIC_MAX);
    buffer_open(&part, BASIC_MAX);
    fetch_append_form(&part, "", sso->client_id);
    buffer_append(&pair, text_from_index(buffer_text(&part), 1)); /* behind the "=" */
    buffer_clear(&part);
    fetch_append_form(&part, "", secret_expose(sso->client_secret));
    buffer_append_char(&pair, ':');
    buffer_append(&pair, text_from_index(buffer_text(&part), 1));
    bool good = !pair.failed && !part.failed && buffer_append(out, TEXT("Basic ")) &&
                base64_append(out, buffer_text(&pair));
    if (pair.data)
        secret_wipe(pair.data, pair.capacity);
    if (part.data)
        secret_wipe(part.data, part.capacity);
    buffer_close(&pair);
    buffer_close(&part);
    return good;
}

static bool write_body(const struct config_sso *sso, const struct sso_answer *answer,
                       bool secret_in_body, struct buffer *out)
{
    fetch_append_form(out, "grant_type", TEXT("authorization_code"));
    fetch_append_form(out, "code", text_from(answer->code));
    fetch_append_form(out, "redirect_uri", text_from(answer->redirect));
    fetch_append_form(out, "code_verifier", text_from(answer->verifier));
    if (!sso->client_secret || secret_in_body)
        fetch_append_form(out, "client_id", sso->client_id);
    if (sso->client_secret && secret_in_body)
        fetch_append_form(out, "client_secret", secret_expose(sso->client_secret));
    return !out->failed;
}

static void forget(struct buffer *buffer)
{
    if (buffer->data)
        secret_wipe(buffer->data, buffer->capacity);
    buffer_close(buffer);
}

/* The provider's words of an error are two of its own (RFC 6749 section 5.2): safe to log. */
static bool read_token_answer(struct fetch_answer *got, yyjson_val *root, struct text *token,
                              char problem[SSO_PROBLEM_SIZE])
{
    struct text error = text_first(member(root, "error"), 60);
    struct text words = text_first(member(root, "error_description"), 200);

    if (got->status != 200 || !root)
        return fail(problem, "it took no code for a token: %u %.*s %.*s", got->status,
                    TEXT_ARG(error), TEXT_ARG(words));
    *token = member(root, "id_token");
    return !text_empty(*token) || fail(problem, "its answer has no id_token");
}

static bool exchange(const struct config_sso *sso, const struct sso_endpoints *endpoints,
                     const struct sso_answer *answer, const bool *stop, struct fetch_answer *got,
                     struct text *token, char problem[SSO_PROBLEM_SIZE])
{
    struct buffer body, basic;
    struct fetch_request request = {
        .method = "POST",
        .url = text_from(endpoints->token),
        .fields = {{"Content-Type", TEXT_INIT("application/x-www-form-urlencoded")},
                   {"Accept", TEXT_INIT("application/json")}}};

    buffer_open(&body, BODY_MAX);
    buffer_open(&basic, BASIC_MAX);
    bool good = write_body(sso, answer, endpoints->secret_in_body, &body) ||
                fail(problem, "what is to be sent is too long");
    if (good && sso->client_secret && !endpoints->secret_in_body) {
        good = append_basic(sso, &basic) || fail(problem, "the client's secret is too long");
        request.fields[2] = (struct fetch_field){"Authorization", buffer_text(&basic)};
    }
    request.body = buffer_text(&body);
    good = good && ask(sso, &request, stop, true, got, problem);
    forget(&body);
    forget(&basic);
    if (good && !read_token_answer(got, fetch_parse(got), token, problem)) {
        fetch_close(got);
        good = false;
    }
    return good;
}

/* ---- the token ---- */

static bool check_claims(const struct config_sso *sso, yyjson_val *claims, struct text nonce,
                         uint64_t now, char problem[SSO_PROBLEM_SIZE])
{
    static const struct jwt_terms terms = {CLOCK_SKEW_SECONDS, LIFETIME_SECONDS};
    const char *detail = NULL;
    uint64_t expires;

    if (!text_equal(claims_text(claims, TEXT("iss")), sso->issuer))
        return fail(problem, "its ID token is of another issuer");
    if (!claims_contain(claims, TEXT("aud"), sso->client_id))
        return fail(problem, "its ID token is for another client");
    if (claims_find(claims, TEXT("azp")) &&
        !text_equal(claims_text(claims, TEXT("azp")), sso->client_id))
        return fail(problem, "its ID token was given to another client");
    if (yyjson_is_arr(claims_find(claims, TEXT("aud"))) &&
        yyjson_arr_size(claims_find(claims, TEXT("aud"))) > 1 && !claims_find(claims, TEXT("azp")))
        return fail(problem, "its ID token is for several clients, and says not for which");
    if (text_empty(nonce) || !text_equal(claims_text(claims, TEXT("nonce")), nonce))
        return fail(problem, "its ID token is of another sign-in");
    if (text_empty(claims_text(claims, TEXT("sub"))))
        return fail(problem, "its ID token is about nobody");
    if (jwt_check_times(claims, &terms, now, &expires, &detail) != REFUSAL_NONE)
        return fail(problem, "the times of its ID token: %s", detail ? detail : "wrong");
    return true;
}

static const struct config_sso_role *find_role(const struct config_sso *sso, yyjson_val *claims)
{
    for (size_t i = 0; i < sso->role_count; i++) {
        const struct config_sso_role *role = &sso->roles[i];
        size_t matching = 0;
        while (matching < role->claim_count &&
               claims_match(claims, role->claims[matching].name, role->claims[matching].value))
            matching++;
        if (matching == role->claim_count && matching > 0)
            return role;
    }
    return NULL;
}

/* Shown, and put into the audit: without what a terminal would obey. */
static void copy_name(struct text name, char out[SSO_NAME_MAX + 1])
{
    struct text cut = claims_cut(name, SSO_NAME_MAX);

    (void)text_copy_to(cut, out, SSO_NAME_MAX + 1);
    for (char *c = out; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    }
}

static void name_person(const struct config_sso *sso, yyjson_val *claims, struct sso_person *out)
{
    struct text who = claims_text(claims, sso->user_claim);
    struct text name = claims_text(claims, TEXT("name"));

    if (text_empty(who))
        who = claims_text(claims, TEXT("sub"));
    copy_name(who, out->who);
    copy_name(text_empty(name) ? who : name, out->name);
}

static enum sso_verdict read_claims(const struct config_sso *sso, yyjson_val *claims,
                                    struct text nonce, uint64_t now, struct sso_person *out,
                                    char problem[SSO_PROBLEM_SIZE])
{
    if (!check_claims(sso, claims, nonce, now, problem))
        return SSO_FAILED;
    name_person(sso, claims, out);
    out->role = find_role(sso, claims);
    if (out->role)
        return SSO_KNOWN;
    (void)fail(problem, "no rule of admin.sso.roles matches %s", out->who);
    return SSO_NO_ROLE;
}

enum sso_verdict sso_read_token(const struct config_sso *sso, struct text token, struct text keys,
                                struct text nonce, uint64_t now, struct sso_person *out,
                                char problem[SSO_PROBLEM_SIZE])
{
    char words[JWK_SET_PROBLEM_SIZE] = "";
    struct jwk_set *set = NULL;
    const char *detail = NULL;
    struct jwt jwt;
    enum sso_verdict verdict = SSO_FAILED;

    *out = (struct sso_person){.role = NULL};
    if (jwk_set_make(keys, &set, words) != ERROR_OK) {
        (void)fail(problem, "its keys: %s", words);
        return SSO_FAILED;
    }
    if (jwt_read(token, &jwt, &detail) != REFUSAL_NONE)
        (void)fail(problem, "its ID token: %s", detail ? detail : "it is none");
    else if (jwk_set_verify(set, &jwt) != JWK_VERIFIED)
        (void)fail(problem, "its ID token is not signed by one of its keys");
    else
        verdict = read_claims(sso, jwt.claims, nonce, now, out, problem);
    jwt_close(&jwt);
    jwk_set_free(set);
    return verdict;
}

enum sso_verdict sso_identify(const struct config_sso *sso, const struct sso_endpoints *endpoints,
                              const struct sso_answer *answer, const bool *stop,
                              struct sso_person *out, char problem[SSO_PROBLEM_SIZE])
{
    struct fetch_answer got, keys;
    struct text token = text_of(NULL, 0);
    struct fetch_request request = {.method = "GET",
                                    .url = text_from(endpoints->keys),
                                    .fields = {{"Accept", TEXT_INIT("application/json")}}};
    enum sso_verdict verdict = SSO_FAILED;

    if (!exchange(sso, endpoints, answer, stop, &got, &token, problem))
        return SSO_FAILED;
    /* People sign in a few times a day: the keys are asked for each time, and are never old. */
    if (ask(sso, &request, stop, false, &keys, problem)) {
        verdict = sso_read_token(sso, token, buffer_text(&keys.body), text_from(answer->nonce),
                                 clock_wall() / NANOSECONDS_PER_SECOND, out, problem);
        fetch_close(&keys);
    }
    fetch_close(&got);
    return verdict;
}
