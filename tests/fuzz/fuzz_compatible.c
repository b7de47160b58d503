/* Servers of OpenAI's dialect whose bytes cannot pass: Mistral's chat, and responses over chat. */
#include "pieces.h"
#include "translator.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct translator_family families[] = {
        {"openai", "", "mistral"},
        {"openai", "", "chat-only"},
        {"openai", "", "deepseek"},
        {"openai", "", "cerebras"},
    };
    translator_try(families, ARRAY_LENGTH(families), text_of((const char *)data, size));
    return 0;
}
