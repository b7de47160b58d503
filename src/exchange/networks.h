/* networks: what exchanges do with rules about where calls may come from. The decision is
 * policy/networks.h; here it becomes a refusal, or a note in the record. The worker's thread only.
 */
#ifndef EXCHANGE_NETWORKS_H
#define EXCHANGE_NETWORKS_H

#include "exchange/exchange.h"

/* Before it is known who calls: what the listener says. `claimed` is the public part of the key
 * that was sent, for the record. STEP_NEXT, or the end. */
enum step_result networks_judge_listener(struct exchange *exchange, struct text claimed);
/* When it is known: what team and key say. */
enum step_result networks_judge_principal(struct exchange *exchange);

#endif
