/* seed: fills an empty store with the sample data: what administrators did (sample/past.h) and the
 * calls that were made meanwhile (sample/call.h), in the order of time.
 *
 * Calls become rows as those of a gateway do (ledger/rows.h): counted in the rollups, in the
 * bounces and in where keys are used from, in the same transaction. So every figure agrees with
 * every other. The same order of the same build, moment and number makes the same calls; ids of
 * keys and their secrets are random, always.
 *
 * Nobody else may use the store meanwhile. One thread. */
#ifndef SAMPLE_SEED_H
#define SAMPLE_SEED_H

#include "sample/past.h"
#include "sample/setting.h"

#define SEED_DAYS_MAX     366u
#define SEED_DAYS_DEFAULT 90u
#define SEED_PROBLEM_SIZE 1200u

struct seed_order {
    struct operations *operations; /* open on a store, for an owner */
    const struct setting *setting;
    uint64_t now;    /* wall-clock nanoseconds: where the data ends */
    unsigned days;   /* 1 to SEED_DAYS_MAX */
    uint64_t random; /* which of all possible data */
    /* How far it is; NULL: nobody asks. */
    void (*progress)(void *owner, uint64_t done, uint64_t total);
    void *owner;
};

struct seed_result {
    uint64_t calls;
    money cost;
    struct past past; /* keys with their secrets, to be closed */
    char problem[SEED_PROBLEM_SIZE];
};

/* Whether nothing is in the store; else `problem` says what is. */
must_check bool seed_is_empty(struct store *store, char problem[SEED_PROBLEM_SIZE]);
/* False with `problem`; the store may then have a part of it. Close the result's past either way.
 */
must_check bool seed_run(const struct seed_order *order, struct seed_result *result);

#endif
