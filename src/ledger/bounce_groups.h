/* bounce_groups: the groups of calls turned away that are in memory, few of however many.
 *
 * Which few is a heavy-hitter sketch: Space-Saving (A. Metwally, D. Agrawal, A. El Abbadi,
 * "Efficient Computation of Frequent and Top-k Elements in Data Streams", ICDT 2005) with two
 * changes. What a group had when it went is not given to the one that takes its place but counted
 * in a row of its wider network, which remembers the highest bound of those that went; so the calls
 * of a group are its own, those of all rows together are exact, and `error` says how many of a
 * group's may be in that row:
 *
 *     calls <= true calls <= calls + error
 *
 * And who has to go is the smallest group of the largest holder, not the smallest of all: groups
 * are held by class of reason, and within it by listener and wider network (those that are kept: by
 * key), so that a flood displaces its own. Groups with a good call behind them, or with one of our
 * keys, have places of their own, which no other group can take.
 *
 * Memory only, one thread. */
#ifndef LEDGER_BOUNCE_GROUPS_H
#define LEDGER_BOUNCE_GROUPS_H

#include "store/bounces.h"

/* 1.7 KB each, 12 MB in all when full. A company has hundreds of groups; of a million sources that
 * nothing speaks for these are the largest. */
#define BOUNCE_OPEN_MAX   2048u
#define BOUNCE_KEPT_MAX   4096u
#define BOUNCE_OTHERS_MAX 1024u
#define BOUNCE_GROUPS_MAX (BOUNCE_OPEN_MAX + BOUNCE_KEPT_MAX + BOUNCE_OTHERS_MAX)

/* What a wider network is: an eighth of the IPv4 address, an eighth of the IPv6 one. */
#define BOUNCE_WIDE_V4 8u
#define BOUNCE_WIDE_V6 16u

struct bounce_groups;

struct bounce_groups *bounce_groups_create(void);         /* NULL: no memory */
void bounce_groups_destroy(struct bounce_groups *groups); /* NULL is fine */
void bounce_groups_clear(struct bounce_groups *groups);

/* Puts a group where it was, `slot` below BOUNCE_GROUPS_MAX; nothing is changed by it. False when
 * that cannot be: not a slot of its kind, or taken. */
must_check bool bounce_groups_restore(struct bounce_groups *groups, size_t slot,
                                      const struct bounce_group *group);

/* Counts `calls` of the group `call`, of which what tells groups apart and what is known of the
 * last call are set, `last_at` (when it began) and `last_id`; `kind` is BOUNCE_KEPT or BOUNCE_OPEN.
 * A group becomes kept with the first call that is, and stays so. */
void bounce_groups_add(struct bounce_groups *groups, const struct bounce_group *call,
                       uint64_t calls);
/* Groups of that network are kept from now on: it has had a good call. */
void bounce_groups_keep_network(struct bounce_groups *groups, const char *network);
/* What was last seen before `time` goes: groups into rows of wider networks, those for good. */
void bounce_groups_forget(struct bounce_groups *groups, uint64_t time);

/* ---- what changed, for the store ---- */

#define BOUNCE_NO_SLOT SIZE_MAX
/* A slot that changed and was not taken yet, BOUNCE_NO_SLOT when there is none; `group` NULL: it is
 * free now. */
size_t bounce_groups_take_changed(struct bounce_groups *groups, const struct bounce_group **group);
/* The group in a slot, or NULL. */
const struct bounce_group *bounce_groups_at(const struct bounce_groups *groups, size_t slot);

#endif
