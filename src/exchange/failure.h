/* failure: what an attempt that is over says about its target: whether somebody else could do
 * better, whether the target is to blame, and how long it wants to be left alone. The worker's
 * thread only. */
#ifndef EXCHANGE_FAILURE_H
#define EXCHANGE_FAILURE_H

#include "exchange/attempt.h"
#include "route/rules.h"

struct failure {
    bool failed;
    bool classed; /* `class` says how; else nobody could do better, or only with another credential
                   */
    enum route_failure class;
    bool credential; /* the provider did not take the gateway's own */
    bool blames;     /* it counts for the target's breaker */
};

/* Of an attempt whose answer has ended, or that failed. */
struct failure failure_find(const struct attempt *attempt);
/* How long its target is left alone after it said that it is asked too much, nanoseconds: as its
 * family read it from head and body, else a second. */
uint64_t failure_rest(const struct attempt *attempt);
/* The name for records: "rate_limited", "credential", "other". */
struct text failure_name(const struct failure *failure);

#endif
