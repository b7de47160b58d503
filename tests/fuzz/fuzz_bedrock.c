/* Bedrock's translator, for models of each kind. */
#include "pieces.h"
#include "translator.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct translator_family families[] = {
        {"bedrock", "", ""},
        {"bedrock", "anthropic.claude-3-5-sonnet-20240620-v1:0", ""},
        {"bedrock", "amazon.nova-2-lite-v1:0", ""},
        {"bedrock", "mistral.mistral-7b-instruct-v0:2", ""},
    };
    translator_try(families, ARRAY_LENGTH(families), text_of((const char *)data, size));
    return 0;
}
