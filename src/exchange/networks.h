/* networks: what exchanges do with rules about where calls may come from. The decision is
 * policy/networks.h; here it becomes a refusal, or a note in the record. The worker's thread only.
 */
#ifndef EXCHANGE_NETWORKS_H
#define EXCHANGE_NETWORKS_H

#include "exchange/exchange.h"

/* Before it is known who calls: what the listener says. `claimed` is the public part of the key
 * that was sent, for the record. STEP_NEXT, or the end. */
enum step_result networks_judge_listener(struct exchange *exchange, struct text claimed);
/* What all three lists say of the call, for telling it; rules are valid until the thread next tells
 * that it holds nothing. NULL in `question->lists`: that list has no rules. */
void networks_look(struct exchange *exchange, struct policy_network_question *question,
                   struct policy_network_verdict *verdict);
/* "main", "search", the key's id: whose list it is. */
struct text networks_owner(const struct exchange *exchange, enum policy_network_list list);
/* When it is known: what team and key say. */
enum step_result networks_judge_principal(struct exchange *exchange);

#endif
