/* admin_keys: the credentials of the admin API, as hashes.
 *
 * They are no keys for models: another table, another form. A revoked one stays as a row.
 * Statements are made for each call. Writing within the caller's transaction, if there is one.
 * Errors as in store/store.h. */
#ifndef STORE_ADMIN_KEYS_H
#define STORE_ADMIN_KEYS_H

#include <stdint.h>

#include "base/text.h"
#include "store/store.h"
#include "tables/error.h"

#define ADMIN_KEYS_HASH_SIZE 32u
#define ADMIN_KEYS_NAME_MAX  128u

/* Times are wall-clock nanoseconds, 0: none. */
struct stored_admin_key {
    struct text id;
    struct text name;
    uint8_t hash[ADMIN_KEYS_HASH_SIZE];
    struct text role; /* owner, operator, finance, team_lead */
    struct text team; /* of a team_lead; else empty */
    uint64_t created_at;
    uint64_t expires_at;
    uint64_t revoked_at; /* read only: admin_keys_revoke sets it */
    uint64_t used_at;    /* read only: admin_keys_note_use sets it */
    int64_t changed;     /* read only */
};

/* Called for each row; texts are valid until it returns. */
typedef void (*admin_keys_found)(void *context, const struct stored_admin_key *key);

/* ERROR_EXISTS when the id is taken. */
must_handle enum error admin_keys_insert(struct store *store, const struct stored_admin_key *key);
/* Calls `found` once, for a revoked one too; ERROR_NOT_FOUND. */
must_handle enum error admin_keys_find(struct store *store, struct text id, admin_keys_found found,
                                       void *context);
/* Every one, the newest first. */
must_handle enum error admin_keys_list(struct store *store, admin_keys_found found, void *context);
/* A revoked one stays revoked, since when it was. ERROR_NOT_FOUND. */
must_handle enum error admin_keys_revoke(struct store *store, struct text id, uint64_t time);
/* No change that a reader must hear of: `changed` stays. ERROR_NOT_FOUND. */
must_handle enum error admin_keys_note_use(struct store *store, struct text id, uint64_t time);
/* All changed after the number `after`, in the order of their changes. */
must_handle enum error admin_keys_changed(struct store *store, int64_t after,
                                          admin_keys_found found, void *context);

#endif
