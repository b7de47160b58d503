/* gateway: see gateway.h.
 *
 * Starting goes bottom up (ledger, keys, metrics, threads beside the road, workers, doors); ending
 * the other way round: doors close, workers finish, then control, then the ledger's threads import
 * what is left. */
#include "app/gateway.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/api.h"
#include "admin/observe_rules.h"
#include "app/version.h"
#include "app/worker.h"
#include "base/clock.h"
#include "base/ensure.h"
#include "base/note.h"
#include "control/alerts.h"
#include "control/control.h"
#include "control/credential_refresher.h"
#include "control/issuer_refresher.h"
#include "control/key_refresher.h"
#include "control/ledger_thread.h"
#include "control/policy_refresher.h"
#include "control/price_list.h"
#include "exchange/model_lists.h"
#include "exchange/routing.h"
#include "identity/key_table.h"
#include "ledger/ledger.h"
#include "net/listener.h"
#include "observe/metrics.h"

/* Connections that the kernel holds for us while a worker is busy; it caps this at
 * net.core.somaxconn. */
#define LISTEN_BACKLOG 4096
/* At the end: how long the store and the reader of the access log may take for what is left. */
#define IMPORT_PATIENCE (10u * NANOSECONDS_PER_SECOND)

struct gateway {
    struct gateway_settings settings;
    struct config *config;
    struct ledger *ledger;
    struct ledger_thread *ledger_thread;
    struct key_table *keys;
    struct key_refresher *key_refresher;
    struct metrics *metrics;
    struct model_lists *model_lists;
    struct policy_refresher *policy_refresher;
    struct price_book *book;    /* of the configuration in force */
    struct route_table *routes; /* likewise */
    struct alerts *alerts;
    struct credential_refresher *credentials;
    struct issuer_refresher *issuers;
    struct control *control;
    struct api *api;
    struct worker_thread **workers;
    unsigned worker_count, started_count;
    unsigned drained_count;
    unsigned inner_count; /* connections from the admin thread, which alone counts them */
    struct tls_context *
        *door_tls; /* a row for each listener of the configuration in force; NULL: plain */
    struct loop_timer drain_timer;
    int access_log;
    uint64_t loaded_at, refused_at, loads, refused;
    bool draining; /* read by workers: is_ready */
};

/* ---- services for the workers (any thread) ---- */

static void find_object(void *owner, struct loop *loop, struct text id,
                        void (*done)(void *ticket, enum error error, const struct object *object),
                        void *ticket)
{
    struct gateway *gateway = owner;

    control_find_object(gateway->control, loop, id, done, ticket);
}

static void wait_credential(void *owner, struct loop *loop, void (*done)(void *ticket),
                            void *ticket)
{
    struct gateway *gateway = owner;

    credential_refresher_wait(gateway->credentials, loop, done, ticket);
}

static void wait_issuer_keys(void *owner, struct loop *loop, void (*done)(void *ticket),
                             void *ticket)
{
    struct gateway *gateway = owner;

    issuer_refresher_wait(gateway->issuers, loop, done, ticket);
}

static void exchange_key(void *owner, struct loop *loop, const struct key_wish *wish,
                         key_answer_taken taken, void *ticket)
{
    struct gateway *gateway = owner;

    control_exchange_key(gateway->control, wish, loop, taken, ticket);
}

static bool is_ready(void *owner, struct text *why_not)
{
    struct gateway *gateway = owner;
    struct ledger_counters counters;

    if (__atomic_load_n(&gateway->draining, __ATOMIC_RELAXED)) {
        *why_not = TEXT("draining");
        return false;
    }
    ledger_read_counters(gateway->ledger, &counters);
    if (!counters.accepting) {
        *why_not = TEXT("the ledger has no room");
        return false;
    }
    return true;
}

static bool write_metrics(void *owner, struct buffer *out)
{
    struct gateway *gateway = owner;

    return metrics_write(gateway->metrics, out);
}

/* ---- what a configuration needs from the system ---- */

/* Everything that can fail is done here, on the main thread, before any worker hears of it. */
struct preparation {
    struct tls_context **provider_tls; /* a row for each provider */
    struct tls_context **door_tls;     /* a row for each listener */
    int *descriptors;                  /* listener * workers; -1: stays open */
    struct api_plan admin;
    struct price_book *book;
    struct route_table *routes;
    bool prices_refused; /* that is why it cannot be put into force */
    const struct config *config;
    unsigned workers;
};

static void discard(struct preparation *preparation)
{
    const struct config *config = preparation->config;

    for (size_t i = 0; preparation->provider_tls && i < config->provider_count; i++)
        tls_context_release(preparation->provider_tls[i]);
    for (size_t i = 0; preparation->door_tls && i < config->listener_count; i++)
        tls_context_release(preparation->door_tls[i]);
    for (size_t i = 0;
         preparation->descriptors && i < config->listener_count * preparation->workers; i++) {
        if (preparation->descriptors[i] >= 0)
            close(preparation->descriptors[i]);
    }
    price_book_release(preparation->book);
    route_table_release(preparation->routes);
    api_discard(&preparation->admin);
    free(preparation->provider_tls);
    free(preparation->door_tls);
    free(preparation->descriptors);
}

static enum error prepare_providers(struct preparation *preparation, char *problem)
{
    const struct config *config = preparation->config;
    char reason[TLS_REASON_SIZE];

    for (size_t i = 0; i < config->provider_count; i++) {
        const struct config_provider *provider = &config->providers[i];
        if (!provider->endpoint.tls)
            continue;
        enum error error =
            tls_client_context_create(&provider->tls, &preparation->provider_tls[i], reason);
        if (error != ERROR_OK) {
            snprintf(problem, GATEWAY_PROBLEM_SIZE, "provider %.*s: %s", TEXT_ARG(provider->name),
                     reason);
            return error;
        }
    }
    return ERROR_OK;
}

/* The listener of the configuration in force that is the same door: same name, same address. */
static const struct config_listener *same_door(const struct config *old,
                                               const struct config_listener *wanted, size_t *index)
{
    for (size_t i = 0; old && i < old->listener_count; i++) {
        const struct config_listener *listener = &old->listeners[i];
        if (text_equal(listener->name, wanted->name) &&
            text_equal(listener->address_text, wanted->address_text)) {
            *index = i;
            return listener;
        }
    }
    return NULL;
}

/* Sockets that share a port by SO_REUSEPORT would share it with another gateway of the same user as
 * well, and each would get some of the calls: the first look is without it. */
static enum error probe_door(const struct config_listener *listener)
{
    int descriptor = -1;
    enum error error = listener_bind(&listener->address, false, LISTEN_BACKLOG, &descriptor);

    if (error == ERROR_OK)
        close(descriptor);
    return error;
}

static enum error bind_door(struct preparation *preparation, size_t index, char *problem)
{
    const struct config_listener *listener = &preparation->config->listeners[index];
    bool local = listener->address.any.sa_family == AF_UNIX;
    int *descriptors = &preparation->descriptors[index * preparation->workers];
    enum error error = local ? ERROR_OK : probe_door(listener);

    for (unsigned i = 0; i < preparation->workers && error == ERROR_OK; i++) {
        if (local && i > 0)
            descriptors[i] = fcntl(descriptors[0], F_DUPFD_CLOEXEC, 0);
        else
            error = listener_bind(&listener->address, !local, LISTEN_BACKLOG, &descriptors[i]);
        if (local && i > 0 && descriptors[i] < 0)
            error = ERROR_TOO_MANY_FILES;
    }
    if (error != ERROR_OK)
        snprintf(problem, GATEWAY_PROBLEM_SIZE,
                 "listener %.*s: cannot listen on %.*s: %s. Choose another address: "
                 "listeners.%.*s.address, or --listen with --quick-start.",
                 TEXT_ARG(listener->name), TEXT_ARG(listener->address_text),
                 error == ERROR_EXISTS ? "another process listens there" : error_meaning(error),
                 TEXT_ARG(listener->name));
    return error;
}

static enum error prepare_doors(struct gateway *gateway, struct preparation *preparation,
                                char *problem)
{
    const struct config *config = preparation->config;
    char reason[TLS_REASON_SIZE];

    for (size_t i = 0; i < config->listener_count; i++) {
        const struct config_listener *listener = &config->listeners[i];
        size_t before = 0;
        bool stays = same_door(gateway->config, listener, &before) != NULL;
        if (listener->tls_enabled) {
            const struct tls_context *previous = stays ? gateway->door_tls[before] : NULL;
            enum error error = tls_server_context_create(&listener->tls, previous,
                                                         &preparation->door_tls[i], reason);
            if (error != ERROR_OK) {
                snprintf(problem, GATEWAY_PROBLEM_SIZE, "listener %.*s: %s",
                         TEXT_ARG(listener->name), reason);
                return error;
            }
        }
        if (stays)
            continue;
        enum error error = bind_door(preparation, i, problem);
        if (error != ERROR_OK)
            return error;
    }
    return ERROR_OK;
}

static enum error prepare_prices(struct preparation *preparation, char *problem)
{
    char reason[PRICE_LIST_PROBLEM_SIZE];
    enum error error = price_list_make(preparation->config, &preparation->book, reason);

    preparation->prices_refused = error != ERROR_OK;
    if (error)
        snprintf(problem, GATEWAY_PROBLEM_SIZE, "%s", reason);
    return error;
}

static enum error prepare(struct gateway *gateway, const struct config *config,
                          struct preparation *preparation, char *problem)
{
    size_t descriptors = config->listener_count * gateway->worker_count;

    *preparation = (struct preparation){.config = config,
                                        .workers = gateway->worker_count,
                                        .admin.doors = {{.descriptor = -1}, {.descriptor = -1}}};
    preparation->provider_tls =
        ensure_memory(calloc(config->provider_count, sizeof(struct tls_context *)));
    preparation->door_tls =
        ensure_memory(calloc(config->listener_count, sizeof(struct tls_context *)));
    preparation->descriptors = ensure_memory(malloc(descriptors * sizeof(int)));
    for (size_t i = 0; i < descriptors; i++)
        preparation->descriptors[i] = -1;
    preparation->routes = ensure_memory(routing_create(config, gateway->routes));
    enum error error = prepare_prices(preparation, problem);
    if (error == ERROR_OK)
        error = prepare_providers(preparation, problem);
    if (error == ERROR_OK)
        error = prepare_doors(gateway, preparation, problem);
    if (error == ERROR_OK)
        error = api_prepare(gateway->api, config, &preparation->admin, problem);
    if (error != ERROR_OK)
        discard(preparation);
    return error;
}

static struct tls_context *hold(struct tls_context *context)
{
    return context ? tls_context_hold(context) : NULL;
}

static void note_price_list(const struct price_book *old, const struct price_book *new)
{
    struct text version = catalog_version(price_book_catalog(new));

    if (old && !text_equal(catalog_version(price_book_catalog(old)), version))
        note_info("prices", "price list %.*s is in force", TEXT_ARG(version));
}

/* From here on tokens are fetched for the credentials of this configuration. A row for each
 * provider. */
static struct credential_pool **make_pools(struct gateway *gateway, struct config *config)
{
    struct credential_pool **pools =
        ensure_memory(calloc(config->provider_count, sizeof(struct credential_pool *)));
    enum error error = credential_refresher_configure(gateway->credentials, config, pools);

    if (error != ERROR_OK)
        note_error("credentials", "tokens cannot be fetched: %s", error_meaning(error));
    return pools;
}

/* The same for the keys of issuers. A row for each. */
static struct issuer_keys **make_issuer_keys(struct gateway *gateway, struct config *config)
{
    struct issuer_keys **keys =
        ensure_memory(calloc(config->issuer_count + 1, sizeof(struct issuer_keys *)));
    enum error error = issuer_refresher_configure(gateway->issuers, config, keys);

    if (error != ERROR_OK)
        note_error("issuers", "keys of issuers cannot be fetched: %s", error_meaning(error));
    return keys;
}

/* Each worker gets its own copy of what was prepared. */
static void put_into_force(struct gateway *gateway, struct config *config,
                           struct preparation *preparation)
{
    struct credential_pool **pools = make_pools(gateway, config);
    struct issuer_keys **issuer_keys = make_issuer_keys(gateway, config);

    for (unsigned i = 0; i < gateway->worker_count; i++) {
        struct worker_plan *plan =
            worker_plan_create(config, preparation->book, preparation->routes);
        for (size_t j = 0; j < config->provider_count; j++) {
            plan->trust[j].tls = hold(preparation->provider_tls[j]);
            plan->trust[j].pool = credential_pool_hold(pools[j]);
        }
        for (size_t j = 0; j < config->issuer_count; j++)
            plan->issuer_keys[j] = issuer_keys_hold(issuer_keys[j]);
        for (size_t j = 0; j < config->listener_count; j++) {
            int *descriptor = &preparation->descriptors[j * gateway->worker_count + i];
            plan->doors[j] = (struct worker_door_plan){
                .name = config->listeners[j].name,
                .descriptor = *descriptor,
                .tls = hold(preparation->door_tls[j]),
                .metrics = config->listeners[j].metrics,
                .proofs = config->listeners[j].proofs,
                .forwarders = &config->listeners[j].forwarders,
                .network_rules = config->listeners[j].network_rules,
            };
            *descriptor = -1;
        }
        plan->door_count = config->listener_count;
        worker_adopt(gateway->workers[i], plan);
    }
    for (size_t j = 0; j < config->provider_count; j++)
        credential_pool_release(pools[j]);
    free(pools);
    for (size_t j = 0; j < config->issuer_count; j++)
        issuer_keys_release(issuer_keys[j]);
    free(issuer_keys);
    for (size_t i = 0; gateway->config && i < gateway->config->listener_count; i++)
        tls_context_release(gateway->door_tls[i]);
    free(gateway->door_tls);
    gateway->door_tls = preparation->door_tls;
    preparation->door_tls = NULL;
    note_price_list(gateway->book, preparation->book);
    price_book_release(gateway->book);
    gateway->book = preparation->book;
    route_table_release(gateway->routes);
    gateway->routes = preparation->routes;
    preparation->routes = NULL;
    api_apply(gateway->api, config, gateway->book, gateway->routes, &preparation->admin);
    preparation->book = NULL;
    policy_refresher_configure(gateway->policy_refresher, config);
    config_release(gateway->config);
    gateway->config = config_hold(config);
    discard(preparation);
}

static void tell_control(struct gateway *gateway)
{
    const struct control_config_facts facts = {
        .generation = gateway->config ? gateway->config->generation : 0,
        .loaded_at = gateway->loaded_at,
        .refused_at = gateway->refused_at,
        .loads = gateway->loads,
        .refused = gateway->refused,
    };

    control_set_config_facts(gateway->control, &facts);
}

static void tell_refused(struct gateway *gateway, enum alert_kind kind, struct text source,
                         struct text problem)
{
    gateway->refused++;
    gateway->refused_at = clock_wall();
    tell_control(gateway);
    if (gateway->config) /* else this process does not even start */
        alerts_raise_refusal(gateway->alerts, kind, source, problem);
}

void gateway_tell_refused_reload(struct gateway *gateway, struct text problem)
{
    tell_refused(gateway, ALERT_CONFIGURATION_REFUSED, gateway->config->source, problem);
}

enum error gateway_reload(struct gateway *gateway, struct config *config,
                          char problem[GATEWAY_PROBLEM_SIZE])
{
    struct preparation preparation;
    enum error error = prepare(gateway, config, &preparation, problem);

    if (error != ERROR_OK) {
        bool prices = preparation.prices_refused && !text_empty(config->catalog_path);
        tell_refused(gateway, prices ? ALERT_PRICES_REFUSED : ALERT_CONFIGURATION_REFUSED,
                     prices ? config->catalog_path : config->source, text_from(problem));
        return error;
    }
    put_into_force(gateway, config, &preparation);
    alerts_configure(gateway->alerts, config);
    gateway->loads++;
    gateway->loaded_at = clock_wall();
    tell_control(gateway);
    return ERROR_OK;
}

/* ---- rules that are taken back ---- */

/* On the thread of alerts, as the next. */
static bool observe_rules(void *owner, const struct text *ids, size_t count)
{
    const struct gateway *gateway = owner;

    return observe_rules_of_store(gateway->settings.data, ids, count);
}

static void tell_taken_back(void *owner)
{
    struct gateway *gateway = owner;

    gateway->settings.on_taken_back(gateway->settings.owner);
}

static void observe_listeners(void *owner)
{
    struct gateway *gateway = owner;

    loop_post(gateway->settings.loop, tell_taken_back, gateway);
}

/* ---- starting ---- */

static enum error open_access_log(struct gateway *gateway, const struct config *config,
                                  char *problem)
{
    gateway->access_log = -1;
    if (config->access_log == CONFIG_ACCESS_LOG_STDOUT) {
        gateway->access_log = STDOUT_FILENO;
    } else if (config->access_log == CONFIG_ACCESS_LOG_FILE) {
        gateway->access_log =
            open(config->access_log_path.data, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
        if (gateway->access_log < 0) {
            snprintf(problem, GATEWAY_PROBLEM_SIZE, "access_log: cannot open %s: %s",
                     config->access_log_path.data, error_meaning(error_from_errno(errno)));
            return ERROR_SYSTEM;
        }
    }
    return ERROR_OK;
}

static enum error open_ledger(struct gateway *gateway, const struct config *config, char *problem)
{
    const struct ledger_options options = {
        .data = gateway->settings.data,
        .workers = config->workers,
        .segment_size = config->ledger.segment_size,
        .journal_limit = config->ledger.journal_limit,
        .sync_interval = config->ledger.sync_interval,
    };

    return ledger_open(&options, &gateway->ledger, problem);
}

/* Before the control thread starts, whose slot this is. */
static void tell_build(struct metrics_worker *process)
{
    const struct text labels[] = {TEXT(TURNPIKE_VERSION), text_from(version_commit),
                                  text_from(version_compiler)};

    metric_series_set(metrics_series(process, METRIC_BUILD, labels), 1);
}

/* For the admin thread, whose door opens when the workers run and closes before they are gone. */
static int open_call(void *owner, const struct address *peer)
{
    struct gateway *gateway = owner;
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
        return -1;
    worker_take_inner(gateway->workers[gateway->inner_count++ % gateway->worker_count], ends[0],
                      peer);
    return ends[1];
}

static enum error start_beside(struct gateway *gateway, struct config *config, char *problem)
{
    gateway->keys = ensure_memory(key_table_create());
    gateway->metrics = ensure_memory(metrics_create(config->workers));
    gateway->model_lists = ensure_memory(model_lists_create());
    tell_build(metrics_process(gateway->metrics));
    enum error error =
        key_refresher_create(gateway->settings.data, gateway->keys, &gateway->key_refresher);
    /* What was spent before is known once it is in the store. */
    if (error == ERROR_OK && !ledger_thread_catch_up(gateway->ledger))
        note_warning("serve",
                     "the store does not take what is left in the journals: budgets do not "
                     "know yet what was spent in it");
    if (error == ERROR_OK)
        error = policy_refresher_create(gateway->settings.data, config, &gateway->policy_refresher);
    const struct alerts_settings alerts = {
        .data = gateway->settings.data,
        .ledger = gateway->ledger,
        .hands = {observe_rules, gateway->settings.on_taken_back ? observe_listeners : NULL,
                  gateway},
    };
    if (error == ERROR_OK)
        error = alerts_start(&alerts, &gateway->alerts);
    if (error == ERROR_OK)
        error = credential_refresher_start(&gateway->credentials);
    if (error == ERROR_OK)
        error = issuer_refresher_start(gateway->settings.data, &gateway->issuers);
    const struct control_settings control = {.ledger = gateway->ledger,
                                             .keys = gateway->key_refresher,
                                             .policy = gateway->policy_refresher,
                                             .alerts = gateway->alerts,
                                             .credentials = gateway->credentials,
                                             .issuers = gateway->issuers,
                                             .metrics = gateway->metrics};
    const struct ledger_thread_options threads = {
        .access_log = gateway->access_log, .access_log_brief = gateway->settings.access_log_brief};

    if (error == ERROR_OK)
        error = ledger_thread_start(gateway->ledger, &threads, &gateway->ledger_thread);
    if (error == ERROR_OK)
        error = control_start(&control, &gateway->control);
    const struct api_settings admin = {
        .office = {.data = gateway->settings.data,
                   .ledger = gateway->ledger,
                   .keys = gateway->key_refresher,
                   .provider_credentials = gateway->credentials,
                   .issuers = gateway->issuers,
                   .policy = policy_refresher_policy(gateway->policy_refresher),
                   .open_call = open_call,
                   .open_owner = gateway},
        .metrics = gateway->metrics,
    };
    if (error == ERROR_OK)
        error = api_start(&admin, &gateway->api);
    if (error != ERROR_OK)
        snprintf(problem, GATEWAY_PROBLEM_SIZE,
                 "the threads beside the workers cannot be started: %s", error_meaning(error));
    return error;
}

static void on_drained(void *owner, struct worker_thread *thread);

static enum error start_workers(struct gateway *gateway, const struct config *config, char *problem)
{
    for (unsigned i = 0; i < gateway->worker_count; i++) {
        const struct worker_settings settings = {
            .index = i,
            .journal = ledger_journal(gateway->ledger, i),
            .knocks = ledger_knocks(gateway->ledger, i),
            .keys = gateway->keys,
            .policy = policy_refresher_policy(gateway->policy_refresher),
            .metrics = metrics_worker(gateway->metrics, i),
            .model_lists = gateway->model_lists,
            .services = {find_object, wait_credential, wait_issuer_keys, exchange_key, is_ready,
                         write_metrics, gateway},
            .dns_servers = config->dns.servers,
            .dns_timeout = config->dns.timeout,
            .on_drained = on_drained,
        };
        gateway->workers[i] = worker_create(&settings);
        if (!gateway->workers[i] || worker_start(gateway->workers[i]) != ERROR_OK) {
            if (gateway->workers[i])
                worker_free(gateway->workers[i]);
            snprintf(problem, GATEWAY_PROBLEM_SIZE,
                     "worker %u cannot be started: memory or descriptors are short", i);
            return ERROR_SYSTEM;
        }
        gateway->started_count++;
    }
    return ERROR_OK;
}

static void end_threads(struct gateway *gateway);

enum error gateway_start(const struct gateway_settings *settings, struct gateway **out,
                         char problem[GATEWAY_PROBLEM_SIZE])
{
    struct gateway *gateway = ensure_memory(calloc(1, sizeof(*gateway)));
    const struct config *config = settings->config;

    gateway->settings = *settings;
    gateway->worker_count = config->workers;
    gateway->workers = ensure_memory(calloc(config->workers, sizeof(struct worker_thread *)));
    enum error error = open_access_log(gateway, config, problem);
    if (error == ERROR_OK)
        error = open_ledger(gateway, config, problem);
    if (error == ERROR_OK)
        error = start_beside(gateway, settings->config, problem);
    if (error == ERROR_OK)
        error = start_workers(gateway, config, problem);
    if (error == ERROR_OK)
        error = gateway_reload(gateway, settings->config, problem);
    if (error == ERROR_OK) {
        *out = gateway;
        return ERROR_OK;
    }
    for (unsigned i = 0; i < gateway->started_count; i++)
        worker_drain(gateway->workers[i]);
    end_threads(gateway);
    gateway_free(gateway);
    return error;
}

/* ---- ending ---- */

static void end_threads(struct gateway *gateway)
{
    for (unsigned i = 0; i < gateway->started_count; i++)
        worker_join(gateway->workers[i]);
    api_stop(gateway->api);
    /* The control thread may still answer a look-up whose caller has left: the loops stay until it
     * has ended. */
    if (gateway->control)
        control_stop(gateway->control);
    credential_refresher_stop(gateway->credentials);
    issuer_refresher_stop(gateway->issuers);
    for (unsigned i = 0; i < gateway->started_count; i++)
        worker_free(gateway->workers[i]);
    gateway->started_count = 0;
    if (gateway->ledger_thread)
        ledger_thread_stop(gateway->ledger_thread, IMPORT_PATIENCE);
    alerts_stop(gateway->alerts);
    policy_refresher_destroy(gateway->policy_refresher);
    if (gateway->key_refresher)
        key_refresher_destroy(gateway->key_refresher);
    if (gateway->ledger)
        ledger_close(gateway->ledger);
    metrics_destroy(gateway->metrics);
    model_lists_free(gateway->model_lists);
    key_table_destroy(gateway->keys);
    if (gateway->access_log > STDERR_FILENO)
        close(gateway->access_log);
}

/* A socket file outlives its socket: nobody would answer on it. */
static void remove_socket_files(const struct config *config)
{
    for (size_t i = 0; config && i < config->listener_count; i++) {
        listener_remove_path(&config->listeners[i].address);
    }
}

static void note_drained(void *owner)
{
    struct gateway *gateway = owner;

    if (++gateway->drained_count < gateway->worker_count)
        return;
    loop_timer_clear(gateway->settings.loop, &gateway->drain_timer);
    end_threads(gateway);
    remove_socket_files(gateway->config);
    gateway->settings.on_ended(gateway->settings.owner);
}

static void on_drained(void *owner, struct worker_thread *thread)
{
    struct gateway *gateway = owner;

    (void)thread;
    if (gateway->draining)
        loop_post(gateway->settings.loop, note_drained, gateway);
}

static void cut(void *owner)
{
    struct gateway *gateway = owner;

    if (gateway->started_count == 0) /* they have ended since a second signal was sent */
        return;
    note_warning("serve", "the drain's time is up: calls still open are cut and recorded as such");
    for (unsigned i = 0; i < gateway->started_count; i++)
        worker_cut(gateway->workers[i]);
}

void gateway_drain(struct gateway *gateway)
{
    if (gateway->draining) {
        cut(gateway);
        return;
    }
    __atomic_store_n(&gateway->draining, true, __ATOMIC_RELAXED);
    loop_timer_open(&gateway->drain_timer, cut, gateway);
    loop_timer_set(gateway->settings.loop, &gateway->drain_timer, gateway->config->drain_timeout);
    for (unsigned i = 0; i < gateway->worker_count; i++)
        worker_drain(gateway->workers[i]);
}

void gateway_free(struct gateway *gateway)
{
    for (size_t i = 0; gateway->config && i < gateway->config->listener_count; i++)
        tls_context_release(gateway->door_tls[i]);
    free(gateway->door_tls);
    route_table_release(gateway->routes);
    price_book_release(gateway->book);
    config_release(gateway->config);
    free(gateway->workers);
    free(gateway);
}

struct config *gateway_config(const struct gateway *gateway)
{
    return gateway->config;
}

void gateway_describe_addresses(const struct gateway *gateway, struct buffer *out)
{
    for (size_t i = 0; i < gateway->config->listener_count; i++) {
        const struct config_listener *listener = &gateway->config->listeners[i];
        bool local = listener->address.any.sa_family == AF_UNIX;
        buffer_append_format(out, "%s%s%.*s", i ? ", " : "",
                             local                   ? ""
                             : listener->tls_enabled ? "https://"
                                                     : "http://",
                             TEXT_ARG(listener->address_text));
    }
}
