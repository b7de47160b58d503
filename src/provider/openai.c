/* openai: OpenAI itself and the many servers that speak its dialect. What these do differently is a
 * row of tables/quirks.def: small things are edited in the body, and where the endpoint is missing
 * or answers differ too much the call is translated to their chat (provider/compatible.h). */
#include "provider/compatible.h"
#include "provider/dialect.h"
#include "provider/listing.h"

/* NULL: bytes are passed on. */
static const struct native *native_for(const struct provider_call *call)
{
    const struct quirks *quirks = call->settings->quirks;
    const struct endpoint *endpoint = call->match->endpoint;
    if (quirks_have(quirks, QUIRK_NO_RESPONSES) && endpoint->kind == ENDPOINT_RESPONSES)
        return &compatible_responses;
    if (quirks_have(quirks, QUIRK_TRANSLATED) && endpoint->kind == ENDPOINT_CHAT)
        return &compatible_chat;
    return NULL;
}

static enum error prepare(const struct provider_call *call, struct buffer *lines,
                          struct provider_request *request)
{
    const struct provider_settings *settings = call->settings;
    const struct native *native = native_for(call);
    if (native != NULL)
        return native_prepare_as(native, call, lines, request);
    if (quirks_have(settings->quirks, QUIRK_NO_EMBEDDINGS) &&
        call->match->endpoint->kind == ENDPOINT_EMBEDDINGS)
        return ERROR_UNSUPPORTED;
    if (!text_empty(settings->organization))
        http1_append_header(lines, TEXT("openai-organization"), settings->organization);
    if (!text_empty(settings->project))
        http1_append_header(lines, TEXT("openai-project"), settings->project);
    dialect_write_credential(lines, "authorization", "Bearer ", call->credential);
    return dialect_prepare(call, lines, request);
}

static enum error answer_open(const struct provider_call *call,
                              const struct provider_request *request,
                              const struct provider_sink *sink, struct provider_answer **answer)
{
    return request->ask != NULL ? native_answer_open(call, request, sink, answer)
                                : dialect_answer_open(call, request, sink, answer);
}

/* ---- what it has ---- */

static enum error list_ask(const struct listing_ask *ask)
{
    const struct provider_settings *settings = ask->settings;
    buffer_append(ask->target, settings->base_path);
    buffer_append(ask->target, TEXT("/models"));
    if (!text_empty(settings->organization))
        http1_append_header(ask->lines, TEXT("openai-organization"), settings->organization);
    if (!text_empty(settings->project))
        http1_append_header(ask->lines, TEXT("openai-project"), settings->project);
    dialect_write_credential(ask->lines, "authorization", "Bearer ", ask->credential);
    return ERROR_OK;
}

/* {"data": [{"id": …, "created": …}]}, all on one page; of Together the array alone. */
static enum error list_read(struct listing *listing, yyjson_val *root)
{
    yyjson_val *rows = yyjson_is_arr(root) ? root : yyjson_obj_get(root, "data");
    yyjson_val *row;
    size_t index, count;
    if (!yyjson_is_arr(rows))
        return ERROR_SYNTAX;
    yyjson_arr_foreach(rows, index, count, row) listing_add(
        listing, listing_text(row, "id"), yyjson_get_sint(yyjson_obj_get(row, "created")));
    return ERROR_OK;
}

static const struct lister lister = {.ask = list_ask, .read = list_read};

extern const struct provider provider_openai;
const struct provider provider_openai = {
    .name = TEXT_INIT("openai"),
    .lister = &lister,
    .prepare = prepare,
    .answer_open = answer_open,
};
