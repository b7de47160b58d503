/* api: the admin API's doors: listeners, a thread with a loop and a store of its own, and HTTP.
 *
 * The socket in the data directory is always there, for who works on the machine; admin.address
 * adds another. Both answer alike, the console included.
 *
 * The thread may wait for the store; no worker waits for it. Everything here is for the main
 * thread. A configuration comes into force in two steps, as for the callers' doors: api_prepare
 * does all that can fail and changes nothing, api_apply or api_discard follows. */
#ifndef ADMIN_API_H
#define ADMIN_API_H

#include "admin/office.h"
#include "config/snapshot.h"
#include "net/tls.h"

#define API_SOCKET       "admin.sock" /* in the data directory */
#define API_PROBLEM_SIZE 1024u

enum api_door_name { API_DOOR_SOCKET, API_DOOR_ADDRESS, API_DOOR_COUNT };

struct api;

struct api_settings {
    struct office_settings office;
    struct metrics *metrics;
};

/* Listens nowhere yet. All that is pointed to outlives the api. */
must_handle enum error api_start(const struct api_settings *settings, struct api **out);
/* Cuts what is open, ends the thread, removes the socket's file. NULL is fine. */
void api_stop(struct api *api);

struct api_door_plan {
    struct address address;  /* where it will listen; length 0: nowhere */
    int descriptor;          /* bound to it; -1: it listens there already, or nowhere */
    struct tls_context *tls; /* NULL: plain */
};

struct api_plan {
    struct api_door_plan doors[API_DOOR_COUNT];
};

/* `problem` says what is wrong and what to do. A socket in the data directory that cannot be made
 * is noted and no error: calls go on without it. */
must_handle enum error api_prepare(struct api *api, const struct config *config,
                                   struct api_plan *plan, char problem[API_PROBLEM_SIZE]);
/* Takes the plan over. */
void api_apply(struct api *api, struct config *config, struct price_book *book,
               struct route_table *routes, struct api_plan *plan);
void api_discard(struct api_plan *plan);

#endif
