/* own_limits: the counters of callers whose limits stand in the configuration, by who they are.
 *
 * Which callers there are is known only when they come, so a counter is made by the first call that
 * needs it, and let go when nothing has counted in it for longer than it remembers. It is known by
 * the caller's id, the kind and the window: another amount, and another rule, go on counting.
 *
 * Finding and making: registered reader threads, without a lock; what is found is theirs until they
 * next tell that they hold nothing, and longer once `holds` of it was raised. Taking the idle out:
 * the control thread. For policy/ only. */
#ifndef POLICY_OWN_LIMITS_H
#define POLICY_OWN_LIMITS_H

#include "policy/snapshot.h"

/* Counters: some 60 MB. Who is let in by a rule can make one, so it is a number that only a house
 * with that many workloads reaches; then calls of further ones are refused for want of memory. */
#define OWN_LIMITS_MAX 50000u
/* A counter stays for so long beyond its window. */
#define OWN_LIMITS_IDLE (60 * NANOSECONDS_PER_SECOND)

struct own_limits;
struct policy_call;

/* NULL: memory is short. */
must_check struct own_limits *own_limits_create(void);
void own_limits_destroy(struct own_limits *own); /* after every reader has stopped; NULL is fine */

/* The limits of the call's own as rules about its caller, in the arena; NULL: memory is short, or
 * there are too many counters. */
must_check const struct subject_rules *own_limits_find(struct own_limits *own,
                                                       const struct policy_call *call,
                                                       struct arena *arena);
/* Takes out what is idle and puts it in front of `leaving`, to be freed when its last hold is
 * settled. The calling thread must hold nothing: it waits for readers when there is something. */
void own_limits_let_go(struct own_limits *own, struct limit **leaving);

#endif
