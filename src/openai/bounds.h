/* bounds: the most that a call can use, as far as its body tells, and how to make that less.
 *
 * A budget holds the worst case of a call before it is sent. What is told here is never below what
 * the model can read and write: where the body cannot tell, it says so and the model's own limits
 * stand in. Pure, any thread. Parameters: OpenAI API reference, chat/completions, completions,
 * responses. */
#ifndef OPENAI_BOUNDS_H
#define OPENAI_BOUNDS_H

#include "openai/envelope.h"
#include "openai/references.h"
#include "tables/endpoints.h"

#define BOUNDS_UNKNOWN (-1)

struct bounds {
    /* Tokens of the prompt: a token is at least one byte. BOUNDS_UNKNOWN when the body refers to
     * more than it holds: pictures and files by address or id, an earlier response, tools that the
     * provider runs. */
    int64_t input;
    int64_t output;  /* tokens of one choice; BOUNDS_UNKNOWN: as many as the model may write */
    int64_t choices; /* at least 1 */
};

/* `envelope` is finished, `body` is what it scanned. `references`: what was searched of it while it
 * arrived; the rest is searched now. */
void bounds_read(const struct envelope *envelope, enum endpoint_kind kind, struct text body,
                 struct references *references, struct bounds *bounds);

/* Adds the splices that make `limit` the most output tokens of one choice: a limit that the body
 * states and that is larger (or is no whole number) is replaced, and where it states none the
 * endpoint's own member is put in. Replacement texts are in `arena`. ERROR_MEMORY;
 * ERROR_UNSUPPORTED: the endpoint has no such limit. */
must_handle enum error bounds_clamp(const struct envelope *envelope, enum endpoint_kind kind,
                                    int64_t limit, struct arena *arena, struct splices *splices);

/* The characters of the member `name`, a string, of the JSON object `body`: what speech is billed
 * by. BOUNDS_UNKNOWN when it is missing or no string. */
int64_t bounds_count_characters(struct text body, struct text name);

#endif
