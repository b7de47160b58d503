/* exchange_filter: the query parameters that say which calls are meant, for the routes that show
 * calls themselves. The thread of the admin API. */
#ifndef ADMIN_EXCHANGE_FILTER_H
#define ADMIN_EXCHANGE_FILTER_H

#include "ledger/history.h"

struct admin_call;

/* Reads those that the route has; a team lead gets its own team. Texts are the call's. Sets the
 * call's problem. */
must_check bool exchange_filter_read(struct admin_call *call, struct history_filter *filter);

#endif
