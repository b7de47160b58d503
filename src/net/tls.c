/* Contexts. One SSL_CTX per certificate; the name the client asks for (SNI) swaps them early in the
 * handshake.
 *
 * Resumption, server: stateless tickets for both versions, no session cache (it would hold some KiB
 * per client for nothing). Tickets are bound to the client certificate settings by the session id
 * context: a reload that asks for other client certificates makes old tickets worthless, though
 * their keys are still known. Resumption, client: sessions are kept per peer name and port. */
#include "net/tls.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include "base/ensure.h"
#include "base/identifier.h"
#include "base/secret.h"
#include "net/tls_context.h"

static const unsigned char alpn_http1[] = "\x08http/1.1";
#define ALPN_HTTP1_LENGTH (sizeof(alpn_http1) - 1)

static enum error tls_refuse(char reason[TLS_REASON_SIZE], const char *format, ...)
    format_like(2, 3);

/* What OpenSSL says last; where the system refused it something, that: its last word is then but
 * "system lib". */
static const char *tls_find_reason(void)
{
    unsigned long first = ERR_peek_error(), last = ERR_peek_last_error();
    if (first && ERR_SYSTEM_ERROR(first))
        return strerror(ERR_GET_REASON(first));
    return last ? ERR_reason_error_string(last) : NULL;
}

/* Adds OpenSSL's own word to the reason. */
static enum error tls_refuse(char reason[TLS_REASON_SIZE], const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(reason, TLS_REASON_SIZE, format, arguments);
    va_end(arguments);
    const char *why = tls_find_reason();
    if (why && length >= 0 && (size_t)length < TLS_REASON_SIZE)
        snprintf(reason + length, TLS_REASON_SIZE - (size_t)length, ": %s", why);
    ERR_clear_error();
    return ERROR_ARGUMENT;
}

/* ---- settings common to both sides ---- */

static int tls_no_password(char *out, int size, int writing, void *data)
{
    return -1; /* never ask at the terminal */
}

static SSL_CTX *tls_ctx_create(struct tls_context *context, const SSL_METHOD *method)
{
    SSL_CTX *ctx = SSL_CTX_new(method);
    if (!ctx)
        return NULL;
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(
        ctx, 1); /* one read for header and body of a record, and for several small ones */
    SSL_CTX_set_default_passwd_cb(ctx, tls_no_password);
    SSL_CTX_set_app_data(ctx, context);
    return ctx;
}

static enum error tls_load_pair(SSL_CTX *ctx, const char *certificate, const char *key,
                                char reason[TLS_REASON_SIZE])
{
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(ctx, certificate) != 1)
        return tls_refuse(reason, "certificate %s cannot be used", certificate);
    if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
        return tls_refuse(reason, "key %s cannot be used", key);
    if (SSL_CTX_check_private_key(ctx) != 1)
        return tls_refuse(reason, "key %s does not belong to certificate %s", key, certificate);
    return ERROR_OK;
}

/* ---- server: choice of certificate and protocol ---- */

static int tls_choose_certificate(SSL *ssl, int *alert, void *data)
{
    struct tls_context *context = data;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (!name)
        return SSL_TLSEXT_ERR_NOACK;
    for (size_t i = 0; i < context->count; i++) {
        X509 *certificate = SSL_CTX_get0_certificate(context->contexts[i]);
        if (X509_check_host(certificate, name, strlen(name), 0, NULL) != 1)
            continue;
        SSL_set_SSL_CTX(ssl, context->contexts[i]);
        return SSL_TLSEXT_ERR_OK;
    }
    /* Unknown name: the first certificate; the client judges it. */
    return SSL_TLSEXT_ERR_NOACK;
}

/* RFC 7301 section 3.2: a client that speaks none of ours is told so at once. */
static int tls_choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_length,
                               const unsigned char *offered, unsigned offered_length, void *data)
{
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, out_length, alpn_http1, ALPN_HTTP1_LENGTH, offered,
                              offered_length) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* ---- server: tickets ---- */

static bool tls_ticket_ready(EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, struct tls_ticket_key *key,
                             unsigned char iv[EVP_MAX_IV_LENGTH], int encrypting)
{
    char digest[] = "SHA256";
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac_key, sizeof(key->mac_key)),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher_key, iv, encrypting) ==
               1 &&
           EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

/* SSL_CTX_set_tlsext_ticket_key_evp_cb(3): 1 good, 2 good but give out a new one, 0 unknown, -1
 * failed. */
static int tls_ticket_key(SSL *ssl, unsigned char name[16], unsigned char iv[EVP_MAX_IV_LENGTH],
                          EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypting)
{
    struct tls_context *context = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    if (encrypting) {
        struct tls_ticket_key *key = &context->ticket_keys[0];
        memcpy(name, key->name, sizeof(key->name));
        random_bytes(iv, 16);
        return tls_ticket_ready(cipher, mac, key, iv, 1) ? 1 : -1;
    }
    for (size_t i = 0; i < context->ticket_key_count; i++) {
        struct tls_ticket_key *key = &context->ticket_keys[i];
        if (memcmp(name, key->name, sizeof(key->name)) != 0)
            continue;
        if (!tls_ticket_ready(cipher, mac, key, iv, 0))
            return -1;
        /* A TLS 1.3 client uses a ticket once and needs the next. */
        return i == 0 && SSL_version(ssl) < TLS1_3_VERSION ? 1 : 2;
    }
    return 0;
}

static void tls_fill_ticket_keys(struct tls_context *context, const struct tls_context *previous)
{
    random_bytes(&context->ticket_keys[0], sizeof(context->ticket_keys[0]));
    context->ticket_key_count = 1;
    if (!previous)
        return;
    for (size_t i = 0;
         i < previous->ticket_key_count && context->ticket_key_count < TLS_TICKET_KEYS; i++)
        context->ticket_keys[context->ticket_key_count++] = previous->ticket_keys[i];
}

/* ---- server: client certificates ---- */

static enum error tls_ask_clients(SSL_CTX *ctx, const struct tls_server_settings *settings,
                                  char reason[TLS_REASON_SIZE])
{
    const char *path = settings->client_authority_path;
    if (!path)
        return ERROR_OK;
    ERR_clear_error();
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(path);
    if (!names || SSL_CTX_load_verify_locations(ctx, path, NULL) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return tls_refuse(reason, "client authorities %s cannot be used", path);
    }
    SSL_CTX_set_client_CA_list(ctx, names);
    int required = settings->client_certificate_required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | required, tls_session_verify);
    return ERROR_OK;
}

/* What a ticket is good for: the digest of the authorities that were asked for. */
static void tls_bind_sessions(SSL_CTX *ctx, const struct tls_server_settings *settings)
{
    unsigned char digest[EVP_MAX_MD_SIZE] = {0};
    unsigned length = SSL_MAX_SID_CTX_LENGTH;
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    ensure_memory(hash);
    ensure(EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1);
    ensure(EVP_DigestUpdate(hash, settings->client_certificate_required ? "1" : "0", 1) == 1);
    const STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(SSL_CTX_get_cert_store(ctx));
    for (int i = 0; i < sk_X509_OBJECT_num(objects); i++) {
        const X509 *authority = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));
        unsigned char one[EVP_MAX_MD_SIZE];
        unsigned one_length;
        if (authority && X509_digest(authority, EVP_sha256(), one, &one_length) == 1)
            ensure(EVP_DigestUpdate(hash, one, one_length) == 1);
    }
    ensure(EVP_DigestFinal_ex(hash, digest, &length) == 1);
    EVP_MD_CTX_free(hash);
    SSL_CTX_set_session_id_context(ctx, digest, SSL_MAX_SID_CTX_LENGTH);
}

/* ---- contexts ---- */

static struct tls_context *tls_context_open(void)
{
    struct tls_context *context = calloc(1, sizeof(*context));
    if (!context)
        return NULL;
    atomic_init(&context->holders, 1);
    pthread_mutex_init(&context->sessions_lock, NULL);
    return context;
}

static enum error tls_add_certificate(struct tls_context *context,
                                      const struct tls_server_settings *settings, size_t index,
                                      char reason[TLS_REASON_SIZE])
{
    SSL_CTX *ctx = tls_ctx_create(context, TLS_server_method());
    if (!ctx)
        return ERROR_MEMORY;
    context->contexts[context->count++] = ctx;
    const struct tls_certificate_files *files = &settings->certificates[index];
    enum error error = tls_load_pair(ctx, files->certificate_path, files->key_path, reason);
    if (error == ERROR_OK)
        error = tls_ask_clients(ctx, settings, reason);
    if (error != ERROR_OK)
        return error;
    tls_bind_sessions(ctx, settings);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, tls_ticket_key);
    SSL_CTX_set_tlsext_servername_callback(ctx, tls_choose_certificate);
    SSL_CTX_set_tlsext_servername_arg(ctx, context);
    SSL_CTX_set_alpn_select_cb(ctx, tls_choose_protocol, NULL);
    return ERROR_OK;
}

enum error tls_server_context_create(const struct tls_server_settings *settings,
                                     const struct tls_context *previous, struct tls_context **out,
                                     char reason[TLS_REASON_SIZE])
{
    *out = NULL;
    reason[0] = '\0';
    ERR_clear_error();
    if (settings->certificate_count == 0 || settings->certificate_count > TLS_CERTIFICATES_MAXIMUM)
        return tls_refuse(reason, "between 1 and %u certificates are needed",
                          TLS_CERTIFICATES_MAXIMUM);
    struct tls_context *context = tls_context_open();
    if (!context)
        return ERROR_MEMORY;
    enum error error = ERROR_OK;
    for (size_t i = 0; i < settings->certificate_count && error == ERROR_OK; i++)
        error = tls_add_certificate(context, settings, i, reason);
    if (error != ERROR_OK) {
        tls_context_release(context);
        return error;
    }
    tls_fill_ticket_keys(context, previous);
    *out = context;
    return ERROR_OK;
}

static enum error tls_trust(SSL_CTX *ctx, const char *authority_path, char reason[TLS_REASON_SIZE])
{
    ERR_clear_error();
    if (!authority_path && SSL_CTX_set_default_verify_paths(ctx) != 1)
        return tls_refuse(reason, "the system's certificate authorities cannot be used");
    if (authority_path && SSL_CTX_load_verify_locations(ctx, authority_path, NULL) != 1)
        return tls_refuse(reason, "certificate authorities %s cannot be used", authority_path);
    return ERROR_OK;
}

enum error tls_client_context_create(const struct tls_client_settings *settings,
                                     struct tls_context **out, char reason[TLS_REASON_SIZE])
{
    *out = NULL;
    reason[0] = '\0';
    struct tls_context *context = tls_context_open();
    if (!context)
        return ERROR_MEMORY;
    SSL_CTX *ctx = tls_ctx_create(context, TLS_client_method());
    context->sessions = calloc(TLS_SESSIONS_MAXIMUM, sizeof(*context->sessions));
    if (!ctx || !context->sessions) {
        SSL_CTX_free(ctx);
        tls_context_release(context);
        return ERROR_MEMORY;
    }
    context->contexts[context->count++] = ctx;
    enum error error = tls_trust(ctx, settings->authority_path, reason);
    if (error == ERROR_OK && settings->certificate_path)
        error = tls_load_pair(ctx, settings->certificate_path, settings->key_path, reason);
    if (error != ERROR_OK) {
        tls_context_release(context);
        return error;
    }
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, tls_session_verify);
    SSL_CTX_set_alpn_protos(ctx, alpn_http1, ALPN_HTTP1_LENGTH);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, tls_session_arrived);
    *out = context;
    return ERROR_OK;
}

struct tls_context *tls_context_hold(struct tls_context *context)
{
    atomic_fetch_add_explicit(&context->holders, 1, memory_order_relaxed);
    return context;
}

void tls_context_release(struct tls_context *context)
{
    if (!context || atomic_fetch_sub_explicit(&context->holders, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; context->sessions && i < TLS_SESSIONS_MAXIMUM; i++)
        SSL_SESSION_free(context->sessions[i].session);
    free(context->sessions);
    for (size_t i = 0; i < context->count; i++)
        SSL_CTX_free(context->contexts[i]);
    pthread_mutex_destroy(&context->sessions_lock);
    secret_wipe(context->ticket_keys, sizeof(context->ticket_keys));
    free(context);
}

/* ---- client: sessions kept ---- */

static bool tls_session_is_single_use(const SSL_SESSION *session)
{
    return SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION; /* RFC 8446 appendix C.4 */
}

/* Where a new session of this peer goes: over its own oldest when it has enough, else a free place,
 * else over the oldest of all. */
static struct tls_kept_session *tls_place_for_session(struct tls_context *context, const char *peer,
                                                      size_t enough)
{
    struct tls_kept_session *own = NULL;
    struct tls_kept_session *best = &context->sessions[0];
    size_t own_count = 0;
    for (size_t i = 0; i < TLS_SESSIONS_MAXIMUM; i++) {
        struct tls_kept_session *kept = &context->sessions[i];
        if (kept->order < best->order) /* free places have order 0 */
            best = kept;
        if (!kept->session || strcmp(kept->peer, peer) != 0)
            continue;
        own_count++;
        if (!own || kept->order < own->order)
            own = kept;
    }
    return own_count >= enough ? own : best;
}

void tls_context_keep_session(struct tls_context *context, const char *peer, SSL_SESSION *session)
{
    size_t enough = tls_session_is_single_use(session) ? TLS_SESSIONS_OF_ONE : 1;
    pthread_mutex_lock(&context->sessions_lock);
    struct tls_kept_session *place = tls_place_for_session(context, peer, enough);
    SSL_SESSION *gone = place->session;
    text_copy_to(text_from(peer), place->peer, sizeof(place->peer));
    place->session = session;
    place->order = ++context->sessions_kept;
    pthread_mutex_unlock(&context->sessions_lock);
    SSL_SESSION_free(gone);
}

SSL_SESSION *tls_context_take_session(struct tls_context *context, const char *peer)
{
    SSL_SESSION *taken = NULL;
    pthread_mutex_lock(&context->sessions_lock);
    struct tls_kept_session *newest = NULL;
    for (size_t i = 0; i < TLS_SESSIONS_MAXIMUM; i++) {
        struct tls_kept_session *kept = &context->sessions[i];
        if (kept->session && strcmp(kept->peer, peer) == 0 &&
            (!newest || kept->order > newest->order))
            newest = kept;
    }
    if (newest) {
        taken = newest->session;
        if (tls_session_is_single_use(taken))
            *newest = (struct tls_kept_session){0};
        else
            SSL_SESSION_up_ref(taken);
    }
    pthread_mutex_unlock(&context->sessions_lock);
    return taken;
}

int64_t tls_certificate_end(const char *path)
{
    FILE *file = fopen(path, "re");
    X509 *certificate = file ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;
    struct tm parts = {0};
    int64_t end = 0;
    if (certificate && ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) == 1)
        end = (int64_t)timegm(&parts);
    X509_free(certificate);
    if (file)
        fclose(file);
    return end;
}
