/* token_exchange: POST /turnpike/v1/token, a key in exchange for the token or certificate that the
 * caller proves himself by (docs/decisions/0045); parts of the step admit. The worker's thread
 * only.
 */
#ifndef EXCHANGE_TOKEN_EXCHANGE_H
#define EXCHANGE_TOKEN_EXCHANGE_H

#include "exchange/exchange.h"

/* Who calls, where identify.c has left that to the body; and whether his proof can be exchanged at
 * all. May wait for the keys of an issuer. */
enum step_result token_exchange_identify(struct exchange *exchange);
/* The key, for which it waits once. */
enum step_result token_exchange_answer(struct exchange *exchange);
/* Nobody waits any more. */
void token_exchange_forget(struct exchange *exchange);

#endif
