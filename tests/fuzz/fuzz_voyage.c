/* Voyage's translator. */
#include "pieces.h"
#include "translator.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct translator_family families[] = {{"voyage", "", ""}};
    translator_try(families, ARRAY_LENGTH(families), text_of((const char *)data, size));
    return 0;
}
