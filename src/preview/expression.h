/* expression: a condition on what a preview found, as pipelines write it: "newly_refused > 0",
 * "cost_change_usd >= 12.50", several joined with "or". Pure, any thread. */
#ifndef PREVIEW_EXPRESSION_H
#define PREVIEW_EXPRESSION_H

#include "preview/tally.h"

#define EXPRESSION_TERMS_MAX    16u
#define EXPRESSION_PROBLEM_SIZE 256u

enum expression_operator {
    EXPRESSION_MORE,
    EXPRESSION_AT_LEAST,
    EXPRESSION_LESS,
    EXPRESSION_AT_MOST,
    EXPRESSION_EQUAL,
    EXPRESSION_DIFFERENT,
    EXPRESSION_OPERATORS
};

struct expression_term {
    size_t figure;
    enum expression_operator operator;
    money value; /* as a figure: calls, or picodollars */
};

/* It holds when one of its terms does. */
struct expression {
    struct expression_term terms[EXPRESSION_TERMS_MAX];
    size_t count;
};

/* False and what is wrong, with what to write, in `problem`. */
must_check bool expression_read(struct text text, struct expression *expression,
                                char problem[EXPRESSION_PROBLEM_SIZE]);
bool expression_holds(const struct expression *expression, const struct tally *tally);

#endif
