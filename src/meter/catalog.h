/* catalog: the price list: which model costs what, since when, for whom. Immutable once read,
 * reference-counted, any thread.
 *
 * A catalog is a JSON file (docs: data/README.md). It is checked whole: either all of it is good or
 * there is none, and every problem names its place ("models[17] openai/gpt-5:
 * cards[2].prices.input:
 * ..."). The shipped one is part of the program. All texts and structs live as long as the catalog.
 *
 * A card holds the prices of one service in one tier, period and window of the day; price_book.h
 * lays the operator's own prices over them, price.h picks one and multiplies. */
#ifndef METER_CATALOG_H
#define METER_CATALOG_H

#include "base/buffer.h"
#include "meter/facts.h"
#include "meter/money.h"
#include "meter/quantities.h"
#include "tables/error.h"
#include "tables/units.h"

#define CATALOG_SIZE_MAX     (16u << 20) /* bytes of the file; the shipped one has 210,000 */
#define CATALOG_PROBLEMS_MAX 50u         /* told; the rest is counted */
/* A price for `per` of its unit; keeps the arithmetic of a line within 128 bits (price.c). */
#define CATALOG_PRICE_MAX (100000 * MONEY_DOLLAR)
/* Numerator and denominator of all multipliers of a model together: for the same reason. */
#define CATALOG_FACTORS_MAX  10000
#define CATALOG_NAME_MAX     128u /* bytes of a model's or provider's name */
#define CATALOG_VERSION_SIZE 32u

enum catalog_card_threshold {
    CATALOG_NO_THRESHOLD,
    CATALOG_ABOVE,      /* more than `threshold` input tokens */
    CATALOG_AT_OR_ABOVE /* that many or more */
};

struct catalog_card {
    enum price_service service;
    enum catalog_card_threshold comparison;
    int64_t threshold;
    int64_t least_tokens;                /* the smallest tier basis that the card takes; 0 */
    int64_t most_tokens;                 /* the greatest; INT64_MAX */
    int64_t from;                        /* seconds since 1970, included; INT64_MIN */
    int64_t until;                       /* excluded; INT64_MAX */
    const struct catalog_window *window; /* NULL: at any hour */
    int64_t prices[UNIT_COUNT];          /* picodollars for `per` of the unit; -1: none */
    struct text derived;                 /* how a price was computed, for people */
};

#define CATALOG_WINDOW_RANGES_MAX 8u

/* Hours of the week, in UTC. */
struct catalog_window {
    struct text name;
    unsigned weekdays; /* bit 0: Monday */
    size_t range_count;
    struct catalog_minutes {
        int from, until; /* minutes of the day, half-open */
    } ranges[CATALOG_WINDOW_RANGES_MAX];
    struct text exception; /* for people: what the window does not know */
};

/* Exact, in lowest terms. */
struct ratio {
    int64_t numerator, denominator;
};

struct catalog_multiplier {
    struct text name;
    enum fact fact; /* which must have one of the values */
    const struct text *values;
    size_t value_count;
    struct ratio factor; /* of the prices of tokens */
};

/* A price that holds when each of the conditions does. */
#define CATALOG_CONDITIONS_MAX 4u

struct catalog_variant {
    enum unit unit;
    int64_t price;
    size_t condition_count;
    struct catalog_condition {
        enum fact fact;
        struct text value;
    } conditions[CATALOG_CONDITIONS_MAX];
    struct text note;
};

enum catalog_fee { CATALOG_FEE_LOW, CATALOG_FEE_MEDIUM, CATALOG_FEE_HIGH, CATALOG_FEE_COUNT };

struct catalog_provider {
    struct text name;
    enum usage_dialect dialect;
    const struct catalog_dialect_rule {
        struct text part; /* of the model's name */
        bool invoke;      /* only where the endpoint is "invoke" */
        enum usage_dialect dialect;
    } * dialect_rules;
    size_t dialect_rule_count;
    int64_t tools[UNIT_COUNT]; /* where a card has no price; -1: none */
    const struct catalog_variant *variants;
    size_t variant_count;
    const struct catalog_multiplier *multipliers;
    size_t multiplier_count;
    struct text notes;
};

#define CATALOG_MULTIPLIERS_MAX 4u /* of one model */

struct catalog_model {
    const struct catalog_provider *provider;
    struct text name;
    const struct text *aliases;
    size_t alias_count;
    struct text mode;         /* "chat" */
    struct text status;       /* "retired"; empty: current */
    int64_t context_window;   /* tokens; 0: not known */
    int64_t max_output;       /* tokens; 0: not known */
    struct text capabilities; /* "tools, vision" */
    bool reasoning;           /* is one of them */
    const struct catalog_multiplier *multipliers[CATALOG_MULTIPLIERS_MAX];
    size_t multiplier_count;
    const struct catalog_variant *variants;
    size_t variant_count;
    int64_t fees[CATALOG_FEE_COUNT]; /* for 1,000 requests, by size of search context; -1: none */
    const struct catalog_card *cards;
    size_t card_count;
    struct text sources, agree, differ, notes; /* for people */
};

struct catalog;

struct catalog_problems {
    struct buffer lines; /* each "place: what is wrong\n", at most CATALOG_PROBLEMS_MAX of them */
    size_t count;
};

void catalog_problems_open(struct catalog_problems *problems);
void catalog_problems_close(struct catalog_problems *problems);

/* Reads and checks; the text may go afterwards. ERROR_SYNTAX: see the problems; ERROR_MEMORY.
 * `catalog` is set only on success, with one reference. */
must_handle enum error catalog_read(struct text json, struct catalog **catalog,
                                    struct catalog_problems *problems);
/* The same from a file. ERROR_SYNTAX also for one that is too large; ERROR_NOT_FOUND, ERROR_SYSTEM
 * when it cannot be read (told in the problems too). */
must_handle enum error catalog_load(const char *path, struct catalog **catalog,
                                    struct catalog_problems *problems);
/* The shipped one, read anew (a few milliseconds). NULL without memory. */
struct catalog *catalog_shipped(void);
/* Its text, as in data/prices.json; static. */
struct text catalog_shipped_text(void);
struct catalog *catalog_acquire(struct catalog *catalog);
void catalog_release(struct catalog *catalog); /* NULL is fine */

/* "2026-11-22+1f0c22ab": the date that the file bears and the start of its SHA-256. */
struct text catalog_version(const struct catalog *catalog);
struct text catalog_as_of(const struct catalog *catalog);

const struct catalog_provider *catalog_find_provider(const struct catalog *catalog,
                                                     struct text name);
/* How a name led to its model. */
enum catalog_match {
    CATALOG_NO_MATCH,
    CATALOG_EXACT,      /* the name or an alias */
    CATALOG_FINE_TUNED, /* "ft:base:..." by the entry "ft:base" */
    CATALOG_SNAPSHOT,   /* a dated name of a model whose dates have one price */
    CATALOG_GEOGRAPHY   /* a Bedrock profile of a geography that costs what the bare id does */
};
/* NULL when nothing says what the model costs: then it is unpriced. A fine-tuned model never gets
 * the price of its base, an unknown date never that of a model whose dates are listed. */
const struct catalog_model *catalog_find(const struct catalog *catalog,
                                         const struct catalog_provider *provider, struct text model,
                                         enum catalog_match *match);
/* All, in the file's order. */
size_t catalog_model_count(const struct catalog *catalog);
const struct catalog_model *catalog_model_at(const struct catalog *catalog, size_t index);
size_t catalog_provider_count(const struct catalog *catalog);
const struct catalog_provider *catalog_provider_at(const struct catalog *catalog, size_t index);

/* "standard>272000 deepseek_peak": what tells a card from the others of its model. */
#define CATALOG_CARD_KEY_SIZE 192u
size_t catalog_card_key(const struct catalog_card *card, char out[CATALOG_CARD_KEY_SIZE]);
/* Whether the window holds the moment (seconds since 1970). */
bool catalog_window_holds(const struct catalog_window *window, int64_t at);
/* Whether it applies where its fact has this value. */
bool catalog_multiplier_holds(const struct catalog_multiplier *multiplier, struct text value);

#endif
