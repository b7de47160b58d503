/* credential_refresher: keeps the tokens of providers' credentials fresh, ahead of their expiry.
 *
 * Threads of its own do it (a token server that hangs holds up neither the control thread nor, as
 * long as it is not all of them, the other credentials). A token that was fetched is published to
 * all workers at once; the one before is freed when no worker holds it. A fetch that fails is tried
 * again with growing pauses, and the token there is serves until it expires.
 *
 * Configure from the main thread; the rest from any. */
#ifndef CONTROL_CREDENTIAL_REFRESHER_H
#define CONTROL_CREDENTIAL_REFRESHER_H

#include "config/snapshot.h"
#include "net/loop.h"
#include "provider/credential_pool.h"
#include "tables/error.h"

/* Token servers that may hang at a time before others wait. */
#define CREDENTIAL_FETCHERS 4u
/* A token is replaced this long before it expires, earlier by up to the jitter, so that not all
 * gateways ask at once; one that holds shorter, in the middle of its life. */
#define CREDENTIAL_AHEAD_SECONDS  300u
#define CREDENTIAL_JITTER_SECONDS 60u
/* What does not expire is looked at again: files of keys are edited. */
#define CREDENTIAL_REREAD_SECONDS 60u
/* Pauses after failures: the first, and the longest. */
#define CREDENTIAL_PAUSE_FIRST_SECONDS 1u
#define CREDENTIAL_PAUSE_MAX_SECONDS   60u
/* How long a call waits for a token that is not there at all: as long as a token server may take,
 * and how many calls of all workers may. */
#define CREDENTIAL_WAIT_SECONDS 12u
#define CREDENTIAL_WAITERS_MAX  10000u

struct credential_refresher;

/* ERROR_MEMORY, ERROR_SYSTEM. */
must_handle enum error credential_refresher_start(struct credential_refresher **out);
/* Fetches under way are given up. After the workers. NULL is fine. */
void credential_refresher_stop(struct credential_refresher *refresher);

/* What credentials there are from now on. Those that were there before, said in the same words,
 * keep their tokens. `pools` has a row for each provider and gets a held pool, or NULL where a
 * provider has no list. */
must_handle enum error credential_refresher_configure(struct credential_refresher *refresher,
                                                      struct config *config,
                                                      struct credential_pool **pools);

/* Calls `done` on `loop`'s thread when something about one of the providers' tokens has changed, or
 * after CREDENTIAL_WAIT_SECONDS; always, and once. */
void credential_refresher_wait(struct credential_refresher *refresher, struct loop *loop,
                               void (*done)(void *ticket), void *ticket);

/* Every credential there is, in the configuration's order. `take` must not wait. */
void credential_refresher_visit(struct credential_refresher *refresher,
                                void (*take)(void *owner, const struct pool_member_state *state),
                                void *owner);

#endif
