/* count: what an exchange and its attempts add to the metrics. The worker's thread only. */
#ifndef EXCHANGE_COUNT_H
#define EXCHANGE_COUNT_H

#include "exchange/failure.h"
#include "observe/metrics.h"
#include "store/record.h"

/* At the end of an exchange, from its record. `model` is the configured name (a label must not be
 * what a caller wrote); empty when none was found. */
void count_exchange(struct metrics_worker *metrics, const struct record *record, struct text model);
/* Tokens and cost of a line within a call. */
void count_part(struct metrics_worker *metrics, const struct record *record, struct text model);
/* At the end of an attempt. */
void count_attempt(struct metrics_worker *metrics, const struct attempt *attempt,
                   const struct failure *failure);
/* Which breakers are open, of every target; by one worker, from time to time. */
void count_breakers(struct metrics_worker *metrics, const struct config *config,
                    const struct route_table *routes, uint64_t now);
/* Another attempt is made (or, "budget_exhausted", is not); `reason` is a word of ours. */
void count_retry(const struct exchange *exchange, struct text reason);

#endif
