/* tls_context: what a TLS context is made of (private to the tls files of net/). */
#ifndef NET_TLS_CONTEXT_H
#define NET_TLS_CONTEXT_H

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "net/tls.h"

#define TLS_CERTIFICATES_MAXIMUM 64u  /* of one listener; each handshake looks through them */
#define TLS_TICKET_KEYS          3u   /* the one in use and those of the two contexts before it */
#define TLS_SESSIONS_MAXIMUM     128u /* kept by a client context for resumption: some KiB each */
#define TLS_SESSIONS_OF_ONE \
    4u /* TLS 1.3 tickets are used once: connections opened together need several */
#define TLS_PEER_NAME_SIZE 264u /* the longest host name (RFC 1035: 253), a colon and a port */

struct tls_ticket_key {
    uint8_t name[16];
    uint8_t cipher_key[32];
    uint8_t mac_key[32];
};

struct tls_kept_session {
    char peer[TLS_PEER_NAME_SIZE];
    SSL_SESSION *session; /* NULL: the place is free */
    uint64_t order;       /* of keeping: the oldest goes first */
};

struct tls_context {
    atomic_uint holders;
    /* Server: one per certificate, the first answers clients without SNI. Client: one. */
    SSL_CTX *contexts[TLS_CERTIFICATES_MAXIMUM];
    size_t count;
    struct tls_ticket_key
        ticket_keys[TLS_TICKET_KEYS]; /* the first is given out, all are accepted */
    size_t ticket_key_count;
    pthread_mutex_t sessions_lock; /* workers share a client context */
    struct tls_kept_session *sessions;
    uint64_t sessions_kept;
};

/* Takes over the reference. */
void tls_context_keep_session(struct tls_context *context, const char *peer, SSL_SESSION *session);
/* A session to resume (a reference of the caller's own), or NULL. */
SSL_SESSION *tls_context_take_session(struct tls_context *context, const char *peer);

/* Set for client contexts: a session arrived on `ssl` (tls_session.c knows its peer). */
int tls_session_arrived(SSL *ssl, SSL_SESSION *session);
/* Notes for people which certificate was refused and why. */
int tls_session_verify(int accepted, X509_STORE_CTX *store);

#endif
