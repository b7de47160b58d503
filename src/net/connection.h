/* connection: one socket, plain or TLS, on one loop: bytes in, bytes out, back-pressure.
 *
 * This is the lowest of three layers (socket with TLS; codec; http). The owner gets events and
 * calls verbs; the loop's thread only. Memory: the struct, plus a write queue only while the kernel
 * does not take what was written; received bytes are in the loop's read buffer and valid during
 * on_data only.
 *
 * States: OPENING (TLS handshake) -> OPEN -> HALF_CLOSED (peer ended) -> CLOSED. After
 * connection_close or a fatal event no event follows; memory is freed at the end of the turn. */
#ifndef NET_CONNECTION_H
#define NET_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/text.h"
#include "net/address.h"
#include "net/loop.h"
#include "net/tls.h"
#include "tables/error.h"

struct connection;

/* High and low marks of the write queue: above high `connection_is_congested` is true, on_drained
 * comes when it has fallen to low. 64 KiB is about what a kernel socket buffer drains in one turn.
 */
#define CONNECTION_HIGH_MARK (64u * 1024u)
#define CONNECTION_LOW_MARK  (16u * 1024u)
/* What the queue may hold at most: a writer that ignores congestion for longer is broken. */
#define CONNECTION_QUEUE_MAXIMUM (4u * 1024u * 1024u)
/* What is read at once into the owner's own place (on_room): few calls for a large body, and what
 * came is still in the processor's cache when the owner looks at it. No on_data tells more. */
#define CONNECTION_ROOM_MAXIMUM (256u * 1024u)

struct connection_events {
    /* TLS handshake done (plain: at once after creation is not signalled). NULL allowed. */
    void (*on_open)(void *owner);
    /* Bytes arrived; they are in the loop's read buffer, or where on_room said. May be called
     * several times a turn. */
    void (*on_data)(void *owner, struct text bytes);
    /* Asked before each read of a plain connection: a place of the owner's for at most `*size`
     * bytes (which it may lower), so that they need no copy; NULL for none. NULL allowed. */
    char *(*on_room)(void *owner, size_t *size);
    /* The peer will send no more (FIN or close_notify). Writing is still possible. */
    void (*on_end)(void *owner);
    /* The write queue fell to the low mark after congestion, or a connection_offer may go on. */
    void (*on_drained)(void *owner);
    /* Fatal: reset, TLS failure, write failure. The connection is closed already. */
    void (*on_failed)(void *owner, enum error error);
};

/* Takes over a connected, non-blocking descriptor. `tls` NULL for plain. TCP_NODELAY is set here
 * for TCP. For a TLS client `server_name` (host name or literal address) is sent as SNI (names
 * only) and verified; NULL on the server side. Reading starts at once. NULL when out of memory (the
 * descriptor is then closed). */
must_check struct connection *connection_create(struct loop *loop, int descriptor,
                                                struct tls_context *tls, bool is_server,
                                                const char *server_name,
                                                const struct connection_events *events,
                                                void *owner);
/* Turns an open plain client connection into TLS (behind a proxy's answer to CONNECT): the
 * handshake starts now, on_open follows when it is done. Nothing may be queued. ERROR_MEMORY when
 * OpenSSL has none; the connection is then still plain. */
must_handle enum error connection_start_tls(struct connection *connection, struct tls_context *tls,
                                            const char *server_name);
/* Hands events to another owner (a pooled connection changes hands). */
void connection_set_owner(struct connection *connection, const struct connection_events *events,
                          void *owner);

/* Writes the parts in order: one writev (or SSL_write) now, the rest is copied into the queue.
 * Errors come later by on_failed, never from inside this call. Returns false only when the queue
 * maximum would be passed (a broken writer): then nothing more is sent and the owner should close.
 */
bool connection_write(struct connection *connection, const struct text *parts, size_t count);
/* Takes only what the kernel takes now, copies nothing; returns how many bytes. When less than
 * offered, on_drained follows. 0 while the queue is not empty. (TLS: the record that got stuck
 * half-way, at most 16 KiB, is copied and counts as taken.) */
size_t connection_offer(struct connection *connection, const struct text *parts, size_t count);
bool connection_is_congested(const struct connection *connection);
size_t connection_queued(const struct connection *connection);

/* Back-pressure on the sender: while paused no on_data comes and the kernel's window closes. */
void connection_pause(struct connection *connection);
void connection_resume(struct connection *connection);
/* True, paused or not, if bytes or an end are already known to wait: lets a pool test a kept
 * connection before use. Looks with MSG_PEEK, one system call (TLS: session tickets that wait are
 * digested and do not count). True means stale or unexpected data: do not reuse. */
bool connection_is_stale(struct connection *connection);

/* Sends what is queued, then FIN (and close_notify), drops what still comes in until the peer's end
 * (bounded in time and bytes, RFC 9112 section 9.6), then frees. The owner gets no more events. */
void connection_finish(struct connection *connection);
/* Closes now; queued bytes are dropped. The owner gets no more events. Freed at end of turn. */
void connection_close(struct connection *connection);
/* As close, but with RST so that the peer cannot mistake the cut for an end (a truncated
 * until-close body). */
void connection_abort(struct connection *connection);

/* As the kernel says, asked when first wanted; without length once closed. Valid as long as the
 * connection. */
const struct address *connection_peer(const struct connection *connection);
/* For the access log and tests: bytes received and sent (after TLS). */
uint64_t connection_bytes_received(const struct connection *connection);
uint64_t connection_bytes_sent(const struct connection *connection);
/* True when TLS resumed an earlier session. */
/* As tls_session_certificate; false without TLS. */
must_check bool connection_certificate(const struct connection *connection, struct buffer *der);
bool connection_tls_resumed(const struct connection *connection);
/* Of a connection that was accepted: what its handshake failed on. */
enum tls_trouble connection_failure_trouble(const struct connection *connection);
/* Detail of the last failure for people ("certificate has expired: CN=..."); empty when none. Valid
 * until the turn ends. */
struct text connection_failure_detail(const struct connection *connection);

#endif
