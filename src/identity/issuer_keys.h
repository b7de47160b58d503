/* issuer_keys: the keys of one issuer as they are now, shared by all threads.
 *
 * A thread beside the road fetches them and replaces them (control/issuer_refresher.h); workers
 * read them within one turn of their loop (identity/reader.h) and may ask for a newer set. Lives as
 * long as anybody holds it, across reloads. */
#ifndef IDENTITY_ISSUER_KEYS_H
#define IDENTITY_ISSUER_KEYS_H

#include "identity/jwk_set.h"

/* Nanoseconds between two fetches that were asked for, not planned: so often may strangers with
 * tokens of unknown keys have the issuer asked, whatever their number; and so late at most is a key
 * known that the issuer signs with before it publishes it. */
#define ISSUER_KEYS_PAUSE (10ull * 1000000000ull)

struct issuer_keys;

/* Held once by the caller. `want` is called when a worker asks for a newer set: any thread, must
 * not wait. NULL: memory is short. */
must_check struct issuer_keys *issuer_keys_create(void (*want)(void *owner), void *owner);
struct issuer_keys *issuer_keys_hold(struct issuer_keys *keys);
void issuer_keys_release(struct issuer_keys *keys); /* NULL is fine */

/* What a worker sees. `set` is valid until the thread next tells that it holds nothing. */
struct issuer_keys_view {
    const struct jwk_set *set; /* NULL: there has been none yet */
    uint64_t version;          /* another with each set that differs in anything */
    uint64_t fetched_at;       /* wall nanoseconds of the last time that the issuer said so */
};

/* Registered reader threads, and the thread that publishes. */
void issuer_keys_read(struct issuer_keys *keys, struct issuer_keys_view *out);
/* The version alone; any thread. */
uint64_t issuer_keys_version(const struct issuer_keys *keys);
/* Asks for a newer set. False when the last was asked for within ISSUER_KEYS_PAUSE and has come, or
 * failed to: waiting would bring nothing. `now` is monotonic nanoseconds. Any thread. */
must_check bool issuer_keys_want(struct issuer_keys *keys, uint64_t now);

/* For the thread that fetches. */
/* Whether somebody asked since the last time. */
bool issuer_keys_take_want(struct issuer_keys *keys);
/* A fetch begins; ended by one of the next three. `now` is monotonic. */
void issuer_keys_begin(struct issuer_keys *keys, uint64_t now);
/* Another set; returns the one before, to be freed when no reader can hold it
 * (reader_wait_for_all).
 */
must_check struct jwk_set *issuer_keys_publish(struct issuer_keys *keys, struct jwk_set *set,
                                               uint64_t wall);
/* The issuer said the same again. */
void issuer_keys_confirm(struct issuer_keys *keys, uint64_t wall);
void issuer_keys_fail(struct issuer_keys *keys);

#endif
