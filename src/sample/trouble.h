/* trouble: what goes wrong in the sample data: callers who are turned away, providers that fail,
 * and rules that only watch. Within sample/ alone; sets what of a record the road would have set.
 */
#ifndef SAMPLE_TROUBLE_H
#define SAMPLE_TROUBLE_H

#include "sample/call.h"

/* Whether the visit ends with a refusal before anything is sent: `call` says so then. */
must_check bool trouble_turn_away(struct call_maker *maker, const struct visit *visit,
                                  struct call *call);
/* What a good answer became instead, with a small chance, and surely during the outage. */
void trouble_befall(struct call_maker *maker, const struct cast_model *model, struct call *call);
/* The day's budget of a key does not cover the call. */
void trouble_refuse_budget(struct call_maker *maker, struct call *call);
/* The gateway was killed during the call. */
void trouble_interrupt(struct call *call);
/* Rules in observe mode that would have refused it. */
void trouble_watch(struct call_maker *maker, const struct visit *visit, struct call *call);

#endif
