/* hedge: see hedge.h. */
#include "exchange/hedge.h"

#include "exchange/count.h"
#include "exchange/left.h"
#include "route/choose.h"

static uint64_t delay_of(const struct exchange *exchange)
{
    const struct route_hedge *rules = &exchange->rules->hedge;
    const struct route_place *place = exchange->attempt->target->place;

    if (rules->after != ROUTE_LEARNED)
        return rules->after;
    uint64_t learned = route_latency_p95(&place->latency);
    if (learned == 0)
        return 0; /* nothing is known yet */
    return learned > rules->at_least ? learned : rules->at_least;
}

static bool is_open(const struct exchange *exchange)
{
    const struct attempt *attempt = exchange->attempt;

    return exchange->step == STEP_FORWARD && attempt && !exchange->rival && !exchange->abandoned &&
           exchange->request &&
           (attempt->state == ATTEMPT_WAITING || attempt->state == ATTEMPT_WITHHELD);
}

/* Another one than that of the attempt in hand. */
static struct exchange_target *find_target(struct exchange *exchange)
{
    uint64_t now = loop_now(exchange->worker->loop), ready_at;

    for (; exchange->target_next < exchange->target_count; exchange->target_next++) {
        struct exchange_target *target = &exchange->targets[exchange->target_next];
        if (route_availability(exchange->rules, target->place, now, &ready_at) == ROUTE_IN)
            return target;
    }
    return NULL;
}

static void start(struct exchange *exchange)
{
    struct exchange_target *target = find_target(exchange);
    struct attempt *first = exchange->attempt;
    struct route_budget *budget =
        route_table_model(exchange->upstreams->routes, exchange->route->index)->budget;

    if (!target || (size_t)exchange->record.attempts >= exchange->attempts_maximum ||
        !route_budget_take(budget, exchange->rules->retry.budget))
        return;
    exchange->rival_left = arena_take_zeroed(&exchange->arena, sizeof(*exchange->rival_left));
    if (!exchange->rival_left || !left_open(exchange, exchange->rival_left))
        return;
    exchange->target_next++;
    if (attempt_start(exchange, target) != ERROR_OK) {
        left_close(exchange, exchange->rival_left);
        return;
    }
    exchange->rival = exchange->attempt;
    exchange->attempt = first;
    count_retry(exchange, TEXT("hedge"));
}

static void on_silence(void *owner)
{
    struct exchange *exchange = owner;

    if (is_open(exchange))
        start(exchange);
}

void hedge_arm(struct exchange *exchange)
{
    const struct route_model_rules *rules = exchange->rules;

    if (!rules || rules->hedge.after == 0 || exchange->record.attempts > 1 || exchange->abandoned ||
        (exchange->body_kind != BODY_JSON && exchange->body_kind != BODY_NONE))
        return;
    uint64_t delay = delay_of(exchange);
    if (delay == 0)
        return;
    loop_timer_open(&exchange->hedge_timer, on_silence, exchange);
    loop_timer_set(exchange->worker->loop, &exchange->hedge_timer, delay);
}

/* One of the two is left. What it cost is written first: its detail says so too. */
static void lose(struct exchange *exchange, struct attempt *loser)
{
    struct attempt *other = loser == exchange->attempt ? exchange->rival : exchange->attempt;

    attempt_stop(loser);
    if (loser->state == ATTEMPT_WITHHELD || loser->state == ATTEMPT_ANSWERING)
        (void)provider_answer_end(loser->answer, ERROR_CANCELLED, text_of(NULL, 0),
                                  text_of(NULL, 0));
    left_write(exchange, loser, exchange->rival_left, TEXT("hedge"));
    attempt_close(loser);
    exchange->rival = NULL;
    exchange->attempt = other;
    exchange->record.provider = other->target->provider->name;
    exchange->record.target_model =
        other->target->model.length > 0 ? other->target->model : exchange->model;
}

void hedge_look(struct exchange *exchange)
{
    if (!exchange->rival)
        return;
    if (exchange->rival->state == ATTEMPT_FAILED)
        lose(exchange, exchange->rival);
    else if (exchange->attempt->state == ATTEMPT_FAILED)
        lose(exchange, exchange->attempt);
}

void hedge_win(struct attempt *attempt)
{
    struct exchange *exchange = attempt->exchange;

    loop_timer_clear(exchange->worker->loop, &exchange->hedge_timer);
    if (exchange->rival)
        lose(exchange, attempt == exchange->attempt ? exchange->rival : exchange->attempt);
}

void hedge_drop(struct exchange *exchange)
{
    loop_timer_clear(exchange->worker->loop, &exchange->hedge_timer);
    if (exchange->rival)
        lose(exchange, exchange->rival);
}
