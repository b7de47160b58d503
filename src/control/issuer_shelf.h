/* issuer_shelf: the last keys of each issuer, kept in DATA/issuers, so that a gateway that starts
 * while an issuer is down knows its callers.
 *
 * One file for each issuer and place that its keys come from, with when they were fetched: it
 * counts from then for `keys_good_for`, as if the gateway had never stopped. Public keys are no
 * secret, but who can write the file can let anybody in: its mode is 0600, its directory's 0700.
 * Threads that may block; one at a time for an issuer. Within control/ only. */
#ifndef CONTROL_ISSUER_SHELF_H
#define CONTROL_ISSUER_SHELF_H

#include "base/buffer.h"
#include "config/snapshot.h"
#include "tables/error.h"

#define ISSUER_SHELF_DIRECTORY "issuers" /* in the data directory */

/* Whether keys of that issuer are kept at all: a file of them is kept by whoever wrote it. */
bool issuer_shelf_keeps(const struct config_issuer *issuer);

/* ERROR_SYSTEM and the like: errno tells. */
must_handle enum error issuer_shelf_write(const char *data, const struct config_issuer *issuer,
                                          struct text keys, uint64_t fetched_at);
/* The set as it was fetched into `keys` (opened here, to be closed either way). ERROR_NOT_FOUND,
 * ERROR_CORRUPT: it is damaged, of another issuer, or of a time to come. */
must_handle enum error issuer_shelf_read(const char *data, const struct config_issuer *issuer,
                                         uint64_t wall, struct buffer *keys, uint64_t *fetched_at);

#endif
