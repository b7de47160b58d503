/* azure: Azure OpenAI: OpenAI's dialect with the deployment's name as model and a header of its own
 * for the key (a token of Entra ID goes where tokens go). Two forms of its URLs:
 *
 *   v1      base URL …/openai/v1: paths as at OpenAI
 *   dated   `azure.api_version`: …/openai/deployments/NAME/chat/completions?api-version=2024-10-21
 * for what a deployment does, …/openai/files?api-version=… for the rest
 *
 * Source: Azure OpenAI in Foundry Models REST API reference. */
#include "provider/dialect.h"

/* Longer than any: names have 64 characters, each of which may take three. */
#define TARGET_MAX 4096u

/* Endpoints whose path has the deployment in it. */
static bool is_of_deployment(const struct endpoint *endpoint)
{
    static const struct text patterns[] = {
        TEXT_INIT("/chat/completions"),   TEXT_INIT("/completions"),
        TEXT_INIT("/embeddings"),         TEXT_INIT("/audio/speech"),
        TEXT_INIT("/audio/translations"), TEXT_INIT("/audio/transcriptions"),
        TEXT_INIT("/images/generations"), TEXT_INIT("/images/edits"),
    };
    for (size_t i = 0; i < ARRAY_LENGTH(patterns); i++)
        if (text_equal(patterns[i], endpoint->pattern))
            return true;
    return false;
}

/* RFC 3986, section 2.3: all but unreserved characters. */
static void append_encoded(struct buffer *out, struct text name)
{
    for (size_t i = 0; i < name.length; i++) {
        unsigned char c = (unsigned char)name.data[i];
        bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
        if (letter || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '~')
            buffer_append_char(out, (char)c);
        else
            buffer_append_format(out, "%%%02X", c);
    }
}

static void write_target(const struct provider_call *call, struct text model, struct buffer *out)
{
    struct text base = call->settings->base_path;
    buffer_append(out, base);
    if (!text_ends_with(base, TEXT("/openai")))
        buffer_append(out, TEXT("/openai"));
    if (is_of_deployment(call->match->endpoint)) {
        buffer_append(out, TEXT("/deployments/"));
        append_encoded(out, model);
    }
    buffer_append(out, call->match->path);
    buffer_append(out, TEXT("?api-version="));
    append_encoded(out, call->settings->api_version);
    if (text_empty(call->match->query))
        return;
    buffer_append_char(out, '&');
    buffer_append(out, call->match->query);
}

static enum error make_dated_target(const struct provider_call *call,
                                    struct provider_request *request)
{
    struct text model = call->model;
    struct buffer target;
    if (text_empty(model) && call->envelope != NULL)
        model = call->envelope->model;
    if (text_empty(model) && is_of_deployment(call->match->endpoint)) {
        request->problem_param = TEXT("model");
        request->problem_reason = TEXT("must be configured as the target's \"model\", the name of "
                                       "a deployment, for this endpoint");
        return ERROR_UNSUPPORTED;
    }
    buffer_open(&target, TARGET_MAX);
    write_target(call, model, &target);
    request->target = arena_copy(call->arena, buffer_text(&target));
    enum error error = target.failed || request->target.data == NULL ? ERROR_MEMORY : ERROR_OK;
    buffer_close(&target);
    return error;
}

static enum error prepare(const struct provider_call *call, struct buffer *lines,
                          struct provider_request *request)
{
    dialect_write_credential(lines, "api-key", "", call->credential);
    enum error error = dialect_prepare(call, lines, request);
    if (error != ERROR_OK || text_empty(call->settings->api_version))
        return error;
    return make_dated_target(call, request);
}

extern const struct provider provider_azure;
const struct provider provider_azure = {
    .name = TEXT_INIT("azure"),
    .prepare = prepare,
    .answer_open = dialect_answer_open,
};
