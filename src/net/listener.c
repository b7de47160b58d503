/* Accepting: OPEN (watching) <-> PAUSED (by the owner, or by `retry` after descriptors ran out) ->
 * closed.
 *
 * Invariant: the descriptor is watched exactly while neither the owner nor `retry` holds it back.
 */
#include "net/listener.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/note.h"
#include "net/keepalive.h"

#define LISTENER_ACCEPTS_PER_TURN   16u  /* then connections that are open have their turn */
#define LISTENER_RETRY_MILLISECONDS 100u /* some call will have ended by then */
#define LISTENER_NOTE_SECONDS       60u
#define LISTENER_UNIX_MODE          0660u /* the group decides who may connect */
#define LISTENER_PRIVATE_MODE       0600u

struct listener {
    struct loop *loop;
    struct loop_watch *watch;
    int descriptor;
    listener_callback callback;
    void *owner;
    struct loop_timer retry;
    uint64_t noted_at;
    bool paused;
    bool closed;
    struct loop_deferred deferred;
};

/* ---- binding ---- */

/* The file of a process that died is in the way of its successor; one that answers is in use. */
static enum error listener_clear_stale_path(const struct address *address)
{
    struct stat status;
    const char *path = address->local.sun_path;
    if (path[0] == '\0' || lstat(path, &status) != 0)
        return ERROR_OK;
    if (!S_ISSOCK(status.st_mode))
        return ERROR_EXISTS;
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (probe < 0)
        return error_from_errno(errno);
    bool dead = connect(probe, &address->any, address->length) != 0 && errno == ECONNREFUSED;
    close(probe);
    if (!dead)
        return ERROR_EXISTS;
    return unlink(path) == 0 ? ERROR_OK : error_from_errno(errno);
}

static enum error listener_bind_unix(int descriptor, const struct address *address, mode_t mode)
{
    enum error error = listener_clear_stale_path(address);
    if (error != ERROR_OK)
        return error;
    /* Linux gives the file the socket's own mode less the umask: never wider than ours, not even
     * for a moment. */
    if (fchmod(descriptor, mode) != 0)
        return error_from_errno(errno);
    if (bind(descriptor, &address->any, address->length) != 0)
        return error_from_errno(errno);
    if (address->local.sun_path[0] != '\0' && chmod(address->local.sun_path, mode) != 0)
        return error_from_errno(errno);
    return ERROR_OK;
}

static enum error listener_bind_tcp(int descriptor, const struct address *address, bool reuse_port)
{
    int on = 1;
    int off = 0;
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    keepalive_set(descriptor);
    if (reuse_port && setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0)
        return error_from_errno(errno);
    if (address->any.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&address->v6.sin6_addr))
        setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (bind(descriptor, &address->any, address->length) == 0)
        return ERROR_OK;
    return errno == EADDRINUSE ? ERROR_EXISTS : error_from_errno(errno);
}

/* ":8080" means all addresses; where the kernel has no IPv6 those are the IPv4 ones. */
static struct address listener_usable(const struct address *address, int *descriptor)
{
    int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    *descriptor = socket(address->any.sa_family, type, 0);
    bool any =
        address->any.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&address->v6.sin6_addr);
    if (*descriptor >= 0 || errno != EAFNOSUPPORT || !any)
        return *address;
    struct address fallback = {.length = sizeof(fallback.v4)};
    fallback.v4.sin_family = AF_INET;
    fallback.v4.sin_port = address->v6.sin6_port;
    *descriptor = socket(AF_INET, type, 0);
    return fallback;
}

static enum error listener_bind_mode(const struct address *address, bool reuse_port, int backlog,
                                     mode_t mode, int *out)
{
    *out = -1;
    int descriptor;
    struct address usable = listener_usable(address, &descriptor);
    if (descriptor < 0)
        return error_from_errno(errno);
    enum error error = usable.any.sa_family == AF_UNIX
                           ? listener_bind_unix(descriptor, &usable, mode)
                           : listener_bind_tcp(descriptor, &usable, reuse_port);
    if (error == ERROR_OK && listen(descriptor, backlog) != 0)
        error = errno == EADDRINUSE ? ERROR_EXISTS : error_from_errno(errno);
    if (error != ERROR_OK) {
        close(descriptor);
        return error;
    }
    *out = descriptor;
    return ERROR_OK;
}

enum error listener_bind(const struct address *address, bool reuse_port, int backlog, int *out)
{
    return listener_bind_mode(address, reuse_port, backlog, LISTENER_UNIX_MODE, out);
}

enum error listener_bind_private(const struct address *address, int backlog, int *out)
{
    return listener_bind_mode(address, false, backlog, LISTENER_PRIVATE_MODE, out);
}

void listener_remove_path(const struct address *address)
{
    if (address->any.sa_family == AF_UNIX && address->local.sun_path[0] != '\0')
        unlink(address->local.sun_path);
}

/* ---- accepting ---- */

static void listener_watch(struct listener *listener)
{
    bool wanted = !listener->paused && listener->retry.due == 0;
    loop_watch_set(listener->watch, wanted ? LOOP_READABLE : 0);
}

static void listener_retry(void *owner)
{
    listener_watch(owner);
}

/* The waiting callers stay in the kernel's queue. */
static void listener_hold_back(struct listener *listener, int reason)
{
    uint64_t now = loop_now(listener->loop);
    if (listener->noted_at == 0 ||
        now - listener->noted_at >= LISTENER_NOTE_SECONDS * NANOSECONDS_PER_SECOND) {
        note_warning("listener", "cannot accept now, callers wait: %s", strerror(reason));
        listener->noted_at = now;
    }
    loop_timer_set(listener->loop, &listener->retry,
                   LISTENER_RETRY_MILLISECONDS * NANOSECONDS_PER_MILLISECOND);
    listener_watch(listener);
}

static void listener_ready(void *owner, unsigned events)
{
    struct listener *listener = owner;
    for (unsigned i = 0; i < LISTENER_ACCEPTS_PER_TURN; i++) {
        if (listener->closed || listener->paused)
            return;
        struct address peer = {.length = sizeof(struct sockaddr_un)};
        int descriptor =
            accept4(listener->descriptor, &peer.any, &peer.length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (descriptor >= 0) {
            listener->callback(listener->owner, descriptor, &peer);
            continue;
        }
        if (errno == EAGAIN)
            return;
        /* These are of the one connection that was waiting, the next may be well (accept(2)); all
         * else is ours. */
        if (errno != ECONNABORTED && errno != EINTR && errno != EPROTO && errno != EPERM) {
            listener_hold_back(listener, errno);
            return;
        }
    }
}

enum error listener_open(struct loop *loop, int descriptor, listener_callback callback, void *owner,
                         struct listener **out)
{
    *out = NULL;
    struct listener *listener = calloc(1, sizeof(*listener));
    enum error error = ERROR_MEMORY;
    if (listener)
        error = loop_watch_open(loop, descriptor, listener_ready, listener, &listener->watch);
    if (error != ERROR_OK) {
        free(listener);
        close(descriptor);
        return error;
    }
    listener->loop = loop;
    listener->descriptor = descriptor;
    listener->callback = callback;
    listener->owner = owner;
    loop_timer_open(&listener->retry, listener_retry, listener);
    listener_watch(listener);
    *out = listener;
    return ERROR_OK;
}

void listener_pause(struct listener *listener)
{
    listener->paused = true;
    listener_watch(listener);
}

void listener_resume(struct listener *listener)
{
    listener->paused = false;
    listener_watch(listener);
}

void listener_close(struct listener *listener)
{
    if (!listener || listener->closed)
        return;
    listener->closed = true;
    loop_timer_clear(listener->loop, &listener->retry);
    loop_watch_close(listener->watch);
    close(listener->descriptor);
    loop_defer(listener->loop, &listener->deferred, free, listener);
}
