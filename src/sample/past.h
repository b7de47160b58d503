/* past: what administrators did before now: teams, keys, budgets, limits and rules made, changed
 * and ended, each by the operation that does it today (admin/operations.h) on the clock of then. So
 * the audit tells it as it tells everything else.
 *
 * The story is told for 90 days; with fewer or more its moments lie closer or farther apart. One
 * thread. */
#ifndef SAMPLE_PAST_H
#define SAMPLE_PAST_H

#include "admin/operations.h"
#include "sample/cast.h"

#define PAST_ID_SIZE 24u

/* From where to where, in wall-clock nanoseconds. */
struct timeline {
    uint64_t begin, end;
};

/* The moment that in 90 days lies `days` before the end. */
uint64_t timeline_moment(const struct timeline *timeline, double days);

/* What has become of a key of the cast. Times are 0 until then. */
struct past_key {
    char id[PAST_ID_SIZE];
    struct secret *secret; /* the one that is good now */
    uint64_t made_at, revoked_at, expires_at;
};

/* Rules by which calls were refused, or would have been; empty until they are made. */
struct past_rules {
    char nightly_limit[PAST_ID_SIZE];  /* of invoice-reader, enforced */
    char search_limit[PAST_ID_SIZE];   /* of the team search, observed */
    char sandbox_budget[PAST_ID_SIZE]; /* of intern-sandbox, a day's */
};

/* The day's budget of intern-sandbox, in picodollars. */
#define PAST_SANDBOX_DAY (3 * MONEY_DOLLAR)

/* Moments of the story, in days before the end of 90. */
#define PAST_KILLED         43.3 /* the gateway, with calls in flight */
#define PAST_OUTAGE         23.4
#define PAST_LEAK           16.1
#define PAST_LEAK_NOTICED   15.95
#define PAST_CAMPAIGN_ENDS  13.5
#define PAST_CODING_WATCHED 20.18
#define PAST_CLUSTER_RULE   9.6
#define PAST_CLUSTER_MOVED  8.9
#define PAST_LEAKED_KEY     "agency-access"
#define PAST_EXPIRED_KEY    "spring-campaign"
#define PAST_SANDBOX_KEY    "intern-sandbox"
#define PAST_NIGHTLY_KEY    "invoice-reader"
#define PAST_MOVED_TEAM     "documents"
#define PAST_WATCHED_TEAM   "coding"

#define PAST_STEPS_MAX 96u /* keys and events; more is a longer story than anybody reads */

struct past {
    struct operations *operations;
    const struct config *config;
    struct timeline timeline;
    struct past_key keys[CAST_KEYS]; /* as cast_keys */
    struct past_rules rules;
    struct secret *admin_key; /* an owner's */
    uint16_t steps[PAST_STEPS_MAX];
    size_t next; /* of the steps */
};

/* `operations` is open on an empty store, for an owner. */
void past_open(struct past *past, struct operations *operations, const struct config *config,
               const struct timeline *timeline);
/* Wipes the secrets. */
void past_close(struct past *past);

/* When something happens next; UINT64_MAX: nothing does. */
uint64_t past_next(const struct past *past);
/* Lets it happen. False with the operations' problem. */
must_check bool past_step(struct past *past);
/* After the last call: sets two budgets by what was spent, one to be near its end, a soft one to be
 * overspent. */
must_check bool past_settle_budgets(struct past *past);

#endif
