/* One conversation. Handshake, then records both ways; `error` is set once, by the first fatal
 * failure, after which OpenSSL is not asked again (its state is undefined then, SSL_get_error(3)).
 *
 * An end of the stream without close_notify is a failure (RESET), never an end: else a cut could be
 * passed off as a whole body. */
#include "net/tls_session.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "base/ensure.h"
#include "net/address.h"
#include "net/tls_context.h"

struct tls_session {
    SSL *ssl;
    struct tls_context *context;
    char *peer;      /* client: the key of kept sessions; NULL on the server side */
    uint8_t error;   /* enum error */
    uint8_t trouble; /* enum tls_trouble */
    bool open;       /* the handshake is done */
    bool ended;
    char detail[TLS_REASON_SIZE];
};

/* ---- making ---- */

static bool session_expect_name(struct tls_session *session, const char *name)
{
    struct address literal;
    X509_VERIFY_PARAM *parameters = SSL_get0_param(session->ssl);
    if (address_parse_host(text_from(name), 0, &literal) == ERROR_OK) {
        const void *ip = literal.any.sa_family == AF_INET ? (const void *)&literal.v4.sin_addr
                                                          : (const void *)&literal.v6.sin6_addr;
        size_t length = literal.any.sa_family == AF_INET ? 4 : 16;
        return X509_VERIFY_PARAM_set1_ip(parameters, ip, length) ==
               1; /* no SNI: RFC 6066 section 3 */
    }
    X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_host(parameters, name, 0) == 1 &&
           SSL_set_tlsext_host_name(session->ssl, name) == 1;
}

static bool session_begin_client(struct tls_session *session, int descriptor, const char *name)
{
    ensure(name && name[0]);
    if (!session_expect_name(session, name))
        return false;
    struct address peer = {.length = sizeof(struct sockaddr_un)};
    if (getpeername(descriptor, &peer.any, &peer.length) != 0)
        peer.length = 0;
    char key[TLS_PEER_NAME_SIZE];
    snprintf(key, sizeof(key), "%s:%u", name, address_port(&peer));
    session->peer = strdup(key);
    if (!session->peer)
        return false;
    SSL_SESSION *earlier = tls_context_take_session(session->context, key);
    if (earlier) {
        SSL_set_session(session->ssl, earlier);
        SSL_SESSION_free(earlier);
    }
    SSL_set_connect_state(session->ssl);
    return true;
}

struct tls_session *tls_session_create(struct tls_context *context, int descriptor, bool is_server,
                                       const char *server_name)
{
    struct tls_session *session = calloc(1, sizeof(*session));
    if (!session)
        return NULL;
    session->context = tls_context_hold(context);
    session->ssl = SSL_new(context->contexts[0]);
    bool ready = session->ssl && SSL_set_fd(session->ssl, descriptor) == 1;
    if (ready) {
        SSL_set_app_data(session->ssl, session);
        if (is_server)
            SSL_set_accept_state(session->ssl);
        else
            ready = session_begin_client(session, descriptor, server_name);
    }
    if (!ready) {
        ERR_clear_error();
        tls_session_free(session);
        return NULL;
    }
    return session;
}

void tls_session_free(struct tls_session *session)
{
    if (!session)
        return;
    /* A session whose connection was simply closed stays good for resumption; after a failure
     * OpenSSL has spoilt it itself. */
    if (session->ssl && session->error == ERROR_OK)
        SSL_set_shutdown(session->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(session->ssl);
    tls_context_release(session->context);
    free(session->peer);
    free(session);
}

/* ---- called by OpenSSL ---- */

int tls_session_arrived(SSL *ssl, SSL_SESSION *arrived)
{
    struct tls_session *session = SSL_get_app_data(ssl);
    if (!session->peer || !SSL_SESSION_is_resumable(arrived))
        return 0;
    tls_context_keep_session(session->context, session->peer, arrived);
    return 1; /* the reference was taken over */
}

int tls_session_verify(int accepted, X509_STORE_CTX *store)
{
    if (accepted)
        return 1;
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls_session *session = SSL_get_app_data(ssl);
    const char *why = X509_verify_cert_error_string(X509_STORE_CTX_get_error(store));
    char subject[160] = "";
    const X509 *certificate = X509_STORE_CTX_get_current_cert(store);
    if (certificate)
        X509_NAME_oneline(X509_get_subject_name(certificate), subject, sizeof(subject));
    snprintf(session->detail, sizeof(session->detail), "%s: %s", why, subject);
    return 0;
}

/* ---- outcomes ---- */

/* Alerts by which a peer refuses our certificate (RFC 8446 section 6.2). */
static bool reason_is_certificate_alert(int reason)
{
    int alert = reason - SSL_AD_REASON_OFFSET;
    return (alert >= SSL_AD_BAD_CERTIFICATE && alert <= SSL_AD_ACCESS_DENIED &&
            alert != SSL_AD_ILLEGAL_PARAMETER) ||
           alert == SSL_AD_CERTIFICATE_REQUIRED;
}

static enum error session_judge(const struct tls_session *session, unsigned long code, int kind)
{
    int reason = ERR_GET_REASON(code);
    if (SSL_get_verify_result(session->ssl) != X509_V_OK || reason_is_certificate_alert(reason) ||
        reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
        return ERROR_TLS_CERTIFICATE;
    if (kind == SSL_ERROR_SYSCALL || reason == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        return ERROR_RESET;
    return session->open ? ERROR_TLS_PROTOCOL : ERROR_TLS_HANDSHAKE;
}

/* What OpenSSL calls the ways in which callers get a handshake wrong. */
static const struct {
    int reason;
    enum tls_trouble trouble;
} troubles[] = {
    {SSL_R_HTTP_REQUEST, TLS_TROUBLE_PLAIN_HTTP},
    {SSL_R_HTTPS_PROXY_REQUEST, TLS_TROUBLE_PLAIN_HTTP},
    {SSL_R_UNSUPPORTED_PROTOCOL, TLS_TROUBLE_VERSION},
    {SSL_R_VERSION_TOO_LOW, TLS_TROUBLE_VERSION},
    {SSL_R_NO_SHARED_CIPHER, TLS_TROUBLE_VERSION},
    {SSL_R_NO_PROTOCOLS_AVAILABLE, TLS_TROUBLE_VERSION},
    {SSL_AD_REASON_OFFSET + SSL_AD_PROTOCOL_VERSION, TLS_TROUBLE_VERSION},
    {SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, TLS_TROUBLE_CLIENT_CERTIFICATE},
};

static enum tls_trouble session_trouble(const struct tls_session *session, unsigned long code)
{
    int reason = ERR_GET_REASON(code);
    for (size_t i = 0; i < sizeof(troubles) / sizeof(troubles[0]); i++)
        if (troubles[i].reason == reason)
            return troubles[i].trouble;
    if (SSL_get_verify_result(session->ssl) != X509_V_OK)
        return TLS_TROUBLE_CLIENT_CERTIFICATE;
    return reason_is_certificate_alert(reason) ? TLS_TROUBLE_DISTRUSTED : TLS_TROUBLE_OTHER;
}

static enum tls_outcome session_fail(struct tls_session *session, int kind, int number)
{
    unsigned long code = ERR_peek_error();
    const char *why = code ? ERR_reason_error_string(code) : NULL;
    session->error = (uint8_t)session_judge(session, code, kind);
    session->trouble = (uint8_t)session_trouble(session, code);
    if (session->detail[0] == '\0') {
        const char *fallback = number ? strerror(number) : "the peer closed the connection";
        text_copy_to(text_from(why ? why : fallback), session->detail, sizeof(session->detail));
    }
    ERR_clear_error();
    return TLS_FAILED;
}

/* What a call's return value means. errno is the call's own. */
static enum tls_outcome session_outcome(struct tls_session *session, int result)
{
    int number = errno;
    int kind = SSL_get_error(session->ssl, result);
    switch (kind) {
    case SSL_ERROR_NONE: return TLS_DONE;
    case SSL_ERROR_WANT_READ: return TLS_WANTS_READ;
    case SSL_ERROR_WANT_WRITE: return TLS_WANTS_WRITE;
    case SSL_ERROR_ZERO_RETURN: session->ended = true; return TLS_ENDED;
    default: return session_fail(session, kind, number);
    }
}

/* The error queue is the thread's: what another conversation left there would be taken for ours. */
static bool session_ready(const struct tls_session *session)
{
    if (session->error != ERROR_OK)
        return false;
    ERR_clear_error();
    errno = 0;
    return true;
}

/* ---- the conversation ---- */

/* A TLS 1.2 server may renew the ticket of a session it resumed; OpenSSL tells of new sessions
 * only. */
static void session_keep_renewed(struct tls_session *session)
{
    if (!session->peer || SSL_version(session->ssl) >= TLS1_3_VERSION ||
        !SSL_session_reused(session->ssl))
        return;
    SSL_SESSION *current = SSL_get1_session(session->ssl);
    tls_context_keep_session(session->context, session->peer, current);
}

enum tls_outcome tls_session_handshake(struct tls_session *session)
{
    if (!session_ready(session))
        return TLS_FAILED;
    enum tls_outcome outcome = session_outcome(session, SSL_do_handshake(session->ssl));
    session->open = outcome == TLS_DONE;
    if (session->open)
        session_keep_renewed(session);
    return outcome;
}

enum tls_outcome tls_session_read(struct tls_session *session, char *out, size_t size,
                                  size_t *count)
{
    *count = 0;
    if (!session_ready(session))
        return TLS_FAILED;
    /* A call gives one record at most; what follows may lie in OpenSSL's buffer already. */
    do {
        size_t got = 0;
        int result = SSL_read_ex(session->ssl, out + *count, size - *count, &got);
        if (result != 1)
            return session_outcome(session, result);
        *count += got;
    } while (*count < size && SSL_has_pending(session->ssl));
    return TLS_DONE;
}

enum tls_outcome tls_session_write(struct tls_session *session, struct text bytes, size_t *count)
{
    *count = 0;
    if (!session_ready(session))
        return TLS_FAILED;
    int result = SSL_write_ex(session->ssl, bytes.data, bytes.length, count);
    return result == 1 ? TLS_DONE : session_outcome(session, result);
}

enum tls_outcome tls_session_end(struct tls_session *session)
{
    if (!session_ready(session) || !session->open)
        return TLS_FAILED;
    int result = SSL_shutdown(session->ssl);
    return result >= 0 ? TLS_DONE : session_outcome(session, result);
}

bool tls_session_has_pending(const struct tls_session *session)
{
    return session->ended || session->error != ERROR_OK || SSL_has_pending(session->ssl);
}

bool tls_session_is_stale(struct tls_session *session)
{
    if (session->ended || !session_ready(session))
        return true;
    char byte;
    size_t got;
    int result = SSL_peek_ex(session->ssl, &byte, 1, &got);
    return session_outcome(session, result) != TLS_WANTS_READ;
}

bool tls_session_certificate(const struct tls_session *session, struct buffer *der)
{
    X509 *certificate = session->open ? SSL_get0_peer_certificate(session->ssl) : NULL;
    unsigned char *bytes = NULL;

    if (!certificate || SSL_get_verify_result(session->ssl) != X509_V_OK)
        return false;
    int length = i2d_X509(certificate, &bytes);
    bool good = length > 0 && buffer_append(der, text_of((const char *)bytes, (size_t)length));
    OPENSSL_free(bytes);
    return good;
}

bool tls_session_is_resumed(const struct tls_session *session)
{
    return SSL_session_reused(session->ssl) == 1;
}

enum error tls_session_error(const struct tls_session *session)
{
    return session->error;
}

enum tls_trouble tls_session_trouble(const struct tls_session *session)
{
    return (enum tls_trouble)session->trouble;
}

const char *tls_session_detail(const struct tls_session *session)
{
    return session->detail;
}
