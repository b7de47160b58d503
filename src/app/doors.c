/* doors: see doors.h. */
#include "app/doors.h"

#include <unistd.h>

#include "base/note.h"
#include "exchange/exchange.h"
#include "exchange/knock.h"

static struct http_server_limits door_limits(const struct config *config)
{
    struct http_server_limits limits = {
        .http1 = http1_limits_default,
        .connections = config->limits.connections,
        .requests = config->limits.requests_per_connection,
        .head_timeout = config->timeouts.head,
        .body_timeout = config->timeouts.body,
        .idle_timeout = config->timeouts.keep_alive,
        .write_timeout = config->timeouts.write,
    };

    limits.http1.head_bytes = config->limits.head;
    limits.http1.header_count = config->limits.headers;
    return limits;
}

/* ---- who is believed ---- */

static void forget_forwarders(struct worker_door *door)
{
    network_table_free(door->forwarders);
    door->forwarders = NULL;
}

/* Without memory for the table nobody is believed, and the source is whoever connects. */
static void set_forwarders(struct worker_door *door, const struct config_forwarders *config)
{
    uint32_t *values = calloc(config->network_count + 1, sizeof(*values));

    forget_forwarders(door);
    if (values && config->network_count > 0)
        door->forwarders = network_table_create(config->networks, values, config->network_count);
    if (config->network_count > 0 && !door->forwarders)
        note_error("worker", "listener %.*s believes no forwarder: out of memory",
                   TEXT_ARG(door->name));
    free(values);
    door->trusts_local = config->local;
    door->source_field = config->header;
    door->proxy_protocol = config->proxy_protocol;
}

/* A door that is closing still answers on connections that are open, after its configuration has
 * gone: so it holds the one that its rules are in. */
static void set_network_rules(struct worker_door *door, struct config *config,
                              const struct network_rules *rules)
{
    config_release(door->config);
    door->config = rules ? config_hold(config) : NULL;
    door->network_rules = rules;
}

static bool announces(void *owner, const struct address *peer)
{
    const struct worker_door *door = owner;

    return door->proxy_protocol && source_is_forwarder(peer, door->forwarders, door->trusts_local);
}

static void on_connection(void *owner, int descriptor, const struct address *source)
{
    struct worker_door *door = owner;

    http_server_accept(door->server, descriptor, source);
}

/* Who is behind it is what it did not say: the balancer is the source. */
static void on_refused(void *owner, const struct address *balancer, bool missing)
{
    knock_note(owner, balancer, missing ? KNOCK_PROXY_MISSING : KNOCK_PROXY_BROKEN);
}

static const struct proxy_accept_events accept_events = {announces, on_connection, on_refused};

/* ---- opening and closing ---- */

static void free_door(struct worker_door *door)
{
    forget_forwarders(door);
    config_release(door->config);
    free(door->name_buffer);
    free(door);
}

static struct worker_door *create_door(struct worker *worker, const struct worker_door_plan *plan,
                                       const struct config *config)
{
    struct worker_door *door = calloc(1, sizeof(*door));
    struct http_server_limits limits = door_limits(config);

    if (!door)
        return NULL;
    door->name_buffer = text_duplicate(plan->name);
    door->name = text_from(door->name_buffer);
    door->worker = worker;
    if (http_server_create(worker->loop, -1, plan->tls, &limits, &exchange_server_events, door,
                           &door->server) == ERROR_OK)
        return door;
    free_door(door);
    return NULL;
}

static void open_door(struct worker *worker, const struct worker_door_plan *plan,
                      const struct config *config)
{
    struct worker_door *door = create_door(worker, plan, config);

    if (!door || proxy_accept_open(worker->loop, plan->descriptor, &accept_events, door,
                                   &door->accept) != ERROR_OK) {
        note_error("worker", "listener %.*s cannot be opened by worker %u: out of memory",
                   TEXT_ARG(plan->name), worker->index);
        if (!door) {
            close(plan->descriptor);
            return;
        }
        http_server_destroy(door->server);
        free_door(door);
        return;
    }
    door->next = worker->doors;
    worker->doors = door;
}

static struct worker_door *find_door(struct worker *worker, struct text name)
{
    for (struct worker_door *door = worker->doors; door; door = door->next) {
        if (!door->closing && text_equal(door->name, name))
            return door;
    }
    return NULL;
}

static void close_door(struct worker_door *door)
{
    if (!door->closing && door->accept) {
        door->failed_proxy = proxy_accept_counters(door->accept)->refused;
        proxy_accept_close(door->accept);
    }
    door->closing = true;
    http_server_drain(door->server);
}

void doors_close(struct worker *worker)
{
    for (struct worker_door *door = worker->doors; door; door = door->next)
        close_door(door);
}

void doors_count(const struct worker_door *door, struct worker_door_counts *counts)
{
    const struct http_server_counters *server = http_server_counters(door->server);

    counts->accepted += server->accepted;
    counts->failed_tls += server->failed_tls;
    counts->over_limit += server->refused_connections;
    counts->failed_proxy += door->failed_proxy;
    if (!door->closing && door->accept)
        counts->failed_proxy += proxy_accept_counters(door->accept)->refused;
}

void doors_sweep(struct worker_thread *thread)
{
    struct worker *worker = &thread->worker;

    for (struct worker_door **at = &worker->doors; *at;) {
        struct worker_door *door = *at;
        if (!door->closing || !http_server_is_drained(door->server)) {
            at = &door->next;
            continue;
        }
        *at = door->next;
        doors_count(door, &thread->counts_before);
        http_server_destroy(door->server);
        free_door(door);
    }
}

/* ---- the inner door ---- */

static struct worker_door *open_inner_door(struct worker *worker)
{
    const struct worker_door_plan plan = {.name = TEXT(DOORS_INNER), .descriptor = -1};
    struct worker_door *door = create_door(worker, &plan, worker->upstreams->config);

    if (!door)
        return NULL;
    door->metrics = CONFIG_METRICS_OFF;
    door->proofs = 1u << PRINCIPAL_KEY;
    door->next = worker->doors;
    worker->doors = door;
    return door;
}

void doors_take_inner(struct worker *worker, int descriptor, const struct address *peer)
{
    struct worker_door *door = find_door(worker, TEXT(DOORS_INNER));

    if (!door && worker->upstreams && !worker->draining)
        door = open_inner_door(worker);
    if (door)
        http_server_adopt(door->server, descriptor, peer);
    else
        close(descriptor);
}

/* ---- as the configuration wants it ---- */

void doors_apply(struct worker_thread *thread, const struct worker_plan *plan)
{
    struct worker *worker = &thread->worker;

    for (struct worker_door *door = worker->doors; door; door = door->next)
        door->planned = false;
    for (size_t i = 0; i < plan->door_count; i++) {
        const struct worker_door_plan *wanted = &plan->doors[i];
        struct worker_door *door = find_door(worker, wanted->name);
        if (door && wanted->descriptor >= 0)
            close_door(door);
        if (wanted->descriptor >= 0) {
            open_door(worker, wanted, plan->config);
            door = worker->doors;
        } else if (door) {
            struct http_server_limits limits = door_limits(plan->config);
            http_server_set_limits(door->server, &limits);
            http_server_set_tls(door->server, wanted->tls);
        }
        if (door) {
            door->planned = true;
            door->metrics = wanted->metrics;
            door->proofs = wanted->proofs;
            set_forwarders(door, wanted->forwarders);
            set_network_rules(door, plan->config, wanted->network_rules);
            door->tls = wanted->tls != NULL;
        }
    }
    for (struct worker_door *door = worker->doors; door; door = door->next) {
        if (!door->planned && !door->closing)
            close_door(door);
    }
    doors_sweep(thread);
}
