/* JSON Web Tokens, signed with RSA. */
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/ensure.h"
#include "base/secret.h"
#include "control/credential_parts.h"

/* Bytes of an RSA signature: a key of 16,384 bits. */
#define SIGNATURE_MAX 2048u

void jwt_append_base64url(struct buffer *out, const unsigned char *bytes, size_t length)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    for (size_t i = 0; i < length; i += 3) {
        size_t rest = length - i < 3 ? length - i : 3;
        uint32_t group = (uint32_t)bytes[i] << 16 | (rest > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
                         (rest > 2 ? bytes[i + 2] : 0);
        for (size_t k = 0; k <= rest; k++)
            buffer_append_char(out, digits[group >> (18 - 6 * k) & 63]);
    }
}

EVP_PKEY *jwt_read_key(struct text pem)
{
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.length);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, "") : NULL;

    BIO_free(bio);
    if (key && EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA)
        return key;
    EVP_PKEY_free(key);
    return NULL;
}

static bool sign(struct jwt_key key, struct text signed_text, unsigned char *signature,
                 size_t *length)
{
    EVP_MD_CTX *context = ensure_memory(EVP_MD_CTX_new());
    EVP_PKEY_CTX *options = NULL;
    bool good =
        EVP_DigestSignInit(context, &options, EVP_sha256(), NULL, key.key) == 1 &&
        (!key.pss || (EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1 &&
                      EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) == 1)) &&
        EVP_DigestSign(context, signature, length, (const unsigned char *)signed_text.data,
                       signed_text.length) == 1;

    EVP_MD_CTX_free(context);
    return good;
}

bool jwt_sign(struct jwt_key key, struct text header, struct text claims, struct buffer *out)
{
    unsigned char signature[SIGNATURE_MAX];
    size_t start = out->length, length = sizeof(signature);

    if ((size_t)EVP_PKEY_get_size(key.key) > sizeof(signature))
        return false;
    jwt_append_base64url(out, (const unsigned char *)header.data, header.length);
    buffer_append_char(out, '.');
    jwt_append_base64url(out, (const unsigned char *)claims.data, claims.length);
    if (out->failed || !sign(key, text_from_index(buffer_text(out), start), signature, &length))
        return false;
    buffer_append_char(out, '.');
    jwt_append_base64url(out, signature, length);
    return !out->failed;
}
