/* keys: the keys in the store, as hashes.
 *
 * What the store knows of a key is a row of the table `keys`; each change gives it the next number
 * in `changed` (store/changes.h), so that a reader finds what is new. The secret itself is nowhere.
 * Statements are made for each call but a reader's: keys change a few times a day. Errors
 * and threads as in store/store.h. */
#ifndef STORE_KEYS_H
#define STORE_KEYS_H

#include <stdint.h>

#include "base/text.h"
#include "store/store.h"
#include "tables/error.h"

#define KEYS_HASH_SIZE  32u
#define KEYS_NAME_MAX   128u /* bytes of a name or team */
#define KEYS_TAGS_MAX   480u /* bytes of the tags' JSON: a record holds 512 */
#define KEYS_REASON_MAX 200u
#define KEYS_RULE_SIZE  16u

/* Times are wall-clock nanoseconds, 0: none. Texts are valid as the function says. */
struct stored_key {
    struct text id;
    struct text name;
    struct text team;
    struct text tags;   /* JSON object of strings, or empty */
    struct text models; /* JSON array of patterns; empty text: all models; "[]": none */
    struct text denied; /* JSON array of patterns, or empty text: none is denied */
    uint8_t hash[KEYS_HASH_SIZE];
    uint8_t previous_hash[KEYS_HASH_SIZE];
    uint64_t previous_until; /* 0: there is no previous secret */
    uint64_t created_at;
    uint64_t rotated_at;
    uint64_t expires_at;
    uint64_t revoked_at;
    struct text revoked_reason;
    int64_t changed;
    /* Of one that was given for a token or certificate alone (store/exchanged_keys.h): */
    struct text principal; /* the id of whom it stands for; empty: a key of its own */
    struct text proof;     /* "token", "certificate" */
    struct text issuer, subject, proof_id;
    uint8_t rule[KEYS_RULE_SIZE]; /* of the configuration */
};

/* Called for each row; texts are valid until it returns. */
typedef void (*keys_found)(void *context, const struct stored_key *key);

/* ERROR_EXISTS when the id is taken. `changed` is ignored. */
must_handle enum error keys_insert(struct store *store, const struct stored_key *key);
/* Calls `found` once; ERROR_NOT_FOUND. */
must_handle enum error keys_find(struct store *store, struct text id, keys_found found,
                                 void *context);
/* Every key, the newest first. */
must_handle enum error keys_list(struct store *store, keys_found found, void *context);
/* Every key with that name that is not revoked. */
must_handle enum error keys_find_named(struct store *store, struct text name, keys_found found,
                                       void *context);

/* Every one that is. */
must_handle enum error keys_find_revoked_named(struct store *store, struct text name,
                                               keys_found found, void *context);

/* Every key of that team that is not revoked. */
must_handle enum error keys_find_team(struct store *store, struct text team, keys_found found,
                                      void *context);

/* Name, team, tags, lists of models and expiry become those of `key`. ERROR_NOT_FOUND. */
must_handle enum error keys_update(struct store *store, const struct stored_key *key);

/* These return ERROR_NOT_FOUND when there is no such key. A revoked key stays revoked. */
must_handle enum error keys_revoke(struct store *store, struct text id, uint64_t time,
                                   struct text reason);
must_handle enum error keys_set_expiry(struct store *store, struct text id, uint64_t expires_at);
/* The hash becomes the previous one, good until `previous_until` (0: not at all). */
must_handle enum error keys_rotate(struct store *store, struct text id,
                                   const uint8_t hash[KEYS_HASH_SIZE], uint64_t previous_until,
                                   uint64_t time);

/* For a reader that keeps up: a statement on one open store. */
struct keys_reader;
must_handle enum error keys_reader_create(struct store *store, struct keys_reader **out);
void keys_reader_destroy(struct keys_reader *reader); /* before store_close; NULL is fine */
/* Calls `found` for each key changed after the number `after`, in the order of their changes. */
must_handle enum error keys_reader_changed(struct keys_reader *reader, int64_t after,
                                           keys_found found, void *context);
/* Whether another connection may have changed the file since the last call (true the first time):
 * one read of the WAL index. */
must_handle enum error keys_reader_poll(struct keys_reader *reader, bool *changed);
/* The highest number given to a key so far; 0 without keys. */
must_handle enum error keys_reader_latest(struct keys_reader *reader, int64_t *latest);

#endif
