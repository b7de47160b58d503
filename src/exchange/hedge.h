/* hedge: a second attempt on another target while the first is silent. Whoever has something that
 * counts first is taken; the other is cancelled, and what it may have cost is a line of its own.
 *
 * At most one at a time, within the budget for repetitions, with money held for it beside the
 * call's own. exchange->attempt is the first, exchange->rival the second; when one is left it is
 * exchange->attempt. The worker's thread only. */
#ifndef EXCHANGE_HEDGE_H
#define EXCHANGE_HEDGE_H

#include "exchange/exchange.h"

/* An attempt was sent: the rival's time begins, where the model's rules have hedges. */
void hedge_arm(struct exchange *exchange);
/* In forward: when one of the two has failed the other goes on alone. */
void hedge_look(struct exchange *exchange);
/* The attempt's answer is the caller's: the other one is cancelled. */
void hedge_win(struct attempt *attempt);
/* The call ends, or nobody waits for it any more: the rival is cancelled. */
void hedge_drop(struct exchange *exchange);

#endif
