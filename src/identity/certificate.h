/* certificate: what a client certificate says of its holder, as claims (identity/claims.h), so that
 * rules look at it as they look at a token: {"uri": [...], "dns": [...], "email": [...], "subject":
 * "CN=batch,O=Example", "issuer": "CN=authority"}. Names in the order of the certificate, subject
 * and issuer as RFC 4514 writes them.
 *
 * That it is genuine is TLS's to know: only the verified certificate of a connection comes here.
 * Pure functions, any thread. */
#ifndef IDENTITY_CERTIFICATE_H
#define IDENTITY_CERTIFICATE_H

#include <stdint.h>
#include <yyjson.h>

#include "base/text.h"
#include "tables/error.h"

/* Bytes of a certificate that is looked at; usual ones have 1 to 2 KiB. */
#define CERTIFICATE_LENGTH_MAX (16u << 10)

struct certificate {
    yyjson_doc *document;
    yyjson_val *claims; /* the root of `document` */
    struct text
        subject;        /* the first of its uri, dns, email; else its subject. Points into claims */
    struct text issuer; /* likewise */
    uint64_t not_after; /* wall seconds */
};

/* `der` as in X.509. ERROR_SYNTAX: it is none; it has a NUL in a name; or it has a SPIFFE ID and a
 * second URI, which an X.509-SVID must not have (SPIFFE, "X509-SVID", section 2). To be closed when
 * ERROR_OK. */
must_handle enum error certificate_read(struct text der, struct certificate *out);
void certificate_close(struct certificate *certificate);

#endif
