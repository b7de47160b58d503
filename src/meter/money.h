/* money: amounts in picodollars (1e-12 USD), exact, as text and back. Pure, any thread.
 *
 * One token at one dollar per million tokens is a million picodollars. The cost of one call fits an
 * int64_t (9.2 million USD); sums of many are `money`, 128 bits, and cannot overflow. Nothing here
 * or above ever holds an amount in a binary fraction. */
#ifndef METER_MONEY_H
#define METER_MONEY_H

#include <stdint.h>

#include "base/text.h"

typedef __int128 money; /* picodollars */

#define MONEY_DECIMALS 12
#define MONEY_DOLLAR   ((money)1000000000000)
#define MONEY_PARSE_MAX                                                       \
    (MONEY_DOLLAR * 1000000000000) /* 10^12 USD: more is a slip of the finger \
                                    */
#define MONEY_TEXT_SIZE 64u        /* holds any amount in any form, with its NUL */

enum money_problem {
    MONEY_GOOD,
    MONEY_BLANK,      /* nothing, or white space anywhere */
    MONEY_SIGN,       /* "-1", "+1" */
    MONEY_EXPONENT,   /* "1e3" */
    MONEY_NOT_NUMBER, /* anything else: "1,000", ".5", "5.", "$3" */
    MONEY_TOO_FINE,   /* more than 12 decimals */
    MONEY_TOO_LARGE   /* above 10^12 USD */
};

/* "1234.56" in US dollars, decimal digits with at most one point between them. `out` is set only
 * when it is good. */
must_check enum money_problem money_parse(struct text text, money *out);
/* As a sentence part: "has more than 12 decimals". "" for MONEY_GOOD. */
const char *money_problem_text(enum money_problem problem);

/* Each writes a NUL too and returns the length without it. */
/* "0.000759600000": always 12 decimals. For machines and records. */
size_t money_format_exact(money amount, char out[MONEY_TEXT_SIZE]);
/* "2.00", "0.0625": exact, at least two decimals, no more zeros than that. For prices. */
size_t money_format_price(money amount, char out[MONEY_TEXT_SIZE]);
/* "$1,234.56"; under a dollar with two digits that say something: "$0.00076", at most 12 decimals;
 * rounded half to even. For people. */
size_t money_format_people(money amount, char out[MONEY_TEXT_SIZE]);

/* numerator / denominator (above 0), rounded half to even. */
money money_divide(money numerator, money denominator);

#endif
