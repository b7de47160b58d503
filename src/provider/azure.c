/* azure: Azure OpenAI in its v1 form, whose base URL ends in /openai/v1: OpenAI's dialect with the
 * deployment's name as model and a header of its own for the key (a token of Entra ID goes where
 * tokens go). */
#include "provider/dialect.h"

static enum error prepare(const struct provider_call *call, struct buffer *lines,
                          struct provider_request *request)
{
    dialect_write_credential(lines, "api-key", "", call->credential);
    return dialect_prepare(call, lines, request);
}

extern const struct provider provider_azure;
const struct provider provider_azure = {
    .name = TEXT_INIT("azure"),
    .prepare = prepare,
    .answer_open = dialect_answer_open,
};
