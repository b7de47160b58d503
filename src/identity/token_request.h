/* token_request: what the body of POST /turnpike/v1/token says: OAuth's token exchange (RFC 8693,
 * section 2.1), as a form or as a JSON object.
 *
 * Pure; texts are in the arena. Any thread. */
#ifndef IDENTITY_TOKEN_REQUEST_H
#define IDENTITY_TOKEN_REQUEST_H

#include <stdint.h>

#include "base/arena.h"
#include "tables/error.h"

/* Bytes of such a body: a token has 16 KiB at most, and `%` may stand for each third of it. */
#define TOKEN_REQUEST_MAX (64u * 1024u)

#define TOKEN_REQUEST_GRANT_TYPE   "urn:ietf:params:oauth:grant-type:token-exchange"
#define TOKEN_REQUEST_JWT          "urn:ietf:params:oauth:token-type:jwt"
#define TOKEN_REQUEST_ACCESS_TOKEN "urn:ietf:params:oauth:token-type:access_token"
#define TOKEN_REQUEST_ID_TOKEN     "urn:ietf:params:oauth:token-type:id_token"

struct token_request {
    struct text subject_token; /* empty: what the caller proves himself by */
    uint64_t expires_in;       /* seconds that he wants at most; 0: as many as there are */
    /* Of one that cannot be used: */
    struct text param;   /* the parameter concerned; empty: the whole body */
    const char *problem; /* a sentence part */
};

/* An empty body says nothing and is fine. What RFC 8693 has beside (audience, resource, scope) and
 * what it does not know is ignored, as RFC 6749 section 3.2 has it; what would ask for somebody
 * else's rights is not. ERROR_SYNTAX with `problem`; ERROR_MEMORY. */
must_handle enum error token_request_read(struct text body, bool is_form, struct arena *arena,
                                          struct token_request *out);

#endif
