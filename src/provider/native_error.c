/* native_error: a provider's errors in OpenAI's words. Shapes: those of the reference pages of the
 * providers, which differ in little but names. */
#include "provider/dialect.h"
#include "provider/native_parts.h"

struct failure_row {
    unsigned status;
    struct text type, code;
};

/* How OpenAI says it, so that the SDKs raise the right class and try again where that helps. */
static const struct failure_row failure_rows[] = {
    [PROVIDER_FAILURE_NONE] = {502, TEXT_INIT("server_error"),
                               TEXT_INIT("upstream_invalid_answer")},
    [PROVIDER_FAILURE_REQUEST] = {400, TEXT_INIT("invalid_request_error"), {NULL, 0}},
    [PROVIDER_FAILURE_MODEL] = {404, TEXT_INIT("invalid_request_error"),
                                TEXT_INIT("model_not_found")},
    [PROVIDER_FAILURE_CONTEXT_LENGTH] = {400, TEXT_INIT("invalid_request_error"),
                                         TEXT_INIT("context_length_exceeded")},
    [PROVIDER_FAILURE_CONTENT_FILTER] = {400, TEXT_INIT("invalid_request_error"),
                                         TEXT_INIT("content_filter")},
    [PROVIDER_FAILURE_CREDENTIAL] = {502, TEXT_INIT("server_error"),
                                     TEXT_INIT("upstream_credential_refused")},
    [PROVIDER_FAILURE_QUOTA] = {429, TEXT_INIT("insufficient_quota"),
                                TEXT_INIT("insufficient_quota")},
    [PROVIDER_FAILURE_RATE_LIMITED] = {429, TEXT_INIT("rate_limit_error"),
                                       TEXT_INIT("rate_limit_exceeded")},
    [PROVIDER_FAILURE_TIMEOUT] = {504, TEXT_INIT("server_error"), TEXT_INIT("upstream_timeout")},
    [PROVIDER_FAILURE_SERVER] = {503, TEXT_INIT("server_error"), {NULL, 0}},
};

void native_error_set(struct native_error *error, enum provider_failure failure)
{
    const struct failure_row *row = &failure_rows[failure];
    error->failure = failure;
    error->status = row->status;
    error->type = row->type;
    error->code = row->code;
}

/* Those that have a class of their own in the SDKs keep their status. */
static bool keeps_status(unsigned status)
{
    return status == 403 || status == 409 || status == 413 || status == 422 || status == 500 ||
           status == 502;
}

/* "error" may be an object, or the message itself; some leave it out. */
static struct text message_of(yyjson_val *root)
{
    static const char *const keys[] = {"message", "Message", "error", "detail",
                                       "error_description"};
    struct text text = {NULL, 0};
    if (yyjson_is_arr(root)) /* some wrap it */
        root = yyjson_arr_get_first(root);
    for (size_t i = 0; i < ARRAY_LENGTH(keys); i++) {
        yyjson_val *value = yyjson_obj_get(root, keys[i]);
        if (yyjson_is_str(value))
            return text_of(yyjson_get_str(value), yyjson_get_len(value));
        if (yyjson_is_obj(value) && text_empty(text))
            (void)json_get_text(value, "message", &text);
    }
    return text;
}

void native_error_for(struct native_error *error, unsigned status, yyjson_val *root)
{
    *error = (struct native_error){0};
    native_error_set(error, dialect_failure_of(status));
    if (keeps_status(status))
        error->status = status;
    error->message = message_of(root);
    if (text_empty(error->message))
        error->message = TEXT("The provider refused the call and did not say why.");
}

bool native_error_write(struct buffer *out, const struct native_error *error)
{
    struct text none = {NULL, 0};
    struct json_writer json;
    json_open(&json, out);
    json_begin_object(&json);
    json_key(&json, TEXT("error"));
    json_begin_object(&json);
    json_member_text(&json, "message", error->message);
    json_member_text(&json, "type", error->type);
    json_member_text(&json, "param", text_empty(error->param) ? none : error->param);
    json_member_text(&json, "code", text_empty(error->code) ? none : error->code);
    json_end_object(&json);
    json_end_object(&json);
    return json_done(&json);
}
