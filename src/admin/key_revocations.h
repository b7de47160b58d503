/* key_revocations: what DATA/revocations says of keys, laid over what the store says. Within
 * admin/ only. The list is kept in `struct operations` and read on as the file grows. */
#ifndef ADMIN_KEY_REVOCATIONS_H
#define ADMIN_KEY_REVOCATIONS_H

#include "admin/operations.h"
#include "store/keys.h"

/* Reads what is new. False with `problem`. */
bool key_revocations_refresh(struct operations *operations);
void key_revocations_close(struct operations *operations);
/* Adds to a row of the store what only the file says. Texts live as long as `operations`. */
void key_revocations_merge(struct operations *operations, struct stored_key *key);
/* Appends; false with `problem` when the file could not be written. */
bool key_revocations_append(struct operations *operations, const struct revocation *revocation);

#endif
