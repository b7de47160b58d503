/* choose: which targets a call may go to, in which order, and why not to the others. The one place
 * that decides, for calls and for `turnpike route explain` alike.
 *
 * Pure: what is known comes in the question, time and draws too; nothing is changed (the breaker's
 * probe is taken when a call is really sent). Any thread.
 *
 *   conditions ──▶ mirrors, canary drawn ──▶ groups by priority ──▶ strategy within a group
 *
 * A target that rests, is open or down is left out; when nothing is left by that, the answer says
 * how soon there may be. */
#ifndef ROUTE_CHOOSE_H
#define ROUTE_CHOOSE_H

#include "route/place.h"
#include "route/random.h"

struct route_candidate {
    const struct route_target_rules *rules;
    struct route_place *place;
    int64_t cost; /* what the call would cost there at most, picodollars; -1: not known */
};

struct route_question {
    const struct route_model_rules *rules;
    const struct route_candidate *candidates;
    size_t count; /* at most ROUTE_TARGETS_MAXIMUM */
    struct text team;
    const struct route_tag *tags; /* of one name the first counts */
    size_t tag_count;
    uint64_t tokens;   /* of the prompt, estimated */
    unsigned needs;    /* bits of enum route_need */
    uint64_t affinity; /* hash of the prompt's beginning */
    uint64_t now;
    struct route_random *random;
};

/* Why a target is in or out. */
enum route_standing {
    ROUTE_IN,
    ROUTE_IS_MIRROR,  /* it never answers a caller */
    ROUTE_NOT_DRAWN,  /* a canary that this call did not fall to */
    ROUTE_OTHER_TAGS, /* conditions of its `when` */
    ROUTE_OTHER_TEAM,
    ROUTE_OTHER_LENGTH,
    ROUTE_OTHER_NEEDS,
    ROUTE_LACKS, /* the call needs what it lacks */
    ROUTE_OPEN,  /* its breaker is open, or a probe is under way */
    ROUTE_RESTS, /* it said 429 and when to come back */
    ROUTE_DOWN,  /* its provider fails its health checks */
    ROUTE_STANDING_COUNT
};

struct route_choice {
    enum route_standing standing[ROUTE_TARGETS_MAXIMUM]; /* of each candidate */
    uint8_t order[ROUTE_TARGETS_MAXIMUM];                /* candidates, the first choice first */
    size_t count;
    uint8_t mirrors[ROUTE_TARGETS_MAXIMUM]; /* that get a copy of this call */
    size_t mirror_count;
    /* With count 0: true when some target would take such a call, but none can now; `wait` is then
     * how long until one may, nanoseconds. */
    bool unavailable;
    uint64_t wait;
};

void route_choose(const struct route_question *question, struct route_choice *choice);

/* Whether one can take a call now: ROUTE_IN, ROUTE_OPEN, ROUTE_RESTS or ROUTE_DOWN; `ready_at` is
 * when it may. */
enum route_standing route_availability(const struct route_model_rules *rules,
                                       struct route_place *place, uint64_t now, uint64_t *ready_at);

/* For people: "its breaker is open". */
const char *route_standing_words(enum route_standing standing);
/* For programs: "breaker_open". */
const char *route_standing_name(enum route_standing standing);
const char *route_strategy_name(enum route_strategy strategy); /* "least_latency" */
const char *route_need_name(enum route_need need);             /* "vision" */
const char *route_failure_name(enum route_failure failure);    /* "rate_limited" */

#endif
