/* Bedrock's errors: the exception's name tells more than the status, which for throttling is said
 * to be 400 as well as 429. Source: API reference, errors of Converse, and "Common errors". */
#include "base/attributes.h"
#include "codec/json.h"
#include "provider/bedrock_parts.h"

/* Without "Exception" at the end. */
static const struct exception_row {
    struct text name;
    enum provider_failure failure;
    unsigned status; /* 0: as the failure has it */
} exceptions[] = {
    {TEXT_INIT("Throttling"), PROVIDER_FAILURE_RATE_LIMITED, 0},
    {TEXT_INIT("TooManyRequests"), PROVIDER_FAILURE_RATE_LIMITED, 0},
    {TEXT_INIT("ModelNotReady"), PROVIDER_FAILURE_RATE_LIMITED, 0},
    {TEXT_INIT("ServiceQuotaExceeded"), PROVIDER_FAILURE_QUOTA, 0},
    {TEXT_INIT("Validation"), PROVIDER_FAILURE_REQUEST, 0},
    {TEXT_INIT("ValidationError"), PROVIDER_FAILURE_REQUEST, 0},
    {TEXT_INIT("Serialization"), PROVIDER_FAILURE_REQUEST, 0},
    {TEXT_INIT("MalformedHttpRequest"), PROVIDER_FAILURE_REQUEST, 0},
    {TEXT_INIT("AccessDenied"), PROVIDER_FAILURE_MODEL, 403},
    {TEXT_INIT("UnrecognizedClient"), PROVIDER_FAILURE_CREDENTIAL, 0},
    {TEXT_INIT("InvalidClientTokenId"), PROVIDER_FAILURE_CREDENTIAL, 0},
    {TEXT_INIT("InvalidSignature"), PROVIDER_FAILURE_CREDENTIAL, 0},
    {TEXT_INIT("IncompleteSignature"), PROVIDER_FAILURE_CREDENTIAL, 0},
    {TEXT_INIT("ExpiredToken"), PROVIDER_FAILURE_CREDENTIAL, 0},
    {TEXT_INIT("MissingAuthenticationToken"), PROVIDER_FAILURE_CREDENTIAL, 0},
    {TEXT_INIT("ResourceNotFound"), PROVIDER_FAILURE_MODEL, 0},
    {TEXT_INIT("UnknownOperation"), PROVIDER_FAILURE_MODEL, 0},
    {TEXT_INIT("ModelTimeout"), PROVIDER_FAILURE_TIMEOUT, 0},
    {TEXT_INIT("ModelError"), PROVIDER_FAILURE_SERVER, 502},
    {TEXT_INIT("ModelStreamError"), PROVIDER_FAILURE_SERVER, 502},
    {TEXT_INIT("InternalServer"), PROVIDER_FAILURE_SERVER, 500},
    {TEXT_INIT("InternalFailure"), PROVIDER_FAILURE_SERVER, 500},
    {TEXT_INIT("ServiceUnavailable"), PROVIDER_FAILURE_SERVER, 503},
};

/* What a ValidationException really is, by its words, which models and versions choose. */
static const struct {
    struct text words;
    enum provider_failure failure;
} validations[] = {
    {TEXT_INIT("nput is too long"), PROVIDER_FAILURE_CONTEXT_LENGTH},
    {TEXT_INIT("prompt is too long"), PROVIDER_FAILURE_CONTEXT_LENGTH},
    {TEXT_INIT("oo many tokens"), PROVIDER_FAILURE_CONTEXT_LENGTH},
    {TEXT_INIT("oo many input tokens"), PROVIDER_FAILURE_CONTEXT_LENGTH},
    {TEXT_INIT("context length"), PROVIDER_FAILURE_CONTEXT_LENGTH},
    {TEXT_INIT("context window"), PROVIDER_FAILURE_CONTEXT_LENGTH},
    {TEXT_INIT("context limit"), PROVIDER_FAILURE_CONTEXT_LENGTH},
    {TEXT_INIT("on-demand throughput isn"), PROVIDER_FAILURE_MODEL},
    {TEXT_INIT("model identifier is invalid"), PROVIDER_FAILURE_MODEL},
    {TEXT_INIT("content filters"), PROVIDER_FAILURE_CONTENT_FILTER},
};

/* "com.amazon.coral.service#ThrottlingException:http://…", "throttlingException". */
static struct text bare_name(struct text name)
{
    struct text rest = name;
    while (text_find_char(rest, '#') >= 0) {
        (void)text_split(&rest, '#');
        name = rest;
    }
    name = text_split(&name, ':');
    size_t ending = sizeof("Exception") - 1;
    if (name.length > ending &&
        text_equal_ignoring_case(text_from_index(name, name.length - ending), TEXT("Exception")))
        name.length -= ending;
    return name;
}

static const struct exception_row *find_exception(struct text name)
{
    struct text bare = bare_name(name);
    for (size_t i = 0; i < ARRAY_LENGTH(exceptions); i++)
        if (text_equal_ignoring_case(exceptions[i].name, bare))
            return &exceptions[i];
    return NULL;
}

static void look_at_words(struct native_error *error)
{
    if (error->failure != PROVIDER_FAILURE_REQUEST)
        return;
    for (size_t i = 0; i < ARRAY_LENGTH(validations); i++)
        if (text_find(error->message, validations[i].words) >= 0) {
            native_error_set(error, validations[i].failure);
            return;
        }
}

/* What the model's own server said, where that is what failed. */
static bool take_original(yyjson_val *root, struct native_error *error)
{
    uint64_t status = 0;
    struct text message = {NULL, 0};
    if (json_get_unsigned(root, "originalStatusCode", &status) != JSON_PRESENT || status < 400 ||
        status > 599)
        return false;
    struct text told = error->message;
    native_error_for(error, (unsigned)status, root);
    if (json_get_text(root, "originalMessage", &message) == JSON_PRESENT && !text_empty(message))
        error->message = message;
    else
        error->message = told;
    return true;
}

static void take_name(struct text name, yyjson_val *root, struct native_error *error)
{
    const struct exception_row *row = find_exception(name);
    if (row != NULL) {
        native_error_set(error, row->failure);
        if (row->status != 0)
            error->status = row->status;
        if (row->failure == PROVIDER_FAILURE_SERVER)
            (void)take_original(root, error);
    }
    look_at_words(error);
}

static struct text name_of(const struct native_answer *answer, yyjson_val *root)
{
    static const char *const keys[] = {"__type", "Type", "code"};
    const struct bedrock_state *state = answer->state;
    struct text name = state->exception;
    for (size_t i = 0; i < ARRAY_LENGTH(keys) && text_empty(name); i++)
        (void)json_get_text(root, keys[i], &name);
    return name;
}

void bedrock_read_error(struct native_answer *answer, yyjson_val *root, struct native_error *error)
{
    take_name(name_of(answer, root), root, error);
}

enum error bedrock_refuse_frame(struct native_answer *answer, const struct native_frame *frame)
{
    struct native_error error;
    native_error_for(&error, 502, frame->root);
    if (frame->root == NULL && !text_empty(frame->data))
        error.message = frame->data;
    take_name(frame->name, frame->root, &error);
    native_fail(answer, &error);
    return ERROR_REFUSED;
}
