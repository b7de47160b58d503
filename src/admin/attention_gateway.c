/* The gateway's own: targets, credentials, certificates, the ledger and the store. */
#include "admin/attention.h"
#include "base/clock.h"
#include "control/credential_refresher.h"

#define CERTIFICATE_SOON (14 * 86400) /* seconds */

/* ---- targets ---- */

static void look_at_place(struct attention *attention, const struct config_model *model,
                          const struct config_target *target, struct route_place *place)
{
    uint64_t ready_at;
    enum route_breaker_state state =
        route_breaker_look(&place->breaker, clock_monotonic(), &ready_at);
    bool down = place->health && atomic_load_explicit(&place->health->down, memory_order_relaxed);

    if (state == ROUTE_BREAKER_CLOSED && !down)
        return;
    struct text name = target->model.length > 0 ? target->model : model->name;
    const struct attention_item item = {
        .kind = ATTENTION_TARGET_BROKEN,
        .subject_kind = TEXT("target"),
        .subject =
            attention_say(attention, "%.*s/%.*s", TEXT_ARG(target->provider->name), TEXT_ARG(name)),
        .text =
            attention_say(attention, "%.*s of provider %.*s gets no calls for model %.*s: %s.",
                          TEXT_ARG(name), TEXT_ARG(target->provider->name), TEXT_ARG(model->name),
                          down ? "its provider fails its health checks"
                               : "too many of its calls failed, its breaker is open"),
        .advice = TEXT("See what its calls came to; other targets of the model take them over, "
                       "where there are any."),
        .page = attention_say(attention, "/models/%.*s",
                              TEXT_ARG(attention_encode(attention, model->name))),
        .command = attention_say(attention, "turnpike route explain %.*s", TEXT_ARG(model->name)),
    };
    attention_add(attention, &item);
}

static void look_at_targets(struct attention *attention)
{
    const struct office *office = attention->call->office;

    for (size_t i = 0; office->routes && i < office->config->model_count; i++) {
        const struct config_model *model = &office->config->models[i];
        const struct route_model_places *places = route_table_model(office->routes, i);
        for (size_t j = 0; j < places->count; j++)
            look_at_place(attention, model, &model->targets[j], places->places[j]);
    }
}

/* ---- credentials ---- */

static void look_at_credential(void *owner, const struct pool_member_state *state)
{
    struct attention *attention = owner;

    if (!state->problem[0])
        return;
    const struct attention_item item = {
        .kind = ATTENTION_CREDENTIAL_FAILING,
        .subject_kind = TEXT("provider"),
        .subject = arena_copy(&attention->call->arena, state->provider),
        .since = state->failed_at,
        .text = attention_say(attention, "The credential %.*s of provider %.*s fails: %s.",
                              TEXT_ARG(state->name), TEXT_ARG(state->provider), state->problem),
        .advice = TEXT("Renew what it is made of; it is tried again by itself."),
        .page = attention_say(attention, "/models?provider=%.*s",
                              TEXT_ARG(attention_encode(attention, state->provider))),
        .command = TEXT("turnpike doctor"),
    };
    attention_add(attention, &item);
}

/* ---- certificates ---- */

static void look_at_certificate(struct attention *attention, struct text listener, const char *path)
{
    char moment[CLOCK_RFC3339_SIZE];
    int64_t end = tls_certificate_end(path);
    int64_t now = (int64_t)(attention->now / NANOSECONDS_PER_SECOND);

    if (end <= 0 || end - now > CERTIFICATE_SOON)
        return;
    (void)clock_format_rfc3339((uint64_t)end * NANOSECONDS_PER_SECOND, moment);
    const struct attention_item item = {
        .kind = ATTENTION_CERTIFICATE_ENDING,
        .subject_kind = TEXT("listener"),
        .subject = arena_copy(&attention->call->arena, listener),
        .text = attention_say(attention, "The certificate %s of listener %.*s %s on %.10s.", path,
                              TEXT_ARG(listener), end <= now ? "ended" : "ends", moment),
        .advice = TEXT("Renew it: a changed file is read without a restart."),
        .page = TEXT("/gateway"),
        .command = TEXT("turnpike doctor"),
    };
    attention_add(attention, &item);
}

static void look_at_listener(struct attention *attention, const struct config_listener *listener,
                             struct text name)
{
    for (size_t i = 0; listener->tls_enabled && i < listener->tls.certificate_count; i++)
        look_at_certificate(attention, name, listener->tls.certificates[i].certificate_path);
}

static void look_at_certificates(struct attention *attention)
{
    const struct config *config = attention->call->office->config;

    for (size_t i = 0; i < config->listener_count; i++)
        look_at_listener(attention, &config->listeners[i], config->listeners[i].name);
    look_at_listener(attention, &config->admin, TEXT("admin"));
}

/* ---- the ledger, the store, keys in memory ---- */

static void add_own(struct attention *attention, enum attention_kind kind, struct text text,
                    struct text advice)
{
    const struct attention_item item = {
        .kind = kind,
        .subject_kind = TEXT("gateway"),
        .text = text,
        .advice = advice,
        .page = TEXT("/gateway"),
        .command = TEXT("turnpike doctor"),
    };

    attention_add(attention, &item);
}

static void look_at_ledger(struct attention *attention)
{
    struct ledger_counters counters;

    ledger_read_counters(attention->call->office->settings.ledger, &counters);
    if (!counters.accepting)
        add_own(attention, ATTENTION_LEDGER_FULL,
                attention_say(attention,
                              "Calls are refused: there is no room to record them. %llu were "
                              "refused for that since the start.",
                              (unsigned long long)counters.calls_refused),
                TEXT("Make room on the disk, or see why the store takes no records."));
    if (!counters.store_working)
        add_own(attention, ATTENTION_STORE_FAILING,
                attention_say(attention,
                              "The store takes no records: %llu wait in the journal, none is lost.",
                              (unsigned long long)counters.records_waiting),
                TEXT("The gateway's log says why; they are taken when it works again."));
    else if (counters.accepting && counters.journal_limit > 0 &&
             counters.journal_bytes > counters.journal_limit / 2)
        add_own(attention, ATTENTION_JOURNAL_FILLING,
                attention_say(attention,
                              "%llu records wait for the store: %llu of %llu bytes of journal are "
                              "taken. Calls are refused when all are.",
                              (unsigned long long)counters.records_waiting,
                              (unsigned long long)counters.journal_bytes,
                              (unsigned long long)counters.journal_limit),
                TEXT("See whether the disk of the data directory keeps up."));
}

static void look_at_key_memory(struct attention *attention)
{
    struct key_refresher_state state;

    key_refresher_read_state(attention->call->office->settings.keys, &state);
    if (state.store_working && state.file_working)
        return;
    add_own(
        attention, ATTENTION_KEYS_STALE,
        attention_say(attention, "Changes of keys do not reach the gateway: %s.", state.problem),
        TEXT("Those last read are good; revoking works as soon as the file of revocations can "
             "be read."));
}

void attention_look_at_gateway(struct attention *attention)
{
    const struct office_settings *settings = &attention->call->office->settings;

    look_at_targets(attention);
    look_at_certificates(attention);
    if (settings->provider_credentials)
        credential_refresher_visit(settings->provider_credentials, look_at_credential, attention);
    if (settings->ledger)
        look_at_ledger(attention);
    if (settings->keys)
        look_at_key_memory(attention);
}
