/* breaker: leaves a failing target alone for a while, then lets one call at a time find out whether
 * it is back.
 *
 *   CLOSED ──failures in a row, or their ratio in the window──▶ OPEN ──open_for──▶ PROBING
 *      ▲                                                         ▲                   │
 *      │                                                         └──probe failed─────┤
 *      └────────────────────────────────────────probe succeeded──────────────────────┘
 *
 * One for each target of a model, shared by all workers of the process: what one learns at the cost
 * of a call the others need not learn anew. Everything in it is an atomic and changed in one step;
 * threads that meet may count a call in the window before or after, which is no matter. Times are
 * loop_now nanoseconds, which all threads share; 0 is "never". */
#ifndef ROUTE_BREAKER_H
#define ROUTE_BREAKER_H

#include <stdatomic.h>

#include "route/rules.h"

enum route_breaker_state {
    ROUTE_BREAKER_CLOSED,
    ROUTE_BREAKER_OPEN,   /* until `ready_at` */
    ROUTE_BREAKER_PROBING /* the time is over: the next call is a probe, or one is under way */
};

struct route_breaker_figures {
    _Atomic uint64_t probe_at;    /* while open: when a probe may go; 0: closed */
    _Atomic uint64_t probe_until; /* a probe has the target for itself until then */
    _Atomic uint64_t in_a_row;    /* failures without a success between */
    _Atomic uint64_t window;      /* breaker.c: number, calls and failures in one */
    _Atomic uint64_t window_before;
    _Atomic uint64_t openings; /* since the start, for people */
};

/* What a call that was let in owes the breaker. */
enum route_pass {
    ROUTE_PASS_REFUSED, /* it may not go: open, or somebody else probes */
    ROUTE_PASS_CALL,
    ROUTE_PASS_PROBE
};

/* `ready_at`: when a call may go, not before `now`. */
enum route_breaker_state route_breaker_look(struct route_breaker_figures *figures, uint64_t now,
                                            uint64_t *ready_at);
/* A call is about to be sent. Followed by one of the three below unless refused. */
enum route_pass route_breaker_enter(struct route_breaker_figures *figures,
                                    const struct route_breaker *rules, uint64_t now);
/* True when this closed it, or opened it. */
bool route_breaker_succeed(struct route_breaker_figures *figures, const struct route_breaker *rules,
                           enum route_pass pass, uint64_t now);
bool route_breaker_fail(struct route_breaker_figures *figures, const struct route_breaker *rules,
                        enum route_pass pass, uint64_t now);
/* The call ended without saying anything about the target: its caller left. */
void route_breaker_forget(struct route_breaker_figures *figures, enum route_pass pass);

#endif
