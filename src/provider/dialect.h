/* dialect: what the families that speak OpenAI's own dialect have in common.
 *
 * Only files of this room include it. Requests keep their body but for splices; answers pass
 * byte-exact with taps beside them, but for the usage chunk that only the gateway asked for. */
#ifndef PROVIDER_DIALECT_H
#define PROVIDER_DIALECT_H

#include "provider/family.h"

/* Target, edits, and the caller's headers that may go upstream. The family adds its credential. */
must_handle enum error dialect_prepare(const struct provider_call *call, struct buffer *lines,
                                       struct provider_request *request);
/* What Connection names as hop-by-hop (RFC 9110 section 7.6.1), for dialect_is_nominated; empty
 * when that is only what is known as such anyway. */
struct text dialect_nominations(const struct http1_head *head);
bool dialect_is_nominated(struct text nominations, struct text name);
/* Whether one of the lines "name: value CR LF" is of that name. */
bool dialect_has_line(struct text lines, struct text name);
/* "x-turnpike-…": a matter between the gateway and its callers. */
bool dialect_is_own_header(struct text name);
/* "name: PREFIXkey
", or "authorization: Bearer token
"; nothing without a secret. */
void dialect_write_credential(struct buffer *lines, const char *name, const char *prefix,
                              const struct provider_credential *credential);
/* What the head alone says of how it went: the status, and when to come again. */
struct provider_outcome dialect_outcome(const struct http1_head *head);
/* What the body's error adds to it, once it is known: `error_raw` is the JSON value of `error`, of
 * an answer with a status of failure or in the place of, or within, a good one. */
void dialect_refine_outcome(struct provider_outcome *outcome, struct text error_raw);
/* What a status alone stands for. */
enum provider_failure dialect_failure_of(unsigned status);
/* For struct provider. */
enum error dialect_answer_open(const struct provider_call *call,
                               const struct provider_request *request,
                               const struct provider_sink *sink, struct provider_answer **answer);

#endif
