/* bill: a call's usage becomes money, and what was held for it is settled. The worker's thread. */
#ifndef EXCHANGE_BILL_H
#define EXCHANGE_BILL_H

#include "exchange/attempt.h"
#include "meter/price.h"

/* In settle, once, after the answer's facts are complete and in the record: cost, units and rule go
 * into the record, and policy learns what was used. */
void bill_exchange(struct exchange *exchange);

/* What the attempt used, into `record`: tokens, cost, units, rule. The attempt is over and its
 * facts are complete. Returns how the cost is known. */
enum price_basis bill_attempt(struct exchange *exchange, struct attempt *attempt,
                              struct record *record);
/* Settles what was held for what `record` tells of. */
void bill_settle(struct policy_hold *hold, const struct record *record, enum price_basis basis);

#endif
