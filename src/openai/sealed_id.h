/* sealed_id: ids of tool calls that bear what their provider has sealed.
 *
 * A provider may want to see again with each call of a tool what it thought before it (Gemini 3
 * refuses a conversation without). Callers keep little of a call: its id comes back always, for
 * without it no result finds its call; members that OpenAI's API does not have get lost in
 * frameworks that build messages anew. So the seal is part of the id: "call_abc__thought__c2Vhb…".
 * Pure, any thread. */
#ifndef OPENAI_SEALED_ID_H
#define OPENAI_SEALED_ID_H

#include "base/arena.h"

/* The id, which is not empty, with the seal (base64), in the arena; without a seal the id itself.
 * data NULL when memory is short. */
must_check struct text sealed_id_join(struct arena *arena, struct text id, struct text seal);
/* Cuts the seal off the id and returns it; empty when there is none. */
struct text sealed_id_split(struct text *id);

#endif
