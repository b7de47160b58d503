/* count: see count.h. */
#include "exchange/count.h"

#include "base/number.h"

struct token_row {
    struct text name;
    size_t offset;
};

static const struct token_row token_rows[] = {
    {TEXT_INIT("input"), offsetof(struct record, input_tokens)},
    {TEXT_INIT("cached_input"), offsetof(struct record, cached_input_tokens)},
    {TEXT_INIT("cache_write"), offsetof(struct record, cache_write_tokens)},
    {TEXT_INIT("output"), offsetof(struct record, output_tokens)},
    {TEXT_INIT("reasoning"), offsetof(struct record, reasoning_tokens)},
    {TEXT_INIT("audio_input"), offsetof(struct record, audio_input_tokens)},
    {TEXT_INIT("audio_output"), offsetof(struct record, audio_output_tokens)},
    {TEXT_INIT("image_input"), offsetof(struct record, image_input_tokens)},
    {TEXT_INIT("image_output"), offsetof(struct record, image_output_tokens)},
};

static struct text or_none(struct text label)
{
    return label.length > 0 ? label : TEXT("none");
}

static void count_tokens(struct metrics_worker *metrics, const struct record *record,
                         struct text model)
{
    if (record->usage_source == RECORD_USAGE_NONE)
        return;
    for (size_t i = 0; i < ARRAY_LENGTH(token_rows); i++) {
        int64_t count = *(const int64_t *)((const char *)record + token_rows[i].offset);
        const struct text labels[] = {or_none(record->provider), or_none(model),
                                      token_rows[i].name};
        if (count > 0)
            metrics_add_labelled(metrics, METRIC_TOKENS, labels, (uint64_t)count);
    }
}

#define PICODOLLARS_PER_NANODOLLAR 1000

static void count_cost(struct metrics_worker *metrics, const struct record *record,
                       struct text model)
{
    const struct text labels[] = {or_none(record->provider), or_none(model)};

    if (text_equal(record->cost_state, TEXT("unpriced")))
        metrics_add_labelled(metrics, METRIC_UNPRICED, labels, 1);
    else if (record->cost > 0)
        metrics_add_labelled(metrics, METRIC_COST, labels,
                             (uint64_t)record->cost / PICODOLLARS_PER_NANODOLLAR);
}

static void add_known(struct metrics_worker *metrics, enum metric metric, int64_t amount)
{
    if (amount > 0)
        metrics_add(metrics, metric, (uint64_t)amount);
}

void count_part(struct metrics_worker *metrics, const struct record *record, struct text model)
{
    count_tokens(metrics, record, model);
    count_cost(metrics, record, model);
}

void count_exchange(struct metrics_worker *metrics, const struct record *record, struct text model)
{
    char digits[20];
    struct text status = TEXT("none");

    if (record->status > 0)
        status = text_of(digits, number_format_unsigned((uint64_t)record->status, digits));
    const struct text labels[] = {or_none(record->endpoint), status};
    metrics_add_labelled(metrics, METRIC_REQUESTS, labels, 1);
    if (record->refusal.length > 0)
        metrics_add_labelled(metrics, METRIC_REFUSALS, &record->refusal, 1);
    if (record->duration >= 0)
        metric_series_observe(metrics_series(metrics, METRIC_REQUEST_DURATION, labels),
                              (uint64_t)record->duration);
    add_known(metrics, METRIC_BYTES_RECEIVED, record->bytes_received);
    add_known(metrics, METRIC_BYTES_SENT, record->bytes_sent);
    count_part(metrics, record, model);
}

/* "azure/my-deployment". */
static struct text target_label(const struct config_target *row,
                                char memory[METRICS_LABEL_SIZE_MAX])
{
    int length =
        snprintf(memory, METRICS_LABEL_SIZE_MAX, "%.*s%s%.*s", TEXT_ARG(row->provider->name),
                 row->model.length > 0 ? "/" : "", TEXT_ARG(row->model));
    size_t most = METRICS_LABEL_SIZE_MAX - 1;

    return text_of(memory, (size_t)length < most ? (size_t)length : most);
}

void count_breakers(struct metrics_worker *metrics, const struct config *config,
                    const struct route_table *routes, uint64_t now)
{
    char memory[METRICS_LABEL_SIZE_MAX];
    uint64_t ready_at;

    for (size_t i = 0; i < config->model_count; i++) {
        const struct config_model *model = &config->models[i];
        const struct route_model_places *places = route_table_model(routes, i);
        for (size_t j = 0; j < places->count && route_breaker_is_used(&model->rules.breaker); j++) {
            const struct text labels[] = {model->name, target_label(&model->targets[j], memory)};
            bool open = route_breaker_look(&places->places[j]->breaker, now, &ready_at) !=
                        ROUTE_BREAKER_CLOSED;
            metric_series_set(metrics_series(metrics, METRIC_BREAKER_OPEN, labels), open);
        }
    }
}

void count_retry(const struct exchange *exchange, struct text reason)
{
    const struct text labels[] = {
        or_none(exchange->route ? exchange->route->name : text_of(NULL, 0)), reason};

    metrics_add_labelled(exchange->worker->metrics, METRIC_RETRIES, labels, 1);
}

/* Of models that have rules: there a target's own figures decide something. */
static void count_target(struct metrics_worker *metrics, const struct attempt *attempt,
                         const struct failure *failure)
{
    const struct exchange_target *target = attempt->target;
    const struct http_call_times *times = &attempt->times;
    char memory[METRICS_LABEL_SIZE_MAX];

    if (!attempt->exchange->rules || !target->row)
        return;
    const struct text model = attempt->exchange->route->name;
    const struct text labels[] = {model, target_label(target->row, memory),
                                  failure->failed ? failure_name(failure) : TEXT("served")};
    metrics_add_labelled(metrics, METRIC_TARGET_CALLS, labels, 1);
    if (times->first_byte && times->sent && times->first_byte >= times->sent)
        metric_series_observe(metrics_series(metrics, METRIC_TARGET_FIRST_BYTE, labels),
                              times->first_byte - times->sent);
}

void count_attempt(struct metrics_worker *metrics, const struct attempt *attempt,
                   const struct failure *failure)
{
    const struct http_call_times *times = &attempt->times;
    struct text provider = attempt->target->provider->name;
    uint64_t ready = times->secured ? times->secured : times->connected;
    char digits[20];
    struct text result = text_from(error_name(attempt->error));

    /* A credential that the provider refused is an answer; a connection that was refused is none.
     */
    if (attempt->error == ERROR_OK || attempt->credential_refused)
        result = text_of(digits, number_format_unsigned(attempt->status, digits));
    const struct text labels[] = {provider, result};
    metrics_add_labelled(metrics, METRIC_ATTEMPTS, labels, 1);
    if (times->first_byte && times->sent && times->first_byte >= times->sent)
        metric_series_observe(metrics_series(metrics, METRIC_FIRST_BYTE, &provider),
                              times->first_byte - times->sent);
    if (!times->reused && ready > times->started)
        metric_series_observe(metrics_series(metrics, METRIC_CONNECT_DURATION, &provider),
                              ready - times->started);
    count_target(metrics, attempt, failure);
}
