/* listener: accepts connections on one address for one loop.
 *
 * TCP listeners of several workers share a port by SO_REUSEPORT; a unix socket is bound once and
 * its descriptor shared (EPOLLEXCLUSIVE is not needed at that rate). Loop's thread only, except
 * listener_bind (main thread, at start and reload, so that errors are shown before any worker
 * runs). */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include "net/address.h"
#include "net/loop.h"
#include "tables/error.h"

/* Binds and listens; returns the descriptor in `out`. A stale unix socket file that nobody answers
 * on is replaced; a live one is an error (EXISTS). `backlog` is capped by the kernel. */
must_handle enum error listener_bind(const struct address *address, bool reuse_port, int backlog,
                                     int *out);
/* The same for one process and one loop; the file of a unix socket is the owner's alone (0600). */
must_handle enum error listener_bind_private(const struct address *address, int backlog, int *out);

/* Removes the file of a unix listener; nothing for other addresses. The descriptors of several
 * workers share one file, so it is for whoever called listener_bind to do this, once, when the last
 * of them is closed (and not when a successor has taken over the descriptor). */
void listener_remove_path(const struct address *address);

struct listener;
/* A connected, non-blocking, close-on-exec descriptor with its peer. The callee owns it. */
typedef void (*listener_callback)(void *owner, int descriptor, const struct address *peer);
/* Takes over the descriptor (closed here on failure too). When descriptors run out (EMFILE) it
 * pauses accepting for 100 ms, notes it once a minute, and goes on: it never spins and never drops
 * the waiting callers. */
must_handle enum error listener_open(struct loop *loop, int descriptor, listener_callback callback,
                                     void *owner, struct listener **out);
void listener_pause(struct listener *listener); /* accept no more; the kernel queue stays */
void listener_resume(struct listener *listener);
void listener_close(struct listener *listener);

#endif
