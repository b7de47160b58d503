/* network_rules: the rules in the store about where the keys of a team, or a key, may call from.
 *
 * What they mean is said by identity/network_rules.h; here they are rows. There is one for each
 * network of a scope. Deleted ones stay as marked rows. Statements are made for each call. Writing
 * within the caller's transaction, if there is one. Errors as in store/store.h. */
#ifndef STORE_NETWORK_RULES_H
#define STORE_NETWORK_RULES_H

#include <stdint.h>

#include "base/text.h"
#include "store/store.h"
#include "tables/error.h"

#define NETWORK_RULES_ID_PREFIX   "net_"
#define NETWORK_RULES_NETWORK_MAX 64u /* bytes: a name, or a range as it is written */

/* Times are wall-clock nanoseconds, 0: none. */
struct stored_network_rule {
    struct text id;
    struct text scope_kind;  /* team, key */
    struct text scope_value; /* team's name, key's id */
    struct text network; /* a name of the configuration, a range in its shortest form, or unix */
    struct text action;  /* allow, deny */
    struct text mode;    /* enforce, observe */
    uint64_t created_at;
    uint64_t deleted_at; /* read only: network_rules_delete sets it */
    int64_t changed;     /* read only */
};

/* Called for each row; texts are valid until it returns. */
typedef void (*network_rules_found)(void *context, const struct stored_network_rule *rule);

/* ERROR_EXISTS when the id is taken, or the scope has a rule about the network. */
must_handle enum error network_rules_insert(struct store *store,
                                            const struct stored_network_rule *rule);
/* Calls `found` once. ERROR_NOT_FOUND when there is none or it was deleted. */
must_handle enum error network_rules_find(struct store *store, struct text id,
                                          network_rules_found found, void *context);
/* All that are not deleted, by scope, then by network. */
must_handle enum error network_rules_list(struct store *store, network_rules_found found,
                                          void *context);
/* Those of one scope that are not deleted, by network. */
must_handle enum error network_rules_list_scope(struct store *store, struct text kind,
                                                struct text value, network_rules_found found,
                                                void *context);
/* Action and mode become those of `rule`. ERROR_NOT_FOUND. */
must_handle enum error network_rules_update(struct store *store,
                                            const struct stored_network_rule *rule);
must_handle enum error network_rules_delete(struct store *store, struct text id, uint64_t time);

#endif
