/* Errors of the Messages API (Anthropic API reference, "Errors"; the codes in `details` are those
 * of the official SDK's types). */
#include "provider/anthropic_parts.h"

static const struct type_row {
    struct text type;
    enum provider_failure failure;
    unsigned status; /* 0: that of the failure */
} type_rows[] = {
    {TEXT_INIT("invalid_request_error"), PROVIDER_FAILURE_REQUEST, 400},
    {TEXT_INIT("authentication_error"), PROVIDER_FAILURE_CREDENTIAL, 0},
    {TEXT_INIT("billing_error"), PROVIDER_FAILURE_QUOTA, 0},
    {TEXT_INIT("permission_error"), PROVIDER_FAILURE_REQUEST, 403},
    {TEXT_INIT("not_found_error"), PROVIDER_FAILURE_MODEL, 0},
    {TEXT_INIT("conflict_error"), PROVIDER_FAILURE_REQUEST, 409},
    {TEXT_INIT("request_too_large"), PROVIDER_FAILURE_REQUEST, 413},
    {TEXT_INIT("rate_limit_error"), PROVIDER_FAILURE_RATE_LIMITED, 0},
    {TEXT_INIT("api_error"), PROVIDER_FAILURE_SERVER, 500},
    {TEXT_INIT("timeout_error"), PROVIDER_FAILURE_TIMEOUT, 0},
    {TEXT_INIT("overloaded_error"), PROVIDER_FAILURE_SERVER, 503},
};

/* A limit of money: no waiting helps. */
static const struct text spent_codes[] = {
    TEXT_INIT("enforced_spend_limit_reached"),
    TEXT_INIT("contract_spend_limit_reached"),
    TEXT_INIT("linked_organization_spend_limit_reached"),
    TEXT_INIT("linked_organization_billing_unavailable"),
};

/* The API has no code for it. */
static const struct text too_long[] = {
    TEXT_INIT("prompt is too long"),
    TEXT_INIT("exceed context limit"),
    TEXT_INIT("exceeds the maximum number of tokens"),
};

static bool is_spent(yyjson_val *error)
{
    struct text code;
    if (json_get_text(yyjson_obj_get(error, "details"), "error_code", &code) != JSON_PRESENT)
        return false;
    for (size_t i = 0; i < ARRAY_LENGTH(spent_codes); i++)
        if (text_equal(spent_codes[i], code))
            return true;
    return false;
}

static bool is_too_long(struct text message)
{
    for (size_t i = 0; i < ARRAY_LENGTH(too_long); i++)
        if (text_find(message, too_long[i]) >= 0)
            return true;
    return false;
}

static const struct type_row *find_type(yyjson_val *error)
{
    struct text type;
    if (json_get_text(error, "type", &type) != JSON_PRESENT)
        return NULL;
    for (size_t i = 0; i < ARRAY_LENGTH(type_rows); i++)
        if (text_equal(type_rows[i].type, type))
            return &type_rows[i];
    return NULL;
}

void anthropic_read_error(struct native_answer *answer, yyjson_val *root,
                          struct native_error *error)
{
    yyjson_val *inner = yyjson_obj_get(root, "error");
    const struct type_row *row = find_type(inner);
    /* Within a stream there is no head that could have told when to come again. */
    bool has_head = error->failure == PROVIDER_FAILURE_RATE_LIMITED;
    if (row != NULL) {
        native_error_set(error, row->failure);
        error->status = row->status != 0 ? row->status : error->status;
    } else if (error->failure == PROVIDER_FAILURE_NONE) {
        native_error_set(error, PROVIDER_FAILURE_SERVER);
    }
    if (error->failure == PROVIDER_FAILURE_REQUEST && is_too_long(error->message)) {
        native_error_set(error, PROVIDER_FAILURE_CONTEXT_LENGTH);
        error->param = TEXT("messages");
    }
    if (error->failure == PROVIDER_FAILURE_RATE_LIMITED &&
        (is_spent(inner) || (has_head && answer->base.outcome.retry_after == 0)))
        native_error_set(error, PROVIDER_FAILURE_QUOTA);
}
