#include "tables/endpoints.h"

#include "base/attributes.h"

const struct endpoint endpoints[] = {
#define ENDPOINT(method, pattern, kind, body, routing, stream, makes, bills)               \
    {ENDPOINT_##method,  TEXT_INIT(pattern), ENDPOINT_##kind,        ENDPOINT_BODY_##body, \
     ENDPOINT_##routing, ENDPOINT_##stream,  ENDPOINT_MAKES_##makes, ENDPOINT_BILLS_##bills},
#include "tables/endpoints.def"
#undef ENDPOINT
};

const unsigned endpoint_count = ARRAY_LENGTH(endpoints);
