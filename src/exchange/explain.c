/* explain: see explain.h. */
#include "exchange/explain.h"

#include "base/clock.h"
#include "meter/price.h"

bool explain_read_needs(struct text list, unsigned *needs, struct text *wrong)
{
    *needs = 0;
    for (struct text rest = list; rest.data;) {
        struct text word = text_trim(text_split(&rest, ','));
        unsigned need = 0;
        while (need < ROUTE_NEED_COUNT &&
               !text_equal(word, text_from(route_need_name((enum route_need)need))))
            need++;
        *wrong = word;
        if (need == ROUTE_NEED_COUNT && word.length > 0)
            return false;
        if (need < ROUTE_NEED_COUNT)
            *needs |= route_bit(need);
    }
    return true;
}

bool explain_read_tags(struct text list, struct route_tag *tags, size_t room, size_t *count)
{
    *count = 0;
    for (struct text rest = list; rest.data;) {
        struct text value = text_trim(text_split(&rest, ','));
        struct text name = text_split(&value, '=');
        if (name.length == 0 && !value.data)
            continue;
        if (*count == room || name.length == 0 || !value.data)
            return false;
        tags[(*count)++] = (struct route_tag){name, value};
    }
    return true;
}

/* ---- figures ---- */

static const char *const breaker_words[] = {
    [ROUTE_BREAKER_CLOSED] = "closed",
    [ROUTE_BREAKER_OPEN] = "open",
    [ROUTE_BREAKER_PROBING] = "probing",
};

static uint64_t milliseconds(uint64_t nanoseconds)
{
    return (nanoseconds + NANOSECONDS_PER_MILLISECOND - 1) / NANOSECONDS_PER_MILLISECOND;
}

static void write_figures(struct route_place *place, uint64_t now, struct json_writer *json)
{
    uint64_t ready_at;
    enum route_breaker_state state = route_breaker_look(&place->breaker, now, &ready_at);
    uint64_t rests = atomic_load_explicit(&place->rests_until, memory_order_relaxed);
    uint64_t failures = 0;

    for (size_t i = 0; i < ROUTE_FAILURE_COUNT; i++)
        failures += atomic_load_explicit(&place->failures[i], memory_order_relaxed);
    json_member_text(json, "breaker", text_from(breaker_words[state]));
    json_member_unsigned(json, "ready_in_ms", milliseconds(ready_at - now));
    json_member_unsigned(json, "rests_for_ms", rests > now ? milliseconds(rests - now) : 0);
    json_member_bool(json, "down",
                     place->health &&
                         atomic_load_explicit(&place->health->down, memory_order_relaxed));
    json_member_unsigned(json, "in_flight",
                         atomic_load_explicit(&place->in_flight, memory_order_relaxed));
    json_member_unsigned(json, "latency_ms",
                         milliseconds(route_latency_average(&place->latency, now)));
    json_member_unsigned(json, "latency_p95_ms", milliseconds(route_latency_p95(&place->latency)));
    json_member_unsigned(json, "calls", atomic_load_explicit(&place->calls, memory_order_relaxed));
    json_member_unsigned(json, "failures", failures);
}

static void write_target(const struct config_target *target, struct json_writer *json)
{
    json_member_text(json, "provider", target->provider->name);
    json_key(json, TEXT("target_model"));
    json_text(json, target->model.length > 0 ? target->model : text_of(NULL, 0));
}

void explain_write_states(const struct explain_subject *subject, uint64_t now,
                          struct json_writer *json)
{
    json_begin_array(json);
    for (size_t i = 0; i < subject->config->model_count; i++) {
        const struct config_model *model = &subject->config->models[i];
        const struct route_model_places *places = route_table_model(subject->routes, i);
        for (size_t j = 0; j < places->count; j++) {
            json_begin_object(json);
            json_member_text(json, "model", model->name);
            write_target(&model->targets[j], json);
            write_figures(places->places[j], now, json);
            json_end_object(json);
        }
    }
    json_end_array(json);
}

/* ---- the decision ---- */

struct explanation {
    const struct config_model *model;
    const struct route_model_places *places;
    const struct explain_call *call;
    struct route_choice choice;
    int64_t costs[ROUTE_TARGETS_MAXIMUM];
    unsigned firsts[ROUTE_TARGETS_MAXIMUM];
};

static int64_t cost_at(const struct explain_subject *subject, const struct explain_call *call,
                       const struct config_target *target)
{
    struct text name = target->model.length > 0 ? target->model : call->model;
    const struct priced_model *priced =
        price_book_find(subject->book, target->provider->name, name);
    const struct price_ask ask = {
        .at = call->wall,
        .services = 1u << SERVICE_STANDARD,
        .input_tokens = (int64_t)call->call.tokens,
        .output_tokens = (int64_t)call->output,
    };
    money bound;

    if (!priced || !price_bound(priced, &ask, &bound) || bound > INT64_MAX)
        return -1;
    return (int64_t)bound;
}

/* Draws often, to tell the shares; the last draw is shown as the order. */
static void draw(struct explanation *explanation)
{
    struct route_random random = {.state = explanation->call->now};

    for (unsigned i = 0; i < EXPLAIN_DRAWS; i++) {
        routing_choose(explanation->model, explanation->places, &explanation->call->call,
                       explanation->costs, explanation->call->now, &random, &explanation->choice);
        if (explanation->choice.count > 0)
            explanation->firsts[explanation->choice.order[0]]++;
    }
}

/* From 1; 0: it is not in the order. */
static size_t place_of(const struct route_choice *choice, size_t index)
{
    for (size_t i = 0; i < choice->count; i++)
        if (choice->order[i] == index)
            return i + 1;
    return 0;
}

static void write_row(const struct explanation *explanation, size_t index, struct json_writer *json)
{
    const struct config_target *target = &explanation->model->targets[index];
    enum route_standing standing = explanation->choice.standing[index];
    char cost[MONEY_TEXT_SIZE];

    json_begin_object(json);
    write_target(target, json);
    json_member_unsigned(json, "place", place_of(&explanation->choice, index));
    json_member_text(json, "standing", text_from(route_standing_name(standing)));
    json_member_text(json, "reason", text_from(route_standing_words(standing)));
    json_member_unsigned(json, "firsts_of_1000", explanation->firsts[index]);
    json_member_unsigned(json, "weight", target->rules.weight);
    json_member_unsigned(json, "priority", target->rules.priority);
    json_key(json, TEXT("cost"));
    if (explanation->costs[index] < 0)
        json_null(json);
    else
        json_text(json, text_of(cost, money_format_exact((money)explanation->costs[index], cost)));
    write_figures(explanation->places->places[index], explanation->call->now, json);
    json_end_object(json);
}

bool explain_write(const struct explain_subject *subject, const struct explain_call *call,
                   struct json_writer *json)
{
    struct explanation explanation = {.model = config_find_model(subject->config, call->model),
                                      .call = call};

    if (!explanation.model)
        return false;
    explanation.places = route_table_model(subject->routes, explanation.model->index);
    for (size_t i = 0; i < explanation.places->count; i++)
        explanation.costs[i] = cost_at(subject, call, &explanation.model->targets[i]);
    draw(&explanation);
    json_begin_object(json);
    json_member_text(json, "model", explanation.model->name);
    json_member_text(json, "strategy",
                     text_from(route_strategy_name(explanation.model->rules.strategy)));
    json_member_bool(json, "unavailable", explanation.choice.unavailable);
    json_member_unsigned(json, "retry_after_ms", milliseconds(explanation.choice.wait));
    json_member_unsigned(json, "repetitions_left", route_budget_left(explanation.places->budget));
    json_key(json, TEXT("targets"));
    json_begin_array(json);
    for (size_t i = 0; i < explanation.places->count; i++)
        write_row(&explanation, i, json);
    json_end_array(json);
    json_end_object(json);
    return true;
}
