/* gate: may this call pass? The whole decision from plain values.
 *
 * exchange/ asks here about each call and preview/ about each recorded one, on the clock of its
 * record: one engine, so that a preview says what will happen. Nothing here looks at a clock, a
 * connection or a body.
 *
 *   gate_admit ──▶ (targets are chosen) ──▶ gate_hold ──▶ policy_settle
 *
 * Threads and memory as in policy/policy.h: registered readers; what is held is settled once. */
#ifndef GATE_GATE_H
#define GATE_GATE_H

#include "config/snapshot.h"
#include "identity/model_rules.h"
#include "meter/price_book.h"
#include "openai/bounds.h"
#include "policy/policy.h"
#include "tables/endpoints.h"
#include "tables/refusals.h"

/* Tools that a provider runs and bills by the call. */
enum gate_tool { GATE_WEB_SEARCH, GATE_FILE_SEARCH, GATE_CODE_INTERPRETER, GATE_TOOL_COUNT };

/* What is known of a call before it is sent. Texts must stay valid until the hold is settled. */
struct gate_call {
    struct text team;                 /* may be empty */
    struct text key;                  /* its id */
    struct text tags;                 /* of the key */
    const struct model_rules *models; /* the key's own list */
    const struct endpoint *endpoint;
    struct text model;    /* as the caller named it; empty: not named */
    bool has_reference;   /* its JSON body builds on something that is stored */
    struct bounds bounds; /* what it can use at most, as far as its body tells */
    int64_t body_size;    /* bytes, or as many as are taken where that is not known … */
    bool unsized;         /* … beforehand */
    bool paid_later;      /* it is work that is billed after its answer */
    bool any_service;     /* it asks for another service than the usual ones */
    unsigned tools;       /* bits of enum gate_tool: the body speaks of them */
    bool needs_known;     /* what it needs of a model was looked at, since its targets ask … */
    unsigned needs;       /* … bits of enum route_need */
    const struct caller_limit *own_limits; /* as in struct policy_call */
    size_t own_limit_count;
    uint64_t wall, now; /* the same */
};

/* Why not. */
struct gate_refusal {
    enum refusal refusal;
    bool has_why;          /* a rule or a list of models says it; else it is a price, or memory */
    struct policy_why why; /* in the call's arena */
};

/* The bits of enum gate_tool whose names stand in `text`. */
unsigned gate_find_tools(struct text text);
struct text gate_tool_name(enum gate_tool tool); /* "web_search" */

/* What of a call has no number of its own in its record (`asked`), and back: sets only what the
 * text tells, and `bounds.choices`. Returns the length. */
#define GATE_ASKED_SIZE 192u
size_t gate_write_asked(const struct gate_call *call, char out[GATE_ASKED_SIZE]);
void gate_read_asked(struct text asked, struct gate_call *call);

/* Lists of models, then limits of calls: the first rule that says no decides. False: refused, and
 * why. `hold` is to be settled in any case. */
must_check bool gate_admit(struct policy *policy, const struct gate_call *call, struct arena *arena,
                           struct policy_hold *hold, struct gate_refusal *refusal);

/* What the call costs at most at that target, in picodollars; -1: nobody knows. */
int64_t gate_estimate(const struct gate_call *call, const struct priced_model *model);

struct gate_grant {
    int64_t cost;         /* the worst case that is held; -1: unknown, or too large to be told */
    money amount;         /* the same for budgets; 0 where the call has no price */
    int64_t output_limit; /* tokens of one choice that may be asked for; 0: as the caller says */
};

/* Holds the worst case of a call that gate_admit let pass: `models` are the prices of the targets
 * it may go to, NULL where one has none. Once for a hold that allows; after a refusal it may be
 * asked again with another call. False: refused, and why. */
must_check bool gate_hold(enum config_unpriced unpriced, const struct gate_call *call,
                          const struct priced_model *const models[], size_t count,
                          struct policy_hold *hold, struct gate_grant *grant,
                          struct gate_refusal *refusal);
/* The same for a copy that nobody waits for: all of it, in budgets alone, or nothing. */
must_check bool gate_hold_whole(enum config_unpriced unpriced, const struct gate_call *call,
                                const struct priced_model *const models[], size_t count,
                                struct policy_hold *hold, struct gate_grant *grant);

#endif
