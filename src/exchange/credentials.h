/* credentials: which of its provider's credentials an attempt goes out with.
 *
 * A provider with one key of its own has no pool, and nothing is done here for it. With a pool, a
 * credential is chosen just before an attempt starts and reported on when it has ended. A call
 * waits only when its provider has no valid token at all; it is resumed by a post. The worker's
 * thread only. */
#ifndef EXCHANGE_CREDENTIALS_H
#define EXCHANGE_CREDENTIALS_H

#include "exchange/attempt.h"

/* Chooses for an attempt that is to start: exchange->credentials.given, for this turn of the loop,
 * and attempt->lease. False: the target cannot be called now; credentials_refuse says why. */
must_check bool credentials_choose(struct attempt *attempt);
/* Whether it is because a token is still to come, and the call now waits: it will be resumed. */
must_check bool credentials_wait(struct exchange *exchange);
/* Tells the pool how the attempt's credential did; once, later calls do nothing. */
void credentials_report(struct attempt *attempt, enum provider_failure failure,
                        uint64_t retry_after);
/* The same for an attempt that has ended in any way. */
void credentials_report_end(struct attempt *attempt);
/* Whether a failure of the credential may be made good by another one, and the same target is to be
 * tried again. To be asked once; counts. */
bool credentials_switch(struct attempt *attempt);
/* Whether another credential is ready for a call that the provider has just limited. */
bool credentials_have_other(const struct attempt *attempt);
/* The refusal of a call that could not be given any. */
enum step_result credentials_refuse(struct exchange *exchange);
/* The exchange waits no more. */
void credentials_forget_wait(struct exchange *exchange);

#endif
