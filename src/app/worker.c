/* worker: see worker.h.
 *
 * Life: worker_create (main thread) -> worker_start (its thread runs the loop) -> worker_adopt, any
 * number of times (posted) -> worker_drain (posted) -> `on_drained` is called on its thread ->
 * worker_join (main thread).
 *
 * While it drains, doors refuse new connections and open exchanges finish; when the time is up
 * worker_cut ends them. */
#include "app/worker.h"

#include "app/doors.h"
#include "base/clock.h"
#include "base/ensure.h"
#include "base/note.h"
#include "exchange/count.h"
#include "exchange/exchange.h"
#include "exchange/health.h"
#include "exchange/model_lists.h"
#include "identity/reader.h"

/* Blocks kept for reuse: 8 MiB, what 1,000 calls in flight take. */
#define ARENA_BLOCKS_KEPT 1024u
/* The longest header lines for an upstream: the caller's head and what is added. */
#define LINES_MAXIMUM (128u * 1024u)
/* Gauges that are read rather than counted, and the progress of a drain. */
#define TICK       (250u * NANOSECONDS_PER_MILLISECOND)
#define DRAIN_TICK (5u * NANOSECONDS_PER_MILLISECOND)

struct worker_thread *worker_create(const struct worker_settings *settings)
{
    struct worker_thread *thread = calloc(1, sizeof(*thread));

    if (!thread)
        return NULL;
    struct worker *worker = &thread->worker;
    worker->index = settings->index;
    worker->journal = settings->journal;
    worker->knocks = settings->knocks;
    worker->keys = settings->keys;
    worker->policy = settings->policy;
    worker->metrics = settings->metrics;
    worker->model_lists = settings->model_lists;
    worker->services = settings->services;
    thread->on_drained = settings->on_drained;
    random_bytes(&worker->random, sizeof(worker->random));
    worker->key_memory = key_memory_create();
    worker->token_memory = token_memory_create();
    worker->loop = loop_create();
    arena_pool_open(&worker->arena_pool, ARENA_BLOCKS_KEPT);
    buffer_open(&worker->scratch, WORKER_SCRATCH_MAXIMUM);
    buffer_open(&worker->lines, LINES_MAXIMUM);
    if (worker->loop)
        worker->resolver =
            resolver_create(worker->loop, settings->dns_servers, settings->dns_timeout);
    if (worker->key_memory && worker->token_memory && worker->resolver &&
        buffer_reserve(&worker->scratch, WORKER_SCRATCH_MAXIMUM) &&
        demo_service_create(worker->loop, &thread->demo) == ERROR_OK)
        return thread;
    worker_free(thread);
    return NULL;
}

void worker_free(struct worker_thread *thread)
{
    struct worker *worker = &thread->worker;

    if (worker->resolver)
        resolver_destroy(worker->resolver);
    if (worker->loop)
        loop_destroy(worker->loop);
    if (worker->lines.data)
        secret_wipe(worker->lines.data, worker->lines.capacity);
    buffer_close(&worker->lines);
    buffer_close(&worker->scratch);
    arena_pool_close(&worker->arena_pool);
    key_memory_destroy(worker->key_memory);
    token_memory_destroy(worker->token_memory);
    free(thread);
}

/* ---- the thread ---- */

static void before_wait(void *owner)
{
    (void)owner;
    reader_pause();
}

static void after_wait(void *owner)
{
    (void)owner;
    reader_resume();
}

static void measure_doors(struct worker_thread *thread)
{
    struct worker *worker = &thread->worker;
    struct worker_door_counts counts = thread->counts_before;
    uint64_t open = 0;

    for (struct worker_door *door = worker->doors; door; door = door->next) {
        open += http_server_counters(door->server)->open;
        doors_count(door, &counts);
    }
    const struct {
        struct text reason;
        uint64_t count;
    } refused[] = {{TEXT("tls"), counts.failed_tls},
                   {TEXT("proxy_protocol"), counts.failed_proxy},
                   {TEXT("limit"), counts.over_limit}};
    metrics_set(worker->metrics, METRIC_CONNECTIONS, open);
    metrics_set(worker->metrics, METRIC_CONNECTIONS_ACCEPTED, counts.accepted);
    for (size_t i = 0; i < ARRAY_LENGTH(refused); i++)
        metric_series_set(
            metrics_series(worker->metrics, METRIC_CONNECTIONS_REFUSED, &refused[i].reason),
            refused[i].count);
}

static void measure_upstreams(struct worker *worker)
{
    for (size_t i = 0; i < worker->upstreams->config->provider_count; i++) {
        const struct upstream *row = &worker->upstreams->rows[i];
        const struct text *name = &row->config->name;
        metric_series_set(metrics_series(worker->metrics, METRIC_UPSTREAM_OPEN, name),
                          http_origin_open_count(row->origin));
        metric_series_set(metrics_series(worker->metrics, METRIC_UPSTREAM_IDLE, name),
                          http_origin_idle_count(row->origin));
    }
}

static void tick(void *owner)
{
    struct worker_thread *thread = owner;

    measure_doors(thread);
    if (thread->worker.upstreams)
        measure_upstreams(&thread->worker);
    if (thread->worker.upstreams && thread->worker.index == 0)
        count_breakers(thread->worker.metrics, thread->worker.upstreams->config,
                       thread->worker.upstreams->routes, loop_now(thread->worker.loop));
    loop_timer_set(thread->worker.loop, &thread->tick, TICK);
}

static void *run(void *owner)
{
    struct worker_thread *thread = owner;
    struct loop *loop = thread->worker.loop;

    reader_register();
    loop_on_wait(loop, before_wait, after_wait, thread);
    loop_timer_open(&thread->tick, tick, thread);
    loop_timer_set(loop, &thread->tick, TICK);
    loop_run(loop);
    reader_unregister();
    return NULL;
}

enum error worker_start(struct worker_thread *thread)
{
    char name[16];

    if (pthread_create(&thread->thread, NULL, run, thread) != 0)
        return ERROR_SYSTEM;
    snprintf(name, sizeof(name), "worker-%u", thread->worker.index);
    (void)pthread_setname_np(thread->thread, name);
    return ERROR_OK;
}

void worker_join(struct worker_thread *thread)
{
    pthread_join(thread->thread, NULL);
}

/* ---- plans ---- */

static void adopt(void *owner)
{
    struct worker_plan *plan = owner;
    struct worker_thread *thread = plan->thread;
    struct worker *worker = &thread->worker;
    struct upstreams *upstreams =
        upstreams_create(worker->loop, worker->resolver, plan->config, plan->book, plan->routes,
                         plan->trust, demo_service_open, thread->demo);

    if (upstreams && !upstreams_set_issuers(upstreams, plan->issuer_keys)) {
        upstreams_release(upstreams);
        upstreams = NULL;
    }
    if (!upstreams) {
        note_error("worker",
                   "worker %u has no memory for configuration %llu and goes on with the old one",
                   worker->index, (unsigned long long)plan->config->generation);
        ensure(worker->upstreams); /* at start there is no old one */
    } else {
        upstreams_release(worker->upstreams);
        worker->upstreams = upstreams;
        if (worker->index == 0 && !worker->draining)
            thread->health = health_begin(worker, thread->health);
        doors_apply(thread, plan);
    }
    worker_plan_free(plan);
}

void worker_adopt(struct worker_thread *thread, struct worker_plan *plan)
{
    plan->thread = thread;
    loop_post(thread->worker.loop, adopt, plan);
}

struct inner_connection {
    struct worker_thread *thread;
    int descriptor;
    struct address peer;
};

static void take_inner(void *owner)
{
    struct inner_connection *inner = owner;

    doors_take_inner(&inner->thread->worker, inner->descriptor, &inner->peer);
    free(inner);
}

void worker_take_inner(struct worker_thread *thread, int descriptor, const struct address *peer)
{
    struct inner_connection *inner = ensure_memory(calloc(1, sizeof(*inner)));

    *inner = (struct inner_connection){thread, descriptor, *peer};
    loop_post(thread->worker.loop, take_inner, inner);
}

struct worker_plan *worker_plan_create(struct config *config, struct price_book *book,
                                       struct route_table *routes)
{
    struct worker_plan *plan = calloc(1, sizeof(*plan));

    ensure_memory(plan);
    plan->config = config_hold(config);
    plan->book = price_book_acquire(book);
    plan->routes = route_table_hold(routes);
    plan->trust = ensure_memory(calloc(config->provider_count, sizeof(*plan->trust)));
    plan->issuer_keys = ensure_memory(calloc(config->issuer_count + 1, sizeof(*plan->issuer_keys)));
    plan->doors = ensure_memory(calloc(config->listener_count, sizeof(*plan->doors)));
    return plan;
}

void worker_plan_free(struct worker_plan *plan)
{
    for (size_t i = 0; i < plan->config->provider_count; i++) {
        tls_context_release(plan->trust[i].tls);
        credential_pool_release(plan->trust[i].pool);
    }
    for (size_t i = 0; i < plan->config->issuer_count; i++)
        issuer_keys_release(plan->issuer_keys[i]);
    for (size_t i = 0; i < plan->door_count; i++)
        tls_context_release(plan->doors[i].tls);
    price_book_release(plan->book);
    route_table_release(plan->routes);
    config_release(plan->config);
    free(plan->trust);
    free(plan->issuer_keys);
    free(plan->doors);
    free(plan);
}

/* ---- the end ---- */

static void stop_loop(void *owner)
{
    struct worker_thread *thread = owner;

    loop_stop(thread->worker.loop);
}

/* All is answered: what is left is closed, and the loop stops one turn later, when the deferred
 * ends have run. */
static void finish(struct worker_thread *thread)
{
    struct worker *worker = &thread->worker;

    health_end(thread->health);
    thread->health = NULL;
    model_lists_leave(worker);
    upstreams_release(worker->upstreams);
    worker->upstreams = NULL;
    demo_service_destroy(thread->demo);
    thread->demo = NULL;
    loop_timer_clear(worker->loop, &thread->tick);
    loop_timer_open(&thread->drain_tick, stop_loop, thread);
    loop_timer_set(worker->loop, &thread->drain_tick, DRAIN_TICK);
    thread->on_drained(worker->services.owner, thread);
}

static void drain_tick(void *owner)
{
    struct worker_thread *thread = owner;
    struct worker *worker = &thread->worker;

    doors_sweep(thread);
    if (!worker->doors && worker->exchange_count == 0) {
        finish(thread);
        return;
    }
    loop_timer_set(worker->loop, &thread->drain_tick, DRAIN_TICK);
}

static void drain(void *owner)
{
    struct worker_thread *thread = owner;
    struct worker *worker = &thread->worker;

    if (worker->draining)
        return;
    worker->draining = true;
    doors_close(worker);
    loop_timer_open(&thread->drain_tick, drain_tick, thread);
    drain_tick(thread);
}

void worker_drain(struct worker_thread *thread)
{
    loop_post(thread->worker.loop, drain, thread);
}

static void cut(void *owner)
{
    struct worker_thread *thread = owner;

    exchange_cut_all(&thread->worker);
    for (struct worker_door *door = thread->worker.doors; door; door = door->next)
        http_server_cut(door->server);
}

void worker_cut(struct worker_thread *thread)
{
    loop_post(thread->worker.loop, cut, thread);
}
