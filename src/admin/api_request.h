/* api_request: one request on a connection of the admin API: who asks is decided before any of the
 * body is taken, the body is gathered, the answer goes out at the pace of its reader.
 *
 * The api's thread. Owned by the connection that it is on; dies through loop_defer. */
#ifndef ADMIN_API_REQUEST_H
#define ADMIN_API_REQUEST_H

#include "admin/office.h"
#include "admin/origin.h"
#include "http/server.h"

/* What requests need of their api. */
struct api_desk {
    struct loop *loop;
    struct office office;
    struct metrics_worker *metrics;
};

/* One of the listeners; the owner of its http_server. */
struct api_door {
    struct api_desk *desk;
    struct http_server *server; /* NULL: it listens nowhere */
    struct origin_door origin;
};

#define API_BODY_MAX          (1u << 20) /* two lists of 256 patterns take a tenth */
#define API_STRANGER_BODY_MAX 4096u      /* a code or a key, of somebody who is nobody yet */

extern const struct http_server_events api_request_events;
extern const struct http_server_limits api_request_limits;

#endif
