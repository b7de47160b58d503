/* exchanged_keys: keys that were given for tokens and certificates (docs/decisions/0045).
 *
 * They come by the thousand and end within hours, so they have a table of their own:
 * administrators' keys are found beside none of them, and what has ended is deleted. The running
 * server alone adds and deletes; whoever revokes one changes its row. Rows are struct stored_key
 * with `principal`. Errors and threads as in store/store.h. */
#ifndef STORE_EXCHANGED_KEYS_H
#define STORE_EXCHANGED_KEYS_H

#include "store/keys.h"

/* ERROR_EXISTS when the id is taken. */
must_handle enum error exchanged_keys_insert(struct store *store, const struct stored_key *key);
/* Calls `found` once; ERROR_NOT_FOUND. */
must_handle enum error exchanged_keys_find(struct store *store, struct text id, keys_found found,
                                           void *context);
/* All of them, the newest first. */
must_handle enum error exchanged_keys_list(struct store *store, keys_found found, void *context);
/* Those that are revoked. */
must_handle enum error exchanged_keys_revoked(struct store *store, keys_found found, void *context);
/* How many of one principal (of all: empty) are good at `wall`, and when the first of them ends. */
must_handle enum error exchanged_keys_count(struct store *store, struct text principal,
                                            uint64_t wall, uint64_t *count, uint64_t *first_end);
/* As keys_revoke. */
must_handle enum error exchanged_keys_revoke(struct store *store, struct text id, uint64_t time,
                                             struct text reason);
/* Deletes what ended before `wall`. */
must_handle enum error exchanged_keys_prune(struct store *store, uint64_t wall);

#endif
