/* doctor_http: one request of `turnpike doctor`, with what a program does not see of it: when each
 * piece came, over which connection, and what was wrong with a certificate.
 *
 * Proxies are those of the environment, as applications and the gateway itself read them. Blocks.
 * Main thread. */
#ifndef APP_DOCTOR_HTTP_H
#define APP_DOCTOR_HTTP_H

#include <curl/curl.h>
#include <stdint.h>

#include "base/buffer.h"

#define DOCTOR_HTTP_BODY_MAX   (1u << 20) /* bytes: a list of models, or a short answer */
#define DOCTOR_HTTP_PIECES_MAX 256u
#define DOCTOR_HTTP_NAMES_SIZE 512u

/* The server's certificate, and what is wrong with the chain. */
struct doctor_certificate {
    bool seen;
    int error; /* OpenSSL's X509_V_ERR_*, 0: none */
    char error_text[128];
    char subject[256], issuer[256]; /* of the one that the error is about; else of the server's */
    char names[DOCTOR_HTTP_NAMES_SIZE]; /* that the server's is for */
    int64_t not_after;                  /* of the server's; seconds since 1970 */
};

struct doctor_call {
    CURL *curl; /* kept between calls: its connections are */
    /* What is asked. */
    const char *method, *url;
    const char *proxy;               /* "http://host:port"; "": none */
    struct text proxy_authorization; /* value of Proxy-Authorization; empty: none */
    const char *authority;           /* PEM file; NULL: the system's */
    /* PEM files of the caller's own certificate and its key; NULL: none is shown. The key may stand
     * in the certificate's file. */
    const char *own_certificate, *own_key;
    struct text body;
    const char *const *fields; /* "Name: value", beside those that every call has */
    size_t field_count;
    const char *key; /* NULL: none is sent */
    long seconds;    /* for all of it */
    bool connect_only;
    bool compressed; /* it may be, as SDKs allow it; unpacked as it comes */
    bool unverified; /* whether it can be reached is all that is asked */
    /* What came. */
    CURLcode code;
    char problem[CURL_ERROR_SIZE];
    long status;
    struct buffer head, answer;
    uint64_t piece_times[DOCTOR_HTTP_PIECES_MAX]; /* nanoseconds since the request */
    size_t piece_ends[DOCTOR_HTTP_PIECES_MAX];    /* how much of the answer was here then */
    size_t piece_count;
    uint64_t began, first_byte, total; /* monotonic; nanoseconds since `began` */
    long new_connections;
    struct doctor_certificate certificate;
};

void doctor_call_open(struct doctor_call *call);
void doctor_call_close(struct doctor_call *call);
/* Whether there was an answer, of whatever status (with connect_only: a connection). */
bool doctor_call_run(struct doctor_call *call);
/* The value of the last field of that name in the answer's head; data NULL: there is none. */
struct text doctor_call_field(const struct doctor_call *call, const char *name);

#endif
