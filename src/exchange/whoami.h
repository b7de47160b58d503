/* whoami: how the gateway sees this caller, as JSON: from where, through which listener, as whom,
 * with which models, rules, limits and budgets. Documented in docs/for-developers.md. The worker's
 * thread only. */
#ifndef EXCHANGE_WHOAMI_H
#define EXCHANGE_WHOAMI_H

#include "codec/json.h"
#include "exchange/exchange.h"

/* The answer; nothing is taken from limits and budgets. */
enum step_result whoami_answer(struct exchange *exchange);
/* The members "source" and "listener". */
void whoami_write_place(struct exchange *exchange, struct json_writer *json);

#endif
