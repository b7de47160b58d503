/* issuer_refresher: keeps the public keys of the configuration's issuers at hand, ahead of need.
 *
 * Threads of its own fetch them (an issuer that hangs holds up nobody else as long as not all of
 * them hang): at the start, then every `refresh`, after failures with growing pauses, and at once
 * when a token names a key that is not known, no more often than ISSUER_KEYS_PAUSE. What was
 * fetched is published to all workers; when nothing can be, the last keys count for `keys_good_for`
 * (identity/token.h). Nothing waits for any of it but calls whose token cannot be verified without,
 * and those for ISSUER_WAIT_SECONDS at most.
 *
 * Configure from the main thread; the rest from any. */
#ifndef CONTROL_ISSUER_REFRESHER_H
#define CONTROL_ISSUER_REFRESHER_H

#include "config/snapshot.h"
#include "identity/issuer_keys.h"
#include "net/loop.h"
#include "tables/error.h"

/* Issuers that may hang at a time before others wait. */
#define ISSUER_FETCHERS 2u
/* Files of keys are looked at that often. */
#define ISSUER_FILE_SECONDS 60u
/* Pauses after failures: the first, and the longest. */
#define ISSUER_PAUSE_FIRST_SECONDS 1u
#define ISSUER_PAUSE_MAX_SECONDS   60u
/* How long a call waits for keys that are being fetched, and how many calls of all workers may: who
 * sends tokens of unknown keys shall hold few connections for long. */
#define ISSUER_WAIT_SECONDS 5u
#define ISSUER_WAITERS_MAX  1000u
#define ISSUER_PROBLEM_SIZE 512u

struct issuer_refresher;

/* `data` is the data directory, where the last keys are kept (control/issuer_shelf.h); it must
 * outlive the refresher. NULL: they are not. ERROR_MEMORY, ERROR_SYSTEM. */
must_handle enum error issuer_refresher_start(const char *data, struct issuer_refresher **out);
/* Fetches under way are given up. After the workers. NULL is fine. */
void issuer_refresher_stop(struct issuer_refresher *refresher);

/* Which issuers there are from now on. Those that were there before, said in the same words, keep
 * their keys. `keys` has a row for each and gets them held. ERROR_SYSTEM: no thread can be started.
 */
must_handle enum error issuer_refresher_configure(struct issuer_refresher *refresher,
                                                  struct config *config, struct issuer_keys **keys);

/* Calls `done` on `loop`'s thread when one of the issuers' keys were fetched or could not be, or
 * after ISSUER_WAIT_SECONDS; always, and once. */
void issuer_refresher_wait(struct issuer_refresher *refresher, struct loop *loop,
                           void (*done)(void *ticket), void *ticket);

/* For metrics and people; times are wall nanoseconds, 0: never. Texts are valid during the visit.
 */
struct issuer_state {
    struct text name;
    bool up;             /* it has keys, and the last fetch did not fail */
    bool kept;           /* they are of before the start, and were not fetched since */
    uint64_t keys;       /* that verify signatures */
    uint64_t fetched_at; /* the last time that it worked */
    uint64_t good_until; /* they count till then, if none can be fetched; 0: it has none */
    uint64_t fetches, failures;
    struct text problem; /* of the last fetch; empty: none */
};
/* Every issuer there is, in the configuration's order. `take` must not wait. */
void issuer_refresher_visit(struct issuer_refresher *refresher,
                            void (*take)(void *owner, const struct issuer_state *state),
                            void *owner);

#endif
