/* caller_rules: which claims of a token or a certificate make its holder who, as the configuration
 * says it.
 *
 * Plain values that the configuration owns; the first rule whose claims all match decides. Pure
 * functions, any thread. */
#ifndef IDENTITY_CALLER_RULES_H
#define IDENTITY_CALLER_RULES_H

#include <yyjson.h>

#include "identity/principal.h"
#include "tables/error.h"

/* Of one issuer or listener: a token that is new is held against each. */
#define CALLER_RULES_MAX 1024u
/* Tags of one rule; together they have PRINCIPAL_TAGS_MAX bytes. */
#define CALLER_TAGS_MAX 32u
/* Bytes of one tag's value; what is longer is cut. */
#define CALLER_TAG_VALUE_MAX 128u

/* "sub: system:serviceaccount:prod:*", or a tag: its value is a template (identity/claims.h). */
struct caller_pair {
    struct text name, value;
};

/* In the order of enum policy_limit_kind. */
enum caller_limit_kind {
    CALLER_LIMIT_REQUESTS,
    CALLER_LIMIT_TOKENS, /* in and out */
    CALLER_LIMIT_INPUT_TOKENS,
    CALLER_LIMIT_OUTPUT_TOKENS,
    CALLER_LIMIT_CONCURRENT, /* calls at the same time; has no window */
    CALLER_LIMIT_KIND_COUNT
};

/* What each caller of a rule may do in a time, as a limit of his key would say it. */
struct caller_limit {
    struct text id; /* where it stands in the configuration */
    enum caller_limit_kind kind;
    bool observed; /* what it would refuse is recorded, and passes */
    int64_t amount;
    uint64_t window; /* nanoseconds; 0 of CALLER_LIMIT_CONCURRENT */
};

struct caller_rule {
    const struct caller_pair *claims; /* at least one */
    size_t claim_count;
    struct text team;
    struct text name; /* a template; empty: the subject */
    const struct caller_pair *tags;
    size_t tag_count;
    struct model_rules models;
    const struct caller_limit *limits; /* one of a kind */
    size_t limit_count;
    struct principal_rule code;
    /* Of keys that its callers may have in exchange (docs/decisions/0045): */
    uint64_t key_lifetime; /* nanoseconds at most */
    bool key_outlives; /* the configuration says the lifetime: it may be longer than a token's */
    uint64_t keys;     /* that one caller may have at a time; 0: none */
};

struct caller_rules {
    const struct caller_rule *rows;
    size_t count;
};

/* NULL when no rule matches. */
const struct caller_rule *caller_rules_find(const struct caller_rules *rules, yyjson_val *claims);

/* Sets `code`, by what the rule says and where it stands ("issuers", the "iss"). */
void caller_rule_make_code(struct caller_rule *rule, struct text place, struct text name);
/* The rule with that code; NULL: there is none any more. */
const struct caller_rule *caller_rules_find_code(const struct caller_rules *rules,
                                                 const struct principal_rule *code);

/* What a principal is made of beside the rule. */
struct caller_facts {
    enum principal_proof proof;
    struct text issuer, subject, proof_id;
    uint64_t expires_at; /* wall nanoseconds */
};

/* The principal that the rule makes of the claims; free afterwards. A tag whose claims are missing
 * is left out; a name then becomes the subject. ERROR_LIMIT: the tags have more than
 * PRINCIPAL_TAGS_MAX bytes (none is left out for that: a budget may go by it). ERROR_MEMORY. */
must_handle enum error caller_rule_apply(const struct caller_rule *rule, yyjson_val *claims,
                                         const struct caller_facts *facts, struct principal **out);

#endif
