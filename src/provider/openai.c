/* openai: OpenAI itself and the many servers that speak its dialect. */
#include "provider/dialect.h"

static enum error prepare(const struct provider_call *call, struct buffer *lines,
                          struct provider_request *request)
{
    const struct provider_settings *settings = call->settings;
    if (!text_empty(settings->organization))
        http1_append_header(lines, TEXT("openai-organization"), settings->organization);
    if (!text_empty(settings->project))
        http1_append_header(lines, TEXT("openai-project"), settings->project);
    dialect_write_credential(lines, "authorization", "Bearer ", call->credential);
    return dialect_prepare(call, lines, request);
}

extern const struct provider provider_openai;
const struct provider provider_openai = {
    .name = TEXT_INIT("openai"),
    .prepare = prepare,
    .answer_open = dialect_answer_open,
};
