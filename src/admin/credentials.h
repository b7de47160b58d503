/* credentials: the admin keys in memory, and which of them a request shows.
 *
 * Kept in step with the store by its numbers of changes (store/changes.h): a look reads one
 * row while nothing changes. The keys last read stay when the store cannot be read, so
 * that a caller's key can be revoked with the store down. One thread. */
#ifndef ADMIN_CREDENTIALS_H
#define ADMIN_CREDENTIALS_H

#include "admin/operations.h"
#include "identity/key.h"
#include "store/changes.h"

struct credential {
    struct text id, name, team;
    struct key_hash hash;
    enum admin_role role;
    uint64_t expires_at, revoked_at;
    uint64_t used_at; /* as the store knows it */
};

struct credentials {
    struct changes_reader *reader; /* of the store last used; NULL: none yet */
    int64_t latest;                /* change of anything that was last looked at */
    int64_t changed;               /* the last change of an admin key */
    struct credential *list;
    size_t count, capacity;
};

void credentials_open(struct credentials *credentials);
void credentials_close(struct credentials *credentials); /* before store_close */
/* Reads what has changed. The store must be the same each time, until credentials_close. */
must_handle enum error credentials_refresh(struct credentials *credentials, struct store *store);

enum credentials_verdict {
    CREDENTIALS_OK,
    CREDENTIALS_MISSING,
    CREDENTIALS_NOT_OURS, /* does not look like an admin key */
    CREDENTIALS_CALLER,   /* a caller's key */
    CREDENTIALS_MISTYPED,
    CREDENTIALS_UNKNOWN, /* no such key, or the wrong secret: told alike */
    CREDENTIALS_REVOKED, /* these two only to who has the right secret */
    CREDENTIALS_EXPIRED
};

/* `sent` is what stood behind "Bearer"; `now` wall-clock nanoseconds. Sets `found` with
 * CREDENTIALS_OK, valid until the next credentials_refresh. */
enum credentials_verdict credentials_check(const struct credentials *credentials, struct text sent,
                                           uint64_t now, const struct credential **found);

/* The key with that id, revoked or expired ones too; NULL: there is none. Valid until the next
 * credentials_refresh. */
const struct credential *credentials_find(const struct credentials *credentials, struct text id);

#define CREDENTIALS_USE_INTERVAL \
    60000000000ull /* nanoseconds: a write for each use would be dear */

/* Writes down that it is used, unless that was done within the interval. What cannot be written now
 * is, with a later use. */
void credentials_note_use(struct credentials *credentials, struct store *store,
                          const struct credential *used, uint64_t now);

#endif
