/* api: the admin API's door: a listener, a thread with a loop and a store of its own, and HTTP.
 *
 * The thread may wait for the store; no worker waits for it. Everything here is for the main
 * thread. A configuration comes into force in two steps, as for the callers' doors: api_prepare
 * does all that can fail and changes nothing, api_apply or api_discard follows. */
#ifndef ADMIN_API_H
#define ADMIN_API_H

#include "admin/office.h"
#include "config/snapshot.h"
#include "net/tls.h"

#define API_SOCKET       "admin.sock" /* in the data directory, unless configured otherwise */
#define API_PROBLEM_SIZE 1024u

struct api;

struct api_settings {
    struct office_settings office;
    struct metrics *metrics;
};

/* Listens nowhere yet. All that is pointed to outlives the api. */
must_handle enum error api_start(const struct api_settings *settings, struct api **out);
/* Cuts what is open, ends the thread, removes the socket's file. NULL is fine. */
void api_stop(struct api *api);

struct api_plan {
    struct address address;  /* where it will listen; length 0: nowhere */
    int descriptor;          /* bound to it; -1: it listens there already, or nowhere */
    struct tls_context *tls; /* NULL: plain */
};

/* `problem` says what is wrong and what to do. A socket in the data directory that cannot be made,
 * when no address is configured, is noted and no error: calls go on without administration. */
must_handle enum error api_prepare(struct api *api, const struct config *config,
                                   struct api_plan *plan, char problem[API_PROBLEM_SIZE]);
/* Takes the plan over. */
void api_apply(struct api *api, struct config *config, struct price_book *book,
               struct route_table *routes, struct api_plan *plan);
void api_discard(struct api_plan *plan);

#endif
