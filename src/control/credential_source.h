/* credential_source: where the token of a credential comes from: files, token servers, metadata
 * servers.
 *
 * Each fetch starts anew, from files and environment as they are then; nothing is kept. It blocks,
 * a few requests of control/fetch.h long. What is said of a failure holds no secret. For threads
 * that may block; several at a time. */
#ifndef CONTROL_CREDENTIAL_SOURCE_H
#define CONTROL_CREDENTIAL_SOURCE_H

#include "config/snapshot.h"
#include "provider/credential_pool.h"
#include "tables/error.h"

struct credential_request {
    const struct config_credential *definition;
    struct text region; /* of the provider's account at AWS; empty: the environment says it */
    uint64_t wall;      /* nanoseconds */
    const bool *stop;   /* set by another thread (atomically): give up. NULL: never */
};

/* The token belongs to the caller. */
must_handle enum error credential_fetch(const struct credential_request *request,
                                        struct pool_token **token,
                                        char problem[CREDENTIAL_PROBLEM_SIZE]);

#endif
