/* guard_callers: who got through lately, so that a rule that cuts him off is noticed.
 *
 * A caller is a key (or who a token or certificate names), on a listener, from a network. He is
 * remembered by a code of these three, with the first and the last time that a call of his was
 * served, in memory and in the store, in the transaction that makes rows of the records. Bounded:
 * GUARD_CALLERS_MAX, in sets of GUARD_CALLERS_WAYS; who comes into a full set takes the place of
 * the one who was served longest ago. The importer's thread. Errors as in store/store.h. */
#ifndef LEDGER_GUARD_CALLERS_H
#define LEDGER_GUARD_CALLERS_H

#include "store/guard.h"
#include "store/record.h"

#define GUARD_CALLERS_SETS 8192u
#define GUARD_CALLERS_WAYS 8u
/* 2.6 MB: more keys, times networks, than a company has. */
#define GUARD_CALLERS_MAX (GUARD_CALLERS_SETS * GUARD_CALLERS_WAYS)
/* Calls of one caller that count in a minute: a loop that tries again and again weighs no more than
 * a program that works. */
#define GUARD_CALLS_A_MINUTE 10u

struct guard_callers;

must_handle enum error guard_callers_create(struct store *store, struct guard_callers **out);
void guard_callers_destroy(struct guard_callers *callers); /* before store_close; NULL is fine */

struct guard_caller_times {
    uint64_t first_at, good_at;
};

/* A call of that caller, whom the gateway has recognised. True when he is known and the call
 * counts; `times` are then those of calls before this one. Remembers him when it was served. */
must_handle enum error guard_callers_add(struct guard_callers *callers, const struct record *record,
                                         struct text network, bool *counts,
                                         struct guard_caller_times *times);
/* Writes what changed; before the commit. */
must_handle enum error guard_callers_flush(struct guard_callers *callers);
/* After a roll-back: all is read anew. */
void guard_callers_forget(struct guard_callers *callers);

#endif
