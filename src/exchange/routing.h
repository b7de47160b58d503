/* routing: where configuration, calls and route/ meet: the table of targets of a configuration, and
 * the question that a call is for route_choose.
 *
 * A table is made by the thread that loads the configuration; the rest is the worker's thread. */
#ifndef EXCHANGE_ROUTING_H
#define EXCHANGE_ROUTING_H

#include "exchange/exchange.h"
#include "route/choose.h"

/* The places of a configuration's targets, with what `previous` (may be NULL) knows of them. NULL
 * when out of memory. */
must_check struct route_table *routing_create(const struct config *config,
                                              struct route_table *previous);

/* What routing looks at beside the configuration. */
struct routing_call {
    struct text team;
    const struct route_tag *tags;
    size_t tag_count;
    uint64_t tokens;
    unsigned needs;
    uint64_t affinity;
};

/* Asks route_choose about a model; `costs` as many as it has targets, or NULL. */
void routing_choose(const struct config_model *model, const struct route_model_places *places,
                    const struct routing_call *call, const int64_t *costs, uint64_t now,
                    struct route_random *random, struct route_choice *choice);

/* The targets of a call of `model`, in order, into the exchange. STEP_NEXT, or the end when none
 * takes it. */
enum step_result routing_fill(struct exchange *exchange, const struct config_model *model);

#endif
