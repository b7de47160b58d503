/* parts: what policy.c, admit.c, reserve.c and walk.c share; for policy/ only.
 * Ownership and threads as in policy.h. */
#ifndef POLICY_PARTS_H
#define POLICY_PARTS_H

#include <stdatomic.h>

#include "policy/own_limits.h"
#include "policy/policy.h"
#include "policy/snapshot.h"

struct loaded_zone {
    struct text name; /* its bytes are behind it */
    struct time_zone *zone;
    struct loaded_zone *next;
};

struct policy {
    struct snapshot *_Atomic snapshot; /* never NULL */
    struct own_limits *own_limits;

    /* The control thread's: */
    policy_history history;
    void *context;
    struct loaded_zone *zones;              /* kept until the end: accounts point to them */
    uint64_t calm_from, calm_until;         /* between them a tick has nothing to roll */
    bool bases_known;                       /* every period knows what was spent before it */
    uint64_t made_at;                       /* wall time at which the last periods were made */
    struct account_period *leaving_periods; /* out of sight of every reader, some still held */
    struct limit *leaving_limits;
    uint64_t let_go_at; /* wall time at which idle counters of own_limits were last looked for */
    struct account *leaving_accounts;
};

struct policy_limit_hold {
    struct limit *counter;
    enum policy_limit_kind kind;
    enum policy_mode mode;
    int64_t amount; /* of the rule */
    int64_t taken;
    int64_t taken_output; /* of that: for the answer */
    uint64_t slot;
    bool counted; /* something was taken, if only 0 */
};

struct policy_budget_hold {
    struct account *account;
    struct account_period *period;
    money held;
};

/* Those that a call may meet: organisation, team, key, the limits of his rule in the configuration,
 * its tags, the model, patterns of it. */
#define SUBJECTS_MAX (5 + POLICY_TAGS_MAX + POLICY_PATTERNS_MAX)

static inline const struct snapshot *policy_snapshot(const struct policy *policy)
{
    return atomic_load_explicit(&policy->snapshot, memory_order_acquire);
}

/* The rules that apply to the hold's call (at most SUBJECTS_MAX), of the model only with
 * `with_model`; how many. False: the arena is at its end. */
must_check bool policy_find_subjects(const struct snapshot *snapshot, struct policy_hold *hold,
                                     bool with_model, const struct subject_rules **out,
                                     size_t *count);

/* Copies into the call's arena; empty when that is at its end (a refusal is given all the same). */
struct text policy_copy(struct policy_hold *hold, struct text text);
struct policy_subject policy_copy_subject(struct policy_hold *hold,
                                          const struct policy_subject *subject);
/* Notes what an observing rule would have done: see struct policy_observed. */
void policy_note(struct policy_hold *hold, enum policy_reason reason, struct text id,
                 int64_t output_tokens);

static inline bool policy_is_of_tokens(enum policy_limit_kind kind)
{
    return kind != POLICY_REQUESTS && kind != POLICY_CONCURRENT;
}

static inline bool policy_counts_input(enum policy_limit_kind kind)
{
    return kind == POLICY_TOKENS || kind == POLICY_INPUT_TOKENS;
}

static inline bool policy_counts_output(enum policy_limit_kind kind)
{
    return kind == POLICY_TOKENS || kind == POLICY_OUTPUT_TOKENS;
}

static inline int64_t policy_left(int64_t amount, int64_t used)
{
    return used >= amount ? 0 : amount - used;
}

/* No number of tokens so large that a sum could overflow. */
static inline int64_t policy_clamp_tokens(int64_t tokens)
{
    if (tokens < 0)
        return 0;
    return tokens > LIMIT_ASK_MAX / 2 ? LIMIT_ASK_MAX / 2 : tokens;
}

/* The answer is limited to so many tokens: what was held of more goes back. */
void policy_trim_tokens(struct policy_hold *hold, int64_t output_tokens);

/* The cap in force. */
static inline money policy_cap(const struct policy_budget *budget, uint64_t wall)
{
    return wall < budget->raised_until ? budget->raised_cap : budget->cap;
}

#endif
