/* models: which models a caller may use: the names of the configuration, and behind its patterns
 * what the providers say they have (exchange/model_lists.h). */
#include "base/ensure.h"
#include "codec/json.h"
#include "exchange/exchange.h"
#include "exchange/model_lists.h"

/* Some tens of thousands of models. */
#define PAGE_MAXIMUM (4u << 20)

struct models_wait {
    struct exchange *exchange; /* NULL: nobody waits any more */
    size_t pending;
};

/* What providers said, held while an answer is written. */
struct told {
    struct exchange *exchange;
    struct listing **lists;   /* by the provider's index; NULL: not known, or not needed */
    const struct text **seen; /* names that were written: a hash table, NULL where nothing is */
    size_t room;              /* of it: a power of two */
};

/* ---- which providers ---- */

/* Names behind a pattern go to the provider as they are, unless the target has a name of its own.
 */
static bool passes_names(const struct config_model *model, const struct config_target *target)
{
    return model->pattern && text_empty(target->model);
}

typedef void (*visit_row)(void *owner, const struct upstream *row);

static void visit_targets(struct exchange *exchange, const struct config_model *model,
                          visit_row visit, void *owner)
{
    for (size_t i = 0; i < model->target_count; i++)
        if (passes_names(model, &model->targets[i]))
            visit(owner, &exchange->upstreams->rows[model->targets[i].provider->index]);
}

/* Of all patterns, or of that which a name falls under. */
static void visit_needed(struct exchange *exchange, visit_row visit, void *owner)
{
    const struct config *config = exchange->upstreams->config;

    if (exchange->match.endpoint->kind == ENDPOINT_MODELS_GET) {
        const struct config_model *model = config_find_model(config, exchange->match.object);
        if (model)
            visit_targets(exchange, model, visit, owner);
        return;
    }
    for (size_t i = 0; i < config->model_count; i++)
        visit_targets(exchange, &config->models[i], visit, owner);
}

/* ---- waiting for the first answer of a provider ---- */

void models_forget_wait(struct exchange *exchange)
{
    if (exchange->models_wait)
        exchange->models_wait->exchange = NULL;
    exchange->models_wait = NULL;
}

static void on_told(void *ticket)
{
    struct models_wait *wait = ticket;
    struct exchange *exchange = wait->exchange;

    if (--wait->pending > 0)
        return;
    free(wait);
    if (!exchange)
        return;
    exchange->models_wait = NULL;
    exchange_resume(exchange);
}

static void ask_for(void *owner, const struct upstream *row)
{
    struct models_wait *wait = owner;
    struct exchange *exchange = wait->exchange;
    bool asking;

    listing_release(model_lists_take(exchange->worker, exchange->upstreams, row, &asking));
    if (asking && model_lists_wait(exchange->worker, row, on_told, wait))
        wait->pending++;
}

/* Whether there is something to wait for. */
static bool ask(struct exchange *exchange)
{
    struct models_wait *wait = malloc(sizeof(*wait));

    exchange->models_asked = true;
    if (!wait)
        return false;
    *wait = (struct models_wait){.exchange = exchange};
    visit_needed(exchange, ask_for, wait);
    if (wait->pending == 0) {
        free(wait);
        return false;
    }
    exchange->models_wait = wait;
    return true;
}

/* ---- what was told ---- */

static void take(void *owner, const struct upstream *row)
{
    struct told *told = owner;
    struct exchange *exchange = told->exchange;
    bool asking;

    if (!told->lists[row->config->index])
        told->lists[row->config->index] =
            model_lists_take(exchange->worker, exchange->upstreams, row, &asking);
}

static bool open_told(struct told *told, struct exchange *exchange)
{
    size_t providers = exchange->upstreams->config->provider_count, models = 0;

    *told = (struct told){.exchange = exchange};
    told->lists = arena_take_zeroed(&exchange->arena, providers * sizeof(*told->lists));
    if (!told->lists)
        return false;
    visit_needed(exchange, take, told);
    for (size_t i = 0; i < providers; i++)
        models += told->lists[i] ? told->lists[i]->count : 0;
    for (told->room = 2; told->room < 2 * models;)
        told->room *= 2;
    told->seen = arena_take_zeroed(&exchange->arena, told->room * sizeof(*told->seen));
    return told->seen != NULL;
}

static void close_told(struct told *told)
{
    size_t providers = told->exchange->upstreams->config->provider_count;

    for (size_t i = 0; told->lists && i < providers; i++)
        listing_release(told->lists[i]);
}

/* Whether the name comes for the first time. */
static bool is_new(struct told *told, const struct text *name)
{
    size_t at = text_hash(*name) & (told->room - 1);

    for (; told->seen[at]; at = (at + 1) & (told->room - 1))
        if (text_equal(*told->seen[at], *name))
            return false;
    told->seen[at] = name;
    return true;
}

/* ---- the answers ---- */

/* {"id":"fast","object":"model","created":0,"owned_by":"up"}: what the SDKs' types require.
 * `created` is 0 where it is not known, as servers without the fact send it. */
static void write_model(struct json_writer *json, struct text name, int64_t created,
                        const struct config_provider *provider)
{
    json_begin_object(json);
    json_member_text(json, "id", name);
    json_member_text(json, "object", TEXT("model"));
    json_member_signed(json, "created", created);
    json_member_text(json, "owned_by", provider->name);
    json_end_object(json);
}

static void write_names(struct exchange *exchange, struct json_writer *json,
                        const struct config_model *model)
{
    const struct config_provider *provider = model->targets[0].provider;

    if (!model->pattern && admit_allows_model(exchange, model->name))
        write_model(json, model->name, 0, provider);
    for (size_t i = 0; i < model->alias_count; i++)
        if (admit_allows_model(exchange, model->aliases[i]))
            write_model(json, model->aliases[i], 0, provider);
}

/* Of a provider's models those which this pattern, and no other row, leads to. */
static void write_told(struct told *told, struct json_writer *json,
                       const struct config_model *model, const struct config_provider *provider)
{
    const struct config *config = told->exchange->upstreams->config;
    const struct listing *listing = told->lists[provider->index];

    for (size_t i = 0; listing && i < listing->count; i++) {
        const struct listing_model *entry = &listing->models[i];
        if (config_find_model(config, entry->id) == model &&
            admit_allows_model(told->exchange, entry->id) && is_new(told, &entry->id))
            write_model(json, entry->id, entry->created, provider);
    }
}

static void write_list(struct told *told, struct json_writer *json)
{
    const struct config *config = told->exchange->upstreams->config;

    json_begin_object(json);
    json_member_text(json, "object", TEXT("list"));
    json_key(json, TEXT("data"));
    json_begin_array(json);
    for (size_t i = 0; i < config->model_count; i++)
        write_names(told->exchange, json, &config->models[i]);
    for (size_t i = 0; i < config->model_count; i++) {
        const struct config_model *model = &config->models[i];
        for (size_t k = 0; k < model->target_count; k++)
            if (passes_names(model, &model->targets[k]))
                write_told(told, json, model, model->targets[k].provider);
    }
    json_end_array(json);
    json_end_object(json);
}

/* A name that no provider lists is answered all the same where a pattern lets it through: providers
 * take aliases that they do not list. */
static void write_one(struct told *told, struct json_writer *json, const struct config_model *model)
{
    struct text name = told->exchange->match.object;

    for (size_t i = 0; i < model->target_count; i++) {
        const struct config_provider *provider = model->targets[i].provider;
        const struct listing *listing =
            passes_names(model, &model->targets[i]) ? told->lists[provider->index] : NULL;
        const struct listing_model *entry = listing ? listing_find(listing, name) : NULL;
        if (entry) {
            write_model(json, name, entry->created, provider);
            return;
        }
    }
    write_model(json, name, 0, model->targets[0].provider);
}

static enum step_result answer(struct exchange *exchange, const struct config_model *model)
{
    struct json_writer json;
    struct told told;
    bool whole = open_told(&told, exchange);

    buffer_open(&exchange->page, PAGE_MAXIMUM);
    json_open(&json, &exchange->page);
    if (whole && model)
        write_one(&told, &json, model);
    else if (whole)
        write_list(&told, &json);
    close_told(&told);
    if (!whole || exchange->page.failed)
        return exchange_refuse(exchange, REFUSAL_MEMORY_LIMIT,
                               (struct refusal_context){.limit = PAGE_MAXIMUM});
    return exchange_answer(exchange, 200, "application/json", buffer_text(&exchange->page));
}

enum step_result local_models(struct exchange *exchange)
{
    const struct config_model *model = NULL;

    if (exchange->match.endpoint->kind == ENDPOINT_MODELS_GET) {
        struct text name = exchange->match.object;
        exchange->record.model = name;
        model = config_find_model(exchange->upstreams->config, name);
        if (!model || !admit_allows_model(exchange, name))
            return exchange_refuse(exchange, REFUSAL_MODEL_NOT_FOUND,
                                   (struct refusal_context){.seen = name, .param = TEXT("model")});
    }
    if (!exchange->models_asked && ask(exchange))
        return STEP_WAIT;
    return answer(exchange, model);
}
