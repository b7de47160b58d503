/* scene: what a refusal shows of the call beside its message: where it came in, who it was, which
 * rule it met, whom to ask. Whoever has no good key is shown nothing but what he knows: where he
 * is, what he sent, and who runs the gateway. The worker's thread only. */
#ifndef EXCHANGE_SCENE_H
#define EXCHANGE_SCENE_H

#include "exchange/exchange.h"

/* Texts are the exchange's, in its arena, or constant. */
void scene_describe(struct exchange *exchange, enum refusal refusal, struct refusal_scene *out);
/* Whom the caller may ask: his team's contact, when it is known who calls, else the gateway's;
 * empty: nobody is named. */
struct text scene_contact(struct exchange *exchange);

#endif
