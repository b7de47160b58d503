/* control: see control.h. */
#include "control/control.h"

#include <pthread.h>

#include "base/clock.h"
#include "base/ensure.h"

struct control {
    struct loop *loop;
    struct control_settings settings;
    struct key_exchange *exchange;
    struct loop_timer timer;
    pthread_t thread;
};

_Static_assert(KEY_REFRESHER_INTERVAL <= POLICY_TICK, "the policy is told the time each step");

static void measure_credential(void *owner, const struct pool_member_state *state)
{
    struct metrics_worker *process = owner;
    const struct text labels[] = {state->provider, state->name};
    const struct text good[] = {state->provider, state->name, TEXT("success")};
    const struct text bad[] = {state->provider, state->name, TEXT("failure")};

    metric_series_set(metrics_series(process, METRIC_CREDENTIAL_UP, labels),
                      state->has_token && !state->problem[0]);
    metric_series_set(metrics_series(process, METRIC_CREDENTIAL_IN_FLIGHT, labels),
                      state->in_flight);
    if (!state->renewed)
        return;
    metric_series_set(metrics_series(process, METRIC_CREDENTIAL_EXPIRES, labels), state->expires);
    metric_series_set(metrics_series(process, METRIC_CREDENTIAL_REFRESHES, good), state->refreshes);
    metric_series_set(metrics_series(process, METRIC_CREDENTIAL_REFRESHES, bad), state->failures);
}

static void measure_issuer(void *owner, const struct issuer_state *state)
{
    struct metrics_worker *process = owner;
    const struct text good[] = {state->name, TEXT("success")};
    const struct text bad[] = {state->name, TEXT("failure")};

    metric_series_set(metrics_series(process, METRIC_ISSUER_UP, &state->name), state->up);
    metric_series_set(metrics_series(process, METRIC_ISSUER_KEYS, &state->name), state->keys);
    metric_series_set(metrics_series(process, METRIC_ISSUER_FETCHED_AT, &state->name),
                      state->fetched_at);
    metric_series_set(metrics_series(process, METRIC_ISSUER_FETCHES, good), state->fetches);
    metric_series_set(metrics_series(process, METRIC_ISSUER_FETCHES, bad), state->failures);
}

static void measure(struct control *control)
{
    struct metrics_worker *process = metrics_process(control->settings.metrics);
    struct ledger_counters counters;
    struct key_refresher_state keys;
    struct policy_refresher_state policy;

    ledger_read_counters(control->settings.ledger, &counters);
    metrics_set_ledger(process, &counters);
    key_refresher_read_state(control->settings.keys, &keys);
    metrics_set(process, METRIC_KEYS, keys.keys);
    metrics_set(process, METRIC_KEYS_UPDATED_AT, keys.updated_at);
    metrics_set(process, METRIC_KEYS_UP, keys.store_working && keys.file_working);
    policy_refresher_read_state(control->settings.policy, &policy);
    metrics_set(process, METRIC_EXCHANGED_KEYS, key_exchange_count(control->exchange));
    metrics_set(process, METRIC_BUDGETS, policy.budgets);
    metrics_set(process, METRIC_LIMITS, policy.limits);
    metrics_set(process, METRIC_NETWORK_RULES, policy.network_rules);
    metrics_set(process, METRIC_POLICY_UP, policy.working);
    alerts_write_metrics(control->settings.alerts, process);
    credential_refresher_visit(control->settings.credentials, measure_credential, process);
    issuer_refresher_visit(control->settings.issuers, measure_issuer, process);
}

static void step(void *owner)
{
    struct control *control = owner;

    key_refresher_step(control->settings.keys);
    key_exchange_step(control->exchange);
    policy_refresher_step(control->settings.policy);
    policy_take_crossings(policy_refresher_policy(control->settings.policy), clock_wall(),
                          alerts_take_crossing, control->settings.alerts);
    measure(control);
    loop_timer_set(control->loop, &control->timer, KEY_REFRESHER_INTERVAL);
}

static void *run(void *owner)
{
    struct control *control = owner;

    loop_run(control->loop);
    return NULL;
}

enum error control_start(const struct control_settings *settings, struct control **out)
{
    struct control *control = calloc(1, sizeof(*control));

    if (!control)
        return ERROR_MEMORY;
    control->settings = *settings;
    control->loop = loop_create();
    if (!control->loop) {
        free(control);
        return ERROR_SYSTEM;
    }
    control->exchange = ensure_memory(key_exchange_create(control->loop, settings->keys));
    loop_timer_open(&control->timer, step, control);
    loop_timer_set(control->loop, &control->timer, KEY_REFRESHER_INTERVAL);
    measure(control);
    if (pthread_create(&control->thread, NULL, run, control) != 0) {
        loop_timer_clear(control->loop, &control->timer);
        loop_destroy(control->loop);
        key_exchange_destroy(control->exchange);
        free(control);
        return ERROR_SYSTEM;
    }
    (void)pthread_setname_np(control->thread, "control");
    *out = control;
    return ERROR_OK;
}

static void stop(void *owner)
{
    struct control *control = owner;

    loop_timer_clear(control->loop, &control->timer);
    loop_stop(control->loop);
}

void control_stop(struct control *control)
{
    loop_post(control->loop, stop, control);
    pthread_join(control->thread, NULL);
    key_exchange_stop(control->exchange);
    loop_destroy(control->loop);
    key_exchange_destroy(control->exchange);
    free(control);
}

/* ---- facts from the main thread ---- */

struct facts_message {
    struct control *control;
    struct control_config_facts facts;
};

static void take_facts(void *owner)
{
    struct facts_message *message = owner;
    struct metrics_worker *process = metrics_process(message->control->settings.metrics);
    const struct control_config_facts *facts = &message->facts;
    const struct text success = TEXT("success"), failure = TEXT("failure");

    metrics_set(process, METRIC_CONFIG_GENERATION, facts->generation);
    metrics_set(process, METRIC_CONFIG_LOADED_AT, facts->loaded_at);
    metrics_set(process, METRIC_CONFIG_FAILED_AT, facts->refused_at);
    metric_series_set(metrics_series(process, METRIC_CONFIG_LOADS, &success), facts->loads);
    metric_series_set(metrics_series(process, METRIC_CONFIG_LOADS, &failure), facts->refused);
    free(message);
}

void control_set_config_facts(struct control *control, const struct control_config_facts *facts)
{
    struct facts_message *message = ensure_memory(malloc(sizeof(*message)));

    message->control = control;
    message->facts = *facts;
    loop_post(control->loop, take_facts, message);
}

/* ---- look-ups ---- */

struct search {
    struct control *control;
    struct loop *loop; /* of who asked */
    void (*done)(void *ticket, enum error error, const struct object *object);
    void *ticket;
    enum error error;
    struct object_copy found;
    struct text id;
    char id_bytes[OBJECT_ID_MAX];
};

static void deliver(void *owner)
{
    struct search *search = owner;

    search->done(search->ticket, search->error,
                 search->error == ERROR_OK ? &search->found.object : NULL);
    free(search);
}

static void look(void *owner)
{
    struct search *search = owner;

    search->error =
        ledger_find_object(search->control->settings.ledger, search->id, &search->found);
    loop_post(search->loop, deliver, search);
}

void control_find_object(struct control *control, struct loop *loop, struct text id,
                         void (*done)(void *ticket, enum error error, const struct object *object),
                         void *ticket)
{
    struct search *search = ensure_memory(calloc(1, sizeof(*search)));

    search->control = control;
    search->loop = loop;
    search->done = done;
    search->ticket = ticket;
    if (id.length > OBJECT_ID_MAX) {
        search->error = ERROR_NOT_FOUND;
        loop_post(loop, deliver, search);
        return;
    }
    memcpy(search->id_bytes, id.data, id.length);
    search->id = text_of(search->id_bytes, id.length);
    loop_post(control->loop, look, search);
}

void control_exchange_key(struct control *control, const struct key_wish *wish, struct loop *loop,
                          key_answer_taken taken, void *ticket)
{
    key_exchange_ask(control->exchange, wish, loop, taken, ticket);
}
