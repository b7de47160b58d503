/* providers: what the configuration takes for granted of each provider family, from
 * tables/providers.def. Constant, any thread. */
#ifndef TABLES_PROVIDERS_H
#define TABLES_PROVIDERS_H

#include "base/text.h"

struct provider_type {
    struct text name; /* as the configuration's `type` says it */
    /* Where it is when base_url is not written; "{region}" stands for aws.region. Empty: it has no
     * address of its own. */
    struct text base_url;
    struct text catalog; /* its part of the price list; empty: the address tells */
};

/* NULL when there is none of that name. */
const struct provider_type *provider_type_find(struct text name);

#endif
