/* network_rules: one list of rules about where calls may come from, and what it says of a source.
 *
 * The most specific rule that has the source decides: the one with the longest range. Of equal
 * ranges a denial is stronger. A source that no rule has is refused by a list that allows anything
 * (whoever names some means only those), and let through by one that only denies.
 *
 * A rule is enforced or observed. What is in force is what the enforced rules say alone: an
 * observed one changes nothing. What all rules would say, as if they were enforced, is told beside
 * it.
 *
 * A list is made once and then only read, by any thread; a look-up takes well under a microsecond
 * with 100,000 rules (identity/network.h). */
#ifndef IDENTITY_NETWORK_RULES_H
#define IDENTITY_NETWORK_RULES_H

#include "identity/network.h"

/* Of one list. A rule that names a network stands for each of its ranges. */
#define NETWORK_RULES_RANGES_MAX 4000000u

struct network_rule {
    struct text id;      /* for records and refusals */
    struct text network; /* as written: "office", "10.0.0.0/8", "unix" */
    const struct network *ranges;
    size_t range_count; /* 0: it has nobody, such as a name that is no longer defined */
    bool local;         /* callers on unix sockets; has no ranges then */
    bool denies;        /* else it allows */
    bool observed;      /* else it is enforced */
};

struct network_rules;

/* Copies everything. NULL when memory is short or there are too many ranges. */
must_check struct network_rules *network_rules_create(const struct network_rule *rules,
                                                      size_t count);
void network_rules_free(struct network_rules *rules); /* NULL is fine */

struct network_finding {
    bool refused;
    const struct network_rule *rule; /* that decided, without its ranges; NULL: none has the source
                                      */
};

struct network_findings {
    struct network_finding enforced; /* what holds */
    struct network_finding all;      /* what would hold if each rule were enforced */
};

/* `source` is an address as a network of one, or of length 0 for a caller on a unix socket. NULL
 * for `rules`: there are none, and all is allowed. */
void network_rules_judge(const struct network_rules *rules, const struct network *source,
                         struct network_findings *out);
/* Rule by rule, for showing them: NULL when `index` is past the last one. */
const struct network_rule *network_rules_at(const struct network_rules *rules, size_t index);

#endif
