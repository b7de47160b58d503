/* identify: who asks something of the admin API, before any of the body is taken: by an admin key,
 * or by the session of a browser. The admin API's thread. */
#ifndef ADMIN_IDENTIFY_H
#define ADMIN_IDENTIFY_H

#include "admin/call.h"

/* Whether a browser may have been led here by somebody else, under a name that is none of ours.
 * False with the call's problem. */
must_check bool identify_host(struct admin_call *call, const struct http1_head *head);
/* Sets `credential` of the call, and `session` where it is one. Routes that are open to strangers
 * need neither. False with the call's problem. `now`: wall-clock nanoseconds. */
must_check bool identify_call(struct admin_call *call, const struct http1_head *head, uint64_t now);

/* For an answer that goes on and on: whether who asked may still ask. The key may have been
 * revoked meanwhile, or the session ended. With the store away nobody is cut off. */
must_check bool identify_still(struct admin_call *call, uint64_t now);

#endif
