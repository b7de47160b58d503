/* leaked_key: what became of a key that was found where it does not belong.
 *
 * Whoever found it shows the hash and not the key: it need not travel, and who reads along learns
 * nothing that opens a door. As admin/operations.h: one thread at a time, may block. */
#ifndef ADMIN_LEAKED_KEY_H
#define ADMIN_LEAKED_KEY_H

#include "admin/operations.h"
#include "identity/key.h"

enum leaked_key_state {
    LEAKED_KEY_UNKNOWN, /* there is no such key, or it never had this secret */
    LEAKED_KEY_LIVE,    /* it opens what the key opens */
    LEAKED_KEY_ROTATED, /* an older secret of a key, past its time of grace */
    LEAKED_KEY_REVOKED,
    LEAKED_KEY_EXPIRED,
};

/* "live" and so on. */
const char *leaked_key_state_name(enum leaked_key_state state);

struct leaked_key {
    enum leaked_key_state state;
    struct text name, team; /* in the operations' arena; empty for what is unknown */
    uint64_t good_until;    /* of a secret in its time of grace, or a key that expires; 0: no end */
};

/* `administrative`: of an admin key (tpa_). False with `problem`. */
must_check bool leaked_key_look_up(struct operations *operations, bool administrative,
                                   struct text id, const struct key_hash *hash,
                                   struct leaked_key *out);

#endif
