/* caller: how a call finds out who makes it; parts of the step identify. The worker's thread only.
 */
#ifndef EXCHANGE_CALLER_H
#define EXCHANGE_CALLER_H

#include "exchange/exchange.h"

/* The caller is this one: what it says is copied. Where memory is short, or its team is none, the
 * call is refused. */
enum step_result caller_let_in(struct exchange *exchange, const struct principal *principal);
/* The same for the record of a call that is refused. */
void caller_note(struct exchange *exchange, const struct principal *principal);
/* The same of a call that was refused before it was asked who makes it: who sent the key, if it is
 * a good one. The caller hears nothing of it. */
void caller_note_key(struct exchange *exchange, struct text sent);

/* identify.c: by what was sent as key or token, else by the certificate, as the listener takes
 * them.
 */
enum step_result identify_caller(struct exchange *exchange, struct text sent);
/* "a key (tpk_...) or a token (JWT) of an issuer", in the exchange's arena: bits of enum
 * principal_proof. */
struct text caller_name_proofs(struct exchange *exchange, uint32_t proofs);
/* Why nothing was found that says who calls, where something was sent in a form that is not read;
 * empty: nothing was sent. None of it is repeated: it may be a secret. */
struct text caller_describe_unread(struct exchange *exchange);
/* Who sent the key. */
enum step_result caller_by_key(struct exchange *exchange, struct text sent);
/* Who sent the token: by the issuers of the configuration. May wait for an issuer's keys, with the
 * body held up meanwhile. */
enum step_result caller_by_token(struct exchange *exchange, struct text sent);
/* Who has shown the client certificate, by the listener's rules. */
enum step_result caller_by_certificate(struct exchange *exchange);
void caller_forget_wait(struct exchange *exchange);

#endif
