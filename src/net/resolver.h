/* resolver: names to addresses, with their time to live, without blocking (c-ares behind it).
 *
 * One resolver per loop. Answers are cached for their TTL (at least 1 s, at most 1 h); a failed
 * refresh serves the last good answer for up to STALE more seconds and notes it. Concurrent
 * questions for one name are one query. /etc/hosts and literal addresses are honoured. */
#ifndef NET_RESOLVER_H
#define NET_RESOLVER_H

#include "net/address.h"
#include "net/loop.h"
#include "tables/error.h"

#define RESOLVER_ADDRESSES_MAXIMUM \
    16u                              /* of one name; more are ignored: nobody dials a seventeenth */
#define RESOLVER_NAMES_MAXIMUM 4096u /* cached names; the least recently used goes */
#define RESOLVER_STALE_SECONDS 3600u

struct resolver;
struct resolver_query;

struct resolver_answer {
    enum error error;
    const struct address *addresses; /* interleaved by family, IPv6 first (RFC 8305 section 4); port
                                        0; valid during the callback */
    size_t count;
};
typedef void (*resolver_callback)(void *owner, const struct resolver_answer *answer);

/* `servers`: "10.0.0.2:53,10.0.0.3" or NULL for the system's. NULL when c-ares cannot start. */
must_check struct resolver *resolver_create(struct loop *loop, const char *servers,
                                            uint64_t timeout_nanoseconds);
void resolver_destroy(struct resolver *resolver);
/* The callback comes from within this call when the answer is cached, else later; then `out` (may
 * be NULL) can cancel it. */
void resolver_ask(struct resolver *resolver, struct text name, resolver_callback callback,
                  void *owner, struct resolver_query **out);
void resolver_cancel(struct resolver_query *query);

#endif
