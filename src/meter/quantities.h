/* quantities: what a provider says was used, as disjoint counts by unit. Pure, any thread.
 *
 * Providers disagree on which counter includes which (a cached token is inside the prompt here and
 * beside it there). A dialect says so; here every token lands in exactly one unit. Counters that
 * contradict each other are never clamped: the quantities are then refused with the reason, and the
 * call is unpriced.
 */
#ifndef METER_QUANTITIES_H
#define METER_QUANTITIES_H

#include <yyjson.h>

#include "meter/facts.h"
#include "openai/usage.h"
#include "tables/units.h"

/* More of anything in one call is an error of somebody, and would leave 128 bits in price.c. In
 * 1/scale of the unit's measure, as all counts here. */
#define QUANTITY_MAX 10000000000000ll

/* What is served and billed. */
enum price_service {
    SERVICE_STANDARD,
    SERVICE_BATCH,
    SERVICE_FLEX,
    SERVICE_PRIORITY,
    SERVICE_FAST,
    SERVICE_ULTRAFAST,
    SERVICE_COUNT,
    SERVICE_UNKNOWN = SERVICE_COUNT /* not said */
};

struct text price_service_name(enum price_service service); /* "standard" */
/* From a catalog; SERVICE_UNKNOWN for any other word. */
enum price_service price_service_find(struct text name);
/* From an answer's service_tier, serviceTier or trafficType: also "default", "on_demand". "auto"
 * and what is not known are SERVICE_UNKNOWN. */
enum price_service price_service_reported(struct text tier);

/* Which counter includes which; cost-semantics by provider. */
enum usage_dialect {
    DIALECT_OPENAI,
    DIALECT_ANTHROPIC,
    DIALECT_GEMINI,
    DIALECT_BEDROCK,
    DIALECT_DEEPSEEK,
    DIALECT_XAI,
    DIALECT_PERPLEXITY,
    DIALECT_COHERE,
    DIALECT_COUNT
};

/* DIALECT_COUNT when there is none of that name. */
enum usage_dialect usage_dialect_find(struct text name);

enum quantities_state {
    QUANTITIES_NONE,      /* nothing is known */
    QUANTITIES_REPORTED,  /* the provider said so */
    QUANTITIES_ESTIMATED, /* made from the bytes that were seen */
    QUANTITIES_REFUSED    /* the counters contradict each other: see `problem` */
};

/* A word of the usage object, kept here as the object may go. A longer one is none that a price
 * list knows, and is not kept. */
#define QUANTITY_WORD_MAX 31u

struct quantity_word {
    unsigned char length;
    char bytes[QUANTITY_WORD_MAX];
};

static inline struct text quantity_word_text(const struct quantity_word *word)
{
    return text_of(word->bytes, word->length);
}

struct quantities {
    enum quantities_state state;
    uint64_t set; /* units that are not zero, a bit each */
    int64_t counts[UNIT_COUNT];
    int64_t prompt_tokens;      /* all input tokens, cached ones too: decides about the tier */
    int64_t provider_cost;      /* picodollars that the provider says it bills; -1: not said */
    enum price_service service; /* that the usage object tells of; else SERVICE_UNKNOWN */
    struct quantity_word inference_geo;       /* likewise; empty: not said */
    struct quantity_word search_context_size; /* likewise */
    const char *problem;                      /* static; NULL */
};

void quantities_clear(struct quantities *quantities);
/* Adds what a usage object does not carry (tool calls, characters, images). Negative or absurd:
 * refused. */
void quantities_add(struct quantities *quantities, enum unit unit, int64_t count);

/* From a usage object as the provider wrote it. NULL or null: QUANTITIES_NONE. Of the facts only
 * the endpoint is looked at; NULL: none. */
void quantities_read(struct quantities *quantities, enum usage_dialect dialect, yyjson_val *usage,
                     const struct facts *facts);
/* The same of JSON text. Allocates for the time of the call. */
void quantities_read_text(struct quantities *quantities, enum usage_dialect dialect,
                          struct text usage, const struct facts *facts);
/* What an answer's facts hold (openai/answer.h): the counts that were read in passing where they
 * say it all, else the raw object. */
void quantities_take(struct quantities *quantities, enum usage_dialect dialect,
                     const struct usage *usage, struct text raw, const struct facts *facts);

#endif
