/* proxy_accept: connections from balancers that announce their callers by the PROXY protocol.
 *
 * Stands between a listener and who serves the connections: reads the header, not a byte more, and
 * hands the descriptor on with the announced source in place of the peer. A peer outside of the
 * trusted networks is handed on as it is, unread: what he sends is then judged as a request, and a
 * PROXY line from him is a malformed one. A trusted peer must send the header: without it the
 * connection is closed, so that a balancer's misconfiguration shows at once instead of calls under
 * its own address. The loop's thread only. Source: see net/proxy_header.h. */
#ifndef NET_PROXY_ACCEPT_H
#define NET_PROXY_ACCEPT_H

#include "net/listener.h"
#include "net/proxy_header.h"

/* Connections whose header has not come yet: balancers send it with their first packet, so more
 * than a few are a sign of something else, and those over the limit are closed. */
#define PROXY_ACCEPT_PENDING_MAX 1024u
/* For the header, in nanoseconds: the protocol asks for at least 3 seconds (section 2). */
#define PROXY_ACCEPT_TIMEOUT (5ull * 1000000000ull)

struct proxy_accept;

struct proxy_accept_events {
    /* Whether this peer is a balancer of ours. */
    bool (*is_trusted)(void *owner, const struct address *peer);
    /* The callee owns the descriptor. */
    void (*on_connection)(void *owner, int descriptor, const struct address *source);
    /* The balancer's connection was closed: `missing` when it began with something else than a
     * header, or with nothing, else its header was broken. NULL allowed. */
    void (*on_refused)(void *owner, const struct address *balancer, bool missing);
};

struct proxy_accept_counters {
    uint64_t announced; /* handed on with an announced source */
    uint64_t refused;   /* closed: no header, a wrong one, none in time, too many */
};

/* Takes over `descriptor` of a listener, also on failure. `events` outlives it. */
must_handle enum error proxy_accept_open(struct loop *loop, int descriptor,
                                         const struct proxy_accept_events *events, void *owner,
                                         struct proxy_accept **out);
const struct proxy_accept_counters *proxy_accept_counters(const struct proxy_accept *accept);
/* Stops accepting and closes what still waits for its header; frees at the end of the turn. */
void proxy_accept_close(struct proxy_accept *accept);

#endif
