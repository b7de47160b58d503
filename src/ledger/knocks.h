/* knocks: connections that ended before there was a call, on their way to where refused calls are
 * grouped.
 *
 * They have no key, no id and no record. Each worker has a ring of the last ones, of fixed size: it
 * puts in and never waits; the importer takes out, and adds them to the groups (ledger/bounces.h)
 * in its transaction. What comes while the ring is full is counted by its reason, its source
 * unknown. In memory: what a kill catches in the ring, some hundred milliseconds, is lost. */
#ifndef LEDGER_KNOCKS_H
#define LEDGER_KNOCKS_H

#include <stdatomic.h>
#include <stdint.h>

#include "ledger/bounces.h"

enum knock_reason {
#define KNOCK(name, code) KNOCK_##name,
#include "tables/knocks.def"
#undef KNOCK
    KNOCK_REASON_COUNT
};

/* Of one worker, between two looks of the importer: 1,000 of them make 5,000 in a second. 200 KB.
 */
#define KNOCKS_MAX 1024u

struct knock {
    uint64_t time; /* wall */
    enum knock_reason reason;
    char source[BOUNCE_NETWORK_SIZE];
    char network[BOUNCE_NETWORK_SIZE]; /* the configuration's; empty: none has the source */
    char listener[BOUNCE_WORD_SIZE];
};

struct knocks {
    _Atomic uint64_t put;   /* by the worker */
    _Atomic uint64_t taken; /* by the importer, when the store has them */
    _Atomic uint64_t lost[KNOCK_REASON_COUNT];
    /* the importer's: what its batch has */
    uint64_t read;
    uint64_t lost_read[KNOCK_REASON_COUNT], lost_taken[KNOCK_REASON_COUNT];
    struct knock ring[KNOCKS_MAX];
};

/* The worker's thread. Texts are copied, long ones cut. */
void knocks_put(struct knocks *knocks, uint64_t time, enum knock_reason reason, struct text source,
                struct text network, struct text listener);

/* The importer's thread. Whether there is something that was not taken yet. */
must_check bool knocks_wait(const struct knocks *knocks);
/* Adds what waits; `now` is the wall time of those that were lost. */
must_handle enum error knocks_add(struct knocks *knocks, struct bounces *bounces, uint64_t now);
/* After the commit, and after a roll-back. */
void knocks_settle(struct knocks *knocks);
void knocks_forget(struct knocks *knocks);

/* "tls_plain_http": stable. */
struct text knock_code(enum knock_reason reason);

#endif
