/* What a provider's calls are authorised with. Each credential is of one kind, and what is written
 * of that kind fits together; whether the cloud takes it is known when it is asked. */
#include "config/build.h"
#include "config/endpoint.h"

/* Written of one kind: its key, and whether it stands there. */
static const char *const kinds[] = {
    [CONFIG_CREDENTIAL_API_KEY] = "api_key",
    [CONFIG_CREDENTIAL_GOOGLE] = "google",
    [CONFIG_CREDENTIAL_AZURE] = "azure",
    [CONFIG_CREDENTIAL_AWS] = "aws",
};

static void find_kind(struct settings_reader *reader, const struct settings_credential *from,
                      struct config_credential *credential)
{
    size_t found = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
        if (!document_find(from->entry.node, text_from(kinds[i])))
            continue;
        credential->kind = (enum config_credential_kind)i;
        found++;
    }
    if (found != 1)
        report_error(reader->report, from->entry.node->place,
                     found == 0 ? "it says nothing to authorise calls with: api_key, google, azure "
                                  "or aws"
                                : "it is of one kind: api_key, google, azure or aws");
}

/* What is sent to these URLs buys tokens: in clear it goes within this machine only, or, of
 * metadata servers, to the addresses that are never routed. */
static void check_url(struct settings_reader *reader, const char *key,
                      const struct settings_value *url, bool metadata)
{
    struct config_endpoint endpoint;
    if (text_empty(url->text) || !url->node)
        return;
    size_t mark = report_enter(reader->report, text_from(key));
    const char *fault = endpoint_parse(url->text, &reader->memory->arena, &endpoint);
    if (fault)
        report_error(reader->report, settings_place(url, NULL), "not a URL to ask: %s", fault);
    else if (endpoint.port == 0)
        report_error(reader->report, settings_place(url, NULL),
                     "a URL that begins with https:// or http:// is wanted");
    else if (!endpoint.tls && !endpoint_is_local(endpoint.host) &&
             !(metadata && endpoint_is_metadata(endpoint.host)))
        report_error(reader->report, settings_place(url, NULL),
                     metadata ? "metadata servers are asked in clear, so this must be one of their "
                                "own addresses, or of this machine"
                              : "credentials would travel in clear: write https://");
    report_leave(reader->report, mark);
}

/* ---- the kinds ---- */

static void build_google(struct settings_reader *reader, const struct settings_google *from,
                         struct config_google *google)
{
    *google = (struct config_google){
        .credentials_file = from->credentials_file.text,
        .service_account = from->service_account.text,
        .scope = from->scope.text,
        .token_url = from->token_url.text,
        .metadata_url = from->metadata_url.text,
    };
    check_url(reader, "token_url", &from->token_url, false);
    check_url(reader, "metadata_url", &from->metadata_url, true);
    if (from->credentials_file.node && from->service_account.node)
        report_error(reader->report, settings_place(&from->service_account, NULL),
                     "the account is the one of credentials_file; write one of the two");
}

/* The ways in which an application says who it is. */
static const struct settings_value *azure_proof(const struct settings_azure *from, size_t *count)
{
    const struct settings_value *ways[] = {&from->client_secret, &from->certificate,
                                           &from->federated_token_file};
    const struct settings_value *last = NULL;
    *count = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
        if (!ways[i]->node)
            continue;
        last = ways[i];
        ++*count;
    }
    return last;
}

static void build_azure(struct settings_reader *reader, const struct settings_azure *from,
                        struct config_azure *azure)
{
    size_t count;
    const struct settings_value *proof = azure_proof(from, &count);
    *azure = (struct config_azure){
        .tenant_id = from->tenant_id.text,
        .client_id = from->client_id.text,
        .client_secret = from->client_secret.secret,
        .certificate = from->certificate.text,
        .federated_token_file = from->federated_token_file.text,
        .scope = from->scope.text,
        .authority_url = from->authority_url.text,
        .metadata_url = from->metadata_url.text,
    };
    check_url(reader, "authority_url", &from->authority_url, false);
    check_url(reader, "metadata_url", &from->metadata_url, true);
    if (count > 1)
        report_error(reader->report, settings_place(proof, NULL),
                     "one of client_secret, certificate and federated_token_file is enough");
    else if (proof && proof != &from->federated_token_file &&
             (text_empty(azure->tenant_id) || text_empty(azure->client_id)))
        report_error(reader->report, settings_place(proof, NULL),
                     "\"tenant_id\" and \"client_id\" are missing: whose is it?");
}

static void build_aws(struct settings_reader *reader, const struct settings_aws *from,
                      struct config_aws *aws)
{
    *aws = (struct config_aws){
        .source = (enum config_aws_source)from->source.choice,
        .access_key_id = from->access_key_id.secret,
        .secret_access_key = from->secret_access_key.secret,
        .session_token = from->session_token.secret,
        .profile = from->profile.text,
        .credentials_file = from->credentials_file.text,
        .config_file = from->config_file.text,
        .role_arn = from->role_arn.text,
        .external_id = from->external_id.text,
        .role_session_name = from->role_session_name.text,
        .web_identity_token_file = from->web_identity_token_file.text,
        .sts_url = from->sts_url.text,
        .metadata_url = from->metadata_url.text,
    };
    check_url(reader, "sts_url", &from->sts_url, false);
    check_url(reader, "metadata_url", &from->metadata_url, true);
    if (!from->access_key_id.node != !from->secret_access_key.node)
        report_error(
            reader->report,
            settings_place(
                from->access_key_id.node ? &from->access_key_id : &from->secret_access_key, NULL),
            "\"access_key_id\" and \"secret_access_key\" are written together or not at all");
    if (from->session_token.node && !from->access_key_id.node)
        report_error(reader->report, settings_place(&from->session_token, NULL),
                     "\"access_key_id\" and \"secret_access_key\" are missing");
    if (from->access_key_id.node && from->source.node)
        report_error(reader->report, settings_place(&from->source, NULL),
                     "access_key_id is the source; write one of the two");
    if (from->external_id.node && !from->role_arn.node)
        report_error(reader->report, settings_place(&from->external_id, NULL),
                     "\"role_arn\" is missing: which role asks for it?");
}

/* Only requests to Bedrock are signed. Elsewhere AWS can authorise by a token alone, and only the
 * environment has one. */
static bool is_bearer(const struct config_aws *aws)
{
    const char *token = getenv("AWS_BEARER_TOKEN_BEDROCK");
    return (aws->source == CONFIG_AWS_DEFAULT || aws->source == CONFIG_AWS_ENVIRONMENT) &&
           !aws->access_key_id && text_empty(aws->role_arn) && text_empty(aws->profile) && token &&
           token[0];
}

static void check_signs(struct settings_reader *reader, struct text type,
                        const struct settings_credential *from, const struct config_aws *aws)
{
    if (text_equal(type, TEXT("bedrock")) || is_bearer(aws))
        return;
    report_error(reader->report, from->entry.node->place,
                 "requests of type %.*s are not signed, so keys of AWS are of no use here; write "
                 "\"type: bedrock\", or for Bedrock's OpenAI endpoint \"api_key: "
                 "env:AWS_BEARER_TOKEN_BEDROCK\"",
                 TEXT_ARG(type));
}

/* ---- all of a provider ---- */

static bool is_name(struct text name)
{
    for (size_t i = 0; i < name.length; i++) {
        char c = name.data[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '_' || c == '.';
        if (!plain)
            return false;
    }
    return name.length > 0 && name.length <= CONFIG_CREDENTIAL_NAME_MAXIMUM;
}

static void check_name(struct settings_reader *reader, const struct settings_credential *all,
                       size_t index)
{
    const struct settings_value *name = &all[index].name;
    if (text_empty(name->text))
        return; /* told already */
    if (!is_name(name->text))
        report_error(reader->report, settings_place(name, NULL),
                     "a name has letters, digits, '.', '-' and '_', at most %u of them",
                     CONFIG_CREDENTIAL_NAME_MAXIMUM);
    for (size_t i = 0; i < index; i++)
        if (text_equal(all[i].name.text, name->text))
            report_error(reader->report, settings_place(name, NULL),
                         "another credential of this provider has this name");
}

static uint64_t limit_of(uint64_t number)
{
    return number == SETTINGS_UNSET ? 0 : number;
}

static void build_credential(struct settings_reader *reader, struct text type,
                             const struct settings_credential *from,
                             struct config_credential *credential)
{
    credential->name = from->name.text;
    credential->weight = from->weight;
    credential->requests_per_minute = limit_of(from->requests_per_minute);
    credential->tokens_per_minute = limit_of(from->tokens_per_minute);
    credential->concurrent_calls = limit_of(from->concurrent_calls);
    credential->api_key = from->api_key.secret;
    find_kind(reader, from, credential);
    size_t mark = report_enter(reader->report, text_from(kinds[credential->kind]));
    if (credential->kind == CONFIG_CREDENTIAL_GOOGLE)
        build_google(reader, &from->google, &credential->google);
    else if (credential->kind == CONFIG_CREDENTIAL_AZURE)
        build_azure(reader, &from->azure, &credential->azure);
    else if (credential->kind == CONFIG_CREDENTIAL_AWS)
        build_aws(reader, &from->aws, &credential->aws);
    if (credential->kind == CONFIG_CREDENTIAL_AWS)
        check_signs(reader, type, from, &credential->aws);
    report_leave(reader->report, mark);
}

void build_credentials(struct settings_reader *reader, const struct settings_provider *from,
                       struct config_provider *provider)
{
    provider->aws_region = from->aws.region.text;
    provider->google_project = from->google.project.text;
    provider->google_location = from->google.location.text;
    struct config_credential *credentials =
        build_array(reader, from->credential_count, sizeof(*credentials));
    if (!credentials)
        return;
    size_t top = report_enter(reader->report, TEXT("credentials"));
    if (from->credential_count > 0 && from->api_key.node)
        report_error(reader->report, settings_place(&from->api_key, NULL),
                     "the key is one of credentials, or the only one; write one of the two");
    if (from->credential_count > CONFIG_CREDENTIALS_MAXIMUM)
        report_error(reader->report, from->credentials[0].entry.node->place,
                     "more than %u credentials: no account has that many",
                     CONFIG_CREDENTIALS_MAXIMUM);
    for (size_t i = 0; i < from->credential_count; i++) {
        size_t mark = report_enter_item(reader->report, i);
        check_name(reader, from->credentials, i);
        build_credential(reader, from->type.text, &from->credentials[i], &credentials[i]);
        report_leave(reader->report, mark);
    }
    report_leave(reader->report, top);
    provider->credentials = credentials;
    provider->credential_count = from->credential_count;
}
