/* Anthropic's translator, and the same behind Vertex AI's door. */
#include "pieces.h"
#include "translator.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct translator_family families[] = {
        {"anthropic", "", ""},
        {"vertex", "claude-opus-4-8", ""},
        {"anthropic", "claude-3-5-haiku-latest", ""},
        {"anthropic", "claude-sonnet-4-5", ""},
    };
    translator_try(families, ARRAY_LENGTH(families), text_of((const char *)data, size));
    return 0;
}
