#include "control/issuer_check.h"

#include "base/secret.h"
#include "control/credential_parts.h"
#include "control/issuer_refresher.h"
#include "control/issuer_source.h"
#include "identity/jwk_set.h"
#include "net/tls.h"

_Static_assert(ISSUER_CHECK_PROBLEM_SIZE > ISSUER_PROBLEM_SIZE, "a problem with some words before");

enum error issuer_check_keys(const struct config_issuer *issuer, uint64_t *count,
                             char problem[ISSUER_CHECK_PROBLEM_SIZE])
{
    static const bool stop = false;
    char words[ISSUER_PROBLEM_SIZE] = "", left_out[JWK_SET_PROBLEM_SIZE] = "";
    struct buffer json = {0};
    struct jwk_set *set = NULL;
    struct text file = issuer->jwks_file;
    enum error error = issuer_fetch(issuer, &stop, &json, words);

    *count = 0;
    (void)snprintf(problem, ISSUER_CHECK_PROBLEM_SIZE, "%s", words);
    if (error == ERROR_OK) {
        error = jwk_set_make(buffer_text(&json), &set, left_out);
        if (error)
            (void)snprintf(problem, ISSUER_CHECK_PROBLEM_SIZE, "%s%.300s%s%s",
                           text_empty(file) ? "" : "file ", text_empty(file) ? "" : file.data,
                           text_empty(file) ? "its set of keys cannot be used: "
                                            : " is no set of keys that can be used: ",
                           left_out);
        else
            (void)snprintf(problem, ISSUER_CHECK_PROBLEM_SIZE, "%s", left_out);
    }
    if (set)
        *count = jwk_set_count(set);
    jwk_set_free(set);
    buffer_close(&json);
    return error;
}

static enum error check_bearer(const struct config_issuer *issuer, char *problem)
{
    char words[CREDENTIAL_PROBLEM_SIZE] = "";
    struct token_source source = {.problem = words};
    struct buffer file = {0};
    enum error error = source_read_file(&source, issuer->bearer_file, &file);

    if (error == ERROR_OK && text_empty(source_trim(&file))) {
        (void)snprintf(words, sizeof words, "file %.300s is empty", issuer->bearer_file.data);
        error = ERROR_ARGUMENT;
    }
    (void)snprintf(problem, ISSUER_CHECK_PROBLEM_SIZE, "%s", words);
    source_forget(&file);
    return error;
}

enum error issuer_check_files(const struct config_issuer *issuer, const char **member,
                              char problem[ISSUER_CHECK_PROBLEM_SIZE])
{
    char reason[TLS_REASON_SIZE] = "";
    struct tls_context *context = NULL;
    const struct tls_client_settings settings = {.authority_path = issuer->authority.data};

    *member = "authority";
    if (!text_empty(issuer->authority) &&
        tls_client_context_create(&settings, &context, reason) != ERROR_OK) {
        (void)snprintf(problem, ISSUER_CHECK_PROBLEM_SIZE, "%s", reason);
        return ERROR_ARGUMENT;
    }
    tls_context_release(context);
    *member = "bearer_file";
    return text_empty(issuer->bearer_file) ? ERROR_OK : check_bearer(issuer, problem);
}
