/* road: see road.h. What a model's targets are is worked out once for each name that callers use;
 * a model without rules is its list, in order, as on the live road (exchange/routing.c).
 *
 * Targets are taken to be well: nobody knows whose breaker will be open. Where a call went stays
 * the answer while that target still takes it and chance, load or an earlier failure chose it. */
#include "preview/road.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/ensure.h"
#include "exchange/routing.h"
#include "openai/members.h"

#define TARGET_NAME_SIZE 400u /* a provider's name and a model's, as records have them */
#define BYTES_A_TOKEN    4    /* as hold.h has it */
#define TAGS_MAX         64u

_Static_assert(ROAD_TARGETS_MAX == EXCHANGE_TARGETS_MAXIMUM, "as many as a call may go to");

struct plan {
    const struct config_model *model; /* NULL: no model answers to that name */
    bool asks_tags, asks_needs;
    bool draws; /* which place is the first is a matter of chance, load or the prompt */
    size_t count;
    struct road_target targets[];
};

struct road {
    const struct preview_rules *rules;
    struct names *names;    /* the owner of a model's is a struct plan */
    struct names providers; /* with a model each, for calls that name no model or object's ones */
    struct route_random random;
    struct arena arena;
};

struct road *road_create(const struct preview_rules *rules, struct names *names)
{
    struct road *road = ensure_memory(calloc(1, sizeof *road));

    road->rules = rules;
    road->names = names;
    road->random.state = 1; /* the same draws at each run */
    names_open(&road->providers);
    arena_open(&road->arena, NULL, NAMES_BYTES_MAX);
    return road;
}

void road_destroy(struct road *road)
{
    if (road == NULL)
        return;
    names_close(&road->providers);
    arena_close(&road->arena);
    free(road);
}

/* ---- names ---- */

static const struct name *name_target(struct road *road, struct text provider, struct text model)
{
    char name[TARGET_NAME_SIZE];
    size_t length = 0;

    if (provider.length + model.length + 1 > sizeof name)
        model = text_first(model, sizeof name - 1 - text_first(provider, 64).length);
    provider = text_first(provider, sizeof name - 1 - model.length);
    memcpy(name, provider.data, provider.length);
    length = provider.length;
    if (model.length > 0) {
        name[length++] = '/';
        memcpy(name + length, model.data, model.length);
        length += model.length;
    }
    return names_take(road->names, text_of(name, length));
}

static void fill_target(struct road *road, struct text provider, struct text model,
                        struct road_target *target)
{
    *target = (struct road_target){
        .provider = provider,
        .model = model,
        .name = name_target(road, provider, model),
        .price = price_book_find(road->rules->book, provider, model),
    };
}

/* ---- plans ---- */

static struct plan *make_plan(struct road *road, struct text asked)
{
    const struct config_model *model = config_find_model(road->rules->config, asked);
    size_t count = model == NULL                                 ? 0
                   : model->target_count < ROUTE_TARGETS_MAXIMUM ? model->target_count
                                                                 : ROUTE_TARGETS_MAXIMUM;
    struct plan *plan = ensure_memory(
        arena_take_zeroed(&road->arena, sizeof *plan + count * sizeof *plan->targets));

    plan->model = model;
    plan->count = count;
    for (size_t i = 0; i < count; i++) {
        const struct config_target *row = &model->targets[i];
        fill_target(road, row->provider->name, row->model.length > 0 ? row->model : asked,
                    &plan->targets[i]);
        plan->asks_tags |= row->rules.when.tag_count > 0;
        plan->asks_needs |= row->rules.lacks != 0 || row->rules.when.needs != 0;
        plan->draws |= row->rules.canary > 0;
    }
    plan->draws |= model != NULL && !model->rules.plain &&
                   model->rules.strategy != ROUTE_PRIORITY &&
                   model->rules.strategy != ROUTE_CHEAPEST;
    return plan;
}

static struct plan *find_plan(struct road *road, struct name *model)
{
    if (model->owner == NULL)
        model->owner = make_plan(road, model->text);
    return model->owner;
}

/* Mostly it is one of the model's targets, whose name is at hand. */
const struct name *road_name_of(struct road *road, struct name *model, const struct record *record)
{
    if (record->provider.length == 0)
        return NULL;
    const struct plan *plan = find_plan(road, model);
    for (size_t i = 0; i < plan->count; i++) {
        const struct road_target *target = &plan->targets[i];
        if (text_equal(target->provider, record->provider) &&
            text_equal(target->model, record->target_model))
            return target->name;
    }
    return name_target(road, record->provider, record->target_model);
}

/* ---- ways ---- */

/* One place alone. */
static void go_to(struct road *road, const struct config_provider *provider, struct text model,
                  struct road_way *way)
{
    if (provider == NULL) {
        way->refusal = REFUSAL_OBJECT_NOT_FOUND;
        return;
    }
    const struct name *name = name_target(road, provider->name, model);
    struct name *known = names_take(&road->providers, name->text);
    if (known->owner == NULL) {
        struct road_target *target = ensure_memory(arena_take_zeroed(&road->arena, sizeof *target));
        fill_target(road, provider->name, names_take(road->names, model)->text, target);
        known->owner = target;
    }
    way->first = known->owner;
    way->prices[0] = way->first->price;
    way->count = 1;
}

/* Where the object is kept: with the provider that answered then. */
static void go_to_object(struct road *road, const struct gate_call *call,
                         const struct record *record, struct road_way *way)
{
    if (record->provider.length > 0)
        go_to(road, config_find_provider(road->rules->config, record->provider), call->model, way);
    else
        way->unknown = "which provider keeps the object that it names";
}

static size_t read_tags(struct text object, struct route_tag tags[TAGS_MAX], size_t count)
{
    struct members members;
    struct member member;

    members_open(&members, object);
    while (count < TAGS_MAX && members_next(&members, &member)) {
        if (member.kind == SCAN_STRING && member.raw.length >= 2)
            tags[count++] =
                (struct route_tag){member.key, text_of(member.raw.data + 1, member.raw.length - 2)};
    }
    return count;
}

static void choose(struct road *road, const struct plan *plan, const struct gate_call *call,
                   const struct record *record, struct route_choice *choice)
{
    struct route_tag tags[TAGS_MAX];
    int64_t costs[ROUTE_TARGETS_MAXIMUM];
    bool priced = plan->model->rules.strategy == ROUTE_CHEAPEST;
    struct routing_call asked = {
        .team = call->team,
        .tags = tags,
        .needs = call->needs,
        .tokens = (uint64_t)(call->body_size > 0 ? call->body_size / BYTES_A_TOKEN : 0),
    };

    if (plan->asks_tags) {
        asked.tag_count = read_tags(call->tags, tags, 0);
        asked.tag_count = read_tags(record->request_tags, tags, asked.tag_count);
    }
    for (size_t i = 0; priced && i < plan->count; i++)
        costs[i] = gate_estimate(call, plan->targets[i].price);
    routing_choose(plan->model, route_table_model(road->rules->routes, plan->model->index), &asked,
                   priced ? costs : NULL, call->now, &road->random, choice);
}

static void add(const struct plan *plan, size_t index, struct road_way *way)
{
    if (way->count < ROAD_TARGETS_MAX)
        way->prices[way->count++] = plan->targets[index].price;
}

/* Chance, load and failures chose then: where it went stays, if it is still a place for it. */
static void keep_target(const struct plan *plan, const uint8_t *order, size_t count,
                        const struct name *then, struct road_way *way)
{
    for (size_t i = 0; i < count; i++) {
        if (plan->targets[order[i]].name == then)
            way->first = &plan->targets[order[i]];
    }
}

static void go_by_plan(struct road *road, struct name *model, const struct gate_call *call,
                       const struct record *record, struct road_way *way)
{
    const struct plan *plan = find_plan(road, model);
    struct route_choice choice;

    if (plan->model == NULL) {
        way->refusal = REFUSAL_MODEL_NOT_FOUND;
        return;
    }
    if (plan->model->rules.plain) {
        choice.count = plan->count;
        for (size_t i = 0; i < plan->count; i++)
            choice.order[i] = (uint8_t)i;
    } else {
        choose(road, plan, call, record, &choice);
    }
    for (size_t i = 0; i < choice.count; i++)
        add(plan, choice.order[i], way);
    if (plan->asks_needs && !call->needs_known) {
        way->unknown = "where it goes depends on what it contains";
        return;
    }
    if (choice.count == 0) {
        way->refusal = REFUSAL_NO_TARGET;
        return;
    }
    way->first = &plan->targets[choice.order[0]];
    if (plan->draws || record->attempts > 1)
        keep_target(plan, choice.order, choice.count, road_name_of(road, model, record), way);
}

void road_find(struct road *road, struct name *model, const struct gate_call *call,
               const struct record *record, struct road_way *way)
{
    enum endpoint_routing routing = call->endpoint->routing;

    *way = (struct road_way){.refusal = REFUSAL_NONE};
    if (routing == ENDPOINT_LOCAL)
        return;
    if (routing == ENDPOINT_BY_OBJECT || (routing == ENDPOINT_BY_REFERENCE && call->has_reference))
        go_to_object(road, call, record, way);
    else if (routing == ENDPOINT_BY_DEFAULT)
        go_to(road, road->rules->config->default_provider, call->model, way);
    else if (call->model.length > 0)
        go_by_plan(road, model, call, record, way);
    else if (routing == ENDPOINT_BY_REFERENCE)
        go_to(road, road->rules->config->default_provider, call->model, way);
    else
        go_to_object(road, call, record, way);
}
