/* key_store: what the verbs of `turnpike key` do with the store, and how they say what went wrong.
 *
 * Functions that return an int return an exit code and have printed why not. Main thread. */
#ifndef APP_KEY_STORE_H
#define APP_KEY_STORE_H

#include <stdint.h>

#include "app/paths.h"
#include "identity/key.h"
#include "store/keys.h"
#include "store/store.h"

/* Milliseconds to wait for another process's lock: a server's import takes some tens. */
#define KEY_STORE_PATIENCE 5000u

struct key_store {
    struct store *store;
    char path[PATH_SIZE];
    void *revocations; /* of the file, by id */
};

/* Opens DATA's store (made if missing) and reads the revocations file. False when it printed why
 * not. */
bool key_store_open(struct key_store *keys, const char *data);
void key_store_close(struct key_store *keys);

/* Prints what `error` means for what was tried with the key `id` (empty: all keys). */
int key_store_fail(struct key_store *keys, enum error error, struct text id);

/* The id that `given` means: an id, a whole key or its visible part, or the name of one live key.
 */
int key_store_resolve(struct key_store *keys, struct text given, char id[KEY_ID_LENGTH]);
/* Calls `found` with the key, merged as below. */
int key_store_with(struct key_store *keys, const char id[KEY_ID_LENGTH], keys_found found,
                   void *context);
/* Adds to a row of the store what only the revocations file says. Texts live as long as `keys`. */
void key_store_merge(struct key_store *keys, struct stored_key *key);

/* "live", "expired" or "revoked". */
const char *key_store_state(const struct stored_key *key, uint64_t now);

/* Revokes `given` in the file and then in the store; OK when it holds by either. */
int key_store_revoke(const char *data, struct text given, struct text reason,
                     char id[KEY_ID_LENGTH], bool *in_store);

#endif
