/* key_table: every key that the gateway knows, in memory, read by all workers without a lock.
 *
 * Readers are threads registered with identity/reader.h; what key_table_find returns is theirs to
 * read until they next tell that they hold nothing (reader_pause, reader_turn). One thread writes,
 * between key_table_begin and key_table_end; the latter waits until no reader can hold what was
 * replaced, and frees it. A key in the table never changes: it is replaced. */
#ifndef IDENTITY_KEY_TABLE_H
#define IDENTITY_KEY_TABLE_H

#include <stdint.h>

#include "base/text.h"
#include "identity/key.h"
#include "identity/key_memory.h"
#include "identity/model_rules.h"
#include "identity/principal.h"
#include "tables/error.h"

/* Whom a key stands for that was given for a token or certificate (docs/decisions/0045). */
struct key_exchanged {
    enum principal_proof proof;
    struct text principal; /* its id */
    struct text issuer, subject, proof_id;
    struct principal_rule rule; /* counts only while the configuration has it */
};

struct key {
    struct text id; /* the public id, KEY_ID_LENGTH bytes */
    struct text name;
    struct text team;
    struct text tags; /* a JSON object; empty without tags */
    struct key_hash hash;
    struct key_hash previous_hash; /* the secret before the last rotation, good … */
    uint64_t previous_until;       /* … before this wall time, nanoseconds; 0: not */
    uint64_t created_at;           /* wall time, nanoseconds */
    uint64_t expires_at;           /* the same; 0: never */
    bool revoked;
    struct model_rules models;
    const struct key_exchanged *exchanged; /* NULL: a key of an administrator's making */
};

#define KEY_MODELS_MAX 256u     /* in one list of a key: each call compares with each */
#define KEY_TABLE_MAX  1000000u /* keys: some 500 MB; more wants a look-up in the store */

struct key_table;

/* NULL when memory is short. */
must_check struct key_table *key_table_create(void);
/* After every reader has stopped. NULL is fine. */
void key_table_destroy(struct key_table *table);

/* The key with that public id, revoked and expired ones too; NULL when there is none. Registered
 * reader threads only. */
const struct key *key_table_find(struct key_table *table, struct text id);
/* Whether a caller who sent `key` (the whole text) is let in: REFUSAL_NONE and the key in `out`,
 * else KEY_MISSING, KEY_MALFORMED, KEY_MISTYPED, KEY_UNKNOWN, KEY_REVOKED or KEY_EXPIRED. The last
 * two are said only to who has the secret, and set `out` too (it is that key's refusal); else `out`
 * is NULL. `wall` is now in nanoseconds, `memory` the calling thread's own. Registered reader
 * threads only. */
must_check enum refusal key_table_identify(struct key_table *table, struct key_memory *memory,
                                           struct text key, uint64_t wall, const struct key **out);
/* Any thread. */
size_t key_table_count(const struct key_table *table);

/* The writer's side: one thread at a time, registered as reader or not. */
void key_table_begin(struct key_table *table);
void key_table_end(struct key_table *table);
/* Copies `key`; replaces one with the same id. ERROR_MEMORY, ERROR_LIMIT (KEY_TABLE_MAX), and
 * ERROR_ARGUMENT for a wrong id or too many models. */
must_handle enum error key_table_put(struct key_table *table, const struct key *key);
/* The key as it is now, for the writer; NULL when there is none. */
const struct key *key_table_get(struct key_table *table, struct text id);
void key_table_remove(struct key_table *table, struct text id);
/* Removes each key for which `keep` is false. */
void key_table_retain(struct key_table *table, bool (*keep)(void *context, const struct key *key),
                      void *context);

/* Pure, any thread that may read `key`. */
enum key_verdict {
    KEY_VERDICT_OK,
    KEY_VERDICT_UNKNOWN, /* no such key (NULL) or another secret: told alike */
    KEY_VERDICT_REVOKED,
    KEY_VERDICT_EXPIRED
};
must_check enum key_verdict key_check(const struct key *key, const struct key_hash *hash,
                                      uint64_t wall);

#endif
