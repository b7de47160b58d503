/* token: from what was sent as a token to who calls, by the issuers of the configuration.
 *
 * In this order, so that who has no token of an issuer learns nothing of it: the form; whose it
 * says it is; the algorithm; the signature; then the times, the audience, and the rules. The cost
 * is one signature (30 to 200 microseconds), so what was found is remembered
 * (identity/token_memory.h). Registered reader threads; needs no lock and no system call. */
#ifndef IDENTITY_TOKEN_H
#define IDENTITY_TOKEN_H

#include "identity/caller_rules.h"
#include "identity/issuer_keys.h"

/* What the configuration says of an issuer, but for where its keys are. Times are nanoseconds. */
struct issuer_terms {
    struct text name;   /* in the configuration */
    struct text issuer; /* the tokens' "iss"; "spiffe://DOMAIN" also for tokens without one whose
                           "sub" lies in that trust domain */
    const struct text *audiences; /* at least one */
    size_t audience_count;
    uint32_t algorithms; /* bits of enum jwt_algorithm */
    uint64_t clock_skew;
    uint64_t token_lifetime;
    uint64_t keys_good_for; /* for so long after the last fetch that worked */
    struct caller_rules rules;
};

struct token_issuer {
    const struct issuer_terms *terms;
    struct issuer_keys *keys;
};

#define TOKEN_SEEN_SIZE 201u

struct token_finding {
    enum refusal refusal;        /* REFUSAL_NONE: `principal` is set */
    struct principal *principal; /* to be freed by who gets it */
    size_t issuer;               /* its row; the count when none was found */
    uint64_t keys_version;       /* what the signature was verified with */
    bool wants_keys;             /* a newer set of keys may change the finding */
    const char *detail;          /* why, a sentence part; or NULL */
    char seen[TOKEN_SEEN_SIZE];  /* what of the token is shown; may be empty */
};

/* `wall` is nanoseconds. */
void token_identify(struct text token, const struct token_issuer *issuers, size_t count,
                    uint64_t wall, struct token_finding *out);

#endif
