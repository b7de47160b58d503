/* tls: contexts (certificates, trust) and the few calls a connection needs, on OpenSSL.
 *
 * A context is immutable once made and counted: a reload makes a new one, connections keep the one
 * they began with. tls_context_hold/release from any thread; sessions inside are OpenSSL's own
 * thread-safe objects. TLS 1.2 and 1.3 only. */
#ifndef NET_TLS_H
#define NET_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "tables/error.h"

struct tls_context;

/* One certificate of a listener: PEM files; the names in the certificate choose by SNI. */
struct tls_certificate_files {
    const char *certificate_path; /* leaf first, then intermediates */
    const char *key_path;
};

struct tls_server_settings {
    const struct tls_certificate_files *certificates; /* the first answers clients without SNI */
    size_t certificate_count;
    const char
        *client_authority_path; /* PEM of authorities for client certificates; NULL: none asked */
    bool client_certificate_required;
};

struct tls_client_settings {
    const char *authority_path;   /* PEM bundle; NULL: the system's */
    const char *certificate_path; /* client certificate, NULL: none */
    const char *key_path;
};

/* In which way a caller's handshake failed. */
enum tls_trouble {
    TLS_TROUBLE_OTHER,
    TLS_TROUBLE_PLAIN_HTTP,         /* he speaks HTTP without TLS */
    TLS_TROUBLE_VERSION,            /* he has no version or cipher that is taken here */
    TLS_TROUBLE_CLIENT_CERTIFICATE, /* his certificate is missing, or nobody here vouches for it */
    TLS_TROUBLE_DISTRUSTED,         /* he does not trust the certificate that he was shown */
};

#define TLS_REASON_SIZE 256

/* On failure `reason` says which file and why, for config errors. Session tickets and the session
 * cache are on; the ticket keys of a server context live and die with it (a reload keeps the old
 * keys for old tickets where `previous` is given; NULL at first). ALPN: http/1.1. */
must_handle enum error tls_server_context_create(const struct tls_server_settings *settings,
                                                 const struct tls_context *previous,
                                                 struct tls_context **out,
                                                 char reason[TLS_REASON_SIZE]);
must_handle enum error tls_client_context_create(const struct tls_client_settings *settings,
                                                 struct tls_context **out,
                                                 char reason[TLS_REASON_SIZE]);
/* When the first certificate of a PEM file ends, in seconds since 1970; 0: it cannot be read. */
int64_t tls_certificate_end(const char *path);
struct tls_context *tls_context_hold(struct tls_context *context);
void tls_context_release(struct tls_context *context);

#endif
