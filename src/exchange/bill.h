/* bill: a call's usage becomes money, and what was held for it is settled. The worker's thread. */
#ifndef EXCHANGE_BILL_H
#define EXCHANGE_BILL_H

#include "exchange/attempt.h"

/* In settle, once, after the answer's facts are complete and in the record: cost, units and rule go
 * into the record, and policy learns what was used. */
void bill_exchange(struct exchange *exchange);

#endif
