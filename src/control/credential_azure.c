/* Tokens of Entra ID (learn.microsoft.com, "Microsoft identity platform and the OAuth 2.0 client
 * credentials flow", "How to use managed identities"): an application with a secret, a certificate
 * or another issuer's token, else the identity of the machine. */
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/clock.h"
#include "base/identifier.h"
#include "codec/json.h"
#include "control/credential_parts.h"

#define AUTHORITY_URL     "https://login.microsoftonline.com"
#define ASSERTION_TYPE    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#define ASSERTION_SECONDS 600u
#define SCOPE_END         "/.default"

static const struct config_azure *settings_of(const struct token_source *source)
{
    return &source->request->definition->azure;
}

/* Metadata servers want the resource, the scope without its end. */
static struct text resource_of(const struct token_source *source)
{
    struct text scope = settings_of(source)->scope;

    return text_ends_with(scope, TEXT(SCOPE_END))
               ? text_first(scope, scope.length - (sizeof(SCOPE_END) - 1))
               : scope;
}

/* An application: whose it is, and where it asks. */
struct application {
    struct text tenant_id, client_id;
    char url[FETCH_URL_MAX];
};

static bool is_plain(struct text t)
{
    for (size_t i = 0; i < t.length; i++) {
        char c = t.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '.' || c == '_'))
            return false;
    }
    return t.length > 0;
}

static enum error find_application(struct token_source *source, struct application *application)
{
    const struct config_azure *settings = settings_of(source);
    struct text authority =
        source_first(settings->authority_url,
                     source_first(source_variable("AZURE_AUTHORITY_HOST"), TEXT(AUTHORITY_URL)));

    application->tenant_id = source_first(settings->tenant_id, source_variable("AZURE_TENANT_ID"));
    application->client_id = source_first(settings->client_id, source_variable("AZURE_CLIENT_ID"));
    if (!is_plain(application->tenant_id) || text_empty(application->client_id))
        return source_fail(source, "tenant_id and client_id are missing, also as AZURE_TENANT_ID "
                                   "and AZURE_CLIENT_ID");
    while (text_ends_with(authority, TEXT("/")))
        authority.length--;
    int length = snprintf(application->url, sizeof(application->url), "%.*s/%.*s/oauth2/v2.0/token",
                          TEXT_ARG(authority), TEXT_ARG(application->tenant_id));
    return (size_t)length < sizeof(application->url)
               ? ERROR_OK
               : source_fail(source, "authority_url is too long");
}

/* ---- a certificate's assertion ---- */

/* PS256 with the certificate's SHA-256, as Entra ID takes it ("certificate credentials"). */
static bool write_assertion(const struct token_source *source,
                            const struct application *application, struct jwt_key key,
                            X509 *certificate, struct buffer *assertion)
{
    unsigned char thumbprint[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    uint64_t now = source->request->wall / NANOSECONDS_PER_SECOND;
    struct identifier id = identifier_make(source->request->wall);
    char id_text[IDENTIFIER_TEXT_LENGTH];
    struct buffer header, claims, encoded;
    struct json_writer json;

    if (X509_digest(certificate, EVP_sha256(), thumbprint, &length) != 1)
        return false;
    buffer_open(&header, SOURCE_BODY_MAX);
    buffer_open(&claims, SOURCE_BODY_MAX);
    buffer_open(&encoded, SOURCE_BODY_MAX);
    jwt_append_base64url(&encoded, thumbprint, length);
    json_open(&json, &header);
    json_begin_object(&json);
    json_member_text(&json, "alg", TEXT("PS256"));
    json_member_text(&json, "typ", TEXT("JWT"));
    json_member_text(&json, "x5t#S256", buffer_text(&encoded));
    json_end_object(&json);
    identifier_format(id, id_text);
    json_open(&json, &claims);
    json_begin_object(&json);
    json_member_text(&json, "aud", text_from(application->url));
    json_member_text(&json, "iss", application->client_id);
    json_member_text(&json, "sub", application->client_id);
    json_member_text(&json, "jti", text_of(id_text, sizeof(id_text)));
    json_member_unsigned(&json, "nbf", now);
    json_member_unsigned(&json, "exp", now + ASSERTION_SECONDS);
    json_end_object(&json);
    bool good = !header.failed && !claims.failed &&
                jwt_sign(key, buffer_text(&header), buffer_text(&claims), assertion);
    buffer_close(&header);
    buffer_close(&claims);
    buffer_close(&encoded);
    return good;
}

static enum error make_assertion(struct token_source *source, const struct application *application,
                                 struct buffer *assertion)
{
    struct buffer pem;
    enum error error = source_read_file(source, settings_of(source)->certificate, &pem);

    if (error == ERROR_OK) {
        struct jwt_key key = {.key = jwt_read_key(buffer_text(&pem)), .pss = true};
        BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.length);
        X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
        if (!key.key || !certificate)
            error = source_fail(source, "file %.300s has not both a certificate and an RSA key",
                                settings_of(source)->certificate.data);
        else if (!write_assertion(source, application, key, certificate, assertion))
            error = source_fail(source, "the assertion could not be signed");
        BIO_free(bio);
        X509_free(certificate);
        EVP_PKEY_free(key.key);
    }
    source_forget(&pem);
    return error;
}

/* ---- applications ---- */

static struct text federated_file(const struct token_source *source)
{
    return source_first(settings_of(source)->federated_token_file,
                        source_variable("AZURE_FEDERATED_TOKEN_FILE"));
}

/* The proof of who asks, as form fields. */
static enum error add_proof(struct token_source *source, const struct application *application,
                            struct buffer *form)
{
    const struct config_azure *settings = settings_of(source);
    struct buffer proof;
    struct text assertion;
    enum error error;

    if (settings->client_secret) {
        fetch_append_form(form, "client_secret", secret_expose(settings->client_secret));
        return ERROR_OK;
    }
    if (!text_empty(settings->certificate)) {
        buffer_open(&proof, SOURCE_BODY_MAX);
        error = make_assertion(source, application, &proof);
        assertion = buffer_text(&proof);
    } else {
        error = source_read_file(source, federated_file(source), &proof);
        assertion = source_trim(&proof);
    }
    if (error == ERROR_OK) {
        fetch_append_form(form, "client_assertion_type", TEXT(ASSERTION_TYPE));
        fetch_append_form(form, "client_assertion", assertion);
    }
    source_forget(&proof);
    return error;
}

static enum error use_application(struct token_source *source, struct pool_token **token)
{
    struct application application;
    struct fetch_answer answer = {0};
    struct buffer form;
    yyjson_val *root = NULL;
    enum error error = source_open_body(source, &form);

    if (error == ERROR_OK)
        error = find_application(source, &application);
    if (error == ERROR_OK) {
        fetch_append_form(&form, "grant_type", TEXT("client_credentials"));
        fetch_append_form(&form, "client_id", application.client_id);
        fetch_append_form(&form, "scope", settings_of(source)->scope);
        error = add_proof(source, &application, &form);
    }
    if (error == ERROR_OK)
        error = source_post_form(source, text_from(application.url), &form, &answer, &root);
    if (error == ERROR_OK)
        error = source_read_token(source, root, token);
    fetch_close(&answer);
    source_forget(&form);
    return error;
}

/* ---- managed identities ---- */

/* App Service says by two variables where to ask; a virtual machine has its metadata server. */
static enum error use_machine(struct token_source *source, struct pool_token **token)
{
    struct text endpoint = source_variable("IDENTITY_ENDPOINT");
    struct text header = source_variable("IDENTITY_HEADER");
    bool service = !text_empty(endpoint) && !text_empty(header);
    struct text client_id =
        source_first(settings_of(source)->client_id, source_variable("AZURE_CLIENT_ID"));
    struct fetch_request request = {.method = "GET", .metadata = true};
    struct fetch_answer answer = {0};
    struct buffer query, url;
    yyjson_val *root = NULL;

    buffer_open(&query, FETCH_URL_MAX);
    buffer_open(&url, FETCH_URL_MAX);
    fetch_append_form(&query, "api-version", service ? TEXT("2019-08-01") : TEXT("2018-02-01"));
    fetch_append_form(&query, "resource", resource_of(source));
    if (!text_empty(client_id))
        fetch_append_form(&query, "client_id", client_id);
    buffer_append(&url, service ? endpoint : settings_of(source)->metadata_url);
    buffer_append(&url, service ? TEXT("?") : TEXT("/metadata/identity/oauth2/token?"));
    buffer_append(&url, buffer_text(&query));
    request.url = buffer_text(&url);
    request.fields[0] = service ? (struct fetch_field){"X-IDENTITY-HEADER", header}
                                : (struct fetch_field){"Metadata", TEXT("true")};
    enum error error = url.failed || query.failed
                           ? source_fail(source, "the URL of the metadata server is too long")
                           : source_ask(source, &request, &answer, &root);
    if (error == ERROR_OK)
        error = source_read_token(source, root, token);
    fetch_close(&answer);
    buffer_close(&query);
    buffer_close(&url);
    return error;
}

enum error source_azure(struct token_source *source, struct pool_token **token)
{
    const struct config_azure *settings = settings_of(source);
    bool application = settings->client_secret || !text_empty(settings->certificate) ||
                       !text_empty(federated_file(source));

    return application ? use_application(source, token) : use_machine(source, token);
}
