/* One socket on one loop.
 *
 * States:
 *   OPENING    TLS handshake; what is written waits in the queue
 *   OPEN       both ways; `peer_ended` once the peer sent its end (half closed)
 *   FINISHING  the owner has gone; the queue is being sent; what comes in is dropped
 *   LINGERING  our end is sent; what comes in is dropped until the peer ends, within bounds
 *   CLOSED     descriptor closed; the struct lives to the end of the turn
 *
 * OPENING -> OPEN -> FINISHING -> LINGERING -> CLOSED, and any -> CLOSED. Nothing leaves CLOSED.
 *
 * Invariants:
 *   - events are told in OPENING and OPEN only, and only from the loop (a watch or a deferred
 * call), never from within a verb; after any of them the state must be looked at again.
 *   - `failure` set: a write failed; it is told at the end of the turn, after what the peer
 *     had still sent (an early answer) was read.
 *   - LOOP_WRITABLE is watched only while bytes wait or a drain is promised. LOOP_READABLE stays
 *     watched over a pause until an event comes that is not wanted: a pause that ends before costs
 * no system call. */
#include "net/connection.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/ensure.h"
#include "net/send_queue.h"
#include "net/tls_session.h"

#define CONNECTION_READS_PER_TURN 4u  /* of a full read buffer each; then others have their turn */
#define CONNECTION_WRITE_PARTS    16u /* parts of one system call; a head and a body have fewer */
#define CONNECTION_TLS_RECORD     16384u /* RFC 8446 section 5.1: a record's largest plain text */
/* Parts of at most so many bytes in all are copied together before they are sent. The kernel's work
 * on each part costs more than that: measured, some 350 ns for a head and a body of 1 KB. */
#define CONNECTION_GATHER_MAXIMUM 4096u
/* RFC 9112 section 9.6: what is read and dropped after our end, so that a RST does not overtake the
 * answer. Most clients read no answer before their whole upload is sent: hence as much as a default
 * configuration takes for a body, while it keeps coming. Dropping costs no copy. */
#define CONNECTION_LINGER_BYTES         (64u * 1024u * 1024u)
#define CONNECTION_LINGER_IDLE_SECONDS  2u
#define CONNECTION_LINGER_TOTAL_SECONDS 30u
/* How long a peer may take nothing at all of what is left for it after the owner has gone. */
#define CONNECTION_FLUSH_SECONDS 30u

enum connection_state {
    CONNECTION_OPENING,
    CONNECTION_OPEN,
    CONNECTION_FINISHING,
    CONNECTION_LINGERING,
    CONNECTION_CLOSED,
};

struct connection {
    struct loop *loop;
    struct loop_watch *watch;
    const struct connection_events *events;
    void *owner;
    struct tls_session *tls; /* NULL: plain */
    struct send_queue queue;
    int descriptor;
    uint8_t state;    /* enum connection_state */
    uint8_t failure;  /* enum error, see above */
    uint8_t interest; /* readable, writable: what we ask for */
    uint8_t trouble;  /* enum tls_trouble */
    bool muted : 1;   /* trouble was told and can only be read later: do not ask for it again */
    bool peer_ended : 1;
    bool paused : 1;
    bool congested : 1;
    bool drain_promised : 1;
    bool broken : 1;        /* the queue maximum was passed: nothing more is sent */
    bool work_waits : 1;    /* handshake to begin or bytes inside TLS, at the end of the turn */
    uint32_t dropped;       /* bytes read and dropped after the owner has gone */
    uint64_t lingers_until; /* loop_now */
    uint64_t received;
    uint64_t sent;
    struct loop_deferred deferred;
    struct loop_timer timer;   /* finishing and lingering */
    struct loop_orphan orphan; /* likewise */
    struct address *peer;      /* asked of the kernel when first wanted */
    char *detail;
};

_Static_assert(sizeof(struct connection) <= 256, "an idle connection stays small");

enum transfer { TRANSFER_DONE, TRANSFER_WAITS, TRANSFER_ENDED, TRANSFER_FAILED };

static void connection_settle(void *owner);

/* ---- interest ---- */

static void connection_watch(struct connection *connection, unsigned add, unsigned drop)
{
    connection->interest = (uint8_t)((connection->interest | add) & ~drop);
    unsigned idle = connection->muted ? 0 : LOOP_TROUBLE;
    loop_watch_set(connection->watch, connection->interest ? connection->interest : idle);
}

static bool connection_is_live(const struct connection *connection)
{
    return connection->state == CONNECTION_OPENING || connection->state == CONNECTION_OPEN;
}

static void connection_defer(struct connection *connection)
{
    loop_defer(connection->loop, &connection->deferred, connection_settle, connection);
}

/* What lies inside TLS wakes nobody. */
static void connection_read_later(struct connection *connection)
{
    connection->work_waits = true;
    connection_defer(connection);
}

/* ---- ends ---- */

static void connection_release(struct connection *connection)
{
    connection->state = CONNECTION_CLOSED;
    connection->events = NULL;
    connection->owner = NULL;
    tls_session_free(connection->tls);
    connection->tls = NULL;
    loop_timer_clear(connection->loop, &connection->timer);
    loop_release(&connection->orphan);
    loop_watch_close(connection->watch);
    connection->watch = NULL;
    close(connection->descriptor);
    connection->descriptor = -1;
    send_queue_clear(&connection->queue);
    connection_defer(connection);
}

static void connection_free(struct connection *connection)
{
    free(connection->peer);
    free(connection->detail);
    free(connection);
}

static void connection_fail(struct connection *connection, enum error error)
{
    const struct connection_events *events = connection->events;
    void *owner = connection->owner;
    if (connection->tls && error == tls_session_error(connection->tls)) {
        connection->detail = strdup(tls_session_detail(connection->tls));
        connection->trouble = (uint8_t)tls_session_trouble(connection->tls);
    }
    connection_release(connection);
    if (events)
        events->on_failed(owner, error);
}

static enum error connection_errno(int number)
{
    bool cut = number == EPIPE || number == ECONNRESET || number == ETIMEDOUT;
    return cut ? ERROR_RESET : error_from_errno(number);
}

/* ---- bytes in ---- */

/* One read. `error` is set with TRANSFER_FAILED; `count` with all. */
static enum transfer connection_receive(struct connection *connection, char *out, size_t size,
                                        size_t *count, enum error *error)
{
    if (connection->tls) {
        enum tls_outcome outcome = tls_session_read(connection->tls, out, size, count);
        if (outcome == TLS_WANTS_WRITE)
            connection_watch(connection, LOOP_WRITABLE, 0);
        *error = outcome == TLS_FAILED ? tls_session_error(connection->tls) : ERROR_OK;
        static const enum transfer transfers[] = {[TLS_DONE] = TRANSFER_DONE,
                                                  [TLS_WANTS_READ] = TRANSFER_WAITS,
                                                  [TLS_WANTS_WRITE] = TRANSFER_WAITS,
                                                  [TLS_ENDED] = TRANSFER_ENDED,
                                                  [TLS_FAILED] = TRANSFER_FAILED};
        return transfers[outcome];
    }
    ssize_t got;
    do {
        got = recv(connection->descriptor, out, size, 0);
    } while (got < 0 && errno == EINTR);
    *count = got > 0 ? (size_t)got : 0;
    if (got > 0)
        return TRANSFER_DONE;
    if (got == 0)
        return TRANSFER_ENDED;
    if (errno == EAGAIN)
        return TRANSFER_WAITS;
    *error = connection_errno(errno);
    return TRANSFER_FAILED;
}

static void connection_peer_ended(struct connection *connection)
{
    connection->peer_ended = true;
    if (connection->failure) {
        connection_fail(connection, connection->failure);
        return;
    }
    connection_watch(connection, 0, LOOP_READABLE);
    if (connection->events->on_end)
        connection->events->on_end(connection->owner);
}

/* Where the next bytes go, and how many may. */
static char *connection_room(struct connection *connection, size_t *size)
{
    *size = CONNECTION_ROOM_MAXIMUM;
    if (connection->events->on_room && !connection->tls) {
        char *room = connection->events->on_room(connection->owner, size);
        if (room)
            return room;
    }
    *size = LOOP_READ_BUFFER_SIZE;
    return loop_read_buffer(connection->loop);
}

/* Tells what has come. Reads again only where a whole read buffer was filled: a short read has
 * emptied the socket, or the owner's place, and asking costs a call. */
static void connection_read(struct connection *connection)
{
    for (unsigned round = 0; round < CONNECTION_READS_PER_TURN; round++) {
        size_t count = 0, size;
        enum error error = ERROR_OK;
        char *buffer = connection_room(connection, &size);
        enum transfer transfer = connection_receive(connection, buffer, size, &count, &error);
        connection->received += count;
        if (count)
            connection->events->on_data(connection->owner, text_of(buffer, count));
        if (connection->state != CONNECTION_OPEN)
            return;
        if (transfer == TRANSFER_FAILED) {
            connection_fail(connection, connection->failure ? connection->failure : error);
            return;
        }
        if (transfer == TRANSFER_ENDED) {
            /* An end that follows bytes which made the owner pause waits with them. */
            if (connection->paused && count)
                break;
            connection_peer_ended(connection);
            return;
        }
        if (transfer == TRANSFER_WAITS || connection->paused)
            return;
        if (count < size && !connection->failure)
            return;
    }
    if (connection->tls)
        connection_read_later(connection);
}

static void connection_linger_on(struct connection *connection)
{
    uint64_t now = loop_now(connection->loop);
    uint64_t left = connection->lingers_until > now ? connection->lingers_until - now : 0;
    uint64_t idle = CONNECTION_LINGER_IDLE_SECONDS * NANOSECONDS_PER_SECOND;
    loop_timer_set(connection->loop, &connection->timer, left < idle ? left : idle);
}

/* After the owner has gone: the peer's bytes are dropped, within bounds. Those of TLS too are not
 * looked at: MSG_TRUNC takes them off the socket without a copy (tcp(7)). */
static void connection_drop_input(struct connection *connection)
{
    ssize_t got = recv(connection->descriptor, loop_read_buffer(connection->loop),
                       LOOP_READ_BUFFER_SIZE, MSG_TRUNC);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got < 0) {
        connection_release(connection);
        return;
    }
    connection->dropped += (uint32_t)got;
    connection->peer_ended = connection->peer_ended || got == 0;
    bool enough = connection->peer_ended || connection->dropped > CONNECTION_LINGER_BYTES;
    if (connection->state == CONNECTION_LINGERING && enough)
        connection_release(connection);
    else if (connection->state == CONNECTION_LINGERING)
        connection_linger_on(connection);
    else if (enough)
        connection_watch(connection, 0, LOOP_READABLE);
}

/* ---- bytes out ---- */

/* One system call or record. */
static enum transfer connection_transmit(struct connection *connection, struct iovec *parts,
                                         size_t part_count, size_t *count, enum error *error)
{
    ensure(part_count > 0);
    *count = 0;
    if (connection->tls) {
        struct text bytes = text_of(parts[0].iov_base, parts[0].iov_len);
        enum tls_outcome outcome = tls_session_write(connection->tls, bytes, count);
        if (outcome == TLS_DONE)
            return TRANSFER_DONE;
        if (outcome != TLS_FAILED)
            return TRANSFER_WAITS;
        *error = tls_session_error(connection->tls);
        return TRANSFER_FAILED;
    }
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = part_count};
    ssize_t taken;
    do {
        taken = part_count == 1
                    ? send(connection->descriptor, parts->iov_base, parts->iov_len, MSG_NOSIGNAL)
                    : sendmsg(connection->descriptor, &message, MSG_NOSIGNAL);
    } while (taken < 0 && errno == EINTR);
    if (taken >= 0) {
        *count = (size_t)taken;
        return TRANSFER_DONE;
    }
    if (errno == EAGAIN)
        return TRANSFER_WAITS;
    *error = connection_errno(errno);
    return TRANSFER_FAILED;
}

/* Told at the end of the turn: whoever writes is never called back from within. */
static void connection_write_failed(struct connection *connection, enum error error)
{
    send_queue_clear(&connection->queue);
    connection->failure = (uint8_t)error;
    connection_defer(connection);
}

static void connection_give_up(void *owner)
{
    connection_release(owner);
}

/* The queue is empty and the owner gone: our end goes out. */
static void connection_send_end(struct connection *connection)
{
    if (connection->tls && tls_session_end(connection->tls) == TLS_WANTS_WRITE) {
        connection_watch(connection, LOOP_WRITABLE, 0);
        return;
    }
    if (connection->peer_ended || shutdown(connection->descriptor, SHUT_WR) != 0) {
        connection_release(connection);
        return;
    }
    connection->state = CONNECTION_LINGERING;
    connection->lingers_until =
        loop_now(connection->loop) + CONNECTION_LINGER_TOTAL_SECONDS * NANOSECONDS_PER_SECOND;
    connection_linger_on(connection);
    connection_watch(connection, LOOP_READABLE, LOOP_WRITABLE);
}

static void connection_tell_drained(struct connection *connection)
{
    connection->drain_promised = false;
    connection->congested = false;
    if (connection->state == CONNECTION_OPEN && connection->events->on_drained)
        connection->events->on_drained(connection->owner);
}

static void connection_flush(struct connection *connection)
{
    while (connection->queue.length > 0) {
        struct text waiting = send_queue_text(&connection->queue);
        struct iovec part = {(void *)(uintptr_t)waiting.data, waiting.length};
        size_t count;
        enum error error;
        enum transfer transfer = connection_transmit(connection, &part, 1, &count, &error);
        if (transfer == TRANSFER_FAILED) {
            connection_write_failed(connection, error);
            return;
        }
        send_queue_take(&connection->queue, count);
        connection->sent += count;
        if (count && connection->state == CONNECTION_FINISHING)
            loop_timer_set(connection->loop, &connection->timer,
                           CONNECTION_FLUSH_SECONDS * NANOSECONDS_PER_SECOND);
        if (transfer == TRANSFER_WAITS || (!connection->tls && count < waiting.length))
            break;
    }
    if (connection->drain_promised && connection->queue.length <= CONNECTION_LOW_MARK)
        connection_tell_drained(connection);
    if (connection->state == CONNECTION_CLOSED || connection->failure)
        return;
    if (connection->queue.length > 0 || connection->drain_promised)
        connection_watch(connection, LOOP_WRITABLE, 0);
    else if (connection->state == CONNECTION_FINISHING)
        connection_send_end(connection);
    else
        connection_watch(connection, 0, LOOP_WRITABLE);
}

/* ---- events of the loop ---- */

static void connection_handshake(struct connection *connection)
{
    switch (tls_session_handshake(connection->tls)) {
    case TLS_WANTS_READ: connection_watch(connection, LOOP_READABLE, LOOP_WRITABLE); return;
    case TLS_WANTS_WRITE: connection_watch(connection, LOOP_WRITABLE, LOOP_READABLE); return;
    case TLS_DONE: break;
    default: connection_fail(connection, tls_session_error(connection->tls)); return;
    }
    connection->state = CONNECTION_OPEN;
    connection_watch(connection, LOOP_READABLE, LOOP_WRITABLE);
    if (connection->events->on_open)
        connection->events->on_open(connection->owner);
    if (connection->state == CONNECTION_OPEN && connection->queue.length > 0)
        connection_flush(connection);
    if (connection->state == CONNECTION_OPEN && !connection->paused &&
        tls_session_has_pending(connection->tls))
        connection_read(connection);
}

/* Readable, or in trouble, while nobody wants to read. Bytes that came before the trouble stay for
 * the owner; without any the connection fails at once. The look takes the error away from the
 * socket, so it must be told now. */
static void connection_read_unwanted(struct connection *connection, bool trouble)
{
    if (!trouble) {
        connection_watch(connection, 0, LOOP_READABLE);
        return;
    }
    char byte;
    ssize_t got = recv(connection->descriptor, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (got < 0 && errno != EAGAIN) {
        connection_fail(connection, connection_errno(errno));
        return;
    }
    connection->muted = true;
    connection_watch(connection, 0, LOOP_READABLE);
}

static void connection_ready(void *owner, unsigned events)
{
    struct connection *connection = owner;
    if (connection->failure)
        return; /* told at the end of this turn */
    if (connection->state == CONNECTION_OPENING) {
        connection_handshake(connection);
        return;
    }
    /* TLS may have to read before it can write, and the other way round. */
    bool either = connection->tls != NULL;
    bool writes = (connection->interest & LOOP_WRITABLE) &&
                  ((events & LOOP_WRITABLE) || (either && connection->queue.length));
    if (writes)
        connection_flush(connection);
    if (connection->state == CONNECTION_CLOSED || connection->failure)
        return;
    if (!(events & LOOP_READABLE) && !(either && writes))
        return;
    if (connection->state != CONNECTION_OPEN)
        connection_drop_input(connection);
    else if (connection->paused || connection->peer_ended)
        connection_read_unwanted(connection, (events & LOOP_TROUBLE) != 0);
    else
        connection_read(connection);
}

/* End of the turn: what could not be done from within a verb. */
static void connection_settle(void *owner)
{
    struct connection *connection = owner;
    if (connection->state == CONNECTION_CLOSED) {
        connection_free(connection);
        return;
    }
    bool work = connection->work_waits;
    connection->work_waits = false;
    if (connection->state == CONNECTION_OPENING && work) {
        connection_handshake(connection);
        return;
    }
    bool reads = connection->state == CONNECTION_OPEN && !connection->peer_ended;
    if (connection->failure) {
        if (reads && !connection->paused)
            connection_read(connection); /* an answer may have come before the cut */
        if (connection->state != CONNECTION_CLOSED)
            connection_fail(connection, connection->failure);
        return;
    }
    if (reads && work && !connection->paused)
        connection_read(connection);
}

/* ---- verbs ---- */

struct connection *connection_create(struct loop *loop, int descriptor, struct tls_context *tls,
                                     bool is_server, const char *server_name,
                                     const struct connection_events *events, void *owner)
{
    struct connection *connection = calloc(1, sizeof(*connection));
    if (!connection) {
        close(descriptor);
        return NULL;
    }
    connection->loop = loop;
    connection->descriptor = descriptor;
    connection->state = tls ? CONNECTION_OPENING : CONNECTION_OPEN;
    connection_set_owner(connection, events, owner);
    loop_timer_open(&connection->timer, connection_give_up, connection);
    /* Fails on unix sockets, which have no delay to switch off. */
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (tls)
        connection->tls = tls_session_create(tls, descriptor, is_server, server_name);
    if ((tls && !connection->tls) || loop_watch_open(loop, descriptor, connection_ready, connection,
                                                     &connection->watch) != ERROR_OK) {
        tls_session_free(connection->tls);
        close(descriptor);
        free(connection);
        return NULL;
    }
    connection_watch(connection, LOOP_READABLE, 0);
    if (tls && !is_server) {
        connection->work_waits = true;
        connection_defer(connection);
    }
    return connection;
}

enum error connection_start_tls(struct connection *connection, struct tls_context *tls,
                                const char *server_name)
{
    ensure(connection->state == CONNECTION_OPEN && !connection->tls);
    ensure(connection_queued(connection) == 0);
    connection->tls = tls_session_create(tls, connection->descriptor, false, server_name);
    if (!connection->tls)
        return ERROR_MEMORY;
    connection->state = CONNECTION_OPENING;
    connection->work_waits = true;
    connection_defer(connection);
    return ERROR_OK;
}

void connection_set_owner(struct connection *connection, const struct connection_events *events,
                          void *owner)
{
    ensure(events && events->on_data && events->on_failed);
    connection->events = events;
    connection->owner = owner;
}

/* Fills `out` with what of `parts` lies behind the first `skip` bytes; returns how many entries. */
static size_t connection_parts_behind(const struct text *parts, size_t count, size_t skip,
                                      struct iovec out[CONNECTION_WRITE_PARTS])
{
    size_t filled = 0;
    for (size_t i = 0; i < count && filled < CONNECTION_WRITE_PARTS; i++) {
        if (skip >= parts[i].length) {
            skip -= parts[i].length;
            continue;
        }
        out[filled].iov_base = (void *)(uintptr_t)(parts[i].data + skip);
        out[filled++].iov_len = parts[i].length - skip;
        skip = 0;
    }
    return filled;
}

/* Copies parts together, up to a record's worth. */
static size_t connection_gather(struct iovec *parts, size_t count,
                                char record[CONNECTION_TLS_RECORD])
{
    if (count <= 1 || parts[0].iov_len >= CONNECTION_TLS_RECORD)
        return count;
    size_t length = 0;
    for (size_t i = 0; i < count && length < CONNECTION_TLS_RECORD; i++) {
        size_t room = CONNECTION_TLS_RECORD - length;
        size_t size = parts[i].iov_len < room ? parts[i].iov_len : room;
        memcpy(record + length, parts[i].iov_base, size);
        length += size;
    }
    parts[0] = (struct iovec){record, length};
    return 1;
}

/* Gives the kernel what it takes now; returns how many bytes that were. */
static size_t connection_send_now(struct connection *connection, const struct text *parts,
                                  size_t count, size_t total)
{
    struct iovec vector[CONNECTION_WRITE_PARTS];
    char record[CONNECTION_TLS_RECORD];
    size_t done = 0;
    while (done < total) {
        size_t filled = connection_parts_behind(parts, count, done, vector);
        /* Of a record each costs a header, a tag and a system call. */
        if (connection->tls || total - done <= CONNECTION_GATHER_MAXIMUM)
            filled = connection_gather(vector, filled, record);
        size_t offered = 0;
        for (size_t i = 0; i < filled; i++)
            offered += vector[i].iov_len;
        size_t taken;
        enum error error;
        enum transfer transfer = connection_transmit(connection, vector, filled, &taken, &error);
        if (transfer == TRANSFER_FAILED) {
            connection_write_failed(connection, error);
            return done;
        }
        done += taken;
        connection->sent += taken;
        if (transfer == TRANSFER_WAITS || (!connection->tls && taken < offered))
            break;
    }
    return done;
}

static bool connection_enqueue(struct connection *connection, const struct text *parts,
                               size_t count, size_t skip)
{
    for (size_t i = 0; i < count; i++) {
        size_t passed = skip < parts[i].length ? skip : parts[i].length;
        skip -= passed;
        if (!send_queue_add(&connection->queue, text_from_index(parts[i], passed)))
            return false;
    }
    if (connection->queue.length > CONNECTION_HIGH_MARK) {
        connection->congested = true;
        connection->drain_promised = true;
    }
    if (connection->state == CONNECTION_OPEN)
        connection_watch(connection, LOOP_WRITABLE, 0);
    return true;
}

bool connection_write(struct connection *connection, const struct text *parts, size_t count)
{
    if (!connection_is_live(connection) || connection->failure)
        return true; /* told already, or about to be */
    if (connection->broken)
        return false;
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += parts[i].length;
    size_t done = 0;
    if (connection->queue.length == 0 && connection->state == CONNECTION_OPEN)
        done = connection_send_now(connection, parts, count, total);
    if (done == total || connection->failure)
        return true;
    if (total - done > CONNECTION_QUEUE_MAXIMUM - connection->queue.length ||
        !connection_enqueue(connection, parts, count, done)) {
        connection->broken = true;
        send_queue_clear(&connection->queue);
        return false;
    }
    return true;
}

/* Queues a record's worth of what lies behind the first `skip` bytes; returns how much that was. */
static size_t connection_queue_record(struct connection *connection, const struct text *parts,
                                      size_t count, size_t skip)
{
    struct iovec rest[CONNECTION_WRITE_PARTS];
    size_t filled = connection_parts_behind(parts, count, skip, rest);
    size_t queued = 0;
    for (size_t i = 0; i < filled && queued < CONNECTION_TLS_RECORD; i++) {
        struct text part = text_of(rest[i].iov_base, rest[i].iov_len);
        part = text_first(part, CONNECTION_TLS_RECORD - queued);
        if (!send_queue_add(&connection->queue, part)) {
            connection_write_failed(connection, ERROR_MEMORY);
            break;
        }
        queued += part.length;
    }
    return queued;
}

size_t connection_offer(struct connection *connection, const struct text *parts, size_t count)
{
    if (connection->state != CONNECTION_OPEN || connection->failure || connection->broken)
        return 0;
    size_t done = 0, total = 0;
    for (size_t i = 0; i < count; i++)
        total += parts[i].length;
    if (connection->queue.length == 0)
        done = connection_send_now(connection, parts, count, total);
    if (done == total || connection->failure)
        return done;
    /* TLS has made a record of the next bytes already: they count as taken and come again from the
     * queue. */
    if (connection->tls && connection->queue.length == 0)
        done += connection_queue_record(connection, parts, count, done);
    connection->drain_promised = true;
    connection_watch(connection, LOOP_WRITABLE, 0);
    return done;
}

bool connection_is_congested(const struct connection *connection)
{
    return connection->congested;
}

size_t connection_queued(const struct connection *connection)
{
    return connection->queue.length;
}

void connection_pause(struct connection *connection)
{
    connection->paused = true;
}

void connection_resume(struct connection *connection)
{
    if (!connection->paused)
        return;
    connection->paused = false;
    if (connection->state != CONNECTION_OPEN || connection->peer_ended)
        return;
    connection->muted = false;
    connection_watch(connection, LOOP_READABLE, 0);
    if (connection->tls && tls_session_has_pending(connection->tls))
        connection_read_later(connection);
}

bool connection_is_stale(struct connection *connection)
{
    if (connection->state != CONNECTION_OPEN || connection->peer_ended || connection->failure)
        return true;
    char byte;
    ssize_t got = recv(connection->descriptor, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (connection->tls && (got > 0 || tls_session_has_pending(connection->tls))) {
        if (!tls_session_is_stale(connection->tls))
            return false;
        connection_read_later(connection);
        return true;
    }
    return got >= 0 || errno != EAGAIN;
}

void connection_finish(struct connection *connection)
{
    if (!connection_is_live(connection))
        return;
    if (connection->state == CONNECTION_OPENING || connection->failure || connection->broken) {
        connection_release(connection);
        return;
    }
    connection->events = NULL;
    connection->owner = NULL;
    connection->state = CONNECTION_FINISHING;
    loop_adopt(connection->loop, &connection->orphan, connection_give_up, connection);
    connection->muted = false;
    loop_timer_set(connection->loop, &connection->timer,
                   CONNECTION_FLUSH_SECONDS * NANOSECONDS_PER_SECOND);
    if (connection->queue.length == 0)
        connection_send_end(connection);
    else
        connection_watch(connection,
                         connection->peer_ended ? LOOP_WRITABLE : LOOP_READABLE | LOOP_WRITABLE, 0);
}

void connection_close(struct connection *connection)
{
    if (connection->state == CONNECTION_CLOSED)
        return;
    /* An end is claimed only where nothing is missing before it. */
    bool whole = connection->state == CONNECTION_OPEN && connection->queue.length == 0 &&
                 !connection->failure && !connection->broken;
    if (connection->tls && whole)
        tls_session_end(connection->tls);
    connection_release(connection);
}

void connection_abort(struct connection *connection)
{
    if (connection->state == CONNECTION_CLOSED)
        return;
    struct linger none = {.l_onoff = 1, .l_linger = 0};
    setsockopt(connection->descriptor, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
    connection_release(connection);
}

const struct address *connection_peer(const struct connection *connection)
{
    static const struct address none;
    if (!connection->peer && connection->descriptor >= 0) {
        struct connection *self = (struct connection *)(uintptr_t)connection; /* a cache */
        self->peer = calloc(1, sizeof(*self->peer));
        if (self->peer) {
            self->peer->length = sizeof(struct sockaddr_un);
            if (getpeername(connection->descriptor, &self->peer->any, &self->peer->length) != 0)
                self->peer->length = 0;
        }
    }
    return connection->peer ? connection->peer : &none;
}

uint64_t connection_bytes_received(const struct connection *connection)
{
    return connection->received;
}

uint64_t connection_bytes_sent(const struct connection *connection)
{
    return connection->sent;
}

bool connection_certificate(const struct connection *connection, struct buffer *der)
{
    return connection->tls && tls_session_certificate(connection->tls, der);
}

bool connection_tls_resumed(const struct connection *connection)
{
    return connection->tls && tls_session_is_resumed(connection->tls);
}

enum tls_trouble connection_failure_trouble(const struct connection *connection)
{
    return (enum tls_trouble)connection->trouble;
}

struct text connection_failure_detail(const struct connection *connection)
{
    return text_from(connection->detail);
}
