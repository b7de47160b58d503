/* Keys of AWS, as AWS's own libraries find them (docs.aws.amazon.com, "AWS SDKs and Tools
 * Reference Guide", standardized credential providers). */
#include <stdio.h>

#include "base/clock.h"
#include "base/ensure.h"
#include "base/instant.h"
#include "control/credential_parts.h"
#include "provider/sigv4.h"

#define CONTAINER_URL "http://169.254.170.2"
#define IMDS_SECONDS  "21600"
#define PATH_SIZE     4096u
#define KEY_SIZE      4096u /* a session token has some hundred bytes, seldom two thousand */
/* Profiles that refer to profiles. */
#define PROFILE_DEPTH_MAX 4u

/* A key on its way, on the stack; wiped. */
struct aws_key {
    struct text id, secret, token; /* token: empty for a key of one's own */
    uint64_t expires;              /* wall nanoseconds; 0: never */
};

static const struct config_aws *settings_of(const struct token_source *source)
{
    return &source->request->definition->aws;
}

static struct secret *optional_secret(struct text bytes)
{
    return text_empty(bytes) ? NULL : secret_make(bytes);
}

static enum error make_token(struct token_source *source, const struct aws_key *key,
                             struct pool_token **token)
{
    if (text_empty(key->id) || text_empty(key->secret))
        return source_fail(source, "the answer has no key");
    *token = ensure_memory(calloc(1, sizeof(**token)));
    struct provider_credential *credential = &(*token)->credential;
    credential->access_key_id = secret_make(key->id);
    credential->secret_access_key = secret_make(key->secret);
    credential->session_token = optional_secret(key->token);
    (*token)->expires = key->expires;
    if (credential->access_key_id && credential->secret_access_key &&
        (credential->session_token || text_empty(key->token)))
        return ERROR_OK;
    pool_token_free(*token);
    *token = NULL;
    (void)source_fail(source, "memory is short");
    return ERROR_MEMORY;
}

static enum error read_until(struct token_source *source, struct text expiration, uint64_t *expires)
{
    int64_t seconds;

    if (!instant_parse(expiration, &seconds))
        return source_fail(source, "the answer does not say until when the key holds");
    *expires = (uint64_t)seconds * NANOSECONDS_PER_SECOND;
    return ERROR_OK;
}

/* {"AccessKeyId": …, "SecretAccessKey": …, "Token": …, "Expiration": …} */
static enum error read_json_key(struct token_source *source, yyjson_val *root,
                                struct pool_token **token)
{
    struct aws_key key = {
        .id = source_member(root, "AccessKeyId"),
        .secret = source_member(root, "SecretAccessKey"),
        .token = source_member(root, "Token"),
    };
    enum error error = read_until(source, source_member(root, "Expiration"), &key.expires);

    return error == ERROR_OK ? make_token(source, &key, token) : error;
}

/* ---- STS ---- */

static struct text region_of(const struct token_source *source)
{
    return source_first(
        source->request->region,
        source_first(source_variable("AWS_REGION"),
                     source_first(source_variable("AWS_DEFAULT_REGION"), TEXT("us-east-1"))));
}

static struct text sts_url(const struct token_source *source, char url[FETCH_URL_MAX])
{
    struct text region = region_of(source);

    if (!text_empty(settings_of(source)->sts_url))
        return settings_of(source)->sts_url;
    (void)snprintf(url, FETCH_URL_MAX, "https://sts.%.*s.amazonaws.com%s/", TEXT_ARG(region),
                   text_starts_with(region, TEXT("cn-")) ? ".cn" : "");
    return text_from(url);
}

/* What stands between <name> and </name>; empty when it does not. None of what we look for holds
 * an entity. */
static struct text xml_element(struct text xml, const char *name)
{
    char begin[64], end[64];

    (void)snprintf(begin, sizeof(begin), "<%s>", name);
    (void)snprintf(end, sizeof(end), "</%s>", name);
    ptrdiff_t at = text_find(xml, text_from(begin));
    if (at < 0)
        return (struct text){0};
    struct text rest = text_from_index(xml, (size_t)at + strlen(begin));
    at = text_find(rest, text_from(end));
    return at < 0 ? (struct text){0} : text_first(rest, (size_t)at);
}

static enum error read_sts_answer(struct token_source *source, struct text url,
                                  const struct fetch_answer *answer, struct pool_token **token)
{
    struct text xml = buffer_text(&answer->body);
    struct aws_key key = {
        .id = xml_element(xml, "AccessKeyId"),
        .secret = xml_element(xml, "SecretAccessKey"),
        .token = xml_element(xml, "SessionToken"),
    };
    char host[FETCH_HOST_SIZE];

    if (answer->status != 200) {
        struct text code = text_first(xml_element(xml, "Code"), SOURCE_WORDS_MAX);
        struct text words = text_first(xml_element(xml, "Message"), SOURCE_WORDS_MAX);
        fetch_show_host(url, host);
        return source_fail(source, "%s answered %u %.*s: %.*s", host, answer->status,
                           TEXT_ARG(code), TEXT_ARG(words));
    }
    enum error error = read_until(source, xml_element(xml, "Expiration"), &key.expires);
    return error == ERROR_OK ? make_token(source, &key, token) : error;
}

static enum error sign_for_sts(const struct token_source *source,
                               const struct provider_credential *by, struct text url,
                               struct text body, struct buffer *lines)
{
    char host[FETCH_HOST_SIZE];

    fetch_show_host(url, host);
    struct text path = text_from_index(url, strlen(host));
    const struct sigv4_key key = {
        .access_key_id = secret_expose(by->access_key_id),
        .secret_key = secret_expose(by->secret_access_key),
        .session_token = by->session_token ? secret_expose(by->session_token) : text_of(NULL, 0)};
    const struct sigv4_request request = {
        .method = TEXT("POST"),
        .host = text_from_index(text_from(strstr(host, "//")), 2),
        .target = text_empty(path) ? TEXT("/") : path,
        .lines = TEXT("content-type: application/x-www-form-urlencoded\r\n"),
        .body = &body,
        .body_count = 1,
        .region = region_of(source),
        .service = TEXT("sts"),
        .time = source->request->wall / NANOSECONDS_PER_SECOND,
    };
    return sigv4_sign(&key, &request, lines);
}

/* Signed with `by`, or not at all. */
static enum error ask_sts(struct token_source *source, const struct provider_credential *by,
                          const struct buffer *form, struct pool_token **token)
{
    char buffer[FETCH_URL_MAX];
    struct fetch_answer answer = {0};
    struct buffer lines;
    enum error error = form->failed ? ERROR_LIMIT : ERROR_OK;
    struct fetch_request request = {
        .method = "POST",
        .url = sts_url(source, buffer),
        .fields = {{"Content-Type", TEXT_INIT("application/x-www-form-urlencoded")}},
        .body = buffer_text(form),
        .stop = source->request->stop,
    };

    buffer_open(&lines, SIGV4_CANONICAL_MAX);
    if (error == ERROR_OK && by)
        error = sign_for_sts(source, by, request.url, request.body, &lines);
    request.lines = buffer_text(&lines);
    if (error != ERROR_OK)
        error = source_fail(source, "the request for STS could not be made");
    else
        error = fetch(&request, &answer, source->problem);
    if (error == ERROR_OK)
        error = read_sts_answer(source, request.url, &answer, token);
    fetch_close(&answer);
    source_forget(&lines);
    return error;
}

/* A role, and what is said when it is taken on. */
struct role {
    struct text arn, session_name, external_id;
};

static void add_role(const struct role *role, const char *action, struct buffer *form)
{
    fetch_append_form(form, "Action", text_from(action));
    fetch_append_form(form, "Version", TEXT("2011-06-15"));
    fetch_append_form(form, "RoleArn", role->arn);
    fetch_append_form(
        form, "RoleSessionName",
        source_first(role->session_name,
                     source_first(source_variable("AWS_ROLE_SESSION_NAME"), TEXT("turnpike"))));
    if (!text_empty(role->external_id))
        fetch_append_form(form, "ExternalId", role->external_id);
}

/* With the key in `token`, which the role's replaces. */
static enum error assume_role(struct token_source *source, const struct role *role,
                              struct pool_token **token)
{
    struct pool_token *before = *token;
    struct buffer form;
    enum error error = source_open_body(source, &form);

    *token = NULL;
    if (error == ERROR_OK && !before->credential.access_key_id)
        error = source_fail(source, "a role is taken on with keys, not with a bearer token");
    if (error == ERROR_OK) {
        add_role(role, "AssumeRole", &form);
        error = ask_sts(source, &before->credential, &form, token);
    }
    source_forget(&form);
    pool_token_free(before);
    return error;
}

static enum error assume_role_with_file(struct token_source *source, const struct role *role,
                                        struct text file, struct pool_token **token)
{
    struct buffer form, identity;

    if (text_empty(file) || text_empty(role->arn))
        return source_fail(source, "web_identity_token_file and role_arn are missing, also as "
                                   "AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN");
    enum error error = source_read_file(source, file, &identity);
    buffer_open(&form, SOURCE_BODY_MAX);
    if (error == ERROR_OK)
        error = source_open_body(source, &form);
    if (error == ERROR_OK) {
        add_role(role, "AssumeRoleWithWebIdentity", &form);
        fetch_append_form(&form, "WebIdentityToken", source_trim(&identity));
        error = ask_sts(source, NULL, &form, token);
    }
    source_forget(&form);
    source_forget(&identity);
    return error;
}

/* ---- environment ---- */

static bool has_environment(const struct token_source *source)
{
    (void)source;
    return !text_empty(source_variable("AWS_BEARER_TOKEN_BEDROCK")) ||
           (!text_empty(source_variable("AWS_ACCESS_KEY_ID")) &&
            !text_empty(source_variable("AWS_SECRET_ACCESS_KEY")));
}

static enum error from_environment(struct token_source *source, struct pool_token **token)
{
    const struct aws_key key = {.id = source_variable("AWS_ACCESS_KEY_ID"),
                                .secret = source_variable("AWS_SECRET_ACCESS_KEY"),
                                .token = source_variable("AWS_SESSION_TOKEN")};
    struct text bearer = source_variable("AWS_BEARER_TOKEN_BEDROCK");

    if (!text_empty(bearer))
        return source_make_bearer(source, bearer, 0, token);
    if (!has_environment(source))
        return source_fail(source, "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set");
    return make_token(source, &key, token);
}

/* ---- web identity ---- */

static struct text identity_file(const struct token_source *source)
{
    return source_first(settings_of(source)->web_identity_token_file,
                        source_variable("AWS_WEB_IDENTITY_TOKEN_FILE"));
}

static bool has_web_identity(const struct token_source *source)
{
    return !text_empty(identity_file(source));
}

static enum error from_web_identity(struct token_source *source, struct pool_token **token)
{
    const struct config_aws *settings = settings_of(source);
    const struct role role = {
        .arn = source_first(settings->role_arn, source_variable("AWS_ROLE_ARN")),
        .session_name = settings->role_session_name,
    };

    return assume_role_with_file(source, &role, identity_file(source), token);
}

/* ---- profiles ---- */

/* A file of AWS's: the variable, else ~/.aws/NAME. */
static struct text profile_file(struct text stated, const char *name, const char *standard,
                                char path[PATH_SIZE])
{
    struct text file = source_first(stated, source_variable(name));

    if (!text_empty(file))
        return file;
    (void)snprintf(path, PATH_SIZE, "%.*s/.aws/%s", TEXT_ARG(source_variable("HOME")), standard);
    return text_from(path);
}

/* The value of a key in a section "[NAME]" or "[profile NAME]" of the file; empty when it is not
 * there. */
static struct text find_in_profile(const struct buffer *file, struct text profile, const char *key)
{
    struct text rest = buffer_text(file), line;
    bool inside = false;

    while (!text_empty(rest)) {
        line = text_trim(text_split(&rest, '\n'));
        if (text_ends_with(line, TEXT("\r")))
            line = text_trim(text_first(line, line.length - 1));
        if (text_starts_with(line, TEXT("[")) && text_ends_with(line, TEXT("]"))) {
            struct text name = text_trim(text_of(line.data + 1, line.length - 2));
            if (text_starts_with(name, TEXT("profile ")))
                name = text_trim(text_from_index(name, sizeof("profile ") - 1));
            inside = text_equal(name, profile);
        } else if (inside) {
            struct text value = line;
            struct text name = text_trim(text_split(&value, '='));
            if (value.data && text_equal_ignoring_case(name, text_from(key)))
                return text_trim(value);
        }
    }
    return (struct text){0};
}

/* Both files of AWS's as they are now. */
struct profiles {
    struct buffer credentials, config;
};

static struct text profile_value(const struct profiles *profiles, struct text profile,
                                 const char *key)
{
    return source_first(find_in_profile(&profiles->credentials, profile, key),
                        find_in_profile(&profiles->config, profile, key));
}

/* One of them may be missing. */
static enum error read_profiles(struct token_source *source, struct profiles *profiles)
{
    const struct config_aws *settings = settings_of(source);
    char path[PATH_SIZE];
    enum error credentials =
        source_read_file(source,
                         profile_file(settings->credentials_file, "AWS_SHARED_CREDENTIALS_FILE",
                                      "credentials", path),
                         &profiles->credentials);
    enum error config = source_read_file(
        source, profile_file(settings->config_file, "AWS_CONFIG_FILE", "config", path),
        &profiles->config);

    return credentials == ERROR_OK || config == ERROR_OK ? ERROR_OK : credentials;
}

static struct text profile_name(const struct token_source *source)
{
    return source_first(settings_of(source)->profile,
                        source_first(source_variable("AWS_PROFILE"), TEXT("default")));
}

/* A role's key is got with that of its source profile, whose key may be that of a role, …: walked
 * from the last one back. */
static enum error use_profile(struct token_source *source, const struct profiles *profiles,
                              struct text name, struct pool_token **token)
{
    struct text chain[PROFILE_DEPTH_MAX];
    size_t count = 0;
    enum error error = ERROR_OK;

    for (;; count++) {
        if (count == PROFILE_DEPTH_MAX)
            return source_fail(source, "profiles refer to each other, more than %u deep",
                               PROFILE_DEPTH_MAX);
        chain[count] = name;
        struct text further = profile_value(profiles, name, "source_profile");
        if (text_empty(further) || text_equal(further, name))
            break;
        name = further;
    }
    struct role role = {.arn = profile_value(profiles, name, "role_arn"),
                        .session_name = profile_value(profiles, name, "role_session_name")};
    struct text file = profile_value(profiles, name, "web_identity_token_file");
    const struct aws_key key = {.id = profile_value(profiles, name, "aws_access_key_id"),
                                .secret = profile_value(profiles, name, "aws_secret_access_key"),
                                .token = profile_value(profiles, name, "aws_session_token")};
    if (!text_empty(key.id))
        error = make_token(source, &key, token);
    else if (!text_empty(file))
        error = assume_role_with_file(source, &role, file, token);
    else
        error = source_fail(source,
                            "profile %.*s has no key: credential_process and sso are not supported",
                            TEXT_ARG(text_first(name, 64)));
    for (size_t i = count; i-- > 0 && error == ERROR_OK;) {
        role = (struct role){.arn = profile_value(profiles, chain[i], "role_arn"),
                             .session_name = profile_value(profiles, chain[i], "role_session_name"),
                             .external_id = profile_value(profiles, chain[i], "external_id")};
        error = assume_role(source, &role, token);
    }
    return error;
}

static enum error from_profile(struct token_source *source, struct pool_token **token)
{
    struct profiles profiles;
    enum error error = read_profiles(source, &profiles);

    if (error == ERROR_OK)
        error = use_profile(source, &profiles, profile_name(source), token);
    source_forget(&profiles.credentials);
    source_forget(&profiles.config);
    return error;
}

static bool has_profile(const struct token_source *source)
{
    struct token_source quiet = *source;
    char problem[CREDENTIAL_PROBLEM_SIZE];
    struct profiles profiles;
    static const char *const keys[] = {"aws_access_key_id", "role_arn"};
    bool found = false;

    quiet.problem = problem;
    if (read_profiles(&quiet, &profiles) == ERROR_OK)
        for (size_t i = 0; i < ARRAY_LENGTH(keys); i++)
            found = found || !text_empty(profile_value(&profiles, profile_name(source), keys[i]));
    source_forget(&profiles.credentials);
    source_forget(&profiles.config);
    return found;
}

/* ---- container (ECS, EKS pod identity) ---- */

static bool has_container(const struct token_source *source)
{
    (void)source;
    return !text_empty(source_variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")) ||
           !text_empty(source_variable("AWS_CONTAINER_CREDENTIALS_FULL_URI"));
}

static enum error from_container(struct token_source *source, struct pool_token **token)
{
    struct text relative = source_variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    struct text file = source_variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    struct text authorization = source_variable("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    char url[FETCH_URL_MAX];
    struct buffer bytes = {0};
    struct fetch_answer answer = {0};
    struct fetch_request request = {.method = "GET", .metadata = true};
    yyjson_val *root = NULL;
    enum error error = ERROR_OK;

    if (!has_container(source))
        return source_fail(source, "neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor "
                                   "AWS_CONTAINER_CREDENTIALS_FULL_URI is set");
    (void)snprintf(
        url, sizeof(url), "%s%.*s", text_empty(relative) ? "" : CONTAINER_URL,
        TEXT_ARG(source_first(relative, source_variable("AWS_CONTAINER_CREDENTIALS_FULL_URI"))));
    request.url = text_from(url);
    if (!text_empty(file)) {
        error = source_read_file(source, file, &bytes);
        authorization = error == ERROR_OK ? source_trim(&bytes) : authorization;
    }
    if (!text_empty(authorization))
        request.fields[0] = (struct fetch_field){"Authorization", authorization};
    if (error == ERROR_OK)
        error = source_ask(source, &request, &answer, &root);
    if (error == ERROR_OK)
        error = read_json_key(source, root, token);
    fetch_close(&answer);
    source_forget(&bytes);
    return error;
}

/* ---- instance (IMDSv2) ---- */

static bool has_instance(const struct token_source *source)
{
    (void)source;
    return !text_equal_ignoring_case(source_variable("AWS_EC2_METADATA_DISABLED"), TEXT("true"));
}

static enum error ask_instance(struct token_source *source, const char *path, const char *method,
                               struct fetch_field field, struct fetch_answer *answer)
{
    char url[FETCH_URL_MAX];
    int length =
        snprintf(url, sizeof(url), "%.*s%s", TEXT_ARG(settings_of(source)->metadata_url), path);
    const struct fetch_request request = {
        .method = method,
        .url = text_of(url, (size_t)length < sizeof(url) ? (size_t)length : 0),
        .fields = {field},
        .metadata = true,
        .stop = source->request->stop,
    };
    enum error error = fetch(&request, answer, source->problem);

    if (error == ERROR_OK && answer->status != 200)
        error =
            source_fail(source, "the metadata server answered %u to %.200s", answer->status, path);
    return error;
}

static bool is_role_name(struct text name)
{
    for (size_t i = 0; i < name.length; i++) {
        char c = name.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              strchr("+=,.@_-", c)))
            return false;
    }
    return name.length > 0 && name.length <= 64; /* IAM's own limit */
}

static enum error from_instance(struct token_source *source, struct pool_token **token)
{
    static const char folder[] = "/latest/meta-data/iam/security-credentials/";
    struct fetch_answer session = {0}, roles = {0}, answer = {0};
    char path[sizeof(folder) + 64];
    struct fetch_field field = {"x-aws-ec2-metadata-token-ttl-seconds", TEXT(IMDS_SECONDS)};
    enum error error = ask_instance(source, "/latest/api/token", "PUT", field, &session);

    field = (struct fetch_field){"x-aws-ec2-metadata-token", source_trim(&session.body)};
    if (error == ERROR_OK)
        error = ask_instance(source, folder, "GET", field, &roles);
    if (error == ERROR_OK) {
        struct text rest = source_trim(&roles.body);
        struct text role = text_trim(text_split(&rest, '\n'));
        (void)snprintf(path, sizeof(path), "%s%.*s", folder, TEXT_ARG(text_first(role, 64)));
        error = is_role_name(role)
                    ? ask_instance(source, path, "GET", field, &answer)
                    : source_fail(source, "the machine has no role that the metadata server knows");
    }
    if (error == ERROR_OK) {
        yyjson_val *root = fetch_parse(&answer);
        struct text code = source_member(root, "Code");
        error = !root || (!text_empty(code) && !text_equal(code, TEXT("Success")))
                    ? source_fail(source, "the metadata server has no key for the machine's role")
                    : read_json_key(source, root, token);
    }
    fetch_close(&session);
    fetch_close(&roles);
    fetch_close(&answer);
    return error;
}

/* ---- where they come from ---- */

static const struct {
    bool (*there)(const struct token_source *source);
    enum error (*use)(struct token_source *source, struct pool_token **token);
} origins[] = {
    [CONFIG_AWS_ENVIRONMENT] = {has_environment, from_environment},
    [CONFIG_AWS_WEB_IDENTITY] = {has_web_identity, from_web_identity},
    [CONFIG_AWS_PROFILE] = {has_profile, from_profile},
    [CONFIG_AWS_CONTAINER] = {has_container, from_container},
    [CONFIG_AWS_INSTANCE] = {has_instance, from_instance},
};

static enum error from_origin(struct token_source *source, enum config_aws_source *used,
                              struct pool_token **token)
{
    const struct config_aws *settings = settings_of(source);
    size_t from = settings->source;

    if (settings->access_key_id) {
        const struct aws_key key = {.id = secret_expose(settings->access_key_id),
                                    .secret = secret_expose(settings->secret_access_key),
                                    .token = settings->session_token
                                                 ? secret_expose(settings->session_token)
                                                 : text_of(NULL, 0)};
        return make_token(source, &key, token);
    }
    if (from == CONFIG_AWS_DEFAULT) {
        from = CONFIG_AWS_ENVIRONMENT;
        while (from < ARRAY_LENGTH(origins) && !origins[from].there(source))
            from++;
    }
    if (from == ARRAY_LENGTH(origins))
        return source_fail(source, "nothing here tells of a key: no environment, no profile, no "
                                   "container, and metadata servers are disabled");
    *used = (enum config_aws_source)from;
    return origins[from].use(source, token);
}

enum error source_aws(struct token_source *source, struct pool_token **token)
{
    const struct config_aws *settings = settings_of(source);
    enum config_aws_source used = CONFIG_AWS_DEFAULT;
    const struct role role = {settings->role_arn, settings->role_session_name,
                              settings->external_id};
    enum error error = from_origin(source, &used, token);

    if (error == ERROR_OK && !text_empty(role.arn) && used != CONFIG_AWS_WEB_IDENTITY)
        error = assume_role(source, &role, token);
    return error;
}
