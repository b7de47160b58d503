/* demo_traffic: a gentle stream of believable calls to a demo gateway, so that what shows live
 * traffic has some: real calls over HTTP, by keys of the sample data and from the networks where
 * they belong, with a few that are refused.
 *
 * A process of its own, single-threaded; it ends with the process that it was forked from. */
#ifndef APP_DEMO_TRAFFIC_H
#define APP_DEMO_TRAFFIC_H

#include "base/secret.h"
#include "base/text.h"
#include "sample/cast.h"

struct demo_traffic {
    struct text address;                  /* of the gateway: "127.0.0.1:8080" */
    const struct secret *keys[CAST_KEYS]; /* as cast_keys; NULL: not at hand */
};

/* Whether the gateway answers within `seconds`. */
must_check bool demo_traffic_wait(const struct demo_traffic *traffic, unsigned seconds);
/* Calls until the process is ended. */
void demo_traffic_run(const struct demo_traffic *traffic);

#endif
