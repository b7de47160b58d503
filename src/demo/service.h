/* service: the built-in model as an upstream inside the process: a socket pair, our own HTTP server
 * on its far end.
 *
 * The road does not know that this provider is not far away: it dials, sends, relays and records as
 * for any other. One per worker, the worker's thread only. */
#ifndef DEMO_SERVICE_H
#define DEMO_SERVICE_H

#include "net/loop.h"
#include "tables/error.h"

struct demo_service;

must_handle enum error demo_service_create(struct loop *loop, struct demo_service **out);
/* A connected descriptor to it, or -1 when the process is out of them. `service` is a struct
 * demo_service. */
int demo_service_open(void *service);
/* Cuts what is open; freed at the end of the turn. */
void demo_service_destroy(struct demo_service *service);

#endif
