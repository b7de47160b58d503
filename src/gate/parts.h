/* parts: what admit.c and hold.c share; for gate/ only. */
#ifndef GATE_PARTS_H
#define GATE_PARTS_H

#include "gate/gate.h"

/* Whether limits and lists let it pass; else which refusal that is (`refusal->why` is set where a
 * rule said no). */
bool gate_limits_allow(enum policy_verdict verdict, struct gate_refusal *refusal);

#endif
