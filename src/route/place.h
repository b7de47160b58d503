/* place: what is known of each target of each model while the process runs: calls in flight,
 * latency, breaker, how long it rests, whether its provider is well.
 *
 * A table belongs to one configuration; places outlive it: a reload keeps those whose model,
 * provider and upstream name are still there, with all that was learned. Tables and places are
 * counted and freed with the last holder. Made by the thread that loads configurations; everything
 * else is for any thread: the figures are atomics, and shared by all workers, because a provider
 * does not know our workers apart: its limits, its slowness and its outages hold for all of them. A
 * place has cache lines of its own. Times are loop_now nanoseconds. */
#ifndef ROUTE_PLACE_H
#define ROUTE_PLACE_H

#include "base/attributes.h"
#include "route/breaker.h"
#include "route/budget.h"
#include "route/latency.h"

/* A provider's health as active checks find it; one for each provider, shared by its places. */
struct route_health_figures {
    _Atomic uint64_t failures; /* one after another */
    _Atomic uint64_t checked_at;
    _Atomic bool down;
    _Atomic uint32_t holders;
    struct text provider;
};

struct route_place {
    _Alignas(64) _Atomic uint64_t in_flight;
    _Atomic uint64_t rests_until; /* a rate limit's reset; 0: none */
    struct route_breaker_figures breaker;
    struct route_latency latency;
    _Atomic uint64_t calls, failures[ROUTE_FAILURE_COUNT]; /* since the start */
    struct route_health_figures *health;
    _Atomic uint32_t holders;
    uint64_t identity; /* of provider and upstream name: the same in every process */
    struct text model, provider, upstream_model; /* behind it in its memory */
    size_t repeated; /* how many rows of the same before it in its model */
};

struct route_model_places {
    struct route_place **places; /* as many as the model has targets, same order */
    size_t count;
    struct route_budget *budget; /* of the model */
};

struct route_table;

/* What a place is made from. */
struct route_place_key {
    struct text model, provider, upstream_model;
};

struct route_table_source {
    size_t model_count;
    /* The targets of model `model`, as many as the returned number; `keys` has room for
     * ROUTE_TARGETS_MAXIMUM. */
    size_t (*targets)(const void *owner, size_t model, struct route_place_key *keys);
    const void *owner;
};

/* `previous` may be NULL. Texts are copied. NULL when out of memory. */
must_check struct route_table *route_table_create(const struct route_table_source *source,
                                                  struct route_table *previous);
struct route_table *route_table_hold(struct route_table *table); /* returns it */
void route_table_release(struct route_table *table);             /* NULL is fine */
const struct route_model_places *route_table_model(const struct route_table *table, size_t model);
/* Of the provider with that name; NULL when no target is at it. */
struct route_health_figures *route_table_health(const struct route_table *table,
                                                struct text provider);

/* A rate limit was met: nothing more goes there until `until`. It is never made shorter. */
void route_place_rest(struct route_place *place, uint64_t until);
/* A check of the provider's health ended. Returns whether `down` changed. */
bool route_health_note(struct route_health_figures *health, const struct route_health *rules,
                       bool well, uint64_t now);

/* The name of a target, as a hash that is the same in every process and version. */
uint64_t route_identity(struct text provider, struct text upstream_model);

#endif
