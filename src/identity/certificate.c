#include "identity/certificate.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <time.h>

#include "base/buffer.h"
#include "base/ensure.h"
#include "codec/json.h"
#include "identity/claims.h"

/* Of the claims as JSON: escapes may make each byte of a name six. */
#define JSON_MAX (6 * CERTIFICATE_LENGTH_MAX)

static const struct {
    const char *claim;
    int type;
} name_kinds[] = {{"uri", GEN_URI}, {"dns", GEN_DNS}, {"email", GEN_EMAIL}};

/* The three are IA5 strings in the same place of the union. */
static struct text name_text(const GENERAL_NAME *name)
{
    int type;
    const ASN1_IA5STRING *string = GENERAL_NAME_get0_value(name, &type);

    return text_of((const char *)ASN1_STRING_get0_data(string), (size_t)ASN1_STRING_length(string));
}

/* False when one of them is not to be had. */
static bool write_names(struct json_writer *json, const GENERAL_NAMES *names)
{
    bool spiffe = false;
    size_t uris = 0;

    for (size_t kind = 0; kind < ARRAY_LENGTH(name_kinds); kind++) {
        json_key(json, text_from(name_kinds[kind].claim));
        json_begin_array(json);
        for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
            const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
            if (name->type != name_kinds[kind].type)
                continue;
            struct text text = name_text(name);
            if (text_find_char(text, '\0') >= 0)
                return false;
            uris += name->type == GEN_URI;
            spiffe = spiffe || (name->type == GEN_URI && text_starts_with(text, TEXT("spiffe://")));
            json_text(json, text);
        }
        json_end_array(json);
    }
    return !spiffe || uris == 1;
}

static bool write_entity(struct json_writer *json, const char *claim, const X509_NAME *name)
{
    BIO *bio = ensure_memory(BIO_new(BIO_s_mem()));
    char *bytes;
    bool good = X509_NAME_print_ex(bio, name, 0,
                                   XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB) >= 0;
    long length = BIO_get_mem_data(bio, &bytes);

    if (good)
        json_member_text(json, claim, text_of(bytes, length > 0 ? (size_t)length : 0));
    BIO_free(bio);
    return good;
}

static bool write_claims(const X509 *x509, struct buffer *out)
{
    struct json_writer json;
    GENERAL_NAMES *names = X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);

    json_open(&json, out);
    json_begin_object(&json);
    bool good = write_names(&json, names) &&
                write_entity(&json, "subject", X509_get_subject_name(x509)) &&
                write_entity(&json, "issuer", X509_get_issuer_name(x509));
    GENERAL_NAMES_free(names);
    if (!good)
        return false;
    json_end_object(&json);
    return json_done(&json);
}

static struct text first_name(yyjson_val *claims)
{
    for (size_t i = 0; i < ARRAY_LENGTH(name_kinds); i++) {
        yyjson_val *first = yyjson_arr_get_first(yyjson_obj_get(claims, name_kinds[i].claim));
        if (first)
            return text_of(yyjson_get_str(first), yyjson_get_len(first));
    }
    return claims_text(claims, TEXT("subject"));
}

static uint64_t read_end(const X509 *x509)
{
    struct tm time;

    if (ASN1_TIME_to_tm(X509_get0_notAfter(x509), &time) != 1)
        return 0;
    time_t seconds = timegm(&time);
    return seconds > 0 ? (uint64_t)seconds : 0;
}

enum error certificate_read(struct text der, struct certificate *out)
{
    const unsigned char *bytes = (const unsigned char *)der.data;
    X509 *x509 =
        der.length <= CERTIFICATE_LENGTH_MAX ? d2i_X509(NULL, &bytes, (long)der.length) : NULL;
    struct buffer json;

    *out = (struct certificate){0};
    buffer_open(&json, JSON_MAX);
    if (x509 && write_claims(x509, &json))
        out->document = yyjson_read(json.data, json.length, 0);
    if (out->document) {
        out->claims = yyjson_doc_get_root(out->document);
        out->subject = first_name(out->claims);
        out->issuer = claims_text(out->claims, TEXT("issuer"));
        out->not_after = read_end(x509);
    }
    buffer_close(&json);
    X509_free(x509);
    ERR_clear_error();
    return out->document ? ERROR_OK : ERROR_SYNTAX;
}

void certificate_close(struct certificate *certificate)
{
    yyjson_doc_free(certificate->document);
    *certificate = (struct certificate){0};
}
