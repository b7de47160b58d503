/* facts: what is known of a call beside its usage and decides about its price: where it was served,
 * how, and what was asked for. Pure, any thread.
 *
 * A fact has the name that catalogs use in `when` and `match`. An empty text is "not known". */
#ifndef METER_FACTS_H
#define METER_FACTS_H

#include "base/text.h"

enum fact {
    FACT_DATA_RESIDENCY,      /* "eu": the regional host that was called (OpenAI) */
    FACT_INFERENCE_GEO,       /* "us": from the answer's usage (Anthropic) */
    FACT_DEPLOYMENT,          /* "data_zone", "regional": from the configuration (Azure) */
    FACT_LOCATION,            /* "regional", "multi_region": from the configuration (Vertex) */
    FACT_ENDPOINT_REGION,     /* "us": the host that was called (xAI) */
    FACT_SIZE,                /* "1024x1792": of an image or video, from the request */
    FACT_QUALITY,             /* "hd": of an image, from the request */
    FACT_RESOLUTION,          /* "4k": of a video, from the request */
    FACT_TOOL,                /* "web_search_preview": the tool that a tool's quantity is of */
    FACT_REASONING_MODEL,     /* "true", "false"; not known: as the catalog's capabilities say */
    FACT_SEARCH_CONTEXT_SIZE, /* "low", "medium", "high" (Perplexity); not known: low */
    FACT_ENDPOINT,            /* "images", "invoke": which API, where usage alone does not tell */
    FACT_FAMILY,              /* what the model's name begins with: never set by a call */
    FACT_COUNT
};

struct facts {
    struct text values[FACT_COUNT];
};

struct text fact_name(enum fact fact);
/* FACT_COUNT when there is none of that name. */
enum fact fact_find(struct text name);

#endif
