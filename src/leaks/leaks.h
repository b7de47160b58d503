/* leaks: the secrets that were found, over all files and threads.
 *
 * leaks_add may be called by any thread; everything else by one, when the others are done. A secret
 * itself is not kept: what is kept is the part that may be shown and, for a gateway's key, the hash
 * by which the gateway knows it. Texts belong to the list and live as long as it. */
#ifndef LEAKS_LEAKS_H
#define LEAKS_LEAKS_H

#include <pthread.h>
#include <stdint.h>

#include "base/arena.h"
#include "identity/key.h"
#include "leaks/scanner.h"

/* Of all files together: who has more should begin with the first ones. */
#define LEAKS_MAX              100000u
#define LEAKS_SHOWN_SIZE       64u
#define LEAKS_FINGERPRINT_SIZE 33u

/* What became of a gateway's key; LEAK_FOREIGN: another maker's key. */
enum leak_state {
    LEAK_FOREIGN,
    LEAK_NOT_ASKED,
    LEAK_LIVE,
    LEAK_ROTATED,
    LEAK_REVOKED,
    LEAK_EXPIRED,
    LEAK_UNKNOWN, /* no key of the gateway that was asked */
    LEAK_STATE_COUNT
};

/* "live"; of LEAK_FOREIGN "foreign". */
struct text leak_state_name(enum leak_state state);
/* False for any other word. */
must_check bool leak_state_from(struct text name, enum leak_state *state);

struct leak {
    enum secret_kind kind;
    struct text file;   /* as it was given; "(stdin)" */
    struct text object; /* git's name of the blob, commit or tag; empty outside of git */
    struct text commit; /* that brought it in; empty: none yet, or outside of git */
    struct text author, date;
    uint64_t line, column; /* from 1 */
    size_t length;
    bool allowed, in_baseline;
    char shown[LEAKS_SHOWN_SIZE];             /* "tpk_4f0c2v9qk1tz…" */
    char fingerprint[LEAKS_FINGERPRINT_SIZE]; /* of the secret: 128 bits of its SHA-256 */
    /* Of a gateway's key. */
    char id[KEY_ID_LENGTH + 1];
    struct key_hash hash;
    enum leak_state state;
    struct text name, team; /* as the gateway says */
};

struct leaks {
    pthread_mutex_t lock;
    struct leak *rows;
    size_t count, room;
    bool more; /* than LEAKS_MAX, or than one file may have */
    uint64_t look_alikes;
    struct arena texts;
};

void leaks_open(struct leaks *leaks);
void leaks_close(struct leaks *leaks);

/* Where a file is. */
struct leaks_place {
    struct text file, object;
};

/* Ends the scanner's file and takes what was found in it. Any thread. */
void leaks_take(struct leaks *leaks, struct scanner *scanner, const struct leaks_place *place);
/* A copy that lives as long as the list. */
struct text leaks_keep(struct leaks *leaks, struct text t);
/* By file, line and column. */
void leaks_sort(struct leaks *leaks);
/* By fingerprint, so that the same secret stands together. */
void leaks_sort_by_secret(struct leaks *leaks);
/* Whether it is to be told: nothing hides a key that is known to be live. */
bool leak_is_told(const struct leak *leak);
/* Whether it may open something: not known to be ended, or anybody else's. */
bool leak_may_be_live(const struct leak *leak);

#endif
