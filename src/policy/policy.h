/* policy: what a call may use, how often, and for how much.
 *
 * A struct policy has the rules in force (an immutable snapshot, published by read-copy-update) and
 * the accounts that they count in (long-lived, kept by the rule's id over snapshots, so that an
 * edit keeps what was counted).
 *
 * The control thread replaces the rules and ticks. The call's side (admit, reserve, settle, rates)
 * is for registered reader threads (identity/reader.h) and takes no lock, no memory but from the
 * call's arena and no system call; between its functions the thread may tell that it holds nothing,
 * since a hold references what it counts in. Each call:
 *
 *   policy_admit ──▶ policy_hold_tokens ──▶ policy_reserve ──▶ policy_settle
 *        └──refused───────────┴──────refused────────┴──refused───────▲
 *
 * Exactly one settle for each admit, whatever came between.
 *
 * Wall times are nanoseconds since 1970 and may jump; `now` is monotonic nanoseconds. Money is in
 * picodollars. */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include <stdint.h>

#include "base/arena.h"
#include "base/text.h"
#include "policy/networks.h"
#include "policy/rules.h"

#define POLICY_USEFUL_OUTPUT 16 /* tokens; a clamp below that would only annoy */
/* The control thread calls policy_tick that often; rolling budgets refill as late as that. */
#define POLICY_TICK (200 * NANOSECONDS_PER_MILLISECOND)

struct policy;
struct caller_limit; /* identity/caller_rules.h */

/* ------------------------------------------------------------------ the control thread's side */

/* A period of a budget that began before the account counted in this process. */
struct policy_past {
    struct text budget_id;
    const struct policy_subject *subject;
    uint64_t start; /* what calls of the subject have cost … */
    uint64_t end;   /* … that were admitted from `start` on and before `end`, wall times */
};

/* Where policy_replace, policy_tick and policy_refresh learn what was spent before: the ledger.
 * Sets `spent` to what those calls have cost; false when that cannot be said now (it is asked again
 * at the next tick; until then the budget counts from nothing). */
typedef bool (*policy_history)(void *context, const struct policy_past *past, money *spent);

/* NULL when memory is short. `history` may be NULL: nothing was spent before. */
must_check struct policy *policy_create(policy_history history, void *context);
/* After every reader has stopped and every hold is settled. NULL is fine. */
void policy_destroy(struct policy *policy);

#define POLICY_PROBLEM_SIZE 256u

/* Puts other rules in force, for calls from now on; those under way keep what they hold. A budget
 * or limit with the id of one before keeps its account, unless its period, zone, window or kind
 * changed. All or nothing. ERROR_ARGUMENT and what is wrong in `problem` (may be NULL),
 * ERROR_LIMIT, ERROR_MEMORY, or what timezone_load says. The calling thread must hold nothing of a
 * table. */
must_handle enum error policy_replace(struct policy *policy,
                                      const struct policy_definition *definition, uint64_t wall,
                                      char problem[POLICY_PROBLEM_SIZE]);
/* Makes coming periods ready, lets go of old ones. Each POLICY_TICK, and at once after the clock
 * jumped. The calling thread must hold nothing of a table. */
void policy_tick(struct policy *policy, uint64_t wall);
/* Calls admitted at `since` and later were recorded by now: `history` is asked again about the
 * periods that began before they were made, if they were made after that. */
void policy_refresh(struct policy *policy, uint64_t since);

struct policy_budget_state;
/* Calls `crossed` for each alert percentage that what was spent has reached and that has not been
 * told in that period by this process. */
void policy_take_crossings(struct policy *policy, uint64_t wall,
                           void (*crossed)(void *context, const struct policy_budget_state *state,
                                           uint16_t percent),
                           void *context);

/* ------------------------------------------------------------------ the call's side */

/* Texts must stay valid until the hold is settled. */
struct policy_call {
    struct text team;  /* may be empty */
    struct text key;   /* its id */
    struct text tags;  /* of the key: a JSON object of texts; may be empty */
    struct text model; /* as the caller named it; empty: the call has none */
    /* What his rule in the configuration says of its own; of callers without a key alone. */
    const struct caller_limit *own_limits;
    size_t own_limit_count;
    uint64_t wall; /* when it began: decides on the budgets' periods */
    uint64_t now;  /* monotonic */
};

enum policy_verdict {
    POLICY_ALLOWED,
    POLICY_REFUSED,  /* `why` is set */
    POLICY_NO_MEMORY /* the arena is at its end */
};

enum policy_reason { POLICY_REASON_MODEL, POLICY_REASON_LIMIT, POLICY_REASON_BUDGET };

/* Why a call is refused. Texts are in the call's arena. */
struct policy_why {
    enum policy_reason reason;
    struct policy_subject subject; /* whose rule it is */
    struct text id;                /* of the limit or budget */
    struct text name;              /* of the same, may be empty */

    bool denied; /* MODEL: the model is on the deny list; else it is not on the allow list */

    /* LIMIT */
    enum policy_limit_kind kind;
    int64_t amount;    /* of the limit */
    int64_t remaining; /* what is left of it, not negative */
    int64_t held;      /* of what is not left: held by calls under way */
    int64_t asked;     /* the least that the call would have taken */
    uint64_t window;
    uint64_t retry_after; /* nanoseconds until as much as asked is free, if nothing else comes;
                             POLICY_FOREVER: it never fits; 0: unknown, as soon as calls under way
                             have ended */

    /* BUDGET */
    enum period_kind period;
    money cap;          /* in force, a raise included */
    money left;         /* not negative */
    money needed;       /* for the least useful answer */
    uint64_t resets_at; /* wall time at which enough is free again; POLICY_FOREVER: never */
};

/* What a rule with POLICY_OBSERVE would have done. Texts are in the call's arena. */
struct policy_observed {
    enum policy_reason reason;
    struct text id;
    int64_t output_tokens; /* to these it would have limited the answer; 0: it would have refused */
    const struct policy_observed *next;
};

struct policy_limit_hold;
struct policy_budget_hold;

/* What a call has taken. All zero is an empty one; the members are policy/'s own but for
 * `observed`. Must not move between admit and settle. */
struct policy_hold {
    struct policy *policy;
    struct arena *arena;
    struct policy_call call;
    struct policy_limit_hold *limits;
    struct policy_budget_hold *budgets;
    uint32_t limit_count;
    uint32_t budget_count;
    uint32_t tag_count;
    bool tags_read;
    bool counts_tokens;                     /* some limit is of tokens */
    bool open;                              /* admitted or refused, not yet settled */
    bool reserved;                          /* policy_reserve has allowed it */
    bool extra;                             /* of policy_open_extra */
    const struct text *tags;                /* name, value, name, value … */
    const struct policy_observed *observed; /* the newest first; NULL: none */
};

/* Models, then limits of calls; takes from every such limit that applies, or from none. Limits of
 * tokens are looked up, and taken from in policy_hold_tokens. */
must_check enum policy_verdict policy_admit(struct policy *policy, const struct policy_call *call,
                                            struct arena *arena, struct policy_hold *hold,
                                            struct policy_why *why);

/* Only whether the lists of models let it pass: for showing them. */
must_check bool policy_allows_model(struct policy *policy, struct text team, struct text key,
                                    struct text model);
/* Whether there is a team of that name. */
must_check bool policy_has_team(struct policy *policy, struct text team);
/* Whether any list says something about this caller: then calls that hide their model are none of
 * his. */
must_check bool policy_restricts_models(struct policy *policy, struct text team, struct text key);

/* What team and key say about networks, for policy_judge_networks; NULL: nothing. Valid until the
 * thread next tells that it holds nothing. A branch when nobody says anything. */
void policy_find_networks(struct policy *policy, struct text team, struct text key,
                          const struct network_rules *lists[POLICY_NETWORK_LISTS]);
/* Whom the team's callers may ask, in the arena; empty: nobody is known. */
struct text policy_find_contact(struct policy *policy, struct text team, struct arena *arena);

/* What a call may use at most, in tokens. None is negative. */
struct policy_tokens {
    int64_t input;
    /* The body refers to more than it holds, and `input` is what the model can read at all: a call
     * for which that does not fit takes all that is left, so that it runs alone. */
    bool input_hidden;
    int64_t output;       /* that caller or model allow; 0 when there is no such output */
    int64_t output_least; /* fewer are no use; `output`: all or nothing */
    int64_t output_usual; /* the caller states no limit: of what is left he gets a share, of a limit
                             that is not too small at least that; 0: he states one */
    int64_t output_clamp; /* when not all of `output` is granted, no more than that */
};

/* A call that states no limit of its answer gets that part of what is left of a limit of tokens: so
 * some thirty of them fit at once, and the last ones still get their least. */
#define POLICY_TOKEN_SHARE 8

/* Holds the most that the call can use in every limit of tokens that applies, or in none. When the
 * smallest remainder of the enforced ones has fewer output tokens, `*output` is what may be asked
 * of the provider; else it is the ask's. Once per hold, after policy_admit has allowed it. */
must_check enum policy_verdict policy_hold_tokens(struct policy_hold *hold,
                                                  const struct policy_tokens *ask, int64_t *output,
                                                  struct policy_why *why);
/* The call is refused for another reason and nothing was sent: it shall use no tokens. Twice is
 * fine. */
void policy_release_tokens(struct policy_hold *hold);

/* Whether a hard, enforced budget applies, so that the call must be bounded. */
bool policy_is_capped(struct policy_hold *hold);

struct policy_ask {
    money input;            /* the most that the input can cost, and all else but output; >= 0 */
    money output_price;     /* the most that one output token can cost; >= 0 */
    int64_t output_tokens;  /* allowed by caller or model; 0 when there is no such output */
    int64_t useful_minimum; /* fewer tokens than that (and than allowed) are no use; see
                               POLICY_USEFUL_OUTPUT */
};

struct policy_grant {
    money amount; /* held: input + output_tokens * output_price, what it may cost at most */
    int64_t output_tokens; /* that may be asked of the provider, at most the ask's */
};

/* Holds the worst case in every budget that applies, or in none. When the smallest remainder of the
 * hard, enforced ones buys fewer output tokens, the grant has fewer, and what limits of tokens hold
 * of the difference goes back to them. Once per hold that allows. */
must_check enum policy_verdict policy_reserve(struct policy_hold *hold,
                                              const struct policy_ask *ask,
                                              struct policy_grant *grant, struct policy_why *why);

/* Another hold of the call that `hold` was admitted for, for what it is sent to beside: a further
 * attempt, a copy. It takes nothing from limits until it is settled: then what it used counts in
 * those of tokens, as the call's own does. policy_reserve and policy_settle as ever. `extra`
 * is zeroed and lives in the same arena, or in one that has the call's texts. */
void policy_open_extra(const struct policy_hold *hold, struct arena *arena,
                       struct policy_hold *extra);

enum policy_cost {
    POLICY_COST_KNOWN,
    POLICY_COST_NONE,    /* nothing was served: what was held is given back */
    POLICY_COST_UNKNOWN, /* something was: what was held counts as spent */
};

struct policy_actual {
    enum policy_cost state;
    money cost;        /* with POLICY_COST_KNOWN */
    bool tokens_known; /* else what is held counts */
    int64_t input_tokens;
    int64_t output_tokens;
};

/* Exactly once for each hold that policy_admit was called with, whatever it said: ends what is
 * concurrent, corrects tokens and money. A call counts at the moment it was admitted, so tokens
 * that have left the window already, and money of a period gone by, count there. Any reader thread.
 * On an all-zero hold nothing happens. */
void policy_settle(struct policy_hold *hold, const struct policy_actual *actual);

/* The tightest enforced limit of a kind. */
struct policy_rate {
    bool applies;
    int64_t limit;
    int64_t remaining; /* not negative */
    uint64_t reset;    /* nanoseconds until all of it is free, if nothing else comes */
};

struct policy_rates {
    struct policy_rate requests;
    struct policy_rate tokens; /* of all kinds of tokens */
};

/* The numbers for x-ratelimit-*: of a hold between admit (refused or not) and settle. */
void policy_rates(struct policy_hold *hold, uint64_t now, struct policy_rates *rates);

/* ------------------------------------------------------------------ reading it */

struct policy_budget_state {
    const struct policy_budget *budget; /* its `zone` and all else as defined */
    money cap;                          /* in force, a raise included */
    money used;                         /* spent and held */
    money spent;
    money held;       /* by calls under way */
    uint64_t start;   /* of the period; for rolling: of its oldest bucket */
    uint64_t end;     /* POLICY_FOREVER: never; for rolling: when the oldest bucket leaves */
    uint32_t crossed; /* bit i: thresholds[i] is reached by what was spent */
    bool complete;    /* what was spent before is known */
};

struct policy_limit_state {
    const struct policy_limit *limit;
    int64_t used;      /* in the window, or calls under way */
    int64_t remaining; /* not negative */
    uint64_t reset;    /* nanoseconds until all of it is free */
};

struct policy_visitor {
    void (*budget)(void *context, const struct policy_budget_state *state); /* NULL: not wanted */
    void (*limit)(void *context, const struct policy_limit_state *state);
    void *context;
};

/* Every budget and limit in force, in the order of the definition. What the visitor is given is
 * valid until it returns. A registered reader, or the control thread. */
void policy_walk(struct policy *policy, uint64_t wall, uint64_t now,
                 const struct policy_visitor *visitor);
/* Those that a call of this caller counts in, whatever its model: of the organisation, his team,
 * his key and its tags. False: the arena is at its end. The same threads. */
must_check bool policy_walk_caller(struct policy *policy, const struct policy_call *call,
                                   struct arena *arena, const struct policy_visitor *visitor);
/* One by id; false when there is none. `state->budget` is valid until the thread next tells that it
 * holds nothing. The same threads. */
bool policy_find_budget(struct policy *policy, struct text id, uint64_t wall,
                        struct policy_budget_state *state);

#endif
