/* issuer_source: asks an issuer for its public keys, or reads their file. For threads that may
 * block. Within control/ only. */
#ifndef CONTROL_ISSUER_SOURCE_H
#define CONTROL_ISSUER_SOURCE_H

#include "base/buffer.h"
#include "config/snapshot.h"
#include "tables/error.h"

/* Bytes of a set of keys, or of a discovery document; 128 keys of 8192 bits are 180 KiB. */
#define ISSUER_DOCUMENT_MAX (256u << 10)

/* The set as it is written, into `out` (opened here, to be closed either way). By `jwks_file`, else
 * `jwks_url`, else what "ISSUER/.well-known/openid-configuration" says (OpenID Connect
 * Discovery 1.0, section 4), whose `issuer` must be this one to the letter. `stop` as in
 * control/fetch.h. On an error `problem` (ISSUER_PROBLEM_SIZE) says why. */
must_handle enum error issuer_fetch(const struct config_issuer *issuer, const bool *stop,
                                    struct buffer *out, char *problem);

#endif
