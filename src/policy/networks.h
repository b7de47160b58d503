/* networks: whether a call may come from where it comes from.
 *
 * The one place that decides it: for calls on the road, for `turnpike preview` on recorded ones,
 * for GET /turnpike/v1/whoami. Three lists may speak: the listener's (before it is known who
 * calls), then the team's and the key's. Each that is there must let the source through; the first
 * that does not is named. Plain values in, a verdict out; pure, any thread. */
#ifndef POLICY_NETWORKS_H
#define POLICY_NETWORKS_H

#include "base/arena.h"
#include "identity/network_rules.h"

enum policy_network_list {
    POLICY_NETWORK_LISTENER,
    POLICY_NETWORK_TEAM,
    POLICY_NETWORK_KEY,
    POLICY_NETWORK_LISTS
};

struct policy_network_question {
    const struct network *source; /* length 0: a caller on a unix socket */
    const struct network_rules *lists[POLICY_NETWORK_LISTS]; /* NULL: it has no rules */
};

/* What one list says. Rules belong to the list. */
struct policy_network_answer {
    bool refuses;                    /* what holds */
    bool would_refuse;               /* what would hold if observed rules were enforced */
    const struct network_rule *rule; /* behind `refuses`; NULL: no enforced rule has the source */
    const struct network_rule *watched; /* behind `would_refuse`; NULL: no rule has it */
};

struct policy_network_verdict {
    bool refused;
    enum policy_network_list by; /* when refused: the first list that says so */
    struct policy_network_answer answers[POLICY_NETWORK_LISTS];
};

void policy_judge_networks(const struct policy_network_question *question,
                           struct policy_network_verdict *verdict);
/* What a rule does whose network the configuration does not have: "lets nobody in", "denies
 * nobody". `alone`: no other enforced allowance of its list lets anybody in, so that the list
 * refuses all.
 */
const char *policy_missing_network(bool denies, bool observed, bool alone);
/* "listener", "team", "key". */
const char *policy_network_list_name(enum policy_network_list list);

#endif
