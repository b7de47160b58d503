#include "control/issuer_source.h"

#include "base/secret.h"
#include "codec/json.h"
#include "control/credential_parts.h"
#include "control/fetch.h"
#include "control/issuer_refresher.h"

#define DISCOVERY_PATH "/.well-known/openid-configuration"

static enum error fail(char *problem, const char *format, ...) format_like(2, 3);

static enum error fail(char *problem, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(problem, ISSUER_PROBLEM_SIZE, format, arguments);
    va_end(arguments);
    return ERROR_ARGUMENT;
}

static enum error read_file(struct text path, struct buffer *out, char *problem)
{
    char words[CREDENTIAL_PROBLEM_SIZE] = "";
    struct token_source source = {.problem = words};
    enum error error = source_read_file(&source, path, out);

    return error ? fail(problem, "%.400s", words) : ERROR_OK;
}

/* "Bearer TOKEN" of the file, in a buffer that is to be forgotten; nothing without a file. */
static enum error read_bearer(const struct config_issuer *issuer, struct buffer *out, char *problem)
{
    struct buffer file = {0};
    enum error error = ERROR_OK;

    buffer_open(out, SOURCE_FILE_MAX);
    if (text_empty(issuer->bearer_file))
        return ERROR_OK;
    error = read_file(issuer->bearer_file, &file, problem);
    if (error == ERROR_OK &&
        !(buffer_append(out, TEXT("Bearer ")) && buffer_append(out, source_trim(&file))))
        error = fail(problem, "bearer_file is too large");
    source_forget(&file);
    return error;
}

static enum error ask(const struct config_issuer *issuer, struct text url, const bool *stop,
                      struct fetch_answer *answer, char *problem)
{
    char words[FETCH_PROBLEM_SIZE] = "", host[FETCH_HOST_SIZE];
    struct buffer bearer;
    struct fetch_request request = {
        .method = "GET",
        .url = url,
        .fields = {{"Accept", TEXT_INIT("application/json, application/jwk-set+json")}},
        .authority = text_empty(issuer->authority) ? NULL : issuer->authority.data,
        .stop = stop,
    };

    *answer = (struct fetch_answer){0};
    enum error error = read_bearer(issuer, &bearer, problem);
    if (error == ERROR_OK && bearer.length > 0)
        request.fields[1] = (struct fetch_field){"Authorization", buffer_text(&bearer)};
    if (error == ERROR_OK && (error = fetch(&request, answer, words)) != ERROR_OK)
        (void)fail(problem, "%.500s", words);
    source_forget(&bearer);
    fetch_show_host(url, host);
    if (error == ERROR_OK && answer->status != 200)
        error = fail(problem, "%s answered %u", host, answer->status);
    return error;
}

/* Where its keys are, by its own word. */
static enum error discover(const struct config_issuer *issuer, const bool *stop,
                           char url[FETCH_URL_MAX], char *problem)
{
    struct text base = issuer->terms.issuer, said;
    struct fetch_answer answer;

    if (text_ends_with(base, TEXT("/")))
        base.length--;
    int length = snprintf(url, FETCH_URL_MAX, "%.*s" DISCOVERY_PATH, TEXT_ARG(base));
    if ((size_t)length >= FETCH_URL_MAX)
        return fail(problem, "the issuer's URL is too long");
    enum error error = ask(issuer, text_from(url), stop, &answer, problem);
    yyjson_val *root = error == ERROR_OK ? fetch_parse(&answer) : NULL;
    if (error == ERROR_OK && !root)
        error = fail(problem, "its discovery document is no JSON object");
    if (error == ERROR_OK && !text_equal(source_member(root, "issuer"), issuer->terms.issuer))
        error = fail(problem, "its discovery document is of another issuer: \"%.100s\"",
                     source_member(root, "issuer").data ? source_member(root, "issuer").data : "");
    said = source_member(root, "jwks_uri");
    if (error == ERROR_OK && (text_empty(said) || !text_copy_to(said, url, FETCH_URL_MAX)))
        error = fail(problem, "its discovery document has no usable jwks_uri");
    fetch_close(&answer);
    return error;
}

enum error issuer_fetch(const struct config_issuer *issuer, const bool *stop, struct buffer *out,
                        char *problem)
{
    char url[FETCH_URL_MAX];
    struct fetch_answer answer;
    enum error error = ERROR_OK;

    buffer_open(out, ISSUER_DOCUMENT_MAX);
    if (!text_empty(issuer->jwks_file))
        return read_file(issuer->jwks_file, out, problem);
    if (!text_empty(issuer->jwks_url))
        (void)text_copy_to(issuer->jwks_url, url, sizeof(url));
    else
        error = discover(issuer, stop, url, problem);
    if (error)
        return error;
    error = ask(issuer, text_from(url), stop, &answer, problem);
    if (error == ERROR_OK && !buffer_append(out, buffer_text(&answer.body)))
        error = fail(problem, "its set of keys is larger than 256 KiB");
    fetch_close(&answer);
    return error;
}
