/* tally: verdicts added up: how many calls, of whom, which ones for example, and what it means in
 * money and routes. One thread; memory grows with what is told apart, not with calls. */
#ifndef PREVIEW_TALLY_H
#define PREVIEW_TALLY_H

#include "meter/money.h"
#include "preview/replay.h"

/* What is told about those whose verdict would change. */
enum tally_kind { TALLY_NEWLY_REFUSED, TALLY_NEWLY_ALLOWED, TALLY_UNKNOWN, TALLY_KINDS };
enum tally_group { TALLY_BY_KEY, TALLY_BY_TEAM, TALLY_BY_NETWORK, TALLY_BY_REASON, TALLY_GROUPS };

#define TALLY_EXAMPLES 3u

struct tally_row {
    const struct name *name, *detail; /* key and its name; code and the rule; else detail NULL */
    const char *words;                /* of TALLY_UNKNOWN by reason: what is not known */
    uint64_t calls;
    money cost;                                 /* what those calls have cost */
    struct identifier examples[TALLY_EXAMPLES]; /* the first ones */
    size_t example_count;
};

/* Calls that pass then and now, of one model from one target to one. */
struct tally_route {
    const struct name *model, *from, *to; /* NULL: not known, or nowhere */
    uint64_t calls, unpriced;             /* of them, by the new prices */
    money cost_then, cost_now;            /* of those with both prices */
};

struct tally_rows {
    struct tally_row *rows;
    size_t count, room;
    uint32_t *slots; /* row and 1, by hash */
    size_t slot_count;
};

struct tally {
    uint64_t calls; /* that began in the time asked about */
    uint64_t apart; /* of them, that no rule decides about */
    uint64_t refused_then, refused_now;
    uint64_t newly_refused, newly_allowed, unknown;
    uint64_t held_worst;   /* newly allowed, counted at their worst case */
    uint64_t cost_unknown; /* calls that pass then and now, of which one cost is not known */
    money cost_then;       /* of the calls that pass then and now, where both costs are known */
    money cost_now;
    money cost_refused; /* what the newly refused have cost */
    struct tally_rows groups[TALLY_KINDS][TALLY_GROUPS];
    struct tally_route *routes;
    size_t route_count, route_room;
    uint32_t *route_slots;
    size_t route_slot_count;
};

void tally_open(struct tally *tally);
void tally_close(struct tally *tally);
/* A preview_visit; the context is the tally. */
void tally_add(void *context, const struct preview_verdict *verdict);
/* The rows of each group with the most calls first; routes that change first. */
void tally_sort(struct tally *tally);

#endif
