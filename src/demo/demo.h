/* demo: the built-in model `demo`: OpenAI's API, offline, deterministic, for first steps and tests.
 *
 * A pure responder: a request in, an answer in pieces out, no sockets and no clock. It answers
 * chat/completions, responses, completions, embeddings, moderations and models, streams, calls
 * tools, follows a JSON schema and reports usage. An answer owns its memory. One thread at a
 * time. */
#ifndef DEMO_DEMO_H
#define DEMO_DEMO_H

#include <stdint.h>

#include "base/text.h"
#include "codec/http1.h"
#include "tables/error.h"

/* Largest request body it reads: a demonstration needs no more. */
#define DEMO_BODY_MAX (4u * 1024 * 1024)

struct demo_answer;

/* Makes the answer to a whole request. `target` is the request line's ("/v1/chat/completions", with
 * or without the /v1); `wall` is the time that goes into `created`, in nanoseconds. Texts need not
 * outlive the call. ERROR_MEMORY. Bad requests get an answer with an error status. */
must_handle enum error demo_answer_open(enum http1_method method, struct text target,
                                        struct text body, uint64_t wall,
                                        struct demo_answer **answer);
void demo_answer_close(struct demo_answer *answer); /* NULL is fine */

unsigned demo_answer_status(const struct demo_answer *answer);
bool demo_answer_is_stream(const struct demo_answer *answer);
/* "content-type: …\r\n" and whatever else belongs into the head but framing. Valid while the answer
 * is. */
struct text demo_answer_header_lines(const struct demo_answer *answer);
/* The whole body's length, for an answer that is no stream. */
uint64_t demo_answer_length(const struct demo_answer *answer);
/* The next piece: the whole body, or one frame of a stream; false at the end. Valid until the next
 * call. Wait `pause` nanoseconds before sending it, so that a stream looks like one (0 for none).
 */
must_check bool demo_answer_next(struct demo_answer *answer, struct text *piece, uint64_t *pause);

#endif
