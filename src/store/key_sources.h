/* key_sources: where each key is used from: networks, when first and last, how many calls.
 *
 * Kept by the importer in the transaction that makes rows of the records (ledger/bounces.h), so
 * that every call counts once. A call counts for its key where the secret was right, refused for
 * another reason or not; what was sent with a wrong one is in store/bounces.h.
 *
 * Bounded: of one key the KEY_SOURCES_MAX networks that it was last used from, the further ones
 * together in one row; keys are as many as administrators make. Errors and threads as in
 * store/store.h. */
#ifndef STORE_KEY_SOURCES_H
#define STORE_KEY_SOURCES_H

#include <stdint.h>

#include "base/text.h"
#include "store/store.h"
#include "tables/error.h"

#define KEY_SOURCES_MAX                                                      \
    32u /* a program has a handful of places; more is a sign, see the alerts \
         */
#define KEY_SOURCES_OTHERS "(others)"

struct key_source {
    struct text key_id;
    struct text network; /* as a group's of store/bounces.h, or KEY_SOURCES_OTHERS */
    uint64_t first_at, last_at;
    uint64_t good_at; /* the last call that was served; 0: none */
    int64_t calls;
    uint64_t quiet; /* nanoseconds that the key had not been used when it was first used from there;
                       0: it had not been used at all, or just before */
};

/* ---- keeping ---- */

struct key_sources;

must_handle enum error key_sources_create(struct store *store, struct key_sources **out);
void key_sources_destroy(struct key_sources *sources); /* before store_close; NULL is fine */
/* Counts a use, in memory until the flush. `time` is when the call began; texts are copied. */
must_handle enum error key_sources_add(struct key_sources *sources, struct text key_id,
                                       struct text network, uint64_t time, uint64_t calls,
                                       bool good);
/* Writes what was added; before the commit. */
must_handle enum error key_sources_flush(struct key_sources *sources);
/* After a roll-back. */
void key_sources_forget(struct key_sources *sources);

/* ---- reading ---- */

/* Texts are valid until it returns. False ends the reading. */
typedef bool (*key_sources_found)(void *context, const struct key_source *source);

/* Those of one key, the last used first. */
must_handle enum error key_sources_list(struct store *store, struct text key_id,
                                        key_sources_found found, void *context);
/* All of a key together, `network` empty; ERROR_NOT_FOUND when it was not used since
 * key_sources_began. */
must_handle enum error key_sources_total(struct store *store, struct text key_id,
                                         key_sources_found found, void *context);
/* Sources that their key was first used from at or after `since`. */
must_handle enum error key_sources_new(struct store *store, uint64_t since, key_sources_found found,
                                       void *context);
/* How many networks the key was used from at or after `since`, of those that are kept. */
must_handle enum error key_sources_count(struct store *store, struct text key_id, uint64_t since,
                                         uint64_t *count);
/* Since when uses are counted: when this table was made. */
must_handle enum error key_sources_began(struct store *store, uint64_t *time);

#endif
