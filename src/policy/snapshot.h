/* snapshot: the rules in force, ready for look-up, immutable once published.
 *
 * Made and freed by the control thread; read by workers under read-copy-update. It points to limits
 * and accounts that live on in the next one. For policy/ only. */
#ifndef POLICY_SNAPSHOT_H
#define POLICY_SNAPSHOT_H

#include "base/arena.h"
#include "policy/account.h"
#include "policy/limit.h"
#include "policy/rules.h"

struct limit_rule {
    struct limit *counter;
    struct limit_rule *next; /* of the same subject */
    struct policy_limit limit;
    bool kept; /* the control thread's: the counter was that of the snapshot before */
};

struct budget_rule {
    struct account *account;
    struct budget_rule *next; /* of the same subject */
    struct policy_budget budget;
    bool kept;
};

/* What a call looks at of a rule. Those of a subject stand side by side. */
struct limit_line {
    struct limit *counter;
    const struct limit_rule *rule;
    int64_t amount;
    uint64_t slot_rate; /* see limit_slot_rate */
    enum policy_limit_kind kind;
    enum policy_mode mode;
};

struct budget_line {
    struct account *account;
    const struct budget_rule *rule;
    money cap, raised_cap;
    uint64_t raised_until;
    bool binds, observes; /* hard and enforced; hard and watched */
};

/* All rules about one subject; once published, it is followed by its lines and its name. */
struct subject_rules {
    _Alignas(struct budget_line) struct policy_subject subject;
    const struct policy_models *models;   /* NULL: all */
    const struct network_rules *networks; /* NULL: from anywhere */
    struct text contact;                  /* of a team; empty: none is known */
    uint16_t limit_count, budget_count;
    bool is_pattern; /* of models: found by comparing, not by its name */
    union {
        const struct limit_line *limits;
        struct limit_rule *first_limit; /* while it is made */
    };
    union {
        const struct budget_line *budgets;
        struct budget_rule *first_budget; /* while it is made */
    };
};

/* A hash table with open places, never full. */
struct snapshot_index {
    struct snapshot_place {
        uint64_t hash;
        void *item; /* NULL: free */
    } * places;
    size_t mask;
};

struct snapshot {
    struct arena arena; /* all of it but the counters */
    struct snapshot_index subjects;
    struct snapshot_index budget_ids, limit_ids;
    struct snapshot_index teams;              /* names, as texts */
    const struct subject_rules *organisation; /* NULL: no rules */
    struct subject_rules **patterns;          /* of models with a `*` */
    size_t pattern_count;
    bool has_tags;     /* some rule is about a tag */
    bool has_networks; /* some rule is about where calls come from */
    struct network_rules **networks;
    size_t network_count;
    struct limit_rule *limits;
    struct budget_rule *budgets;
    size_t limit_count, budget_count;
};

/* Checks and copies; counters are still missing. ERROR_ARGUMENT and `problem`, ERROR_LIMIT,
 * ERROR_MEMORY. */
must_handle enum error snapshot_make(const struct policy_definition *definition, char *problem,
                                     size_t problem_size, struct snapshot **out);
/* When every rule has its counter: puts what calls look at where it costs the fewest lines of
 * memory. Before that nothing can be found by subject. ERROR_MEMORY. */
must_handle enum error snapshot_finish(struct snapshot *snapshot);
/* Not what it points to. NULL is fine. */
void snapshot_free(struct snapshot *snapshot);

#define SNAPSHOT_LINE 64u /* bytes that come from memory together */
/* Of a subject's rules: itself, a few limits, a budget or two. */
#define SNAPSHOT_LINES_FETCHED 4u

/* For snapshot_find_hashed and snapshot_prefetch. */
uint64_t snapshot_hash(enum policy_scope scope, struct text name, struct text value);
/* Asks the processor for what snapshot_find_hashed will look at: first the place, then, when that
 * has come, what it points to. */
static inline void snapshot_prefetch(const struct snapshot *snapshot, uint64_t hash)
{
    __builtin_prefetch(&snapshot->subjects.places[(size_t)hash & snapshot->subjects.mask]);
}
static inline void snapshot_prefetch_rules(const struct snapshot *snapshot, uint64_t hash)
{
    const char *item = snapshot->subjects.places[(size_t)hash & snapshot->subjects.mask].item;
    for (size_t line = 0; item != NULL && line < SNAPSHOT_LINES_FETCHED; line++)
        __builtin_prefetch(item + line * SNAPSHOT_LINE);
}
const struct subject_rules *snapshot_find_hashed(const struct snapshot *snapshot, uint64_t hash,
                                                 enum policy_scope scope, struct text name,
                                                 struct text value);
/* NULL: no rules about it. */
const struct subject_rules *snapshot_find(const struct snapshot *snapshot, enum policy_scope scope,
                                          struct text name, struct text value);
bool snapshot_has_team(const struct snapshot *snapshot, struct text name);
struct budget_rule *snapshot_find_budget(const struct snapshot *snapshot, struct text id);
struct limit_rule *snapshot_find_limit(const struct snapshot *snapshot, struct text id);

#endif
