/* key_refresher: keeps the key table in step with the store and the revocations file.
 *
 * For the control thread: it may block on the disk (no longer than KEY_REFRESHER_PATIENCE on
 * another process's lock). A key is revoked if either the store or DATA/revocations says so; the
 * file is read even when the store is locked, damaged or gone, and the last known keys then stay in
 * force. What only the file says is written to the store when that works again. */
#ifndef CONTROL_KEY_REFRESHER_H
#define CONTROL_KEY_REFRESHER_H

#include <stdint.h>

#include "identity/key_table.h"
#include "tables/error.h"

/* Nanoseconds between steps: a fifth of the promise. */
#define KEY_REFRESHER_INTERVAL     200000000ull
#define KEY_REFRESHER_PATIENCE     100u /* milliseconds that a step waits for the store's lock */
#define KEY_REFRESHER_PROBLEM_SIZE 512u

struct key_refresher;

/* `data` is the data directory, which exists. The table outlives the refresher. Loads every key
 * before it returns. A store that cannot be read is no error: the gateway starts with what the file
 * says, and the state below tells. ERROR_MEMORY, and ERROR_ARGUMENT for
 * a path that is too long. */
must_handle enum error key_refresher_create(const char *data, struct key_table *table,
                                            struct key_refresher **out);
void key_refresher_destroy(struct key_refresher *refresher); /* NULL is fine */

/* Brings the table up to date; some microseconds when nothing has changed. Notes problems once. */
void key_refresher_step(struct key_refresher *refresher);

struct stored_key;
struct store;

/* For control/key_exchange.c, in the thread that makes the steps. The store, open for writing;
 * NULL: it cannot be used now. */
struct store *key_refresher_store(struct key_refresher *refresher);
/* Puts a key that was given for a token, and is in the store, into the table. ERROR_MEMORY,
 * ERROR_LIMIT. */
must_handle enum error key_refresher_put_exchanged(struct key_refresher *refresher,
                                                   const struct stored_key *row);
/* Takes those that ended before `wall` out of it. */
void key_refresher_drop_exchanged(struct key_refresher *refresher, uint64_t wall);

/* For metrics and readiness; copied under a lock, any thread. */
struct key_refresher_state {
    bool loaded;         /* the store's keys were read at least once */
    bool store_working;  /* the last step could read the store */
    bool file_working;   /* the last step could read the revocations file */
    uint64_t keys;       /* in the table, the revoked ones too */
    uint64_t changes;    /* keys put into the table since start, after the first load */
    uint64_t updated_at; /* wall time of the last step that could read both, nanoseconds */
    char problem[KEY_REFRESHER_PROBLEM_SIZE]; /* for a person; empty when all is well */
};
void key_refresher_read_state(struct key_refresher *refresher, struct key_refresher_state *out);

#endif
