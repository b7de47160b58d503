/* route: from what was asked for to an ordered list of targets.
 *
 * A model name leads to its row in the configuration. The id of a stored object leads to the
 * provider that made it: that is looked up beside the road, because it may need the store. An
 * object is found by the team that made it alone: the gateway's callers share the providers'
 * accounts, so the provider itself would show one team's files to another. */
#include "base/ensure.h"
#include "exchange/routing.h"

struct lookup {
    struct exchange *exchange; /* NULL: nobody waits any more */
};

void route_forget_lookup(struct exchange *exchange)
{
    if (exchange->lookup)
        exchange->lookup->exchange = NULL;
    exchange->lookup = NULL;
}

static void on_object(void *ticket, enum error error, const struct object *object)
{
    struct lookup *lookup = ticket;
    struct exchange *exchange = lookup->exchange;

    free(lookup);
    if (!exchange)
        return;
    exchange->lookup = NULL;
    exchange->lookup_done = true;
    if (error == ERROR_OK && !text_equal(object->team, exchange->team))
        error = ERROR_NOT_FOUND;
    exchange->lookup_error = error;
    if (error == ERROR_OK)
        exchange->lookup_provider = arena_copy(&exchange->arena, object->provider);
    exchange_resume(exchange);
}

static enum step_result look_up(struct exchange *exchange, struct text id)
{
    const struct worker_services *services = &exchange->worker->services;
    struct lookup *lookup = malloc(sizeof(*lookup));

    if (!lookup)
        return exchange_refuse(exchange, REFUSAL_MEMORY_LIMIT, (struct refusal_context){0});
    lookup->exchange = exchange;
    exchange->lookup = lookup;
    services->find_object(services->owner, exchange->worker->loop, id, on_object, lookup);
    return STEP_WAIT;
}

/* ---- targets ---- */

/* One place alone: where something is kept, or where calls go that name no model. */
static void set_target(struct exchange *exchange, const struct config_provider *provider)
{
    exchange->targets[0] = (struct exchange_target){.provider = provider};
    exchange->target_count = exchange->attempts_maximum = 1;
    exchange->deadline = UINT64_MAX;
}

static enum step_result route_to_default(struct exchange *exchange)
{
    set_target(exchange, exchange->upstreams->config->default_provider);
    return STEP_NEXT;
}

/* The provider that keeps the object first, where it is among the model's targets. */
static void prefer_provider(struct exchange *exchange, struct text name)
{
    for (size_t i = 1; i < exchange->target_count; i++) {
        if (!text_equal(exchange->targets[i].provider->name, name))
            continue;
        struct exchange_target preferred = exchange->targets[i];
        memmove(&exchange->targets[1], &exchange->targets[0], i * sizeof(preferred));
        exchange->targets[0] = preferred;
        return;
    }
}

static enum step_result route_model(struct exchange *exchange)
{
    const struct config *config = exchange->upstreams->config;
    const struct config_model *model = config_find_model(config, exchange->model);

    if (!model) {
        struct text nearest = config_nearest_model(config, exchange->model);
        bool tell = nearest.length > 0 && admit_allows_model(exchange, nearest);
        return exchange_refuse(
            exchange, REFUSAL_MODEL_NOT_FOUND,
            (struct refusal_context){.seen = exchange->model,
                                     .suggestion = tell ? nearest : text_of(NULL, 0),
                                     .param = TEXT("model")});
    }
    return routing_fill(exchange, model);
}

static enum step_result object_not_found(struct exchange *exchange, struct text id)
{
    if (exchange->lookup_error == ERROR_STORE)
        return exchange_refuse(
            exchange, REFUSAL_OVERLOADED,
            (struct refusal_context){.detail = TEXT("its store does not answer")});
    return exchange_refuse(exchange, REFUSAL_OBJECT_NOT_FOUND,
                           (struct refusal_context){.seen = id});
}

static enum step_result route_object(struct exchange *exchange, struct text id)
{
    const struct config *config = exchange->upstreams->config;

    if (!exchange->lookup_done)
        return look_up(exchange, id);
    if (exchange->lookup_error != ERROR_OK)
        return object_not_found(exchange, id);
    const struct config_provider *provider =
        config_find_provider(config, exchange->lookup_provider);
    if (!provider) {
        exchange->lookup_error = ERROR_NOT_FOUND;
        return object_not_found(exchange, id);
    }
    set_target(exchange, provider);
    return STEP_NEXT;
}

/* A body that names a model, and perhaps something stored to build on: that must be the team's own,
 * and its provider comes first. */
static enum step_result route_model_near(struct exchange *exchange, struct text reference)
{
    if (exchange->target_count == 0) {
        enum step_result result = route_model(exchange);
        if (result != STEP_NEXT)
            return result;
    }
    if (reference.length == 0)
        return STEP_NEXT;
    if (!exchange->lookup_done)
        return look_up(exchange, reference);
    if (exchange->lookup_error != ERROR_OK)
        return object_not_found(exchange, reference);
    prefer_provider(exchange, exchange->lookup_provider);
    return STEP_NEXT;
}

enum step_result route_step(struct exchange *exchange)
{
    struct text reference =
        exchange->body_kind == BODY_JSON ? exchange->envelope.reference : text_of(NULL, 0);

    switch (exchange->match.endpoint->routing) {
    case ENDPOINT_LOCAL: return local_models(exchange);
    case ENDPOINT_BY_DEFAULT: return route_to_default(exchange);
    case ENDPOINT_BY_OBJECT: return route_object(exchange, exchange->match.object);
    case ENDPOINT_BY_REFERENCE:
        if (reference.length > 0)
            return route_object(exchange, reference);
        return exchange->model.length > 0 ? route_model(exchange) : route_to_default(exchange);
    case ENDPOINT_BY_MODEL:
    case ENDPOINT_BY_FORM_MODEL:
        if (exchange->model.length > 0)
            return route_model_near(exchange, reference);
        if (reference.length > 0)
            return route_object(exchange, reference);
        return exchange_refuse(exchange, REFUSAL_MODEL_MISSING,
                               (struct refusal_context){.param = TEXT("model")});
    }
    ensure(false); /* a routing without a row */
    return STEP_END;
}
