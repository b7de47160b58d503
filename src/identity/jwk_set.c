#include "identity/jwk_set.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include "base/ensure.h"
#include "identity/base64url.h"
#include "identity/claims.h"

/* Bytes of an RSA modulus of JWK_RSA_BITS_MAX and some, so that a longer one is told as such. */
#define NUMBER_MAX (JWK_RSA_BITS_MAX / 8 + 64u)
/* Bytes of a coordinate of P-521. */
#define COORDINATE_MAX 66u
/* A public exponent is 65537; a large one makes verifying as dear as signing. */
#define EXPONENT_BITS_MAX 32

enum key_kind { KEY_KIND_RSA, KEY_KIND_P256, KEY_KIND_P384, KEY_KIND_P521, KEY_KIND_ED25519 };

struct jwk {
    char *id; /* NULL: it has no name */
    enum key_kind kind;
    bool bound; /* to `algorithm` */
    enum jwt_algorithm algorithm;
    EVP_PKEY *key;
};

struct jwk_set {
    size_t count;
    struct jwk keys[];
};

static const struct algorithm_row {
    enum key_kind kind;
    const char *digest; /* NULL: the algorithm has its own */
    bool pss;
    size_t coordinate; /* bytes of each half of an ECDSA signature (RFC 7518 section 3.4) */
} algorithm_rows[JWT_ALGORITHM_COUNT] = {
    [JWT_RS256] = {KEY_KIND_RSA, "SHA256", false, 0},
    [JWT_RS384] = {KEY_KIND_RSA, "SHA384", false, 0},
    [JWT_RS512] = {KEY_KIND_RSA, "SHA512", false, 0},
    [JWT_PS256] = {KEY_KIND_RSA, "SHA256", true, 0},
    [JWT_PS384] = {KEY_KIND_RSA, "SHA384", true, 0},
    [JWT_PS512] = {KEY_KIND_RSA, "SHA512", true, 0},
    [JWT_ES256] = {KEY_KIND_P256, "SHA256", false, 32},
    [JWT_ES384] = {KEY_KIND_P384, "SHA384", false, 48},
    [JWT_ES512] = {KEY_KIND_P521, "SHA512", false, 66},
    [JWT_EDDSA] = {KEY_KIND_ED25519, NULL, false, 0},
};

/* ---- one key ---- */

static EVP_PKEY *key_from(const char *type, OSSL_PARAM_BLD *builder)
{
    OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *key = NULL;

    if (!parameters || !context || EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(parameters);
    return key;
}

static BIGNUM *read_number(yyjson_val *jwk, const char *name)
{
    uint8_t bytes[NUMBER_MAX];
    size_t length;

    if (!base64url_decode(claims_text(jwk, text_from(name)), bytes, sizeof bytes, &length) ||
        length == 0)
        return NULL;
    return BN_bin2bn(bytes, (int)length, NULL);
}

static const char *read_rsa(yyjson_val *jwk, struct jwk *out)
{
    BIGNUM *modulus = read_number(jwk, "n"), *exponent = read_number(jwk, "e");
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    const char *problem = "its numbers are no RSA key";

    if (modulus && exponent && builder) {
        int bits = BN_num_bits(modulus);
        if (bits < JWK_RSA_BITS_MIN || bits > JWK_RSA_BITS_MAX)
            problem = "an RSA key has 2048 to 8192 bits here";
        else if (BN_is_odd(modulus) && BN_is_odd(exponent) && !BN_is_one(exponent) &&
                 BN_num_bits(exponent) <= EXPONENT_BITS_MAX &&
                 OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus) == 1 &&
                 OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent) == 1)
            out->key = key_from("RSA", builder);
    }
    out->kind = KEY_KIND_RSA;
    OSSL_PARAM_BLD_free(builder);
    BN_free(modulus);
    BN_free(exponent);
    return out->key ? NULL : problem;
}

static const struct curve {
    struct text name; /* of RFC 7518 section 6.2.1.1 */
    const char *group;
    enum key_kind kind;
    size_t size;
} curves[] = {
    {TEXT_INIT("P-256"), "prime256v1", KEY_KIND_P256, 32},
    {TEXT_INIT("P-384"), "secp384r1", KEY_KIND_P384, 48},
    {TEXT_INIT("P-521"), "secp521r1", KEY_KIND_P521, 66},
};

static bool is_on_curve(EVP_PKEY *key)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    bool good = context && EVP_PKEY_public_check(context) == 1;

    EVP_PKEY_CTX_free(context);
    return good;
}

/* The point uncompressed: 4, x, y. */
static const char *read_point(yyjson_val *jwk, const struct curve *curve, struct jwk *out)
{
    uint8_t point[1 + 2 * COORDINATE_MAX] = {4};
    size_t x, y;
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    bool good =
        builder && base64url_decode(claims_text(jwk, TEXT("x")), point + 1, curve->size, &x) &&
        base64url_decode(claims_text(jwk, TEXT("y")), point + 1 + curve->size, curve->size, &y) &&
        x == curve->size && y == curve->size &&
        OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, curve->group, 0) ==
            1 &&
        OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point,
                                         1 + 2 * curve->size) == 1;

    out->kind = curve->kind;
    if (good)
        out->key = key_from("EC", builder);
    OSSL_PARAM_BLD_free(builder);
    return out->key && is_on_curve(out->key) ? NULL : "its coordinates are no point of its curve";
}

static const char *read_elliptic(yyjson_val *jwk, struct jwk *out)
{
    struct text name = claims_text(jwk, TEXT("crv"));

    for (size_t i = 0; i < ARRAY_LENGTH(curves); i++) {
        if (text_equal(name, curves[i].name))
            return read_point(jwk, &curves[i], out);
    }
    return "";
}

static const char *read_edwards(yyjson_val *jwk, struct jwk *out)
{
    uint8_t bytes[32];
    size_t length;

    if (!text_equal(claims_text(jwk, TEXT("crv")), TEXT("Ed25519")))
        return "";
    out->kind = KEY_KIND_ED25519;
    if (base64url_decode(claims_text(jwk, TEXT("x")), bytes, sizeof bytes, &length) &&
        length == sizeof bytes)
        out->key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, bytes, length);
    return out->key ? NULL : "its \"x\" is no Ed25519 key";
}

/* Kinds of keys; one that is not here is none of ours, "oct" among them. */
static const struct {
    struct text type;
    const char *(*read)(yyjson_val *jwk, struct jwk *out);
} kinds[] = {
    {TEXT_INIT("RSA"), read_rsa},
    {TEXT_INIT("EC"), read_elliptic},
    {TEXT_INIT("OKP"), read_edwards},
};

/* Signs tokens, as far as it says. SPIFFE has a word of its own (its specification, "SPIFFE Trust
 * Domain and Bundle", section 4.2.2). */
static bool is_for_tokens(yyjson_val *jwk)
{
    yyjson_val *use = yyjson_obj_get(jwk, "use");

    if (use && !yyjson_equals_str(use, "sig") && !yyjson_equals_str(use, "jwt-svid"))
        return false;
    return !yyjson_obj_get(jwk, "key_ops") || claims_contain(jwk, TEXT("key_ops"), TEXT("verify"));
}

static void free_jwk(struct jwk *jwk)
{
    free(jwk->id);
    EVP_PKEY_free(jwk->key);
    *jwk = (struct jwk){0};
}

/* NULL when the key is in `out`; "" when it is none of ours, else why it is left out. */
static const char *read_jwk(yyjson_val *jwk, struct jwk *out)
{
    struct text type = claims_text(jwk, TEXT("kty")), id = claims_text(jwk, TEXT("kid"));
    yyjson_val *algorithm = yyjson_obj_get(jwk, "alg");
    const char *problem = "";

    if (!yyjson_is_obj(jwk) || !is_for_tokens(jwk))
        return "";
    out->bound = algorithm != NULL;
    if (algorithm && !jwt_algorithm_from(claims_text(jwk, TEXT("alg")), &out->algorithm))
        return "";
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
        if (text_equal(type, kinds[i].type))
            problem = kinds[i].read(jwk, out);
    }
    if (!problem && out->bound && algorithm_rows[out->algorithm].kind != out->kind)
        problem = "its \"alg\" is of another kind of keys";
    if (problem)
        return problem;
    if (id.length > JWT_KEY_ID_MAX || (id.length > 0 && memchr(id.data, 0, id.length)))
        return "its \"kid\" is no name";
    out->id = text_empty(id) ? NULL : text_duplicate(id);
    return NULL;
}

/* ---- the set ---- */

static void note_left_out(yyjson_val *jwk, const char *why, char problem[JWK_SET_PROBLEM_SIZE])
{
    if (problem[0])
        return;
    (void)snprintf(problem, JWK_SET_PROBLEM_SIZE, "key \"%.60s\" is left out: %s",
                   claims_text(jwk, TEXT("kid")).data ? claims_text(jwk, TEXT("kid")).data : "",
                   why);
}

static enum error fail(enum error error, char problem[JWK_SET_PROBLEM_SIZE], const char *words)
{
    (void)snprintf(problem, JWK_SET_PROBLEM_SIZE, "%s", words);
    return error;
}

static enum error fill(yyjson_val *keys, struct jwk_set *set, char problem[JWK_SET_PROBLEM_SIZE])
{
    yyjson_val *jwk;
    size_t index, count;

    yyjson_arr_foreach(keys, index, count, jwk)
    {
        const char *why = read_jwk(jwk, &set->keys[set->count]);
        if (!why) {
            set->count++;
            continue;
        }
        free_jwk(&set->keys[set->count]);
        if (why[0])
            note_left_out(jwk, why, problem);
    }
    if (set->count > 0)
        return ERROR_OK;
    return problem[0] ? ERROR_SYNTAX
                      : fail(ERROR_SYNTAX, problem, "it has no key that verifies signatures");
}

enum error jwk_set_make(struct text json, struct jwk_set **out, char problem[JWK_SET_PROBLEM_SIZE])
{
    yyjson_doc *document = yyjson_read(json.data, json.length, 0);
    yyjson_val *keys = yyjson_obj_get(yyjson_doc_get_root(document), "keys");
    enum error error;

    *out = NULL;
    problem[0] = '\0';
    if (!yyjson_is_arr(keys)) {
        error = fail(ERROR_SYNTAX, problem, "it is no JSON object with \"keys\"");
    } else if (yyjson_arr_size(keys) > JWK_SET_MAX) {
        error = fail(ERROR_LIMIT, problem, "it has more than 128 keys");
    } else {
        size_t size = sizeof(struct jwk_set) + (yyjson_arr_size(keys) + 1) * sizeof(struct jwk);
        struct jwk_set *set = ensure_memory(calloc(1, size));
        error = fill(keys, set, problem);
        if (error)
            jwk_set_free(set);
        else
            *out = set;
    }
    yyjson_doc_free(document);
    ERR_clear_error();
    return error;
}

void jwk_set_free(struct jwk_set *set)
{
    if (!set)
        return;
    for (size_t i = 0; i < set->count; i++)
        free_jwk(&set->keys[i]);
    free(set);
}

size_t jwk_set_count(const struct jwk_set *set)
{
    return set->count;
}

/* ---- verifying ---- */

/* An ECDSA signature as OpenSSL wants it, from r and s side by side; false when it has another
 * length: that of a DER signature, say. `der` is to be freed by OPENSSL_free. */
static bool to_der(const struct jwt *jwt, size_t coordinate, uint8_t **der, size_t *length)
{
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = NULL, *s = NULL;
    int written = -1;

    *der = NULL;
    if (pair && jwt->signature_length == 2 * coordinate) {
        r = BN_bin2bn(jwt->signature, (int)coordinate, NULL);
        s = BN_bin2bn(jwt->signature + coordinate, (int)coordinate, NULL);
    }
    if (r && s && ECDSA_SIG_set0(pair, r, s) == 1)
        written = i2d_ECDSA_SIG(pair, der);
    else {
        BN_free(r);
        BN_free(s);
    }
    ECDSA_SIG_free(pair);
    *length = written > 0 ? (size_t)written : 0;
    return written > 0;
}

static bool choose_padding(EVP_PKEY_CTX *options, const struct algorithm_row *row)
{
    if (row->kind != KEY_KIND_RSA)
        return true;
    if (!row->pss)
        return EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PADDING) == 1;
    return EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) == 1;
}

static bool verify(const struct jwk *jwk, const struct jwt *jwt)
{
    const struct algorithm_row *row = &algorithm_rows[jwt->algorithm];
    const uint8_t *signature = jwt->signature;
    size_t length = jwt->signature_length;
    uint8_t *der = NULL;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *options = NULL;

    if (row->coordinate > 0 && to_der(jwt, row->coordinate, &der, &length))
        signature = der;
    bool good =
        context && (row->coordinate == 0 || der) &&
        EVP_DigestVerifyInit_ex(context, &options, row->digest, NULL, NULL, jwk->key, NULL) == 1 &&
        choose_padding(options, row) &&
        EVP_DigestVerify(context, signature, length, (const uint8_t *)jwt->signed_part.data,
                         jwt->signed_part.length) == 1;
    OPENSSL_free(der);
    EVP_MD_CTX_free(context);
    ERR_clear_error(); /* of this thread, which has TLS connections too */
    return good;
}

static bool fits(const struct jwk *jwk, const struct jwt *jwt)
{
    if (jwk->kind != algorithm_rows[jwt->algorithm].kind ||
        (jwk->bound && jwk->algorithm != jwt->algorithm))
        return false;
    return !jwt->key_id.data || (jwk->id && text_equal(text_from(jwk->id), jwt->key_id));
}

enum jwk_verdict jwk_set_verify(const struct jwk_set *set, const struct jwt *jwt)
{
    size_t fitting = 0;

    for (size_t i = 0; i < set->count; i++)
        fitting += fits(&set->keys[i], jwt);
    if (fitting == 0 || (fitting > 1 && !jwt->key_id.data))
        return JWK_UNKNOWN;
    for (size_t i = 0; i < set->count; i++) {
        if (fits(&set->keys[i], jwt) && verify(&set->keys[i], jwt))
            return JWK_VERIFIED;
    }
    return JWK_WRONG;
}
