/* Tokens of Google Cloud, as Google's own libraries find them (google.aip.dev/auth): a file, or the
 * metadata server. */
#include <unistd.h>

#include "base/clock.h"
#include "base/instant.h"
#include "codec/json.h"
#include "control/credential_parts.h"

#define TOKEN_URL     "https://oauth2.googleapis.com/token"
#define METADATA_HOST "169.254.169.254"
/* The longest that Google takes. */
#define ASSERTION_SECONDS 3600u
#define PATH_SIZE         4096u
#define EXCHANGE_GRANT    "urn:ietf:params:oauth:grant-type:token-exchange"
#define ASSERTION_GRANT   "urn:ietf:params:oauth:grant-type:jwt-bearer"
#define ACCESS_TOKEN_TYPE "urn:ietf:params:oauth:token-type:access_token"

static const struct config_google *settings_of(const struct token_source *source)
{
    return &source->request->definition->google;
}

/* Where tokens are asked for: by the configuration, else by the file. */
static struct text token_url(const struct token_source *source, yyjson_val *file,
                             const char *member)
{
    return source_first(settings_of(source)->token_url,
                        source_first(source_member(file, member), TEXT(TOKEN_URL)));
}

/* ---- service account (RFC 7523) ---- */

static void write_claims(const struct token_source *source, yyjson_val *file, struct buffer *header,
                         struct buffer *claims)
{
    struct json_writer json;
    uint64_t now = source->request->wall / NANOSECONDS_PER_SECOND;

    json_open(&json, header);
    json_begin_object(&json);
    json_member_text(&json, "alg", TEXT("RS256"));
    json_member_text(&json, "typ", TEXT("JWT"));
    if (!text_empty(source_member(file, "private_key_id")))
        json_member_text(&json, "kid", source_member(file, "private_key_id"));
    json_end_object(&json);
    json_open(&json, claims);
    json_begin_object(&json);
    json_member_text(&json, "iss", source_member(file, "client_email"));
    json_member_text(&json, "scope", settings_of(source)->scope);
    /* This one, wherever it is sent. */
    json_member_text(&json, "aud", TEXT(TOKEN_URL));
    json_member_unsigned(&json, "iat", now);
    json_member_unsigned(&json, "exp", now + ASSERTION_SECONDS);
    json_end_object(&json);
}

static enum error make_assertion(struct token_source *source, yyjson_val *file,
                                 struct buffer *assertion)
{
    struct jwt_key key = {.key = jwt_read_key(source_member(file, "private_key"))};
    struct buffer header, claims;

    if (!key.key)
        return source_fail(source, "private_key of the file is no RSA key in PEM");
    buffer_open(&header, SOURCE_FILE_MAX);
    buffer_open(&claims, SOURCE_FILE_MAX);
    write_claims(source, file, &header, &claims);
    bool good = !header.failed && !claims.failed &&
                jwt_sign(key, buffer_text(&header), buffer_text(&claims), assertion);
    buffer_close(&header);
    buffer_close(&claims);
    EVP_PKEY_free(key.key);
    return good ? ERROR_OK : source_fail(source, "the assertion could not be signed");
}

/* Posts the form and reads the token that comes. */
static enum error post_for_token(struct token_source *source, struct text url,
                                 const struct buffer *form, struct pool_token **token)
{
    struct fetch_answer answer;
    yyjson_val *root = NULL;
    enum error error = source_post_form(source, url, form, &answer, &root);

    if (error == ERROR_OK)
        error = source_read_token(source, root, token);
    fetch_close(&answer);
    return error;
}

static enum error use_service_account(struct token_source *source, yyjson_val *file,
                                      struct buffer *form, struct pool_token **token)
{
    struct buffer assertion;

    if (text_empty(source_member(file, "client_email")))
        return source_fail(source, "client_email is missing in the file");
    buffer_open(&assertion, SOURCE_BODY_MAX);
    enum error error = make_assertion(source, file, &assertion);
    if (error == ERROR_OK) {
        fetch_append_form(form, "grant_type", TEXT(ASSERTION_GRANT));
        fetch_append_form(form, "assertion", buffer_text(&assertion));
        error = post_for_token(source, token_url(source, file, "token_uri"), form, token);
    }
    source_forget(&assertion);
    return error;
}

/* ---- user ---- */

static enum error use_user(struct token_source *source, yyjson_val *file, struct buffer *form,
                           struct pool_token **token)
{
    static const char *const members[] = {"client_id", "client_secret", "refresh_token"};

    fetch_append_form(form, "grant_type", TEXT("refresh_token"));
    for (size_t i = 0; i < ARRAY_LENGTH(members); i++) {
        struct text value = source_member(file, members[i]);
        if (text_empty(value))
            return source_fail(source, "%s is missing in the file", members[i]);
        fetch_append_form(form, members[i], value);
    }
    return post_for_token(source, token_url(source, file, "token_uri"), form, token);
}

/* ---- workload identity federation (RFC 8693; google.aip.dev/auth/4117) ---- */

/* The other issuer's token, from text or from a member of JSON as `format` says. */
static enum error take_subject(struct token_source *source, yyjson_val *format, struct text whole,
                               yyjson_val *root, struct text *subject)
{
    struct text name = source_member(format, "subject_token_field_name");

    *subject = whole;
    if (text_equal(source_member(format, "type"), TEXT("json")) && !text_empty(name))
        *subject = source_member(root, name.data);
    if (text_empty(*subject))
        return source_fail(source, "the subject token is not where credential_source says");
    return ERROR_OK;
}

static enum error exchange(struct token_source *source, yyjson_val *file, struct text subject,
                           struct buffer *form, struct pool_token **token)
{
    bool impersonates = !text_empty(source_member(file, "service_account_impersonation_url"));

    fetch_append_form(form, "grant_type", TEXT(EXCHANGE_GRANT));
    fetch_append_form(form, "audience", source_member(file, "audience"));
    fetch_append_form(form, "scope",
                      impersonates ? TEXT("https://www.googleapis.com/auth/cloud-platform")
                                   : settings_of(source)->scope);
    fetch_append_form(form, "requested_token_type", TEXT(ACCESS_TOKEN_TYPE));
    fetch_append_form(form, "subject_token", subject);
    fetch_append_form(form, "subject_token_type", source_member(file, "subject_token_type"));
    return post_for_token(source, token_url(source, file, "token_url"), form, token);
}

static enum error subject_from_file(struct token_source *source, yyjson_val *file,
                                    struct buffer *form, struct pool_token **token)
{
    yyjson_val *origin = yyjson_obj_get(file, "credential_source");
    struct text subject;
    struct buffer bytes;
    enum error error = source_read_file(source, source_member(origin, "file"), &bytes);
    yyjson_doc *document = NULL;

    if (error == ERROR_OK) {
        yyjson_val *format = yyjson_obj_get(origin, "format");
        if (text_equal(source_member(format, "type"), TEXT("json")))
            document = source_parse(&bytes);
        error = take_subject(source, format, source_trim(&bytes), yyjson_doc_get_root(document),
                             &subject);
    }
    if (error == ERROR_OK)
        error = exchange(source, file, subject, form, token);
    yyjson_doc_free(document);
    source_forget(&bytes);
    return error;
}

static enum error subject_from_url(struct token_source *source, yyjson_val *file,
                                   struct buffer *form, struct pool_token **token)
{
    yyjson_val *origin = yyjson_obj_get(file, "credential_source"), *name, *value;
    yyjson_val *format = yyjson_obj_get(origin, "format");
    struct fetch_request request = {
        .method = "GET", .url = source_member(origin, "url"), .metadata = true};
    struct fetch_answer answer;
    struct text subject;
    size_t i, most, count = 0;

    yyjson_obj_foreach(json_members(yyjson_obj_get(origin, "headers")), i, most, name, value)
    {
        if (count < FETCH_FIELDS_MAX)
            request.fields[count++] = (struct fetch_field){
                yyjson_get_str(name), text_of(yyjson_get_str(value), yyjson_get_len(value))};
    }
    request.stop = source->request->stop;
    enum error error = fetch(&request, &answer, source->problem);
    if (error == ERROR_OK && answer.status != 200)
        error = source_fail(source, "credential_source answered %u", answer.status);
    if (error == ERROR_OK) {
        bool json = text_equal(source_member(format, "type"), TEXT("json"));
        error = take_subject(source, format, source_trim(&answer.body),
                             json ? fetch_parse(&answer) : NULL, &subject);
    }
    if (error == ERROR_OK)
        error = exchange(source, file, subject, form, token);
    fetch_close(&answer);
    return error;
}

/* The exchanged token is used to get one of a service account. */
static enum error impersonate(struct token_source *source, struct text url,
                              struct pool_token **token)
{
    struct pool_token *before = *token;
    struct buffer body, authorization;
    struct json_writer json;
    struct fetch_answer answer = {0};
    yyjson_val *root = NULL;
    int64_t until = 0;

    *token = NULL;
    buffer_open(&body, SOURCE_BODY_MAX);
    json_open(&json, &body);
    json_begin_object(&json);
    json_key(&json, TEXT("scope"));
    json_begin_array(&json);
    json_text(&json, settings_of(source)->scope);
    json_end_array(&json);
    json_member_text(&json, "lifetime", TEXT("3600s"));
    json_end_object(&json);
    enum error error = source_open_body(source, &authorization);
    if (error == ERROR_OK) {
        buffer_append(&authorization, TEXT("Bearer "));
        buffer_append(&authorization, secret_expose(before->credential.secret));
        const struct fetch_request request = {
            .method = "POST",
            .url = url,
            .fields = {{"Content-Type", TEXT_INIT("application/json")},
                       {"Authorization", buffer_text(&authorization)}},
            .body = buffer_text(&body),
        };
        error = source_ask(source, &request, &answer, &root);
    }
    if (error == ERROR_OK && !instant_parse(source_member(root, "expireTime"), &until))
        error = source_fail(source, "the answer does not say for how long the token holds");
    if (error == ERROR_OK)
        error = source_make_bearer(source, source_member(root, "accessToken"),
                                   (uint64_t)until * NANOSECONDS_PER_SECOND, token);
    fetch_close(&answer);
    source_forget(&authorization);
    buffer_close(&body);
    pool_token_free(before);
    return error;
}

static enum error use_external(struct token_source *source, yyjson_val *file, struct buffer *form,
                               struct pool_token **token)
{
    yyjson_val *origin = yyjson_obj_get(file, "credential_source");
    struct text url = source_member(file, "service_account_impersonation_url");
    enum error error;

    if (!text_empty(source_member(origin, "file")))
        error = subject_from_file(source, file, form, token);
    else if (!text_empty(source_member(origin, "url")))
        error = subject_from_url(source, file, form, token);
    else
        error = source_fail(source, "credential_source of the file is neither a file nor a URL: "
                                    "other kinds are not supported");
    if (error == ERROR_OK && !text_empty(url))
        error = impersonate(source, url, token);
    return error;
}

/* ---- the file, or the metadata server ---- */

static const struct {
    struct text type;
    enum error (*use)(struct token_source *source, yyjson_val *file, struct buffer *form,
                      struct pool_token **token);
} types[] = {
    {TEXT_INIT("service_account"), use_service_account},
    {TEXT_INIT("authorized_user"), use_user},
    {TEXT_INIT("external_account"), use_external},
};

static enum error use_file(struct token_source *source, struct text path, struct pool_token **token)
{
    struct buffer bytes, form = {0};
    enum error error = source_read_file(source, path, &bytes);
    yyjson_doc *document = NULL;

    if (error == ERROR_OK)
        error = source_open_body(source, &form);
    if (error == ERROR_OK) {
        document = source_parse(&bytes);
        yyjson_val *file = yyjson_doc_get_root(document);
        struct text type = source_member(file, "type");
        size_t i = 0;
        while (i < ARRAY_LENGTH(types) && !text_equal(type, types[i].type))
            i++;
        if (!yyjson_is_obj(file))
            error = source_fail(source, "file %.300s is no JSON object", path.data);
        else if (i == ARRAY_LENGTH(types))
            error = source_fail(source,
                                "file %.300s is of type \"%.40s\": service_account, "
                                "authorized_user and external_account are supported",
                                path.data, type.data ? type.data : "");
        else
            error = types[i].use(source, file, &form, token);
    }
    yyjson_doc_free(document);
    source_forget(&form);
    source_forget(&bytes);
    return error;
}

static enum error use_metadata(struct token_source *source, struct pool_token **token)
{
    const struct config_google *settings = settings_of(source);
    struct text host = source_first(source_variable("GCE_METADATA_HOST"), TEXT(METADATA_HOST));
    char url[FETCH_URL_MAX];
    struct fetch_answer answer;
    yyjson_val *root = NULL;
    int length = snprintf(
        url, sizeof(url), "%s%.*s/computeMetadata/v1/instance/service-accounts/%.*s/token",
        text_empty(settings->metadata_url) ? "http://" : "",
        TEXT_ARG(source_first(settings->metadata_url, host)), TEXT_ARG(settings->service_account));
    const struct fetch_request request = {
        .method = "GET",
        .url = text_of(url, (size_t)length < sizeof(url) ? (size_t)length : 0),
        .fields = {{"Metadata-Flavor", TEXT_INIT("Google")}},
        .metadata = true,
    };
    enum error error = source_ask(source, &request, &answer, &root);

    if (error == ERROR_OK)
        error = source_read_token(source, root, token);
    fetch_close(&answer);
    return error;
}

/* Where gcloud leaves what "gcloud auth application-default login" gave; empty when it is not
 * there. */
static struct text gcloud_file(char path[PATH_SIZE])
{
    struct text folder = source_variable("CLOUDSDK_CONFIG");
    struct text home = source_variable("HOME");

    (void)snprintf(path, PATH_SIZE, "%.*s%s/application_default_credentials.json",
                   TEXT_ARG(source_first(folder, home)),
                   text_empty(folder) ? "/.config/gcloud" : "");
    return access(path, R_OK) == 0 ? text_from(path) : text_of(NULL, 0);
}

enum error source_google(struct token_source *source, struct pool_token **token)
{
    char path[PATH_SIZE];
    struct text file = source_first(settings_of(source)->credentials_file,
                                    source_variable("GOOGLE_APPLICATION_CREDENTIALS"));

    if (text_empty(file) && text_empty(settings_of(source)->metadata_url))
        file = gcloud_file(path);
    return text_empty(file) ? use_metadata(source, token) : use_file(source, file, token);
}
