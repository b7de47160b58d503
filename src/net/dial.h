/* dial: from host and port (or unix path) to a connected descriptor: resolve, then happy eyeballs
 * (RFC 8305).
 *
 * Loop's thread. One dial is one attempt with one deadline; the callback comes exactly once unless
 * it is cancelled, never from within dial_start. */
#ifndef NET_DIAL_H
#define NET_DIAL_H

#include "net/address.h"
#include "net/loop.h"
#include "net/resolver.h"
#include "tables/error.h"

#define DIAL_STAGGER_MILLISECONDS 250u /* RFC 8305 section 5: Connection Attempt Delay */

struct dial_target {
    struct text host; /* name or literal, without brackets; or "unix:/path" with port ignored */
    uint16_t port;
};

struct dial_result {
    enum error
        error; /* OK: descriptor is connected, non-blocking, close-on-exec, owned by the callee */
    int descriptor;
    struct address peer;
    uint64_t resolved_at, connected_at; /* loop_now_exact nanoseconds, 0 when not reached */
};

struct dial;
typedef void (*dial_callback)(void *owner, const struct dial_result *result);
/* NULL when out of memory. The whole (resolve and connect) ends within `timeout_nanoseconds`. */
must_check struct dial *dial_start(struct loop *loop, struct resolver *resolver,
                                   const struct dial_target *target, uint64_t timeout_nanoseconds,
                                   dial_callback callback, void *owner);
void dial_cancel(struct dial *dial);

#endif
