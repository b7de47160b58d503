/* All atomics. `set` is published before `version` and `fetched_at` move, so who finds a new
 * version finds its set or a newer one; who finds an old version with a new set verifies once more.
 */
#include "identity/issuer_keys.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/ensure.h"
#include "identity/annotate.h"

struct issuer_keys {
    _Atomic(struct jwk_set *) set;
    _Atomic uint64_t version, fetched_at;
    _Atomic uint64_t begun_at; /* of the last fetch, monotonic; 0: none yet */
    atomic_bool wanted, fetching;
    atomic_size_t holders;
    void (*want)(void *owner);
    void *owner;
};

struct issuer_keys *issuer_keys_create(void (*want)(void *owner), void *owner)
{
    struct issuer_keys *keys = calloc(1, sizeof *keys);

    if (!keys)
        return NULL;
    atomic_store(&keys->holders, 1);
    keys->want = want;
    keys->owner = owner;
    return keys;
}

struct issuer_keys *issuer_keys_hold(struct issuer_keys *keys)
{
    atomic_fetch_add(&keys->holders, 1);
    return keys;
}

void issuer_keys_release(struct issuer_keys *keys)
{
    if (!keys || atomic_fetch_sub(&keys->holders, 1) > 1)
        return;
    jwk_set_free(atomic_load(&keys->set));
    free(keys);
}

void issuer_keys_read(struct issuer_keys *keys, struct issuer_keys_view *out)
{
    out->version = atomic_load(&keys->version);
    out->fetched_at = atomic_load(&keys->fetched_at);
    out->set = atomic_load(&keys->set);
    order_acquire(out->set);
}

uint64_t issuer_keys_version(const struct issuer_keys *keys)
{
    return atomic_load(&keys->version);
}

bool issuer_keys_want(struct issuer_keys *keys, uint64_t now)
{
    uint64_t begun = atomic_load(&keys->begun_at);

    if (atomic_load(&keys->fetching))
        return true;
    if (begun > 0 && now < begun + ISSUER_KEYS_PAUSE)
        return false;
    if (!atomic_exchange(&keys->wanted, true))
        keys->want(keys->owner);
    return true;
}

bool issuer_keys_take_want(struct issuer_keys *keys)
{
    return atomic_exchange(&keys->wanted, false);
}

void issuer_keys_begin(struct issuer_keys *keys, uint64_t now)
{
    atomic_store(&keys->fetching, true);
    atomic_store(&keys->begun_at, now);
    atomic_store(&keys->wanted, false); /* who asked before gets this one */
}

struct jwk_set *issuer_keys_publish(struct issuer_keys *keys, struct jwk_set *set, uint64_t wall)
{
    order_release(set);
    struct jwk_set *before = atomic_exchange(&keys->set, set);
    atomic_fetch_add(&keys->version, 1);
    issuer_keys_confirm(keys, wall);
    return before;
}

void issuer_keys_confirm(struct issuer_keys *keys, uint64_t wall)
{
    atomic_store(&keys->fetched_at, wall);
    atomic_store(&keys->fetching, false);
}

void issuer_keys_fail(struct issuer_keys *keys)
{
    atomic_store(&keys->fetching, false);
}
