#include "tables/providers.h"

#include "base/attributes.h"

static const struct provider_type types[] = {
#define PROVIDER(name, family, base_url, catalog) \
    {TEXT_INIT(name), TEXT_INIT(base_url), TEXT_INIT(catalog)},
#include "tables/providers.def"
#undef PROVIDER
};

const struct provider_type *provider_type_find(struct text name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(types); i++)
        if (text_equal(types[i].name, name))
            return &types[i];
    return NULL;
}
