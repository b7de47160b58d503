/* certificates: authorities and certificates made by the test itself, as PEM files in a folder
 * that goes with it. */
#ifndef TESTS_NET_CERTIFICATES_H
#define TESTS_NET_CERTIFICATES_H

#include "endpoint.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/stat.h>

#define CERTIFICATE_FILES_MAXIMUM 64u

struct certificates {
    char folder[64];
    char files[CERTIFICATE_FILES_MAXIMUM][128];
    size_t count;
};

struct authority {
    X509 *certificate;
    EVP_PKEY *key;
    const char *path;
};

struct leaf {
    const char *certificate_path;
    const char *key_path;
};

static inline void certificates_open(struct certificates *all)
{
    *all = (struct certificates){.folder = "/tmp/tls-test-XXXXXX"};
    assert_non_null(mkdtemp(all->folder));
}

static inline void certificates_close(struct certificates *all)
{
    for (size_t i = 0; i < all->count; i++)
        unlink(all->files[i]);
    rmdir(all->folder);
}

static inline FILE *certificates_file(struct certificates *all, const char **path)
{
    assert_true(all->count < CERTIFICATE_FILES_MAXIMUM);
    char *file = all->files[all->count];
    char path_made[128];
    snprintf(path_made, sizeof(path_made), "%.63s/%zu.pem", all->folder, all->count);
    text_copy_to(text_from(path_made), file, sizeof(all->files[0]));
    all->count++;
    *path = file;
    FILE *stream = fopen(file, "w");
    assert_non_null(stream);
    return stream;
}

static inline void certificate_extend(X509 *certificate, int kind, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, kind, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static inline X509 *certificate_begin(EVP_PKEY *key, const char *name, long from, long to)
{
    X509 *certificate = X509_new();
    uint32_t serial;
    RAND_bytes((unsigned char *)&serial, sizeof(serial));
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate), from);
    X509_gmtime_adj(X509_getm_notAfter(certificate), to);
    X509_set_pubkey(certificate, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    return certificate;
}

static inline void authority_open(struct certificates *all, struct authority *authority,
                                  const char *name)
{
    authority->key = EVP_EC_gen("P-256");
    X509 *certificate = certificate_begin(authority->key, name, -3600, 3600);
    X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
    certificate_extend(certificate, NID_basic_constraints, "critical,CA:TRUE");
    certificate_extend(certificate, NID_key_usage, "critical,keyCertSign,cRLSign");
    assert_true(X509_sign(certificate, authority->key, EVP_sha256()) > 0);
    authority->certificate = certificate;
    FILE *stream = certificates_file(all, &authority->path);
    PEM_write_X509(stream, certificate);
    fclose(stream);
}

static inline void authority_close(struct authority *authority)
{
    X509_free(authority->certificate);
    EVP_PKEY_free(authority->key);
}

/* `names` as OpenSSL's configuration has them ("DNS:a.test,IP:127.0.0.1"); `to` in seconds from
 * now. */
static inline struct leaf make_leaf(struct certificates *all, struct authority *authority,
                                    const char *names, long to)
{
    struct leaf leaf;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = certificate_begin(key, "leaf", -7200, to);
    X509_set_issuer_name(certificate, X509_get_subject_name(authority->certificate));
    certificate_extend(certificate, NID_subject_alt_name, names);
    assert_true(X509_sign(certificate, authority->key, EVP_sha256()) > 0);
    FILE *stream = certificates_file(all, &leaf.certificate_path);
    PEM_write_X509(stream, certificate);
    fclose(stream);
    stream = certificates_file(all, &leaf.key_path);
    PEM_write_PrivateKey(stream, key, NULL, NULL, 0, NULL, NULL);
    fclose(stream);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return leaf;
}

#endif
