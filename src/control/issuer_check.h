/* issuer_check: whether an issuer's keys can be had and used, for `turnpike check` and `turnpike
 * doctor`. Threads that may block; where a network is asked, libcurl is initialised by the caller.
 */
#ifndef CONTROL_ISSUER_CHECK_H
#define CONTROL_ISSUER_CHECK_H

#include "config/snapshot.h"
#include "tables/error.h"

#define ISSUER_CHECK_PROBLEM_SIZE 600u

/* The keys as the gateway would get them now, from their file or by asking the issuer. `count` is
 * how many verify signatures. On an error `problem` says what is wrong with what; without one it
 * says which key is left out, or is empty. */
must_handle enum error issuer_check_keys(const struct config_issuer *issuer, uint64_t *count,
                                         char problem[ISSUER_CHECK_PROBLEM_SIZE]);
/* The files that asking needs: `authority` must have certificates in it, `bearer_file` be readable.
 * ERROR_ARGUMENT with `member` ("authority") and `problem`. */
must_handle enum error issuer_check_files(const struct config_issuer *issuer, const char **member,
                                          char problem[ISSUER_CHECK_PROBLEM_SIZE]);

#endif
