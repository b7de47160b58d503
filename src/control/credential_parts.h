/* credential_parts: what the kinds of credentials share. Within control/ only. */
#ifndef CONTROL_CREDENTIAL_PARTS_H
#define CONTROL_CREDENTIAL_PARTS_H

#include <openssl/evp.h>

#include "control/credential_source.h"
#include "control/fetch.h"

/* Files of keys and tokens: a service account's has 2.4 KiB, AWS's with many profiles some more. */
#define SOURCE_FILE_MAX (256u << 10)
/* A form or a JWT: a token of another issuer within it, three bytes for some of its own. */
#define SOURCE_BODY_MAX (256u << 10)
/* What a server says about an error, as far as it is shown. */
#define SOURCE_WORDS_MAX 200

struct token_source {
    const struct credential_request *request;
    char *problem; /* CREDENTIAL_PROBLEM_SIZE */
};

/* credential_google.c, credential_azure.c, credential_aws.c */
must_handle enum error source_google(struct token_source *source, struct pool_token **token);
must_handle enum error source_azure(struct token_source *source, struct pool_token **token);
must_handle enum error source_aws(struct token_source *source, struct pool_token **token);

/* Sets the problem and returns ERROR_ARGUMENT, for "return source_fail(…)". */
enum error source_fail(struct token_source *source, const char *format, ...) format_like(2, 3);

/* The variable's value; empty when it is not set. */
struct text source_variable(const char *name);
/* The first that is not empty. */
struct text source_first(struct text a, struct text b);

/* A whole file into `out` (opened here, to be closed by source_forget either way), with room behind
 * it for fetch-like parsing in place. */
must_handle enum error source_read_file(struct token_source *source, struct text path,
                                        struct buffer *out);
/* Its JSON, in place, so that no copy of a secret is left behind; NULL when it is none. */
yyjson_doc *source_parse(struct buffer *file);
/* Without line ends behind it. */
struct text source_trim(const struct buffer *file);
/* Wipes and closes. */
void source_forget(struct buffer *buffer);

/* Opens a buffer that never moves; ERROR_MEMORY. */
must_handle enum error source_open_body(struct token_source *source, struct buffer *body);

/* A member of a JSON object as text; empty when it is missing or no string. */
struct text source_member(yyjson_val *object, const char *name);

/* Asks, and reads the root of the answer when its status is 200; else the problem says what the
 * server said. `answer` is to be closed either way. */
must_handle enum error source_ask(struct token_source *source, const struct fetch_request *request,
                                  struct fetch_answer *answer, yyjson_val **root);
/* "POST application/x-www-form-urlencoded", then as above. */
must_handle enum error source_post_form(struct token_source *source, struct text url,
                                        const struct buffer *form, struct fetch_answer *answer,
                                        yyjson_val **root);
/* access_token and expires_in (or expires_on) of an answer (RFC 6749 section 5.1). */
must_handle enum error source_read_token(struct token_source *source, yyjson_val *root,
                                         struct pool_token **token);
/* `expires`: wall nanoseconds, 0: never. */
must_handle enum error source_make_bearer(struct token_source *source, struct text bytes,
                                          uint64_t expires, struct pool_token **token);

/* credential_jwt.c */
struct jwt_key {
    EVP_PKEY *key;
    bool pss; /* PS256; else RS256 */
};
/* `header` and `claims` are JSON; the signed token is appended to `out` (RFC 7515 section 3.1).
 * False when OpenSSL refuses or `out` has no room. */
must_check bool jwt_sign(struct jwt_key key, struct text header, struct text claims,
                         struct buffer *out);
void jwt_append_base64url(struct buffer *out, const unsigned char *bytes, size_t length);
/* A private key in PEM; NULL when it is none. EVP_PKEY_free afterwards. */
EVP_PKEY *jwt_read_key(struct text pem);

#endif
