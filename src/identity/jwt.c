#include "identity/jwt.h"

#include <math.h>
#include <stdlib.h>

#include "base/ensure.h"
#include "base/secret.h"
#include "identity/base64url.h"
#include "identity/claims.h"

static const struct text algorithm_names[JWT_ALGORITHM_COUNT] = {
    [JWT_RS256] = TEXT_INIT("RS256"), [JWT_RS384] = TEXT_INIT("RS384"),
    [JWT_RS512] = TEXT_INIT("RS512"), [JWT_PS256] = TEXT_INIT("PS256"),
    [JWT_PS384] = TEXT_INIT("PS384"), [JWT_PS512] = TEXT_INIT("PS512"),
    [JWT_ES256] = TEXT_INIT("ES256"), [JWT_ES384] = TEXT_INIT("ES384"),
    [JWT_ES512] = TEXT_INIT("ES512"), [JWT_EDDSA] = TEXT_INIT("EdDSA"),
};

struct text jwt_algorithm_name(enum jwt_algorithm algorithm)
{
    ensure((unsigned)algorithm < JWT_ALGORITHM_COUNT);
    return algorithm_names[algorithm];
}

bool jwt_algorithm_from(struct text name, enum jwt_algorithm *out)
{
    for (unsigned i = 0; i < JWT_ALGORITHM_COUNT; i++) {
        if (text_equal(name, algorithm_names[i])) {
            *out = (enum jwt_algorithm)i;
            return true;
        }
    }
    return false;
}

/* ---- reading ---- */

static enum refusal malformed(const char **detail, const char *reason)
{
    *detail = reason;
    return REFUSAL_TOKEN_MALFORMED;
}

/* A part of the token that is a JSON object; NULL when it is none, or says something twice. */
static yyjson_doc *read_object(struct text part, const char *what[3], const char **problem)
{
    uint8_t bytes[JWT_LENGTH_MAX];
    size_t length;
    yyjson_doc *document = NULL;

    *problem = what[0];
    if (base64url_decode(part, bytes, sizeof bytes, &length)) {
        *problem = what[1];
        document = yyjson_read((const char *)bytes, length, 0);
    }
    secret_wipe(bytes, part.length < sizeof bytes ? part.length : sizeof bytes);
    if (!yyjson_is_obj(yyjson_doc_get_root(document))) {
        yyjson_doc_free(document);
        return NULL;
    }
    *problem = claims_are_unambiguous(yyjson_doc_get_root(document)) ? NULL : what[2];
    return document;
}

/* Tokens of another kind from the same issuer (a logout token, a DPoP proof) say so in `typ`, and
 * are no proof of who calls (RFC 8725 section 3.11). */
static bool is_known_type(struct text type)
{
    static const struct text known[] = {TEXT_INIT("JWT"), TEXT_INIT("JOSE"), TEXT_INIT("at+jwt"),
                                        TEXT_INIT("application/at+jwt")};

    for (size_t i = 0; i < ARRAY_LENGTH(known); i++) {
        if (text_equal_ignoring_case(type, known[i]))
            return true;
    }
    return false;
}

static enum refusal read_header(struct jwt *jwt, const char **detail)
{
    yyjson_val *root = yyjson_doc_get_root(jwt->header);
    yyjson_val *type = yyjson_obj_get(root, "typ"), *key_id = yyjson_obj_get(root, "kid");

    if (yyjson_obj_get(root, "crit"))
        return malformed(detail, "its header has \"crit\": it asks for what is not known here");
    if (type && !is_known_type(claims_text(root, TEXT("typ"))))
        return malformed(detail, "its header's \"typ\" says that it is no token of this kind");
    if (key_id && (!yyjson_is_str(key_id) || yyjson_get_len(key_id) > JWT_KEY_ID_MAX))
        return malformed(detail, "its header's \"kid\" is no name of a key");
    if (key_id)
        jwt->key_id = text_of(yyjson_get_str(key_id), yyjson_get_len(key_id));
    if (jwt_algorithm_from(claims_text(root, TEXT("alg")), &jwt->algorithm))
        return REFUSAL_NONE;
    *detail =
        "its header's \"alg\" is none that is ever accepted: \"none\" and HS256 prove nothing";
    return REFUSAL_TOKEN_SIGNATURE;
}

/* Header, claims and signature; false when there are not exactly three parts. */
static bool split(struct text token, struct text parts[3])
{
    size_t count = 0;

    for (struct text rest = token; rest.data; count++) {
        if (count == 3)
            return false;
        parts[count] = text_split(&rest, '.');
    }
    return count == 3 && parts[2].length > 0;
}

enum refusal jwt_read(struct text token, struct jwt *jwt, const char **detail)
{
    static const char *header_words[] = {"its header is not base64url",
                                         "its header is no JSON object",
                                         "its header says something twice, or too much"};
    static const char *claims_words[] = {"its claims are not base64url",
                                         "its claims are no JSON object",
                                         "its claims say something twice, or too much"};
    struct text parts[3];
    const char *problem;

    *jwt = (struct jwt){0};
    if (token.length > JWT_LENGTH_MAX)
        return malformed(detail, "it is longer than 16 KiB");
    if (!split(token, parts))
        return malformed(detail, "it has not the three parts of a signed token");
    jwt->signed_part = text_first(token, parts[0].length + 1 + parts[1].length);
    jwt->header = read_object(parts[0], header_words, &problem);
    if (problem)
        return malformed(detail, problem);
    enum refusal refusal = read_header(jwt, detail);
    if (refusal != REFUSAL_NONE)
        return refusal;
    jwt->document = read_object(parts[1], claims_words, &problem);
    if (problem)
        return malformed(detail, problem);
    jwt->claims = yyjson_doc_get_root(jwt->document);
    if (!base64url_decode(parts[2], jwt->signature, sizeof jwt->signature, &jwt->signature_length))
        return malformed(detail, "its signature is not base64url");
    return REFUSAL_NONE;
}

void jwt_close(struct jwt *jwt)
{
    yyjson_doc_free(jwt->header);
    yyjson_doc_free(jwt->document);
    *jwt = (struct jwt){0};
}

/* ---- times ---- */

/* What a double counts in whole seconds with room to spare: some nine million years. */
#define SECONDS_MAX 281474976710655.0

/* A NumericDate (RFC 7519 section 2), fractions cut; false when it is none. */
static bool read_seconds(yyjson_val *value, uint64_t *seconds)
{
    double number = yyjson_get_num(value);

    if (!yyjson_is_num(value) || !isfinite(number) || number < 0 || number > SECONDS_MAX)
        return false;
    *seconds = (uint64_t)number;
    return true;
}

static enum refusal wrong_claims(const char **detail, const char *reason)
{
    *detail = reason;
    return REFUSAL_TOKEN_CLAIMS;
}

enum refusal jwt_check_times(yyjson_val *claims, const struct jwt_terms *terms, uint64_t now,
                             uint64_t *expires, const char **detail)
{
    yyjson_val *not_before = yyjson_obj_get(claims, "nbf"), *issued = yyjson_obj_get(claims, "iat");
    uint64_t from = 0, since = now;

    *detail = NULL;
    if (!yyjson_obj_get(claims, "exp"))
        return wrong_claims(detail, "it has no \"exp\": it would hold for ever");
    if (!read_seconds(yyjson_obj_get(claims, "exp"), expires))
        return wrong_claims(detail, "its \"exp\" is no time");
    if (not_before && !read_seconds(not_before, &from))
        return wrong_claims(detail, "its \"nbf\" is no time");
    if (issued && !read_seconds(issued, &since))
        return wrong_claims(detail, "its \"iat\" is no time");
    if (now >= *expires + terms->clock_skew)
        return REFUSAL_TOKEN_EXPIRED;
    if (from > now + terms->clock_skew) {
        *detail = "its \"nbf\" lies in the future";
        return REFUSAL_TOKEN_EARLY;
    }
    if (issued && since > now + terms->clock_skew) {
        *detail = "its \"iat\" lies in the future";
        return REFUSAL_TOKEN_EARLY;
    }
    if (issued && *expires < since)
        return wrong_claims(detail, "its \"exp\" lies before its \"iat\"");
    if (*expires > since && *expires - since > terms->lifetime)
        return wrong_claims(detail, "it holds for longer than tokens of its issuer may");
    return REFUSAL_NONE;
}
