/* sigv4: AWS Signature Version 4, for every service but S3 (whose rules for paths differ).
 *
 * What is signed is the request as it goes out: the target as it stands in the request line, the
 * header lines that are given, the bytes of the body in their parts. Source: "Create a signed AWS
 * API request" in the IAM user guide. No state, nothing kept; any thread. */
#ifndef PROVIDER_SIGV4_H
#define PROVIDER_SIGV4_H

#include "base/buffer.h"
#include "base/text.h"
#include "tables/error.h"

/* Far above what any call of ours has; who has more is refused, not signed in part. */
#define SIGV4_HEADERS_MAX    32u
#define SIGV4_PARAMETERS_MAX 32u
#define SIGV4_SEGMENTS_MAX   64u
/* The canonical request: a target of 4 KiB, each byte of which may become three, and a session
 * token of some KiB fit many times. */
#define SIGV4_CANONICAL_MAX (128u << 10)

/* Who signs. The texts are secret. */
struct sigv4_key {
    struct text access_key_id;
    struct text secret_key;
    struct text session_token; /* empty: it is no temporary key */
};

struct sigv4_request {
    struct text method;
    struct text host;   /* as in the Host header */
    struct text target; /* as in the request line: path, "?", query; percent-encoded once */
    struct text lines;  /* "name: value CR LF", to be signed beside host, date and session token: at
                           least content-type and all x-amz-*. None that a proxy may change */
    const struct text *body; /* its bytes, in parts */
    size_t body_count;
    struct text region;  /* "us-east-1" */
    struct text service; /* "bedrock" */
    uint64_t time;       /* seconds since 1970; AWS takes it for five minutes */
};

/* Appends the header lines x-amz-date, x-amz-security-token (where there is one) and authorization.
 * `request->lines` may lie in `out`. ERROR_LIMIT: more headers, parameters or bytes than above;
 * ERROR_SYNTAX: a line without a colon, or a key that cannot stand in a header; ERROR_MEMORY. */
must_handle enum error sigv4_sign(const struct sigv4_key *key, const struct sigv4_request *request,
                                  struct buffer *out);

#endif
