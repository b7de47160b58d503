/* explain: the decision about a call shown instead of taken: by the code that decides for calls, on
 * the figures of the running gateway or on none. Any thread. */
#ifndef EXCHANGE_EXPLAIN_H
#define EXCHANGE_EXPLAIN_H

#include "codec/json.h"
#include "exchange/routing.h"
#include "meter/price_book.h"

/* Draws that a target's share of first places is taken from. */
#define EXPLAIN_DRAWS 1000u
/* Tokens of an answer for comparing prices, when nobody says. */
#define EXPLAIN_OUTPUT 500u

struct explain_subject {
    const struct config *config;
    const struct route_table *routes;
    struct price_book *book;
};

struct explain_call {
    struct text model; /* as a caller names it */
    struct routing_call call;
    uint64_t output; /* tokens */
    uint64_t now;    /* monotonic, that of the loops */
    int64_t wall;    /* seconds since 1970: which prices hold */
};

/* Bits of enum route_need from "vision,tools". False and the word in `wrong` for an unknown one. */
must_check bool explain_read_needs(struct text list, unsigned *needs, struct text *wrong);
/* Tags from "env=prod,feature=search" into `tags`, at most `room`; false when it cannot be read. */
must_check bool explain_read_tags(struct text list, struct route_tag *tags, size_t room,
                                  size_t *count);
/* An object: Route of tables/admin_shapes.def. False, and nothing written, when no model answers to
 * that name. */
bool explain_write(const struct explain_subject *subject, const struct explain_call *call,
                   struct json_writer *json);
/* An array of every model's targets and their figures: TargetState. */
void explain_write_states(const struct explain_subject *subject, uint64_t now,
                          struct json_writer *json);

#endif
