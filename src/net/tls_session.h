/* tls_session: one TLS conversation on one descriptor, as a connection needs it (private to net/).
 *
 * Non-blocking: every call does what it can now and says what it waits for. Owned by the
 * connection; its loop's thread only. OpenSSL reads and writes the descriptor itself. */
#ifndef NET_TLS_SESSION_H
#define NET_TLS_SESSION_H

#include "base/buffer.h"
#include "net/tls.h"

struct tls_session;

enum tls_outcome {
    TLS_DONE,
    TLS_WANTS_READ,
    TLS_WANTS_WRITE,
    TLS_ENDED,  /* close_notify came */
    TLS_FAILED, /* tls_session_error says why */
};

/* `server_name` for clients: sent as SNI and verified, or verified only when it is a literal
 * address. NULL when memory is short. */
must_check struct tls_session *tls_session_create(struct tls_context *context, int descriptor,
                                                  bool is_server, const char *server_name);
/* No byte is sent: see tls_session_end. */
void tls_session_free(struct tls_session *session);
enum tls_outcome tls_session_handshake(struct tls_session *session);
/* Reads up to `size` bytes over as many records as are at hand; `count` is set with every outcome.
 */
enum tls_outcome tls_session_read(struct tls_session *session, char *out, size_t size,
                                  size_t *count);
/* Writes up to a record (16 KiB) or more; `count` bytes were taken. After TLS_WANTS_* the same
 * bytes must come again, more may follow them. */
enum tls_outcome tls_session_write(struct tls_session *session, struct text bytes, size_t *count);
/* Sends close_notify. TLS_WANTS_WRITE: again later. */
enum tls_outcome tls_session_end(struct tls_session *session);
/* Bytes were read from the descriptor that no tls_session_read has given yet: readiness will not
 * tell of them. */
bool tls_session_has_pending(const struct tls_session *session);
/* Application data or an end waits (handshake messages such as tickets are digested and do not
 * count). */
bool tls_session_is_stale(struct tls_session *session);
bool tls_session_is_resumed(const struct tls_session *session);
/* Appends the certificate that the other side has shown, as DER, where it was verified; false when
 * there is none, or no room. A resumed conversation has that of its first. */
must_check bool tls_session_certificate(const struct tls_session *session, struct buffer *der);
enum error tls_session_error(const struct tls_session *session);
/* What a server's conversation failed on. */
enum tls_trouble tls_session_trouble(const struct tls_session *session);
/* For people; valid while the session is. */
const char *tls_session_detail(const struct tls_session *session);

#endif
