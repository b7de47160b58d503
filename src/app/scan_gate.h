/* scan_gate: asks the gateway what became of keys that were found, and has them revoked.
 *
 * The gateway is its data directory on this machine, or the admin API of another. It is told the
 * public id and the hash of a key, never the key. Main thread. */
#ifndef APP_SCAN_GATE_H
#define APP_SCAN_GATE_H

#include "app/admin_session.h"
#include "leaks/leaks.h"

/* The admin key for --server. */
#define SCAN_GATE_VARIABLE "TURNPIKE_ADMIN_KEY"

struct scan_gate {
    struct admin_session session; /* with `server` NULL */
    const char *server;           /* "https://gateway.example:8443" */
    const char *key;
};

/* Exactly one of `data` and `server` is given. False when it has printed what is wrong. */
must_check bool scan_gate_open(struct scan_gate *gate, const struct verb *verb, const char *data,
                               const char *server);
void scan_gate_close(struct scan_gate *gate);
/* State, name and team of every key of a gateway; each secret is asked about once. False when it
 * has printed why not. */
must_check bool scan_gate_ask(struct scan_gate *gate, struct leaks *leaks);
/* Ends the key of `leak`. False when it has printed why not. */
must_check bool scan_gate_revoke(struct scan_gate *gate, const struct leak *leak);

#endif
