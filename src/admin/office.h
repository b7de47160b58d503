/* office: what the admin API works with: the store, the operations on it, and the parts of the
 * running gateway that it may look at. One for the thread of the admin API, which may block. */
#ifndef ADMIN_OFFICE_H
#define ADMIN_OFFICE_H

#include "admin/attempts.h"
#include "admin/credentials.h"
#include "admin/operations.h"
#include "admin/sso.h"
#include "base/buffer.h"
#include "config/snapshot.h"
#include "control/key_refresher.h"
#include "ledger/ledger.h"
#include "meter/price_book.h"
#include "observe/metrics.h"
#include "policy/policy.h"
#include "route/place.h"

struct feed;
struct playground;

/* Milliseconds to wait for another process's lock: the importer's batches take some tens. */
#define OFFICE_STORE_PATIENCE 5000u
#define OFFICE_PATH_SIZE      4096u
/* Bytes of what a reload changed: of a kind five are named, and each says what of it. */
#define OFFICE_CHANGES_SIZE 65536u

/* All of it outlives the office. */
struct office_settings {
    const char *data;                                  /* the data directory */
    struct ledger *ledger;                             /* NULL: none is running, as in tests */
    struct key_refresher *keys;                        /* NULL likewise */
    struct policy *policy;                             /* NULL likewise */
    struct credential_refresher *provider_credentials; /* NULL likewise */
    struct issuer_refresher *issuers;                  /* NULL likewise */
    /* A connection to a worker, as if from `peer`: see admin/playground.h. NULL likewise. */
    int (*open_call)(void *owner, const struct address *peer);
    void *open_owner;
};

struct office {
    struct office_settings settings;
    struct store *store; /* NULL while it cannot be opened */
    struct operations operations;
    struct credentials credentials;
    struct attempts attempts; /* to sign in, that failed */
    struct sso sso;
    uint64_t started_at; /* wall-clock nanoseconds */
    uint64_t config_loaded_at;
    struct buffer config_changes;     /* by the last reload, a sentence a line */
    struct config *config;            /* in force; NULL until the first is */
    struct price_book *book;          /* its */
    struct route_table *routes;       /* its */
    struct playground *playground;    /* calls of administrators; NULL likewise */
    struct feed *feed;                /* live calls; NULL without a loop, as in tests */
    char problem[STORE_PROBLEM_SIZE]; /* why the store cannot be opened */
    char path[OFFICE_PATH_SIZE];      /* of the store */
};

/* ERROR_ARGUMENT for a path that is too long. The store is opened when it is needed. */
must_handle enum error office_open(struct office *office, const struct office_settings *settings);
void office_close(struct office *office);
/* The configuration in force from now on, what calls cost under it and what is known of its
 * targets; held. */
void office_set_config(struct office *office, struct config *config, struct price_book *book,
                       struct route_table *routes);
/* Opens the store if it is not open. False: `problem` says why not; what needs none still works. */
bool office_enter(struct office *office);

#endif
