/* guard: what lists of rules that came into force lately do to those who got through before them.
 *
 * Whoever looks after rules (control/alert_guard.c) says which lists are on watch. From then on
 * calls of callers who got through before are counted for each list that decides on them: all of
 * them, and those that a rule of it refused. Only callers count whom the gateway has recognised, by
 * a right key, token or certificate, and who had a call served on that listener, from that network,
 * before the list said what it says: so nobody can make a rule look bad who could not call before.
 * Of one caller GUARD_CALLS_A_MINUTE calls count.
 *
 * Counted on the importer's thread, within the batch; read by any other, as of the last batch that
 * the store took. In memory: a restart counts from nothing. */
#ifndef LEDGER_GUARD_H
#define LEDGER_GUARD_H

#include "ledger/guard_callers.h"
#include "store/bounces.h"

/* Lists and rules on watch at a time; more are not watched. A change of rules is of few lists. */
#define GUARD_LISTS_MAX 256u
#define GUARD_RULES_MAX 512u
/* Refused keys that are told apart, of one rule: enough to tell one caller from many. */
#define GUARD_KEYS_MAX     16u
#define GUARD_EXAMPLES_MAX 3u
#define GUARD_LIST_SIZE    192u

struct guard;

struct guard *guard_create(void);        /* NULL: no memory */
void guard_destroy(struct guard *guard); /* NULL is fine */

struct guard_list {
    char list[GUARD_LIST_SIZE]; /* "listener main", "team search", "key 4f0c…" */
    uint64_t since;             /* when it began to say what it says, wall */
    uint64_t from;              /* who was served then or later, and before `since`, counts */
    uint64_t calls;             /* that it decided on, of those who count */
};

/* These are on watch, at most GUARD_LISTS_MAX; one that was already, with the same `since`, keeps
 * what was counted. Any thread. */
void guard_watch(struct guard *guard, const struct guard_list *lists, size_t count);

/* What one rule of a list refused; where no rule has the source it is "networks of team search". */
struct guard_rule {
    char rule[BOUNCE_RULE_SIZE];
    struct guard_list list;
    uint64_t refused; /* calls of those who count */
    size_t keys;      /* whose they were, at most GUARD_KEYS_MAX */
    uint64_t key_codes[GUARD_KEYS_MAX];
    char network[BOUNCE_NETWORK_SIZE]; /* of the last one, */
    char team[BOUNCE_TEAM_SIZE];       /* its team, */
    char key_id[BOUNCE_WORD_SIZE];     /* and its key */
    struct identifier examples[GUARD_EXAMPLES_MAX];
    size_t example_count;
};

/* Calls `found` for each rule that refused something; valid until it returns. Any thread. */
void guard_read(struct guard *guard, void (*found)(void *context, const struct guard_rule *rule),
                void *context);
/* Calls of those who count that a list decided on; 0 when it is not on watch. Any thread. */
uint64_t guard_count(struct guard *guard, const char *list);

/* ---- the importer's side ---- */

/* For guard_add on this store. */
struct guard_counting;
must_handle enum error guard_counting_create(struct guard *guard, struct store *store,
                                             struct guard_counting **out);
void guard_counting_destroy(struct guard_counting *counting); /* NULL is fine */
/* A record that became a row, of a caller whom the gateway recognised; `network` is the group's of
 * store/bounces.h. */
must_handle enum error guard_add(struct guard_counting *counting, const struct record *record,
                                 struct text network);
/* Before the commit, after it, and after a roll-back. */
must_handle enum error guard_flush(struct guard_counting *counting);
void guard_settle(struct guard_counting *counting);
void guard_forget(struct guard_counting *counting);

#endif
