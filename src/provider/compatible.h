/* compatible: the chat of servers of OpenAI's dialect, spoken by translation.
 *
 * For what passing bytes on cannot do: responses over a server that has only chat (stateless, all
 * items in each request), and chat of servers whose answers differ too much (QUIRK_TRANSLATED).
 * Sources: OpenAI API reference, chat; the servers' own, tables/quirks.def. */
#ifndef PROVIDER_COMPATIBLE_H
#define PROVIDER_COMPATIBLE_H

#include "provider/native.h"
#include "provider/quirks.h"

/* The two differ in what of a request they understand: of chat members of vendors too. */
extern const struct native compatible_responses;
extern const struct native compatible_chat;

enum error compatible_write(struct native_ask *ask);
enum error compatible_read(struct native_answer *answer, yyjson_val *root);
enum error compatible_read_frame(struct native_answer *answer, const struct native_frame *frame);
void compatible_count_usage(struct native_answer *answer);

/* An id of nine letters and digits for another one, always the same (QUIRK_SHORT_IDS). */
#define COMPATIBLE_SHORT_ID 9u
void compatible_short_id(struct text id, char out[COMPATIBLE_SHORT_ID]);

#endif
