/* jwt: a signed token (RFC 7519, in the compact form of RFC 7515) read strictly, and its times.
 *
 * Strictly means: exactly three parts; base64url without padding, white space or bits left over in
 * the last character; JSON in UTF-8; no member twice. Of the header `alg`, `kid` and `typ` are
 * looked at. A key that a token brings along or points to (`jwk`, `jku`, `x5c`, `x5u`) is not
 * looked at, and a token with `crit` is refused: nothing that it may ask for is known here (RFC
 * 7515 section 4.1.11). `none` and the HMACs are no algorithms here (RFC 8725 sections 2.1
 * and 3.1).
 *
 * Nothing in a token is true before its signature is (identity/jwk_set.h). Pure functions, any
 * thread; a struct jwt owns what it points to. */
#ifndef IDENTITY_JWT_H
#define IDENTITY_JWT_H

#include <stdint.h>
#include <yyjson.h>

#include "base/text.h"
#include "tables/refusals.h"

/* Bytes of a token. Those of the platforms have 1 to 4 KiB; one of Entra ID with 200 groups has 11.
 */
#define JWT_LENGTH_MAX (16u << 10)
/* Bytes of a signature: RSA of 8192 bits. */
#define JWT_SIGNATURE_MAX 1024u
/* Characters of a key's name. */
#define JWT_KEY_ID_MAX 256u

enum jwt_algorithm {
    JWT_RS256,
    JWT_RS384,
    JWT_RS512,
    JWT_PS256,
    JWT_PS384,
    JWT_PS512,
    JWT_ES256,
    JWT_ES384,
    JWT_ES512,
    JWT_EDDSA, /* Ed25519 (RFC 8037) */
    JWT_ALGORITHM_COUNT
};

#define JWT_ALGORITHM_WORDS "RS256|RS384|RS512|PS256|PS384|PS512|ES256|ES384|ES512|EdDSA"

/* "RS256" and so on. */
struct text jwt_algorithm_name(enum jwt_algorithm algorithm);
must_check bool jwt_algorithm_from(struct text name, enum jwt_algorithm *out);

struct jwt {
    yyjson_doc *header, *document;
    yyjson_val *claims; /* the root of `document`, an object */
    enum jwt_algorithm algorithm;
    struct text key_id;      /* "kid"; data NULL: it names none */
    struct text signed_part; /* in the token that was read */
    uint8_t signature[JWT_SIGNATURE_MAX];
    size_t signature_length;
};

/* Whether what was sent in place of a key is meant as a token: it begins as every JSON object in
 * base64 does. */
static inline bool jwt_is_meant(struct text sent)
{
    return text_starts_with(sent, TEXT("eyJ"));
}

/* REFUSAL_NONE, or TOKEN_MALFORMED or TOKEN_SIGNATURE and a sentence part in `detail`. `jwt` is to
 * be closed either way, and points into `token`. */
must_check enum refusal jwt_read(struct text token, struct jwt *jwt, const char **detail);
void jwt_close(struct jwt *jwt);

/* What its times are held against. Seconds. */
struct jwt_terms {
    uint64_t clock_skew;
    uint64_t lifetime; /* the longest from `iat` (without one: from now) to `exp` */
};

/* `exp` must be there (RFC 7519 leaves it out as it likes; a token that never ends is no token
 * here), `nbf` and `iat` may be. `now` is wall seconds. REFUSAL_NONE and `expires` (wall seconds,
 * the skew not counted), or TOKEN_EXPIRED, TOKEN_EARLY, TOKEN_CLAIMS with a sentence part. */
must_check enum refusal jwt_check_times(yyjson_val *claims, const struct jwt_terms *terms,
                                        uint64_t now, uint64_t *expires, const char **detail);

#endif
