/* usage_filter: the query parameters that say which calls are meant (team, key, model, provider,
 * tag), for the routes that answer from the rollups. The thread of the admin API. */
#ifndef ADMIN_USAGE_FILTER_H
#define ADMIN_USAGE_FILTER_H

#include "store/usage.h"

struct admin_call;

/* One value of each is asked for at most; it must live as long as the request made of it. */
struct usage_filter {
    struct text team, key, model, provider;
    struct usage_tag tag;
};

/* Reads those that the route has; a team lead gets its own team. Sets the call's problem. */
must_check bool usage_filter_read(struct admin_call *call, struct usage_filter *filter,
                                  struct usage_request *request);

#endif
