/* price: quantities times prices, line by line. Pure, no allocation, any thread.
 *
 *     const struct priced_model *model = price_book_find(book, provider, "gpt-5-mini");
 *     quantities_take(&quantities, model->dialect, &usage, usage_raw, NULL);
 *     price_call(model, &(struct price_call){.at = seconds, .service = SERVICE_STANDARD,
 *                                            .quantities = &quantities}, &cost);
 *
 * One card prices a whole call: the one of the service, in force at the instant, in its window, for
 * the number of input tokens; a window goes before none, then the highest threshold, then the
 * latest start. A quantity without a price is billed as its unit's fallback; without one the call
 * is unpriced. A line is quantity times price times factors, rounded half to even to a picodollar.
 * Multipliers are for tokens only, a discount for every line; an own price is final. */
#ifndef METER_PRICE_H
#define METER_PRICE_H

#include "meter/catalog.h"
#include "meter/quantities.h"

/* How a call's cost is known. */
enum price_basis {
    PRICE_NONE,          /* nothing was used, or nothing is known: no cost */
    PRICE_REPORTED,      /* priced by what the provider reported */
    PRICE_PROVIDER_COST, /* the provider said what it bills (xAI's ticks) */
    PRICE_ESTIMATED,     /* priced by an estimate of the usage */
    PRICE_UNPRICED       /* something was used that no price is known for: see `reason` */
};

struct text price_basis_name(enum price_basis basis); /* "reported" */

/* A card with own prices laid over, ready to multiply. Made by price_book.c. */
struct priced_card {
    struct catalog_card card;      /* prices with the provider's for tools filled in */
    struct text rule;              /* "gpt-5.5 standard>272000": a rule's begin, and mostly all */
    uint8_t billed_as[UNIT_COUNT]; /* the unit whose price counts; UNIT_NONE: unpriced */
    uint64_t own;                  /* units whose price is the operator's own */
    /* The dearest prices of tokens, picodollars for 1,000,000: the list's, which factors apply to,
     * and the operator's own; 0: none. */
    int64_t listed_in, listed_out, own_in, own_out;
    bool whole; /* each token costs a whole number of picodollars before factors */
};

struct priced_model {
    struct text provider;              /* as configured */
    struct text name;                  /* in the catalog or in the own prices */
    const struct catalog_model *entry; /* NULL: own prices only */
    enum usage_dialect dialect;
    size_t card_count;
    const struct priced_card *cards;
    size_t multiplier_count;
    struct priced_multiplier {
        const struct catalog_multiplier *multiplier;
        bool applies; /* as the provider's configuration says, unless the call knows better */
    } multipliers[CATALOG_MULTIPLIERS_MAX];
    struct ratio discount; /* 9/10 is ten per cent off */
    size_t variant_count;
    const struct catalog_variant *const *variants; /* those that depend on the call */
    const struct facts *facts;                     /* of the provider's configuration */
    int64_t fees[CATALOG_FEE_COUNT];
};

struct price_call {
    int64_t at;                 /* seconds since 1970: when the call began */
    enum price_service service; /* that was served; UNKNOWN: as the quantities say, else
                                   standard */
    const struct quantities *quantities;
    const struct facts *facts; /* of this call; NULL: none */
};

struct price_line {
    enum unit unit;
    int64_t quantity;    /* in 1/scale of the unit's measure */
    int64_t price;       /* picodollars for `per` of the measure */
    struct ratio factor; /* multipliers and discount */
    int64_t cost;        /* picodollars */
};

#define PRICE_LINES_MAX (UNIT_COUNT)

struct price {
    enum price_basis basis;
    int64_t cost;       /* picodollars; 0 unless basis is reported, provider_cost or estimated */
    int64_t computed;   /* our own figure, also beside provider_cost; -1: there is none */
    const char *reason; /* of PRICE_UNPRICED, for people; static */
    enum unit unit;     /* that has no price; UNIT_NONE */
    enum price_service service;     /* that was looked for */
    const struct priced_card *card; /* NULL: none fits */
    unsigned multipliers;           /* bit i: model->multipliers[i] applied */
    size_t line_count;
    struct price_line lines[PRICE_LINES_MAX];
};

/* `model` NULL (not in the book) is PRICE_UNPRICED, unless nothing was used or the provider says
 * what it costs. */
void price_call(const struct priced_model *model, const struct price_call *call,
                struct price *price);

/* "1.1": exact; at most RATIO_DECIMALS of them. */
#define RATIO_DECIMALS  20
#define RATIO_TEXT_SIZE 48u
size_t ratio_format(struct ratio ratio, char out[RATIO_TEXT_SIZE]);

/* "gpt-5.5 standard>272000 residency=1.1 discount=0.9": what priced the call, for its record. */
#define PRICE_RULE_SIZE 320u
/* In the place of a rule where the provider said what it bills. */
#define PRICE_RULE_PROVIDER "as the provider bills it"
size_t price_rule_write(const struct priced_model *model, const struct price *price,
                        char out[PRICE_RULE_SIZE]);

/* ---- before the call: what it can cost at most ---- */

#define PRICE_ALL_SERVICES ((1u << SERVICE_COUNT) - 1)

struct price_ask {
    int64_t at;
    unsigned services;     /* that the caller may get: a bit for each enum price_service */
    int64_t input_tokens;  /* at most: all of the prompt, at its dearest (a cache write, audio) */
    int64_t output_tokens; /* at most */
    const struct facts *facts; /* of this call, as price_call will get them; NULL: none. Where the
                                  provider decides (inference_geo), the dearer is assumed */
    const int64_t *others; /* counts by unit beside tokens (images, characters, tool calls), each
                              an upper bound, at the dearest variant; NULL: none */
};

/* The most that such a call can cost, whatever card, tier and multiplier is applied. False when it
 * cannot be said: nothing is priced for these services then. */
must_check bool price_bound(const struct priced_model *model, const struct price_ask *ask,
                            money *bound);

#endif
