#include "meter/facts.h"

#include "base/ensure.h"

static const struct text names[FACT_COUNT] = {
    [FACT_DATA_RESIDENCY] = TEXT_INIT("data_residency"),
    [FACT_INFERENCE_GEO] = TEXT_INIT("inference_geo"),
    [FACT_DEPLOYMENT] = TEXT_INIT("deployment"),
    [FACT_LOCATION] = TEXT_INIT("location"),
    [FACT_ENDPOINT_REGION] = TEXT_INIT("endpoint_region"),
    [FACT_SIZE] = TEXT_INIT("size"),
    [FACT_QUALITY] = TEXT_INIT("quality"),
    [FACT_RESOLUTION] = TEXT_INIT("resolution"),
    [FACT_TOOL] = TEXT_INIT("tool"),
    [FACT_REASONING_MODEL] = TEXT_INIT("reasoning_model"),
    [FACT_SEARCH_CONTEXT_SIZE] = TEXT_INIT("search_context_size"),
    [FACT_ENDPOINT] = TEXT_INIT("endpoint"),
    [FACT_FAMILY] = TEXT_INIT("family"),
};

struct text fact_name(enum fact fact)
{
    ensure((unsigned)fact < FACT_COUNT);
    return names[fact];
}

enum fact fact_find(struct text name)
{
    for (unsigned i = 0; i < FACT_COUNT; i++)
        if (text_equal(names[i], name))
            return (enum fact)i;
    return FACT_COUNT;
}
