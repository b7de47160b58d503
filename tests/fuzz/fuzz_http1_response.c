/* Hostile bytes to a client, for each way in which the request changes the answer's framing. */
#include "fuzz_http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum http1_method methods[] = {HTTP1_GET, HTTP1_HEAD, HTTP1_CONNECT};
    for (size_t i = 0; i < ARRAY_LENGTH(methods); i++)
        fuzz_compare(HTTP1_RESPONSE, methods[i], text_of((const char *)data, size));
    return 0;
}
