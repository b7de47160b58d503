/* routing: see routing.h. What a call asks for is looked at only where the model's targets ask: a
 * model without any rule is its list, in order. */
#include "exchange/routing.h"

#include "exchange/hold.h"
#include "openai/members.h"
#include "openai/prompt.h"

_Static_assert((int)PROMPT_NEED_COUNT == (int)ROUTE_NEED_COUNT &&
                   (int)PROMPT_VISION == (int)ROUTE_NEED_VISION &&
                   (int)PROMPT_AUDIO == (int)ROUTE_NEED_AUDIO &&
                   (int)PROMPT_FILES == (int)ROUTE_NEED_FILES &&
                   (int)PROMPT_TOOLS == (int)ROUTE_NEED_TOOLS &&
                   (int)PROMPT_STRUCTURE == (int)ROUTE_NEED_STRUCTURE &&
                   (int)PROMPT_REASONING == (int)ROUTE_NEED_REASONING &&
                   (int)PROMPT_LOGPROBS == (int)ROUTE_NEED_LOGPROBS &&
                   (int)PROMPT_CHOICES == (int)ROUTE_NEED_CHOICES,
               "needs are one set of bits");

/* ---- the table ---- */

static size_t list_targets(const void *owner, size_t index, struct route_place_key *keys)
{
    const struct config *config = owner;
    const struct config_model *model = &config->models[index];
    size_t count =
        model->target_count < ROUTE_TARGETS_MAXIMUM ? model->target_count : ROUTE_TARGETS_MAXIMUM;

    for (size_t i = 0; i < count; i++)
        keys[i] = (struct route_place_key){model->name, model->targets[i].provider->name,
                                           model->targets[i].model};
    return count;
}

struct route_table *routing_create(const struct config *config, struct route_table *previous)
{
    const struct route_table_source source = {config->model_count, list_targets, config};

    return route_table_create(&source, previous);
}

/* ---- the question ---- */

void routing_choose(const struct config_model *model, const struct route_model_places *places,
                    const struct routing_call *call, const int64_t *costs, uint64_t now,
                    struct route_random *random, struct route_choice *choice)
{
    struct route_candidate candidates[ROUTE_TARGETS_MAXIMUM];

    for (size_t i = 0; i < places->count; i++)
        candidates[i] = (struct route_candidate){&model->targets[i].rules, places->places[i],
                                                 costs ? costs[i] : -1};
    const struct route_question question = {
        .rules = &model->rules,
        .candidates = candidates,
        .count = places->count,
        .team = call->team,
        .tags = call->tags,
        .tag_count = call->tag_count,
        .tokens = call->tokens,
        .needs = call->needs,
        .affinity = call->affinity,
        .now = now,
        .random = random,
    };
    route_choose(&question, choice);
}

/* Tags that a key may have, and as many of the caller's own. */
#define TAGS_MAXIMUM 64u

struct tag_list {
    struct route_tag items[TAGS_MAXIMUM];
    size_t count;
};

/* Texts as they are written: a value that is spelled with escapes matches nothing. */
static void add_tags(struct tag_list *list, struct text object)
{
    struct members members;
    struct member member;

    members_open(&members, object);
    while (list->count < TAGS_MAXIMUM && members_next(&members, &member)) {
        if (member.kind == SCAN_STRING && member.raw.length >= 2)
            list->items[list->count++] =
                (struct route_tag){member.key, text_of(member.raw.data + 1, member.raw.length - 2)};
    }
}

/* What any target asks about. */
struct interests {
    bool tags, needs;
};

static struct interests find_interests(const struct config_model *model)
{
    struct interests interests = {false, false};

    for (size_t i = 0; i < model->target_count; i++) {
        const struct route_target_rules *rules = &model->targets[i].rules;
        interests.tags |= rules->when.tag_count > 0;
        interests.needs |= rules->lacks != 0 || rules->when.needs != 0;
    }
    return interests;
}

static void describe_call(struct exchange *exchange, const struct config_model *model,
                          struct tag_list *tags, struct routing_call *call)
{
    bool json = exchange->body_kind == BODY_JSON && exchange->body.length > 0;
    struct text body = json ? buffer_text(&exchange->body) : text_of(NULL, 0);
    struct interests interests = find_interests(model);

    tags->count = 0;
    if (interests.tags) { /* what the key says comes first, so that no caller can overrule it */
        add_tags(tags, exchange->record.tags);
        add_tags(tags, exchange->record.request_tags);
    }
    *call = (struct routing_call){
        .team = exchange->team,
        .tags = tags->items,
        .tag_count = tags->count,
        .tokens = (uint64_t)(hold_body_size(exchange) / HOLD_BYTES_A_TOKEN),
        .needs = interests.needs ? prompt_needs(body) : 0,
        .affinity = model->rules.strategy == ROUTE_AFFINITY ? prompt_beginning(body) : 0,
    };
    if (interests.needs)
        hold_note_needs(exchange, call->needs);
}

/* ---- into the exchange ---- */

static void add_target(struct exchange *exchange, const struct config_target *row,
                       struct route_place *place)
{
    if (exchange->target_count == EXCHANGE_TARGETS_MAXIMUM)
        return;
    exchange->targets[exchange->target_count++] =
        (struct exchange_target){row->provider, row->model, row, place};
}

static void estimate_costs(const struct exchange *exchange, const struct config_model *model,
                           size_t count, int64_t costs[ROUTE_TARGETS_MAXIMUM])
{
    for (size_t i = 0; i < count; i++) {
        const struct exchange_target target = {model->targets[i].provider, model->targets[i].model,
                                               &model->targets[i], NULL};
        costs[i] = hold_estimate(exchange, &target);
    }
}

/* A number of attempts that the targets themselves decide is one for each. */
static void set_attempts(struct exchange *exchange, const struct route_model_rules *rules)
{
    exchange->attempts_maximum =
        rules->retry.attempts > 0 ? (size_t)rules->retry.attempts : exchange->target_count;
    exchange->deadline =
        rules->timeouts.total > 0 ? exchange->started + rules->timeouts.total : UINT64_MAX;
}

static enum step_result refuse(struct exchange *exchange, const struct config_model *model,
                               const struct route_choice *choice)
{
    if (choice->unavailable) {
        exchange->record.outcome = RECORD_OUTCOME_FAILED;
        return exchange_refuse(
            exchange, REFUSAL_TARGETS_UNAVAILABLE,
            (struct refusal_context){.seen = exchange->model, .retry_after = choice->wait});
    }
    return exchange_refuse(
        exchange, REFUSAL_NO_TARGET,
        (struct refusal_context){.seen = exchange->model,
                                 .detail = text_from(route_standing_words(choice->standing[0])),
                                 .param = TEXT("model")});
}

enum step_result routing_fill(struct exchange *exchange, const struct config_model *model)
{
    const struct route_model_places *places =
        route_table_model(exchange->upstreams->routes, model->index);
    struct worker *worker = exchange->worker;
    int64_t costs[ROUTE_TARGETS_MAXIMUM];
    struct route_choice choice;
    struct routing_call call;
    struct tag_list tags;

    exchange->route = model;
    if (model->rules.plain) {
        for (size_t i = 0; i < places->count; i++)
            add_target(exchange, &model->targets[i], places->places[i]);
        set_attempts(exchange, &model->rules);
        return STEP_NEXT;
    }
    exchange->rules = &model->rules;
    describe_call(exchange, model, &tags, &call);
    bool priced = model->rules.strategy == ROUTE_CHEAPEST;
    if (priced)
        estimate_costs(exchange, model, places->count, costs);
    routing_choose(model, places, &call, priced ? costs : NULL, loop_now(worker->loop),
                   &worker->random, &choice);
    if (choice.count == 0)
        return refuse(exchange, model, &choice);
    for (size_t i = 0; i < choice.count; i++)
        add_target(exchange, &model->targets[choice.order[i]], places->places[choice.order[i]]);
    for (size_t i = 0; i < choice.mirror_count; i++)
        exchange->mirrors |= 1ull << choice.mirrors[i];
    set_attempts(exchange, &model->rules);
    route_budget_call(places->budget, model->rules.retry.budget);
    return STEP_NEXT;
}
