/* rules: what an administrator says about budgets, limits and models, as plain data.
 *
 * The control thread makes a struct policy_definition from the store's rows and hands it to
 * policy_replace (policy/policy.h), which copies all of it; the texts belong to the caller. Names
 * of scopes, kinds and modes as people write them are here too. Pure functions, any thread. */
#ifndef POLICY_RULES_H
#define POLICY_RULES_H

#include <stdint.h>

#include "base/text.h"
#include "identity/model_rules.h"
#include "identity/network_rules.h"
#include "meter/money.h"
#include "policy/period.h"
#include "tables/error.h"

#define POLICY_RULES_MAX      1000000u /* of a kind: a million limits take 1.2 GB */
#define POLICY_MODELS_MAX     256u     /* patterns in one list: each call compares with each */
#define POLICY_PATTERNS_MAX   256u /* limits on models with a `*`: each call compares with each */
#define POLICY_THRESHOLDS_MAX 32u  /* of one budget: they are bits of a word */
#define POLICY_TAGS_MAX       128u /* of one key; its tags have 480 bytes, which is some 70 */

#define POLICY_FOREVER UINT64_MAX /* an instant that never comes */

enum policy_scope {
    POLICY_ORGANISATION, /* everything together */
    POLICY_TEAM,
    POLICY_KEY,
    POLICY_TAG,   /* of the key: `subject` is the tag's name, `value` its value */
    POLICY_MODEL, /* limits only; `subject` as callers name it, a `*` stands for any run */
    POLICY_SCOPE_COUNT
};

enum policy_mode {
    POLICY_ENFORCE,
    POLICY_OBSERVE, /* counts, and notes what it would have refused */
    POLICY_MODE_COUNT
};

enum policy_limit_kind {
    POLICY_REQUESTS,
    POLICY_TOKENS, /* in and out */
    POLICY_INPUT_TOKENS,
    POLICY_OUTPUT_TOKENS,
    POLICY_CONCURRENT, /* calls at the same time; has no window */
    POLICY_LIMIT_KIND_COUNT
};

/* Whom a rule is about. */
struct policy_subject {
    enum policy_scope scope;
    struct text name;  /* team's name, key's id, tag's name, model; empty for the organisation */
    struct text value; /* of a tag; else empty */
};

/* Which models the organisation, a team or a key may use. One of each subject. */
struct policy_models {
    struct policy_subject subject;
    struct model_rules rules;
};

/* What a call looks at comes first: one line of memory. */
struct policy_budget {
    money cap;             /* picodollars; 0: nothing may be spent */
    money raised_cap;      /* the cap … */
    uint64_t raised_until; /* … before this wall time, nanoseconds; 0: not raised */
    enum policy_mode mode;
    bool soft;      /* it only alerts */
    struct text id; /* unique among budgets; its account is kept by it */
    struct text name;
    struct policy_subject subject;
    enum period_kind period;
    uint64_t rolling;           /* length of a PERIOD_ROLLING, nanoseconds: see period.h */
    struct text zone;           /* "Europe/Berlin"; empty: UTC */
    const uint16_t *thresholds; /* per cent of the cap, rising */
    size_t threshold_count;     /* at most POLICY_THRESHOLDS_MAX */
};

#define POLICY_WINDOW_MIN (NANOSECONDS_PER_SECOND)
#define POLICY_WINDOW_MAX (24 * 3600 * NANOSECONDS_PER_SECOND)

struct policy_limit {
    enum policy_limit_kind kind;
    enum policy_mode mode;
    int64_t amount;  /* calls or tokens, not negative */
    uint64_t window; /* nanoseconds, POLICY_WINDOW_MIN to POLICY_WINDOW_MAX; 0 for POLICY_CONCURRENT
                      */
    struct text id;  /* unique among limits; its window is kept by it */
    struct text name;
    struct policy_subject subject;
};

/* From where a team or a key may call, all of it together: one of each subject. */
struct policy_networks {
    struct policy_subject subject; /* a team or a key */
    const struct network_rule *rules;
    size_t rule_count;
};

/* Whom a caller of the team may ask. */
struct policy_contact {
    struct text team, contact;
};

struct policy_definition {
    const struct policy_models *models;
    size_t model_count;
    const struct policy_budget *budgets;
    size_t budget_count;
    const struct policy_limit *limits;
    size_t limit_count;
    const struct policy_networks *networks;
    size_t network_count;
    const struct policy_contact *contacts;
    size_t contact_count;
    const struct text *teams; /* that there are, whether or not there is a rule about them */
    size_t team_count;
};

/* "organisation", "team", "key", "tag", "model". */
const char *policy_scope_name(enum policy_scope scope);
/* "enforce", "observe". */
const char *policy_mode_name(enum policy_mode mode);
/* "requests", "tokens", "input_tokens", "output_tokens", "concurrent". */
const char *policy_limit_kind_name(enum policy_limit_kind kind);
must_check bool policy_scope_from(struct text name, enum policy_scope *scope);
must_check bool policy_mode_from(struct text name, enum policy_mode *mode);
must_check bool policy_limit_kind_from(struct text name, enum policy_limit_kind *kind);

/* Whether the rule can be used as it is; `reason` is then NULL, else a sentence part about the
 * first thing that is wrong. Whether the zone exists is not looked at. */
const char *policy_budget_problem(const struct policy_budget *budget);
const char *policy_limit_problem(const struct policy_limit *limit);
const char *policy_models_problem(const struct policy_models *models);

#endif
