/* Keys, JWK sets and tokens for tests, right and wrong in every way. */
#ifndef TEST_JWT_MAKER_H
#define TEST_JWT_MAKER_H

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/buffer.h"
#include "base/ensure.h"

static void maker_append_base64url(struct buffer *out, const void *bytes, size_t length)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const unsigned char *in = bytes;
    for (size_t i = 0; i < length; i += 3) {
        size_t rest = length - i < 3 ? length - i : 3;
        uint32_t group = (uint32_t)in[i] << 16 | (rest > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
                         (rest > 2 ? in[i + 2] : 0);
        for (size_t k = 0; k <= rest; k++)
            buffer_append_char(out, digits[group >> (18 - 6 * k) & 63]);
    }
}

static EVP_PKEY *maker_rsa(unsigned bits)
{
    return ensure_memory(EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)bits));
}

static EVP_PKEY *maker_curve(const char *group)
{
    return ensure_memory(EVP_PKEY_Q_keygen(NULL, NULL, "EC", group));
}

static EVP_PKEY *maker_edwards(void)
{
    return ensure_memory(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
}

static void maker_append_number(struct buffer *out, EVP_PKEY *key, const char *parameter, int size)
{
    BIGNUM *number = NULL;
    unsigned char bytes[2048];
    ensure(EVP_PKEY_get_bn_param(key, parameter, &number) == 1);
    int length = size > 0 ? BN_bn2binpad(number, bytes, size) : BN_bn2bin(number, bytes);
    ensure(length > 0);
    maker_append_base64url(out, bytes, (size_t)length);
    BN_free(number);
}

/* {"kty":…,"kid":kid, more}: `more` is further members with a comma in front, or "". */
static void maker_append_jwk(struct buffer *out, EVP_PKEY *key, const char *kid, const char *more)
{
    if (EVP_PKEY_is_a(key, "RSA")) {
        buffer_append_format(out, "{\"kty\":\"RSA\",\"n\":\"");
        maker_append_number(out, key, OSSL_PKEY_PARAM_RSA_N, 0);
        buffer_append_format(out, "\",\"e\":\"");
        maker_append_number(out, key, OSSL_PKEY_PARAM_RSA_E, 0);
    } else if (EVP_PKEY_is_a(key, "EC")) {
        int size = (EVP_PKEY_get_bits(key) + 7) / 8;
        const char *curve = size == 32 ? "P-256" : size == 48 ? "P-384" : "P-521";
        buffer_append_format(out, "{\"kty\":\"EC\",\"crv\":\"%s\",\"x\":\"", curve);
        maker_append_number(out, key, OSSL_PKEY_PARAM_EC_PUB_X, size);
        buffer_append_format(out, "\",\"y\":\"");
        maker_append_number(out, key, OSSL_PKEY_PARAM_EC_PUB_Y, size);
    } else {
        unsigned char bytes[32];
        size_t length = sizeof bytes;
        ensure(EVP_PKEY_get_raw_public_key(key, bytes, &length) == 1);
        buffer_append_format(out, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"");
        maker_append_base64url(out, bytes, length);
    }
    buffer_append_char(out, '"');
    if (kid)
        buffer_append_format(out, ",\"kid\":\"%s\"", kid);
    buffer_append_format(out, "%s}", more);
}

static size_t maker_sign(EVP_PKEY *key, const char *digest, bool pss, struct text bytes,
                         unsigned char *signature, size_t room)
{
    EVP_MD_CTX *context = ensure_memory(EVP_MD_CTX_new());
    EVP_PKEY_CTX *options = NULL;
    size_t length = room;
    ensure(EVP_DigestSignInit_ex(context, &options, digest, NULL, NULL, key, NULL) == 1);
    if (pss)
        ensure(EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1 &&
               EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) == 1);
    ensure(EVP_DigestSign(context, signature, &length, (const unsigned char *)bytes.data,
                          bytes.length) == 1);
    EVP_MD_CTX_free(context);
    return length;
}

/* A DER signature as r and s side by side. */
static size_t maker_to_raw(unsigned char *signature, size_t length, int size)
{
    const unsigned char *in = signature;
    unsigned char raw[132];
    ECDSA_SIG *pair = ensure_memory(d2i_ECDSA_SIG(NULL, &in, (long)length));
    ensure(BN_bn2binpad(ECDSA_SIG_get0_r(pair), raw, size) == size &&
           BN_bn2binpad(ECDSA_SIG_get0_s(pair), raw + size, size) == size);
    ECDSA_SIG_free(pair);
    memcpy(signature, raw, 2 * (size_t)size);
    return 2 * (size_t)size;
}

/* Header and claims as they are, and a signature by `algorithm`: a name of RFC 7518, "ES256-der"
 * (not as the RFC has it), or "none". Into `out`, which is emptied. */
static struct text maker_token(struct buffer *out, EVP_PKEY *key, const char *algorithm,
                               const char *header, const char *claims)
{
    unsigned char signature[2048];
    size_t length = 0;
    char digest[] = "SHA256";
    bool edwards = strcmp(algorithm, "EdDSA") == 0;
    buffer_clear(out);
    maker_append_base64url(out, header, strlen(header));
    buffer_append_char(out, '.');
    maker_append_base64url(out, claims, strlen(claims));
    if (strlen(algorithm) >= 5)
        memcpy(digest + 3, algorithm + 2, 3);
    if (strcmp(algorithm, "none") != 0)
        length = maker_sign(key, edwards ? NULL : digest, algorithm[0] == 'P', buffer_text(out),
                            signature, sizeof signature);
    if (algorithm[0] == 'E' && !edwards && !strstr(algorithm, "-der"))
        length = maker_to_raw(signature, length, (EVP_PKEY_get_bits(key) + 7) / 8);
    buffer_append_char(out, '.');
    maker_append_base64url(out, signature, length);
    ensure(!out->failed);
    return buffer_text(out);
}

#endif
