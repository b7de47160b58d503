/* policy_refresher: keeps the rules in force in step with the store.
 *
 * For the control thread: it may block on the disk. Rules are read whole when anything
 * administrative has changed; a store that cannot be read leaves those in force that are. It also
 * tells policy what was spent before this process, from the ledger's rollups. */
#ifndef CONTROL_POLICY_REFRESHER_H
#define CONTROL_POLICY_REFRESHER_H

#include <stdint.h>

#include "config/snapshot.h"
#include "policy/policy.h"
#include "store/store.h"
#include "tables/error.h"

#define POLICY_REFRESHER_PROBLEM_SIZE 512u

struct policy_refresher;

/* `data` is the data directory, which exists. Rules name networks of `config`, which is held; NULL:
 * there are no names. Makes the policy and loads the rules before it
 * returns; a store that cannot be read is no error, as in key_refresher.h. ERROR_MEMORY;
 * ERROR_ARGUMENT for a path that is too long. */
must_handle enum error policy_refresher_create(const char *data, struct config *config,
                                               struct policy_refresher **out);
/* After the workers have stopped. Takes the policy with it. NULL is fine. */
void policy_refresher_destroy(struct policy_refresher *refresher);

/* Lives as long as the refresher. */
struct policy *policy_refresher_policy(struct policy_refresher *refresher);

/* Another configuration is in force: rules name its networks from the next step on. Any thread. */
void policy_refresher_configure(struct policy_refresher *refresher, struct config *config);

/* Brings the rules up to date and ticks the accounts; some microseconds when nothing has changed.
 * Notes problems once. */
void policy_refresher_step(struct policy_refresher *refresher);

/* Once, for `turnpike preview`: puts the store's rules in force in `policy`, as they are at this
 * moment, within the caller's transaction if there is one; `config` has the networks that they
 * name. As policy_replace, and the store's
 * errors; `problem` has words for a rule that cannot be used, else it is empty. */
must_handle enum error policy_refresher_load(struct store *store, const struct config *config,
                                             struct policy *policy, uint64_t wall,
                                             char problem[STORE_PROBLEM_SIZE]);

/* Copied under a lock, any thread. */
struct policy_refresher_state {
    bool loaded;            /* the store's rules were read at least once */
    bool working;           /* the last step could read the store, and the rules could be used */
    uint64_t budgets;       /* in force */
    uint64_t limits;        /* in force */
    uint64_t network_rules; /* in force */
    uint64_t updated_at;    /* wall time of the last change of rules, nanoseconds */
    char problem[POLICY_REFRESHER_PROBLEM_SIZE]; /* for a person; empty when all is well */
};
void policy_refresher_read_state(struct policy_refresher *refresher,
                                 struct policy_refresher_state *out);

#endif
