/* call: one call of the sample data as a record, from what a caller wants to what it cost.
 *
 * A record says what the road would have said of such a call (exchange/): the same fields are set
 * and left unset, tokens are priced by the same price list. What goes wrong does so as it does
 * there: refusals with their rule, attempts that were left, callers who leave. One thread. */
#ifndef SAMPLE_CALL_H
#define SAMPLE_CALL_H

#include "meter/price_book.h"
#include "sample/dice.h"
#include "sample/past.h"
#include "store/record.h"

enum visitor {
    VISITOR_HOLDER,    /* of a key, from where it belongs */
    VISITOR_MOVED,     /* holders of a team whose cluster has moved to another network */
    VISITOR_THIEF,     /* of a key that leaked, from a strange network */
    VISITOR_FORGOTTEN, /* a program whose key has expired, and nobody has noticed */
    VISITOR_STRANGER   /* who tries keys that are none */
};

/* Somebody calls. */
struct visit {
    uint64_t at; /* wall-clock nanoseconds */
    enum visitor visitor;
    uint16_t key; /* of cast_keys; not of a stranger */
};

#define CALL_TEXT_SIZE 64u

/* A record and the texts that it points to. */
struct call {
    struct record record;
    char source[CALL_TEXT_SIZE], request_id[CALL_TEXT_SIZE], object_id[CALL_TEXT_SIZE];
    char claimed[CALL_TEXT_SIZE], rule[CALL_TEXT_SIZE];
    char tags[160], observed[160], units[256];
    char price_rule[PRICE_RULE_SIZE];
    char attempts[768];
};

struct call_maker {
    const struct past *past;
    const struct price_book *book;
    struct dice dice;
    uint64_t sandbox_day; /* since 1970, of which `sandbox_spent` is */
    money sandbox_spent;
};

/* Makes the record of what came of the visit. */
void call_make(struct call_maker *maker, const struct visit *visit, struct call *call);

#endif
