/* callers: who a recorded caller would be by the new configuration, where it is that which says who
 * calls: holders of tokens and client certificates, and of keys given in exchange for those.
 *
 * A record has the issuer and the subject, not the claims: which rule lets the caller in is told
 * where those two and the team that it was then leave one, and is else not known. Pure; any thread.
 */
#ifndef PREVIEW_CALLERS_H
#define PREVIEW_CALLERS_H

#include "config/snapshot.h"
#include "store/record.h"
#include "tables/refusals.h"

struct callers_finding {
    enum refusal refusal; /* REFUSAL_NONE: he is let in, if `unknown` is NULL */
    const char *unknown;  /* what is not known; NULL: nothing */
    const struct caller_rule
        *rule; /* of a caller without a key of his own; NULL: a key, not known */
};

void callers_find(const struct config *config, const struct record *record,
                  struct callers_finding *out);

#endif
