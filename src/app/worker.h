/* worker: the thread of one worker: its loop, its doors, the built-in provider, and how they change
 * while calls go on.
 *
 * Made, started and joined by the main thread; plans and ends are posted to it. What its exchanges
 * share is struct worker (exchange/worker.h), which is its first part. */
#ifndef APP_WORKER_H
#define APP_WORKER_H

#include <pthread.h>

#include "demo/service.h"
#include "exchange/worker.h"

/* Connections of one door, or of several. */
struct worker_door_counts {
    uint64_t accepted;
    uint64_t failed_tls, failed_proxy, over_limit; /* ended before there was a call */
};

struct worker_thread {
    struct worker worker;
    pthread_t thread;
    struct demo_service *demo;
    struct health *health; /* of worker 0; NULL: nobody is asked */
    struct loop_timer tick;
    struct loop_timer drain_tick;
    struct worker_door_counts counts_before; /* of doors that are gone */
    void (*on_drained)(void *owner, struct worker_thread *thread);
};

struct worker_settings {
    unsigned index;
    struct journal *journal;
    struct knocks *knocks;
    struct key_table *keys;
    struct policy *policy;
    struct metrics_worker *metrics;
    struct model_lists *model_lists; /* of the process */
    struct worker_services services;
    const char *dns_servers;
    uint64_t dns_timeout;
    /* On the worker's thread, with services.owner: everything is answered and closed, the loop is
     * about to stop. */
    void (*on_drained)(void *owner, struct worker_thread *thread);
};

/* One listener of a configuration as one worker shall have it. */
struct worker_door_plan {
    struct text name; /* in plan->config */
    int descriptor;   /* bound and listening; -1: the door of that name stays open as it is */
    struct tls_context *tls; /* held by the plan; NULL: plain */
    enum config_metrics metrics;
    uint32_t proofs;
    const struct config_forwarders *forwarders; /* in plan->config */
    const struct network_rules *network_rules;  /* the same */
};

/* A configuration as one worker shall adopt it. */
struct worker_plan {
    struct worker_thread *thread;     /* whose it is, once worker_adopt was called */
    struct config *config;            /* held */
    struct price_book *book;          /* held */
    struct route_table *routes;       /* held */
    struct upstream_trust *trust;     /* a row for each provider, contexts held */
    struct issuer_keys **issuer_keys; /* a row for each issuer, held */
    struct worker_door_plan *doors;
    size_t door_count; /* as many as config->listener_count at most */
};

/* Main thread. NULL when memory or descriptors are short. */
must_check struct worker_thread *worker_create(const struct worker_settings *settings);
/* Before worker_start, or after worker_join. */
void worker_free(struct worker_thread *thread);
must_handle enum error worker_start(struct worker_thread *thread);
void worker_join(struct worker_thread *thread);

/* Any thread. The plan is freed by the worker when it was adopted. */
struct worker_plan *worker_plan_create(struct config *config, struct price_book *book,
                                       struct route_table *routes);
void worker_plan_free(struct worker_plan *plan);
void worker_adopt(struct worker_thread *thread, struct worker_plan *plan);
/* Any thread: a connection from within the process, see doors_take_inner. */
void worker_take_inner(struct worker_thread *thread, int descriptor, const struct address *peer);
/* Takes no more connections, finishes what is open, then calls on_drained and ends its thread. */
void worker_drain(struct worker_thread *thread);
/* The drain's time is up: ends what is still open. */
void worker_cut(struct worker_thread *thread);

#endif
