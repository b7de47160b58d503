/* rules: what would be in force: a configuration, and what administrators say.
 *
 * Made of the very parts that a server is made of: the snapshot of the file, its price list and
 * table of targets, the policy with the store's rules in it, the store's keys. Blocks; one thread,
 * registered with identity/reader.h. */
#ifndef PREVIEW_RULES_H
#define PREVIEW_RULES_H

#include "config/snapshot.h"
#include "identity/model_rules.h"
#include "meter/price_book.h"
#include "policy/policy.h"
#include "preview/names.h"
#include "route/place.h"
#include "store/store.h"

#define PREVIEW_PROBLEM_SIZE 1024u

struct preview_key {
    struct text id, name, team, tags;
    struct model_rules models;
    uint64_t revoked_at, expires_at; /* wall nanoseconds; 0: not */
};

struct preview_rules {
    struct config *config;
    struct price_book *book;
    struct route_table *routes;
    struct policy *policy;
    struct names keys; /* by id; the owner is a struct preview_key, in the table's arena */
    struct store *store;
    /* Wall nanoseconds: earlier than what is asked about by the longest window of a limit. What was
     * spent before comes from the store's sums; what is spent then, from the records. */
    uint64_t begins;
    bool past_wanted;
};

/* Takes a reference of its own on the configuration. `store` must outlive the rules. False and why
 * in `problem`; to be closed all the same. */
must_check bool preview_rules_open(struct preview_rules *rules, struct config *config,
                                   struct store *store, char problem[PREVIEW_PROBLEM_SIZE]);
/* Reads the store's rules and keys as they are at this moment, within the caller's transaction if
 * there is one, for calls from `since` on (wall nanoseconds); sets `begins`. False and why in
 * `problem`. */
must_check bool preview_rules_read(struct preview_rules *rules, uint64_t since,
                                   char problem[PREVIEW_PROBLEM_SIZE]);
/* Outside of the transaction: learns what the budgets' periods had spent when time begins. */
void preview_rules_begin(struct preview_rules *rules);
void preview_rules_close(struct preview_rules *rules); /* zeroed is fine */

#endif
