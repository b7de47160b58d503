/* Hostile bytes to a server. */
#include "fuzz_http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_compare(HTTP1_REQUEST, HTTP1_GET, text_of((const char *)data, size));
    return 0;
}
