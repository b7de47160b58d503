/* health: see health.h. */
#include "exchange/health.h"

#include "base/clock.h"
#include "base/note.h"

/* How often it is looked which questions are due: intervals are seconds at least. */
#define LOOK_INTERVAL (1 * NANOSECONDS_PER_SECOND)

/* One provider that is asked. */
struct check {
    struct health *health;
    const struct upstream *row;
    struct route_health_figures *figures;
    struct http_call *call; /* NULL: none is under way */
    struct text target;     /* behind it in its memory */
    uint64_t due;           /* loop_now */
    bool well;              /* what the answer's head said */
};

struct health {
    struct loop *loop;
    struct upstreams *upstreams; /* held */
    struct loop_timer timer;
    size_t count;
    struct check checks[];
};

static void end_check(struct check *check, bool well)
{
    const struct config_provider *provider = check->row->config;

    check->call = NULL;
    if (!route_health_note(check->figures, &provider->health, well, loop_now(check->health->loop)))
        return;
    if (well)
        note_info("health", "provider %.*s answers again", TEXT_ARG(provider->name));
    else
        note_warning("health", "provider %.*s does not answer: its targets are left out",
                     TEXT_ARG(provider->name));
}

static void on_head(void *owner, const struct http1_head *head)
{
    struct check *check = owner;

    check->well = head->status < 500;
}

static void on_body(void *owner, struct text bytes, bool last)
{
    struct check *check = owner;

    (void)bytes; /* what it says does not matter */
    if (last)
        end_check(check, check->well);
}

static void on_flush(void *owner)
{
    (void)owner;
}

static void on_failed(void *owner, enum error error, struct text detail)
{
    (void)error, (void)detail; /* the metrics of attempts tell them apart; here it is yes or no */
    end_check(owner, false);
}

static const struct http_call_events events = {
    .on_head = on_head,
    .on_body = on_body,
    .on_flush = on_flush,
    .on_sendable = on_flush,
    .on_failed = on_failed,
};

static void start(struct check *check)
{
    const struct route_health *rules = &check->row->config->health;
    const struct http_call_request request = {
        .method = HTTP1_GET,
        .target = check->target,
        .headers = TEXT("accept: */*\r\n"),
        .held = true,
        .timeouts = {rules->timeout, rules->timeout, rules->timeout, rules->timeout,
                     rules->timeout},
    };

    check->due = loop_now(check->health->loop) + rules->interval;
    check->well = false;
    check->call = http_call_start(check->row->origin, &request, &events, check);
}

static void look(void *owner)
{
    struct health *health = owner;

    for (size_t i = 0; i < health->count; i++) {
        struct check *check = &health->checks[i];
        if (!check->call && check->due <= loop_now(health->loop))
            start(check);
    }
    loop_timer_set(health->loop, &health->timer, LOOK_INTERVAL);
}

static void add(struct health *health, const struct upstream *row)
{
    struct check *check = &health->checks[health->count];
    struct route_health_figures *figures =
        route_table_health(health->upstreams->routes, row->config->name);
    char *target;

    if (figures && row->config->health.path.length == 0) { /* nobody would find that it is back */
        atomic_store_explicit(&figures->failures, 0, memory_order_relaxed);
        atomic_store_explicit(&figures->down, false, memory_order_relaxed);
    }
    if (row->config->health.path.length == 0 || !figures ||
        asprintf(&target, "%.*s%.*s", TEXT_ARG(row->config->endpoint.path),
                 TEXT_ARG(row->config->health.path)) < 0)
        return;
    *check = (struct check){
        .health = health, .row = row, .figures = figures, .target = text_from(target)};
    health->count++;
}

struct health *health_begin(struct worker *worker, struct health *before)
{
    const struct config *config = worker->upstreams->config;
    struct health *health =
        calloc(1, sizeof(*health) + config->provider_count * sizeof(struct check));

    health_end(before);
    if (!health)
        return NULL;
    health->loop = worker->loop;
    health->upstreams = upstreams_hold(worker->upstreams);
    loop_timer_open(&health->timer, look, health);
    for (size_t i = 0; i < config->provider_count; i++)
        add(health, &health->upstreams->rows[i]);
    if (health->count > 0) {
        loop_timer_set(health->loop, &health->timer, 1);
        return health;
    }
    health_end(health);
    return NULL;
}

void health_end(struct health *health)
{
    if (!health)
        return;
    loop_timer_clear(health->loop, &health->timer);
    for (size_t i = 0; i < health->count; i++) {
        if (health->checks[i].call)
            http_call_cancel(health->checks[i].call);
        free((char *)(uintptr_t)health->checks[i].target.data);
    }
    upstreams_release(health->upstreams);
    free(health);
}
