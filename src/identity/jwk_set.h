/* jwk_set: the public keys of an issuer (a JWK Set, RFC 7517), and whether one of them has signed a
 * token.
 *
 * A key is taken for what it is and for nothing else: an RSA key verifies RS and PS, one of P-256
 * ES256, of P-384 ES384, of P-521 ES512, of Ed25519 EdDSA; where it names an `alg`, that one alone.
 * So a token cannot choose to have a public key used as the secret of an HMAC, and ES256 is never
 * verified on another curve. Keys for encryption, symmetric ones and kinds that are not known are
 * left out; weak ones (RSA below 2048 bits) too, which is said.
 *
 * Immutable once made; any number of threads may verify with one. */
#ifndef IDENTITY_JWK_SET_H
#define IDENTITY_JWK_SET_H

#include "identity/jwt.h"
#include "tables/error.h"

/* Keys in one set: a token without a `kid` is compared with each that fits. The largest issuers
 * have ten. */
#define JWK_SET_MAX          128u
#define JWK_SET_PROBLEM_SIZE 256u
/* Bits of an RSA modulus: less is broken in reach (NIST SP 800-131A), more costs a millisecond. */
#define JWK_RSA_BITS_MIN 2048
#define JWK_RSA_BITS_MAX 8192

struct jwk_set;

/* `json` is an object with `keys`. ERROR_SYNTAX when it is none or has no key that can be used,
 * ERROR_LIMIT, ERROR_MEMORY: `problem` says why. With ERROR_OK `problem` is empty, or says which
 * key was left out for being weak or broken. */
must_handle enum error jwk_set_make(struct text json, struct jwk_set **out,
                                    char problem[JWK_SET_PROBLEM_SIZE]);
void jwk_set_free(struct jwk_set *set); /* NULL is fine */
size_t jwk_set_count(const struct jwk_set *set);

enum jwk_verdict {
    JWK_VERIFIED,
    JWK_UNKNOWN, /* no key of that name fits the algorithm: the set may be old */
    JWK_WRONG    /* it was signed by another */
};

/* A token without a `kid` is verified where one key alone fits its algorithm; else it is
 * JWK_UNKNOWN. */
must_check enum jwk_verdict jwk_set_verify(const struct jwk_set *set, const struct jwt *jwt);

#endif
