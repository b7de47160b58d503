/* mirror: copies of calls for targets that answer nobody, to see how they would do.
 *
 * A copy is an exchange of its own without a caller: it has its own memory, its own record (marked,
 * and standing for no call) and its own hold in the budgets of the caller's call, and begins in
 * forward. It is read to its end and dropped. Whatever goes wrong with it, the caller's call does
 * not notice: where memory, money, the journal or their number are at an end, no copy is made. The
 * worker's thread only. */
#ifndef EXCHANGE_MIRROR_H
#define EXCHANGE_MIRROR_H

#include "exchange/exchange.h"

/* In forward, when the call itself is about to be sent: starts those of exchange->mirrors. */
void mirror_start(struct exchange *exchange);

#endif
