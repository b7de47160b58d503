/* playground: calls to models that an administrator makes, through the gateway's own callers' door:
 * policy, budgets, limits, routes and the ledger see them as they see any call.
 *
 * A connection within the process leads to a worker, as if from the administrator's address. The
 * call goes out with a key of its own for each administrator and team, named after him, tagged
 * `console`, good for an hour and then made good again: it is in the list of keys and in the audit,
 * and revoking it works. Its secret is in this memory alone.
 *
 * Nothing here waits: the admin thread answers others meanwhile. The thread of the admin API. */
#ifndef ADMIN_PLAYGROUND_H
#define ADMIN_PLAYGROUND_H

#include "net/address.h"
#include "net/loop.h"
#include "tables/endpoints.h"

struct admin_call;

#define PLAYGROUND_BODY_MAX  (20u << 20) /* bytes: a few images, as data URLs */
#define PLAYGROUND_CALLS_MAX 16u         /* at once, of all administrators */
#define PLAYGROUND_KEYS_MAX  64u /* whose secrets are remembered; then the oldest is made anew */

/* Opens a connection to a worker that takes it as one from `peer`; -1: none can be had. */
typedef int (*playground_open)(void *owner, const struct address *peer);

struct playground;

/* NULL when memory is short. */
must_check struct playground *playground_create(struct loop *loop, playground_open open,
                                                void *owner);
/* When no call is under way. NULL is fine. */
void playground_destroy(struct playground *playground);

/* Makes the call, for `team` (empty: of no team), with the body of the request: its answer is the
 * request's. Sets the call's problem and returns false where it cannot begin. */
bool playground_call(struct playground *playground, struct admin_call *call, struct text team,
                     const struct endpoint *endpoint);

#endif
