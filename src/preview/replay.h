/* replay: recorded calls asked again, by other rules, on the clock of their records.
 *
 * A record comes in the order in which calls began; it is decided at the moment at which it was
 * decided then, and what it used is settled at the moment at which it ended, so that windows,
 * budgets and calls at a time fill and empty as they did. gate/ decides, as it does for live calls;
 * here is only what stands around it: whose key it was, where the call would go, what it costs.
 *
 * What a record does not tell is not guessed: the verdict is then PREVIEW_UNKNOWN, and why. One
 * thread, registered with identity/reader.h. */
#ifndef PREVIEW_REPLAY_H
#define PREVIEW_REPLAY_H

#include "preview/rules.h"
#include "store/record.h"
#include "tables/refusals.h"

enum preview_state {
    PREVIEW_ALLOWED,
    PREVIEW_REFUSED,
    PREVIEW_UNKNOWN, /* now only: the record lacks what decides */
    PREVIEW_APART    /* ended by what no rule decides: it could not be read, no room, … */
};

/* A call, what became of it, and what would become of it. Texts are kept as long as the replay. */
struct preview_verdict {
    struct identifier id;
    uint64_t started_at;
    const struct name *key, *key_name, *team, *model;
    const struct name *network; /* by the new configuration, else the range around the source */
    enum preview_state then, now;
    const struct name *code_then; /* of the refusal; NULL: none */
    enum refusal refusal;         /* now; REFUSAL_NONE: it is not refused */
    const struct name *code_now;  /* the same; NULL: none */
    const struct name *rule;      /* the id of the limit or budget, whose list; NULL: none */
    const char *unknown;          /* what is not known; NULL: nothing */

    const struct name *target_then; /* "provider/model"; NULL: it went nowhere */
    const struct name *target_now;  /* NULL: not known, or nowhere */
    int64_t cost_then, cost_now;    /* picodollars; -1: unknown */
    bool held_worst;                /* now let in, and nobody knows what it would have used */
};

typedef void (*preview_visit)(void *context, const struct preview_verdict *verdict);

struct replay;

/* Verdicts of calls that began at `since` (wall nanoseconds) and later are told; earlier ones fill
 * the windows. Stops the process when memory is short. */
struct replay *replay_create(struct preview_rules *rules, uint64_t since, preview_visit visit,
                             void *context);
void replay_destroy(struct replay *replay); /* NULL is fine */
/* The next record; its texts need to be there until it returns. */
void replay_take(struct replay *replay, const struct record *record);
/* No more records come: what is still to be decided is. */
void replay_finish(struct replay *replay);

/* Names of calls, for who adds them up. */
struct names *replay_names(struct replay *replay);

#endif
