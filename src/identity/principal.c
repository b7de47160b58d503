#include "identity/principal.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "base/ensure.h"

#define PREFIX_LENGTH (sizeof(PRINCIPAL_ID_PREFIX) - 1)

static const struct text proof_names[PRINCIPAL_PROOF_COUNT] = {
    [PRINCIPAL_KEY] = TEXT_INIT("key"),
    [PRINCIPAL_TOKEN] = TEXT_INIT("token"),
    [PRINCIPAL_CERTIFICATE] = TEXT_INIT("certificate"),
};

struct text principal_proof_name(enum principal_proof proof)
{
    ensure((unsigned)proof < PRINCIPAL_PROOF_COUNT);
    return proof_names[proof];
}

/* The next digit of `number` (big-endian, `size` bytes), which is divided by 36. */
static char next_digit(uint8_t *number, size_t size)
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    unsigned rest = 0;

    for (size_t i = 0; i < size; i++) {
        unsigned part = rest << 8 | number[i];
        number[i] = (uint8_t)(part / 36);
        rest = part % 36;
    }
    return digits[rest];
}

void principal_make_id(struct text issuer, struct text subject, char out[PRINCIPAL_ID_LENGTH])
{
    const uint64_t length = issuer.length; /* in front, so that no two pairs are one text */
    uint8_t digest[32];
    EVP_MD_CTX *context = ensure_memory(EVP_MD_CTX_new());

    ensure(EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1 &&
           EVP_DigestUpdate(context, &length, sizeof length) == 1 &&
           EVP_DigestUpdate(context, issuer.data, issuer.length) == 1 &&
           EVP_DigestUpdate(context, subject.data, subject.length) == 1 &&
           EVP_DigestFinal_ex(context, digest, NULL) == 1);
    EVP_MD_CTX_free(context);
    memcpy(out, PRINCIPAL_ID_PREFIX, PREFIX_LENGTH);
    for (size_t i = PREFIX_LENGTH; i < PRINCIPAL_ID_LENGTH; i++)
        out[i] = next_digit(digest, sizeof digest);
}

bool principal_id_is_valid(struct text id)
{
    if (id.length != PRINCIPAL_ID_LENGTH || !text_starts_with(id, TEXT(PRINCIPAL_ID_PREFIX)))
        return false;
    for (size_t i = PREFIX_LENGTH; i < id.length; i++) {
        char c = id.data[i];
        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z'))
            return false;
    }
    return true;
}

struct principal *principal_copy(const struct principal *principal)
{
    struct principal copy = *principal;
    struct text *const texts[] = {&copy.id,     &copy.name,    &copy.team,     &copy.tags,
                                  &copy.issuer, &copy.subject, &copy.proof_id, &copy.exchanged_key};
    size_t size = sizeof copy;

    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        size += texts[i]->length;
    struct principal *out = malloc(size);
    if (!out)
        return NULL;
    char *memory = (char *)(out + 1);
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        if (texts[i]->length > 0)
            memcpy(memory, texts[i]->data, texts[i]->length);
        texts[i]->data = memory;
        memory += texts[i]->length;
    }
    *out = copy;
    return out;
}
