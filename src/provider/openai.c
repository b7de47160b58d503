/* openai: OpenAI itself and the many servers that speak its dialect. What these do differently is a
 * row of tables/quirks.def: small things are edited in the body, and where the endpoint is missing
 * or answers differ too much the call is translated to their chat (provider/compatible.h). */
#include "provider/compatible.h"
#include "provider/dialect.h"

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

extern const struct provider provider_openai;
const struct provider provider_openai = {
    .name = TEXT_INIT("openai"),
    .prepare = prepare,
    .answer_open = answer_open,
};
