/* worker: what the exchanges of one worker thread share.
 *
 * One per worker thread; nothing in it is touched by another thread except through loop_post to its
 * loop. The pointers are the thread's own objects or read-mostly ones (key table, configuration)
 * that say so themselves. */
#ifndef EXCHANGE_WORKER_H
#define EXCHANGE_WORKER_H

#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "config/snapshot.h"
#include "exchange/key_wish.h"
#include "exchange/upstreams.h"
#include "http/server.h"
#include "identity/key_table.h"
#include "identity/source.h"
#include "identity/token_memory.h"
#include "ledger/journal.h"
#include "ledger/knocks.h"
#include "ledger/object.h"
#include "net/loop.h"
#include "net/proxy_accept.h"
#include "net/resolver.h"
#include "observe/metrics.h"
#include "policy/policy.h"
#include "route/random.h"

struct model_lists;
struct model_question;
struct worker;

/* What only threads that may block can do; the answer is posted back to the worker's loop. */
struct worker_services {
    /* Finds which provider keeps an object: ERROR_OK, ERROR_NOT_FOUND, ERROR_STORE. `done` runs on
     * the worker's thread; `object` is valid during it. */
    void (*find_object)(void *owner, struct loop *loop, struct text id,
                        void (*done)(void *ticket, enum error error, const struct object *object),
                        void *ticket);
    /* Calls `done` on the worker's thread when a provider's token may have come, or has not within
     * some seconds; always, and once. */
    void (*wait_credential)(void *owner, struct loop *loop, void (*done)(void *ticket),
                            void *ticket);
    /* The same for the keys of issuers of tokens. */
    void (*wait_issuer_keys)(void *owner, struct loop *loop, void (*done)(void *ticket),
                             void *ticket);
    /* Makes a key in exchange for a token or certificate. `taken` runs on the worker's thread,
     * always, and once. */
    void (*exchange_key)(void *owner, struct loop *loop, const struct key_wish *wish,
                         key_answer_taken taken, void *ticket);
    /* True when the process accepts calls: ledger writable, not draining. Any thread. */
    bool (*is_ready)(void *owner, struct text *why_not);
    /* Writes /metrics. Any thread. */
    bool (*write_metrics)(void *owner, struct buffer *out);
    void *owner;
};

/* One door of one worker: a listener as the configuration names it. */
struct worker_door {
    struct worker *worker;
    struct http_server *server;
    struct text name;
    char *name_buffer;
    struct proxy_accept *accept; /* in front of the server, with which it goes */
    enum config_metrics metrics;
    uint32_t proofs; /* bits of enum principal_proof: what is accepted here */
    /* Who is believed about where callers come from. */
    struct network_table *forwarders; /* NULL: nobody */
    bool trusts_local, proxy_protocol;
    uint64_t failed_proxy; /* connections without a good PROXY header, once it is closing */
    enum source_field source_field;
    bool tls;                                  /* callers speak TLS to it */
    const struct network_rules *network_rules; /* NULL: from anywhere; in `config` */
    struct config *config;                     /* held for it; NULL as above */
    bool planned;                              /* doors_apply: the new configuration still has it */
    bool closing;                              /* takes no new connections */
    struct worker_door *next;
};

/* Gathered bytes of one read that did not lie in the read buffer: at most what one read brings, and
 * a little that was held before. */
#define WORKER_SCRATCH_MAXIMUM (4u * LOOP_READ_BUFFER_SIZE)

/* Calls read to their end though their caller has left, in one worker: each costs a connection to
 * the provider. Further ones are cancelled, and their cost estimated. */
#define WORKER_ABANDONED_MAXIMUM 1024u

struct worker {
    unsigned index;
    struct loop *loop;
    struct resolver *resolver;
    struct upstreams *upstreams; /* of the configuration in force */
    struct journal *journal;
    struct knocks *knocks; /* connections that end before there is a call; NULL: not told */
    struct key_table *keys;
    struct key_memory *key_memory;
    struct token_memory *token_memory;
    struct policy *policy;
    struct metrics_worker *metrics;
    struct route_random random;             /* seeded by who makes the worker */
    struct model_lists *model_lists;        /* of all workers; NULL: there are none */
    struct model_question *model_questions; /* of this one, under way */
    struct worker_services services;
    struct arena_pool arena_pool;
    struct buffer scratch; /* relay.c */
    struct buffer lines;   /* header lines under construction; wiped after credentials were in it */
    struct worker_door *doors;
    struct exchange *exchanges; /* open ones, for draining and for the live view */
    size_t exchange_count;
    size_t abandoned_count; /* of these, whose caller has left */
    size_t mirror_count;    /* of these, copies */
    size_t echo_count;      /* of these, streamed echoes */
    bool draining;
};

#endif
