/* bounces: calls that were turned away, in groups, and the networks that got through.
 *
 * A group is who was refused for what: network, reason, rule, listener, key and team. Who keeps the
 * groups, and how few of many stay, is ledger/bounces.h, in the transaction that makes rows of the
 * records; here are the rows, what they are made of, and reading them all. Groups that had to go
 * are counted in rows for wider networks (BOUNCE_OTHERS), so that the calls of all rows together
 * are those of the records.
 *
 * `calls` are the calls since `first_at`, exactly. A group that had to go and came back may have
 * had up to `error` more before; they are in a row of its wider network. Texts are NUL-terminated.
 * Errors and threads as in store/store.h. */
#ifndef STORE_BOUNCES_H
#define STORE_BOUNCES_H

#include <stdint.h>

#include "base/identifier.h"
#include "base/text.h"
#include "store/store.h"
#include "tables/error.h"

#define BOUNCES_QUARTER  900000000000ull   /* nanoseconds; as that of the rollups */
#define BOUNCES_DAY      86400000000000ull /* nanoseconds, UTC */
#define BOUNCES_QUARTERS 97u               /* a day by quarters of an hour, both ends whole, */
#define BOUNCES_DAYS     32u               /* a month by days */

/* Calls by when they began. What is older than the newest by more than a day, or a month, is no
 * longer told apart. */
struct bounce_times {
    int64_t quarter, day; /* of the newest, since 1970 */
    uint32_t quarters[BOUNCES_QUARTERS];
    uint32_t days[BOUNCES_DAYS];
};

void bounce_times_add(struct bounce_times *times, uint64_t wall, uint64_t calls);
void bounce_times_merge(struct bounce_times *into, const struct bounce_times *from);
/* Where the counting from `since` begins: at its quarter, or its day where it is more than a day
 * before `now`. */
uint64_t bounce_times_start(uint64_t since, uint64_t now);
/* The calls from bounce_times_start on. */
uint64_t bounce_times_count(const struct bounce_times *times, uint64_t since, uint64_t now);

enum bounce_kind {
    BOUNCE_OPEN,  /* nothing speaks for it */
    BOUNCE_KEPT,  /* its network has had good calls, or its key is one of ours */
    BOUNCE_OTHERS /* what had to go, by wider network */
};

/* Bytes, with a NUL: what a record holds, or as much as tells them apart. */
#define BOUNCE_NETWORK_SIZE 65u
#define BOUNCE_WORD_SIZE    65u
#define BOUNCE_TEAM_SIZE    129u
#define BOUNCE_RULE_SIZE    129u
#define BOUNCE_TEXT_SIZE    97u

struct bounce_group {
    enum bounce_kind kind;
    /* which group it is */
    /* as the configuration names it, else "10.1.2.0/24", "2001:db8:1::/48", "unix", "unknown" */
    char network[BOUNCE_NETWORK_SIZE];
    char reason[BOUNCE_WORD_SIZE]; /* code of the refusal, or what an observed rule is about */
    char rule[BOUNCE_RULE_SIZE];   /* what refused or would have: its id, or whose it is */
    char listener[BOUNCE_WORD_SIZE];
    char key_id[BOUNCE_WORD_SIZE]; /* of a key of ours, whether its secret was right or not */
    char team[BOUNCE_TEAM_SIZE];
    bool observed; /* the calls were not refused: a rule in observe mode would have */
    /* what is known of it; of the last call where nothing else is said */
    char claimed[BOUNCE_WORD_SIZE]; /* what was sent as key and is none of ours */
    char source[BOUNCE_NETWORK_SIZE];
    char model[BOUNCE_TEXT_SIZE];
    char user_agent[BOUNCE_TEXT_SIZE];
    int64_t status;
    uint64_t first_at, last_at;
    int64_t calls, error;
    int64_t groups; /* OTHERS: how many times one had to go */
    struct identifier first_id, last_id;
    struct bounce_times times;
};

#define BOUNCE_ID_SIZE 13u /* "bnc_" and 8 hexadecimal digits, NUL: to be typed */
/* The same for the same group at any time, on any node. Of some thousand groups two seldom share
 * one. */
void bounce_group_id(const struct bounce_group *group, char out[BOUNCE_ID_SIZE]);
/* Whether both are the same group. */
bool bounce_group_same(const struct bounce_group *a, const struct bounce_group *b);

/* A network from which calls were served. */
struct bounce_network {
    char network[BOUNCE_NETWORK_SIZE];
    int64_t calls; /* served, since first_at */
    uint64_t first_at, last_at;
    struct bounce_times times;
};

/* ---- for who keeps them ---- */

struct bounces_writer {
    struct store_statement *put_group, *drop_group, *put_network;
};
/* Statements on an open store, freed with it. */
must_handle enum error bounces_writer_open(struct bounces_writer *writer, struct store *store);
void bounces_writer_close(struct bounces_writer *writer); /* one of zeroes is fine */
/* The row `slot` becomes that group. */
must_handle enum error bounces_put_group(struct bounces_writer *writer, int64_t slot,
                                         const struct bounce_group *group);
must_handle enum error bounces_drop_group(struct bounces_writer *writer, int64_t slot);
must_handle enum error bounces_put_network(struct bounces_writer *writer, int64_t slot,
                                           const struct bounce_network *network);

/* ---- reading ---- */

/* Each row; valid until it returns. False ends the reading. A row that cannot be read (another
 * program wrote it) is passed over. */
typedef bool (*bounces_found)(void *context, int64_t slot, const struct bounce_group *group);
must_handle enum error bounces_read_groups(struct store *store, bounces_found found, void *context);
typedef bool (*bounces_network_found)(void *context, int64_t slot,
                                      const struct bounce_network *network);
must_handle enum error bounces_read_networks(struct store *store, bounces_network_found found,
                                             void *context);

#endif
