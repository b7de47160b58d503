#include "tables/endpoints.h"

#include "base/attributes.h"

const struct endpoint endpoints[] = {
#define ENDPOINT(method, pattern, kind, body, routing, stream, makes)                     \
    {ENDPOINT_##method,  TEXT_INIT(pattern), ENDPOINT_##kind,       ENDPOINT_BODY_##body, \
     ENDPOINT_##routing, ENDPOINT_##stream,  ENDPOINT_MAKES_##makes},
#include "tables/endpoints.def"
#undef ENDPOINT
};

const unsigned endpoint_count = ARRAY_LENGTH(endpoints);
