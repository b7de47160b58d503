#include "route/place.h"

#include "base/siphash.h"

struct route_table {
    _Atomic uint32_t holders;
    size_t model_count;
    struct route_model_places *models;
    struct route_budget_holder {
        struct route_budget budget;
        _Atomic uint32_t holders;
    } * *budgets;
};

/* Known to all: several gateways must send one prompt to one target. */
static const struct siphash_seed public_seed = {{0x7475726e70696b65u, 0x726f757465000001u}};

uint64_t route_identity(struct text provider, struct text upstream_model)
{
    uint64_t first = siphash(&public_seed, provider).words[0];
    return first * 31 + siphash(&public_seed, upstream_model).words[0];
}

/* ---- one place ---- */

static void release_health(struct route_health_figures *health)
{
    if (health && atomic_fetch_sub_explicit(&health->holders, 1, memory_order_acq_rel) == 1)
        free(health);
}

static void release_place(struct route_place *place)
{
    if (!place || atomic_fetch_sub_explicit(&place->holders, 1, memory_order_acq_rel) > 1)
        return;
    release_health(place->health);
    free(place);
}

static struct text put(char **at, struct text t)
{
    char *start = *at;
    if (t.length > 0)
        memcpy(start, t.data, t.length);
    *at += t.length;
    return text_of(start, t.length);
}

static struct route_place *make_place(const struct route_place_key *key, size_t repeated)
{
    size_t names = key->model.length + key->provider.length + key->upstream_model.length;
    size_t size = (sizeof(struct route_place) + names + 63) / 64 * 64;
    struct route_place *place = aligned_alloc(64, size);
    if (!place)
        return NULL;
    memset(place, 0, size);
    char *at = (char *)(place + 1);
    place->model = put(&at, key->model);
    place->provider = put(&at, key->provider);
    place->upstream_model = put(&at, key->upstream_model);
    place->repeated = repeated;
    place->identity = route_identity(place->provider, place->upstream_model);
    atomic_store_explicit(&place->holders, 1, memory_order_relaxed);
    return place;
}

static bool is_of(const struct route_place *place, const struct route_place_key *key,
                  size_t repeated)
{
    return place->repeated == repeated && text_equal(place->model, key->model) &&
           text_equal(place->provider, key->provider) &&
           text_equal(place->upstream_model, key->upstream_model);
}

void route_place_rest(struct route_place *place, uint64_t until)
{
    uint64_t before = atomic_load_explicit(&place->rests_until, memory_order_relaxed);
    while (before < until &&
           !atomic_compare_exchange_weak_explicit(&place->rests_until, &before, until,
                                                  memory_order_relaxed, memory_order_relaxed))
        ;
}

bool route_health_note(struct route_health_figures *health, const struct route_health *rules,
                       bool well, uint64_t now)
{
    uint64_t failures = 0;
    atomic_store_explicit(&health->checked_at, now, memory_order_relaxed);
    if (well)
        atomic_store_explicit(&health->failures, 0, memory_order_relaxed);
    else
        failures = atomic_fetch_add_explicit(&health->failures, 1, memory_order_relaxed) + 1;
    bool down = failures >= rules->failures;
    return atomic_exchange_explicit(&health->down, down, memory_order_relaxed) != down;
}

/* ---- the table ---- */

struct making {
    struct route_table *table;
    struct route_table *previous;
};

/* The model of the table before with that name: usually where it was. */
static size_t find_model(const struct route_table *table, struct text name, size_t hint)
{
    for (size_t i = 0; table && i < table->model_count; i++) {
        size_t at = (i + hint) % table->model_count;
        const struct route_model_places *model = &table->models[at];
        if (model->count > 0 && text_equal(model->places[0]->model, name))
            return at;
    }
    return SIZE_MAX;
}

static struct route_place *keep_or_make(const struct route_model_places *before,
                                        const struct route_place_key *key, size_t repeated)
{
    for (size_t i = 0; before && i < before->count; i++) {
        if (is_of(before->places[i], key, repeated)) {
            atomic_fetch_add_explicit(&before->places[i]->holders, 1, memory_order_relaxed);
            return before->places[i];
        }
    }
    return make_place(key, repeated);
}

static size_t count_repeated(const struct route_place_key *keys, size_t index)
{
    size_t repeated = 0;
    for (size_t i = 0; i < index; i++)
        repeated += text_equal(keys[i].provider, keys[index].provider) &&
                    text_equal(keys[i].upstream_model, keys[index].upstream_model);
    return repeated;
}

static struct route_budget_holder *keep_or_make_budget(const struct route_table *previous,
                                                       size_t before)
{
    struct route_budget_holder *holder;
    if (before != SIZE_MAX) {
        holder = previous->budgets[before];
        atomic_fetch_add_explicit(&holder->holders, 1, memory_order_relaxed);
        return holder;
    }
    holder = calloc(1, sizeof(*holder));
    if (holder)
        atomic_store_explicit(&holder->holders, 1, memory_order_relaxed);
    return holder;
}

static bool make_model(struct making *making, size_t index, const struct route_place_key *keys,
                       size_t count)
{
    struct route_model_places *model = &making->table->models[index];
    size_t before = count > 0 ? find_model(making->previous, keys[0].model, index) : SIZE_MAX;
    const struct route_model_places *old =
        before != SIZE_MAX ? &making->previous->models[before] : NULL;
    making->table->budgets[index] = keep_or_make_budget(making->previous, before);
    model->places = calloc(count > 0 ? count : 1, sizeof(struct route_place *));
    if (!model->places || !making->table->budgets[index])
        return false;
    model->budget = &making->table->budgets[index]->budget;
    for (size_t i = 0; i < count; i++) {
        model->places[i] = keep_or_make(old, &keys[i], count_repeated(keys, i));
        if (!model->places[i])
            return false;
        model->count++;
    }
    return true;
}

static struct route_health_figures *find_health(const struct route_table *table, struct text name)
{
    for (size_t i = 0; table && i < table->model_count; i++) {
        const struct route_model_places *model = &table->models[i];
        for (size_t j = 0; j < model->count; j++)
            if (model->places[j]->health && text_equal(model->places[j]->provider, name))
                return model->places[j]->health;
    }
    return NULL;
}

/* Places that are new share what their provider's other places have. */
static bool share_health(struct making *making, struct route_place *place)
{
    if (place->health)
        return true;
    place->health = find_health(making->table, place->provider);
    if (!place->health)
        place->health = find_health(making->previous, place->provider);
    if (!place->health)
        place->health = calloc(1, sizeof(*place->health) + place->provider.length);
    if (!place->health)
        return false;
    if (atomic_fetch_add_explicit(&place->health->holders, 1, memory_order_relaxed) == 0) {
        char *at = (char *)(place->health + 1);
        place->health->provider = put(&at, place->provider);
    }
    return true;
}

static bool fill(struct making *making, const struct route_table_source *source)
{
    struct route_place_key keys[ROUTE_TARGETS_MAXIMUM];
    bool complete = making->table->models && making->table->budgets;
    for (size_t i = 0; complete && i < source->model_count; i++) {
        size_t count = source->targets(source->owner, i, keys);
        complete = make_model(making, i, keys, count);
        for (size_t j = 0; complete && j < count; j++)
            complete = share_health(making, making->table->models[i].places[j]);
    }
    return complete;
}

struct route_table *route_table_create(const struct route_table_source *source,
                                       struct route_table *previous)
{
    struct making making = {calloc(1, sizeof(struct route_table)), previous};
    size_t count = source->model_count > 0 ? source->model_count : 1;
    if (!making.table)
        return NULL;
    atomic_store_explicit(&making.table->holders, 1, memory_order_relaxed);
    making.table->models = calloc(count, sizeof(*making.table->models));
    making.table->budgets = calloc(count, sizeof(*making.table->budgets));
    making.table->model_count = making.table->models ? source->model_count : 0;
    if (fill(&making, source))
        return making.table;
    route_table_release(making.table);
    return NULL;
}

struct route_table *route_table_hold(struct route_table *table)
{
    atomic_fetch_add_explicit(&table->holders, 1, memory_order_relaxed);
    return table;
}

void route_table_release(struct route_table *table)
{
    if (!table || atomic_fetch_sub_explicit(&table->holders, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < table->model_count; i++) {
        struct route_model_places *model = &table->models[i];
        for (size_t j = 0; j < model->count; j++)
            release_place(model->places[j]);
        free(model->places);
        struct route_budget_holder *holder = table->budgets ? table->budgets[i] : NULL;
        if (holder && atomic_fetch_sub_explicit(&holder->holders, 1, memory_order_acq_rel) == 1)
            free(holder);
    }
    free(table->models);
    free(table->budgets);
    free(table);
}

const struct route_model_places *route_table_model(const struct route_table *table, size_t model)
{
    return &table->models[model];
}

struct route_health_figures *route_table_health(const struct route_table *table,
                                                struct text provider)
{
    return find_health(table, provider);
}
